"""Whether a guide fits a model: every latent of one execution drawn, and none too many."""

from __future__ import annotations

from helpers.programs.traces import Trace


def check_match(model: Trace, guide: Trace) -> None:
    """Check that a guide's execution set the latent values of a model's execution, and no others.

    Args:
        model: The model's execution, replayed against the guide's.
        guide: The guide's execution.

    Raises:
        ValueError: If the guide names an observed site, misses a latent one, or has one too many that it does not declare auxiliary.
    """
    for site in guide.random:
        if site.observed:
            raise ValueError(
                f"The guide observes site {site.name!r} ({site.where}); a guide only draws. Observations, factors and interventions "
                "belong in the model."
            )
        if site.name not in model:
            if site.auxiliary:
                continue
            others = ", ".join(map(repr, model.latent)) or "none"
            raise ValueError(
                f"The guide draws {site.name!r} ({site.where}), and this execution of the model has no such site. Its latent sites: "
                f"{others}. Usual causes: a misspelt name, or a recursion that ends at another depth. If it is meant, say so: "
                "sample(..., auxiliary=True)."
            )
        other = model[site.name]
        if other.observed:
            raise ValueError(
                f"The guide draws {site.name!r} ({site.where}), which the model observes ({other.where}): the draw would replace the "
                "datum. Leave it out of the guide."
            )
    for site in model.random:
        if site.latent and site.name not in guide:
            raise ValueError(
                f"The model draws {site.name!r} ({site.where}), and this execution of the guide has no such site, so it was drawn from the "
                f"prior and nothing would be learnt about it. The guide's sites: {', '.join(map(repr, guide.latent)) or 'none'}. Usual "
                "causes: a misspelt name, an observation that was not passed on, or a recursion that ends at another depth."
            )

"""Exercise 08.6: the acceptance probability of a step that changes the number of variables."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from helpers.exercises.engine.inputs import normal
from helpers.exercises.exercise import Exercise, Misconception


def acceptance_probability(current, proposed, name, log_likelihoods):
    """Probability with which single-site Metropolis-Hastings accepts a step.

    The step chose latent site `name` among all n of the present execution, drew its new value from the
    program, and ran the program again with the other values kept; sites that are new were drawn from the
    program too. The step back would choose among the n' sites of the proposed execution.
    current, proposed: log-probability of each latent site by name, scalars; log_likelihoods: log p(x | z)
    before and after, [2] → min(1, ratio), a scalar.
    """
    kept = [site for site in current if site in proposed and site != name]
    log_ratio = log_likelihoods[1] - log_likelihoods[0] + math.log(len(current) / len(proposed))
    for site in kept:  # drawn values cancel: p over the density of the draw is 1
        log_ratio = log_ratio + proposed[site] - current[site]
    return log_ratio.clamp_max(0.0).exp()


def _logs(generator: Generator, *names: str, scale: float = 1.0) -> dict[str, Tensor]:
    return {name: normal(generator, loc=-1.0, scale=scale) for name in names}


def _case(
    generator: Generator,
    before: str,
    after: str,
    name: str,
    spread: float = 0.7,
    likelihoods: tuple[float, float] = (-3.0, -3.2),
):
    return {
        "current": _logs(generator, *before.split(), scale=spread),
        "proposed": _logs(generator, *after.split(), scale=spread),
        "name": name,
        "log_likelihoods": torch.tensor(likelihoods, dtype=torch.float64) + 0.3 * normal(generator, 2),
    }


def _with(
    number=lambda n, m: math.log(n / m),
    likelihood=lambda before, after: after - before,
    chosen=lambda new, old: 0.0,
    fresh=lambda new: 0.0,
    forgotten=lambda old: 0.0,
    kept=lambda new, old: new - old,
    end=lambda log_ratio: log_ratio.clamp_max(0.0).exp(),
):
    """A wrong answer: what one kind of site, or of factor, adds to the log ratio; or what is made of it."""

    def answer(current, proposed, name, log_likelihoods):
        log_ratio = (
            likelihood(*log_likelihoods) + number(len(current), len(proposed)) + chosen(proposed[name], current[name])
        )
        for site in {**current, **proposed}:
            if site == name:
                continue
            if site not in current:
                log_ratio = log_ratio + fresh(proposed[site])
            elif site not in proposed:
                log_ratio = log_ratio + forgotten(current[site])
            else:
                log_ratio = log_ratio + kept(proposed[site], current[site])
        return end(torch.as_tensor(log_ratio, dtype=log_likelihoods.dtype))

    return answer


ACCEPTANCE = Exercise(
    id="08.6",
    title="A step that changes the number of variables",
    minutes=8,
    difficulty=3,
    statement=r"A step of single-site Metropolis-Hastings changed site `name`, by a draw from the program, and ran the program "
    r"again: some sites "
    r"are new (drawn from the program), some are gone, the others kept their value, but perhaps not their log-probability. Return the "
    r"probability that it is accepted, $\min(1, \text{ratio})$. A step back chooses its site among $n'$, not $n$.",
    solution=acceptance_probability,
    why="Whatever was drawn from the program cancels against the density of the draw, there and back. What stays: the likelihood, "
    "the sites whose "
    "value was kept while their distribution changed, and n / n', the one factor that knows the number of variables.",
    cases={
        "one site, the same number": lambda g: _case(g, "z", "z", "z"),
        "a site whose distribution changed": lambda g: _case(g, "z w", "z w", "z"),
        "two more sites": lambda g: _case(g, "many a", "many a b c", "many"),
        "two sites fewer": lambda g: _case(g, "many a b c", "many a", "many"),
        "some new and some gone": lambda g: _case(g, "k a b", "k b c d e", "k"),
        "improbable": lambda g: _case(g, "k a b", "k a c", "k", spread=2.0, likelihoods=(-100.0, -103.0)),
        "surely accepted": lambda g: _case(g, "k a", "k a b", "k", spread=0.1, likelihoods=(-50.0, -20.0)),
        "far from sure, positive log-densities": lambda g: {
            **_case(g, "k a b c", "k a b", "k", spread=0.2),
            "log_likelihoods": torch.tensor([7.0, 6.4], dtype=torch.float64),
        },
    },
    dimensions={"log_likelihoods": ("before and after",), "return": ()},
    returns=("the acceptance probability",),
    hints=(
        "Write the full ratio: joint after over joint before, times density of the step back over that of the step. Then cancel.",
        "log ratio = log-likelihood after - before + log(n / n') + sum over kept sites, other than `name`, of proposed - current;   "
        "probability = exp(min(0, log ratio)).",
        "kept = [site for site in current if site in proposed and site != name]",
    ),
    misconceptions=(
        Misconception(
            "the number of sites forgotten",
            _with(number=lambda n, m: 0.0),
            "You lack n / n': the step chose its site with probability 1/n, the step back with 1/n'. Without it the chain settles "
            "on a wrong "
            "number of variables.",
        ),
        Misconception(
            "the number of sites upside down",
            _with(number=lambda n, m: math.log(m / n)),
            "n' / n is upside down: the step back has probability 1/n' and stands above the line, so the factor is n / n'.",
        ),
        Misconception(
            "the likelihood upside down",
            _with(likelihood=lambda before, after: before - after),
            "The likelihoods are upside down: after less before.",
        ),
        Misconception(
            "the likelihood forgotten",
            _with(likelihood=lambda before, after: 0.0 * after),
            "You lack the likelihood: without it the chain has the prior as its distribution.",
        ),
        Misconception(
            "kept sites forgotten",
            _with(kept=lambda new, old: 0.0),
            "A site that keeps its value may get another distribution: proposed[site] - current[site] counts.",
        ),
        Misconception(
            "kept sites upside down",
            _with(kept=lambda new, old: old - new),
            "Kept sites are upside down: their log-probability after, less before.",
        ),
        Misconception(
            "new sites counted",
            _with(fresh=lambda new: new),
            "New sites count in your ratio. They were drawn from the program: their log-probability and that of the draw cancel.",
        ),
        Misconception(
            "sites that are gone counted",
            _with(forgotten=lambda old: -old),
            "Sites that are gone count in your ratio. The step back would draw them from the program: they cancel.",
        ),
        Misconception(
            "the chosen site counted",
            _with(chosen=lambda new, old: new - old),
            "The chosen site counts in your ratio. Its new value was drawn from the program, as its old one would be on the way "
            "back: both cancel.",
        ),
        Misconception(
            "the ratio of joints",
            _with(chosen=lambda new, old: new - old, fresh=lambda new: new, forgotten=lambda old: -old),
            "That is the ratio of the joints, times n / n'. Divide by the densities of what was drawn: the chosen site, and the "
            "new ones; on the "
            "way back the old value, and those that are gone.",
        ),
        Misconception(
            "the ratio of joints alone",
            _with(
                number=lambda n, m: 0.0,
                chosen=lambda new, old: new - old,
                fresh=lambda new: new,
                forgotten=lambda old: -old,
            ),
            "That is the ratio of the joints alone: right for a symmetric proposal of one fixed set of variables. Here values are "
            "drawn from the "
            "program, and their number changes.",
        ),
        Misconception(
            "not at most one",
            _with(end=lambda log_ratio: log_ratio.exp()),
            "That is the ratio. As a probability it is at most 1: min(1, ratio).",
        ),
        Misconception(
            "the log ratio",
            _with(end=lambda log_ratio: log_ratio.clamp_max(0.0)),
            "That is the logarithm of the probability. Take exp.",
        ),
        Misconception(
            "at least one",
            _with(end=lambda log_ratio: log_ratio.clamp_min(0.0).exp()),
            "You take the larger of 1 and the ratio: min(1, ratio), not max.",
        ),
        Misconception(
            "a sigmoid",
            _with(end=lambda log_ratio: log_ratio.sigmoid()),
            "ratio / (1 + ratio) is Barker's rule, which keeps the posterior too but accepts less. Asked is min(1, ratio).",
        ),
        Misconception(
            "drawn sites subtracted once more",
            _with(chosen=lambda new, old: old - new, fresh=lambda new: -new, forgotten=lambda old: old),
            "You divide by the densities of what was drawn, and left them out of the joints: they must be in both, or in neither.",
        ),
    ),
)

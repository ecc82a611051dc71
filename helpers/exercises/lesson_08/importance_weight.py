"""Exercise 08.5: the importance weight of an execution."""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.distributions import Bernoulli, Normal

from helpers.exercises.engine.inputs import normal
from helpers.exercises.exercise import Exercise, Misconception
from helpers.exercises.lesson_08.small_programs import Sample, branching, one_mean, twice_observed, two_levels


def log_importance_weight(model, guide, x, values):
    """Log weight of one execution: the guide proposed some sites, and the model drew the others itself.

    Both are programs: call guide(sample, x) and model(sample, x), each with a `sample` of yours. Latent
    site `name` has the value values[name], whoever drew it. p(x, z) is that of the model; the density of
    the proposal is the guide's for its sites, and the model's own for the rest.
    x: [data]; values: tensors by name → log p(x, z) less the log density of the proposal: a scalar, nats.
    """
    log_weight, proposed = x.new_zeros(()), set()

    def in_guide(name, distribution, obs=None):
        nonlocal log_weight
        proposed.add(name)
        log_weight = log_weight - distribution.log_prob(values[name]).sum()
        return values[name]

    def in_model(name, distribution, obs=None):
        nonlocal log_weight
        value = values[name] if obs is None else obs
        if obs is not None or name in proposed:  # of a site that the model drew itself, p / p is 1
            log_weight = log_weight + distribution.log_prob(value).sum()
        return value

    guide(in_guide, x)
    model(in_model, x)
    return log_weight


def _nothing(sample: Sample, x: Tensor) -> None:
    """A guide that leaves everything to the model."""


def _mean_field(sample: Sample, x: Tensor) -> None:
    sample("a", Normal(x.mean(), 0.8))
    sample("b", Normal(x.new_tensor([0.5, -0.5, 1.0]), 1.3))


def _all_three(sample: Sample, x: Tensor) -> None:
    c = sample("c", Normal(x.sum(), 2.0))
    b = sample("b", Normal(x.new_tensor([0.5, -0.5, 1.0]) + c, 1.3))
    sample("a", Normal(b.mean(), 0.8))


def _of_z(sample: Sample, x: Tensor) -> None:
    sample("z", Normal(0.3 * x.sum(), 0.9))


def _of_k(sample: Sample, x: Tensor) -> None:
    sample("k", Bernoulli(x.new_tensor(0.8)))


def _leaf(generator: Generator, *size: int, scale: float = 1.0) -> Tensor:
    return normal(generator, *size, scale=scale).requires_grad_()


def _parts(model, guide, x, values):
    """log q of the guide's sites; log p of observed sites, of proposed latent sites and of the model's own; each a scalar."""
    log_q, likelihood, proposed_p, own_p = (x.new_zeros(()) for _ in range(4))
    proposed = set()

    def in_guide(name, distribution, obs=None):
        nonlocal log_q
        proposed.add(name)
        log_q = log_q + distribution.log_prob(values[name]).sum()
        return values[name]

    def in_model(name, distribution, obs=None):
        nonlocal likelihood, proposed_p, own_p
        value = values[name] if obs is None else obs
        term = distribution.log_prob(value).sum()
        if obs is not None:
            likelihood = likelihood + term
        elif name in proposed:
            proposed_p = proposed_p + term
        else:
            own_p = own_p + term
        return value

    guide(in_guide, x)
    model(in_model, x)
    return log_q, likelihood, proposed_p, own_p


def _from(parts):
    return lambda model, guide, x, values: parts(*_parts(model, guide, x, values))


def _case(model, guide, data, **values):
    return {"model": model, "guide": guide, "x": data, "values": values}


def _vectors(generator: Generator, scale: float = 1.0) -> dict[str, Tensor]:
    return {
        "a": _leaf(generator, scale=scale),
        "b": _leaf(generator, 3, scale=scale),
        "c": _leaf(generator, scale=scale),
    }


IMPORTANCE_WEIGHT = Exercise(
    id="08.5",
    title="The weight of an execution",
    minutes=7,
    difficulty=2,
    statement=r"A guide proposes values for some of a model's latent sites; the model draws the others itself. Return the log "
    r"importance weight of "
    r"the execution, $\log p(x, z)$ less the log density with which its latent values were proposed.",
    solution=log_importance_weight,
    why="A site that the model drew itself was proposed with its own density: p / p = 1. Without a guide every latent site "
    "cancels, and the weight is "
    "the likelihood.",
    cases={
        "a guide of every site": lambda g: _case(two_levels, _all_three, _leaf(g, 5), **_vectors(g)),
        "a guide of two sites in three": lambda g: _case(two_levels, _mean_field, _leaf(g, 5), **_vectors(g)),
        "no guide": lambda g: _case(one_mean, _nothing, _leaf(g, 4), z=_leaf(g)),
        "one mean": lambda g: _case(one_mean, _of_z, _leaf(g, 3), z=_leaf(g)),
        "two observed sites, far away": lambda g: _case(
            twice_observed, _of_z, _leaf(g, 3, scale=20.0), z=_leaf(g, scale=20.0)
        ),
        "a choice proposed, what follows drawn": lambda g: _case(
            branching, _of_k, _leaf(g, 2), k=torch.tensor(1.0, dtype=torch.float64), extra=_leaf(g), factor=_leaf(g)
        ),
        "a value stands by an observed site's name": lambda g: _case(
            one_mean, _of_z, _leaf(g, 1), z=_leaf(g), x=normal(g, 1)
        ),
    },
    dimensions={"x": ("data",), "return": ()},
    returns=("the log weight",),
    hints=(
        "Run the guide first, and remember which names it proposed. Then the model.",
        "Each site of the guide subtracts its log q. In the model, observed sites and proposed ones add their log p; a site that "
        "the model drew "
        "itself adds log p and subtracts the same.",
        "proposed = set();   in the guide's `sample`: proposed.add(name), and log_weight - distribution.log_prob(values[name]).sum().",
    ),
    misconceptions=(
        Misconception(
            "sites that the model drew count",
            _from(lambda q, likelihood, proposed, own: likelihood + proposed + own - q),
            "Sites that the model drew itself count in your weight. They were proposed with that same density, which cancels.",
        ),
        Misconception(
            "the likelihood less log q",
            _from(lambda q, likelihood, proposed, own: likelihood - q),
            "Your weight lacks log p of the proposed sites: it is p(x, z) / q(z), with the prior in it.",
        ),
        Misconception(
            "the likelihood alone",
            _from(lambda q, likelihood, proposed, own: likelihood),
            "That is the weight of executions drawn from the model. Sites that the guide proposed add log p - log q.",
        ),
        Misconception(
            "log q added",
            _from(lambda q, likelihood, proposed, own: likelihood + proposed + q),
            "log q is added. What the guide proposes often must count less: subtract it.",
        ),
        Misconception(
            "log q forgotten",
            _from(lambda q, likelihood, proposed, own: likelihood + proposed),
            "Your weight lacks the guide: subtract log q of the sites that it proposed.",
        ),
        Misconception(
            "the joint alone",
            _from(lambda q, likelihood, proposed, own: likelihood + proposed + own),
            "That is log p(x, z). A weight divides by the density with which the latent values were proposed.",
        ),
        Misconception(
            "the likelihood forgotten",
            _from(lambda q, likelihood, proposed, own: proposed - q),
            "Your weight lacks the observed sites: without them it would be the same for all data.",
        ),
        Misconception(
            "the other sign",
            _from(lambda q, likelihood, proposed, own: q - likelihood - proposed),
            "The sign is wrong: the weight is p / q, so log p - log q.",
        ),
        Misconception(
            "the weight itself",
            _from(lambda q, likelihood, proposed, own: (likelihood + proposed - q).exp()),
            "That is the weight. Asked is its logarithm: with many sites the weight itself is 0 in floating point.",
        ),
        Misconception(
            "own sites subtracted",
            _from(lambda q, likelihood, proposed, own: likelihood + proposed - q - own),
            "You subtract log p of the sites that the model drew, without having added it: they cancel.",
        ),
        Misconception(
            "the proposed sites' log p subtracted",
            _from(lambda q, likelihood, proposed, own: likelihood - proposed - q),
            "log p of the proposed sites has the wrong sign: it belongs to p(x, z), above the fraction's line.",
        ),
        Misconception(
            "the likelihood of given values",
            lambda model, guide, x, values: _data_replaced(model, guide, x, values),
            "An observed site takes its value from `values` in your answer if the name is there. It keeps `obs`.",
        ),
        Misconception(
            "means for sums",
            lambda model, guide, x, values: _with_means(model, guide, x, values),
            "You average the log-probabilities of a site's members. They are summed.",
        ),
    ),
)


def _data_replaced(model, guide, x, values):
    def without_data(sample, data):
        return model(
            lambda name, distribution, obs=None: sample(
                name, distribution, values.get(name, obs) if obs is not None else None
            ),
            data,
        )

    return log_importance_weight(without_data, guide, x, values)


def _with_means(model, guide, x, values):
    total, proposed = x.new_zeros(()), set()

    def in_guide(name, distribution, obs=None):
        nonlocal total
        proposed.add(name)
        total = total - distribution.log_prob(values[name]).mean()
        return values[name]

    def in_model(name, distribution, obs=None):
        nonlocal total
        value = values[name] if obs is None else obs
        if obs is not None or name in proposed:
            total = total + distribution.log_prob(value).mean()
        return value

    guide(in_guide, x)
    model(in_model, x)
    return total

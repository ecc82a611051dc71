"""Exercise 04.6: two gradients of a Gaussian."""

from __future__ import annotations

import math

import numpy
import torch
from torch import Generator, Tensor

from helpers.exercises.engine.inputs import normal, uniform
from helpers.exercises.exercise import Exercise, Misconception


def gaussian_variances(f, slope, scale, eps, weight):
    """Variance of two gradients of E_q[f] on loc, one sample each, z = loc + scale eps.

    The score function f(z) eps / scale, and the pathwise gradient f'(z). f, slope: f and f' at z,
    [nodes, batch]; scale: [batch]; eps, weight: nodes of a standard normal and their weights,
    which sum to 1: [nodes] → variances of the score function and of the pathwise gradient, [batch].
    """
    score = f * eps[:, None] / scale  # [nodes, batch]
    score_variance = weight @ (score - weight @ score) ** 2  # [batch]
    return score_variance, weight @ (slope - weight @ slope) ** 2


def _quadrature_inputs(
    generator: Generator, nodes: int, batch: int, frequency: float, offset: float = 0.0, low: float = 0.3
) -> dict[str, Tensor]:
    """A wave on a parabola, at places and with scales of its own for each datum.

    Gauss-Hermite nodes, enough of them for the wave: then E[f eps / scale] and E[f'] agree to many digits, and either may stand for
    the mean of both gradients.
    """
    eps, weight = _hermite(nodes)
    scale = low * (1 + uniform(generator, batch))
    z = normal(generator, batch) + scale * eps[:, None]  # [nodes, batch]
    return {
        "f": offset + (frequency * z).sin() - 0.3 * z**2,
        "slope": frequency * (frequency * z).cos() - 0.6 * z,
        "scale": scale,
        "eps": eps,
        "weight": weight,
    }


def _hermite(nodes: int) -> tuple[Tensor, Tensor]:
    """Places and weights that give the mean of any polynomial below degree 2 nodes under a standard normal."""
    eps, weight = (torch.from_numpy(values) for values in numpy.polynomial.hermite_e.hermegauss(nodes))
    return eps, weight / math.sqrt(2 * math.pi)


def _cubic_inputs(generator: Generator, nodes: int, batch: int, scale: Tensor) -> dict[str, Tensor]:
    """A polynomial of third degree for each datum, for which few nodes are enough."""
    eps, weight = _hermite(nodes)
    a, b, c = normal(generator, 3, batch)
    z = normal(generator, batch) + scale * eps[:, None]
    return {
        "f": 2.0 + a * z + b * z**2 - 0.3 * c * z**3,
        "slope": a + 2 * b * z - 0.9 * c * z**2,
        "scale": scale,
        "eps": eps,
        "weight": weight,
    }


def _variance(values, weight):
    return weight @ (values - weight @ values) ** 2


def _variances_with(score, path=lambda slope, scale, eps: slope, spread=_variance):
    """A wrong answer: gradients per node [nodes, batch] as functions of f or f', scale and eps [nodes, 1], and what their spread is."""
    return lambda f, slope, scale, eps, weight: (
        spread(score(f, scale, eps[:, None]), weight),
        spread(path(slope, scale, eps[:, None]), weight),
    )


def _score(f, scale, eps):
    return f * eps / scale


GAUSSIAN = Exercise(
    id="04.6",
    title="Two gradients of a Gaussian",
    minutes=7,
    difficulty=2,
    statement=r"For $z = \mu + \sigma\epsilon$, both $f(z)\,\epsilon / \sigma$ (score function) and $f'(z)$ (pathwise) estimate the "
    r"gradient of "
    r"$\mathbb E[f(z)]$ on $\mu$. Return the exact variance of each, one sample, from quadrature: the mean of any $g(\epsilon)$ is "
    r"`weight @ g(eps)`.",
    solution=gaussian_variances,
    why="A variance is a mean too, of squared distances from the mean, so the same weights give it. The score function's grows with "
    "the height of "
    "f, the pathwise gradient's with the steepness of f; which is larger, f decides.",
    cases={
        "a slow wave": lambda g: _quadrature_inputs(g, 41, 3, 1.0),
        "a fast wave, far from zero": lambda g: _quadrature_inputs(g, 61, 2, 6.0, offset=-5.0),
        "one narrow Gaussian": lambda g: _quadrature_inputs(g, 31, 1, 2.0, low=0.05),
        "as many nodes as Gaussians": lambda g: _cubic_inputs(g, 7, 7, 0.3 + uniform(g, 7)),
        "narrow and wide": lambda g: _cubic_inputs(g, 9, 4, torch.tensor([1e-3, 0.1, 1.0, 30.0], dtype=torch.float64)),
        "log-likelihoods": lambda g: _quadrature_inputs(g, 21, 3, 0.5, offset=-400.0),
    },
    dimensions={
        "f": ("nodes", "batch"),
        "slope": ("nodes", "batch"),
        "scale": ("batch",),
        "eps": ("nodes",),
        "weight": ("nodes",),
        "return": (("batch",), ("batch",)),
    },  # fmt: skip
    returns=("the variance of the score function", "the variance of the pathwise gradient"),
    hints=(
        "First the gradient that each node would give, for both estimators: [nodes, batch]. Then its weighted mean, then the weighted "
        "mean of "
        "the squared distance from it.",
        "g = f ε/σ, or g = f′;   variance = Σ_n w_n (g_n − Σ_m w_m g_m)².",
        "score = f * eps[:, None] / scale  # [nodes, batch]",
    ),
    misconceptions=(
        Misconception(
            "the second moment",
            _variances_with(_score, spread=lambda values, weight: weight @ values**2),
            "Those are second moments: the mean is not taken off. Variance = E[g²] − E[g]².",
        ),
        Misconception(
            "nodes weighed alike",
            _variances_with(_score, spread=lambda values, weight: values.var(0, unbiased=False)),
            "You weigh all nodes alike, as if they were draws. They are places on a grid: `weight` says how probable each of them is.",
        ),
        Misconception(
            "nodes weighed alike, as a sample",
            _variances_with(_score, spread=lambda values, weight: values.var(0)),
            "Your variances take the nodes for draws, all alike, and divide by their number less 1. They are places "
            "on a grid: `weight` says how probable each of them is.",
        ),
        Misconception(
            "forgets to divide by the scale",
            _variances_with(lambda f, scale, eps: f * eps),
            "The pathwise one is right. The score on μ is (z − μ)/σ² = ε/σ: divide by the scale.",
        ),
        Misconception(
            "divides by the variance",
            _variances_with(lambda f, scale, eps: f * eps / scale**2),
            "The pathwise one is right. The score on μ is (z − μ)/σ², and z − μ is σ ε, so one σ cancels: f ε/σ.",
        ),
        Misconception(
            "a baseline that nobody asked for",
            lambda f, slope, scale, eps, weight: (
                _variance((f - weight @ f) * eps[:, None] / scale, weight),
                _variance(slope, weight),
            ),
            "The pathwise one is right. You subtracted the mean of f from f first: that is the score function with a baseline.",
        ),
        Misconception(
            "the variance of f",
            _variances_with(lambda f, scale, eps: f),
            "The pathwise one is right. The first is the variance of f itself. The gradient that one sample gives is f times the "
            "score, ε/σ.",
        ),
        Misconception(
            "the gradient on the scale, pathwise",
            _variances_with(_score, lambda slope, scale, eps: slope * eps),
            "The score function's is right. f′(z) ε is the pathwise gradient on the scale; z moves with μ one to one, so on μ it is "
            "f′(z).",
        ),
        Misconception(
            "slope by the noise",
            _variances_with(_score, lambda slope, scale, eps: slope * scale),
            "The score function's is right. f′(z) σ is the slope by ε. z moves with μ one to one, so the gradient on μ is f′(z).",
        ),
        Misconception(
            "standard deviations",
            _variances_with(_score, spread=lambda values, weight: _variance(values, weight).sqrt()),
            "Those are standard deviations. Leave out the square root.",
        ),
        Misconception(
            "mean in place of sum",
            _variances_with(_score, spread=lambda values, weight: _variance(values, weight) / len(weight)),
            "Both are too small by the number of nodes. The weights sum to 1, so the weighted sum is the mean already.",
        ),
        Misconception(
            "the two exchanged",
            lambda f, slope, scale, eps, weight: gaussian_variances(f, slope, scale, eps, weight)[::-1],
            "Both numbers are right, and stand in the wrong order: the score function's first, then the pathwise gradient's.",
        ),
        Misconception(
            "the score on the scale",
            _variances_with(lambda f, scale, eps: f * (eps**2 - 1) / scale),
            "The pathwise one is right. (ε² − 1)/σ is the score on σ; the score on μ is ε/σ.",
        ),
        Misconception(
            "the variance divided by the scale once",
            lambda f, slope, scale, eps, weight: (
                _variance(f * eps[:, None], weight) / scale,
                _variance(slope, weight),
            ),
            "The pathwise one is right. Your other variance is divided by σ where σ² belongs: either the variance was divided by σ, or the "
            "gradient by √σ. `scale` is σ itself: divide the gradient by it, then take the variance.",
        ),
        Misconception(
            "the noise for the score",
            _variances_with(lambda f, scale, eps: f * eps * scale),
            "The pathwise one is right. You multiply f ε by the scale; the score on μ is ε/σ: divide.",
        ),
        Misconception(
            "mean absolute deviations",
            _variances_with(_score, spread=lambda values, weight: weight @ (values - weight @ values).abs()),
            "Those are mean distances from the mean. The variance is the mean of the squared distances.",
        ),
        Misconception(
            "weights squared with the deviations",
            _variances_with(
                _score, spread=lambda values, weight: ((weight[:, None] * (values - weight @ values)) ** 2).sum(0)
            ),
            "The weights are squared along with the distances. The mean of squared distances weighs each with `weight` itself.",
        ),
    ),
)

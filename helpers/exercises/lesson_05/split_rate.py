"""Exercise 05.2: what the rate pays for."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from helpers.exercises.engine.inputs import normal, uniform_leaf
from helpers.exercises.exercise import Exercise, Misconception


def split_rate(log_q, log_prior):
    """The rate in two parts, in nats: I(x; z) under q, and KL(q(z) || p(z)), q(z) = 1/N sum_j q(z | x_j).

    log_q[i, j] = log q(z_i | x_j), where z_i was drawn from q(z | x_i): [images, images].
    log_prior: log p(z_i), [images] → the two parts, each a mean over the z_i, [] and [].
    """
    log_aggregate = log_q.logsumexp(1) - math.log(log_q.shape[1])  # log q(z_i): [images]
    information = (log_q.diagonal() - log_aggregate).mean()
    return information, (log_aggregate - log_prior).mean()


def _rate_inputs(generator: Generator, images: int, distance: float, loc: float = 0.0) -> dict[str, Tensor]:
    """log q from codes that lie `distance` apart, in five dimensions, each with a scale of its own."""
    code, scale = normal(generator, images, 5, scale=distance), uniform_leaf(generator, 0.3, 0.9, images, 5).detach()
    z = code + scale * normal(generator, images, 5)
    log_q = (-0.5 * ((z[:, None] - code) / scale) ** 2 - scale.log()).sum(-1) - 2.5 * math.log(2 * math.pi)
    return {"log_q": log_q + loc, "log_prior": -0.5 * (z**2).sum(-1) - 2.0 + loc}


def _collapsed(generator: Generator, images: int) -> dict[str, Tensor]:
    """All q(z | x_j) alike to a thousandth of a nat, at z whose densities differ."""
    log_q = normal(generator, images, 1, scale=3.0) + normal(generator, images, images, scale=1e-3)
    return {"log_q": log_q, "log_prior": log_q[:, 0] + normal(generator, images, scale=1e-3)}


def _split_with(aggregate, own=lambda log_q: log_q.diagonal()):
    """A wrong answer with this log q(z_i) and this log q(z_i | x_i), functions of log q."""
    return lambda log_q, log_prior: ((own(log_q) - aggregate(log_q)).mean(), (aggregate(log_q) - log_prior).mean())


def _aggregate(log_q):
    return log_q.logsumexp(1) - math.log(log_q.shape[1])


def _others_aggregate(log_q):
    itself = torch.eye(len(log_q), dtype=torch.bool)
    return log_q.masked_fill(itself, -torch.inf).logsumexp(1) - math.log(len(log_q) - 1)


SPLIT_RATE = Exercise(
    id="05.2",
    title="What the rate pays for",
    minutes=8,
    difficulty=2,
    statement=r"Split the rate: return the mutual information $\frac 1 N \sum_i \big[\log q(z_i \mid x_i) - \log q(z_i)\big]$ and the "
    r"marginal "
    r"divergence $\frac 1 N \sum_i \big[\log q(z_i) - \log p(z_i)\big]$, where $q(z) = \frac 1 N \sum_j q(z \mid x_j)$ is the "
    r"aggregate posterior. "
    r"`log_q[i, j]` is $\log q(z_i \mid x_j)$, and may be far too small for its exponential.",
    solution=split_rate,
    why="log q(z) is added and taken off again, so the two parts sum to the rate, whatever q(z) is. The first is what z tells of x; "
    "only the "
    "second can be won by a better prior, and it vanishes where p(z) = q(z).",
    cases={
        "seven images, far apart": lambda g: _rate_inputs(g, 7, 2.0),
        "five images, close together": lambda g: _rate_inputs(g, 5, 0.3),
        "very small densities": lambda g: _rate_inputs(g, 4, 0.8, loc=-900.0),
        "two images": lambda g: _rate_inputs(g, 2, 0.5),
        "densities far above one": lambda g: _rate_inputs(g, 3, 1.0, loc=900.0),
        "densities that differ by hundreds of nats, the own one seldom the largest": lambda g: {
            "log_q": normal(g, 6, 6, loc=-400.0, scale=150.0),
            "log_prior": normal(g, 6, scale=150.0),
        },
        "a collapsed encoder": lambda g: _collapsed(g, 8),
    },
    dimensions={"log_q": ("images", "images"), "log_prior": ("images",), "return": ((), ())},
    returns=("the mutual information", "the marginal divergence"),
    hints=(
        "log q(z_i | x_i) stands on the diagonal. log q(z_i) needs the whole row i: all the images that might have made z_i.",
        "log q(z_i) = logsumexp_j log_q[i, j] − log N;   then two means of differences.",
        "log_aggregate = log_q.logsumexp(1) - math.log(log_q.shape[1])",
    ),
    misconceptions=(
        Misconception(
            "over the draws",
            _split_with(lambda log_q: log_q.logsumexp(0) - math.log(len(log_q))),
            "You sum over z, the rows. log q(z_i) mixes the densities that all images x_j give to one z_i: sum along row i, dimension 1.",
        ),
        Misconception(
            "a sum for the aggregate",
            _split_with(lambda log_q: log_q.logsumexp(1)),
            "Your aggregate posterior is the sum of the q(z | x_j). It is their mean: subtract log N.",
        ),
        Misconception(
            "log N added",
            _split_with(lambda log_q: log_q.logsumexp(1) + math.log(len(log_q))),
            "You add log N. A mean divides by N, so its log subtracts log N.",
        ),
        Misconception(
            "the mean of the logs",
            _split_with(lambda log_q: log_q.mean(1)),
            "You average log densities. q(z) averages densities: log of the mean, by `logsumexp`.",
        ),
        Misconception(
            "its own image left out",
            _split_with(_others_aggregate),
            "You leave image i out of q(z_i). The aggregate posterior is of all N images, the one that z_i came from among them.",
        ),
        Misconception(
            "by exponentials",
            _split_with(lambda log_q: log_q.exp().mean(1).log()),
            "Right while the densities are not too small for a floating-point number; at −900 they are all 0, and their log is −∞. "
            "`logsumexp` takes the "
            "largest out first.",
        ),
        Misconception(
            "all pairs for the own ones",
            _split_with(_aggregate, own=lambda log_q: log_q.mean(1)),
            "The second part is right. The first takes log q(z_i | x_j) of all pairs; z_i was drawn for x_i, so it is the diagonal.",
        ),
        Misconception(
            "the rate for the information",
            lambda log_q, log_prior: ((log_q.diagonal() - log_prior).mean(), (_aggregate(log_q) - log_prior).mean()),
            "The second part is right. The first is the whole rate, log q(z | x) − log p(z); the mutual information has q(z) in place of "
            "p(z).",
        ),
        Misconception(
            "the rate for the divergence",
            lambda log_q, log_prior: (split_rate(log_q, log_prior)[0], (log_q.diagonal() - log_prior).mean()),
            "The first part is right. The second is the whole rate; the marginal divergence has q(z) in place of q(z | x).",
        ),
        Misconception(
            "the divergence the other way",
            lambda log_q, log_prior: (split_rate(log_q, log_prior)[0], -split_rate(log_q, log_prior)[1]),
            "The first part is right. The second has the wrong sign: log q(z) less log p(z), for the z came from q.",
        ),
        Misconception(
            "the information negative",
            lambda log_q, log_prior: (-split_rate(log_q, log_prior)[0], split_rate(log_q, log_prior)[1]),
            "The second part is right. The first has the wrong sign: a mutual information is not negative.",
        ),
        Misconception(
            "sums for means",
            lambda log_q, log_prior: tuple(len(log_q) * part for part in split_rate(log_q, log_prior)),
            "Both parts are summed over the images. The exercise asks for nats per image: take means.",
        ),
        Misconception(
            "the two exchanged",
            lambda log_q, log_prior: split_rate(log_q, log_prior)[::-1],
            "Both numbers are right, in the wrong order: the mutual information first.",
        ),
        Misconception(
            "the size of the divergence",
            lambda log_q, log_prior: (split_rate(log_q, log_prior)[0], split_rate(log_q, log_prior)[1].abs()),
            "The first part is right. You take the absolute value of the second. From a few z this estimate may be negative, "
            "and then it is.",
        ),
        Misconception(
            "the information never negative",
            lambda log_q, log_prior: (split_rate(log_q, log_prior)[0].clamp(min=0), split_rate(log_q, log_prior)[1]),
            "The second part is right. You keep the first from being negative. From a few z this estimate may be, and then the parts "
            "no longer sum to the rate.",
        ),
    ),
)

"""Exercise 02.4: the density of all codes."""

from __future__ import annotations

import math

from torch import Generator, Tensor
from torch.distributions import Normal

from helpers.exercises.engine.inputs import log_uniform_leaf, normal, normal_leaf
from helpers.exercises.exercise import Exercise, Misconception
from helpers.exercises.lesson_02.log_aggregate_slips import SLIPS


def log_aggregate(z, loc, scale):
    """log q(z) in nats, for q(z) = 1/N sum_i q(z | x_i) and q(z | x_i) = N(loc_i, scale_i²).

    z: [points, latent], loc, scale: [images, latent], a row for each of N images → [points].
    """
    standard = (z[:, None] - loc) / scale  # [points, images, latent]
    log_each = -(0.5 * standard**2 + scale.log() + 0.5 * math.log(2 * math.pi)).sum(-1)  # [points, images]
    return log_each.logsumexp(1) - math.log(len(loc))


def _aggregate_inputs(
    generator: Generator,
    points: int,
    images: int,
    latent: int,
    spread: float = 1.0,
    scale: tuple[float, float] = (0.2, 0.9),
) -> dict[str, Tensor]:
    """`spread`: how far codes and points lie apart; `scale`: the least and the largest of the codes'."""
    return {
        "z": normal_leaf(generator, points, latent, scale=1.3 * spread),
        "loc": normal_leaf(generator, images, latent, scale=spread),
        "scale": log_uniform_leaf(generator, *scale, images, latent),
    }


def _near_and_far(generator: Generator) -> dict[str, Tensor]:
    """Densities high above 1 at three points, since the codes are narrow; one point is a thousand scales away from all codes."""
    loc = normal(generator, 5, 2)
    z = loc[:4] + normal(generator, 4, 2, scale=0.003)
    z[3] = 40.0
    return {
        "z": z.requires_grad_(),
        "loc": loc.requires_grad_(),
        "scale": log_uniform_leaf(generator, 2e-3, 2e-2, 5, 2),
    }


def _each(z, loc, scale):
    """log q(z | x_i), coordinate by coordinate: [points, images, latent]."""
    return Normal(loc, scale).log_prob(z[:, None])


def _matched_gaussian(z, loc, scale):
    mean = loc.mean(0)
    variance = (scale**2 + (loc - mean) ** 2).mean(0)
    return Normal(mean, variance.sqrt()).log_prob(z).sum(-1)


LOG_AGGREGATE = Exercise(
    id="02.4",
    title="The density of all codes",
    minutes=9,
    difficulty=3,
    statement=r"Write $\log q(z)$ of the aggregate posterior $q(z) = \frac1N \sum_i q_\phi(z \mid x_i)$, in nats, at "
    r"every row of `z`, where $q_\phi(z \mid x_i)$ is the Gaussian of "
    r"row $i$ of `loc` and `scale`. It must stay finite at a $z$ far from all codes.",
    solution=log_aggregate,
    why="One image explains all coordinates of z at once, so first the sum over coordinates, then the mean over "
    "images, both of them in logarithms: "
    "the dependence between coordinates lives in this order.",
    cases={
        "five points, four images": lambda g: _aggregate_inputs(g, 5, 4, 3),
        "far from all codes": lambda g: _aggregate_inputs(g, 3, 6, 2, spread=30.0),
        "one coordinate": lambda g: _aggregate_inputs(g, 3, 5, 1),
        "more images than points": lambda g: _aggregate_inputs(g, 2, 7, 4),
        "codes narrow and wide, in fifty dimensions": lambda g: _aggregate_inputs(g, 6, 30, 50, scale=(0.02, 20.0)),
        "one point, one image": lambda g: _aggregate_inputs(g, 1, 1, 2),
        "as many points as images and coordinates": lambda g: _aggregate_inputs(g, 3, 3, 3),
        "some points near, one far": _near_and_far,
    },
    dimensions={
        "z": ("points", "latent"),
        "loc": ("images", "latent"),
        "scale": ("images", "latent"),
        "return": ("points",),
    },
    returns=("the log density",),
    hints=(
        "Every point meets every image: give z a new dimension. Then think about which dimension is summed in "
        "logarithms, and which is averaged outside them.",
        "log q(z) = logsumexp_i [Σ_d log N(z_d; μ_id, σ_id²)] − log N.",
        "standard = (z[:, None] - loc) / scale  # [points, images, latent]",
    ),
    misconceptions=(
        Misconception(
            "points paired with images",
            lambda z, loc, scale: ((z - loc) / scale).sum(-1),  # raises
            "`z - loc` sets row against row, and there are more or fewer points than images. Every point meets every image: give "
            "z a new "
            "dimension, `z[:, None]`, [points, 1, latent].",
        ),
        Misconception(
            "points paired with images in log_prob",
            lambda z, loc, scale: Normal(loc, scale).log_prob(z).sum(-1),  # raises
            "`Normal(loc, scale).log_prob(z)` sets row i of z against image i. Every point meets every image: give z a new "
            "dimension, "
            "`log_prob(z[:, None])`, which is [points, images, latent].",
        ),
        Misconception(
            "multiplies the coordinates' histograms",
            lambda z, loc, scale: (_each(z, loc, scale).logsumexp(1) - math.log(len(loc))).sum(-1),
            "You average over the images coordinate by coordinate, and multiply afterwards. That is the density of "
            "*shuffled* codes, with coordinates that no longer depend on "
            "each other. Sum over the coordinates first: one image explains them all.",
        ),
        Misconception(
            "densities before their logarithm",
            lambda z, loc, scale: _each(z, loc, scale).sum(-1).exp().mean(1).log(),
            "Right near the codes, and −∞ far from them, where every density rounds to 0 before you take the logarithm. Stay in "
            "logarithms: `logsumexp`.",
        ),
        Misconception(
            "mean of the log densities",
            lambda z, loc, scale: _each(z, loc, scale).sum(-1).mean(1),
            "You average the logarithms. q(z) is a mean of densities, and the logarithm of a mean is more than the "
            "mean of the logarithms.",
        ),
        Misconception(
            "forgets log N",
            lambda z, loc, scale: _each(z, loc, scale).sum(-1).logsumexp(1),
            "Your density sums over the images, so it integrates to N. Each image has weight 1/N: subtract log N.",
        ),
        Misconception(
            "adds log N",
            lambda z, loc, scale: _each(z, loc, scale).sum(-1).logsumexp(1) + math.log(len(loc)),
            "log N has the wrong sign: a mean divides by N, so its logarithm subtracts log N.",
        ),
        Misconception(
            "subtracts log of the number of points",
            lambda z, loc, scale: _each(z, loc, scale).sum(-1).logsumexp(1) - math.log(len(z)),
            "You divide by the number of points. The mean is over the images: N is the number of rows of loc.",
        ),
        Misconception(
            "one Gaussian with the same mean and variance",
            _matched_gaussian,
            "You replaced the mixture by the one Gaussian with its mean and variance. Every coordinate's spread is "
            "right, and everything else that the codes know is gone.",
        ),
        Misconception(
            "a small number inside the logarithm",
            lambda z, loc, scale: (_each(z, loc, scale).sum(-1).exp().mean(1) + 1e-8).log(),
            "You add a small number before the logarithm, so that far from all codes every density looks the same, "
            "and has no gradient. `logsumexp` needs no such help.",
        ),
        Misconception(
            "log of the normaliser forgotten",
            lambda z, loc, scale: (-0.5 * ((z[:, None] - loc) / scale) ** 2).sum(-1).logsumexp(1) - math.log(len(loc)),
            "Your Gaussians are not normalised: −log σ − ½ log 2π is missing for each coordinate. In a mixture it "
            "changes more than a constant: it weighs narrow against wide.",
        ),
        *SLIPS,
    ),
)

"""Exercise 05.4: the density of a VampPrior."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from helpers.exercises.engine.inputs import normal, normal_leaf, uniform, uniform_leaf
from helpers.exercises.exercise import Exercise, Misconception


def vamp_log_prob(z, loc, scale):
    """log p(z) in nats of a VampPrior: p(z) = 1/K sum_k q(z | u_k), q(z | u_k) = N(loc_k, scale_k²).

    z: [batch, latent]. loc, scale: what the encoder makes of the K pseudo-inputs u_k,
    [components, latent] → [batch].
    """
    error = (z[:, None] - loc) / scale  # [batch, components, latent]
    log_q = (-0.5 * error**2 - scale.log() - 0.5 * math.log(2 * math.pi)).sum(-1)  # [batch, components]
    return log_q.logsumexp(-1) - math.log(len(loc))


def _vamp_inputs(
    generator: Generator, batch: int, components: int, latent: int, spread: float = 1.5
) -> dict[str, Tensor]:
    return {
        "z": normal_leaf(generator, batch, latent, scale=spread),
        "loc": normal_leaf(generator, components, latent, scale=spread),
        "scale": uniform_leaf(generator, 0.3, 2.0, components, latent),
    }


def _uneven(generator: Generator, batch: int, components: int, latent: int) -> dict[str, Tensor]:
    """Scales from a hundredth to a hundred; the first z stands on the narrowest component, each next one ten times farther away."""
    loc = normal(generator, components, latent)
    scale = torch.logspace(-2, 2, components, dtype=torch.float64)[:, None] * (
        1 + uniform(generator, components, latent)
    )
    z = loc[:1] + 10.0 ** torch.arange(-2, batch - 2)[:, None] * (0.5 + uniform(generator, batch, latent))
    return {"z": z.requires_grad_(), "loc": loc.requires_grad_(), "scale": scale.requires_grad_()}


def _log_normals(z, loc, scale):
    """[batch, components, latent]"""
    return -0.5 * ((z[:, None] - loc) / scale) ** 2 - scale.log() - 0.5 * math.log(2 * math.pi)


def _vamp_with(log_normals, mix=lambda log_q: log_q.logsumexp(-1) - math.log(log_q.shape[-1])):
    """A wrong answer with these log densities per coordinate [batch, components, latent], or with this mixture of the components."""
    return lambda z, loc, scale: mix(log_normals(z, loc, scale).sum(-1))


def _one_gaussian(z, loc, scale):
    return _log_normals(z, loc.mean(0, keepdim=True), scale.mean(0, keepdim=True)).sum(-1)[:, 0]


VAMP = Exercise(
    id="05.4",
    title="The density of a VampPrior",
    minutes=6,
    difficulty=2,
    statement=r"Write $\log p(z)$ in nats for the prior $p(z) = \frac 1 K \sum_k q(z \mid u_k)$, where "
    r"$q(z \mid u_k) = \prod_d \mathcal N(z_d \mid \mu_{kd}, \sigma_{kd}^2)$ is what the encoder makes of the pseudo-input $u_k$: `loc` "
    r"and `scale`. It must be right far away from all of them, where every $q(z \mid u_k)$ is too small for a floating-point number.",
    solution=vamp_log_prob,
    why="Within a component the coordinates multiply, so their logs are summed; the components are averaged, so that is a logsumexp. The "
    "gradient reaches loc and scale, and through them the encoder and the pseudo-inputs.",
    cases={
        "four of three components": lambda g: _vamp_inputs(g, 4, 3, 2),
        "far away": lambda g: _vamp_inputs(g, 2, 5, 3, spread=60.0),
        "many components in one dimension": lambda g: _vamp_inputs(g, 3, 8, 1),
        "one component": lambda g: _vamp_inputs(g, 5, 1, 4),
        "all sizes alike": lambda g: _vamp_inputs(g, 3, 3, 3),
        "narrow and wide components, z near and far": lambda g: _uneven(g, 4, 6, 2),
    },
    dimensions={
        "z": ("batch", "latent"),
        "loc": ("components", "latent"),
        "scale": ("components", "latent"),
        "return": ("batch",),
    },
    returns=("the log-density",),
    hints=(
        "Every z meets every component: which shape has z[:, None] − loc? Of its three dimensions one is a product of densities, and one a "
        "mean of densities.",
        "log q(z|u_k) = Σ_d [−½ ((z_d − μ_kd)/σ_kd)² − log σ_kd − ½ log 2π];   log p(z) = logsumexp_k log q(z|u_k) − log K.",
        "error = (z[:, None] - loc) / scale  # [batch, components, latent]",
    ),
    misconceptions=(
        Misconception(
            "a mixture in each coordinate",
            lambda z, loc, scale: (_log_normals(z, loc, scale).logsumexp(1) - math.log(len(loc))).sum(-1),
            "You mix in each coordinate by itself, which lets z take one coordinate from one component and the next from another. A z "
            "belongs to one component as a whole: sum over the coordinates first, then mix.",
        ),
        Misconception(
            "a mixture in each coordinate, divided once",
            lambda z, loc, scale: _log_normals(z, loc, scale).logsumexp(1).sum(-1) - math.log(len(loc)),
            "You mix before you sum over the coordinates, so z may take each coordinate from another component. The order is: sum over "
            "the coordinates, then logsumexp over the components, then − log K.",
        ),
        Misconception(
            "no dimension for the components",
            lambda z, loc, scale: (
                (-0.5 * ((z - loc) / scale) ** 2 - scale.log() - 0.5 * math.log(2 * math.pi)).sum(-1).logsumexp(-1)
                - math.log(len(loc))
            ),
            "z has shape [batch, latent], and loc [components, latent]: they do not fit each other. Every z meets every component, so give "
            "z a dimension for the components: `z[:, None]`.",
        ),
        Misconception(
            "the mean of the logs",
            _vamp_with(_log_normals, lambda log_q: log_q.mean(-1)),
            "You average log densities: that is the log of their geometric mean, and no density. Average the densities: `logsumexp`.",
        ),
        Misconception(
            "the sum of the components",
            _vamp_with(_log_normals, lambda log_q: log_q.logsumexp(-1)),
            "You sum the K components, so your density integrates to K. Each has the weight 1/K: subtract log K.",
        ),
        Misconception(
            "log K added",
            _vamp_with(_log_normals, lambda log_q: log_q.logsumexp(-1) + math.log(log_q.shape[-1])),
            "You add log K. The weight 1/K divides, so log K is subtracted.",
        ),
        Misconception(
            "the nearest component",
            _vamp_with(_log_normals, lambda log_q: log_q.amax(-1) - math.log(log_q.shape[-1])),
            "You take the largest component alone. The others count too: `logsumexp`.",
        ),
        Misconception(
            "by exponentials",
            _vamp_with(_log_normals, lambda log_q: log_q.exp().mean(-1).log()),
            "Right near the components. Far away each density is 0 as a floating-point number, and you return log 0. `logsumexp` takes the "
            "largest out first.",
        ),
        Misconception(
            "log scale forgotten",
            _vamp_with(lambda z, loc, scale: _log_normals(z, loc, scale) + scale.log()),
            "The − log σ of each coordinate is missing: a narrow Gaussian is a tall one.",
        ),
        Misconception(
            "log scale added",
            _vamp_with(lambda z, loc, scale: _log_normals(z, loc, scale) + 2 * scale.log()),
            "You add log σ. A narrow Gaussian is a tall one: subtract it.",
        ),
        Misconception(
            "log 2π forgotten",
            _vamp_with(lambda z, loc, scale: _log_normals(z, loc, scale) + 0.5 * math.log(2 * math.pi)),
            "The constant −½ log 2π of each coordinate is missing.",
        ),
        Misconception(
            "log 2π once for all coordinates",
            lambda z, loc, scale: vamp_log_prob(z, loc, scale) + 0.5 * (z.shape[-1] - 1) * math.log(2 * math.pi),
            "You subtract ½ log 2π once. Each coordinate's Gaussian has it.",
        ),
        Misconception(
            "the half forgotten",
            _vamp_with(lambda z, loc, scale: _log_normals(z, loc, scale) - 0.5 * ((z[:, None] - loc) / scale) ** 2),
            "The half before the squared error is missing.",
        ),
        Misconception(
            "scale for variance",
            _vamp_with(
                lambda z, loc, scale: (
                    -0.5 * (z[:, None] - loc) ** 2 / scale - 0.5 * scale.log() - 0.5 * math.log(2 * math.pi)
                )
            ),
            "You take `scale` for the variance. It is the standard deviation σ: divide by σ, then square.",
        ),
        Misconception(
            "one Gaussian in the middle",
            _one_gaussian,
            "You average means and scales, and score one Gaussian: it has one mode, in the middle of nowhere. Average the densities.",
        ),
        Misconception(
            "the mean over the coordinates",
            lambda z, loc, scale: _log_normals(z, loc, scale).mean(-1).logsumexp(-1) - math.log(len(loc)),
            "You average over the coordinates. Their densities multiply: sum the logs.",
        ),
        Misconception(
            "the components detached",
            lambda z, loc, scale: vamp_log_prob(z, loc.detach(), scale.detach()),
            "The value is right, and the prior learns nothing: its gradient passes through loc and scale to the encoder and the "
            "pseudo-inputs.",
        ),
        Misconception(
            "the point detached",
            lambda z, loc, scale: vamp_log_prob(z.detach(), loc, scale),
            "The value is right, and z gets no gradient: the posterior must feel where the prior is high.",
        ),
        Misconception(
            "the log of the number of coordinates",
            lambda z, loc, scale: vamp_log_prob(z, loc, scale) + math.log(len(loc) / loc.shape[1]),
            "You subtract the log of the number of coordinates. The mean is over the K components: subtract log K, `len(loc)`.",
        ),
        Misconception(
            "the log of the number of points",
            lambda z, loc, scale: vamp_log_prob(z, loc, scale) + math.log(len(loc) / len(z)),
            "You subtract the log of the number of z. The mean is over the K components: subtract log K, `len(loc)`.",
        ),
    ),
)

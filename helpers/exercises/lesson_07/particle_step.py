"""Exercise 07.5: particles that die and multiply."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from helpers.exercises.engine.inputs import normal, uniform
from helpers.exercises.exercise import Exercise
from helpers.exercises.lesson_07.particle_step_misconceptions import MISCONCEPTIONS


def particle_step(log_z, log_weight, z, offset):
    """One step of sequential Monte Carlo: log Z_hat, and the particles drawn anew.

    log_weight: log w of this step alone, w = p(z_t | z_{t-1}) p(x_t | z_t) / q(z_t | z_{t-1}, x),
    [batch, particles]. z: z_t of each particle, [batch, particles, latent].
    log_z: log Z_hat up to the step before, [batch]. offset: the points' u in [0, 1), [batch]
    → log Z_hat with this step [batch]; z, resampled, by point [batch, particles, latent].
    """
    count = log_weight.shape[1]
    points = (torch.arange(count, device=z.device) + offset[:, None]) / count  # [batch, particles]
    edges = log_weight.softmax(1).cumsum(1)
    chosen = torch.searchsorted(edges, points, right=True).clamp(max=count - 1)
    log_z = log_z + log_weight.logsumexp(1) - math.log(count)
    return log_z, z.gather(1, chosen[:, :, None].expand_as(z))


def _particle_inputs(
    generator: Generator, batch: int, particles: int, latent: int, loc: Tensor | float = -6.0, spread: float = 1.2
) -> dict[str, Tensor]:
    return {
        "log_z": normal(generator, batch, scale=20.0, loc=-20.0),
        "log_weight": normal(generator, batch, particles, scale=spread) + normal(generator, batch, 1, scale=2.0) + loc,
        "z": normal(generator, batch, particles, latent),
        "offset": uniform(generator, batch),
    }


def _dead_first(generator: Generator) -> dict[str, Tensor]:
    """The first particle has no weight at all, and the first point stands at 0."""
    given = _particle_inputs(generator, 2, 5, 3)
    given["log_weight"][:, 0] = -math.inf
    given["offset"] = torch.zeros(2, dtype=torch.float64)
    return given


PARTICLES = Exercise(
    id="07.5",
    title="Particles that die and multiply",
    minutes=15,
    difficulty=3,
    statement=r"$K$ particles, of equal weight so far, have each been extended by $z_t$. Particle $k$'s weight for this step is "
    r"$w_k = p(z_t \mid z_{t-1})\, p(x_t \mid z_t) / q(z_t \mid z_{t-1}, x)$. Add $\log \frac 1 K \sum_k w_k$ to $\log \hat Z$. Then "
    r"resample: cut $[0, 1]$ into $K$ pieces, in the particles' order and as long as their shares $w_k / \sum w$. Put $K$ points on it, "
    r"at $(j + u) / K$ for $j = 0, \dots, K - 1$, with one $u \in [0, 1)$, which is given. Each point draws the particle whose piece it "
    r"falls in; on a boundary, the one on the right.",
    solution=particle_step,
    why="A particle with twice the mean weight is drawn twice, and one without weight dies: the next step spends its effort where weight "
    "is. The mean weight goes into Z_hat before it is forgotten, so E[Z_hat] = p(x_1..t) stays exact.",
    cases={
        "five particles": lambda g: _particle_inputs(g, 3, 5, 2),
        "weights too small for a float": lambda g: _particle_inputs(g, 2, 4, 3, loc=-900.0),
        "one particle carries all": lambda g: _particle_inputs(g, 4, 6, 2, spread=20.0),
        "a dead particle under the first point": _dead_first,
        "many particles": lambda g: _particle_inputs(g, 2, 12, 1),
        "u just below 1": lambda g: {
            **_particle_inputs(g, 2, 5, 3),
            "offset": torch.full((2,), 1 - 2**-53, dtype=torch.float64),
        },
        "one particle": lambda g: _particle_inputs(g, 3, 1, 2),
        "all sizes alike": lambda g: _particle_inputs(g, 3, 3, 3, loc=40.0),
        "sequences far apart": lambda g: _particle_inputs(
            g, 4, 7, 3, loc=torch.tensor([[-2500.0], [300.0], [-400.0], [0.0]], dtype=torch.float64)
        ),
        "particles that differ by hundreds of nats": lambda g: _particle_inputs(g, 5, 8, 2, loc=-400.0, spread=150.0),
        "one sequence": lambda g: _particle_inputs(g, 1, 6, 4),
    },
    dimensions={
        "log_z": ("batch",),
        "log_weight": ("batch", "particles"),
        "z": ("batch", "particles", "latent"),
        "offset": ("batch",),
        "return": (("batch",), ("batch", "particles", "latent")),
    },  # fmt: skip
    returns=("log Z_hat", "the resampled particles"),
    hints=(
        "Normalised weights, added up one after another, give the right edge of each particle's piece. A point draws the first particle "
        "whose right edge lies beyond it.",
        "log Z_hat + logsumexp_k log w_k − log K;   edges = cumsum(softmax(log w));   `torch.searchsorted(edges, points, right=True)`. The "
        "last edge may round to just below 1, the last point to 1: `.clamp(max=K - 1)`.",
        "points = (torch.arange(count, device=z.device) + offset[:, None]) / count",
    ),
    misconceptions=MISCONCEPTIONS,
)

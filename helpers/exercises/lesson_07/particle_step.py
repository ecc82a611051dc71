"""Exercise 07.5: particles that die and multiply."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from helpers.exercises.engine.inputs import normal
from helpers.exercises.exercise import Exercise, Misconception


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
    generator: Generator, batch: int, particles: int, latent: int, loc: float = -6.0, spread: float = 1.2
) -> dict[str, Tensor]:
    return {
        "log_z": normal(generator, batch, scale=4.0, loc=-20.0),
        "log_weight": normal(generator, batch, particles, scale=spread)
        + normal(generator, batch, 1, scale=2.0, loc=loc),
        "z": normal(generator, batch, particles, latent),
        "offset": torch.rand(batch, generator=generator, dtype=torch.float64),
    }


def _dead_first(generator: Generator) -> dict[str, Tensor]:
    """The first particle has no weight at all, and the first point stands at 0."""
    given = _particle_inputs(generator, 2, 5, 3)
    given["log_weight"][:, 0] = -math.inf
    given["offset"] = torch.zeros(2, dtype=torch.float64)
    return given


def _particle_with(
    gain=lambda log_weight: log_weight.logsumexp(1) - math.log(log_weight.shape[1]),
    total=lambda log_z, gain: log_z + gain,
    weights=lambda log_weight: log_weight.softmax(1),
    teeth=lambda index, offset, count: (index + offset[:, None]) / count,
    find=lambda edges, teeth: torch.searchsorted(edges, teeth, right=True),
):
    """A wrong answer with this gain, sum, weights, comb, or choice."""

    def answer(log_z, log_weight, z, offset):
        count = log_weight.shape[1]
        comb = teeth(torch.arange(count), offset, count)
        chosen = find(weights(log_weight).cumsum(1), comb.contiguous()).clamp(0, count - 1)
        return total(log_z, gain(log_weight)), z.gather(1, chosen[:, :, None].expand_as(z))

    return answer


def _not_resampled(log_z, log_weight, z, offset):
    return particle_step(log_z, log_weight, z, offset)[0], z.clone()


def _weighted_particles(log_z, log_weight, z, offset):
    return particle_step(log_z, log_weight, z, offset)[0], log_weight.softmax(1)[:, :, None] * z


def _best_particle(log_z, log_weight, z, offset):
    best = log_weight.argmax(1)[:, None, None].expand_as(z)
    return particle_step(log_z, log_weight, z, offset)[0], z.gather(1, best)


def _unclamped(log_z, log_weight, z, offset):
    count = log_weight.shape[1]
    chosen = torch.searchsorted(
        log_weight.softmax(1).cumsum(1), (torch.arange(count) + offset[:, None]) / count, right=True
    )
    drawn = z.gather(1, chosen[:, :, None].expand_as(z))
    return particle_step(log_z, log_weight, z, offset)[0], drawn


def _sorted_first(log_z, log_weight, z, offset):
    order = log_weight.argsort(1, descending=True)
    return particle_step(log_z, log_weight.gather(1, order), z.gather(1, order[:, :, None].expand_as(z)), offset)


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
    misconceptions=(
        Misconception(
            "the sum of the weights",
            _particle_with(gain=lambda log_weight: log_weight.logsumexp(1)),
            "The particles are right. log Z_hat grows by log K too much a step: the weights are averaged.",
        ),
        Misconception(
            "the mean of the log weights",
            _particle_with(gain=lambda log_weight: log_weight.mean(1)),
            "The particles are right. You add the mean of the log weights, a bound; Z_hat is multiplied by the mean of the weights.",
        ),
        Misconception(
            "the best weight",
            _particle_with(gain=lambda log_weight: log_weight.amax(1)),
            "The particles are right. You add the largest log weight; Z_hat is multiplied by the mean of all weights.",
        ),
        Misconception(
            "by exponentials",
            _particle_with(
                gain=lambda log_weight: log_weight.exp().mean(1).log(),
                weights=lambda log_weight: log_weight.exp() / log_weight.exp().sum(1, keepdim=True),
            ),
            "Right while the weights are not too small for a floating-point number. At −900 they are 0, all of them: stay in logs.",
        ),
        Misconception(
            "the past forgotten",
            _particle_with(total=lambda log_z, gain: gain),
            "The particles are right. You return this step's share of log Z_hat alone; add it to what was there.",
        ),
        Misconception(
            "the gain subtracted",
            _particle_with(total=lambda log_z, gain: log_z - gain),
            "The particles are right. You subtract this step's log mean weight; it is added.",
        ),
        Misconception(
            "not resampled",
            _not_resampled,
            "log Z_hat is right. The particles are those that came in: draw them anew in proportion to their weights.",
        ),
        Misconception(
            "weights on the particles",
            _weighted_particles,
            "log Z_hat is right. You multiply the particles by their weights. Resampling changes no particle: it copies some and drops "
            "others.",
        ),
        Misconception(
            "the best particle for all",
            _best_particle,
            "log Z_hat is right. You copy the particle of the largest weight K times. Each is copied in proportion to its weight.",
        ),
        Misconception(
            "sorted first",
            _sorted_first,
            "log Z_hat is right. You sort the particles by weight first. That too would be fair, but the pieces are to stand in "
            "the particles' own order.",
        ),
        Misconception(
            "log weights side by side",
            _particle_with(weights=lambda log_weight: log_weight),
            "log Z_hat is right. You add up log weights. The lengths of the pieces are the normalised weights: `softmax` first.",
        ),
        Misconception(
            "not normalised",
            _particle_with(weights=torch.exp),
            "log Z_hat is right. Your weights do not sum to 1, and the points run from 0 to 1: normalise them, `softmax`.",
        ),
        Misconception(
            "normalised over the batch",
            _particle_with(weights=lambda log_weight: log_weight.softmax(0)),
            "log Z_hat is right. You normalise over the sequences; the particles of one sequence share the interval.",
        ),
        Misconception(
            "all weights alike",
            _particle_with(weights=lambda log_weight: torch.full_like(log_weight, 1 / log_weight.shape[1])),
            "log Z_hat is right. You draw all particles alike. Their shares are their normalised weights.",
        ),
        Misconception(
            "points without offset",
            _particle_with(teeth=lambda index, offset, count: (index + 0 * offset[:, None]) / count),
            "log Z_hat is right. Your points always stand at j / K. Without u the draw is no random one, and Z_hat is not unbiased.",
        ),
        Misconception(
            "the points at the middles",
            _particle_with(teeth=lambda index, offset, count: (index + 0.5 + 0 * offset[:, None]) / count),
            "log Z_hat is right. Your points always stand at (j + ½) / K. Without u the draw is no random one, and Z_hat is not unbiased.",
        ),
        Misconception(
            "the offset undivided",
            _particle_with(teeth=lambda index, offset, count: index / count + offset[:, None]),
            "log Z_hat is right. Your points stand at j / K + u, some beyond 1. The offset is a share of the distance "
            "between two: (j + u) / K.",
        ),
        Misconception(
            "one offset for all sequences",
            _particle_with(teeth=lambda index, offset, count: ((index + offset[0]) / count).expand(len(offset), -1)),
            "log Z_hat is right. You use the first sequence's offset for all. Each has its own: `offset[:, None]`.",
        ),
        Misconception(
            "every point at u",
            _particle_with(teeth=lambda index, offset, count: offset[:, None].expand(-1, count)),
            "log Z_hat is right. All your points stand at u, and draw the same particle. Point j stands at (j + u) / K.",
        ),
        Misconception(
            "points from one on",
            _particle_with(teeth=lambda index, offset, count: (index + 1 + offset[:, None]) / count),
            "log Z_hat is right. Your points begin at (1 + u) / K, and the last stands beyond 1. Count j from 0.",
        ),
        Misconception(
            "the particle before",
            _particle_with(find=lambda edges, teeth: torch.searchsorted(edges, teeth, right=True) - 1),
            "log Z_hat is right. You take the particle before the one whose piece it is: `cumsum` gives right edges, so the first edge "
            "beyond a point is that of its particle.",
        ),
        Misconception(
            "the particle that ends there",
            _particle_with(find=lambda edges, teeth: torch.searchsorted(edges, teeth)),
            "Right, except where a point lies on a boundary: there the particle on the right is drawn. With u = 0 your first point draws a "
            "particle of weight 0: `right=True`.",
        ),
        Misconception(
            "no clamp",
            _unclamped,
            "Right, until rounding puts the last point at 1 or the last edge just below it: then no edge lies beyond the point, and the "
            "index is K. The last piece ends at 1: `.clamp(max=K - 1)`.",
        ),
    ),
)

"""Wrong answers to exercise 07.5: one part of the step is wrong, or the particles are not drawn in proportion to their weights."""

from __future__ import annotations

import math

import torch

from helpers.exercises.exercise import Misconception


def _with_parts(
    gain=lambda log_weight: log_weight.logsumexp(1) - math.log(log_weight.shape[1]),
    total=lambda log_z, gain: log_z + gain,
    weights=lambda log_weight: log_weight.softmax(1),
    teeth=lambda index, offset, count: (index + offset[:, None]) / count,
    find=lambda edges, teeth: torch.searchsorted(edges, teeth, right=True),
):
    """An answer made of these parts; with the defaults, a right one."""

    def answer(log_z, log_weight, z, offset):
        count = log_weight.shape[1]
        comb = teeth(torch.arange(count), offset, count)
        chosen = find(weights(log_weight).cumsum(1), comb.contiguous()).clamp(0, count - 1)
        return total(log_z, gain(log_weight)), z.gather(1, chosen[:, :, None].expand_as(z))

    return answer


_right = _with_parts()


def _not_resampled(log_z, log_weight, z, offset):
    return _right(log_z, log_weight, z, offset)[0], z.clone()


def _weighted_particles(log_z, log_weight, z, offset):
    return _right(log_z, log_weight, z, offset)[0], log_weight.softmax(1)[:, :, None] * z


def _best_particle(log_z, log_weight, z, offset):
    best = log_weight.argmax(1)[:, None, None].expand_as(z)
    return _right(log_z, log_weight, z, offset)[0], z.gather(1, best)


def _unclamped(log_z, log_weight, z, offset):
    count = log_weight.shape[1]
    chosen = torch.searchsorted(
        log_weight.softmax(1).cumsum(1), (torch.arange(count) + offset[:, None]) / count, right=True
    )
    drawn = z.gather(1, chosen[:, :, None].expand_as(z))
    return _right(log_z, log_weight, z, offset)[0], drawn


def _indices(log_z, log_weight, z, offset):
    count = log_weight.shape[1]
    points = (torch.arange(count) + offset[:, None]) / count
    chosen = torch.searchsorted(log_weight.softmax(1).cumsum(1), points, right=True).clamp(max=count - 1)
    return _right(log_z, log_weight, z, offset)[0], chosen


def _sorted_first(log_z, log_weight, z, offset):
    order = log_weight.argsort(1, descending=True)
    return _right(log_z, log_weight.gather(1, order), z.gather(1, order[:, :, None].expand_as(z)), offset)


MISCONCEPTIONS = (
    Misconception(
        "the sum of the weights",
        _with_parts(gain=lambda log_weight: log_weight.logsumexp(1)),
        "The particles are right. log Z_hat grows by log K too much a step: the weights are averaged.",
    ),
    Misconception(
        "the mean of the log weights",
        _with_parts(gain=lambda log_weight: log_weight.mean(1)),
        "The particles are right. You add the mean of the log weights, a bound; Z_hat is multiplied by the mean of the weights.",
    ),
    Misconception(
        "the best weight",
        _with_parts(gain=lambda log_weight: log_weight.amax(1)),
        "The particles are right. You add the largest log weight; Z_hat is multiplied by the mean of all weights.",
    ),
    Misconception(
        "by exponentials",
        _with_parts(
            gain=lambda log_weight: log_weight.exp().mean(1).log(),
            weights=lambda log_weight: log_weight.exp() / log_weight.exp().sum(1, keepdim=True),
        ),
        "Right while the weights are not too small for a floating-point number. At −900 they are 0, all of them: stay in logs.",
    ),
    Misconception(
        "the past forgotten",
        _with_parts(total=lambda log_z, gain: gain),
        "The particles are right. You return this step's share of log Z_hat alone; add it to what was there.",
    ),
    Misconception(
        "the gain subtracted",
        _with_parts(total=lambda log_z, gain: log_z - gain),
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
        _with_parts(weights=lambda log_weight: log_weight),
        "log Z_hat is right. You add up log weights. The lengths of the pieces are the normalised weights: `softmax` first.",
    ),
    Misconception(
        "not normalised",
        _with_parts(weights=torch.exp),
        "log Z_hat is right. Your weights do not sum to 1, and the points run from 0 to 1: normalise them, `softmax`.",
    ),
    Misconception(
        "normalised over the batch",
        _with_parts(weights=lambda log_weight: log_weight.softmax(0)),
        "log Z_hat is right. You normalise over the sequences; the particles of one sequence share the interval.",
    ),
    Misconception(
        "all weights alike",
        _with_parts(weights=lambda log_weight: torch.full_like(log_weight, 1 / log_weight.shape[1])),
        "log Z_hat is right. You draw all particles alike. Their shares are their normalised weights.",
    ),
    Misconception(
        "points without offset",
        _with_parts(teeth=lambda index, offset, count: (index + 0 * offset[:, None]) / count),
        "log Z_hat is right. Your points always stand at j / K. Without u the draw is no random one, and Z_hat is not unbiased.",
    ),
    Misconception(
        "the points at the middles",
        _with_parts(teeth=lambda index, offset, count: (index + 0.5 + 0 * offset[:, None]) / count),
        "log Z_hat is right. Your points always stand at (j + ½) / K. Without u the draw is no random one, and Z_hat is not unbiased.",
    ),
    Misconception(
        "the offset undivided",
        _with_parts(teeth=lambda index, offset, count: index / count + offset[:, None]),
        "log Z_hat is right. Your points stand at j / K + u, some beyond 1. The offset is a share of the distance "
        "between two: (j + u) / K.",
    ),
    Misconception(
        "one offset for all sequences",
        _with_parts(teeth=lambda index, offset, count: ((index + offset[0]) / count).expand(len(offset), -1)),
        "log Z_hat is right. You use the first sequence's offset for all. Each has its own: `offset[:, None]`.",
    ),
    Misconception(
        "every point at u",
        _with_parts(teeth=lambda index, offset, count: offset[:, None].expand(-1, count)),
        "log Z_hat is right. All your points stand at u, and draw the same particle. Point j stands at (j + u) / K.",
    ),
    Misconception(
        "points from one on",
        _with_parts(teeth=lambda index, offset, count: (index + 1 + offset[:, None]) / count),
        "log Z_hat is right. Your points begin at (1 + u) / K, and the last stands beyond 1. Count j from 0.",
    ),
    Misconception(
        "the particle before",
        _with_parts(find=lambda edges, teeth: torch.searchsorted(edges, teeth, right=True) - 1),
        "log Z_hat is right. You take the particle before the one whose piece it is: `cumsum` gives right edges, so the first edge "
        "beyond a point is that of its particle.",
    ),
    Misconception(
        "the particle that ends there",
        _with_parts(find=lambda edges, teeth: torch.searchsorted(edges, teeth)),
        "Right, except where a point lies on a boundary: there the particle on the right is drawn. With u = 0 your first point draws a "
        "particle of weight 0: `right=True`.",
    ),
    Misconception(
        "no clamp",
        _unclamped,
        "Right, until rounding puts the last point at 1 or the last edge just below it: then no edge lies beyond the point, and the "
        "index is K. The last piece ends at 1: `.clamp(max=K - 1)`.",
    ),
    Misconception(
        "the indices for the particles",
        _indices,
        "log Z_hat is right. You return which particle each point draws. Return the particles themselves, z at these indices: `gather`.",
    ),
    Misconception(
        "the mean weight of all sequences",
        _with_parts(
            total=lambda log_z, gain: log_z + gain.logsumexp(0) - math.log(len(gain)),
        ),
        "The particles are right. You average the weights over the sequences too; each sequence has a log Z_hat of its own.",
    ),
    Misconception(
        "the offset subtracted",
        _with_parts(teeth=lambda index, offset, count: (index - offset[:, None]) / count),
        "log Z_hat is right. Your points stand at (j − u) / K, the first one below 0. Add u: (j + u) / K.",
    ),
    Misconception(
        "points over K + 1",
        _with_parts(teeth=lambda index, offset, count: (index + offset[:, None]) / (count + 1)),
        "log Z_hat is right. Your points stand at (j + u) / (K + 1), and leave the end of the interval out. There are K: (j + u) / K.",
    ),
    Misconception(
        "points over one fewer",
        _with_parts(teeth=lambda index, offset, count: (index + offset[:, None]) / max(count - 1, 1)),
        "log Z_hat is right. Your points stand at (j + u) / (K − 1), the last one beyond 1. There are K: (j + u) / K.",
    ),
)

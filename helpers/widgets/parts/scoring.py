"""One call of `log_prob` and what torch does with it, shapes and errors included."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch.distributions import Distribution, Independent, Normal

from helpers.networks import Shape

A_SAMPLE = "q.sample(sample_shape)"


@dataclass(frozen=True)
class Scoring:
    """What torch makes of q = Independent(Normal(loc, 1), ndims), x and q.log_prob(x), or the error that it raises.

    Attributes:
        base_shape: Shape of loc.
        q: The distribution, or None if `Independent` raises.
        x_shape: Shape of x, or None if there is no q.
        value: q.log_prob(x), [*sample, *batch], or None after an error.
        error: Name and message of the error, or "" if there is none.
    """

    base_shape: Shape
    q: Distribution | None
    x_shape: Shape | None
    value: torch.Tensor | None
    error: str = ""


def try_log_prob(loc: Shape, ndims: int, sample_shape: Shape, x: Shape | str) -> Scoring:
    """Make q = Independent(Normal(loc, 1), ndims), draw or make x, and score it. The global random state is unchanged.

    Args:
        loc: Shape of the means, which are 0, 0.5, 1, ...
        ndims: How many of q's batch dimensions, from the right, become one event; 0: q is the Normal itself.
        sample_shape: Shape of the sample, if x is drawn.
        x: `A_SAMPLE`, or the shape of a tensor of zeros.

    Returns:
        The scoring; an error of torch's is part of it and is not raised.
    """
    base = Normal(torch.arange(math.prod(loc)).reshape(loc) / 2, 1.0)
    try:
        q = Independent(base, ndims) if ndims else base
    except ValueError as problem:
        return Scoring(loc, None, None, None, f"ValueError: {problem}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        value = q.sample(sample_shape) if x == A_SAMPLE else torch.zeros(x)
    try:
        return Scoring(loc, q, tuple(value.shape), q.log_prob(value))
    except (ValueError, RuntimeError) as problem:
        return Scoring(loc, q, tuple(value.shape), None, f"{type(problem).__name__}: {problem}")


def roles(shape: Shape, num_batch: int, num_event: int) -> list[str]:
    """Role of each dimension of a tensor, counted from the right: first event, then batch, the rest sample.

    Args:
        shape: Shape of the tensor.
        num_batch: Number of the distribution's batch dimensions.
        num_event: Number of its event dimensions; 0 for the shape of a log_prob.

    Returns:
        "sample", "batch" or "event" for each dimension of `shape`.
    """
    names = ["event"] * num_event + ["batch"] * num_batch
    return [names[back] if back < len(names) else "sample" for back in reversed(range(len(shape)))]

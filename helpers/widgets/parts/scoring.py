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
    """What torch did: q, the shape of x, and `q.log_prob(x)`; or the error that it raised.

    q: None where Independent raised it. value: [*sample, *batch], or None after an error.
    """

    base_shape: Shape
    q: Distribution | None
    x_shape: Shape | None
    value: torch.Tensor | None
    error: str = ""


def try_log_prob(loc: Shape, ndims: int, sample_shape: Shape, x: Shape | str) -> Scoring:
    """Make q = Independent(Normal(loc, 1), ndims), draw or make x, and score it. Leaves the global random state alone.

    loc: the shape of the means, which are 0, 0.5, 1, ...
    ndims: how many of q's batch dimensions, from the right, become one event; 0 leaves the Normal as it is.
    x: A_SAMPLE, or the shape of a tensor of zeros.
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
    """What each dimension is for a distribution with so many batch and event dimensions, counted from the right."""
    names = ["event"] * num_event + ["batch"] * num_batch
    return [names[back] if back < len(names) else "sample" for back in reversed(range(len(shape)))]

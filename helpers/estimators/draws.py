"""The one small source of randomness of all estimators, so that every draw can be replayed.

Estimators never call `q.sample` themselves. They ask `draw`, `draw_reparameterised` or `draw_uniform`, which ask the source
in force: torch's generator, unless `drawing_from(source)` puts another in its place for a while. An exact harness puts one there
that replays every outcome in turn; a comparison with another library puts one there that records the noise.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor
from torch.distributions import Distribution


class DrawSource:
    """Draws from torch's global generator. Subclass it to replay or record."""

    def sample(self, q: Distribution, num_samples: int) -> Tensor:
        """[samples, *batch, *event], no gradient."""
        with torch.no_grad():
            return q.sample((num_samples,))

    def rsample(self, q: Distribution, num_samples: int) -> Tensor:
        """[samples, *batch, *event], differentiable in q's parameters."""
        return q.rsample((num_samples,))

    def uniform(self, shape: torch.Size, like: Tensor) -> Tensor:
        """Uniform noise on [0, 1), with the dtype and device of `like`, for estimators that pair or relax their draws."""
        return torch.rand(shape, dtype=like.dtype, device=like.device)


# A context variable rather than a global: the replacement ends with its block, also when the block raises, and threads and
# tasks do not see each other's. Nested estimators, built inside a closure, still meet the same source.
_SOURCE: ContextVar[DrawSource] = ContextVar("draw_source", default=DrawSource())  # noqa: B039 (stateless)


@contextmanager
def drawing_from(source: DrawSource) -> Iterator[DrawSource]:
    """All estimators called inside this block draw from `source`."""
    token = _SOURCE.set(source)
    try:
        yield source
    finally:
        _SOURCE.reset(token)


def draw(q: Distribution, num_samples: int) -> Tensor:
    """z ~ q without gradient: [samples, *batch, *event]."""
    return _SOURCE.get().sample(q, num_samples)


def draw_reparameterised(q: Distribution, num_samples: int) -> Tensor:
    """z ~ q as a differentiable function of q's parameters: [samples, *batch, *event]."""
    return _SOURCE.get().rsample(q, num_samples)


def draw_uniform(shape: torch.Size, like: Tensor) -> Tensor:
    """u ~ Uniform[0, 1): `shape`."""
    return _SOURCE.get().uniform(shape, like)

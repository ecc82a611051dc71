"""The one source of randomness of all estimators, so that every draw can be replayed.

Estimators never call `q.sample` themselves. They call `draw`, `draw_reparameterised` or `draw_uniform`, which call the current source:
torch's generator, unless the call is inside `drawing_from(source)`. The exact harness uses a source that replays every outcome in turn; a
comparison with another library uses one that records the noise.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor
from torch.distributions import Distribution


class DrawSource:
    """Draws from torch's global generator. Subclasses replay or record draws."""

    def sample(self, q: Distribution, num_samples: int) -> Tensor:
        """Samples of q without gradient.

        Args:
            q: Distribution with batch_shape [*batch].
            num_samples: Samples per member of the batch.

        Returns:
            z [samples, *batch, *event].
        """
        with torch.no_grad():
            return q.sample((num_samples,))

    def rsample(self, q: Distribution, num_samples: int) -> Tensor:
        """Samples of q that are differentiable in q's parameters.

        Args:
            q: Distribution with batch_shape [*batch] and has_rsample.
            num_samples: Samples per member of the batch.

        Returns:
            z [samples, *batch, *event].
        """
        return q.rsample((num_samples,))

    def uniform(self, shape: torch.Size, like: Tensor) -> Tensor:
        """Uniform noise on [0, 1), for estimators that pair or relax their draws.

        Args:
            shape: Shape of the noise.
            like: Tensor with the dtype and device of the noise.

        Returns:
            u of shape `shape`.
        """
        return torch.rand(shape, dtype=like.dtype, device=like.device)


# A context variable rather than a global: threads and tasks do not see each other's source. Nested estimators, called inside a
# closure, draw from the same source as the outer one.
_SOURCE: ContextVar[DrawSource] = ContextVar("draw_source", default=DrawSource())  # noqa: B039 (stateless)


@contextmanager
def drawing_from(source: DrawSource) -> Iterator[DrawSource]:
    """Context manager: all estimators called inside the block draw from `source`.

    Args:
        source: The source of draws; the previous one returns when the block ends, by an exception too.

    Yields:
        `source`.
    """
    token = _SOURCE.set(source)
    try:
        yield source
    finally:
        _SOURCE.reset(token)


def draw(q: Distribution, num_samples: int) -> Tensor:
    """z ~ q without gradient, from the current source.

    Args:
        q: Distribution with batch_shape [*batch].
        num_samples: Samples per member of the batch.

    Returns:
        z [samples, *batch, *event].
    """
    return _SOURCE.get().sample(q, num_samples)


def draw_reparameterised(q: Distribution, num_samples: int) -> Tensor:
    """z ~ q as a differentiable function of q's parameters, from the current source.

    Args:
        q: Distribution with batch_shape [*batch] and has_rsample.
        num_samples: Samples per member of the batch.

    Returns:
        z [samples, *batch, *event].
    """
    return _SOURCE.get().rsample(q, num_samples)


def draw_uniform(shape: torch.Size, like: Tensor) -> Tensor:
    """u ~ Uniform[0, 1), from the current source.

    Args:
        shape: Shape of the noise.
        like: Tensor with the dtype and device of the noise.

    Returns:
        u of shape `shape`.
    """
    return _SOURCE.get().uniform(shape, like)

"""Running statistics of rewards, as buffers: saved, restored and moved with the module that contains them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from helpers.networks.sizes import is_number


class RunningMoments(nn.Module):
    """Mean and variance of the batches seen so far: (1 - weight) old + weight new. The first batch initialises them.

    Use the statistics before `update`: those that a batch is compared with must not include the batch. NaN and infinite rewards do not
    enter; a batch that holds nothing else leaves the statistics as they are.

    Args:
        weight: Weight of the new batch, above 0 and at most 1.

    Raises:
        ValueError: If the weight is not above 0 and at most 1.

    Attributes:
        mean: Running mean, a scalar; 0 before the first batch.
        variance: Running variance, a scalar; 0 before the first batch.
        started: Whether there has been a batch, a boolean scalar.
    """

    mean: Tensor
    variance: Tensor
    started: Tensor

    def __init__(self, weight: float) -> None:
        super().__init__()
        if not is_number(weight) or not 0 < weight <= 1:
            raise ValueError(f"The weight of a new batch is above 0 and at most 1, and weight={weight!r} was given.")
        self.weight = weight
        self._holds = 0  # `held` blocks around the present moment
        self._pending: list[Tensor] = []  # batches that came inside them
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("variance", torch.zeros(()))
        self.register_buffer("started", torch.zeros((), dtype=torch.bool))

    def update(self, values: Tensor) -> None:
        """Update the statistics by a batch; does nothing in evaluation mode, or if gradients are switched off.

        Args:
            values: Rewards of the batch, any shape; all have equal weight.
        """
        if not (self.training and torch.is_grad_enabled()):
            return
        self._pending.append(values.detach())
        if self._holds:
            return
        *nested, own = self._pending
        self._pending = []
        for batch in (own, *nested):
            self._take(batch)

    def _take(self, values: Tensor) -> None:
        values = values.to(self.mean)
        finite = values.isfinite()
        count = finite.sum().clamp_min(1)
        mean = torch.where(finite, values, 0.0).sum() / count
        before = torch.where(self.started, self.mean, mean)
        variance = torch.where(finite, values - before, 0.0).square().sum() / count
        # squares of large rewards may overflow, so the statistics are checked too
        valid = finite.any() & mean.isfinite() & variance.isfinite()
        weight = torch.where(self.started, self.weight, 1.0).to(self.mean.dtype)
        self.variance.copy_(torch.where(valid, self.variance.lerp(variance, weight), self.variance))
        self.mean.copy_(torch.where(valid, self.mean.lerp(mean, weight), self.mean))
        self.started.logical_or_(valid)


@contextmanager
def held(module: nn.Module) -> Iterator[None]:
    """Context manager: the running statistics of a module do not move inside the block.

    An instance may be shared by nested levels: f, which is evaluated inside the block, then calls it again. A mean that moved by the
    inner rewards would depend on the outer sample, and a baseline that depends on the sample is biased. Batches that come inside the
    block enter the statistics together with the next batch after it; if the block raises, they are forgotten.

    Args:
        module: Any module, such as a control variate; its `RunningMoments` are held.

    Yields:
        None.
    """
    moments = [part for part in module.modules() if isinstance(part, RunningMoments)]
    for each in moments:
        each._holds += 1
    try:
        yield
    except BaseException:
        for each in moments:
            each._pending = []
        raise
    finally:
        for each in moments:
            each._holds -= 1

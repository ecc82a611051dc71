"""Running statistics of rewards, as buffers: saved, restored and moved with the module that contains them."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class RunningMoments(nn.Module):
    """Mean and variance of the batches seen so far: (1 - weight) old + weight new. The first batch initialises them.

    Use the statistics before `update`: those that a batch is compared with must not include the batch.

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
        if not 0 < weight <= 1:
            raise ValueError(f"The weight of a new batch is above 0 and at most 1, and weight={weight} was given.")
        self.weight = weight
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
        values = values.detach().to(self.mean)
        weight = torch.where(self.started, self.weight, 1.0).to(self.mean.dtype)
        before = torch.where(self.started, self.mean, values.mean())
        self.variance.lerp_((values - before).square().mean(), weight)
        self.mean.lerp_(values.mean(), weight)
        self.started.fill_(True)

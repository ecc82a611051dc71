"""Running statistics of rewards, as buffers: saved, restored, and moved with the module that holds them."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class RunningMoments(nn.Module):
    """Mean and variance of the batches seen so far: (1 - weight) old + weight new. The first batch starts them.

    Look first, update after: what a batch is measured against must not contain the batch.

    weight: of the new batch.
    """

    mean: Tensor
    variance: Tensor
    started: Tensor

    def __init__(self, weight: float) -> None:
        super().__init__()
        if not 0 < weight <= 1:
            raise ValueError(f"The new batch weighs more than 0 and at most 1, and weight={weight} was given.")
        self.weight = weight
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("variance", torch.zeros(()))
        self.register_buffer("started", torch.zeros((), dtype=torch.bool))

    def update(self, values: Tensor) -> None:
        """Let a batch in, all its values alike: in training mode, where gradients are switched on. Otherwise do nothing."""
        if not (self.training and torch.is_grad_enabled()):
            return
        values = values.detach().to(self.mean)
        weight = torch.where(self.started, self.weight, 1.0).to(self.mean.dtype)
        before = torch.where(self.started, self.mean, values.mean())
        self.variance.lerp_((values - before).square().mean(), weight)
        self.mean.lerp_(values.mean(), weight)
        self.started.fill_(True)

"""The learning rate over a training: up, then down to nothing."""

from __future__ import annotations

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


def up_then_down(optimizer: Optimizer, num_steps: int) -> LambdaLR:
    """A learning rate that rises over the first twentieth of `num_steps`, then falls to nothing in a straight line."""
    warm_up = max(1, num_steps // 20)
    return LambdaLR(optimizer, lambda step: min((step + 1) / warm_up, (num_steps - step) / (num_steps - warm_up + 1)))

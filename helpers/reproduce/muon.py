"""Muon for weight matrices, Adam for biases, one schedule for both."""

from __future__ import annotations

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from helpers.training import up_then_down


def muon_and_adam(objective: nn.Module, learning_rate: float, num_steps: int) -> tuple[list[Optimizer], list[LambdaLR]]:
    """Muon for weight matrices, Adam for biases. Both warm up over a twentieth of the steps, then decay linearly to zero.

    Args:
        objective: Whose parameters are trained.
        learning_rate: Peak of Muon's. Adam's is 2e-3.
        num_steps: Steps in all.

    Returns:
        The two optimisers and their schedules.
    """
    matrices = [parameter for parameter in objective.parameters() if parameter.ndim == 2]
    biases = [parameter for parameter in objective.parameters() if parameter.ndim != 2]
    both: list[Optimizer] = [
        torch.optim.Muon(matrices, lr=learning_rate, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"),
        torch.optim.Adam(biases, lr=2e-3),
    ]
    return both, [up_then_down(optimizer, num_steps) for optimizer in both]

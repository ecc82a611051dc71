"""Schedules: a learning rate that rises, then falls to zero; a weight of the objective that changes linearly."""

from __future__ import annotations

from typing import Any, Protocol

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


def up_then_down(optimizer: Optimizer, num_steps: int) -> LambdaLR:
    """Learning rate that rises linearly over the first twentieth of the steps, then falls linearly to zero.

    Factor at step t = 0, ..., N - 1 of N, with warm-up W = max(1, N // 20):  min((t + 1) / W, (N - t) / (N - W + 1)).
    It is 1 at t = W - 1 and 1 / (N - W + 1) at t = N - 1.

    Args:
        optimizer: Optimiser whose learning rates, as they are now, are the peak.
        num_steps: Optimiser steps of the whole training, N.

    Returns:
        The scheduler, for `fit(schedulers=...)`, which steps it after every optimiser step.
    """
    warm_up = max(1, num_steps // 20)
    return LambdaLR(optimizer, lambda step: min((step + 1) / warm_up, (num_steps - step) / (num_steps - warm_up + 1)))


class Scheduler(Protocol):
    """What `fit` needs of a scheduler: torch's learning-rate schedulers have it, and `LinearWeight`."""

    def step(self) -> None:
        """Count one optimiser step and set what is scheduled."""

    def state_dict(self) -> dict[str, Any]:
        """State for a checkpoint, of tensors and plain values."""

    def load_state_dict(self, state: Any, /) -> None:
        """Restore the state.

        Args:
            state: What `state_dict` returned.
        """


class LinearWeight:
    """Scheduler of a weight of the objective: linear from `first` to `last` over `num_steps` steps, constant afterwards.

    It has the methods of a learning-rate scheduler that `fit(schedulers=...)` uses. The weight is set on construction.

    Args:
        objective: Module that holds the weight.
        name: Name of the attribute, such as "rate_weight".
        first: Value at step 0.
        last: Value from step `num_steps` on.
        num_steps: Optimiser steps from `first` to `last`, 1 or more.

    Raises:
        ValueError: If `num_steps` is below 1, or if `objective` has no attribute `name`.
    """

    def __init__(self, objective: nn.Module, name: str, first: float, last: float, num_steps: int) -> None:
        if num_steps < 1:
            raise ValueError(f"Got num_steps={num_steps}; expected 1 step or more, over which the weight changes.")
        if not hasattr(objective, name):
            raise ValueError(
                f"Got name={name!r}; expected an attribute of {type(objective).__name__}. Usually a weight of another objective."
            )
        self.objective, self.name, self.first, self.last, self.num_steps = objective, name, first, last, num_steps
        self.load_state_dict({"steps": 0})

    def step(self) -> None:
        """Count one optimiser step and set the weight."""
        self.load_state_dict({"steps": self.steps + 1})

    def state_dict(self) -> dict[str, int]:
        """State for a checkpoint: the number of steps counted."""
        return {"steps": self.steps}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Restore the number of steps, and set the weight to match.

        Args:
            state: What `state_dict` returned.
        """
        self.steps = state["steps"]
        done = min(1.0, self.steps / self.num_steps)
        setattr(self.objective, self.name, self.first + done * (self.last - self.first))

"""What changes over a training: the learning rate, up, then down to nothing; a weight in the objective."""

from __future__ import annotations

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


def up_then_down(optimizer: Optimizer, num_steps: int) -> LambdaLR:
    """A learning rate that rises over the first twentieth of `num_steps`, then falls to nothing in a straight line."""
    warm_up = max(1, num_steps // 20)
    return LambdaLR(optimizer, lambda step: min((step + 1) / warm_up, (num_steps - step) / (num_steps - warm_up + 1)))


class LinearWeight:
    """`objective.NAME` goes from `first` to `last` in a straight line over `num_steps`, and stays there.

    Steps, saves and loads as a scheduler of the learning rate does, so `fit(schedulers=...)` takes it.
    """

    def __init__(self, objective: nn.Module, name: str, first: float, last: float, num_steps: int) -> None:
        if num_steps < 1:
            raise ValueError(f"A weight changes over 1 step or more; num_steps={num_steps} was given.")
        if not hasattr(objective, name):
            raise ValueError(f"{type(objective).__name__} has no weight called {name!r}.")
        self.objective, self.name, self.first, self.last, self.num_steps = objective, name, first, last, num_steps
        self.load_state_dict({"steps": 0})

    def step(self) -> None:
        self.load_state_dict({"steps": self.steps + 1})

    def state_dict(self) -> dict[str, int]:
        return {"steps": self.steps}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.steps = state["steps"]
        done = min(1.0, self.steps / self.num_steps)
        setattr(self.objective, self.name, self.first + done * (self.last - self.first))

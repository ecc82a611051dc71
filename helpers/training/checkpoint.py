"""What must survive a kill during training, and how it is written and read."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from helpers.files import atomic_write
from helpers.training.history import History
from helpers.training.weights import check_state_dict


@dataclass
class TrainingState:
    """All that must survive a kill."""

    objective: nn.Module
    optimizers: list[Optimizer]
    schedulers: Sequence[LRScheduler]
    history: History
    best: dict[str, Any] | None

    def save(self, path: Path) -> None:
        content = {
            "objective": self.objective.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "schedulers": [scheduler.state_dict() for scheduler in self.schedulers],
            "history": asdict(self.history),
            "best": self.best,
            "random": torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        }
        with atomic_write(path) as partial, open(partial, "wb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())

    def load(self, path: Path) -> None:
        content = load_checkpoint(path)
        try:
            check_state_dict(self.objective, content["objective"])
            for kept, given in (("optimizers", self.optimizers), ("schedulers", self.schedulers)):
                if len(content[kept]) != len(given):
                    raise ValueError(f"it holds {len(content[kept])} {kept}, and {len(given)} were given")
                for item, state in zip(given, content[kept], strict=True):
                    item.load_state_dict(state)
            self.objective.load_state_dict(content["objective"])
            vars(self.history).update(content["history"])
            self.best = content["best"]
            torch.set_rng_state(content["random"])
        except (RuntimeError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise ValueError(
                f"The checkpoint {path} does not fit what is being trained: {error}. Usual cause: it was made with another model, "
                "or other optimisers; delete it to start anew."
            ) from error
        if content["random_cuda"] and torch.cuda.is_available():
            torch.cuda.set_rng_state_all(content["random_cuda"])

    def remember_best(self, patience: int) -> bool:
        """Keep the parameters if this epoch is the best so far; say whether `patience` has run out."""
        bound = self.history.valid["bound"][-1]
        if self.best is None or bound > self.best["bound"] or math.isnan(self.best["bound"]):
            parameters = {name: value.detach().clone() for name, value in self.objective.state_dict().items()}
            self.best = {"bound": bound, "epoch": self.history.epochs, "parameters": parameters}
        return self.history.epochs - self.best["epoch"] >= patience

    def restore_best(self) -> None:
        if self.best is not None:
            self.objective.load_state_dict(self.best["parameters"])


def load_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """A checkpoint as `fit` wrote it: tensors and plain containers only. Anything else is refused, never unpickled."""
    try:
        content = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:
        raise ValueError(
            f"{path} is no checkpoint of tensors and plain values, or it is damaged, and was not loaded ({type(error).__name__}). "
            "Files that would run code are refused; delete it to start anew."
        ) from error
    if not isinstance(content, dict) or "objective" not in content:
        raise ValueError(
            f"{path} holds tensors or plain values, but is no checkpoint that `fit` wrote; delete it to start anew."
        )
    return content

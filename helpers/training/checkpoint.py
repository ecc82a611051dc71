"""The state of a training that survives a kill, and how it is written and read."""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn
from torch.optim import Optimizer

from helpers.files import atomic_write
from helpers.training.history import History
from helpers.training.resuming import Source, check_kinds, differences, hyperparameters_of, set_hyperparameters
from helpers.training.schedule import Scheduler
from helpers.training.weights import check_state_dict


class _Restorable(Protocol):
    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: Any, /) -> None: ...


@dataclass
class TrainingState:
    """Everything that `fit` writes to a checkpoint, so that a resumed run equals an unbroken one.

    The state of torch's random generators is saved and restored too; it is read from torch itself, so it is no field.

    Args:
        objective: Module in training: parameters and buffers.
        optimizers: Its optimisers.
        schedulers: Schedulers stepped after every optimiser step.
        epoch_schedulers: Schedulers stepped after every epoch.
        history: Record of the epochs so far.
        best: None, or the best epoch so far by validation bound: "bound" (nats per item), "epoch", "parameters" (a state dict).
        given: Optimisers and schedulers as they were when training began, in plain values: `as_given`.
    """

    objective: nn.Module
    optimizers: list[Optimizer]
    schedulers: Sequence[Scheduler]
    epoch_schedulers: Sequence[Any]
    history: History
    best: dict[str, Any] | None
    given: dict[str, Any]

    def save(self, path: Path) -> None:
        """Write the checkpoint, atomically and flushed to disk.

        Args:
            path: File to write. Its folder is created if it is missing.
        """
        content = {
            "objective": self.objective.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "schedulers": [scheduler.state_dict() for scheduler in self.schedulers],
            "epoch_schedulers": [scheduler.state_dict() for scheduler in self.epoch_schedulers],
            "given": self.given,
            "history": asdict(self.history),
            "best": self.best,
            "random": torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        }
        with atomic_write(path) as partial, open(partial, "wb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())

    def load(self, path: Path, hyperparameters: Source) -> list[str]:
        """Restore a checkpoint into the objects of this state, in place. If it does not fit, they stay as they are.

        Args:
            path: File that `save` wrote.
            hyperparameters: "checkpoint": optimisers and schedulers go on as they were. "call": learning rates, other hyperparameters and
                schedulers stay those of this state; the optimisers' moments are restored.

        Returns:
            Settings of this state that the checkpoint's replaced, one clause each.

        Raises:
            ValueError: If the file is no checkpoint, or was made with another model, other optimisers or, unless the call's hyperparameters
                are used, other schedulers.
        """
        content = load_checkpoint(path)
        groups: dict[str, Sequence[_Restorable]] = {"optimizers": self.optimizers}
        if hyperparameters == "checkpoint":
            groups |= {"schedulers": self.schedulers, "epoch_schedulers": self.epoch_schedulers}
        own = hyperparameters_of(self.optimizers)
        before = [(item, copy.deepcopy(item.state_dict())) for given in groups.values() for item in given]
        try:
            check_state_dict(self.objective, content["objective"])
            for name, given in groups.items():
                if len(content[name]) != len(given):
                    raise ValueError(
                        f"Got {len(content[name])} {name} in the file; expected {len(given)}, as many as fit was given."
                    )
            check_kinds(content["given"], self.given, hyperparameters)
            for name, given in groups.items():
                for item, state in zip(given, content[name], strict=True):
                    item.load_state_dict(state)
            replaced: list[str] = []
            if hyperparameters == "call":
                set_hyperparameters(self.optimizers, own)
            else:
                every = (*self.schedulers, *self.epoch_schedulers)
                replaced = differences(content["given"], self.given, self.optimizers, every)
                self.given = content["given"]
            self.objective.load_state_dict(content["objective"])
            self.history.restore(content["history"])
            self.best = content["best"]
            torch.set_rng_state(content["random"])
        except (RuntimeError, ValueError, LookupError, TypeError, AttributeError) as error:
            for item, state in before:  # those that did fit were overwritten
                item.load_state_dict(state)
            raise ValueError(
                f"The checkpoint {path} does not fit what is being trained. {str(error).rstrip('.')}. Usually it was made with "
                "another model or other optimisers: delete it to start anew."
            ) from error
        if content["random_cuda"] and torch.cuda.is_available():
            torch.cuda.set_rng_state_all(content["random_cuda"])
        return replaced

    def has_waited(self, patience: int) -> bool:
        """Whether `patience` epochs have passed since the best one.

        Args:
            patience: Epochs without improvement after which training stops.

        Returns:
            Whether they have; False before the first epoch.
        """
        return self.best is not None and self.history.epochs - self.best["epoch"] >= patience

    def remember_best(self, patience: int) -> bool:
        """Keep a copy of the parameters if the last epoch has the best validation bound so far.

        Args:
            patience: Epochs without improvement after which training stops.

        Returns:
            Whether `patience` epochs have passed since the best one.
        """
        bound = self.history.valid["bound"][-1]
        if self.best is None or bound > self.best["bound"] or math.isnan(self.best["bound"]):
            parameters = {name: value.detach().clone() for name, value in self.objective.state_dict().items()}
            self.best = {"bound": bound, "epoch": self.history.epochs, "parameters": parameters}
        return self.has_waited(patience)

    def restore_best(self) -> None:
        """Load the parameters of the best epoch, if one has been remembered."""
        if self.best is not None:
            self.objective.load_state_dict(self.best["parameters"])


def load_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a checkpoint that `fit` wrote, onto the CPU. Only tensors and plain containers are read; other pickles are refused.

    Args:
        path: File that `fit(checkpoint=...)` wrote.

    Returns:
        "objective" (a state dict), "optimizers", "schedulers", "epoch_schedulers", "given", "history", "best", "random", "random_cuda".

    Raises:
        ValueError: If the file cannot be read, would run code, or was not written by `fit`.
    """
    try:
        content = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:
        raise ValueError(
            f"Got {path}, which was not loaded ({type(error).__name__}); expected a checkpoint of tensors and plain values, because other "
            "files could run code. Usually it is damaged, or another program wrote it: delete it to start anew."
        ) from error
    if not isinstance(content, dict) or not {"objective", "optimizers", "schedulers", "history"} <= content.keys():
        raise ValueError(
            f"Got {path}, which holds tensors or plain values of something else; expected a checkpoint that `fit` wrote. Usually "
            "checkpoint=... names a file of another kind: give another name, or delete the file to start anew."
        )
    if "given" not in content:
        raise ValueError(
            f"Got {path}, a checkpoint without the settings of its optimisers; expected one that this version of `fit` wrote. Usually an "
            "earlier version wrote it: finish that training with it, or delete the file to start anew."
        )
    return content

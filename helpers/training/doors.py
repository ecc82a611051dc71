"""Checks of what `fit` is called with, and the sentences they raise: "Got WHAT; expected WHAT. CAUSE." """

from __future__ import annotations

import inspect
import math
import os
from collections.abc import Callable, Iterable, Sequence
from numbers import Real
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from helpers.evaluation.doors import named
from helpers.training.schedule import Scheduler


def as_optimizers(optimizers: Optimizer | Iterable[Optimizer] | None, objective: nn.Module) -> list[Optimizer]:
    """Check optimisers, or make the default one: fused Adam, learning rate 1e-3.

    Parameters of the objective that no optimiser holds stay as they are: training a part is legitimate.

    Args:
        optimizers: One optimiser, several, or None.
        objective: Module in training.

    Returns:
        The optimisers.

    Raises:
        ValueError: If there is none, if one is no optimiser, needs a closure or holds no parameter of the objective, if two hold the same
            parameter, or if parameters are on several devices.
    """
    if optimizers is None:
        trainable = [parameter for parameter in objective.parameters() if parameter.requires_grad]
        if not trainable:
            raise ValueError(
                f"Got {named(objective)} as objective, without a parameter to train; expected one or more. Usually requires_grad_(False) "
                "froze them, or a list of modules was not an nn.ModuleList."
            )
        _check_one_device(trainable)
        # Fused: one kernel over all parameters. The default runs several small operations per parameter, at many times the cost.
        return [torch.optim.Adam(trainable, lr=1e-3, fused=True)]
    expected = "expected an optimiser, such as torch.optim.Adam(objective.parameters()), or a list of them"
    many = [optimizers] if isinstance(optimizers, Optimizer) or not isinstance(optimizers, Iterable) else [*optimizers]
    if not many:
        raise ValueError(f"Got optimizers={optimizers!r}; {expected}. None makes the default, Adam.")
    for optimizer in many:
        if not isinstance(optimizer, Optimizer):
            raise ValueError(f"Got {named(optimizer)} as an optimiser; {expected}. {_cause_of_no_optimizer(optimizer)}")
        closure = inspect.signature(optimizer.step).parameters.get("closure")
        if closure is not None and closure.default is inspect.Parameter.empty:
            raise ValueError(
                f"Got {named(optimizer)} as an optimiser; {expected}. It evaluates the loss several times a step, through a closure, which "
                "`fit` cannot give it: take Adam or SGD, or write the loop by hand."
            )
    _check_parameters(many, objective)
    return many


def _cause_of_no_optimizer(given: object) -> str:
    if isinstance(given, type):
        return "Usually the parentheses are missing: torch.optim.Adam(objective.parameters())."
    if isinstance(given, nn.Parameter):
        return "Usually the parameters: an optimiser is made of them."
    if hasattr(given, "step"):
        return "Usually a scheduler: schedulers=... takes those."
    return "Usually another argument."


def _check_parameters(optimizers: list[Optimizer], objective: nn.Module) -> None:
    own = {id(parameter) for parameter in objective.parameters()}
    seen: set[int] = set()
    parameters = []
    for optimizer in optimizers:
        held = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        if not own.intersection(map(id, held)):
            raise ValueError(
                f"Got {named(optimizer)} that holds no parameter of {type(objective).__name__}; expected an optimiser of its parameters. "
                "Usually it was made for another model, or before the model was made anew."
            )
        if seen.intersection(map(id, held)):
            raise ValueError(
                "Got a parameter in two optimisers; expected it in one, because each would take a step. Usually the same optimiser given "
                "twice, or objective.parameters() given to each."
            )
        seen.update(map(id, held))
        parameters += held
    _check_one_device(parameters)


def _check_one_device(parameters: Iterable[torch.Tensor]) -> None:
    devices = sorted({str(parameter.device) for parameter in parameters})
    if len(devices) > 1 or devices == ["meta"]:
        raise ValueError(
            f"Got parameters on {' and '.join(devices)}; expected one device that holds values. Usually a part of the objective was not "
            "moved: objective.to(device) moves all of it."
        )


def as_schedulers(
    schedulers: Scheduler | Iterable[Scheduler], name: str, optimizers: Sequence[Optimizer], objective: nn.Module
) -> list[Any]:
    """Check schedulers. One alone is taken as a list of one.

    Args:
        schedulers: What was given.
        name: Name of the argument: "schedulers", stepped after every step, or "epoch_schedulers", after every epoch.
        optimizers: Optimisers in use.
        objective: Module in training.

    Returns:
        The schedulers.

    Raises:
        ValueError: If one is no scheduler, belongs to another optimiser or objective, or reads a metric and is to be stepped every step.
    """
    many = [*schedulers] if isinstance(schedulers, Iterable) else [schedulers]
    expected = "expected a scheduler with step, state_dict and load_state_dict, or a list of them"
    for scheduler in many:
        given = f"Got {named(scheduler)} in {name}"
        methods = ("step", "state_dict", "load_state_dict")
        if isinstance(scheduler, type):
            raise ValueError(f"{given}; {expected}. Usually the parentheses are missing: an instance is needed.")
        if isinstance(scheduler, Optimizer) or not all(callable(getattr(scheduler, one, None)) for one in methods):
            raise ValueError(
                f"{given}; {expected}. Usually a function of the step: LambdaLR(optimizer, function) is one."
            )
        if isinstance(scheduler, ReduceLROnPlateau) and name == "schedulers":
            raise ValueError(
                f"{given}; expected one that counts steps. It reads the bound of an epoch: give it in epoch_schedulers=..."
            )
        optimizer, owner = getattr(scheduler, "optimizer", None), getattr(scheduler, "objective", None)
        if optimizer is not None and not any(optimizer is one for one in optimizers):
            raise ValueError(
                f"{given} that belongs to an optimiser which is not in use; expected a scheduler of one of optimizers=... Usually the "
                "optimiser was made anew and its scheduler was not, or was left out."
            )
        if isinstance(owner, nn.Module) and not any(owner is module for module in objective.modules()):
            raise ValueError(
                f"{given} that sets {named(owner)} which is not in training; expected a part of the objective. Usually the objective was "
                "made anew and its scheduler was not."
            )
    return many


def check_clip_norm(clip_norm: object) -> None:
    """Check the largest norm of the gradient.

    Args:
        clip_norm: None, or what was given.

    Raises:
        ValueError: If it is no number above 0.
    """
    if clip_norm is None:
        return
    if isinstance(clip_norm, bool) or not isinstance(clip_norm, Real) or math.isnan(clip_norm) or clip_norm <= 0:
        raise ValueError(
            f"Got clip_norm={clip_norm!r}; expected a number above 0, the largest norm of the gradient, or None for no clipping. Usually 0 "
            "or -1 was meant for none."
        )


def check_callback(callback: Callable[..., Any] | None, name: str, arguments: str) -> None:
    """Check a function that `fit` calls.

    Args:
        callback: None, or what was given.
        name: Name of the argument.
        arguments: What it is called with, for the message.

    Raises:
        ValueError: If it cannot be called.
    """
    if callback is not None and not callable(callback):
        raise ValueError(
            f"Got {named(callback)} as {name}; expected a function that takes {arguments}, or None. Usually its result: leave out the "
            "parentheses."
        )


def as_checkpoint(checkpoint: object) -> Path | None:
    """Check the file of a checkpoint.

    Args:
        checkpoint: None, or what was given.

    Returns:
        Its path; None if nothing is to be kept, also for `os.devnull`.

    Raises:
        ValueError: If it is no path, or names a folder, a device or anything else that is no regular file.
    """
    if checkpoint is None or checkpoint == os.devnull:
        return None
    expected = "expected the name of a file, such as runs/vae.pt"
    if not isinstance(checkpoint, str | os.PathLike) or not os.fspath(checkpoint):
        raise ValueError(
            f"Got {named(checkpoint)} as checkpoint; {expected}. Usually the contents of a checkpoint, or True."
        )
    path = Path(os.fsdecode(checkpoint))
    if path == Path(os.devnull):
        return None
    if path.is_dir():
        raise ValueError(
            f"Got checkpoint={str(path)!r}, a folder; {expected}. Usually the name of the file is missing: {path / 'run.pt'}."
        )
    if path.exists() and not path.is_file():
        raise ValueError(f"Got checkpoint={str(path)!r}, a device or a pipe; {expected}. {os.devnull} keeps nothing.")
    return path

"""What a resumed training takes from the checkpoint and what from the call, and the lines that say where the two differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import nn
from torch.optim import Optimizer

from helpers.training.history import History
from helpers.training.schedule import Scheduler

Source = Literal["checkpoint", "call"]
Plain = dict[str, Any]


def check_source(source: object) -> None:
    """Check the argument `hyperparameters` of `fit`.

    Args:
        source: What was given.

    Raises:
        ValueError: If it is neither "checkpoint" nor "call".
    """
    if source not in ("checkpoint", "call"):
        raise ValueError(
            f"Got hyperparameters={source!r}; expected 'checkpoint' or 'call': whose learning rates and schedulers a resumed training has. "
            "Usually a learning rate: give it to the optimiser."
        )


def as_given(optimizers: Sequence[Optimizer], schedulers: Sequence[Scheduler], objective: nn.Module) -> Plain:
    """Describe optimisers and schedulers as they are when `fit` is called, in plain values, for a checkpoint.

    Args:
        optimizers: Optimisers.
        schedulers: Schedulers of steps, then of epochs.
        objective: Module whose parameters the optimisers hold.

    Returns:
        "kinds" and "scheduler kinds" (class of each optimiser and scheduler), "parameters" (names that each optimiser holds, in order),
        "settings" (plain values of each optimiser, then of each scheduler, by dotted name).
    """
    names = {id(parameter): name for name, parameter in objective.named_parameters()}
    return {
        "kinds": [type(optimizer).__name__ for optimizer in optimizers],
        "scheduler kinds": [type(scheduler).__name__ for scheduler in schedulers],
        "parameters": [
            [names.get(id(parameter), "") for group in optimizer.param_groups for parameter in group["params"]]
            for optimizer in optimizers
        ],
        "settings": [_plain(item) for item in (*optimizers, *schedulers)],
    }


def check_kinds(saved: Plain, given: Plain, source: Source) -> None:
    """Check that a checkpoint's optimisers are of the same classes and hold the same parameters as the call's, its schedulers too.

    Args:
        saved: What `as_given` returned when the checkpoint's training began.
        given: What it returns now.
        source: Whose schedulers are used; the call's may be of other classes.

    Raises:
        ValueError: If they differ. torch would load the state of one optimiser into another, or of one parameter into another.
    """
    for key, what in (("kinds", "optimisers"), ("scheduler kinds", "schedulers")):
        if saved[key] != given[key] and not (key == "scheduler kinds" and source == "call"):
            now, before = (" and ".join(kinds[key]) or "none" for kinds in (given, saved))
            raise ValueError(f"Got {now} as {what}; expected {before}, as in the file.")
    for before, now in zip(saved["parameters"], given["parameters"], strict=True):
        if before != now:
            position = next((i for i, pair in enumerate(zip(before, now, strict=False)) if pair[0] != pair[1]), None)
            what = (
                f"{len(now)} parameters" if position is None else f"{now[position] or 'a parameter of another module'}"
            )
            other = f"{len(before)}" if position is None else f"{before[position] or 'a parameter of another module'}"
            raise ValueError(f"Got an optimiser of {what}; expected {other}, as in the file, in the same order.")


def differences(
    before: Plain, given: Plain, optimizers: Sequence[Optimizer], schedulers: Sequence[Scheduler]
) -> list[str]:
    """Name the settings of the call that a resumed training does not use, because the checkpoint's count.

    A value that training itself changes, such as a scheduled learning rate, is compared with the initial one only.

    Args:
        before: What `as_given` returned when the checkpoint's training began.
        given: What it returned at this call, before the checkpoint was loaded.
        optimizers: Optimisers, with the checkpoint's state.
        schedulers: Schedulers of steps, then of epochs, with the checkpoint's state.

    Returns:
        One clause a setting, such as "lr of Adam is 0.001 (given: 0.0003)".
    """
    clauses = []
    for item, first, now in zip((*optimizers, *schedulers), before["settings"], given["settings"], strict=True):
        for name, saved in _plain(item).items():
            moved = name not in first or not _equal(first[name], saved)
            is_progress = moved and (not isinstance(item, Optimizer) or name.replace(".lr", ".initial_lr") in first)
            if name not in now or is_progress:
                continue
            if not _equal(now[name], saved) and not (name in first and _equal(now[name], first[name])):
                label = name.partition(".")[2] if isinstance(item, Optimizer) else name  # without the group's number
                clauses.append(f"{label} of {type(item).__name__} is {saved!r} (given: {now[name]!r})")
    return list(dict.fromkeys(clauses))


def hyperparameters_of(optimizers: Sequence[Optimizer]) -> list[list[Plain]]:
    """Copy the hyperparameters of each parameter group of each optimiser.

    Args:
        optimizers: Optimisers.

    Returns:
        For each optimiser, for each group, everything but its parameters.
    """
    return [
        [{name: value for name, value in group.items() if not name.startswith("param")} for group in each.param_groups]
        for each in optimizers
    ]


def set_hyperparameters(optimizers: Sequence[Optimizer], values: list[list[Plain]]) -> None:
    """Set what `hyperparameters_of` copied.

    Args:
        optimizers: Optimisers with as many parameter groups.
        values: What `hyperparameters_of` returned.
    """
    for optimizer, groups in zip(optimizers, values, strict=True):
        for group, given in zip(optimizer.param_groups, groups, strict=True):
            group.update(given)


def lengths_differ(history: History, epochs: int, steps_per_epoch: int | None) -> list[str]:
    """Sentences about a call whose epochs are fewer, or longer or shorter, than those of the checkpoint.

    Args:
        history: Record of the checkpoint.
        epochs: Passes in total that the call asks for.
        steps_per_epoch: Optimiser steps of an epoch of this call; None if unknown.

    Returns:
        Sentences, none if all is as before.
    """
    sentences = []
    if epochs < history.epochs:
        sentences.append(
            f"The checkpoint holds {history.epochs} epochs, and epochs={epochs} asks for fewer: nothing is trained."
        )
    if steps_per_epoch is not None and history.epochs and history.steps != history.epochs * steps_per_epoch:
        sentences.append(
            f"Its epochs had {history.steps / history.epochs:g} optimiser steps, and this call's have {steps_per_epoch}: other data, "
            "batch sizes or accumulate. A schedule over steps ends at another epoch."
        )
    return sentences


def _plain(item: Optimizer | Scheduler) -> Plain:
    state = item.state_dict()
    return dict(_leaves(state["param_groups"] if isinstance(item, Optimizer) else state, ""))


def _leaves(tree: Any, name: str) -> list[tuple[str, Any]]:
    """(dotted name, value) of every plain value in nested containers; tensors of one element as numbers."""
    if isinstance(tree, Mapping):
        found = [(key, value) for key, value in tree.items() if not str(key).startswith("param")]
    elif isinstance(tree, list | tuple):
        found = list(enumerate(tree))
    elif isinstance(tree, torch.Tensor):
        return [(name, tree.item())] if tree.numel() == 1 else []
    else:
        return [(name, tree)] if tree is None or isinstance(tree, bool | int | float | str) else []
    return [leaf for key, value in found for leaf in _leaves(value, f"{name}.{key}" if name else str(key))]


def _equal(one: Any, other: Any) -> bool:
    return bool(one == other) or (one != one and other != other)

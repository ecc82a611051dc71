"""Faults of the results themselves: shape, dtype, NaN, numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy
import torch
from torch import Tensor

from helpers.exercises.engine.setting import Facts, Fault, Setting
from helpers.exercises.engine.shapes import about_shape, with_names
from helpers.exercises.engine.trial import Trial
from helpers.exercises.engine.values import TOLERANCE, close, how_they_differ


def _outputs(setting: Setting) -> Iterator[tuple[int, Tensor, Tensor, Trial, dict[str, int]]]:
    for got, want, sizes in setting.cases():
        for index, (given, wanted) in enumerate(zip(got.graded.outputs, want.graded.outputs, strict=True)):
            if isinstance(given, Tensor) and isinstance(wanted, Tensor):
                yield index, given, wanted, got, sizes


def shape(setting: Setting) -> Fault | None:
    for index, given, wanted, got, sizes in _outputs(setting):
        if given.shape != wanted.shape:
            names = setting.names(index, wanted.ndim)
            says = about_shape(given, wanted, names, sizes)
            words = (
                f"{setting.subject(index)} has the shape {with_names(given.shape, None, sizes)}; asked is "
                f"{with_names(wanted.shape, names, sizes)}. {says}"
            )
            return Fault(words.rstrip(), (setting.where(got.case),))
    return None


def dtype(setting: Setting) -> Fault | None:
    for index, given, wanted, got, _ in _outputs(setting):
        if given.dtype != wanted.dtype:
            usual = (
                "Look for `.float()`, or for a new tensor that was not made like the inputs "
                "(`torch.zeros_like(x)`, `torch.eye(n).to(x)`)."
            )
            if not given.is_floating_point() or not wanted.is_floating_point():
                usual = "Is a comparison, a rounding or a conversion too much or too few in it?"
            return Fault(
                f"{setting.subject(index)} has dtype {short(given)}; asked is {short(wanted)}, as the inputs have it. {usual}",
                (setting.where(got.case),),
            )
        if given.device != wanted.device or given.layout != wanted.layout:
            return Fault(
                f"{setting.subject(index)} is on {given.device} ({given.layout}); it should be where the inputs are, on {wanted.device}.",
                (setting.where(got.case),),
            )
    return None


def short(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def not_finite(setting: Setting) -> Fault | None:
    for index, given, wanted, got, _ in _outputs(setting):
        if wanted.is_floating_point() and not torch.isfinite(given).all() and torch.isfinite(wanted).all():
            what = "NaN" if given.isnan().any() else "infinite"
            cause = (
                "a logarithm or root of a negative number, 0/0, or inf − inf"
                if what == "NaN"
                else "the logarithm of 0, a division by 0, or an exponential of something large"
            )
            if "logsumexp" in setting.exercise.solution_source:
                cause += "; for the logarithm of a sum of exponentials there is `logsumexp`"
            return Fault(
                f"{setting.subject(index)} is {what} in places where it should be finite. Usual causes: {cause}.",
                (setting.where(got.case),),
            )
    return None


def numbers(setting: Setting) -> Fault | None:
    for index in range(max(len(trial.graded.outputs) for trial in setting.want)):
        every = [
            (got.graded.outputs[index], want.graded.outputs[index], got, sizes) for got, want, sizes in setting.cases()
        ]
        wrong = [entry for entry in every if not close(entry[0], entry[1])]
        if wrong:
            return _wrong_numbers(setting, index, every, wrong)
    return None


def _wrong_numbers(setting: Setting, index: int, every: list[Any], wrong: list[Any]) -> Fault:
    given, wanted, got, _ = wrong[0]
    subject = setting.subject(index)
    if not isinstance(wanted, Tensor):
        return Fault(f"{subject} is {given!r}; it should be {wanted!r}.", (setting.where(got.case),))
    facts = (setting.where(got.case), *example(given, wanted))
    relation = None
    if wanted.is_floating_point():
        for entries in (every, wrong) if len(wrong) > 1 else (every,):
            relation = relation or how_they_differ([entry[:2] for entry in entries], [entry[3] for entry in entries])
    right = [entry[2].case for entry in every if not any(entry is other for other in wrong)]
    others = [i for i in range(len(got.graded.outputs)) if i != index]
    fine = "" if not others or not all(_right(setting, i) for i in others) else " The rest is right."
    if relation:
        return Fault(f"{subject} is {relation.rstrip('?.')}{'?' if relation.endswith('?') else '.'}{fine}", facts)
    if right:
        cases = ", ".join(entry[2].case for entry in wrong)
        return Fault(
            f"{subject} is right for some inputs ({', '.join(right)}) and wrong for others ({cases}). What is special about these?{fine}",
            facts,
        )
    return Fault(
        f'{subject} has the right shape, but its numbers differ.{fine} `hint("{setting.exercise.id}")` gives a nudge.',
        facts,
    )


def _right(setting: Setting, index: int) -> bool:
    return all(close(got.graded.outputs[index], want.graded.outputs[index]) for got, want, _ in setting.cases())


def example(given: Tensor, wanted: Tensor) -> Facts:
    """The number that is furthest off, given and wanted."""
    off = torch.nan_to_num((given.detach().double() - wanted.detach().double()).abs(), nan=torch.inf).flatten()
    place = tuple(int(i) for i in numpy.unravel_index(int(off.argmax()), given.shape)) if given.ndim else ()
    label = f" at {list(place)}" if place else ""
    return (
        (f"Given{label}", _number(given[place])),
        (f"Expected{label}", _number(wanted[place])),
        ("Tolerance", TOLERANCE),
    )


def _number(value: Tensor) -> str:
    return f"{value.item():.6g}" if value.is_floating_point() else str(value.item())

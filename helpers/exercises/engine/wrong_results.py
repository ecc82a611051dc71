"""Faults of the results themselves: shape, dtype, NaN, values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy
import torch
from torch import Tensor

from helpers.exercises.engine.closeness import TOLERANCE, close
from helpers.exercises.engine.comparison import Comparison, Facts, Fault
from helpers.exercises.engine.relations import Relation, differing_digits, how_they_differ
from helpers.exercises.engine.result_order import is_an_argument
from helpers.exercises.engine.shapes import describe_shape, explain_shape
from helpers.exercises.engine.trial import Trial

SLIGHT = 1e-3  # relative; values that are off by less have the right formula and a small number too many


def _outputs(comparison: Comparison) -> Iterator[tuple[int, Tensor, Tensor, Trial, dict[str, int]]]:
    for got, want, sizes in comparison.cases():
        for index, (given, wanted) in enumerate(zip(got.graded.outputs, want.graded.outputs, strict=True)):
            if isinstance(given, Tensor) and isinstance(wanted, Tensor):
                yield index, given, wanted, got, sizes


def wrong_shape(comparison: Comparison) -> Fault | None:
    """The first wrong shape.

    Args:
        comparison: The answer beside the solution. It returned as many results as asked.

    Returns:
        The fault; None if all shapes are right.
    """
    for index, given, wanted, got, sizes in _outputs(comparison):
        if given.shape != wanted.shape:
            names = comparison.dimension_names(index, wanted.ndim)
            cause = explain_shape(given, wanted, names, sizes)
            words = (
                f"{comparison.subject(index)} has the shape {describe_shape(given.shape, None, sizes)}; the exercise asks for "
                f"{describe_shape(wanted.shape, names, sizes)}. {cause}"
            )
            return Fault(words.rstrip(), (comparison.case_fact(got.case),))
    return None


def wrong_dtype(comparison: Comparison) -> Fault | None:
    """The first wrong dtype, device or layout.

    Args:
        comparison: The answer beside the solution. All shapes are right.

    Returns:
        The fault; None if all are right.
    """
    for index, given, wanted, got, _ in _outputs(comparison):
        if given.dtype != wanted.dtype:
            usual = (
                "Look for `.float()`, or for a new tensor that was not made like the inputs "
                "(`torch.zeros_like(x)`, `torch.eye(n).to(x)`)."
            )
            if not given.is_floating_point() or not wanted.is_floating_point():
                usual = "Look for a comparison, a rounding or a conversion that is missing or not needed."
            return Fault(
                f"{comparison.subject(index)} has dtype {dtype_name(given)}; the exercise asks for {dtype_name(wanted)}"
                f"{', the dtype of the inputs' if wanted.is_floating_point() else ''}. {usual}",
                (comparison.case_fact(got.case),),
            )
        if given.device != wanted.device or given.layout != wanted.layout:
            return Fault(
                f"{comparison.subject(index)} is on {given.device} ({given.layout}); it should be on {wanted.device}, like the inputs.",
                (comparison.case_fact(got.case),),
            )
    return None


def dtype_name(tensor: Tensor) -> str:
    """The dtype of a tensor in a sentence.

    Args:
        tensor: The tensor.

    Returns:
        As "float64".
    """
    return str(tensor.dtype).removeprefix("torch.")


def not_finite(comparison: Comparison) -> Fault | None:
    """The first output with NaN or infinite values, if the solution's is finite.

    Args:
        comparison: The answer beside the solution. All shapes and dtypes are right.

    Returns:
        The fault; None if there is none.
    """
    for index, given, wanted, got, _ in _outputs(comparison):
        if wanted.is_floating_point() and not torch.isfinite(given).all() and torch.isfinite(wanted).all():
            what = "NaN" if given.isnan().any() else "infinite"
            cause = (
                "a logarithm or root of a negative number, 0/0, or inf − inf"
                if what == "NaN"
                else "the logarithm of 0, a division by 0, or an exponential of something large"
            )
            if "logsumexp" in comparison.exercise.solution_source:
                cause += "; for the logarithm of a sum of exponentials there is `logsumexp`"
            return Fault(
                f"{comparison.subject(index)} is {what} in places where it should be finite. Usual causes: {cause}.",
                (comparison.case_fact(got.case),),
            )
    return None


def wrong_numbers(comparison: Comparison) -> Fault | None:
    """The first output with wrong values, and how they differ from the right ones.

    Args:
        comparison: The answer beside the solution. All shapes and dtypes are right.

    Returns:
        The fault; None if all values are right.
    """
    for index in range(max(len(trial.graded.outputs) for trial in comparison.want)):
        every = [
            (got.graded.outputs[index], want.graded.outputs[index], got, sizes)
            for got, want, sizes in comparison.cases()
        ]
        wrong = [entry for entry in every if not close(entry[0], entry[1])]
        if wrong:
            return _wrong_numbers(comparison, index, every, wrong)
    return None


def _wrong_numbers(comparison: Comparison, index: int, every: list[Any], wrong: list[Any]) -> Fault:
    given, wanted, got, _ = wrong[0]
    subject = comparison.subject(index)
    if not isinstance(wanted, Tensor):
        return Fault(f"{subject} is {given!r}; it should be {wanted!r}.", (comparison.case_fact(got.case),))
    facts = (comparison.case_fact(got.case), *largest_difference(given, wanted))
    others = [i for i in range(len(got.graded.outputs)) if i != index]
    fine = "" if not others or not all(_right(comparison, i) for i in others) else " The rest is right."
    slightly = _slightly(wrong)
    if argument := is_an_argument(comparison, index):
        return Fault(
            f"{subject} is the argument `{argument}`, unchanged.{fine}",
            facts,
            "",
            f"transformation:argument:{argument}",
        )
    if relation := _relation(comparison, every, wrong):
        end = "?" if relation.words.endswith("?") else "."
        id = f"transformation:{relation.id}" if relation.id else ""
        return Fault(f"{subject} is {relation.words.rstrip('?.')}{end}{slightly}{fine}", facts, "", id)
    if slightly:
        return Fault(f"{subject} is almost right.{slightly}{fine}", facts)
    right = [entry[2].case for entry in every if not any(entry is other for other in wrong)]
    if right:
        cases = ", ".join(entry[2].case for entry in wrong)
        return Fault(
            f"{subject} is right for some inputs ({', '.join(right)}) and wrong for others ({cases}). What is special about these?{fine}",
            facts,
            vague=True,
        )
    return Fault(
        f'{subject} has the right shape, but its values differ.{fine} `hint("{comparison.exercise.id}")` gives a nudge.',
        facts,
        vague=True,
    )


def named_relation(comparison: Comparison) -> Fault | None:
    """The first wrong output, if it is an argument unchanged, or if a relation that has a name gives it from the right one.

    Args:
        comparison: The answer beside the solution. All shapes and dtypes are right.

    Returns:
        The fault; None if there is no such relation.
    """
    fault = wrong_numbers(comparison)
    return fault if fault is not None and fault.id else None


def _relation(comparison: Comparison, every: list[Any], wrong: list[Any]) -> Relation | None:
    """The relation that holds on all cases, else on all that are wrong."""
    if not wrong[0][1].is_floating_point():
        return None
    for entries in (every, wrong) if 1 < len(wrong) < len(every) else (every,):
        numbers = [_numbers(comparison.arguments(entry[2].case)) for entry in entries]
        relation = how_they_differ([entry[:2] for entry in entries], [entry[3] for entry in entries], numbers)
        if relation:
            return relation
    return None


def _numbers(arguments: dict[str, Any]) -> dict[str, float]:
    """The arguments that are one number."""
    found = {}
    for name, value in arguments.items():
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            found[name] = float(value)
        elif isinstance(value, Tensor) and value.ndim == 0:
            found[name] = float(value.detach())
    return found


def _slightly(wrong: list[Any]) -> str:
    """What usually makes values that are off by less than a thousandth; "" if they are off by more."""
    if not all(given.is_floating_point() for given, *_ in wrong):
        return ""
    parts = [(given.detach().double(), wanted.detach().double()) for given, wanted, *_ in wrong]
    if not all(torch.isfinite(given).all() and torch.isfinite(wanted).all() for given, wanted in parts):
        return ""
    scale = max(wanted.abs().max().item() for _, wanted in parts)
    off = max(
        ((given - wanted).abs() / wanted.abs().clamp(min=1e-3 * scale + 1e-300)).max().item() for given, wanted in parts
    )
    if off >= SLIGHT:
        return ""
    if all(torch.equal(given, given.float().double()) for given, _ in parts):
        return (
            f" It differs by {off:.1g} of the value: its numbers are float32. Look for `.float()`, `torch.tensor(0.5)` or another "
            "new tensor without the dtype of the inputs."
        )
    return (
        f" It differs by {off:.1g} of the value. Usual causes: a small number added (such as 1e-8) or a clamp, a constant with few "
        "digits (0.9189 for log(2π)/2), or a new float32 tensor, as `torch.tensor(0.1)` makes."
    )


def _right(comparison: Comparison, index: int) -> bool:
    return all(close(got.graded.outputs[index], want.graded.outputs[index]) for got, want, _ in comparison.cases())


def largest_difference(given: Tensor, wanted: Tensor, tolerance: str = TOLERANCE) -> Facts:
    """The element that is furthest from its right value.

    Args:
        given: Output of the answer.
        wanted: Output of the solution, of the same shape.
        tolerance: The tolerance in words.

    Returns:
        Facts: the given value, the expected value, and the tolerance.
    """
    off = torch.nan_to_num((given.detach().double() - wanted.detach().double()).abs(), nan=torch.inf).flatten()
    place = tuple(int(i) for i in numpy.unravel_index(int(off.argmax()), given.shape)) if given.ndim else ()
    label = f" at {list(place)}" if place else ""
    texts = _numbers_apart(given[place], wanted[place])
    return (
        (f"Given{label}", texts[0]),
        (f"Expected{label}", texts[1]),
        ("Tolerance", tolerance),
    )


def _numbers_apart(given: Tensor, wanted: Tensor) -> tuple[str, str]:
    if given.is_floating_point() and wanted.is_floating_point():
        return differing_digits(given.item(), wanted.item())
    return str(given.item()), str(wanted.item())

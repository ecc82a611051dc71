"""Results that are right and come in another order, in one tensor, or in a dictionary; results that are an argument."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import torch
from torch import Tensor

from helpers.exercises.engine.closeness import close
from helpers.exercises.engine.comparison import Comparison, Fault


def in_another_form(comparison: Comparison) -> str:
    """Whether one object holds all the results that should be returned one by one.

    Args:
        comparison: The answer beside the solution. The exercise asks for several results, and the answer returned one object.

    Returns:
        A sentence that says so, with the remedy; "" if the object is something else.
    """
    count = max(len(want.graded.outputs) for want in comparison.want)
    given = [got.graded.outputs[0] for got in comparison.got]
    wanted = [want.graded.outputs for want in comparison.want]
    names = [f"result_{number + 1}" for number in range(count)]
    remedy = f"Return them one by one: `return {', '.join(names)}`."
    if all(isinstance(one, dict) for one in given):
        return f"It returns a dictionary. {remedy}"
    if not all(isinstance(one, Tensor) for one in given):
        return ""
    for dim in (0, -1):
        if all(_holds(one, dim, parts) for one, parts in zip(given, wanted, strict=True)):
            return f"The results are right, and stand in one tensor, along dimension {dim}. {remedy}"
    if all(one.ndim and one.shape[0] == count for one in given):
        return f"It returns one tensor with {count} rows, as `torch.stack` makes. {remedy}"
    if all(close(one, parts[0]) for one, parts in zip(given, wanted, strict=True)):
        return f"What it returns is the first of them, and right. {remedy}"
    return ""


def _holds(one: Any, dim: int, parts: list[Any]) -> bool:
    if not one.ndim or one.shape[dim] != len(parts):
        return False
    return all(close(slice_, part) for slice_, part in zip(one.unbind(dim), parts, strict=True))


def permuted(comparison: Comparison) -> Fault | None:
    """Results that agree with the right ones in another order, or one that is what was asked for in another place.

    Args:
        comparison: The answer beside the solution. It returned as many results as asked.

    Returns:
        The fault; None if no result stands in another's place.
    """
    count = max(len(want.graded.outputs) for want in comparison.want)
    alike = [[_alike(comparison, ours, theirs) for theirs in range(count)] for ours in range(count)]
    if count < 2 or all(alike[index][index] for index in range(count)):
        return None
    facts = (comparison.case_fact(comparison.got[0].case),)
    if count <= 5:
        for order in permutations(range(count)):
            if all(alike[ours][theirs] for ours, theirs in enumerate(order)):
                asked = ", then ".join(comparison.exercise.returns[:count])
                yours = ", then ".join(comparison.exercise.returns[theirs] for theirs in order)
                words = (
                    f"Your results are right, and in another order: the exercise asks for {asked}; you return {yours}."
                )
                return Fault(words, facts, "", "transformation:results-exchanged")
    for ours in range(count):
        if alike[ours][ours]:
            continue
        for theirs in range(count):
            if alike[ours][theirs] and not alike[theirs][theirs]:
                words = (
                    f"{comparison.subject(ours)} is what the exercise asks for as the {comparison.ordinal(theirs)}, "
                    f"{comparison.exercise.returns[theirs]}: are the results returned in another order?"
                )
                return Fault(words, facts, "", "transformation:results-exchanged")
    return None


def _alike(comparison: Comparison, ours: int, theirs: int) -> bool:
    return all(
        close(got.graded.outputs[ours], want.graded.outputs[theirs]) for got, want, _ in comparison.cases()
    ) and any(not _constant(want.graded.outputs[theirs]) for want in comparison.want)


def _constant(value: Any) -> bool:
    """Whether it is the same number everywhere, which proves nothing."""
    return (
        not isinstance(value, Tensor) or not value.numel() or bool((value == value.flatten()[0]).all() and value.ndim)
    )


def is_an_argument(comparison: Comparison, index: int) -> str:
    """The argument that a result is, unchanged.

    Args:
        comparison: The answer beside the solution.
        index: Position of the result, from 0.

    Returns:
        Name of the argument; "" if it is none on every case.
    """
    found: set[str] | None = None
    for got in comparison.got:
        output = got.graded.outputs[index]
        here = {
            name
            for name, value in comparison.arguments(got.case).items()
            if isinstance(value, Tensor) and isinstance(output, Tensor) and _equal(output, value)
        }
        found = here if found is None else found & here
    return min(found) if found else ""


def _equal(output: Tensor, value: Tensor) -> bool:
    return output.shape == value.shape and output.dtype == value.dtype and torch.equal(output.detach(), value.detach())

"""Faults of the gradients of an answer whose values are right."""

from __future__ import annotations

import torch
from torch import Tensor

from helpers.exercises.engine.closeness import differing_gradients
from helpers.exercises.engine.comparison import Comparison, Fault, exception_fault
from helpers.exercises.engine.relations import how_they_differ
from helpers.exercises.engine.trial import Trial
from helpers.exercises.engine.wrong_results import largest_difference


def wrong_gradients(comparison: Comparison) -> Fault | None:
    """The first wrong gradient, or an exception in the backward pass.

    Args:
        comparison: The answer beside the solution. Values and shapes are right.

    Returns:
        The fault; None if all gradients are right.
    """
    for got, _, _ in comparison.cases():
        if got.graded.gradient_error is not None:
            fault = exception_fault(comparison, got, got.graded.gradient_error, " in the backward pass")
            fault.sentence = "Your values are right. " + fault.sentence
            return fault
    for index in range(max(len(trial.graded.outputs) for trial in comparison.want)):
        for got, want, _ in comparison.cases():
            given, wanted = got.graded.gradients[index], want.graded.gradients[index]
            wrong = differing_gradients(given, wanted)
            if wrong:
                return _wrong_gradient(comparison, index, wrong[0], got, wanted)
    return None


def _wrong_gradient(comparison: Comparison, index: int, name: str, got: Trial, wanted: dict[str, Tensor]) -> Fault:
    given = got.graded.gradients[index]
    subject, facts = comparison.subject(index), (comparison.case_fact(got.case),)
    if not given:
        words = (
            f"{subject} has the right values, but no gradient flows through it: something cuts it, such as "
            "`.detach()`, `.item()`, `.data`, "
            "`torch.tensor(...)`, NumPy or `no_grad`."
        )
        return Fault(words, facts)
    if name not in given or not given[name].any():
        return Fault(
            f"{subject} has the right values, but no gradient reaches `{name}`. Something is detached that should not be.",
            facts,
        )
    if name not in wanted or not wanted[name].any():
        return Fault(
            f"{subject} has the right values, but a gradient reaches `{name}` that should not: a `.detach()` is missing.",
            facts,
        )
    if not torch.isfinite(given[name]).all():
        words = (
            f"{subject} has the right values, but its gradient with respect to `{name}` is NaN or infinite. "
            "Usual cause: a root or logarithm at 0, perhaps in the branch of a `where` that is not taken."
        )
        return Fault(words, facts)
    relation = how_they_differ([(given[name], wanted[name])], [{}])
    how = f" It is {relation}." if relation else " Some path is detached, or counted twice."
    return Fault(
        f"{subject} has the right values, but its gradient with respect to `{name}` is wrong.{how}",
        (*facts, *largest_difference(given[name], wanted[name])),
    )

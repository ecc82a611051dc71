"""Faults of the gradients of an answer whose values are right."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from helpers.exercises.engine.closeness import differing_gradients, float32_gradients_off
from helpers.exercises.engine.comparison import Comparison, Fault, exception_fault
from helpers.exercises.engine.relations import how_they_differ
from helpers.exercises.engine.solution_edits import detached_edits
from helpers.exercises.engine.transformations import gradient_transformation
from helpers.exercises.engine.trial import Trial, comparable_in_float32
from helpers.exercises.engine.wrong_results import largest_difference

NEARLY = 1e-5  # in units of the largest gradient expected, or of 1
FLOAT32_TOLERANCE = "1e-2 of the value in float32, and what rounding explains"


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
            return replace(fault, sentence="Your values are right. " + fault.sentence)
    for index in range(max(len(trial.graded.outputs) for trial in comparison.want)):
        for got, want, _ in comparison.cases():
            given, wanted = got.graded.gradients[index], want.graded.gradients[index]
            wrong = differing_gradients(given, wanted)
            if wrong:
                return _wrong_gradient(comparison, index, wrong[0], got, wanted)
    return None


def wrong_in_float32(comparison: Comparison) -> Fault | None:
    """The first gradient that is right in float64 and far off in float32.

    Args:
        comparison: The answer beside the solution. Values and gradients in float64 are right, and values in float32.

    Returns:
        The fault; None if there is none.
    """
    for got, want, _ in comparison.cases():
        if not comparable_in_float32(want):
            continue
        for index, name, given, wanted in float32_gradients_off(got.single, want.single, want.graded):
            words = (
                f"{comparison.subject(index)} has the right values, and its gradient with respect to `{name}` is right in float64 but "
                "far off in float32, in which lessons compute: a difference of nearly equal numbers, or a division by a very small one."
            )
            facts = (comparison.case_fact(got.case), *largest_difference(given, wanted, FLOAT32_TOLERANCE))
            return Fault(words, facts, "", f"gradient:float32:{name}")
    return None


def _wrong_gradient(comparison: Comparison, index: int, name: str, got: Trial, wanted: dict[str, Tensor]) -> Fault:
    given = got.graded.gradients[index]
    subject, facts = comparison.subject(index), (comparison.case_fact(got.case),)
    right = comparison.exercise.returns[index] if index < len(comparison.exercise.returns) else "it"
    if not given and wanted:
        words = (
            f"{subject} has the right values, but no gradient flows through it: something cuts it, such as "
            "`.detach()`, `.item()`, `.data`, "
            "`torch.tensor(...)`, NumPy or `no_grad`."
        )
        return Fault(words, facts, "", "gradient:none")
    ours, theirs = given.get(name), wanted.get(name)
    if ours is not None and torch.isfinite(ours).all() and _is_rounding(ours, theirs):
        words = (
            f"{subject} has the right values, but its gradient with respect to `{name}` is off by about {_off(ours, theirs):.0e}, more "
            "than float64 rounds. Look for a float32 number in between (`torch.tensor(0.5)`, `.float()`), or a small number added "
            "(such as 1e-8)."
        )
        return Fault(words, (*facts, *largest_difference(ours, torch.zeros_like(ours) if theirs is None else theirs)), "",
                     "gradient:rounding")  # fmt: skip
    if ours is None or not ours.any():
        return Fault(
            f"{subject} has the right values, but no gradient reaches `{name}`: `{name}`, or something made of it, is detached.",
            facts,
            "",
            f"gradient:missing:{name}",
        )
    if not torch.isfinite(ours).all():
        words = (
            f"{subject} has the right values, but its gradient with respect to `{name}` is NaN or infinite. "
            "Usual cause: a root or logarithm at 0, perhaps in the branch of a `where` that is not taken."
        )
        return Fault(words, facts, "", f"gradient:not-finite:{name}")
    if not _reached(comparison, index, name):
        return Fault(
            f"{subject} has the right values, but a gradient reaches `{name}` that should not: a `.detach()` is missing, so that "
            f"{right} carries none.",
            facts,
            "",
            f"gradient:attached:{name}",
        )
    if fault := gradient_transformation(comparison, detached_edits(comparison.exercise)):
        return replace(fault, facts=facts)
    theirs = torch.zeros_like(ours) if theirs is None else theirs
    relation = how_they_differ([(ours, theirs)], [{}])
    how = f" It is {relation.words}." if relation else " Is some path detached, or counted twice?"
    return Fault(
        f"{subject} has the right values, but its gradient with respect to `{name}` is wrong.{how}",
        (*facts, *largest_difference(ours, theirs)),
        "",
        f"gradient:{relation.id}:{name}" if relation and relation.id else "",
    )


def _reached(comparison: Comparison, index: int, name: str) -> bool:
    """Whether the solution's gradient with respect to an argument is other than zero on any case."""
    gradients = [want.graded.gradients[index].get(name) for want in comparison.want]
    return any(gradient is not None and bool(gradient.any()) for gradient in gradients)


def _off(given: Tensor, wanted: Tensor | None) -> float:
    return (given if wanted is None else given - wanted).abs().max().item()


def _is_rounding(given: Tensor, wanted: Tensor | None) -> bool:
    """Whether a gradient is so nearly right that only rounding or a small number added explains it."""
    scale = 1.0 if wanted is None else max(1.0, wanted.abs().max().item())
    return 0 < _off(given, wanted) < NEARLY * scale

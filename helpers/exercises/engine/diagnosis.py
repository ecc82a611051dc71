"""What is wrong with an answer that equals no known misconception: the most basic fault first."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Any

import numpy
from torch import Tensor, nn
from torch.distributions import Distribution

from helpers.exercises.engine.argument_changes import likely_changes, rarer_changes
from helpers.exercises.engine.closeness import LOOSE
from helpers.exercises.engine.comparison import Comparison, Fault, exception_fault
from helpers.exercises.engine.result_order import in_another_form, permuted
from helpers.exercises.engine.solution_edits import rarer_edits, solution_edits
from helpers.exercises.engine.transformations import transformation
from helpers.exercises.engine.trial import case_arguments, comparable_in_float32, same_values
from helpers.exercises.engine.whole_edits import on_the_way, whole_edits
from helpers.exercises.engine.wrong_gradients import wrong_gradients, wrong_in_float32
from helpers.exercises.engine.wrong_results import (
    dtype_name,
    named_relation,
    not_finite,
    wrong_dtype,
    wrong_numbers,
    wrong_shape,
)

# The likeliest first: if there is an `eps`, `noise` is a standard deviation.
NAMES_OF_DRAWS = ("eps", "epsilon", "u", "uniforms", "offset", "draws", "noise", "samples", "z")


def basic_fault(comparison: Comparison) -> Fault | None:
    """The first fault that says more than any wrong number: the answer cannot be used, or does something else besides.

    Args:
        comparison: The answer beside the solution.

    Returns:
        The first fault found, in the order: exception, type and number of results, changed arguments, seeding, drawing, results in
        another order; None if there is none.
    """
    return _first(comparison, (_exception, _wrong_type, _changed_arguments, _seeding, _drawing, permuted))


def first_fault(comparison: Comparison) -> Fault:
    """The most basic fault of an answer that is wrong, has no basic fault and equals no known misconception.

    Args:
        comparison: The answer beside the solution.

    Returns:
        The first fault found, in the order: shape, dtype, the solution changed in one way, NaN, values, shared memory, gradients,
        calls without gradients, float32.
    """
    fault = _first(
        comparison,
        (
            wrong_shape,
            wrong_dtype,
            named_relation,
            _transformed,
            not_finite,
            wrong_numbers,
            _shared_memory,
            wrong_gradients,
            _fails_without_gradients,
            _wrong_in_float32,
            wrong_in_float32,
        ),
    )
    return fault or Fault("Your answer differs from the right one, but `check` cannot say how.")


def also_wrong(comparison: Comparison) -> tuple[str, ...]:
    """Side effects to mention beside a wrong value, in short.

    Args:
        comparison: The answer beside the solution.

    Returns:
        Notes.
    """
    fault = None if any(got.graded.error for got in comparison.got) else _shared_memory(comparison)
    return () if fault is None else (fault.sentence,)


def _first(comparison: Comparison, searches: tuple[Callable[[Comparison], Fault | None], ...]) -> Fault | None:
    return next((fault for find_fault in searches if (fault := find_fault(comparison)) is not None), None)


def _transformed(comparison: Comparison) -> Fault | None:
    arguments = comparison.arguments(comparison.got[0].case)
    return transformation(
        comparison,
        chain(
            likely_changes(comparison.exercise, arguments, comparison.answer),
            solution_edits(comparison.exercise),
            whole_edits(comparison.exercise),
            rarer_changes(comparison.exercise, arguments),
            on_the_way(comparison.exercise),
            rarer_edits(comparison.exercise),
        ),
    )


def _exception(comparison: Comparison) -> Fault | None:
    for got, _, _ in comparison.cases():
        if got.graded.error is not None:
            return exception_fault(comparison, got, got.graded.error, "")
    return None


def _wrong_type(comparison: Comparison) -> Fault | None:
    """Outputs that are not tensors, or not as many as the exercise asks for."""
    for got, want, _ in comparison.cases():
        ours, theirs = want.graded, got.graded
        asked = " and ".join(comparison.exercise.returns) or "one tensor"
        if not theirs.several and theirs.outputs[0] is None:
            return Fault("Your function returns None: is the `return` missing?", (comparison.case_fact(got.case),))
        if any(_is_measured(given) for given in theirs.outputs):
            words = (
                "Your function returns a `Measured`, which holds Python numbers. Return tensors, one for each of: "
                f"{', '.join(comparison.exercise.returns)}."
            )
            return Fault(words, (comparison.case_fact(got.case),))
        if ours.several and (not theirs.several or len(theirs.outputs) != len(ours.outputs)):
            many = len(theirs.outputs) if theirs.several else "one"
            form = "" if theirs.several else in_another_form(comparison)
            return Fault(
                f"The exercise asks for {len(ours.outputs)} results, {asked}; your function returns {many}. {form}".rstrip(),
                (comparison.case_fact(got.case),),
                "",
                "transformation:results-in-one" if form else "",
            )
        if theirs.several and not ours.several:
            word = "list" if len(theirs.outputs) != 1 else "list or tuple of one"
            words = (
                f"Your function returns a {word} ({len(theirs.outputs)} items); the exercise asks for one "
                f"tensor, {asked}. Use `torch.stack`, or return the tensor itself."
            )
            return Fault(words, (comparison.case_fact(got.case),))
        for index, (given, wanted) in enumerate(zip(theirs.outputs, ours.outputs, strict=True)):
            if isinstance(wanted, Tensor) != isinstance(given, Tensor) or (
                not isinstance(wanted, Tensor) and _unlike(given, wanted)
            ):
                return Fault(
                    f"{comparison.subject(index)} is {_what(given, wanted)}", (comparison.case_fact(got.case),)
                )
    return None


def _unlike(given: Any, wanted: Any) -> bool:
    plain = (bool, int, float)
    return not (isinstance(given, plain) and isinstance(wanted, plain)) and type(given) is not type(wanted)


def _is_measured(given: Any) -> bool:
    """Whether it is a `Measured` of `helpers.evaluation`: told by its name, so that judging does not load that package."""
    return type(given).__name__ == "Measured" and hasattr(given, "standard_error")


def _what(given: Any, wanted: Any) -> str:
    if given is None:
        return "None, not a result: is something not computed, or is a `return` missing inside?"
    if isinstance(given, (bool, int, float)) and isinstance(wanted, Tensor) and wanted.ndim == 0:
        return (
            f"a Python number ({given!r}); the exercise asks for a tensor without dimensions, as `x.mean()` gives: "
            "leave out `.item()` and `float()`."
        )
    if isinstance(given, (bool, int, float)):
        return (
            f"a Python number ({given!r}); the exercise asks for a tensor. `.item()`, `float()` and `math` "
            "give numbers, and numbers have no gradient."
        )
    if isinstance(given, (numpy.ndarray, numpy.generic)):
        return "a NumPy array; the exercise asks for a torch tensor. Arrays have no gradient."
    if isinstance(given, Distribution):
        return (
            f"a distribution ({type(given).__name__}); return what the exercise asks for, such as `.log_prob(...)`, "
            "`.rsample(...)` or `.mean`."
        )
    if hasattr(given, "__await__"):
        return "a coroutine: write `def` in place of `async def`."
    if hasattr(given, "__next__"):
        return "a generator: write `return` in place of `yield`."
    if isinstance(given, nn.Module) or callable(given):
        return "a function or module; return its result, not the function itself."
    return f"of type {type(given).__name__}, which is not what the exercise asks for."


def _changed_arguments(comparison: Comparison) -> Fault | None:
    for got, _, _ in comparison.cases():
        for name in (*got.graded.changed, *got.plain.changed):
            words = (
                f"Your answer changes its argument `{name}` in place: after the call, the caller's `{name}` "
                "has changed. Make a new tensor, as in `x = x + 1` instead of `x += 1`."
            )
            return Fault(words, (comparison.case_fact(got.case),))
    return None


def _seeding(comparison: Comparison) -> Fault | None:
    if any(got.seeds for got in comparison.got):
        return Fault(
            "Your answer seeds the global random generator (`torch.manual_seed` or similar). Its callers would then draw the same "
            "numbers again and again. Remove the seed; the exercise does not need one."
        )
    return None


def _drawing(comparison: Comparison) -> Fault | None:
    for got in comparison.got:
        if got.varies and (got.graded.drew or got.plain.drew):
            arguments = case_arguments(comparison.exercise, got.case)
            noise = [name for name in NAMES_OF_DRAWS if name in arguments]
            given = f"Use `{noise[0]}`, which is given," if noise else "Use only what the arguments give,"
            return Fault(
                f"Your answer draws random numbers of its own: two calls on the same inputs differ. {given} "
                "so that the result can be repeated.",
                (comparison.case_fact(got.case),),
            )
        if got.varies:
            words = (
                "Two calls of your answer on equal inputs give different results: it remembers something, "
                "or asks whether its arguments require gradients."
            )
            return Fault(words, (comparison.case_fact(got.case),))
    return None


def _shared_memory(comparison: Comparison) -> Fault | None:
    if comparison.exercise.may_share_memory:
        return None
    for got, want, _ in comparison.cases():
        for name in (*got.graded.shared, *got.plain.shared):
            if name not in want.graded.shared:
                words = (
                    f"Your answer shares its memory with the argument `{name}`: if one is changed in place, "
                    "the other changes too. Compute a new tensor, or return `.clone()`."
                )
                return Fault(words, (comparison.case_fact(got.case),))
    return None


def _fails_without_gradients(comparison: Comparison) -> Fault | None:
    for got, want, _ in comparison.cases():
        if want.plain.error is None and got.plain.error is not None:
            return exception_fault(comparison, got, got.plain.error, " when its arguments require no gradients")
    return None


def _wrong_in_float32(comparison: Comparison) -> Fault | None:
    for got, want, _ in comparison.cases():
        if not comparable_in_float32(want) or same_values(got.single, want.single, LOOSE):
            continue
        if got.single.error is not None:
            return exception_fault(comparison, got, got.single.error, " when its arguments are float32")
        for index, (given, wanted) in enumerate(zip(got.single.outputs, want.single.outputs, strict=True)):
            if isinstance(given, Tensor) and given.dtype != wanted.dtype:
                words = (
                    f"{comparison.subject(index)} has dtype {dtype_name(given)} when the inputs are "
                    f"{dtype_name(wanted)}. Keep the dtype that is given: make new tensors like the inputs, without `.double()`."
                )
                return Fault(words, (comparison.case_fact(got.case),))
        return Fault(
            "Your answer is right in float64 but far off in float32: it overflows, or subtracts large numbers.",
            (comparison.case_fact(got.case),),
        )
    return None

"""What is wrong with an answer that is no known misconception: the most basic fault first."""

from __future__ import annotations

from typing import Any

import numpy
from torch import Tensor, nn
from torch.distributions import Distribution

from helpers.exercises.engine.setting import Fault, Setting, raised
from helpers.exercises.engine.trial import comparable_in_float32, inputs, same_values
from helpers.exercises.engine.values import LOOSE
from helpers.exercises.engine.wrong_gradients import gradients
from helpers.exercises.engine.wrong_numbers import dtype, not_finite, numbers, shape, short

# The likeliest first: beside `eps`, `noise` is a standard deviation.
NAMES_OF_DRAWS = ("eps", "epsilon", "u", "uniforms", "offset", "draws", "noise", "samples", "z")


def first_fault(setting: Setting) -> Fault:
    """The first of the faults that applies."""
    for look in (
        raises,
        kind,
        changes,
        seeds,
        draws,
        shape,
        dtype,
        not_finite,
        shares,
        numbers,
        gradients,
        only_with_gradients,
        in_float32,
    ):
        fault = look(setting)
        if fault is not None:
            return fault
    return Fault("Your answer differs from the right one in a way that has no name here.")


def raises(setting: Setting) -> Fault | None:
    for got, _, _ in setting.cases():
        if got.graded.error is not None:
            return raised(setting, got, got.graded.error, "")
    return None


def kind(setting: Setting) -> Fault | None:
    """Something else than tensors, or another number of them."""
    for got, want, _ in setting.cases():
        ours, theirs = want.graded, got.graded
        asked = " and ".join(setting.exercise.returns) or "one tensor"
        if not theirs.several and theirs.outputs[0] is None:
            return Fault("Your function returns None: is the `return` missing?", (setting.where(got.case),))
        if any(_is_measured(given) for given in theirs.outputs):
            words = (
                "Your function returns a `Measured`, which holds Python numbers. Return tensors, one for each of: "
                f"{', '.join(setting.exercise.returns)}."
            )
            return Fault(words, (setting.where(got.case),))
        if ours.several and (not theirs.several or len(theirs.outputs) != len(ours.outputs)):
            many = len(theirs.outputs) if theirs.several else "one"
            return Fault(
                f"The exercise asks for {len(ours.outputs)} results, {asked}; your function returns {many}.",
                (setting.where(got.case),),
            )
        if theirs.several and not ours.several:
            word = "list" if len(theirs.outputs) != 1 else "list or tuple of one"
            words = (
                f"Your function returns a {word} ({len(theirs.outputs)} items); the exercise asks for one "
                f"tensor, {asked}. Use `torch.stack`, or return the tensor itself."
            )
            return Fault(words, (setting.where(got.case),))
        for index, (given, wanted) in enumerate(zip(theirs.outputs, ours.outputs, strict=True)):
            if isinstance(wanted, Tensor) != isinstance(given, Tensor) or (
                not isinstance(wanted, Tensor) and _unlike(given, wanted)
            ):
                return Fault(f"{setting.subject(index)} is {_what(given, wanted)}", (setting.where(got.case),))
    return None


def _unlike(given: Any, wanted: Any) -> bool:
    plain = (bool, int, float)
    return not (isinstance(given, plain) and isinstance(wanted, plain)) and type(given) is not type(wanted)


def _is_measured(given: Any) -> bool:
    """Whether it is what `helpers.evaluation` measures with: known by its name, since it stands on a higher floor."""
    return type(given).__name__ == "Measured" and hasattr(given, "standard_error")


def _what(given: Any, wanted: Any) -> str:
    if given is None:
        return "None where a result is asked: is something not computed, or is a `return` missing inside?"
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
        return "an array of NumPy; the exercise asks for a tensor of torch. Arrays have no gradient."
    if isinstance(given, Distribution):
        return f"a distribution ({type(given).__name__}); ask it for what the exercise wants: `.log_prob(...)`, `.rsample(...)`, `.mean`."
    if hasattr(given, "__await__"):
        return "a coroutine: write `def` in place of `async def`."
    if hasattr(given, "__next__"):
        return "a generator: write `return` in place of `yield`."
    if isinstance(given, nn.Module) or callable(given):
        return "a function or module; return what it gives, not itself."
    return f"of type {type(given).__name__}, which is not what is asked."


def changes(setting: Setting) -> Fault | None:
    for got, _, _ in setting.cases():
        for name in (*got.graded.changed, *got.plain.changed):
            words = (
                f"Your answer changes its argument `{name}` in place: after the call the caller's `{name}` "
                "is another. Make a new tensor, as `x = x + 1` in place of `x += 1`."
            )
            return Fault(words, (setting.where(got.case),))
    return None


def seeds(setting: Setting) -> Fault | None:
    if any(got.seeds for got in setting.got):
        return Fault(
            "Your answer seeds the global random generator (`torch.manual_seed` or its like). Whoever calls it would draw the same numbers "
            "again and again without knowing. Leave the seed out; the exercise needs none."
        )
    return None


def draws(setting: Setting) -> Fault | None:
    for got in setting.got:
        if got.varies and (got.graded.drew or got.plain.drew):
            arguments = inputs(setting.exercise, got.case)
            noise = [name for name in NAMES_OF_DRAWS if name in arguments]
            given = f"Use `{noise[0]}`, which is given," if noise else "Use only what the arguments give,"
            return Fault(
                f"Your answer draws random numbers of its own: two calls on the same inputs differ. {given} so "
                "that the result can be repeated.",
                (setting.where(got.case),),
            )
        if got.varies:
            words = (
                "Two calls of your answer on equal inputs give different results: it remembers something, "
                "or asks whether its arguments require gradients."
            )
            return Fault(words, (setting.where(got.case),))
    return None


def shares(setting: Setting) -> Fault | None:
    if setting.exercise.may_share_memory:
        return None
    for got, want, _ in setting.cases():
        for name in (*got.graded.shared, *got.plain.shared):
            if name not in want.graded.shared:
                words = (
                    f"Your answer shares its memory with the argument `{name}`: change one in place, and "
                    "the other changes too. Compute a new tensor, or return `.clone()`."
                )
                return Fault(words, (setting.where(got.case),))
    return None


def only_with_gradients(setting: Setting) -> Fault | None:
    for got, want, _ in setting.cases():
        if want.plain.error is None and got.plain.error is not None:
            return raised(setting, got, got.plain.error, " where its arguments require no gradients")
    return None


def in_float32(setting: Setting) -> Fault | None:
    for got, want, _ in setting.cases():
        if not comparable_in_float32(want) or same_values(got.single, want.single, LOOSE):
            continue
        if got.single.error is not None:
            return raised(setting, got, got.single.error, " where its arguments are float32")
        for index, (given, wanted) in enumerate(zip(got.single.outputs, want.single.outputs, strict=True)):
            if isinstance(given, Tensor) and given.dtype != wanted.dtype:
                words = (
                    f"{setting.subject(index)} has dtype {short(given)} where the inputs are "
                    f"{short(wanted)}. Keep the dtype that is given: make new tensors like the inputs, without `.double()`."
                )
                return Fault(words, (setting.where(got.case),))
        return Fault(
            "Your answer is right in float64, and far off in float32: it subtracts large numbers, or overflows.",
            (setting.where(got.case),),
        )
    return None

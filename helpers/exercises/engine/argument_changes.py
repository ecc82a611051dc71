"""The solution on changed arguments: a variance for a scale, a logarithm for a probability, an argument left out or exchanged."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any

import torch
from torch import Tensor

from helpers.exercises.engine.notebook_names import names_read
from helpers.exercises.engine.static_checks import function_behind
from helpers.exercises.engine.transformations import Candidate
from helpers.exercises.exercise import Exercise

Change = tuple[str, str, Callable[[Tensor], Tensor]]  # id, words with {a} for the argument, function

SCALE = re.compile(r"scale|std|sigma|noise|deviation|width")
LOGITS = re.compile(r"logit|log_|prob|^p$|^q$")

SCALES: tuple[Change, ...] = (
    ("square", "with the square of {a} in place of {a}: is a variance used where a standard deviation is needed?",
     torch.square),
    ("square-root", "with the square root of {a} in place of {a}: is {a} taken for a variance?", torch.sqrt),
    ("exp-half", "with exp({a} / 2) in place of {a}: is {a} taken for the logarithm of a variance?",
     lambda t: (t / 2).exp()),
    ("exp", "with exp({a}) in place of {a}: is {a} taken for a logarithm?", torch.exp),
    ("log", "with log {a} in place of {a}.", torch.log),
    ("two-log", "with 2 log {a} in place of {a}: is the logarithm of the variance used for {a}?", lambda t: 2 * t.log()),
    ("softplus", "with softplus({a}) in place of {a}: {a} is transformed once more than needed.",
     torch.nn.functional.softplus),
    ("reciprocal", "with 1 / {a} in place of {a}: is it divided where it should be multiplied, or the other way round?",
     torch.reciprocal),
    ("reciprocal-root", "with 1 / √{a} in place of {a}: is {a} taken for a precision?", torch.rsqrt),
    ("reciprocal-square", "with 1 / {a}² in place of {a}: is a precision used for {a}?", lambda t: t**-2),
)  # fmt: skip
PROBABILITIES: tuple[Change, ...] = (
    ("sigmoid", "with sigmoid({a}) in place of {a}: is a sigmoid taken that is not needed, or taken twice?", torch.sigmoid),
    ("exp", "with exp({a}) in place of {a}: is a probability used where its logarithm is needed?", torch.exp),
    ("log", "with log {a} in place of {a}: is a logarithm taken that is not needed?", torch.log),
    ("logit", "with logit({a}) in place of {a}: is {a} taken for a probability?", torch.logit),
    ("logsigmoid", "with log sigmoid({a}) in place of {a}.", torch.nn.functional.logsigmoid),
    ("uniform-log", "with every {a} equal to −log of their number: a uniform distribution, whatever {a} says.",
     lambda t: torch.full_like(t, -math.log(t.shape[-1]))),
    ("uniform", "with every {a} equal to one over their number: a uniform distribution, whatever {a} says.",
     lambda t: torch.full_like(t, 1 / t.shape[-1])),
)  # fmt: skip
ANY: tuple[Change, ...] = (
    ("left-out", "with {a} left out, as if it were 0.", torch.zeros_like),
    ("one", "with 1 in place of {a}, as if {a} did not matter.", torch.ones_like),
    ("negated", "with −{a} in place of {a}: is a sign wrong?", torch.neg),
    ("absolute", "with |{a}| in place of {a}: an absolute value is taken that is not needed.", torch.abs),
    ("transposed", "with {a} transposed: look at `.T`.", lambda t: t.mT),
    ("square", "with the square of {a} in place of {a}.", torch.square),
    ("doubled", "with twice {a} in place of {a}.", lambda t: 2 * t),
    ("halved", "with half of {a} in place of {a}.", lambda t: t / 2),
    ("one-minus", "with 1 − {a} in place of {a}.", lambda t: 1 - t),
    ("without-negatives", "with 0 in place of the negative values of {a}: they count too.", lambda t: t.clamp(min=0.0)),
    ("rounded", "with {a} rounded.", torch.round),
    *(
        (f"clamped-{digits}", f"with {{a}} kept {digits_of} or more: leave the clamp out.",
         lambda t, low=10.0**-digits: t.clamp(min=low))
        for digits, digits_of in ((k, f"1e-{k}") for k in range(1, 9))
    ),
)  # fmt: skip


def _clamped_probability(digits: int) -> Change:
    most = math.log((1 - 10.0**-digits) / 10.0**-digits)
    return (
        f"clamped-probability-{digits}",
        f"with its probabilities kept between 1e-{digits} and 1 − 1e-{digits}: a clamp changes values and cuts gradients. Stay with "
        "{a}.",
        lambda t: t.clamp(-most, most),
    )


CLAMPED = tuple(_clamped_probability(digits) for digits in range(1, 10))


def likely_changes(exercise: Exercise, arguments: dict[str, Any], answer: Any) -> Iterator[Candidate]:
    """The solution on arguments changed as learners often do: a variance for a scale, an argument left out or exchanged.

    Args:
        exercise: The exercise.
        arguments: Arguments of one of its cases, which say what each of them is.
        answer: The learner's answer, which says whether it calls `Normal`.

    Yields:
        Candidates, the likeliest first.
    """
    numbers = [name for name, value in arguments.items() if _floating(value)]
    function = function_behind(answer)
    normal = function is not None and "Normal" in names_read(function)
    scales = [name for name in numbers if SCALE.search(name)]
    for name in scales:
        for change in SCALES:
            yield _changed(exercise, change, [name], normal)
    if len(scales) > 1:
        for change in SCALES:
            yield _changed(exercise, change, scales, normal)
    for name in numbers:
        if LOGITS.search(name):
            for change in PROBABILITIES:
                yield _changed(exercise, change, [name], False)
    for name in numbers:
        for change in ANY[:3]:
            yield _changed(exercise, change, [name], False)
    yield from _exchanged(exercise, arguments)
    yield from _other_numbers(exercise, arguments)


def rarer_changes(exercise: Exercise, arguments: dict[str, Any]) -> Iterator[Candidate]:
    """The solution on arguments changed in rarer ways: shifted, reversed, averaged, clamped, transformed against their names.

    Args:
        exercise: The exercise.
        arguments: Arguments of one of its cases, which say what each of them is.

    Yields:
        Candidates, the likeliest first.
    """
    numbers = {name: value for name, value in arguments.items() if _floating(value)}
    for name in numbers:
        if LOGITS.search(name):
            for change in CLAMPED:
                yield _changed(exercise, change, [name], False)
    for name in numbers:
        for change in ANY[3:]:
            yield _changed(exercise, change, [name], False)
    for name, value in numbers.items():
        names = exercise.dimensions.get(name, ())
        for change in _along_dimensions(value.ndim, names):
            yield _changed(exercise, change, [name], False)
    for name in numbers:
        if not LOGITS.search(name):
            for change in (*SCALES, *PROBABILITIES) if not SCALE.search(name) else PROBABILITIES:
                yield _changed(exercise, change, [name], False)


def _floating(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point()


def _changed(exercise: Exercise, change: Change, names: list[str], normal: bool) -> Candidate:
    id, words, function = change

    def answer(**arguments: Any) -> Any:
        return exercise.solution(**{**arguments, **{name: function(arguments[name]) for name in names}})

    words = words.replace("{a}", f"`{names[0]}`")
    if len(names) > 1:
        words += f" Likewise for {' and '.join(f'`{name}`' for name in names[1:])}."
    if id == "square" and normal and "variance" in words:
        words = words.replace("is a variance", "`Normal` takes a standard deviation. Is a variance")
        words = words.replace(": `Normal`", ". `Normal`")
    return Candidate(f"{id}:{'+'.join(names)}", words, answer)


def _along_dimensions(ndim: int, names: Any) -> Iterator[Change]:
    for dim in range(ndim):
        called = f"`{names[dim]}`" if len(names) == ndim else f"dimension {dim}"
        yield (f"shifted-{dim}", f"with {{a}} shifted by one along {called}: the one before is used.",
               lambda t, d=dim: t.roll(1, d))  # fmt: skip
        yield (f"shifted-back-{dim}", f"with {{a}} shifted back by one along {called}: the one after is used.",
               lambda t, d=dim: t.roll(-1, d))  # fmt: skip
        yield f"reversed-{dim}", f"with {{a}} reversed along {called}.", lambda t, d=dim: t.flip(d)
        yield (f"averaged-{dim}", f"with {{a}} averaged over {called} first.",
               lambda t, d=dim: t.mean(d, keepdim=True).expand_as(t))  # fmt: skip
        yield (f"summed-{dim}", f"with {{a}} summed over {called} first.",
               lambda t, d=dim: t.sum(d, keepdim=True).expand_as(t))  # fmt: skip
        yield (f"first-{dim}", f"with the first of {called} alone in place of every {{a}}.",
               lambda t, d=dim: t.narrow(d, 0, 1).expand_as(t))  # fmt: skip
        yield (f"last-{dim}", f"with the last of {called} alone in place of every {{a}}.",
               lambda t, d=dim: t.narrow(d, t.shape[d] - 1, 1).expand_as(t))  # fmt: skip
        yield (f"largest-{dim}", f"with the largest {{a}} over {called} in place of each.",
               lambda t, d=dim: t.amax(d, keepdim=True).expand_as(t))  # fmt: skip
        yield (f"centred-{dim}", f"with {{a}} less its mean over {called}.",
               lambda t, d=dim: t - t.mean(d, keepdim=True))  # fmt: skip
        yield (f"log-softmax-{dim}", f"with `log_softmax` of {{a}} over {called} in its place: is it normalised once too often, or "
               "over the wrong dimension?", lambda t, d=dim: t.log_softmax(d))  # fmt: skip
        yield (f"softmax-{dim}", f"with `softmax` of {{a}} over {called} in its place: is one taken before another?",
               lambda t, d=dim: t.softmax(d))  # fmt: skip


def _exchanged(exercise: Exercise, arguments: dict[str, Any]) -> Iterator[Candidate]:
    for one, other in combinations(arguments, 2):
        a, b = arguments[one], arguments[other]
        alike = type(a) is type(b) and (not isinstance(a, Tensor) or (a.shape == b.shape and a.dtype == b.dtype))
        if not alike:
            continue

        def exchanged(_one: str = one, _other: str = other, **given: Any) -> Any:
            return exercise.solution(**{**given, _one: given[_other], _other: given[_one]})

        def first_twice(_one: str = one, _other: str = other, **given: Any) -> Any:
            return exercise.solution(**{**given, _other: given[_one]})

        def second_twice(_one: str = one, _other: str = other, **given: Any) -> Any:
            return exercise.solution(**{**given, _one: given[_other]})

        yield Candidate(f"exchanged:{one}+{other}", f"with `{one}` and `{other}` exchanged.", exchanged)
        yield Candidate(f"{one}-for-{other}", f"with `{one}` in place of `{other}`.", first_twice)
        yield Candidate(f"{other}-for-{one}", f"with `{other}` in place of `{one}`.", second_twice)


def _other_numbers(exercise: Exercise, arguments: dict[str, Any]) -> Iterator[Candidate]:
    """Python numbers left out, and integers off by one."""
    for name, value in arguments.items():
        changes: list[Change] = []
        if isinstance(value, Tensor) and value.dtype == torch.int64:
            changes = [("one-more", "with {a} one larger: an index or a count is off by one.", lambda t: t + 1),
                       ("one-less", "with {a} one smaller: an index or a count is off by one.", lambda t: t - 1)]  # fmt: skip
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            changes = [("left-out", "with {a} left out, as if it were 0.", lambda v: type(v)(0)),
                       ("one", "with 1 in place of {a}, as if {a} did not matter.", lambda v: type(v)(1)),
                       ("negated", "with −{a} in place of {a}: is a sign wrong?", lambda v: -v),
                       ("square", "with the square of {a} in place of {a}.", lambda v: v**2),
                       ("one-less", "with {a} − 1 in place of {a}.", lambda v: v - 1),
                       ("reciprocal", "with 1 / {a} in place of {a}.", lambda v: 1 / v)]  # fmt: skip
        for change in changes:
            yield _changed(exercise, change, [name], False)

"""Diagnosis by transformation: the solution, changed in one way, gives what the answer gives on every case.

Candidates are the solution on changed arguments (`argument_changes`) and the solution with one step changed (`solution_edits`).
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from helpers.exercises.engine.closeness import close, close_gradients
from helpers.exercises.engine.comparison import Comparison, Fault
from helpers.exercises.engine.run import run
from helpers.exercises.engine.trial import case_arguments, same_values, signature_of
from helpers.exercises.engine.wrong_results import largest_difference

SECONDS = 1.5  # of CPU time, for all candidates together; most answers need a tenth of it

NUMBERS = 2  # so many numbers must be explained if the answer is wrong on one case only


@dataclass(frozen=True)
class Candidate:
    """A changed solution.

    Args:
        id: What was changed, for tables, as "square:scale".
        words: What was changed, and the usual slip behind it, after "equals the right one ".
        answer: The changed solution, which takes the arguments by name.
    """

    id: str
    words: str
    answer: Callable[..., Any]


class _Values:
    """What the solution gives on the plain arguments of each case, and what the answer gave."""

    def __init__(self, comparison: Comparison) -> None:
        self.wrong = [index for index in range(_count(comparison)) if not _right(comparison, index)]
        cases = list(comparison.cases())
        cases.sort(key=lambda case: -sum(out.numel() for out in case[1].graded.outputs if isinstance(out, Tensor)))
        self.given = [got.graded.outputs for got, _, _ in cases]
        self.wanted = [want.graded.outputs for _, want, _ in cases]
        self.wrong_cases = {
            index: sum(
                not close(given[index], wanted[index]) for given, wanted in zip(self.given, self.wanted, strict=True)
            )
            for index in self.wrong
        }
        self.arguments = [_detached(case_arguments(comparison.exercise, want.case)) for _, want, _ in cases]

    def explained(self, candidate: Candidate) -> list[int]:
        """The wrong outputs that the candidate gives too, on every case.

        A change that leaves the solution's output as it is on all cases but one proves too little, unless the answer is wrong on one
        case only and several of its numbers are explained.
        """
        explained = list(self.wrong)
        cases, numbers = dict.fromkeys(explained, 0), dict.fromkeys(explained, 0)
        for given, wanted, arguments in zip(self.given, self.wanted, self.arguments, strict=True):
            made = _outputs(candidate.answer, arguments)
            if made is None or len(made) != len(given):
                return []
            explained = [index for index in explained if _same(given[index], made[index])]
            if not explained:
                return []
            for index in explained:
                cases[index] += not close(made[index], wanted[index])
                numbers[index] += _differing(made[index], wanted[index])
        enough = {index: min(2, count) for index, count in self.wrong_cases.items()}
        return [
            index
            for index in explained
            if cases[index] >= enough[index] and (cases[index] >= 2 or numbers[index] >= NUMBERS)
        ]


def transformation(comparison: Comparison, candidates: Iterable[Candidate]) -> Fault | None:
    """The first candidate that gives every wrong result of the answer; else one that gives the first wrong result.

    Args:
        comparison: The answer beside the solution. It returned as many results as asked, with the right shapes and dtypes.
        candidates: Changed solutions, the likeliest first.

    Returns:
        The fault; None if no candidate fits.
    """
    values = _Values(comparison)
    if not values.wrong:
        return None
    partly: tuple[Candidate, list[int]] | None = None
    for candidate in _in_time(candidates):
        explained = values.explained(candidate)
        if explained == values.wrong:
            return _fault(comparison, candidate, explained)
        if explained and partly is None:
            partly = candidate, explained
    return None if partly is None else _fault(comparison, *partly)


def gradient_transformation(comparison: Comparison, candidates: Iterable[Candidate]) -> Fault | None:
    """The first candidate that has the values and the wrong gradients of an answer with right values.

    Args:
        comparison: The answer beside the solution. All values are right.
        candidates: Changed solutions, the likeliest first.

    Returns:
        The fault; None if no candidate fits.
    """
    signature = signature_of(comparison.exercise)
    for candidate in _in_time(candidates):
        differs = 0
        for got, want, _ in comparison.cases():
            answer = _by_keyword(candidate.answer, list(signature.parameters))
            made = run(answer, case_arguments(comparison.exercise, got.case), signature, SECONDS)
            if made.error or made.gradient_error or not same_values(got.graded, made):
                break
            if not close_gradients(got.graded, made):
                break
            differs += not close_gradients(made, want.graded)
        else:
            if differs >= min(2, len(comparison.got)):
                words = f"Your answer has the right values, and the gradients of the right one {candidate.words}"
                return Fault(words, (), "", f"transformation:{candidate.id}")
    return None


def _by_keyword(answer: Callable[..., Any], names: list[str]) -> Callable[..., Any]:
    return lambda *positional, **named: answer(**dict(zip(names, positional, strict=False)), **named)


def _fault(comparison: Comparison, candidate: Candidate, explained: list[int]) -> Fault:
    every = explained == list(range(_count(comparison)))
    subject = "Your answer" if every else comparison.subject(explained[0])
    also = f" So does your {comparison.ordinal(explained[1])} result." if not every and len(explained) > 1 else ""
    index = explained[0]
    got, want = next(
        (got, want)
        for got, want, _ in comparison.cases()
        if not close(got.graded.outputs[index], want.graded.outputs[index])
    )
    facts = (comparison.case_fact(got.case),)
    if isinstance(want.graded.outputs[index], Tensor):
        facts += largest_difference(got.graded.outputs[index], want.graded.outputs[index])
    return Fault(f"{subject} equals the right one {candidate.words}{also}", facts, "", f"transformation:{candidate.id}")


def _in_time(candidates: Iterable[Candidate]) -> Iterator[Candidate]:
    end = time.thread_time() + SECONDS
    for candidate in candidates:
        if time.thread_time() > end:
            return
        yield candidate


def _outputs(answer: Callable[..., Any], arguments: dict[str, Any]) -> list[Any] | None:
    """What a changed solution returns; None if it raises, as it may."""
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = answer(**arguments)
    except Exception:
        return None
    return list(value) if isinstance(value, (tuple, list)) else [value]


def _same(given: Any, made: Any) -> bool:
    """Whether a changed solution gives the answer's output; not if half of it is no number, which many mistakes share."""
    if isinstance(made, Tensor) and made.is_floating_point() and 2 * int(torch.isfinite(made).sum()) < made.numel() + 1:
        return False
    return close(given, made)


def _differing(made: Any, wanted: Any) -> int:
    """How many numbers of a changed solution's output are others than the right ones."""
    if not isinstance(made, Tensor) or not isinstance(wanted, Tensor):
        return int(not close(made, wanted))
    return int((~torch.isclose(made.double(), wanted.detach().double(), rtol=1e-6, atol=1e-8, equal_nan=True)).sum())


def _count(comparison: Comparison) -> int:
    return max(len(trial.graded.outputs) for trial in comparison.want)


def _right(comparison: Comparison, index: int) -> bool:
    return all(close(got.graded.outputs[index], want.graded.outputs[index]) for got, want, _ in comparison.cases())


def _detached(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach()
    if isinstance(value, dict):
        return {key: _detached(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_detached(item) for item in value)
    return value

"""Answers that are right on tame inputs only: those must be among `check`'s cases, and others that refuse the answer."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from helpers.exercises import Exercise
from helpers.exercises.engine.judge import judge
from tests.exercises.independent import differs


def assert_right_on_tame_inputs_only(exercise: Exercise, answer: Callable[..., Any]) -> None:
    """That `check` refuses it, and that it is no plain mistake: at least one case finds nothing wrong with it."""
    order = list(inspect.signature(exercise.solution).parameters)

    def by_position(**arguments: Any) -> Any:
        return answer(*(arguments[name] for name in order))

    assert any(not differs(exercise.solution, by_position, {case: make}) for case, make in exercise.cases.items()), (
        "wrong on every case, so that its refusal says nothing of the cases"
    )
    verdict = judge(replace(exercise, misconceptions=()), answer)
    assert verdict.status == "not yet", verdict

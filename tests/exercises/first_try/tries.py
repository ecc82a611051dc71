"""Answers that readers wrote from the notebooks alone, before they saw what `check` says.

    @wrong("01.1", "forgets the factor one half")
    def without_half(loc, scale): ...

    @right("01.1", "by torch.distributions")
    def by_torch(loc, scale): ...

They were judged once; `said.json` keeps what each heard then, and whether that named the slip.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SAID = Path(__file__).with_name("said.json")
HEARD = ("passed", "named", "general", "misleading", "refused")
TRIES: list[Try] = []


@dataclass(frozen=True)
class Try:
    """One answer.

    Args:
        exercise: Id of the exercise.
        is_right: Whether its writer meant it as a right answer.
        about: The slip; of a right answer, how it is written.
        answer: The function.
    """

    exercise: str
    is_right: bool
    about: str
    answer: Callable[..., Any]

    @property
    def key(self) -> str:
        """Name in `said.json`: exercise, kind and function."""
        return f"{self.exercise} {'right' if self.is_right else 'wrong'} {self.answer.__name__}"


def wrong(exercise: str, slip: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator of a wrong answer.

    Args:
        exercise: Id of the exercise.
        slip: What is wrong, in the writer's words.

    Returns:
        A decorator that keeps the function as it is.
    """
    return _kept(exercise, False, slip)


def right(exercise: str, how: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator of a right answer.

    Args:
        exercise: Id of the exercise.
        how: How it is written.

    Returns:
        A decorator that keeps the function as it is.
    """
    return _kept(exercise, True, how)


def _kept(exercise: str, is_right: bool, about: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def keep(answer: Callable[..., Any]) -> Callable[..., Any]:
        one = Try(exercise, is_right, about, answer)
        assert inspect.isfunction(answer) and one.key not in {other.key for other in TRIES}, one.key
        TRIES.append(one)
        return answer

    return keep


def said() -> dict[str, dict[str, Any]]:
    """What each answer heard when it was judged once, by its key."""
    return json.loads(SAID.read_text(encoding="utf-8")) if SAID.exists() else {}

"""Exercises that teach: `check`, `hint`, `solution`, `progress`, one exercise a file; `judge`: verdicts for a program."""

from helpers.exercises.engine.checking import check, hint, judge, progress, solution
from helpers.exercises.exercise import Exercise, Misconception, Remark
from helpers.exercises.registry import solutions_of

__all__ = [
    "Exercise",
    "Misconception",
    "Remark",
    "check",
    "hint",
    "judge",
    "progress",
    "solution",
    "solutions_of",
]

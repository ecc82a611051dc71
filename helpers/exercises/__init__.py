"""Exercises that teach: `check`, `hint`, `solution`, `progress`, one exercise a file."""

from helpers.exercises.engine.checking import check, hint, progress, solution
from helpers.exercises.exercise import Exercise, Misconception
from helpers.exercises.registry import solutions_of

__all__ = ["Exercise", "Misconception", "check", "hint", "progress", "solution", "solutions_of"]

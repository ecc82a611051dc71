"""Exercises that teach: `check`, `hint`, `solution`, `progress`, over one file of exercises a lesson."""

from helpers.exercises.engine import check, hint, progress, solution
from helpers.exercises.exercise import Exercise, Misconception

__all__ = ["Exercise", "Misconception", "check", "hint", "progress", "solution"]

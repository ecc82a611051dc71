"""Finding an exercise by its id, and the nearest one where there is none."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
import re
from functools import cache
from types import SimpleNamespace
from typing import Any

from helpers import exercises
from helpers.exercises.exercise import Exercise


class UnknownExercise(LookupError):
    """No exercise has this id. The message is a sentence that names the nearest one."""


def lessons() -> list[str]:
    """The numbers of the lessons that have exercises, as ["00", "01"]."""
    names = [module.name for module in pkgutil.iter_modules(exercises.__path__)]
    return sorted(name.removeprefix("lesson_") for name in names if re.fullmatch(r"lesson_\d\d", name))


@cache
def exercises_of(lesson: str) -> tuple[Exercise, ...]:
    """The exercises of one lesson; its file is read when first asked for."""
    return tuple(importlib.import_module(f"helpers.exercises.lesson_{lesson}").EXERCISES)


def find(id: Any) -> Exercise:
    """The exercise with this id, as "01.1". Raises UnknownExercise."""
    if isinstance(id, str):
        lesson = id.partition(".")[0]
        if lesson in lessons():
            for exercise in exercises_of(lesson):
                if exercise.id == id:
                    return exercise
    raise UnknownExercise(_nearest(id))


def solutions_of(lesson: str) -> SimpleNamespace:
    """The solutions of one lesson by name: `solutions_of("06").unlabelled_bound` is the answer to 06.1. For use after the exercises."""
    return SimpleNamespace(**{exercise.name: exercise.solution for exercise in exercises_of(lesson)})


def by_name(name: str) -> Exercise | None:
    """The exercise that asks for a function of this name."""
    return next((exercise for lesson in lessons() for exercise in exercises_of(lesson) if exercise.name == name), None)


def _nearest(id: Any) -> str:
    every = [exercise for lesson in lessons() for exercise in exercises_of(lesson)]
    if not every:
        return "There are no exercises here."
    if not isinstance(id, str):
        if isinstance(id, (int, float)) and not isinstance(id, bool):
            given = f"An exercise is named by a text in quotes, not by the number {id!r}."
        else:
            given = (
                f'An exercise is named by a text, as "{every[0].id}"; you gave something of type {type(id).__name__}.'
            )
        id = str(id) if isinstance(id, (int, float)) else ""
    else:
        given = f"There is no exercise {id!r}."
    nearest = _closest(id, every)
    same = ", ".join(f"{exercise.id} {exercise.title}" for exercise in every if exercise.lesson == nearest.lesson)
    return f'{given} The nearest is "{nearest.id}". Lesson {nearest.lesson} has: {same}.'


def _closest(id: str, every: list[Exercise]) -> Exercise:
    """By numbers where there are two ("1.1", "01-1", "lesson 1, exercise 1"), else by letters, the function's name among them."""
    numbers = [int(n) for n in re.findall(r"\d+", id[:50])]
    if len(numbers) == 1:
        numbers.append(1)
    if len(numbers) >= 2:

        def distance(exercise: Exercise) -> tuple[int, int]:
            lesson, number = (int(n) for n in exercise.id.split("."))
            return abs(lesson - numbers[0]), abs(number - numbers[1])

        return min(every, key=distance)
    words = {word: exercise for exercise in every for word in (exercise.id, exercise.name, exercise.title)}
    near = difflib.get_close_matches(id[:100], words, n=1, cutoff=0.0)
    return words[near[0]] if near else every[0]

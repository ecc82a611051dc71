"""Finding an exercise by its id or name, and the nearest one if no exercise has this id."""

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
    """Numbers of the lessons that have exercises, as ["00", "01"]."""
    names = [module.name for module in pkgutil.iter_modules(exercises.__path__)]
    return sorted(name.removeprefix("lesson_") for name in names if re.fullmatch(r"lesson_\d\d", name))


@cache
def exercises_of(lesson: str) -> tuple[Exercise, ...]:
    """The exercises of one lesson. The lesson's package is imported at the first call.

    Args:
        lesson: Number of the lesson, as "01".

    Returns:
        The exercises, in order.
    """
    return tuple(importlib.import_module(f"helpers.exercises.lesson_{lesson}").EXERCISES)


def find(id: Any) -> Exercise:
    """The exercise with an id.

    Args:
        id: The id, as "01.1"; any object is accepted and judged.

    Returns:
        The exercise.

    Raises:
        UnknownExercise: If no exercise has this id. The message names the nearest one.
    """
    if isinstance(id, str):
        lesson = id.partition(".")[0]
        if lesson in lessons():
            for exercise in exercises_of(lesson):
                if exercise.id == id:
                    return exercise
    raise UnknownExercise(_nearest(id))


def solutions_of(lesson: str) -> SimpleNamespace:
    """The solutions of one lesson by name: `solutions_of("06").unlabelled_bound` is the solution of 06.1.

    For use in a lesson after its exercises.

    Args:
        lesson: Number of the lesson, as "06".

    Returns:
        A namespace of functions.
    """
    return SimpleNamespace(**{exercise.name: exercise.solution for exercise in exercises_of(lesson)})


def by_name(name: str) -> Exercise | None:
    """The exercise that asks for a function with a name.

    Args:
        name: Name of the function.

    Returns:
        The exercise; None if there is none.
    """
    return next((exercise for lesson in lessons() for exercise in exercises_of(lesson) if exercise.name == name), None)


def _nearest(id: Any) -> str:
    every = [exercise for lesson in lessons() for exercise in exercises_of(lesson)]
    if not every:
        return "There are no exercises here."
    if not isinstance(id, str):
        if isinstance(id, (int, float)) and not isinstance(id, bool):
            given = f"The id of an exercise is a text in quotes, not the number {id!r}."
        else:
            given = f'The id of an exercise is a text, such as "{every[0].id}"; you gave something of type {type(id).__name__}.'
        id = str(id) if isinstance(id, (int, float)) else ""
    else:
        given = f"There is no exercise {id!r}."
    nearest = _closest(id, every)
    same = ", ".join(f"{exercise.id} {exercise.title}" for exercise in every if exercise.lesson == nearest.lesson)
    return f'{given} The nearest is "{nearest.id}". Lesson {nearest.lesson} has: {same}.'


def _closest(id: str, every: list[Exercise]) -> Exercise:
    """The nearest by numbers, if `id` has any ("1.1", "01-1", "lesson 1, exercise 1"), else by the letters of id, name and title."""
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

"""`check`, `hint`, `solution`, `progress`: the functions that a lesson calls; `judge`: the same verdict for a program."""

from __future__ import annotations

import re
import sys
from collections import Counter
from dataclasses import replace
from typing import Any, TypeVar

from helpers.exercises import registry
from helpers.exercises.engine import judge as judging
from helpers.exercises.engine.pages import Board, Page, hint_page, solution_page
from helpers.exercises.engine.progress import last_tried, record, table
from helpers.exercises.engine.verdict import Verdict
from helpers.exercises.exercise import Exercise

Shown = TypeVar("Shown")

_NOTHING: Any = object()
_of_this_cell: list[Any] = []  # what the running cell has returned to the learner so far
_hints_shown: Counter[str] = Counter()  # of this kernel: after a restart, hints start again with the first
_lesson_here: list[str] = []  # of this kernel: the lesson of the exercise last asked about, if any


def check(id: str = _NOTHING, answer: Any = _NOTHING) -> Verdict:
    """Judge an answer to an exercise.

    Leaves random state, default dtype and similar settings as they are. Passes are kept in the progress file,
    `settings.progress_file()`.

    Args:
        id: Id of the exercise, as "01.1".
        answer: The learner's function.

    Returns:
        The verdict: "not attempted", "passed" or "not yet", with the most useful sentence. The cell displays it. Errors,
        such as an unknown id, are verdicts too.
    """
    if id is _NOTHING or answer is _NOTHING:
        what = "the function" if id is not _NOTHING else "the exercise's id and your function"
        shown = id if isinstance(id, str) else "01.1"
        return _displayed(
            Verdict("", "", "not yet", f'`check` also needs {what}: `check("{shown}", name_of_your_function)`.')
        )
    if callable(id) and isinstance(answer, str):
        name = getattr(id, "__name__", "your_function")
        return _displayed(Verdict("", "", "not yet", f'First the id, then the function: `check("{answer}", {name})`.'))
    exercise, trouble = _find(id)
    if exercise is None:
        return _displayed(Verdict("", "", "not yet", trouble))
    verdict = judging.judge(exercise, answer)
    notes = list(verdict.notes)
    if not verdict.passed and (note := _note_on_name(exercise, answer)):
        notes.append(note)
    if verdict.status != "not attempted":
        notes += record(exercise.id, verdict.passed, getattr(verdict, "misconception_id", None))
    return _displayed(replace(verdict, notes=tuple(notes)))


def judge(id: str, answer: Any) -> Verdict:
    """Judge an answer as `check` does, for a program: nothing is displayed, and no progress is kept.

    Args:
        id: Id of the exercise, as "01.1".
        answer: The function to judge; any other object is judged too.

    Returns:
        The verdict; `Verdict.as_dict()` is plain data. Errors of the answer are part of it.

    Raises:
        UnknownExercise: If no exercise has this id; a LookupError whose message names the nearest one.
    """
    return judging.judge(registry.find(id), answer)


def hint(id: str = _NOTHING) -> Page:
    """The next of three hints: a nudge, the formula, the first line. After the third, all of them.

    Args:
        id: Id of the exercise, as "01.1".

    Returns:
        A page with the hint. The cell displays it.
    """
    exercise, trouble = _find(id)
    if exercise is None:
        return _displayed(Page("Hint", trouble))
    _hints_shown[exercise.id] += 1
    return _displayed(hint_page(exercise, _hints_shown[exercise.id]))


def solution(id: str = _NOTHING) -> Page:
    """The solution of an exercise, with the reason for it.

    Args:
        id: Id of the exercise, as "01.1".

    Returns:
        A page with the solution. The cell displays it.
    """
    exercise, trouble = _find(id)
    if exercise is None:
        return _displayed(Page("Solution", trouble))
    return _displayed(solution_page(exercise))


def progress(lesson: Any = None) -> Board:
    """The learner's progress: one lesson in full, each other lesson in one line.

    Args:
        lesson: Number of the lesson to show in full, as "03". None: the lesson of the exercise that was last asked about in this
            kernel, or, after a restart, of the one that was last tried.

    Returns:
        A board of all lessons. The cell displays it.
    """
    every = {number: registry.exercises_of(number) for number in registry.lessons()}
    entries, notes = table()
    if lesson is None:
        here = [number for number in _lesson_here if number in every]
        last = last_tried({id: entry for id, entry in entries.items() if id.partition(".")[0] in every})
        chosen = here[0] if here else last.partition(".")[0] if last else None
    else:
        chosen = next(iter(re.findall(r"\d+", str(lesson))), "").zfill(
            2
        )  # 3, "3", "03", "03.2" and "lesson 3" are all the third
        if chosen not in every:
            given = "There is no lesson with exercises" + (
                f" {lesson!r}" if isinstance(lesson, (str, int)) else " of this kind"
            )
            notes.append(f"{given}. There are {', '.join(every) or 'none'}.")
            chosen = None
    return _displayed(Board(every, entries, tuple(notes), chosen))


def _find(id: Any) -> tuple[Exercise | None, str]:
    if id is _NOTHING:
        return None, 'Say which exercise, by its id in quotes, as "01.1".'
    try:
        exercise = registry.find(id)
        _lesson_here[:] = [exercise.lesson]
        return exercise, ""
    except registry.UnknownExercise as error:
        return None, str(error)
    except Exception as error:  # a lesson's file that was edited and no longer loads
        return None, f"The exercises of this lesson cannot be loaded ({type(error).__name__}: {error})."


def _note_on_name(exercise: Exercise, answer: Any) -> str | None:
    """A note if the function has the name that another exercise asks for."""
    name = getattr(answer, "__name__", None)
    if not isinstance(name, str) or name == exercise.name:
        return None
    other = registry.by_name(name)
    return (
        None if other is None else f'`{name}` is what {other.id} asks for: did you mean `check("{other.id}", {name})`?'
    )


def _displayed(shown: Shown) -> Shown:
    """Make sure that `shown` is displayed exactly once: an interactive Python displays a line's value, a script displays nothing.

    IPython displays only the value of a cell's last line. To display a `check` above a `hint` too, everything that is not the
    cell's value is displayed when the cell has run.
    """
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is not None:
        if not _of_this_cell:
            shell.events.register("post_run_cell", _show_the_rest)
        _of_this_cell.append(shown)
    elif not (hasattr(sys, "ps1") or sys.flags.interactive):
        _print(shown)
    return shown


def _print(shown: object) -> None:
    """Print, with question marks for what the encoding of standard output lacks, as cp1252 lacks the check mark."""
    try:
        print(shown)
    except UnicodeEncodeError:
        encoding = sys.stdout.encoding or "ascii"
        print(str(shown).encode(encoding, errors="replace").decode(encoding))


def _show_the_rest(result: Any) -> None:
    """Display what the finished cell returned to the learner, except its value. `result` is IPython's `ExecutionResult`."""
    from IPython import get_ipython
    from IPython.display import display

    get_ipython().events.unregister("post_run_cell", _show_the_rest)
    waiting = list(_of_this_cell)
    _of_this_cell.clear()
    for shown in waiting:
        if shown is not result.result:
            display(shown)

"""`check`, `hint`, `solution`, `progress`: what a lesson says to the learner."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import replace
from typing import Any, TypeVar

from helpers.exercises import registry
from helpers.exercises.engine.judge import judge
from helpers.exercises.engine.pages import Board, Page, hint_page, solution_page
from helpers.exercises.engine.progress import record, table
from helpers.exercises.engine.verdict import Verdict
from helpers.exercises.exercise import Exercise

Shown = TypeVar("Shown")

_NOTHING: Any = object()
_of_this_cell: list[Any] = []  # what was said in the cell that runs
_hints_shown: Counter[str] = Counter()  # of this kernel: after a restart, hints begin again with the first


def check(id: str = _NOTHING, answer: Any = _NOTHING) -> Verdict:
    """Judge `answer`, a function, as the answer to exercise `id`: "not attempted", "passed" or "not yet", with the most useful sentence.

    As the last line of a cell the verdict shows itself. Never raises; leaves random state, default dtype and the like as they are. Passes
    are kept in the progress file, `settings.progress_file()`.
    """
    if id is _NOTHING or answer is _NOTHING:
        what = "the function" if id is not _NOTHING else "the exercise's id and your function"
        shown = id if isinstance(id, str) else "01.1"
        return _echoed(
            Verdict("", "", "not yet", f'`check` also needs {what}: `check("{shown}", name_of_your_function)`.')
        )
    if callable(id) and isinstance(answer, str):
        name = getattr(id, "__name__", "your_function")
        return _echoed(Verdict("", "", "not yet", f'First the id, then the function: `check("{answer}", {name})`.'))
    exercise, trouble = _found(id)
    if exercise is None:
        return _echoed(Verdict("", "", "not yet", trouble))
    verdict = judge(exercise, answer)
    notes = list(verdict.notes)
    if not verdict.passed and (meant := _meant(exercise, answer)):
        notes.append(meant)
    if verdict.status != "not attempted":
        notes += record(exercise.id, verdict.passed)
    return _echoed(replace(verdict, notes=tuple(notes)))


def hint(id: str = _NOTHING) -> Page:
    """The next of three hints to exercise `id`: a nudge, the formula, the first line. After the third, all of them."""
    exercise, trouble = _found(id)
    if exercise is None:
        return _echoed(Page("Hint", trouble))
    _hints_shown[exercise.id] += 1
    return _echoed(hint_page(exercise, _hints_shown[exercise.id]))


def solution(id: str = _NOTHING) -> Page:
    """The solution of exercise `id`, with a sentence on why it is so."""
    exercise, trouble = _found(id)
    if exercise is None:
        return _echoed(Page("Solution", trouble))
    return _echoed(solution_page(exercise))


def progress() -> Board:
    """What is done, lesson by lesson."""
    every = {lesson: registry.exercises_of(lesson) for lesson in registry.lessons()}
    entries, notes = table()
    return _echoed(Board(every, entries, tuple(notes)))


def _found(id: Any) -> tuple[Exercise | None, str]:
    if id is _NOTHING:
        return None, 'Say which exercise, by its id in quotes, as "01.1".'
    try:
        return registry.find(id), ""
    except registry.UnknownExercise as error:
        return None, str(error)
    except Exception as error:  # a lesson's file that was edited and no longer loads
        return None, f"The exercises of this lesson cannot be loaded ({type(error).__name__}: {error})."


def _meant(exercise: Exercise, answer: Any) -> str | None:
    """A note where the function bears the name that another exercise asks for."""
    name = getattr(answer, "__name__", None)
    if not isinstance(name, str) or name == exercise.name:
        return None
    other = registry.by_name(name)
    return (
        None if other is None else f'`{name}` is what {other.id} asks for: did you mean `check("{other.id}", {name})`?'
    )


def _echoed(shown: Shown) -> Shown:
    """See that `shown` is shown, once: an interactive Python shows a line's value, a script shows nothing by itself.

    A cell of IPython shows the value of its last line only, so a `check` above a `hint` would be silent: what is not the cell's
    value is shown when the cell has run.
    """
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is not None:
        if not _of_this_cell:
            shell.events.register("post_run_cell", _show_the_rest)
        _of_this_cell.append(shown)
    elif not (hasattr(sys, "ps1") or sys.flags.interactive):
        print(shown)
    return shown


def _show_the_rest(result: Any) -> None:
    """Show what was said in the cell that has run, but is not its value. result: IPython's `ExecutionResult`."""
    from IPython import get_ipython
    from IPython.display import display

    get_ipython().events.unregister("post_run_cell", _show_the_rest)
    waiting = list(_of_this_cell)
    _of_this_cell.clear()
    for shown in waiting:
        if shown is not result.result:
            display(shown)

"""What `hint`, `solution` and `progress` return: pages that display as HTML or as plain text."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from helpers.exercises.engine.verdict import EDGES, SYMBOLS, card, marked, preformatted, wrapped
from helpers.exercises.exercise import Exercise

FRAME = (  # of a progress bar, in the colour of the page's text
    "display:inline-block;width:12em;height:0.75em;border:1px solid currentColor;border-radius:3px;"
    "vertical-align:middle;margin:0 0.7em"
)
FILL = "display:block;height:100%;background:currentColor;opacity:0.65"
KINDS = ("a nudge", "the formula", "the first line")


@dataclass(frozen=True, repr=False)
class Page:
    """A page with a title, a paragraph, code, and a last paragraph. Empty parts are left out.

    Args:
        title: Title.
        text: Paragraph above the code. `Backticks` mark code.
        code: Python code; "" for none.
        after: Paragraph below the code; "" for none.
    """

    title: str
    text: str
    code: str = ""
    after: str = ""

    def __repr__(self) -> str:
        code = textwrap.indent(self.code, "    ") if self.code else ""
        return "\n".join(
            part
            for part in (
                self.title,
                wrapped(self.text) if self.text else "",
                code,
                wrapped(self.after) if self.after else "",
            )
            if part
        )

    def _repr_html_(self) -> str:
        body = f'<div style="margin-top:0.3em">{marked(self.text)}</div>' if self.text else ""
        body += highlighted(self.code) if self.code else ""
        body += f'<div style="margin-top:0.3em">{marked(self.after)}</div>' if self.after else ""
        return card(self.title, body, "#5b7fb5", "workbook-page")


def hint_page(exercise: Exercise, number: int) -> Page:
    """One hint of an exercise.

    Args:
        exercise: The exercise.
        number: Number of the hint, from 1. Beyond the last, the page shows all hints.

    Returns:
        The page.
    """
    count, solution = len(exercise.hints), f'`solution("{exercise.id}")` shows a solution.'
    if number > count:
        every = "\n".join(f"{n}. {text}" for n, text in enumerate(exercise.hints, 1))
        return Page(f"Hints · {exercise.id}", f"You have seen all {count}:\n{every}", after=solution)
    after = solution if number == count else f'`hint("{exercise.id}")` again gives {KINDS[number]}.'
    return Page(
        f"Hint {number} of {count} · {exercise.id} · {KINDS[number - 1]}", exercise.hints[number - 1], after=after
    )


def solution_page(exercise: Exercise) -> Page:
    """The solution of an exercise.

    Args:
        exercise: The exercise.

    Returns:
        A page with the solution's source and the reason for it.
    """
    return Page(f"Solution · {exercise.id} {exercise.title}", "", exercise.solution_source, exercise.why)


def highlighted(code: str) -> str:
    """Python code as HTML, on its own light background, so that the colours are readable on any page.

    Args:
        code: Python code.

    Returns:
        HTML; without colours if pygments is missing.
    """
    try:
        from pygments import highlight
        from pygments.formatters import HtmlFormatter
        from pygments.lexers import PythonLexer
    except ImportError:  # pygments comes with IPython, which a script may lack
        return preformatted(code)
    style = "background:#f7f7f7;color:#1f1f1f;padding:0.6em 0.8em;margin:0.4em 0;border-radius:3px;overflow-x:auto;line-height:1.4"
    return highlight(
        code, PythonLexer(), HtmlFormatter(noclasses=True, nobackground=True, style="default", prestyles=style)
    )


@dataclass(frozen=True, repr=False)
class Board:
    """The learner's progress: one lesson exercise by exercise, each other lesson in one line.

    Args:
        lessons: The exercises of each lesson, by its number, such as "01".
        entries: The progress file's entry of each exercise tried, by id: "tries" (a count) and "passed" (a time or None).
        notes: What the learner should know about the progress file.
        lesson: Number of the lesson that is shown in full; None: no lesson is.
    """

    lessons: Mapping[str, tuple[Exercise, ...]]
    entries: Mapping[str, Mapping[str, Any]]
    notes: tuple[str, ...] = ()
    lesson: str | None = None

    def passed(self, exercise: Exercise) -> bool:
        """Whether an exercise has been passed.

        Args:
            exercise: The exercise.

        Returns:
            True if the progress file says so.
        """
        return bool(self.entries.get(exercise.id, {}).get("passed"))

    def _lines(self, lesson: str) -> list[tuple[str, str]]:
        """Symbol and text of each exercise of a lesson; none unless the lesson is shown in full."""
        lines = []
        for exercise in self.lessons[lesson] if lesson == self.lesson else ():
            tries = self.entries.get(exercise.id, {}).get("tries", 0)
            status = "passed" if self.passed(exercise) else "not yet" if tries else "not attempted"
            words = {
                "passed": "passed",
                "not yet": f"tried {tries}×",
                "not attempted": f"{exercise.minutes} minutes",
            }[status]
            lines.append((SYMBOLS[status], f"{exercise.id} {exercise.title} · {exercise.dots} · {words}"))
        return lines

    def _rows(self) -> list[tuple[str, int, int, list[tuple[str, str]]]]:
        return [
            (lesson, sum(map(self.passed, exercises)), len(exercises), self._lines(lesson))
            for lesson, exercises in self.lessons.items()
        ]

    def _more(self) -> str:
        others = [lesson for lesson in self.lessons if lesson != self.lesson]
        return f'`progress("{others[0]}")` shows lesson {others[0]} in full.' if others else ""

    def __repr__(self) -> str:
        parts = ["Progress"]
        for lesson, done, count, lines in self._rows():
            parts.append(f"Lesson {lesson}  {'█' * done}{'░' * (count - done)}  {done} of {count}")
            parts += [f"  {symbol} {text}" for symbol, text in lines]
        parts += [wrapped(self._more())] if self._more() else []
        parts += [wrapped(f"Note: {note}") for note in self.notes]
        return "\n".join(parts)

    def _repr_html_(self) -> str:
        body = ""
        for lesson, done, count, lines in self._rows():
            share = 100 * done // max(count, 1)
            bar = f'<span aria-hidden="true" style="{FRAME}"><span style="width:{share}%;{FILL}"></span></span>'
            listed = "".join(f"<div>{html.escape(symbol)} {html.escape(text)}</div>" for symbol, text in lines)
            title = f'<div style="margin-top:0.2em"><b>Lesson {lesson}</b>{bar}{done} of {count}</div>'
            body += title + (f'<div style="margin:0.1em 0 0.5em 1.2em">{listed}</div>' if listed else "")
        body += f'<div style="margin-top:0.4em">{marked(self._more())}</div>' if self._more() else ""
        body += "".join(f'<div style="margin-top:0.4em"><i>Note: {marked(note)}</i></div>' for note in self.notes)
        return card("Progress", body, EDGES["passed"], "workbook-progress")

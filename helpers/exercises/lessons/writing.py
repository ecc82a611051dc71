"""`make lessons`: notebooks/ from lessons_src/, unless a notebook holds what we did not write."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from helpers.exercises.exercise import STUB_LINE
from helpers.exercises.lessons.merging import differing
from helpers.exercises.lessons.pair import Pair, UnreadableLesson, keep_copy, pairs
from helpers.exercises.lessons.record import Print, print_of, prints

SAME_TIME = 2.0  # seconds: a clone or a copy writes both files at once


class Refused(RuntimeError):
    """Nothing was changed; the message says why, and what to do."""


def write(root: Path) -> list[str]:
    """Bring every notebook up to date with its text. Outputs of unchanged cells are kept.

    Args:
        root: Folder that holds lessons_src/ and notebooks/.

    Returns:
        What was done, in sentences.

    Raises:
        Refused: If a notebook's inputs differ from its text, and from what was last written there. Then no notebook is changed.
    """
    todo: list[tuple[Pair, Any, Any]] = []
    problems = []
    every = [pair for pair in pairs(root) if pair.text.is_file()]
    for pair in every:
        text = pair.read_text()
        try:
            notebook = pair.read_notebook() if pair.notebook.exists() else None
        except UnreadableLesson as problem:
            problems.append(str(problem))
            continue
        if notebook is None or not _same(text, notebook):
            if notebook is not None and prints(notebook) not in (prints(text), pair.read_record()):
                problems.append(refusal(pair, text, notebook))
            todo.append((pair, text, notebook))
    if problems:
        raise Refused("\n".join(problems))
    for pair, text, notebook in todo:
        pair.write_notebook(text, notebook)
        pair.write_record(recorded(text, pair.read_record()))
    return [f"{len(every)} lesson(s), {len(todo)} written"] + [pair.shown(pair.notebook) for pair, *_ in todo]


def refusal(pair: Pair, text: Any, notebook: Any) -> str:
    """Why a notebook is not overwritten. A copy of it is made beside it.

    Args:
        pair: The lesson.
        text: Its text, as a notebook.
        notebook: Its notebook.

    Returns:
        Sentences that name the cells, the newer side, the copy, and what to do.
    """
    copy = keep_copy(pair.notebook)
    return (
        f"{pair.shown(pair.notebook)} holds what `make lessons` did not write, and its text says something else. Nothing was changed.\n"
        f"    cells that differ: {', '.join(differing(notebook, text))}\n"
        f"    {newer(pair)}\n"
        f"    a copy of the notebook: {pair.shown(copy)}\n"
        "    `make reconcile` puts the changes of both into both, and loses none. To have the text alone, rename the notebook, then "
        "repeat `make lessons`."
    )


def newer(pair: Pair) -> str:
    """Which file was saved last.

    Args:
        pair: A lesson with both files.

    Returns:
        A few words with both times.
    """
    text, notebook = pair.text.stat().st_mtime, pair.notebook.stat().st_mtime
    times = f"notebook {datetime.fromtimestamp(notebook):%Y-%m-%d %H:%M:%S}, text {datetime.fromtimestamp(text):%Y-%m-%d %H:%M:%S}"
    if abs(text - notebook) < SAME_TIME:
        return f"newer: neither ({times})"
    return f"newer: the {'notebook' if notebook > text else 'text'} ({times})"


def accept(root: Path) -> list[str]:
    """Take what text and notebook both hold for what the lesson says, as after an edit in JupyterLab by its author.

    Args:
        root: Folder that holds lessons_src/ and notebooks/.

    Returns:
        What was done, in sentences.

    Raises:
        Refused: If text and notebook of a lesson differ.
    """
    changed = []
    for pair in pairs(root):
        if not (pair.text.is_file() and pair.notebook.is_file()):
            continue
        text, notebook = pair.read_text(), pair.read_notebook()
        if prints(text) != prints(notebook):
            raise Refused(refusal(pair, text, notebook))
        if pair.read_record() != prints(text):
            pair.write_record(prints(text))
            changed.append(f"{pair.shown(pair.record)} is up to date")
    return changed


def clean(root: Path) -> list[str]:
    """Take outputs, counts and stray metadata out of the notebooks, as they are committed. Of each a copy is kept.

    Args:
        root: Folder that holds lessons_src/ and notebooks/.

    Returns:
        What was done, in sentences.
    """
    changed = []
    for pair in pairs(root):
        if not pair.notebook.is_file():
            continue
        notebook = pair.read_notebook()
        before = notebook.copy(), [cell.copy() for cell in notebook.cells]
        for key in notebook.metadata.keys() - {"jupytext", "kernelspec"}:
            del notebook.metadata[key]
        for cell in notebook.cells:
            cell.metadata = {
                key: cell.metadata[key] for key in ("slideshow", "tags", "lines_to_next_cell") if key in cell.metadata
            }
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        if (notebook, notebook.cells) != before:
            copy = keep_copy(pair.notebook)
            pair.write_notebook(notebook)
            changed.append(f"{pair.shown(pair.notebook)} is clean; as it was: {pair.shown(copy)}")
    return changed


def recorded(text: Any, before: Sequence[Print] | None) -> tuple[Print, ...]:
    """What to note as written. The answer to an exercise is never noted, for it is the reader's: the stub of before stays.

    Args:
        text: What was written.
        before: The record before; None if there was none.

    Returns:
        The prints of the cells, in order.
    """
    stubs = {print.exercise: print for print in before or () if print.exercise}
    return tuple(
        stubs.get(print_of(cell).exercise, print_of(cell)) if STUB_LINE not in cell.source else print_of(cell)
        for cell in text.cells
    )


def _same(text: Any, notebook: Any) -> bool:
    """Whether nothing has to be written: inputs, slide types and tags agree."""
    if prints(text) != prints(notebook):
        return False
    shown = [
        [(cell.metadata.get("slideshow"), cell.metadata.get("tags")) for cell in both.cells]
        for both in (text, notebook)
    ]
    return shown[0] == shown[1]

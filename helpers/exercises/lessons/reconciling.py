"""`make reconcile`: text and notebook of a lesson hold the same again, with the changes of both."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from helpers.exercises.lessons.merging import Cells, merged
from helpers.exercises.lessons.pair import Pair, UnreadableLesson, keep_copy, pairs
from helpers.exercises.lessons.record import Print, print_of, prints
from helpers.exercises.lessons.writing import newer


def reconcile(root: Path) -> tuple[list[str], list[str]]:
    """Bring together what was answered in a notebook alone, in a text alone, or in both.

    A change of one file is put into the other. If both changed a cell differently, the file that was saved last is followed, and a
    copy of the other lies beside it.

    Args:
        root: Folder that holds lessons_src/ and notebooks/.

    Returns:
        What was done, and what could not be done, in sentences.
    """
    done, problems = [], []
    for pair in pairs(root):
        if not (pair.text.is_file() and pair.notebook.is_file()):
            continue
        try:
            done += _reconcile(pair)
        except (UnreadableLesson, OSError) as problem:
            problems.append(str(problem))
    return done, problems


def _reconcile(pair: Pair) -> list[str]:
    text, notebook = pair.read_text(), pair.read_notebook()
    if prints(text) == prints(notebook):
        return []
    base = pair.read_record()
    cells, conflicts = both(pair, text, notebook, base)
    said = [f"{pair.name}: the changes of text and notebook are now in both; {newer(pair)}"]
    kept = {print_of(cell).hash for cell in cells} | {print.hash for print in base or ()}
    for path, version in ((pair.text, text), (pair.notebook, notebook)):
        if any(print.hash not in kept for print in prints(version)):
            said.append(
                f"    a copy of the {'text' if path == pair.text else 'notebook'} as it was: {pair.shown(keep_copy(path))}"
            )
    if conflicts:
        said.append(f"    changed in both, and taken from the newer: {', '.join(conflicts)}")
    import nbformat

    together = nbformat.v4.new_notebook(cells=cells, metadata=notebook.metadata)
    if prints(together) != prints(notebook):
        pair.write_notebook(together, notebook)
    if prints(together) != prints(text):
        pair.write_text(together)
    return said


def both(pair: Pair, text: Any, notebook: Any, base: Sequence[Print] | None) -> tuple[Cells, list[str]]:
    """The cells of a lesson with the changes of its notebook and of its text.

    Args:
        pair: The lesson.
        text: Its text, as a notebook.
        notebook: Its notebook.
        base: What both come from; None if it is not known.

    Returns:
        The cells, and where text and notebook changed the same cells differently, in words: there, the file saved last is followed.
    """
    conflicts: list[str] = []
    notebook_is_newer = pair.notebook.stat().st_mtime >= pair.text.stat().st_mtime

    def settle(of_notebook: Cells, of_text: Cells) -> Cells:
        exercises = {print_of(cell).exercise for cell in of_notebook + of_text} - {None}
        conflicts.append(
            " and ".join(f"exercise {id}" for id in sorted(filter(None, exercises))) or f"{len(of_notebook)} cell(s)"
        )
        return of_notebook if notebook_is_newer else of_text

    return merged(base, notebook.cells, text.cells, settle), conflicts

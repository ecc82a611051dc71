"""A lesson's cells made ready for a deck: outputs that can be shown without a kernel, notes unfolded, stubs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from copy import deepcopy
from itertools import takewhile

import nbformat

# What a slide can show, best first. A live widget is not among them: an explorer's still pictures, its text/html, stand in for it.
SHOWN = ("text/html", "image/svg+xml", "image/png", "image/jpeg", "text/markdown", "text/latex", "text/plain")
WIDGET = "application/vnd.jupyter.widget-view+json"
# How a lesson folds its notes away, so that they tell a learner nothing before its time.
FOLDED_NOTES = re.compile(r"\A<details><summary>For the teacher</summary>\n(.*)</details>\Z", re.DOTALL)
STUB = "...  # your code"  # as in helpers.exercises.exercise, which would import torch; a test ties them
BLANK_LINES = re.compile(r"\n(?:[ \t]*\n){2,}")
YOUR_TURN = re.compile(r"^### Your turn · ", re.MULTILINE)


def ready_for_a_deck(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A copy of the executed lesson as the template wants it."""
    notebook = deepcopy(notebook)
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        cell.metadata.setdefault("slideshow", {}).setdefault("slide_type", "-")
        if cell.cell_type == "code":
            cell.outputs = joined(filter(None, map(shown_output, cell.outputs)))
    for number, cell in enumerate(notebook.cells):
        if is_shown(cell) and cell.cell_type == "markdown" and YOUR_TURN.search(cell.source):
            show_stub(takewhile(lambda after: not is_shown(after), notebook.cells[number + 1 :]))
    for cell in notebook.cells:
        if slide_type(cell) == "notes":
            cell.source = FOLDED_NOTES.sub(r"\1", cell.source.strip()).strip()
        if cell.cell_type == "code":
            cell.source = BLANK_LINES.sub(
                "\n\n", cell.source
            )  # two blank lines are for files, one is enough on a slide
    return notebook


def slide_type(cell: nbformat.NotebookNode) -> str:
    """slide, subslide, fragment, notes, skip, or - (goes on where the cell before it ended)."""
    return cell.metadata.get("slideshow", {}).get("slide_type", "-")


def is_shown(cell: nbformat.NotebookNode) -> bool:
    """Whether the cell stands on a slide."""
    return slide_type(cell) not in ("skip", "notes")


def show_stub(cells: Iterable[nbformat.NotebookNode]) -> None:
    """Let an exercise's code, left out of the deck, stand under its task as what it starts from: no check, no output.

    cells: those between the task and the next cell on a slide.
    """
    for cell in cells:
        if cell.cell_type == "code" and STUB in cell.source:
            cell.source = re.split(r"^(?:check|hint)\(", cell.source, maxsplit=1, flags=re.MULTILINE)[0].rstrip()
            cell.outputs = []
            cell.metadata["slideshow"]["slide_type"] = "-"
            return


def shown_output(output: nbformat.NotebookNode) -> nbformat.NotebookNode | None:
    """The output with the one form that a slide shows, or None where there is nothing to show.

    Progress bars, and all else that goes to stderr, are for whoever waits.
    """
    if output.output_type == "stream":
        return nbformat.v4.new_output("stream", name="stdout", text=output.text) if output.name == "stdout" else None
    if output.output_type == "error":
        return output
    best = next((kind for kind in SHOWN if kind in output.data), None)
    if best is None or (best == "text/plain" and WIDGET in output.data):  # a progress bar as a widget
        return None
    metadata = {best: output.metadata[best]} if best in output.metadata else {}
    return nbformat.v4.new_output("display_data", data={best: output.data[best]}, metadata=metadata)


def joined(outputs: Iterable[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """The outputs, with printed text that the kernel sent in several pieces in one, as a terminal shows it in the end."""
    whole: list[nbformat.NotebookNode] = []
    for output in outputs:
        if whole and output.output_type == whole[-1].output_type == "stream":
            whole[-1].text += output.text
        else:
            whole.append(output)
    for output in whole:
        if output.output_type == "stream":
            output.text = settled(output.text)
    return [output for output in whole if output.output_type != "stream" or output.text.strip()]


def settled(text: str) -> str:
    """After a carriage return, a line is written over."""
    lines = (line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    return "\n".join(lines)

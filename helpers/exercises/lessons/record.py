"""What a cell's input is known by, and the record of the inputs that were written last."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.files import atomic_write

_CHECK = re.compile(r"^check\(\s*[\"'](\d\d\.\d+)[\"']", re.MULTILINE)


@dataclass(frozen=True)
class Print:
    """What identifies a cell's input.

    Args:
        hash: Of kind and source.
        exercise: Id of the exercise that the cell checks; None if it checks none.
    """

    hash: str
    exercise: str | None = None

    @property
    def key(self) -> str:
        """By what cells of two versions are matched: the exercise if there is one, whatever the answer, else the contents."""
        return self.exercise or self.hash

    def __str__(self) -> str:
        return f"{self.hash} {self.exercise}" if self.exercise else self.hash


def prints(notebook: Any) -> tuple[Print, ...]:
    """The prints of a notebook's cells.

    Args:
        notebook: A notebook of nbformat.

    Returns:
        One print for each cell, in order.
    """
    return tuple(map(print_of, notebook.cells))


def print_of(cell: Any) -> Print:
    """The print of a cell.

    Args:
        cell: A cell of nbformat.

    Returns:
        Its print. White space at its end does not count: jupytext moves it about.
    """
    digest = hashlib.sha256(f"{cell.cell_type}\n{cell.source.rstrip()}".encode()).hexdigest()[:16]
    found = _CHECK.search(cell.source) if cell.cell_type == "code" else None
    return Print(digest, found[1] if found else None)


def read_record(path: Path) -> tuple[Print, ...] | None:
    """Read a record.

    Args:
        path: The file.

    Returns:
        The prints of the cells, in order; None if there is no record.
    """
    try:
        return parsed_record(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def parsed_record(text: str) -> tuple[Print, ...] | None:
    """Parse a record.

    Args:
        text: Contents of the file.

    Returns:
        The prints of the cells, in order; None if this is no record.
    """
    try:
        return tuple(Print(*line.split()) for line in json.loads(text))
    except (ValueError, TypeError, AttributeError):
        return None


def write_record(path: Path, prints: Sequence[Print]) -> None:
    """Write a record, unless the file holds the same.

    Args:
        path: The file.
        prints: The prints of the cells, in order.
    """
    if read_record(path) != tuple(prints):
        with atomic_write(path) as partial:
            lines = json.dumps([str(print) for print in prints], indent=0)
            partial.write_text(lines + "\n", encoding="utf-8", newline="\n")

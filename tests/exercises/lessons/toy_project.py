"""A project with one lesson of two exercises, as small as it can be."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import nbformat

from helpers.exercises.lessons.__main__ import main
from helpers.exercises.lessons.pair import Pair

ROOT = Path(__file__).parents[3]
NAME = "77_toys"
STUB = '''def {name}(x):
    """What it is."""
    ...  # your code


check("{id}", {name})'''
ANSWER = STUB.replace("...  # your code", "return x + {number}")
FIRST = {"id": "77.1", "name": "first"}
SECOND = {"id": "77.2", "name": "second"}
CELLS = (
    "# 77 · Toys",
    "import torch",
    STUB.format(**FIRST),
    "Some prose.",
    "print(1)",
    STUB.format(**SECOND),
    "The end.",
)


def cell(source: str):
    new = nbformat.v4.new_markdown_cell if source[:1].isupper() or source.startswith("#") else nbformat.v4.new_code_cell
    return new(source, metadata={"slideshow": {"slide_type": "slide"}})


def project(root: Path, *sources: str) -> Pair:
    """The lesson's text, and what `make lessons` makes of it."""
    for folder in ("lessons_src", "notebooks"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    pair = Pair(root, NAME)
    metadata = {"jupytext": {"formats": "notebooks//ipynb,lessons_src//py:percent"}}
    pair.write_text(nbformat.v4.new_notebook(cells=[cell(source) for source in sources or CELLS], metadata=metadata))
    assert main(["write"], root) == 0
    return pair


def sources(notebook) -> list[str]:
    return [cell.source for cell in notebook.cells]


def both(pair: Pair) -> list[str]:
    """The sources of a lesson whose text and notebook hold the same."""
    assert sources(pair.read_text()) == sources(pair.read_notebook())
    return sources(pair.read_text())


def in_notebook(pair: Pair, old: str, new: str) -> None:
    """Edit the notebook as an editor that knows no jupytext does."""
    notebook = json.loads(pair.notebook.read_text(encoding="utf-8"))
    found = 0
    for one in notebook["cells"]:
        source = "".join(one["source"])
        found += old in source
        one["source"] = source.replace(old, new).splitlines(keepends=True)
    assert found == 1
    pair.notebook.write_text(json.dumps(notebook), encoding="utf-8")


def in_text(pair: Pair, old: str, new: str) -> None:
    text = pair.text.read_text(encoding="utf-8")
    assert text.count(old) == 1
    pair.text.write_text(text.replace(old, new), encoding="utf-8")


def answer(edit, pair: Pair, exercise: dict, number: int) -> str:
    """Answer an exercise; returns the cell."""
    edit(pair, STUB.format(**exercise), ANSWER.format(**exercise, number=number))
    return ANSWER.format(**exercise, number=number)


def saved_last(pair: Pair, path: Path) -> None:
    for other in (pair.text, pair.notebook):
        os.utime(other, (1_700_000_000 + 60 * (other == path),) * 2)


def snapshot(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file() and ".git" not in path.relative_to(root).parts)
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.org", "-c", "init.defaultBranch=main")
    command = ["git", *identity, "-c", "commit.gpgsign=false", *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout

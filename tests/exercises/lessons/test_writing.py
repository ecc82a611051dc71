"""`make lessons` writes a notebook from its text, and none that holds what it did not write."""

from __future__ import annotations

import os
from pathlib import Path

import nbformat
import pytest

from helpers.exercises.lessons import writing
from helpers.exercises.lessons.__main__ import main
from helpers.exercises.lessons.pair import Pair
from tests.exercises.lessons.toy_project import (
    FIRST,
    SECOND,
    answer,
    both,
    in_notebook,
    in_text,
    project,
    saved_last,
    snapshot,
)


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return project(tmp_path / "a folder")


def test_a_changed_text_is_written_and_nothing_else(pair):
    ids = [cell.id for cell in pair.read_notebook().cells]
    in_text(pair, "print(1)", "print(2)")
    assert main(["write"], pair.root) == 0
    assert (
        "print(2)" in both(pair)
        and [c.id for c in pair.read_notebook().cells if c.source != "print(2)"] == ids[:4] + ids[5:]
    )
    before = snapshot(pair.root)
    assert main(["write"], pair.root) == 0 and snapshot(pair.root) == before
    in_text(pair, "print(2)", "print(3)")  # what it wrote itself, it may write again
    assert main(["write"], pair.root) == 0 and "print(3)" in both(pair)


def test_slide_types_are_written_though_no_input_has_changed(pair):
    text = pair.text.read_text()
    pair.text.write_text(text.replace('"slide"', '"skip"', 1))
    writing.write(pair.root)
    assert pair.read_notebook().cells[0].metadata.slideshow.slide_type == "skip"


@pytest.mark.parametrize("newer", ["the notebook", "the text", "neither"])
def test_an_answer_in_the_notebook_is_not_overwritten(newer, pair, capsys):
    answer(in_notebook, pair, FIRST, 1)
    saved_last(pair, {"the notebook": pair.notebook, "the text": pair.text}.get(newer, pair.root))
    before = snapshot(pair.root)
    assert main(["write"], pair.root) == 1
    said = capsys.readouterr().err
    assert "cells that differ: 3 (exercise 77.1)\n" in said and f"newer: {newer} " in said and "make reconcile" in said
    (copy,) = pair.root.glob("notebooks/77_toys.kept-*.ipynb")
    assert copy.relative_to(pair.root).as_posix() in said and copy.read_bytes() == pair.notebook.read_bytes()
    copy.unlink()
    assert snapshot(pair.root) == before


def test_nothing_is_written_if_one_notebook_must_not_be(pair):
    other = Pair(pair.root, "78_more")
    other.write_text(pair.read_text())
    answer(in_notebook, pair, FIRST, 1)
    assert main(["write"], pair.root) == 1 and not other.notebook.exists()


def added_cell(pair):
    notebook = pair.read_notebook()
    notebook.cells.insert(3, nbformat.v4.new_markdown_cell("My own note."))
    nbformat.write(notebook, pair.notebook)


def removed_cell(pair):
    notebook = pair.read_notebook()
    del notebook.cells[4]
    nbformat.write(notebook, pair.notebook)


EDITS = {
    "a note": (lambda pair: in_notebook(pair, "Some prose.", "Some prose. I see!"), "differ: 4\n"),
    "code": (lambda pair: in_notebook(pair, "print(1)", "print(1 + 1)"), "differ: 5\n"),
    "two answers": (
        lambda pair: [answer(in_notebook, pair, exercise, 1) for exercise in (FIRST, SECOND)],
        "3 (exercise 77.1), 6 (exercise 77.2)",
    ),
    "a cell of one's own": (added_cell, "differ: 4\n"),
    "a cell taken out": (removed_cell, "differ: after 4\n"),
}


@pytest.mark.parametrize("name", EDITS)
def test_whatever_was_written_into_the_notebook_is_named_and_stays(name, pair, capsys):
    edit, words = EDITS[name]
    edit(pair)
    contents = pair.notebook.read_bytes()
    assert (
        main(["write"], pair.root) == 1 and words in capsys.readouterr().err and pair.notebook.read_bytes() == contents
    )


def test_an_answer_in_the_text_reaches_the_notebook_and_is_safe_there(pair):
    """An answer is never taken for what the lesson says, though `make lessons` itself has written it to the notebook."""
    stub = pair.text.read_bytes()
    given = answer(in_text, pair, FIRST, 1)
    assert main(["write"], pair.root) == 0 and given in both(pair)
    pair.text.write_bytes(stub)  # as git would, asked for the text of the repository
    assert main(["write"], pair.root) == 1 and given in pair.notebook.read_text().replace("\\n", "\n").replace(
        '",\n    "', ""
    ).replace('\\"', '"')


def test_without_a_record_nothing_that_differs_is_overwritten(pair):
    pair.record.unlink()
    in_text(pair, "print(1)", "print(2)")
    contents = pair.notebook.read_bytes()
    assert main(["write"], pair.root) == 1 and pair.notebook.read_bytes() == contents


@pytest.mark.parametrize("contents", [b"", b"{", b"<<<<<<< HEAD\n{}", b"[]", b'{"cells": 3}', b"\xff\xfe"])
def test_a_notebook_that_cannot_be_read_is_left_alone(contents, pair, capsys):
    pair.notebook.write_bytes(contents)
    for command in ("write", "reconcile", "accept"):
        assert main([command], pair.root) == 1 and "cannot be read as a notebook" in capsys.readouterr().err
        assert pair.notebook.read_bytes() == contents


def run(pair) -> bytes:
    notebook = pair.read_notebook()
    notebook.metadata["language_info"] = {"name": "python"}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.execution_count = 1
            cell.outputs = [nbformat.v4.new_output("stream", text=cell.source)]
    nbformat.write(notebook, pair.notebook)
    return pair.notebook.read_bytes()


def test_outputs_of_a_saved_run_stay(pair):
    contents = run(pair)
    assert main(["write"], pair.root) == 0 and pair.notebook.read_bytes() == contents
    in_text(pair, "Some prose.", "Other prose.")
    assert main(["write"], pair.root) == 0
    assert [cell.outputs[0].text for cell in pair.read_notebook().cells if cell.cell_type == "code"][:2] == [
        cell.source for cell in pair.read_notebook().cells if cell.cell_type == "code"
    ][:2]


def test_an_author_may_clean_a_notebook_and_a_copy_stays(pair, capsys):
    clean, contents = pair.notebook.read_bytes(), run(pair)
    assert main(["clean"], pair.root) == 0 and pair.notebook.read_bytes() == clean
    (copy,) = pair.root.glob("notebooks/*.kept-*")
    assert copy.read_bytes() == contents and copy.name in capsys.readouterr().out
    before = snapshot(pair.root)
    assert main(["clean"], pair.root) == 0 and snapshot(pair.root) == before


def test_an_author_may_accept_what_both_files_hold(pair):
    for edit in (in_text, in_notebook):
        edit(pair, "print(1)", "print(2)")
    in_text(pair, "print(2)", "print(3)")
    assert main(["write"], pair.root) == 1  # the notebook holds what the command did not write
    assert main(["accept"], pair.root) == 1  # and the two differ
    in_text(pair, "print(3)", "print(2)")
    assert main(["accept"], pair.root) == 0
    in_text(pair, "print(2)", "print(3)")
    assert main(["write"], pair.root) == 0 and "print(3)" in both(pair)


OTHERS = (
    "Untitled",
    "77_toys-Copy1",
    "77_toys 2",
    "77_tøys",
    "77_Toys",
    "7_toys",
    "77",
    "notes",
    "77_toys.kept-12345678",
)


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_lesson_is_neither_read_nor_written(name, pair):
    (pair.root / f"notebooks/{name}.ipynb").write_text("mine")
    (pair.root / f"lessons_src/{name}.py").write_text("mine, too")
    in_text(pair, "print(1)", "print(2)")
    answer(in_notebook, pair, FIRST, 1)
    for command in ("reconcile", "write", "accept", "clean"):
        assert main([command], pair.root) == 0
    assert (pair.root / f"notebooks/{name}.ipynb").read_text() == "mine"
    assert (pair.root / f"lessons_src/{name}.py").read_text() == "mine, too"
    assert not (pair.root / f"notebooks/{name}.py").exists() and len(list(pair.root.glob("notebooks/*.ipynb"))) == 2


def test_a_notebook_behind_a_link_is_written_where_it_lies(pair, tmp_path):
    elsewhere = tmp_path / "elsewhere.ipynb"
    os.rename(pair.notebook, elsewhere)
    pair.notebook.symlink_to(elsewhere)
    in_text(pair, "print(1)", "print(2)")
    assert main(["write"], pair.root) == 0 and pair.notebook.is_symlink() and "print(2)" in elsewhere.read_text()

"""`make update`: a learner who has answered gets new lessons and a new version, and loses nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import nbformat
import pytest

from helpers.exercises.lessons import updating
from helpers.exercises.lessons.__main__ import main
from helpers.exercises.lessons.pair import Pair
from tests.exercises.lessons.toy_project import (
    CELLS,
    FIRST,
    NAME,
    SECOND,
    STUB,
    answer,
    both,
    cell,
    git,
    in_notebook,
    in_text,
    project,
    snapshot,
)

THIRD = STUB.format(id="77.3", name="third")
STRICTER = STUB.format(**SECOND).replace("What it is.", "What it is, and why.")
# The new version: a sentence, a cell, the second task and its place have changed; an exercise and a lesson are new.
NEW = ("# 77 · Toys", "import torch", STRICTER, "Better prose.", "print(10)", STUB.format(**FIRST), THIRD, "The end.")


@pytest.fixture
def upstream(tmp_path: Path) -> Pair:
    pair = project(tmp_path / "upstream")
    (pair.root / ".gitignore").write_text("notebooks/kept-*/\n*.kept-*\n")
    (pair.root / "helpers.txt").write_text("one\n")
    git(pair.root, "init", "--quiet")
    git(pair.root, "add", "--all")
    git(pair.root, "commit", "--quiet", "-m", "The first version")
    return pair


@pytest.fixture
def clone(upstream: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pair:
    git(tmp_path, "clone", "--quiet", "upstream", "a clone")
    monkeypatch.setattr(updating, "carry_by_new_code", lambda copies, root: main(["carry", str(copies)], root))
    return Pair(tmp_path / "a clone", NAME)


def release(upstream: Pair, *sources: str) -> Pair:
    """A new version upstream, and a new lesson in it."""
    project(upstream.root, *sources)
    (upstream.root / "helpers.txt").write_text("two\n")
    more = Pair(upstream.root, "78_more")
    more.write_text(nbformat.v4.new_notebook(cells=[cell("# 78 · More"), cell("print(78)")]))
    assert main(["write"], upstream.root) == 0
    git(upstream.root, "add", "--all")
    git(upstream.root, "commit", "--quiet", "-m", "The second version")
    return upstream


PLACES = {
    "in the notebook": (in_notebook, in_notebook),
    "in the text": (in_text, in_text),
    "one in each": (in_text, in_notebook),
}


def in_both(pair, old, new):
    in_text(pair, old, new)
    in_notebook(pair, old, new)


@pytest.mark.parametrize("place", [*PLACES, "in both"])
def test_answers_are_carried_to_the_new_version(place, clone, upstream, capsys, monkeypatch):
    monkeypatch.setattr("helpers.exercises.lessons.__main__.carry_by_new_code", updating.carry_by_new_code)
    edits = PLACES.get(place, (in_both, in_both))
    first, second = (answer(edit, clone, exercise, 5) for edit, exercise in zip(edits, (FIRST, SECOND), strict=True))
    edits[1](clone, "Some prose.", "Some prose. My own note.")
    edits[1](clone, "print(1)", "print(1)  # I tried this")
    before = snapshot(clone.root)
    release(upstream, *NEW)
    assert main(["update"], clone.root) == 0
    said = capsys.readouterr().out
    held = both(clone)
    assert [source for source in held if "Kept from" not in source] == [*NEW[:2], second, *NEW[3:5], first, *NEW[6:]]
    assert any("My own note." in source for source in held) and any("I tried this" in source for source in held)
    assert "exercise 77.2 has changed too" in said and "exercise 77.1 has" not in said
    assert Pair(clone.root, "78_more").notebook.exists() and (clone.root / "helpers.txt").read_text() == "two\n"
    (kept,) = clone.root.glob("notebooks/kept-*")
    assert kept.name in said
    for name in (f"notebooks/{NAME}.ipynb", f"lessons_src/{NAME}.py"):
        assert (kept / name).read_bytes() == before[name]
    # And every command is content with what is there now.
    now = snapshot(clone.root)
    for command in ("write", "reconcile", "update"):
        assert main([command], clone.root) == 0 and snapshot(clone.root) == now


def test_a_learner_who_changed_nothing_gets_the_new_version(clone, upstream, monkeypatch):
    monkeypatch.setattr("helpers.exercises.lessons.__main__.carry_by_new_code", updating.carry_by_new_code)
    release(upstream, *NEW)
    assert main(["update"], clone.root) == 0 and both(clone) == list(NEW)
    assert git(clone.root, "status", "--porcelain") == ""


def test_nothing_new_changes_nothing(clone, capsys):
    answer(in_notebook, clone, FIRST, 1)
    before = snapshot(clone.root)
    assert main(["update"], clone.root) == 0 and "nothing new" in capsys.readouterr().out
    assert snapshot(clone.root) == before


def own_commit(clone):
    git(clone.root, "commit", "--quiet", "--all", "-m", "My answers")


def own_helper(clone):
    (clone.root / "helpers.txt").write_text("mine\n")


def own_lesson(clone):
    (clone.root / "notebooks/78_more.ipynb").write_text("mine")


def no_upstream(clone):
    git(clone.root, "remote", "remove", "origin")


def no_network(clone):
    git(clone.root, "remote", "set-url", "origin", str(clone.root / "nowhere"))


def no_git(clone):
    shutil.rmtree(clone.root / ".git")


@pytest.mark.parametrize("trouble", [own_commit, own_helper, own_lesson, no_upstream, no_network, no_git])
def test_an_update_that_cannot_be_made_changes_nothing_and_names_another_way(
    trouble, clone, upstream, capsys, monkeypatch
):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(clone.root.parent))
    answer(in_notebook, clone, FIRST, 1)
    trouble(clone)
    before = snapshot(clone.root)
    release(upstream, *NEW)
    assert main(["update"], clone.root) == 1
    assert "make update FROM=" in capsys.readouterr().err and snapshot(clone.root) == before


@pytest.mark.parametrize("record", [True, False])
def test_answers_are_taken_from_a_folder_without_git(record, tmp_path):
    old = project(tmp_path / "old")
    first, second = answer(in_notebook, old, FIRST, 5), answer(in_text, old, SECOND, 6)
    if not record:
        old.record.unlink()  # a version that kept none
    before = snapshot(old.root)
    new = project(tmp_path / "new", *NEW)
    assert main(["carry", str(old.root)], new.root) == 0
    assert both(new) == [*NEW[:2], second, *NEW[3:5], first, *NEW[6:]] and snapshot(old.root) == before
    now = snapshot(new.root)
    assert main(["carry", str(old.root)], new.root) == 0 and snapshot(new.root) == now  # twice is once


def test_a_lesson_that_was_renamed_or_lost_an_exercise_keeps_its_answers(tmp_path):
    old = project(tmp_path / "old")
    first, second = (answer(in_notebook, old, exercise, 5) for exercise in (FIRST, SECOND))
    new = project(tmp_path / "new", *[source for source in CELLS if "77.2" not in source])
    for path in (new.text, new.notebook, new.record):
        path.rename(path.with_stem("77_better_toys"))
    assert main(["carry", str(old.root)], new.root) == 0
    held = both(Pair(new.root, "77_better_toys"))
    assert first in held and any("Kept from" in source and second in source for source in held)


def test_answers_that_are_there_already_are_not_replaced(tmp_path, capsys):
    old, new = project(tmp_path / "old"), project(tmp_path / "new", *NEW)
    answer(in_notebook, old, FIRST, 5)
    in_notebook(new, "Better prose.", "Better prose. My note.")
    before = snapshot(new.root)
    assert main(["carry", str(old.root)], new.root) == 1
    assert "was changed already" in capsys.readouterr().err and snapshot(new.root) == before


@pytest.mark.parametrize("where", ["nowhere", "."])
def test_a_folder_that_is_no_older_version_is_named(where, tmp_path, capsys, monkeypatch):
    pair = project(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(["carry", where], pair.root) == 1 and "not the folder of an older version" in capsys.readouterr().err

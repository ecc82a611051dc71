"""The progress file: passes are kept whatever happens to kernel, folder and notebook, and no trouble with it reaches the verdict."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from helpers import settings
from helpers.exercises import check, progress, registry
from helpers.exercises.engine.progress import record, table
from tests.exercises.toys import ENERGY, SAMPLE, energy, sample_and_cost

LESSONS = {"77": (ENERGY, SAMPLE)}


@pytest.fixture(autouse=True)
def toys(monkeypatch):
    monkeypatch.setattr(registry, "lessons", lambda: list(LESSONS))
    monkeypatch.setattr(registry, "exercises_of", LESSONS.__getitem__)


@pytest.fixture
def path() -> Path:
    return settings.progress_file()


def entries() -> dict:
    found, notes = table()
    assert not notes
    return found


def test_every_test_has_a_file_of_its_own(path):
    assert not path.exists() and "workbook-progress-" in str(path)


def test_passes_and_tries_are_kept(path):
    check("77.2", sample_and_cost)  # out of order
    check("77.1", lambda loc, scale: loc)
    check("77.1", energy)
    check("77.1", energy)  # twice
    check("77.2", lambda *a: 1 / 0)  # a pass stays a pass
    assert entries()["77.1"]["tries"] == 3 and entries()["77.2"]["tries"] == 2
    assert entries()["77.1"]["passed"] and entries()["77.2"]["passed"]
    assert json.loads(path.read_text())["version"] == 1
    assert [p.name for p in path.parent.iterdir()] == [path.name]  # no lock and no half file is left


def test_a_stub_and_an_unknown_id_are_no_try(path):
    def stub(loc, scale): ...

    check("77.1", stub)
    check("99.9", energy)
    assert not path.exists()


def test_the_board_says_it_in_words_and_in_html():
    check("77.1", energy)
    check("77.2", lambda *a: a)
    text, shown = repr(progress()), progress()._repr_html_()
    assert (
        "Lesson 77  █░  1 of 2" in text
        and "✓ 77.1 An energy · ●○○ · passed" in text
        and "➜ 77.2 A sample · ●●○ · tried 1×" in text
    )
    assert "1 of 2" in shown and "width:50%" in shown and "✓ 77.1 An energy" in shown
    assert "○ 77.2" not in text


def test_an_empty_board(path):
    assert "0 of 2" in repr(progress()) and "○ 77.1 An energy · ●○○ · 3 minutes" in repr(progress())
    assert not path.exists()


PROGRAM = """
import sys
from helpers.exercises import registry
from helpers.exercises.engine.progress import record
assert record(sys.argv[1], sys.argv[2] == "pass") == []
"""


def in_another_kernel(id: str, what: str, folder: Path, path: Path) -> None:
    environment = {**os.environ, "WORKBOOK_PROGRESS": str(path)}
    subprocess.run([sys.executable, "-c", PROGRAM, id, what], cwd=folder, env=environment, check=True, timeout=60)


def test_another_kernel_in_another_folder_adds_to_the_same_file(path, tmp_path):
    check("77.1", energy)
    in_another_kernel("77.2", "pass", tmp_path, path)
    in_another_kernel("77.1", "not", tmp_path, path)
    assert entries()["77.1"]["tries"] == 2 and entries()["77.1"]["passed"] and entries()["77.2"]["passed"]


def test_two_kernels_at_once_lose_nothing():
    threads = [
        threading.Thread(target=lambda id=id: [record(id, False) for _ in range(25)])
        for id in ("77.1", "77.2", "77.1", "77.3")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {id: entry["tries"] for id, entry in entries().items()} == {"77.1": 50, "77.2": 25, "77.3": 25}


def test_a_lock_left_by_a_kill_is_broken(path):
    path.parent.mkdir(exist_ok=True)
    lock = path.with_name(f".{path.name}.lock")
    lock.touch()
    os.utime(lock, (1, 1))
    assert record("77.1", True) == [] and not lock.exists()


def test_a_kill_while_writing_leaves_the_old_file(path, monkeypatch):
    record("77.1", True)
    before = path.read_bytes()

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        record("77.2", True)
    assert path.read_bytes() == before and [p.name for p in path.parent.iterdir()] == [path.name]


DAMAGED = {
    "no JSON": b"{not json",
    "nothing": b"",
    "no text": b"\xff\xfe\x00",
    "a list": b"[1, 2]",
    "no exercises": b'{"version": 1}',
    "exercises of another kind": b'{"exercises": [1]}',
    "an entry of another kind": b'{"exercises": {"77.1": true}}',
    "tries of another kind": b'{"exercises": {"77.1": {"tries": "3", "passed": null}}}',
    "too deep": b"[" * 100_000,
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_set_aside(name, path):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(DAMAGED[name])
    verdict = check("77.1", energy)
    assert verdict.passed
    (note,) = verdict.notes
    (aside,) = [p for p in path.parent.iterdir() if p != path]
    assert aside.name in note and "was damaged" in note and "starts anew" in note
    assert aside.read_bytes() == DAMAGED[name]
    assert entries()["77.1"]["tries"] == 1
    assert not check("77.1", energy).notes


def test_a_damaged_file_on_the_board(path):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"{")
    board = progress()
    assert "was damaged" in repr(board) and "was damaged" in board._repr_html_() and "0 of 2" in repr(board)


def test_what_is_not_ours_in_the_file_stays(path):
    path.parent.mkdir(exist_ok=True)
    path.write_text('{"version": 1, "exercises": {"88.1": {"tries": 1, "passed": null, "later": 5}}}')
    check("77.1", energy)
    assert entries()["88.1"] == {"tries": 1, "passed": None, "later": 5}
    assert "88.1" not in repr(progress())


@pytest.mark.parametrize("kind", ["a folder in its place", "a file in the folder's place"])
def test_a_file_that_cannot_be_written(kind, path, monkeypatch, tmp_path):
    target = tmp_path / "place" / "progress.json"
    if kind == "a folder in its place":
        target.mkdir(parents=True)
    else:
        target.parent.write_text("")
    monkeypatch.setattr(settings, "_PROGRESS", str(target))
    verdict = check("77.1", energy)
    assert verdict.passed and "could not be saved" in verdict.notes[0] and "The verdict stands" in verdict.notes[0]
    assert "could not be saved" in repr(verdict) and "could not be saved" in verdict._repr_html_()
    assert "cannot be read" in repr(progress()) or "0 of 2" in repr(progress())


def test_a_full_disk(monkeypatch, path):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    verdict = check("77.1", energy)
    assert verdict.passed and "No space left on device" in verdict.notes[0]
    assert not list(path.parent.iterdir())


def test_a_progress_that_cannot_be_found_at_all(monkeypatch):
    def nowhere():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(settings, "progress_file", nowhere)
    assert check("77.1", energy).passed
    assert "0 of 2" in repr(progress())

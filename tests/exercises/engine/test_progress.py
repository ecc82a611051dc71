"""The progress file: passes are kept whatever happens to kernel, folder and notebook, and no trouble with it reaches the verdict."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from helpers import settings
from helpers.exercises import check, hint, progress, registry, solution
from helpers.exercises.engine import checking
from helpers.exercises.engine import progress as progress_file
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


def left_beside(path: Path) -> list[str]:
    """The names beside the progress file, the lock's aside: some systems keep it, empty."""
    lock = f".{path.name}.lock"
    assert not (path.parent / lock).exists() or not (path.parent / lock).stat().st_size
    return sorted({p.name for p in path.parent.iterdir()} - {path.name, lock})


def words(shown) -> str:
    """What is shown, without its line breaks."""
    return " ".join(repr(shown).split())


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
    assert left_beside(path) == []  # no half file is left


def test_a_stub_and_an_unknown_id_are_no_try(path):
    def stub(loc, scale): ...

    check("77.1", stub)
    check("99.9", energy)
    assert not path.exists()


@pytest.fixture
def three_lessons(monkeypatch):
    """Lessons 76, 77 and 78; nothing has been asked about in this kernel."""
    every = {"76": (replace(ENERGY, id="76.1"),), **LESSONS, "78": (replace(ENERGY, id="78.1"),)}
    monkeypatch.setattr(registry, "lessons", lambda: list(every))
    monkeypatch.setattr(registry, "exercises_of", every.__getitem__)
    monkeypatch.setattr(checking, "_lesson_here", [])


def test_the_board_says_it_in_words_and_in_html(three_lessons):
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
    for board in (text, shown):  # the others in a line each
        assert "Lesson 76" in board and "Lesson 78" in board and "76.1" not in board and "78.1" not in board
        assert 'progress("76")' in board.replace("&quot;", '"')


def shown_in_full(*asked) -> set[str]:
    return {lesson for lesson in ("76", "77", "78") if f"○ {lesson}.1" in repr(progress(*asked))}


def test_this_lesson_is_that_of_the_exercise_last_asked_about(three_lessons):
    assert shown_in_full() == set()  # nothing is known
    for ask in (hint, solution):
        ask("78.1")
        assert shown_in_full() == {"78"}
        ask("76.1")
        assert shown_in_full() == {"76"}

    def energy(loc, scale): ...

    check("78.1", energy)  # not attempted, and asked about
    hint("99.9")  # no such exercise
    assert shown_in_full() == {"78"}


def test_after_a_restart_it_is_that_of_the_exercise_last_tried(three_lessons, monkeypatch):
    for now, id in ((2, "76.1"), (3, "77.2"), (1, "78.1")):
        monkeypatch.setattr(progress_file, "datetime", SimpleNamespace(now=lambda _, now=now: datetime(2026, 1, now)))
        record(id, False)
    assert shown_in_full() == {"77"}
    settings.progress_file().write_text('{"version": 1, "exercises": {"76.1": {"tries": 1, "passed": null}}}')
    assert shown_in_full() == set()  # entries of the first version have no time


@pytest.mark.parametrize("asked", ["78", 78, "78.1", "lesson 78"])
def test_a_lesson_can_be_asked_for(three_lessons, asked):
    check("77.1", None)
    assert shown_in_full(asked) == {"78"}


@pytest.mark.parametrize("asked", ["79", "", -1, [], "78" * 5000, "the last", 3.5])
def test_a_lesson_that_is_not_there_is_said_in_a_sentence(three_lessons, asked):
    assert "There are 76, 77, 78." in words(progress(asked)) and shown_in_full(asked) == set()


def test_an_empty_board(path):
    assert "0 of 2" in repr(progress("77")) and "○ 77.1 An energy · ●○○ · 3 minutes" in repr(progress("77"))
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


LOCKS = """
import sys, time
from filelock import FileLock
lock = FileLock(sys.argv[1])
lock.acquire()
print("locked", flush=True)
time.sleep(60)
"""


def test_a_lock_is_respected_and_one_left_by_a_kill_is_not(path, monkeypatch):
    path.parent.mkdir(exist_ok=True)
    lock = path.with_name(f".{path.name}.lock")
    other = subprocess.Popen([sys.executable, "-c", LOCKS, str(lock)], stdout=subprocess.PIPE, text=True)
    assert other.stdout.readline() == "locked\n"
    monkeypatch.setattr(progress_file, "PATIENCE", 0.05)
    (note,) = record("77.1", True)
    assert "could not be saved" in note and not path.exists()
    other.kill()
    other.wait()
    assert lock.exists() and record("77.1", True) == [] and entries()["77.1"]["tries"] == 1


def test_a_disk_without_locks_keeps_progress_all_the_same(path, monkeypatch):
    def unsupported(*_):
        raise NotImplementedError("no flock here")

    monkeypatch.setattr(progress_file.FileLock, "acquire", unsupported)
    assert record("77.1", True) == [] and entries()["77.1"]["passed"]


def test_a_kill_while_writing_leaves_the_old_file(path, monkeypatch):
    record("77.1", True)
    before = path.read_bytes()

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        record("77.2", True)
    assert path.read_bytes() == before and left_beside(path) == []


OURS = {"version": 1, "exercises": {"77.2": {"tries": 3, "passed": None}}}
WRITTEN = json.dumps(OURS, indent=1, sort_keys=True)
DAMAGED = {
    "cut off": WRITTEN.encode()[:60],
    "cut off early": WRITTEN.encode()[:20],
    "cut off in UTF-16": WRITTEN.encode("utf-16")[:81],
    "an end that is no text": WRITTEN.encode()[:60] + b"\xff\xfe\x00",
    "a comma too many": WRITTEN.encode() + b",",
    "zeros": bytes(300),
    "an entry of another kind": b'{"exercises": {"77.1": true}}',
    "tries of another kind": b'{"exercises": {"77.1": {"tries": "3", "passed": null}}}',
    "misconceptions of another kind": b'{"exercises": {"77.1": {"tries": 3, "passed": null, "misconceptions": [1]}}}',
}


def snapshot(folder: Path) -> dict:
    return {p.name: (p.stat().st_mtime_ns, p.stat().st_ino, p.read_bytes()) for p in folder.iterdir() if p.is_file()}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_copied_aside_when_progress_is_written_and_not_before(name, path):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(DAMAGED[name])
    before = snapshot(path.parent)
    board = progress("77")
    assert "is damaged" in words(board) and "is damaged" in board._repr_html_() and "0 of 2" in repr(board)
    assert snapshot(path.parent) == before
    verdict = check("77.1", energy)
    assert verdict.passed
    (note,) = verdict.notes
    (aside,) = left_beside(path)
    assert aside in note and "was damaged" in note and "starts anew" in note
    assert path.with_name(aside).read_bytes() == DAMAGED[name]
    assert entries()["77.1"]["tries"] == 1
    assert not check("77.1", energy).notes


def test_one_damaged_entry_does_not_cost_the_others(path):
    path.parent.mkdir(exist_ok=True)
    path.write_text('{"version": 1, "exercises": {"77.1": 5, "77.2": {"tries": 3, "passed": "2026-01-31"}}}')
    assert "1 exercise could be read" in words(progress("77")) and "1 of 2" in repr(progress("77"))
    (note,) = record("77.1", False)
    assert "1 exercise could be read" in note and entries()["77.2"] == {"tries": 3, "passed": "2026-01-31"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_an_editor_may_have_saved_the_file_in_another_encoding(encoding, path):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(WRITTEN.encode(encoding))
    assert entries() == OURS["exercises"]
    assert record("77.2", True) == [] and entries()["77.2"]["tries"] == 4 and left_beside(path) == []


OTHERS = {
    "notes": b"# My notes\n\n77.1 took me an hour.\n",
    "notes in another encoding": "# Größe\n".encode("cp1252"),
    "a notebook": b'{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}',
    "no JSON": b"{not json",
    "a list": b"[1, 2]",
    "no exercises": b'{"version": 1}',
    "exercises of another kind": b'{"exercises": [1]}',
    "another program's exercises": b'{"exercises": {"squats": {"tries": 3, "passed": null}}}',
    "too deep": b"[" * 100_000,
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
    "a number": b"3",
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_file_of_somebody_else_is_left_alone_and_said_so(name, path):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(OTHERS[name])
    before = snapshot(path.parent)
    verdict, board = check("77.1", energy), progress("77")
    assert verdict.passed and "left alone" in verdict.notes[0] and "WORKBOOK_PROGRESS" in verdict.notes[0]
    assert "left alone" in words(board) and "0 of 2" in repr(board)
    assert snapshot(path.parent) == before  # not even a lock lies beside it


@pytest.mark.parametrize("contents", [b"", b"\n", b" \r\n"])
def test_an_empty_file_is_a_new_one(contents, path):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(contents)
    assert not progress("77").notes and not check("77.1", energy).notes and entries()["77.1"]["passed"]


def test_misconceptions_met_are_counted(path):
    for misconception in ("forgets-half", None, "forgets-half", "sign"):
        assert record("77.1", False, misconception) == []
    assert entries()["77.1"]["misconceptions"] == {"forgets-half": 2, "sign": 1} and entries()["77.1"]["tries"] == 4
    record("77.2", True)
    assert "misconceptions" not in entries()["77.2"]


def test_a_file_of_the_first_version_goes_on_and_keys_of_a_later_one_stay(path):
    path.parent.mkdir(exist_ok=True)
    entry = {"tries": 2, "passed": "2026-01-31T12:00:00+00:00"}
    later = {"version": 7, "exercises": {"77.1": {**entry, "stars": 3}, "77.2": entry}, "learner": {"name": "Zoë"}}
    path.write_text(json.dumps(later))
    assert record("77.1", False, "sign") == []
    kept = json.loads(path.read_text())
    assert kept["version"] == 7 and kept["learner"] == {"name": "Zoë"} and kept["exercises"]["77.2"] == entry
    assert kept["exercises"]["77.1"]["stars"] == 3 and kept["exercises"]["77.1"]["tries"] == 3
    assert kept["exercises"]["77.1"]["passed"] == entry["passed"]


@pytest.mark.parametrize("kind", ["itself", "a link"])
def test_the_null_device_means_that_nothing_is_kept(kind, path, monkeypatch):
    path.parent.mkdir(exist_ok=True)
    path.symlink_to(os.devnull)
    monkeypatch.setattr(settings, "_PROGRESS", os.devnull if kind == "itself" else str(path))
    before = os.stat(os.devnull)
    verdict = check("77.1", energy)
    assert verdict.passed and not verdict.notes and not progress("77").notes and "0 of 2" in repr(progress("77"))
    after = os.stat(os.devnull)
    assert (after.st_mode, after.st_rdev, after.st_ino) == (before.st_mode, before.st_rdev, before.st_ino)


@pytest.mark.parametrize("kind", ["/dev/zero", "/dev/full", "a pipe"])
def test_a_device_or_a_pipe_is_neither_read_nor_replaced(kind, path, monkeypatch):
    path.parent.mkdir(exist_ok=True)
    if kind == "a pipe":
        os.mkfifo(path)
    else:
        monkeypatch.setattr(settings, "_PROGRESS", kind)
    before = os.stat(settings.progress_file())
    verdict = check("77.1", energy)
    assert verdict.passed and "no regular file" in verdict.notes[0] and "no regular file" in words(progress("77"))
    after = os.stat(settings.progress_file())
    assert (after.st_mode, after.st_rdev, after.st_ino) == (before.st_mode, before.st_rdev, before.st_ino)


def test_what_is_not_ours_in_the_file_stays(path):
    path.parent.mkdir(exist_ok=True)
    path.write_text('{"version": 1, "exercises": {"88.1": {"tries": 1, "passed": null, "later": 5}}}')
    check("77.1", energy)
    assert entries()["88.1"] == {"tries": 1, "passed": None, "later": 5}
    assert "88.1" not in repr(progress("77")) and "88" not in repr(progress())


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
    assert not path.exists() and left_beside(path) == []


def test_a_progress_that_cannot_be_found_at_all(monkeypatch):
    def nowhere():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(settings, "progress_file", nowhere)
    assert check("77.1", energy).passed
    assert "0 of 2" in repr(progress())

"""A file is written whole or not at all."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from helpers.files import atomic_write

SIZE = 1 << 20


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file.txt"


def test_the_new_contents_replace_the_old_and_nothing_is_left_beside(path: Path):
    path.write_text("old")
    with atomic_write(path) as partial:
        assert partial.parent == path.parent and not partial.exists()
        partial.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_block_that_raises_leaves_the_old_contents_and_nothing_beside(path: Path, error: type[BaseException]):
    path.write_text("old")
    with pytest.raises(error), atomic_write(path) as partial:
        partial.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert os.listdir(path.parent) == [path.name]


def test_a_block_that_raises_before_it_writes_leaves_no_file(path: Path):
    with pytest.raises(ValueError), atomic_write(path):
        raise ValueError
    assert os.listdir(path.parent) == []


def test_a_replacement_that_fails_leaves_nothing_beside(path: Path):
    path.mkdir()
    with pytest.raises(OSError), atomic_write(path) as partial:
        partial.write_text("new")
    assert path.is_dir() and os.listdir(path.parent) == [path.name]


def test_missing_folders_are_created(tmp_path: Path):
    path = tmp_path / "a" / "b" / "file.txt"
    with atomic_write(path) as partial:
        partial.write_text("new")
    assert path.read_text() == "new"


def test_the_file_has_the_rights_of_any_new_file(path: Path):
    """As `open` gives them, by the process's mask: others may read what is there to be passed on."""
    with atomic_write(path) as partial:
        partial.write_text("new")
    plain = path.with_name("plain.txt")
    plain.write_text("plain")
    assert path.stat().st_mode == plain.stat().st_mode


def test_a_reader_sees_the_old_contents_or_the_new(path: Path):
    path.write_bytes(b"0" * SIZE)
    done = threading.Event()
    seen = []

    def read() -> None:
        while not done.is_set():
            contents = path.read_bytes()
            seen.append((len(contents), len(set(contents))))

    reader = threading.Thread(target=read)
    reader.start()
    for digit in b"123456789" * 5:
        with atomic_write(path) as partial:
            partial.write_bytes(bytes([digit]) * SIZE)
    done.set()
    reader.join()
    assert set(seen) == {(SIZE, 1)}


def test_two_writers_of_one_file_do_not_share_a_half_written_one(path: Path):
    with atomic_write(path) as first, atomic_write(path) as second:
        first.write_text("first")
        second.write_text("second")
    assert path.read_text() == "first"  # the outer block ends last
    assert os.listdir(path.parent) == [path.name]

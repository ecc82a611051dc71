"""What decks are written with, and what tells whether one is up to date."""

from __future__ import annotations

import os
from pathlib import Path

from slides.files import fingerprint, fingerprint_of_files, write


def test_text_and_bytes_are_written_whole_into_new_folders(tmp_path: Path):
    path = tmp_path / "new" / "deck.html"
    assert write(path, "é") == path
    assert path.read_bytes() == "é".encode()
    write(path, b"\x00")
    assert path.read_bytes() == b"\x00" and os.listdir(path.parent) == [path.name]


def test_a_fingerprint_depends_on_values_and_not_on_the_order_of_keys():
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert len({fingerprint(1, 2), fingerprint(2, 1), fingerprint([1, 2]), fingerprint("1", 2)}) == 4


def test_a_fingerprint_of_files_depends_on_contents_and_relative_paths_only(tmp_path: Path):
    def of(folder: str, **contents: str) -> str:
        paths = [write(tmp_path / folder / name, text) for name, text in contents.items()]
        return fingerprint_of_files(paths, tmp_path / folder)

    assert of("one", a="x", b="y") == of("two", b="y", a="x")
    assert len({of("3", a="x", b="y"), of("4", a="y", b="x"), of("5", a="x"), of("6", a="x", c="y")}) == 4

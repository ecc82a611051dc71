"""A file is written whole or not at all."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from helpers.files import atomic_write, keeps_nothing, remove_abandoned

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


def test_a_writer_that_makes_private_files_leaves_one_that_others_may_read(path: Path):
    """As safetensors does: a teacher's weights are for the class."""
    with atomic_write(path) as partial:
        os.close(os.open(partial, os.O_CREAT | os.O_WRONLY, 0o600))
    plain = path.with_name("plain.txt")
    plain.write_text("plain")
    assert path.stat().st_mode == plain.stat().st_mode


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
def test_an_existing_file_keeps_its_mode(path: Path, mode: int):
    path.write_text("old")
    path.chmod(mode)
    with atomic_write(path) as partial:
        partial.write_text("new")
    assert stat.S_IMODE(path.stat().st_mode) == mode and path.read_text() == "new"


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


SPECIAL = {
    "a folder": Path.mkdir,
    "a pipe": os.mkfifo,
    "a socket": a_socket,
    "a link to a folder": lambda path: path.symlink_to("/"),
    "a link to a device": lambda path: path.symlink_to("/dev/zero"),
    "a link to a pipe": lambda path: (os.mkfifo(path.with_name("pipe")), path.symlink_to("pipe")),
}


@pytest.mark.parametrize("kind", SPECIAL)
def test_only_a_regular_file_is_replaced(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)  # the path of a socket is at most 108 bytes long
    SPECIAL[kind](Path("it"))
    before = {name: os.lstat(name).st_ino for name in os.listdir()}
    with pytest.raises(OSError, match="expected a regular file") as caught, atomic_write(Path("it")) as partial:
        partial.write_text("new")
    assert kind.split()[-1] in str(caught.value)
    assert {name: os.lstat(name).st_ino for name in os.listdir()} == before


def test_a_path_that_becomes_a_folder_during_the_block_is_left_alone(path: Path):
    with pytest.raises(IsADirectoryError, match="expected a regular file"), atomic_write(path) as partial:
        partial.write_text("new")
        path.mkdir()
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("linked", [False, True])
def test_the_null_device_keeps_nothing_and_stays_a_device(linked: bool, path: Path):
    if linked:
        path.symlink_to(os.devnull)
    before = os.stat(os.devnull)
    with atomic_write(path if linked else Path(os.devnull)) as partial:
        partial.write_text("new")
        assert partial.parent != Path(os.devnull).parent
    assert not partial.exists()
    after = os.stat(os.devnull)
    assert (after.st_ino, after.st_mode, after.st_rdev) == (before.st_ino, before.st_mode, before.st_rdev)
    assert keeps_nothing(path) is linked and not keeps_nothing(path.with_name("no such file"))


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_stays_and_its_target_is_written(exists: bool, tmp_path: Path):
    target, link, chain = tmp_path / "a/target.txt", tmp_path / "link.txt", tmp_path / "chain.txt"
    link.symlink_to("a/target.txt")
    chain.symlink_to("link.txt")
    if exists:
        target.parent.mkdir()
        target.write_text("old")
    with atomic_write(chain) as partial:
        assert partial.parent == target.parent  # on the target's disk, or it could not be replaced in one step
        partial.write_text("new")
    assert chain.is_symlink() and link.is_symlink() and not target.is_symlink() and target.read_text() == "new"
    assert os.listdir(target.parent) == [target.name]


def test_a_write_protected_file_is_left_alone(path: Path, monkeypatch: pytest.MonkeyPatch):
    path.write_text("old")
    path.chmod(0o444)
    monkeypatch.setattr(os, "access", lambda _, mode: mode == os.R_OK)  # root may write everything
    with pytest.raises(PermissionError, match="write-protected"), atomic_write(path) as partial:
        partial.write_text("new")
    assert path.read_text() == "old" and os.listdir(path.parent) == [path.name]


KILLED = """
import os, signal, sys
from pathlib import Path
from helpers.files import atomic_write
with atomic_write(Path(sys.argv[1])) as partial:
    partial.write_text("half")
    if sys.argv[2] == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    print("writing", flush=True)
    sys.stdin.read()
"""


def writer(path: Path, what: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path), what], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_what_a_kill_leaves_is_removed_at_the_next_write_and_a_live_writer_is_let_alone(path: Path):
    path.write_text("old")
    live = writer(path, "lives")
    assert live.stdout.readline() == "writing\n"
    (of_the_live,) = set(os.listdir(path.parent)) - {path.name}
    assert writer(path, "dies").wait(timeout=60) != 0
    assert len(os.listdir(path.parent)) == 3
    with atomic_write(path) as partial:
        partial.write_text("new")
    assert set(os.listdir(path.parent)) == {path.name, of_the_live}
    live.communicate("")
    assert path.read_text() == "half" and os.listdir(path.parent) == [path.name]


def test_only_partial_files_of_this_file_are_removed(path: Path):
    dead = writer(path, "dies")
    assert dead.wait(timeout=60) != 0
    (own,) = os.listdir(path.parent)
    machine = own.split(".")[-2].split("-")[0]
    others = {
        "of another file": own.replace("file.txt", "file.txt2"),
        "of a name that ends alike": own.replace(".file.txt", ".my.file.txt"),
        "of another machine": own.replace(machine, "0badcafe"),
        "of a learner": ".file.txt.notes.partial",
        "visible": own.removeprefix("."),
        "of another kind": own.replace(".partial", ".part"),
    }
    for name in others.values():
        path.with_name(name).write_text("mine")
    folder = path.with_name(own[:-9] + "0.partial")
    remove_abandoned(path)
    assert set(os.listdir(path.parent)) == set(others.values())
    for name in (others["of another machine"], others["of a learner"]):
        os.utime(path.with_name(name), (1, 1))  # untouched since 1970
    folder.mkdir()
    remove_abandoned(path)
    assert set(os.listdir(path.parent)) == set(others.values()) - {others["of another machine"]} | {folder.name}

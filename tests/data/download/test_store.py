"""Files are found, verified, fetched, and never left half-written."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pytest

from helpers import settings
from helpers.data.download.contents import unzipped
from helpers.data.download.store import DataUnavailable, read

ROOT = Path(__file__).resolve().parents[3]
CONTENTS = bytes(range(256)) * 40
UNREACHABLE = ("http://data.example/pixels.gz",)


def put(folder: Path, path: str, contents: bytes) -> Path:
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(contents)
    return target


@pytest.mark.parametrize("zipped", [True, False], ids=["as distributed", "as torchvision extracts it"])
def test_a_good_file_is_read_without_network(data_folder, server, zipped):
    file = replace(server.data_file(CONTENTS), urls=UNREACHABLE)
    put(data_folder, file.path + ".gz" * zipped, gzip.compress(CONTENTS) if zipped else CONTENTS)
    assert read(file) == CONTENTS


def test_a_missing_file_is_downloaded_kept_and_not_downloaded_again(data_folder, server):
    file = server.data_file(CONTENTS)
    assert read(file) == CONTENTS
    kept = data_folder / "set/raw/pixels.gz"
    assert gzip.decompress(kept.read_bytes()) == CONTENTS
    assert [path.name for path in kept.parent.iterdir()] == ["pixels.gz"], "something was left beside the file"
    server.pages.clear()
    assert read(file) == CONTENTS


def test_without_network_the_error_is_quick_and_names_file_and_remedy(data_folder, server):
    file = replace(server.data_file(CONTENTS), urls=UNREACHABLE)
    begin = time.perf_counter()
    with pytest.raises(
        DataUnavailable, match=r"set/raw/pixels was not found in .*data\.example.*WORKBOOK_DATA"
    ) as error:
        read(file)
    assert time.perf_counter() - begin < 2
    assert "\n" not in str(error.value)


def test_an_address_that_never_answers_does_not_keep_anyone_waiting(data_folder, server, monkeypatch):
    file = replace(server.data_file(CONTENTS), urls=UNREACHABLE)
    monkeypatch.setattr(settings, "_TIMEOUT", "0.1")
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: time.sleep(3))
    begin = time.perf_counter()
    with pytest.raises(DataUnavailable, match="no answer within 0.1 seconds; WORKBOOK_TIMEOUT=0.2 would wait longer"):
        read(file)
    assert time.perf_counter() - begin < 2


def test_the_network_can_be_forbidden(data_folder, server):
    with pytest.raises(DataUnavailable, match="network may not be used"):
        read(server.data_file(CONTENTS), network=False)
    assert not server.requests
    assert not data_folder.exists(), "a look-up made a folder"


def test_the_second_address_stands_in_for_the_first(data_folder, server):
    file = server.data_file(CONTENTS)
    assert read(replace(file, urls=(server.address + "/nothing.gz", *file.urls))) == CONTENTS


def damaged(zipped: bytes) -> dict[str, bytes]:
    flipped = bytearray(zipped)
    flipped[len(flipped) // 2] ^= 1
    other = bytearray(CONTENTS)
    other[17] ^= 1
    return {
        "truncated": zipped[: len(zipped) // 2],
        "one bit flipped": bytes(flipped),
        "another whole file": gzip.compress(bytes(other)),
        "empty": b"",
        "a web page": b"<html>please log in</html>",
        "far too long": gzip.compress(bytes(50 * len(CONTENTS))),
    }


DAMAGES = list(damaged(gzip.compress(CONTENTS)))


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_named_with_both_sums_and_fetched_again(data_folder, server, capsys, damage):
    file = server.data_file(CONTENTS)
    bad = put(data_folder, file.path + ".gz", damaged(gzip.compress(CONTENTS))[damage])
    assert read(file) == CONTENTS
    notice = capsys.readouterr().out
    assert str(bad) in notice and file.sha256 in notice and notice.count("sha256") == 2
    assert "downloaded again" in notice and notice.count("\n") == 1
    assert gzip.decompress(bad.read_bytes()) == CONTENTS


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_without_network_is_an_error_and_stays_as_it_was(data_folder, server, damage):
    file = replace(server.data_file(CONTENTS), urls=UNREACHABLE)
    bad = put(data_folder, file.path + ".gz", damaged(gzip.compress(CONTENTS))[damage])
    before = bad.read_bytes()
    with pytest.raises(
        DataUnavailable, match=f"{bad} is (truncated|altered).*{file.sha256}.*but are .* bytes.*WORKBOOK"
    ):
        read(file)
    assert bad.read_bytes() == before


def test_a_damaged_download_is_never_kept(data_folder, server):
    file = server.data_file(CONTENTS)
    server.pages["/set/raw/pixels.gz"] = gzip.compress(CONTENTS[:-1])
    with pytest.raises(DataUnavailable, match=f"what came is truncated.*{file.sha256}"):
        read(file)
    assert list((data_folder / "set/raw").iterdir()) == []


def test_a_zip_bomb_is_not_unzipped_beyond_the_size(data_folder, server):
    bomb = bytearray(gzip.compress(bytes(1 << 26)))
    assert len(unzipped(bomb, 1000)[0]) == 1001


def test_the_user_cache_stands_in_for_a_data_folder_that_cannot_be_written(data_folder, server, tmp_path):
    data_folder.write_text("a file where the folder should be")  # stops the superuser too, unlike permissions
    file = server.data_file(CONTENTS)
    assert read(file) == CONTENTS
    assert (tmp_path / "cache/set/raw/pixels.gz").is_file()
    server.pages.clear()
    assert read(file) == CONTENTS


def test_a_damaged_file_in_a_folder_that_cannot_be_written_stays_and_the_good_copy_is_used(
    data_folder, server, tmp_path, monkeypatch, capsys
):
    file = server.data_file(CONTENTS)
    bad = put(data_folder, file.path + ".gz", b"altered")
    refuse_to_write_under(data_folder, monkeypatch)
    assert read(file) == CONTENTS
    assert bad.read_bytes() == b"altered"
    server.pages.clear()
    capsys.readouterr()
    assert read(file) == CONTENTS
    assert f"The copy in {tmp_path / 'cache'} is used" in capsys.readouterr().out


def test_where_nothing_can_be_kept_the_download_is_used_from_memory(data_folder, server, tmp_path, capsys):
    data_folder.write_text("a file where the folder should be")
    (tmp_path / "cache").write_text("and another")
    assert read(server.data_file(CONTENTS)) == CONTENTS
    assert "could not be kept" in capsys.readouterr().out


def test_a_move_that_fails_does_not_lose_the_download(data_folder, server, monkeypatch, capsys):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", refuse)
    assert read(server.data_file(CONTENTS)) == CONTENTS
    assert "could not be kept" in capsys.readouterr().out


def refuse_to_write_under(folder: Path, monkeypatch) -> None:
    real = tempfile.TemporaryFile

    def temporary_file(*arguments, dir=None, **more):
        if str(dir).startswith(str(folder)):
            raise PermissionError(13, "Permission denied", str(dir))
        return real(*arguments, dir=dir, **more)

    monkeypatch.setattr(tempfile, "TemporaryFile", temporary_file)


def test_two_processes_that_fetch_at_once_both_end_well(server, tmp_path):
    contents = os.urandom(300_000)
    file = server.data_file(contents, zipped=False)
    server.hold = 4  # a process asks twice, where the address leads and for the file: both are inside at once
    script = f"""
from helpers.data.download.manifest import DataFile
from helpers.data.download.store import read
assert len(read({file!r})) == {len(contents)}
"""
    environment = os.environ | {
        "WORKBOOK_DATA": str(tmp_path),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "PYTHONPATH": str(ROOT),
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }
    both = [
        subprocess.Popen([sys.executable, "-c", script], env=environment, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for process in both:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    assert server.requests["/set/raw/pixels"] >= 4, "the two never ran side by side"
    assert [path.name for path in (tmp_path / "set/raw").iterdir()] == ["pixels"]
    assert (tmp_path / "set/raw/pixels").read_bytes() == contents


def test_a_slow_address_has_the_seconds_that_are_set(data_folder, server, monkeypatch):
    """As a proxy that first inspects what it passes on: too slow for a short limit, in time for a longer one."""
    file = server.data_file(CONTENTS)
    server.delay = 0.4
    monkeypatch.setattr(settings, "_TIMEOUT", "0.1")
    with pytest.raises(DataUnavailable, match="no answer within 0.1 seconds; WORKBOOK_TIMEOUT=0.2"):
        read(file)
    monkeypatch.setattr(settings, "_TIMEOUT", "20")
    assert read(file) == CONTENTS

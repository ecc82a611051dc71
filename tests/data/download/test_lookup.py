"""Data files are found by their contents, whatever their names and folders; what lies there instead is named."""

from __future__ import annotations

import gzip
import json
import pickle
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from helpers.data.download import lookup
from helpers.data.download.manifest import MANIFEST, DataFile
from helpers.data.download.store import DataUnavailable, read

PIXELS = b"\0\0\x08\x03" + bytes(range(256)) * 40
NAME = "train-images-idx3-ubyte"


@pytest.fixture
def file(server) -> DataFile:
    return replace(server.data_file(PIXELS, f"MNIST/raw/{NAME}"), urls=("http://data.example/x.gz",))


def put(path: Path, contents: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(contents)
    return path


PLACES = [
    "train-images.idx3-ubyte",
    NAME,
    f"{NAME}.gz",
    "train-images-idx3-ubyte (1).gz",
    f"raw/{NAME}",
    "MNIST/train-images.idx3-ubyte",
    f"MNIST/raw/{NAME}/{NAME}",
    f"datasets/MNIST/raw/{NAME}.gz",
    f"mnist/raw/{NAME}",
    "anything.bin",
    "a folder with spaces/é.gz",
]


@pytest.mark.parametrize("place", PLACES)
def test_a_file_is_found_under_any_name(data_folder, file, place, capsys):
    put(data_folder / place, gzip.compress(PIXELS) if place.endswith(".gz") else PIXELS)
    put(data_folder / "other/train-images-idx3-ubyte", bytes(len(PIXELS)))  # the same size and name, other contents
    assert read(file) == PIXELS
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("off", ["MNIST", "MNIST/raw", ""])
def test_the_data_folder_may_be_one_folder_off(data_folder, file, off, monkeypatch):
    from helpers import settings

    put(data_folder / f"MNIST/raw/{NAME}", PIXELS)
    monkeypatch.setattr(settings, "data_dir", lambda: data_folder / off if off else data_folder.parent)
    assert read(file) == PIXELS


def test_a_faulty_file_in_its_place_is_named_and_a_good_one_elsewhere_is_used(data_folder, file, capsys):
    bad = put(data_folder / f"MNIST/raw/{NAME}", PIXELS[:-1])
    good = put(data_folder / "copy" / NAME, PIXELS)
    assert read(file) == PIXELS
    notice = capsys.readouterr().out
    assert f"{bad} is truncated" in notice and f"The copy {good} is used" in notice


def members(*parts: bytes) -> bytes:
    return b"".join(gzip.compress(part) for part in parts)


@pytest.mark.parametrize(
    "raw",
    [
        members(PIXELS[:10], PIXELS[10:]),
        members(PIXELS[:5000], b"", PIXELS[5000:]),
        members(*(PIXELS[i : i + 1000] for i in range(0, len(PIXELS), 1000))),
        members(PIXELS) + bytes(512),  # padded
        members(PIXELS) + b"\nsignature",
        gzip.compress(members(PIXELS)),  # twice
    ],
    ids=["two members", "an empty member", "eleven members", "padding", "something behind", "zipped twice"],
)
def test_gzip_files_of_other_makes(data_folder, file, raw):
    put(data_folder / f"MNIST/raw/{NAME}.gz", raw)
    assert read(file) == PIXELS


def test_the_line_ends_of_windows_are_no_fault(data_folder, server):
    text = b"0 1 1 0\n" * 500
    file = replace(server.data_file(text, "binarized_mnist/binarized_mnist_train.amat", zipped=False), urls=())
    put(data_folder / file.path, text.replace(b"\n", b"\r\n"))
    assert read(file) == text
    (data_folder / file.path).rename(data_folder / "binarized_mnist_train.amat")
    assert read(file) == text


def a_zip() -> bytes:
    import io

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a", "b")
    return buffer.getvalue()


OTHERS = {
    "a web page": (b"<!DOCTYPE html>\n<html><body>Log in</body></html>", "a web page .HTML."),
    "a page with a mark": (b"\xef\xbb\xbf  <html>", "a web page .HTML."),
    "a zipped page": (gzip.compress(b"<html>not found</html>"), "a web page .HTML."),
    "a pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 9\n", "a Git LFS pointer"),
    "cut off": (gzip.compress(PIXELS)[:120], "damaged or cut off after 120 bytes"),
    "cut off in the header": (gzip.compress(PIXELS)[:5], "damaged or cut off after 5 bytes"),
    "damaged": (gzip.compress(PIXELS)[:60] + b"\xff" * 60, "damaged or cut off after 120 bytes"),
    "a zip": (a_zip(), "a zip archive"),
    "nothing": (b"", "an empty file"),
    "a pickle": (pickle.dumps({"train": [1]}), "a pickle"),
    "an old pickle": (pickle.dumps({"train": [1]}, protocol=0), "a pickle"),
    "a server's error": (b'<?xml version="1.0"?><Error>AccessDenied</Error>', "an XML page"),
    "other images": (b"\0\0\x08\x03\0\0\0\x02\0\0\0\x1c\0\0\0\x1c" + bytes(1568), r"an IDX file of shape \[2, 28, 28\]"),
    "xz": (b"\xfd7zXZ\0\0", "an xz archive"),
    "an array": (b"\x93NUMPY\x01\0", "a NumPy array"),
    "JSON": (json.dumps({"train": []}).encode(), "JSON of other contents"),
}  # fmt: skip


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("place", [f"MNIST/raw/{NAME}.gz", f"MNIST/raw/{NAME}", "train-images.idx3-ubyte"])
def test_what_lies_there_instead_is_named(data_folder, file, other, place):
    raw, words = OTHERS[other]
    path = put(data_folder / place, raw)
    with pytest.raises(DataUnavailable, match=words) as error:
        read(file)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_another_data_sets_file_is_recognised_by_its_sum(data_folder, file, monkeypatch):
    fashion = bytes(reversed(PIXELS))
    import hashlib

    entry = DataFile(f"FashionMNIST/raw/{NAME}", len(fashion), hashlib.sha256(fashion).hexdigest(), ())
    monkeypatch.setitem(MANIFEST, "fashion_mnist", {"train_images": entry})
    for place in (f"MNIST/raw/{NAME}", f"raw/{NAME}.gz"):
        path = put(data_folder / place, gzip.compress(fashion) if place.endswith("gz") else fashion)
        with pytest.raises(DataUnavailable, match=f"{path} is altered.*this is FashionMNIST's {NAME}"):
            read(file)
        path.unlink()


def test_a_data_folder_that_is_a_file_is_named(data_folder, file, tmp_path):
    data_folder.write_bytes(b"PK")
    with pytest.raises(DataUnavailable, match=f"{data_folder} is a file; a folder was expected"):
        read(file)


def test_a_large_folder_costs_a_moment_only(data_folder, file, monkeypatch):
    for number in range(30):
        put(data_folder / f"{number}" / "x.gz", gzip.compress(bytes(1000)))
    put(data_folder / "z" / "b" / "c" / "d" / "e" / NAME, PIXELS)  # too deep
    opened = []
    real = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: (opened.append(path), real(path))[1])
    with pytest.raises(DataUnavailable):
        read(file)
    assert len(opened) == lookup.MOST_READ
    put(data_folder / "z" / "b" / "c" / "d" / NAME, PIXELS)
    assert read(file) == PIXELS, "what is like it by name is read first"
    monkeypatch.setattr(lookup, "MOST_ENTRIES", 10)
    with pytest.raises(DataUnavailable):
        read(file)


def test_without_a_home_folder_a_download_is_used_from_memory(server, monkeypatch, capsys):
    import pwd

    from helpers import settings

    def nobody(*_):
        raise KeyError("uid not found")

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    monkeypatch.setattr(settings, "_DATA", None)
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    page = server.data_file(PIXELS)
    assert read(page) == PIXELS
    assert "used from memory" in capsys.readouterr().out
    with pytest.raises(DataUnavailable, match="no home folder. Set HOME, or WORKBOOK_DATA to a place"):
        read(page, network=False)


def test_a_name_that_is_another_data_files_is_no_hint():
    """Where the test part is missing, the train and valid parts beside it are not called altered."""
    parts = MANIFEST["binarized_mnist"]
    test = next(file for file in parts.values() if "test" in file.path)
    for file in parts.values():
        assert lookup._is_like(Path(file.path).name, test) == (file is test)
        assert lookup._is_like(f"{Path(file.path).name}.gz", test) == (file is test)
    assert lookup._is_like("binarized-mnist-test (1).amat", test)

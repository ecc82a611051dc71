"""Other people's files: pinned, checked, and never taken on trust."""

from __future__ import annotations

import hashlib
import re
import subprocess
import zipfile

import pytest

from slides import assets
from slides.assets import Asset, AssetError, load_assets, unpack, why_pip_failed


@pytest.fixture
def one_asset(monkeypatch):
    """A single asset with known contents."""
    known = {"a.js": Asset("package/a.js", hashlib.sha256(b"a()").hexdigest())}
    monkeypatch.setattr(assets, "ASSETS", known)


def wheel(folder, contents):
    with zipfile.ZipFile(folder / "package-1-py3-none-any.whl", "w") as archive:
        archive.writestr("package/a.js", contents)
    return folder


def test_sound_files_are_not_fetched_again(one_asset, tmp_path, monkeypatch):
    monkeypatch.setattr(assets, "fetch", lambda folder: pytest.fail("fetched"))
    (tmp_path / "a.js").write_bytes(b"a()")
    assert load_assets(tmp_path) == {"a.js": "a()"}


@pytest.mark.parametrize("left", [None, b"", b"b()"], ids=["missing", "empty", "altered"])
def test_a_missing_or_altered_file_is_fetched(left, one_asset, tmp_path, monkeypatch):
    if left is not None:
        (tmp_path / "a.js").write_bytes(left)
    monkeypatch.setattr(assets, "fetch", lambda folder: (folder / "a.js").write_bytes(b"a()"))
    assert load_assets(tmp_path) == {"a.js": "a()"}


def test_a_wheel_with_other_contents_is_refused(one_asset, tmp_path):
    with pytest.raises(AssetError, match="package/a.js has sha256"):
        unpack(wheel(tmp_path, b"b()"), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    unpack(wheel(tmp_path, b"a()"), tmp_path / "out")
    assert (tmp_path / "out/a.js").read_bytes() == b"a()"


def test_a_wheel_without_the_file_is_refused(one_asset, tmp_path):
    with pytest.raises(AssetError, match="None of the wheels in assets.txt holds package/a.js"):
        unpack(tmp_path, tmp_path / "out")


def test_without_network_the_remedy_is_said(one_asset, tmp_path, monkeypatch):
    said = (
        "WARNING: Retrying after connection broken by 'NewConnectionError(...)'\nERROR: No matching distribution found"
    )
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: subprocess.CompletedProcess(a, 1, "", said))
    with pytest.raises(AssetError, match="package index could not be reached.*repeat make slides"):
        load_assets(tmp_path)


def test_another_wheel_than_the_pinned_one_is_told_apart():
    assert "not the one that assets.txt pins" in why_pip_failed("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES")
    assert "It said:\nsome trouble" in why_pip_failed("some trouble")


def test_every_wheel_is_pinned_by_version_and_hash():
    lines = [line for line in assets.PINS.read_text().splitlines() if not line.startswith("#")]
    assert len(lines) == 2 and all(re.fullmatch(r"[a-z-]+==[0-9.]+ --hash=sha256:[0-9a-f]{64}", line) for line in lines)

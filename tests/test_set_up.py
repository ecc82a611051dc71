"""The set-up report names what is missing, and its remedy; and never raises."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import torch

from helpers import set_up, settings
from helpers.data.download import store


def test_here_everything_is_fine_and_every_line_is_printed(capsys: pytest.CaptureFixture):
    set_up.print_report()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == ["python", "versions", "device", "data"]
    assert all(line.startswith("ok") for line in lines)
    assert f"torch {metadata.version('torch')}" in lines[1]
    assert sys.executable in lines[0] and f"helpers of {set_up.HOME}" in lines[0]
    assert "cpu" in lines[2] and "cores" in lines[2]
    assert set_up.first_line() == lines[0], "the first cells of lessons and this report say the same"


def test_a_package_that_is_too_old_and_one_that_is_missing_are_named(monkeypatch: pytest.MonkeyPatch):
    original = metadata.version

    def version(name: str) -> str:
        if name == "tqdm":
            raise metadata.PackageNotFoundError(name)
        return "2.8.1+cpu" if name == "torch" else original(name)

    monkeypatch.setattr(metadata, "version", version)
    finding = set_up.versions()
    assert not finding.ok
    assert "torch 2.9 is asked for, 2.8.1+cpu is here" in finding.message
    assert "this Python lacks tqdm;" in finding.message
    assert "make lab" in finding.message and "numpy" not in finding.message
    assert str(finding) in set_up.first_line()


def test_what_only_jupyterlab_needs_is_no_fault(monkeypatch: pytest.MonkeyPatch):
    original = metadata.version

    def version(name: str) -> str:
        if name in ("jupyterlab", "nbval", "jupytext"):
            raise metadata.PackageNotFoundError(name)
        return original(name)

    monkeypatch.setattr(metadata, "version", version)
    assert set_up.versions().ok and "jupyterlab" not in set_up.versions().message


def test_a_package_that_is_no_checkout_and_not_installed_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(set_up, "PROJECT", "no-such-project")
    monkeypatch.setattr(set_up, "HOME", tmp_path)
    assert str(set_up.versions()).startswith("!!") and "make lab" in set_up.versions().message


def test_installed_without_a_checkout_the_requirements_are_the_packages(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    of_checkout = set_up.requirements()
    monkeypatch.setattr(set_up, "HOME", tmp_path)
    monkeypatch.setattr(metadata, "requires", lambda name: [*of_checkout, 'no-such-package>=1; extra == "lab"'])
    assert set_up.versions().ok


def test_a_python_that_is_too_old_is_named_with_one_that_is_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(set_up.sys, "version_info", (3, 8, 18))
    monkeypatch.setattr(set_up, "HOME", tmp_path)
    assert "3.11 or newer is needed. Choose a kernel of a newer Python" in set_up.first_line()
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/python").write_text("")
    assert f"3.11 or newer is needed. Choose the kernel {tmp_path / '.venv/bin/python'}" in set_up.first_line()


def test_the_oldest_python_is_that_of_the_project():
    project = tomllib.loads((set_up.HOME / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == ">=" + ".".join(map(str, set_up.OLDEST_PYTHON))
    assert project["name"] == set_up.PROJECT


def test_versions_compare_as_numbers():
    assert set_up.release_numbers("2.13.0+cpu") == (2, 13, 0) > set_up.release_numbers("2.9.1")
    assert set_up.release_numbers("2026.10.18") > set_up.release_numbers("2026.9")


def test_a_device_that_multiplies_wrongly_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.Tensor, "to", lambda self, device: self * 1.01)
    finding = set_up.device()
    assert not finding.ok and "WORKBOOK_DEVICE=cpu" in finding.message


def test_a_cold_start_is_not_what_is_reported(monkeypatch: pytest.MonkeyPatch):
    readings = iter([0.0, 0.032, 1.0, 1.003, 2.0, 2.001, 3.0, 3.0007, 4.0, 4.002])
    monkeypatch.setattr(set_up.time, "perf_counter", lambda: next(readings))
    assert "matrix product in 0.7 ms" in set_up.device().message


def test_data_says_found_or_what_lessons_will_do_and_never_downloads(monkeypatch: pytest.MonkeyPatch, tmp_path):
    monkeypatch.setattr(store, "_download", lambda *_: pytest.fail("a download was tried"))
    monkeypatch.setattr(settings, "_DATA", str(tmp_path))
    monkeypatch.setattr(settings, "cache_dir", lambda: tmp_path / "cache")
    assert "packaged digits" in set_up.data().message and set_up.data().ok
    monkeypatch.setattr(store, "read", lambda file, network: bytearray())
    assert "found in the folder WORKBOOK_DATA" in set_up.data().message


def test_a_line_that_cannot_be_checked_does_not_end_the_report(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    def broken():
        raise OSError("the disk said no")

    monkeypatch.setattr(set_up, "device", broken)
    set_up.print_report()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4 and lines[2].startswith("!!") and "the disk said no" in lines[2]


WITHOUT = """
import sys
sys.modules["ipywidgets"] = None
if sys.argv[1] == "torch":
    sys.modules["torch"] = None
from helpers import set_up
assert "torch" not in sys.modules or sys.modules["torch"] is None
set_up.print_report()
"""


@pytest.mark.parametrize("missing", ["ipywidgets", "torch"])
def test_it_speaks_without_ipywidgets_and_without_torch(missing: str):
    done = subprocess.run([sys.executable, "-c", WITHOUT, missing], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    python, versions, device, data = done.stdout.splitlines()
    assert device[:2] == ("ok" if missing == "ipywidgets" else "!!") and "torch" in device
    assert (python[:2], versions[:2]) == ("ok", "ok")

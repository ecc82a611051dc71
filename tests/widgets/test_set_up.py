"""The set-up check names what is missing, and its remedy; and never raises."""

from __future__ import annotations

from importlib import metadata

import pytest
import torch

from helpers import settings
from helpers.data.download import store
from helpers.widgets import set_up


def test_here_everything_is_fine_and_every_line_is_printed(capsys: pytest.CaptureFixture):
    set_up.check_set_up()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == ["kernel", "versions", "device", "data"]
    assert all(line.startswith("ok") for line in lines)
    assert f"torch {metadata.version('torch')}" in lines[1]
    assert "cpu" in lines[2]


def test_a_package_that_is_too_old_and_one_that_is_missing_are_named(monkeypatch: pytest.MonkeyPatch):
    original = metadata.version

    def version(name: str) -> str:
        if name == "tqdm":
            raise metadata.PackageNotFoundError(name)
        return "2.9.1+cpu" if name == "torch" else original(name)

    monkeypatch.setattr(metadata, "version", version)
    finding = set_up.versions()
    assert not finding.fine
    assert "torch 2.13 is asked for, 2.9.1+cpu is here" in finding.words
    assert "tqdm 4.66 is asked for, none is here" in finding.words
    assert "make lab" in finding.words and "numpy" not in finding.words


def test_another_kernel_than_the_workbooks_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(set_up, "PROJECT", "no-such-project")
    assert str(set_up.versions()).startswith("!!") and "make lab" in set_up.versions().words


def test_versions_compare_as_numbers():
    assert set_up.numbers("2.13.0+cpu") == (2, 13, 0) > set_up.numbers("2.9.1")
    assert set_up.numbers("2026.10.18") > set_up.numbers("2026.9")


def test_a_device_that_multiplies_wrongly_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.Tensor, "to", lambda self, device: self * 1.01)
    finding = set_up.device()
    assert not finding.fine and "WORKBOOK_DEVICE=cpu" in finding.words


def test_a_cold_start_is_not_what_is_reported(monkeypatch: pytest.MonkeyPatch):
    readings = iter([0.0, 0.032, 1.0, 1.003, 2.0, 2.001, 3.0, 3.0007, 4.0, 4.002])
    monkeypatch.setattr(set_up.time, "perf_counter", lambda: next(readings))
    assert "matrix product in 0.7 ms" in set_up.device().words


def test_data_says_found_or_what_lessons_will_do_and_never_downloads(monkeypatch: pytest.MonkeyPatch, tmp_path):
    monkeypatch.setattr(store, "_download", lambda *_: pytest.fail("a download was tried"))
    monkeypatch.setattr(settings, "_DATA", str(tmp_path))
    monkeypatch.setattr(settings, "cache_dir", lambda: tmp_path / "cache")
    assert "packaged digits" in set_up.data().words and set_up.data().fine
    monkeypatch.setattr(store, "read", lambda file, network: bytearray())
    assert "found in the folder WORKBOOK_DATA" in set_up.data().words


def test_a_line_that_cannot_be_checked_does_not_end_the_report(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    def broken():
        raise OSError("the disk said no")

    monkeypatch.setattr(set_up, "device", broken)
    set_up.check_set_up()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4 and lines[2].startswith("!!") and "the disk said no" in lines[2]


def test_the_heartbeat_waits_then_says_that_the_page_answered():
    heartbeat = set_up.Heartbeat()
    assert "waiting" in heartbeat.view.value
    heartbeat.answer.value = 1  # what the page does
    assert "ok  widgets   alive: the page has answered" in heartbeat.view.value
    page = heartbeat._repr_mimebundle_()
    assert page["application/vnd.jupyter.widget-view+json"]["model_id"] == heartbeat.view.model_id
    assert "asleep" in page["text/html"] and "asleep" in page["text/plain"]

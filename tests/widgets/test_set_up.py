"""Lesson 00's check: the plain report, then a widget that hears from the page."""

from __future__ import annotations

import sys

import pytest

from helpers import settings
from helpers.widgets import set_up


@pytest.fixture(autouse=True)
def empty_folders(monkeypatch: pytest.MonkeyPatch, tmp_path):
    monkeypatch.setattr(settings, "_DATA", str(tmp_path))


def test_the_report_is_printed_and_the_page_asked(capsys: pytest.CaptureFixture):
    heartbeat = set_up.check_set_up()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == ["python", "versions", "device", "data"]
    assert isinstance(heartbeat, set_up.Heartbeat) and not heartbeat.finding.ok


def test_without_ipywidgets_the_report_is_printed_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    assert set_up.check_set_up() is None
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert lines[-1].startswith("!!  widgets   ipywidgets cannot be imported") and "make lab" in lines[-1]


def test_the_heartbeat_waits_then_says_that_the_page_answered():
    heartbeat = set_up.Heartbeat()
    assert "waiting" in heartbeat.view.value
    heartbeat.answer.value = 1  # what the page does
    assert "ok  widgets   alive: the page has answered" in heartbeat.view.value
    page = heartbeat._repr_mimebundle_()
    assert page["application/vnd.jupyter.widget-view+json"]["model_id"] == heartbeat.view.model_id
    assert "asleep" in page["text/html"] and "asleep" in page["text/plain"]

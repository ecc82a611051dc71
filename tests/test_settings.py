"""The environment is read once, in one place."""

from __future__ import annotations

import random
import runpy
from pathlib import Path

import numpy
import pytest
import torch

from helpers import settings

FILE = settings.__file__


def fresh(monkeypatch, **environment: str) -> dict:
    """The names of `settings` as a new process with this environment would see them."""
    for name in ("SMOKE", "DATA", "DEVICE", "PROGRESS", "TIMEOUT"):
        monkeypatch.delenv(f"WORKBOOK_{name}", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(f"WORKBOOK_{name}", value)
    return runpy.run_path(FILE)


@pytest.mark.parametrize(("value", "smoke"), [("1", True), ("yes", True), ("0", False), ("", False)])
def test_smoke_mode_and_budgets(monkeypatch, value, smoke):
    names = fresh(monkeypatch, SMOKE=value)
    assert names["SMOKE"] is smoke
    assert names["budget"](full=10, smoke=1) == (1 if smoke else 10)


def test_without_the_variable_everything_is_full(monkeypatch):
    assert fresh(monkeypatch)["budget"](full="all", smoke="some") == "all"


def test_read_once(monkeypatch):
    names = fresh(monkeypatch, SMOKE="0", DATA="before", DEVICE="cpu", PROGRESS="before")
    for name, value in (("SMOKE", "1"), ("DATA", "after"), ("DEVICE", "meta"), ("PROGRESS", "after")):
        monkeypatch.setenv(f"WORKBOOK_{name}", value)
    assert names["budget"](full=10, smoke=1) == 10
    assert names["data_dir"]().name == "before"
    assert names["device"]().type == "cpu"
    assert names["progress_file"]().name == "before"


def test_data_folder(monkeypatch, tmp_path):
    assert fresh(monkeypatch, DATA=str(tmp_path / "x"))["data_dir"]() == tmp_path / "x"
    assert fresh(monkeypatch, DATA="~/x")["data_dir"]() == Path.home() / "x"
    cache = fresh(monkeypatch)["data_dir"]()
    assert cache.is_absolute()
    assert not str(cache).startswith(str(Path(FILE).parents[1]))  # never inside the checkout


def test_progress_file(monkeypatch, tmp_path):
    assert fresh(monkeypatch, PROGRESS=str(tmp_path / "mine.json"))["progress_file"]() == tmp_path / "mine.json"
    assert fresh(monkeypatch, PROGRESS="~/mine.json")["progress_file"]() == Path.home() / "mine.json"
    own = fresh(monkeypatch)["progress_file"]()
    assert own.is_absolute() and own.name == "progress.json"
    assert not str(own).startswith(str(Path(FILE).parents[1]))  # never inside the checkout


def test_device(monkeypatch):
    assert fresh(monkeypatch, DEVICE="meta")["device"]() == torch.device("meta")
    choose = fresh(monkeypatch)["device"]
    for cuda, mps, chosen in ((True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda cuda=cuda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda mps=mps: mps)
        assert choose().type == chosen


def test_a_seed_fixes_all_three_generators():
    drawn = []
    for seed in (3, 3, 4):
        settings.seed_everything(seed)
        drawn.append((random.random(), numpy.random.rand(), torch.rand(()).item()))
    assert drawn[0] == drawn[1]
    assert all(a != b for a, b in zip(drawn[0], drawn[2], strict=True))


def test_network_timeout(monkeypatch):
    assert fresh(monkeypatch)["network_timeout"]() == 15
    assert fresh(monkeypatch, TIMEOUT="2.5")["network_timeout"]() == 2.5
    for wrong in ("0", "-1", "nan", "inf", "1e9", "30s", "soon"):
        with pytest.raises(ValueError, match=f"Got WORKBOOK_TIMEOUT='{wrong}'; expected seconds"):
            fresh(monkeypatch, TIMEOUT=wrong)["network_timeout"]()


@pytest.mark.parametrize("answer", ["raises", "leaves the tilde"])
def test_without_a_home_folder_what_is_named_works_and_the_rest_is_a_sentence(monkeypatch, tmp_path, answer):
    """As in a container whose account has neither HOME nor an entry in the list of accounts."""
    import platformdirs

    def nobody(*_):
        raise KeyError("uid not found")

    monkeypatch.setattr("pwd.getpwuid", nobody)
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    if answer == "leaves the tilde":
        for name in ("user_cache_dir", "user_data_dir"):
            monkeypatch.setattr(platformdirs, name, lambda of: f"~/.cache/{of}")
    named = fresh(monkeypatch, DATA=str(tmp_path), PROGRESS=str(tmp_path / "p.json"))
    assert named["data_dir"]() == tmp_path and named["progress_file"]() == tmp_path / "p.json"
    for environment in ({}, {"DATA": "~/x", "PROGRESS": "~/p.json"}):
        names = fresh(monkeypatch, **environment)
        with pytest.raises(
            RuntimeError, match="no place for the data sets, .* no home folder. Set HOME, or WORKBOOK_DATA"
        ):
            names["data_dir"]()
        with pytest.raises(
            RuntimeError, match="no place for your progress, .* no home folder. Set HOME, or WORKBOOK_PROGRESS"
        ):
            names["progress_file"]()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    if answer == "raises":
        assert fresh(monkeypatch)["data_dir"]().is_relative_to(tmp_path / "cache")

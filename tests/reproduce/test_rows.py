"""Rows of results: there and back, mean and standard error, what counts as reached, and the committed rows themselves."""

from __future__ import annotations

import json
import math
import os

import pytest

from helpers.reproduce.__main__ import EXPERIMENTS, main
from helpers.reproduce.rows import RESULTS, Row, Run, read_row, read_rows, table, write_row


def row(*values: float, higher: bool = True, published: float | None = -100.0, error: float | None = 0.5) -> Row:
    made = Row("toy", "a toy", "test ELBO, nats", published, None, higher, "a paper", "a protocol", "a command")
    for seed, value in enumerate(values):
        made.with_run(Run(seed, value, error, epochs=2, steps=4, seconds=1.5, curve={"train": [[1, -3.0]]}))
    return made


def test_mean_and_standard_error_over_seeds():
    three = row(-100.0, -101.0, -103.0)
    assert three.mean == pytest.approx(-304 / 3)
    assert three.standard_error == pytest.approx(math.sqrt(7 / 3) / math.sqrt(3))
    assert row(-100.0).standard_error is None
    assert math.isnan(row().mean)
    assert set(three.versions) == {"torch", "numpy", "python"}


def test_a_run_takes_the_place_of_an_earlier_one_with_its_seed():
    again = row(-100.0, -101.0).with_run(Run(0, -90.0, None, 1, 1, 1.0))
    assert [(run.seed, run.value) for run in again.runs] == [(0, -90.0), (1, -101.0)]
    assert again.mean == -95.5


@pytest.mark.parametrize(
    ("made", "reached"),
    [
        (row(-99.0), True),
        (row(-100.9), True),  # within two standard errors over test images
        (row(-101.1), False),
        (row(-101.1, error=None), False),
        (row(-100.0, error=None), True),
        (row(-103.0, -99.5, -99.5), True),  # over seeds: mean -100.67, standard error 1.17
        (row(-101.0, -101.01), False),  # over seeds the standard error is small, and goes before the one over images
        (row(86.0, higher=False, published=86.76), True),
        (row(87.7, higher=False, published=86.76), True),
        (row(87.8, higher=False, published=86.76), False),
        (row(), False),  # no run, no claim
        (row(-99.0, published=None), None),  # nothing to reach
    ],
)
def test_reached(made, reached):
    assert made.reached() is reached


def test_there_and_back_atomically(tmp_path, monkeypatch):
    made = row(-100.0, -101.0)
    path = write_row(made, tmp_path / "new")
    assert path.name == "toy.json"
    assert read_row("toy", tmp_path / "new") == made
    assert read_rows(tmp_path / "new") == [made]
    old = path.read_bytes()

    def dies(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", dies)
    with pytest.raises(KeyboardInterrupt):
        write_row(row(-1.0), tmp_path / "new")
    assert path.read_bytes() == old
    assert read_rows(tmp_path / "new") == [made]  # a half-written row is no row


def test_a_missing_row_names_the_remedy(tmp_path):
    with pytest.raises(FileNotFoundError, match="no result row 'nothing' yet.*python -m helpers.reproduce"):
        read_row("nothing", tmp_path)


def test_table():
    lines = table([row(-100.0, -101.0), row(-99.126), row(-98.0, published=None)]).splitlines()
    assert lines[0] == "| system | metric | published | ours | seeds |"
    assert lines[2] == "| a toy | test ELBO, nats | -100.0 | -100.50 ± 0.50 | 2 |"
    assert lines[3] == "| a toy | test ELBO, nats | -100.0 | -99.13 | 1 |"
    assert lines[4] == "| a toy | test ELBO, nats | – | -98.00 | 1 |"


def test_a_row_without_a_published_number_is_reported_without_a_verdict(tmp_path, monkeypatch, capsys):
    made = row(-98.0, published=None)
    write_row(made, tmp_path)
    assert read_row("toy", tmp_path) == made
    monkeypatch.setattr("helpers.reproduce.__main__.run", lambda experiment, options: [made, row(-99.0)])
    assert main(["vae"]) == 0
    out = capsys.readouterr().out
    assert "| – | -98.00 |" in out
    assert out.count("reached") == 1


COMMITTED = sorted(RESULTS.glob("*.json"))


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_committed_rows_add_up(path):
    """Read as plain JSON, so that a mistake in the code that writes rows shows here too."""
    content = json.loads(path.read_text())
    values = [run["value"] for run in content["runs"]]
    assert content["name"] == path.stem
    assert values
    assert content["mean"] == pytest.approx(sum(values) / len(values), rel=1e-12)
    if len(values) > 1:
        spread = math.sqrt(sum((value - content["mean"]) ** 2 for value in values) / (len(values) - 1))
        assert content["standard_error"] == pytest.approx(spread / math.sqrt(len(values)), rel=1e-9)
    assert len({run["seed"] for run in content["runs"]}) == len(values)
    for run in content["runs"]:
        assert math.isfinite(run["value"])
        assert run["seconds"] > 0
        assert run["steps"] >= run["epochs"] >= 1
        assert all(run["curve"].values())  # there are points to draw
    command = content["command"].split()
    assert command[:3] == ["python", "-m", "helpers.reproduce"]
    assert command[3] in EXPERIMENTS
    assert "--smoke" not in command
    assert read_row(path.stem).mean == content["mean"]


def test_committed_weights_load():
    from helpers.reproduce import dmm, ssvae, vae
    from helpers.reproduce.rows import WEIGHTS

    for path in WEIGHTS.glob("*.safetensors"):
        assert path.stat().st_size < 3_000_000
    model, guide = vae.load_trained()
    assert model.prior.event_shape == guide.event_shape == (50,)
    model, guide = ssvae.load_trained()
    assert model.num_classes == 10 and not model.training and not guide.training
    model, guide = dmm.load_trained()
    assert model.latent == guide.latent == 100

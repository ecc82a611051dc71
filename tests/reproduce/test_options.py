"""What the command line says, and where things go."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.reproduce.__main__ import experiment_called
from helpers.reproduce.options import parse
from helpers.reproduce.rows import RESULTS, WEIGHTS

NAMES = {"vae": "a VAE", "iwae": "tighter bounds", "ssvae": "few labels", "dmm": "chorales"}


def parsed(*arguments: str):
    return parse(list(arguments), NAMES, lambda name, parser: experiment_called(name).add_arguments(parser))


def test_defaults():
    name, options = parse(["vae"], NAMES)
    assert name == "vae"
    assert options.seeds == (0,)
    assert (options.resume, options.smoke) == (False, False)
    assert (options.results, options.weights, options.checkpoints) == (RESULTS, WEIGHTS, Path("checkpoints"))
    assert (options.only, options.shard) == ((), (1, 1))


def test_what_is_typed():
    given = ["iwae", "--seeds", "1", "2", "--resume", "--only", "iwae-5", "--checkpoints", "elsewhere"]
    _, options = parse(given, NAMES)
    assert options.seeds == (1, 2)
    assert options.resume
    assert options.only == ("iwae-5",)
    assert options.checkpoints == Path("elsewhere")


def test_smoke_writes_elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    _, options = parse(["vae", "--smoke"], NAMES)
    for folder in (options.results, options.weights, options.checkpoints):
        assert tmp_path in folder.parents


def test_results_of_a_smoke_run_can_be_kept_but_not_beside_real_rows(tmp_path, capsys):
    _, options = parse(["vae", "--smoke", "--results", str(tmp_path)], NAMES)
    assert (options.results, options.weights) == (tmp_path, tmp_path / "weights")
    assert tmp_path not in options.checkpoints.parents
    _, options = parse(["vae", "--results", str(tmp_path)], NAMES)
    assert (options.results, options.weights) == (tmp_path, tmp_path / "weights")
    with pytest.raises(SystemExit):
        parse(["vae", "--smoke", "--results", str(RESULTS)], NAMES)
    assert "beside real rows" in capsys.readouterr().err


def test_shards():
    assert parse(["vae", "--shard", "2/5"], NAMES)[1].shard == (2, 5)
    for wrong in ("0/5", "6/5", "2", "a/b", "2/5/1"):
        with pytest.raises(SystemExit):
            parse(["vae", "--shard", wrong], NAMES)


def test_an_unknown_name_or_help_lists_the_experiments(capsys):
    with pytest.raises(SystemExit) as stopped:
        parse(["gan"], NAMES)
    assert stopped.value.code != 0
    with pytest.raises(SystemExit):
        parse(["--help"], NAMES)
    assert "iwae     tighter bounds" in capsys.readouterr().out


def test_cells_of_the_semi_supervised_vae():
    _, options = parsed("ssvae", "--labels", "100,600", "--variants", "sampled,m1m2", "--splits", "3")
    assert options.own.labels == (100, 600)
    assert options.own.variants == ("sampled", "m1m2")
    assert options.seeds == (0, 1, 2)
    _, options = parsed("ssvae")
    assert (options.own.labels, options.own.variants, options.seeds) == ((), (), (0,))


def test_guides_and_flows_of_the_deep_markov_model():
    _, options = parsed("dmm", "--guide", "future,past", "--flows", "0,2")
    assert (options.own.guides, options.own.flows) == (("future", "past"), (0, 2))
    _, options = parsed("dmm")
    assert (options.own.guides, options.own.flows, options.own.epochs) == ((), (), None)
    _, options = parsed("dmm", "--epochs", "2000")
    assert options.own.epochs == 2000
    with pytest.raises(SystemExit):  # the argument of another experiment
        parsed("vae", "--epochs", "2000")


@pytest.mark.parametrize("epochs", ["0", "-3", "some"])
def test_a_number_of_epochs_that_is_none_is_refused(epochs, capsys):
    with pytest.raises(SystemExit):
        parsed("dmm", "--epochs", epochs)
    assert "--epochs" in capsys.readouterr().err

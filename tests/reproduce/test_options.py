"""What the command line says, and where things go."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.reproduce.options import parse
from helpers.reproduce.rows import RESULTS, WEIGHTS

NAMES = {"vae": "a VAE", "iwae": "tighter bounds"}


def test_defaults():
    name, options = parse(["vae"], NAMES)
    assert name == "vae"
    assert options.seeds == (0,)
    assert (options.resume, options.smoke) == (False, False)
    assert (options.results, options.weights, options.checkpoints) == (RESULTS, WEIGHTS, Path("checkpoints"))
    assert options.wants("anything")


def test_what_is_typed():
    given = ["iwae", "--seeds", "1", "2", "--resume", "--only", "iwae-5", "--checkpoints", "elsewhere"]
    _, options = parse(given, NAMES)
    assert options.seeds == (1, 2)
    assert options.resume
    assert options.wants("iwae-5")
    assert not options.wants("iwae-50")
    assert options.checkpoints == Path("elsewhere")


def test_smoke_writes_elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    _, options = parse(["vae", "--smoke"], NAMES)
    for folder in (options.results, options.weights, options.checkpoints):
        assert tmp_path in folder.parents


def test_an_unknown_name_or_help_lists_the_experiments(capsys):
    with pytest.raises(SystemExit) as stopped:
        parse(["gan"], NAMES)
    assert stopped.value.code != 0
    with pytest.raises(SystemExit):
        parse(["--help"], NAMES)
    assert "iwae     tighter bounds" in capsys.readouterr().out


def test_cells_of_the_semi_supervised_vae():
    given = ["ssvae", "--labels", "100,600", "--variants", "sampled,m1m2", "--splits", "3"]
    _, options = parse(given, {"ssvae": "few labels"})
    assert options.labels == (100, 600)
    assert options.variants == ("sampled", "m1m2")
    assert options.seeds == (0, 1, 2)
    _, options = parse(["ssvae"], {"ssvae": "few labels"})
    assert (options.labels, options.variants, options.seeds) == ((), (), (0,))


def test_guides_and_flows_of_the_deep_markov_model():
    _, options = parse(["dmm", "--guide", "future,past", "--flows", "0,2"], {"dmm": "chorales"})
    assert (options.guides, options.flows) == (("future", "past"), (0, 2))
    _, options = parse(["dmm"], {"dmm": "chorales"})
    assert (options.guides, options.flows, options.epochs) == ((), (), None)
    _, options = parse(["dmm", "--epochs", "2000"], {"dmm": "chorales"})
    assert options.epochs == 2000


@pytest.mark.parametrize("epochs", ["0", "-3", "some"])
def test_a_number_of_epochs_that_is_none_is_refused(epochs, capsys):
    with pytest.raises(SystemExit):
        parse(["dmm", "--epochs", epochs], {"dmm": "chorales"})
    assert "--epochs" in capsys.readouterr().err

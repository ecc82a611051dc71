"""The deep Markov model's rows on a few synthetic chorales: what was published where, which runs are made, floor, weights, resuming."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from helpers.data import Chorales
from helpers.reproduce import dmm
from helpers.reproduce.cell import Sitting
from helpers.reproduce.dmm import DATA, WEIGHTS_FILE, Dmm, DmmCell, build, load_trained
from helpers.reproduce.options import Options
from helpers.reproduce.rows import Row, read_row, read_rows
from helpers.reproduce.runner import run

SMALL = {"latent": 4, "emission": (5,), "transition": 6, "rnn": 7, "dropout": 0.0}


@pytest.fixture
def options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Options:
    monkeypatch.setattr(dmm, "SIZES", SMALL)
    folders = {name: tmp_path / name for name in ("checkpoints", "results", "weights")}
    return Options(seeds=(0,), resume=False, smoke=True, only=(), own=own(), **folders)


def own(**given: Any) -> Namespace:
    return Namespace(**{"guides": (), "flows": (), "epochs": None, **given})


@pytest.mark.parametrize(
    ("system", "metric", "published", "reach"),
    [
        (("jsb", "future", 0), "bound", 6.87, 6.75),
        (("jsb", "future", 0), "nll", 6.388, 6.25),
        (("jsb", "future", 1), "bound", 6.82, None),
        (("jsb", "future", 2), "bound", 6.80, None),
        (("jsb", "future", 1), "nll", None, None),
        (("jsb", "future", 0, 50), "nll", 6.388, 6.25),
        (("jsb", "past", 0), "bound", None, None),
        (("synthetic", "future", 0), "bound", None, None),
    ],
)
def test_published_figures_stand_beside_what_they_were_measured_on(options, system, metric, published, reach):
    cell = DmmCell(Sitting(options), *system)
    row = next(row for row in cell.rows() if row.name == f"{cell.name}-{metric}")
    assert (row.published, row.reach, row.higher_is_better) == (published, reach, False)
    assert ("importance" in row.metric) == (metric == "nll")


def test_both_data_sets_by_default_each_with_bound_and_nll(options):
    rows = run(Dmm(), options)
    assert [row.name for row in rows] == [
        f"dmm-{data}-future-0-{metric}" for data in DATA for metric in ("bound", "nll")
    ]
    assert sorted(row.name for row in read_rows(options.results)) == sorted(row.name for row in rows)
    bound, nll = rows[0].runs[0], rows[1].runs[0]
    assert nll.value < bound.value  # importance sampling is the tighter of the two
    assert bound.value == pytest.approx(bound.details["distortion"] + bound.details["rate"], rel=1e-6)
    assert [point[0] for point in bound.curve["valid"]] == [1]


def test_guides_and_flows_are_all_made_and_only_picks_among_them(options):
    asked = replace(options, own=own(guides=("future", "mean-field"), flows=(0, 1)))
    names = {row.name for row in run(Dmm(), asked)}
    assert len(names) == 16
    only = replace(asked, only=("dmm-jsb-mean-field-1",))
    assert {row.name for row in run(Dmm(), only)} == {"dmm-jsb-mean-field-1-bound", "dmm-jsb-mean-field-1-nll"}


def test_another_number_of_epochs_has_rows_a_protocol_and_a_command_of_its_own(options):
    def first(epochs: int | None) -> tuple[DmmCell, Row]:
        cell = Dmm().cells(Sitting(replace(options, smoke=False, own=own(epochs=epochs))))[0]
        return cell, cell.rows()[0]

    (longer, row), (usual, usual_row) = first(3), first(None)
    assert (longer.epochs, usual.epochs) == (3, dmm.EPOCHS)
    assert (row.name, usual_row.name) == ("dmm-jsb-future-0-3-epochs-bound", "dmm-jsb-future-0-bound")
    assert "; 3 epochs" in row.protocol and f"; {dmm.EPOCHS} epochs" in usual_row.protocol
    assert "--epochs 3" in longer.arguments and "--epochs" not in usual.arguments


def test_only_the_usual_number_of_epochs_ships_its_weights(options):
    run(Dmm(), replace(options, only=("jsb",), own=own(epochs=3)))
    assert not options.weights.exists()


def test_synthetic_chorales_say_their_floor(options):
    run(Dmm(), replace(options, only=("synthetic",)))
    details = read_row("dmm-synthetic-future-0-nll", options.results).runs[0].details
    assert 4 < details["floor"] < 6 and details["floor_standard_error"] > 0


def test_only_the_first_seed_ships_its_weights(options):
    run(Dmm(), replace(options, only=("jsb",), seeds=(1,)))
    assert not options.weights.exists()


def test_trained_weights_come_back_at_half_precision(options):
    with pytest.raises(FileNotFoundError, match="helpers.reproduce dmm"):
        load_trained(options.weights)
    torch.manual_seed(5)
    run(Dmm(), replace(options, only=("jsb",)))
    model, guide = load_trained(options.weights)
    assert (options.weights / WEIGHTS_FILE).stat().st_size < 2.2 * sum(
        p.numel() for p in (*model.parameters(), *guide.parameters())
    ) + 3000
    torch.manual_seed(0)
    untrained, _ = build()
    assert not torch.allclose(
        model.emission.network.network[-1].bias, untrained.emission.network.network[-1].bias, atol=1e-3
    )
    assert not model.training and not guide.training and model.initial.dtype == torch.float32


def test_every_key_starts_as_likely_as_it_is_and_silence_beyond_the_end_does_not_count(options):
    rolls = torch.zeros(2, 3, 88)
    rolls[0, :, 10] = 1  # three steps, all with key 10
    rolls[1, 0, 20] = 1  # one step; what follows is padding
    model, _ = build()
    dmm.start_from_frequencies(model, Chorales(rolls, torch.tensor([3, 1])))
    bias = model.emission.network.network[-1].bias
    frequencies = {10: 3.5 / 5, 20: 1.5 / 5, 0: 0.5 / 5}  # of 4 steps, half a step added to each side
    for key, frequency in frequencies.items():
        assert bias[key].sigmoid().item() == pytest.approx(frequency, rel=1e-5)

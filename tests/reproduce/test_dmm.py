"""The deep Markov model's rows on a few synthetic chorales: what was published where, which runs are made, floor, weights, resuming."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from helpers.reproduce import dmm
from helpers.reproduce.dmm import DATA, System, build, load_trained
from helpers.reproduce.options import Options
from helpers.reproduce.rows import read_row, read_rows

SMALL = {"latent": 4, "emission": (5,), "transition": 6, "rnn": 7, "dropout": 0.0}


@pytest.fixture
def options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Options:
    monkeypatch.setattr(dmm, "SIZES", SMALL)
    monkeypatch.setattr(dmm, "SHIPPED", tmp_path / "weights" / dmm.SHIPPED.name)
    folders = {name: tmp_path / name for name in ("checkpoints", "results", "weights")}
    return Options(seeds=(0,), resume=False, smoke=True, only=(), **folders)


@pytest.mark.parametrize(
    ("system", "metric", "published", "reach"),
    [
        (System("jsb", "future", 0), "bound", 6.87, 6.75),
        (System("jsb", "future", 0), "nll", 6.388, 6.25),
        (System("jsb", "future", 1), "bound", 6.82, None),
        (System("jsb", "future", 2), "bound", 6.80, None),
        (System("jsb", "future", 1), "nll", None, None),
        (System("jsb", "future", 0, epochs=50), "nll", 6.388, 6.25),
        (System("jsb", "past", 0), "bound", None, None),
        (System("synthetic", "future", 0), "bound", None, None),
    ],
)
def test_published_figures_stand_beside_what_they_were_measured_on(system, metric, published, reach):
    row = system.row(metric, "protocol")
    assert (row.published, row.reach, row.higher_is_better) == (published, reach, False)
    assert row.name == f"{system.name}-{metric}" and ("importance" in row.metric) == (metric == "nll")


def test_both_data_sets_by_default_each_with_bound_and_nll(options):
    rows = dmm.run(options)
    assert [row.name for row in rows] == [
        f"dmm-{data}-future-0-{metric}" for data in DATA for metric in ("bound", "nll")
    ]
    assert sorted(row.name for row in read_rows(options.results)) == sorted(row.name for row in rows)
    bound, nll = rows[0].runs[0], rows[1].runs[0]
    assert nll.value < bound.value  # importance sampling is the tighter of the two
    assert bound.value == pytest.approx(bound.details["distortion"] + bound.details["rate"], rel=1e-6)
    assert [point[0] for point in bound.curve["valid"]] == [1]


def test_guides_and_flows_are_all_made_and_only_picks_among_them(options):
    asked = replace(options, guides=("future", "mean-field"), flows=(0, 1))
    names = {row.name for row in dmm.run(asked)}
    assert len(names) == 16
    only = replace(asked, only=("dmm-jsb-mean-field-1",))
    assert {row.name for row in dmm.run(only)} == {"dmm-jsb-mean-field-1-bound", "dmm-jsb-mean-field-1-nll"}


def test_another_number_of_epochs_has_rows_and_a_protocol_of_its_own(options, monkeypatch):
    said = []
    monkeypatch.setattr(dmm, "_load", lambda name, options: None)
    monkeypatch.setattr(dmm, "_train", lambda system, data, seed, options: said.append(system) or {})
    (own, *_), (usual, *_) = (
        dmm.run(replace(options, only=("jsb",), smoke=False, epochs=number)) for number in (3, None)
    )
    assert [system.epochs for system in said] == [3, dmm.EPOCHS]
    assert own.name == "dmm-jsb-future-0-3-epochs-bound" and usual.name == "dmm-jsb-future-0-bound"
    assert "; 3 epochs" in own.protocol and f"; {dmm.EPOCHS} epochs" in usual.protocol


def test_only_the_usual_number_of_epochs_ships_its_weights(options):
    dmm.run(replace(options, only=("jsb",), epochs=3))
    assert not dmm.SHIPPED.exists()


def test_synthetic_chorales_say_their_floor(options):
    dmm.run(replace(options, only=("synthetic",)))
    details = read_row("dmm-synthetic-future-0-nll", options.results).runs[0].details
    assert 4 < details["floor"] < 6 and details["floor_standard_error"] > 0


def test_a_run_that_is_there_is_not_made_again_with_resume(options, monkeypatch):
    first = dmm.run(replace(options, only=("jsb",)))
    monkeypatch.setattr(dmm, "_train", lambda *given: pytest.fail("trained again"))
    again = dmm.run(replace(options, only=("jsb",), resume=True))
    assert [row.mean for row in again] == [row.mean for row in first]


def test_only_the_first_seed_ships_its_weights(options):
    dmm.run(replace(options, only=("jsb",), seeds=(1,)))
    assert not dmm.SHIPPED.exists()


def test_trained_weights_come_back_at_half_precision(options):
    with pytest.raises(FileNotFoundError, match="helpers.reproduce dmm"):
        load_trained()
    torch.manual_seed(5)
    dmm.run(replace(options, only=("jsb",)))
    model, guide = load_trained()
    assert dmm.SHIPPED.stat().st_size < 2.2 * sum(p.numel() for p in (*model.parameters(), *guide.parameters())) + 3000
    torch.manual_seed(0)
    untrained, _ = build()
    assert not torch.allclose(
        model.emission.network.network[-1].bias, untrained.emission.network.network[-1].bias, atol=1e-3
    )
    assert not model.training and not guide.training and model.initial.dtype == torch.float32

"""What the rows of Burda et al. are measured on: the same binarised test images for every row, seed and sitting."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from helpers.reproduce.cell import Sitting
from helpers.reproduce.iwae import EXPERIMENT, SYSTEMS
from helpers.reproduce.muon import muon_and_adam
from helpers.reproduce.options import Options

OPTIONS = Options(seeds=(0,), resume=False, smoke=True, only=(), checkpoints=Path(), results=Path(), weights=Path())


def test_the_test_images_are_the_same_in_every_sitting_and_those_to_train_on_are_grey():
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        found.append(EXPERIMENT.cells(Sitting(OPTIONS))[0]._load())
    assert torch.equal(found[0].test, found[1].test)
    assert set(found[0].test.unique().tolist()) == {0.0, 1.0}
    assert len(found[0].train.unique()) > 10


def test_weights_have_muon_biases_adam_and_both_decay_to_zero():
    cell = EXPERIMENT.cells(Sitting(OPTIONS))[0]
    objective = cell.prepare(0).objective
    (muon, adam), schedules = muon_and_adam(objective, 5e-3, 40)
    in_muon, in_adam = ([p for group in optimizer.param_groups for p in group["params"]] for optimizer in (muon, adam))
    assert {p.ndim for p in in_muon} == {2} and {p.ndim for p in in_adam} == {1}
    assert len(in_muon) + len(in_adam) == len(list(objective.parameters()))
    assert isinstance(muon, torch.optim.Muon) and isinstance(adam, torch.optim.Adam)
    rates = []
    for _ in range(40):
        rates.append((muon.param_groups[0]["lr"], adam.param_groups[0]["lr"]))
        for each in (muon, adam, *schedules):
            each.step()
    assert max(rates) == (5e-3, 2e-3) and rates[-1][0] < 5e-3 / 30


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: system.name)
def test_each_row_trains_its_own_bound(system):
    cell = next(cell for cell in EXPERIMENT.cells(Sitting(OPTIONS)) if cell.name == system.name)
    assert cell.needs == system.start
    if system.start is None:
        prepared = cell.prepare(0)
        assert prepared.objective.num_samples == system.num_samples
        assert prepared.batches.batch_size == system.batch_size
        x = next(iter(prepared.batches))
        assert set(x.unique().tolist()) == {0.0, 1.0}

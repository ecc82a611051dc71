"""A resumed training equals an unbroken one, whatever schedules and accumulates, and says which settings of the call it does not use."""

from __future__ import annotations

from dataclasses import asdict

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    ExponentialLR,
    LambdaLR,
    OneCycleLR,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
)

from helpers.data import Batches
from helpers.estimators import Estimate
from helpers.training import LinearWeight, fit
from helpers.training.resuming import as_given, differences

DATA = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))


class Drawn(nn.Module):
    """-w² |x + noise - Linear(x)|², with noise of its own and a weight that may be scheduled."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.layer, self.weight = nn.Linear(3, 3), 1.0

    def forward(self, x):
        return Estimate.of(-self.weight * ((x + torch.randn_like(x) - self.layer(x)) ** 2).sum(-1))


SCHEDULES = {
    "none": lambda o, a: {},
    "per step": lambda o, a: {"schedulers": [OneCycleLR(a, max_lr=0.1, total_steps=60)]},
    "per epoch": lambda o, a: {"epoch_schedulers": [StepLR(a, step_size=2, gamma=0.5)]},
    "two of an epoch": lambda o, a: {
        "epoch_schedulers": SequentialLR(a, [LambdaLR(a, lambda e: (e + 1) / 2), ExponentialLR(a, 0.5)], milestones=[2])
    },
    "plateau of a loss": lambda o, a: {
        "epoch_schedulers": [ReduceLROnPlateau(a, patience=0, factor=0.5, threshold=0.5)]
    },
    "plateau of a bound": lambda o, a: {
        "epoch_schedulers": [
            ReduceLROnPlateau(a, mode="max", patience=0, factor=0.5, threshold=9, threshold_mode="abs")
        ]
    },
    "both, and a weight": lambda o, a: {
        "schedulers": [LinearWeight(o, "weight", 0.0, 1.0, num_steps=9)],
        "epoch_schedulers": [CosineAnnealingLR(a, T_max=5)],
    },
    "accumulated": lambda o, a: {"accumulate": 2, "schedulers": [ExponentialLR(a, 0.9)]},
}


def train(schedule="none", epochs=6, lr=0.05, **options):
    objective = Drawn()
    optimizer = torch.optim.Adam(objective.parameters(), lr=lr)
    torch.manual_seed(options.pop("seed", 5))
    settings = {
        "train": Batches(DATA, batch_size=6),
        "valid": Batches(DATA[:7], batch_size=4),
        "clip_norm": 2.0,
        "progress": False,
        **SCHEDULES[schedule](objective, optimizer),
        **options,
    }
    history = fit(objective, epochs=epochs, optimizers=optimizer, **settings)
    return objective, optimizer, history


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_resumed_is_bit_for_bit_the_unbroken_run(schedule, tmp_path, capsys):
    objective, optimizer, unbroken = train(schedule)
    random_state = torch.get_rng_state()
    train(schedule, epochs=3, checkpoint=tmp_path / "run.pt")
    again, other, resumed = train(schedule, checkpoint=tmp_path / "run.pt", resume=True, seed=99)
    assert capsys.readouterr().out == "", "the same settings differ in nothing"
    assert {**asdict(resumed), "seconds": None} == {**asdict(unbroken), "seconds": None}
    assert all(torch.equal(a, b) for a, b in zip(objective.parameters(), again.parameters(), strict=True))
    assert optimizer.param_groups[0]["lr"] == other.param_groups[0]["lr"]
    for one, two in zip(optimizer.state.values(), other.state.values(), strict=True):
        assert all(torch.equal(one[name], two[name]) for name in one)
    assert torch.equal(torch.get_rng_state(), random_state)
    assert (len({rates[0] for rates in unbroken.learning_rate}) > 1) == (schedule != "none")


def test_a_learning_rate_that_is_not_used_is_said_and_on_purpose_it_is_used(tmp_path, capsys):
    checkpoint = tmp_path / "run.pt"
    train(epochs=2, checkpoint=checkpoint)
    _, optimizer, history = train(epochs=3, lr=0.01, checkpoint=checkpoint, resume=True)
    printed = capsys.readouterr().out
    assert "settings are used, not the call's: lr of Adam is 0.05 (given: 0.01)" in printed
    assert 'hyperparameters="call"' in printed and printed.count("\n") == 1
    assert history.learning_rate == [[0.05]] * 3

    _, optimizer, history = train(epochs=4, lr=0.01, checkpoint=checkpoint, resume=True, hyperparameters="call")
    assert capsys.readouterr().out == ""
    assert history.learning_rate == [[0.05]] * 3 + [[0.01]]
    assert optimizer.state[next(iter(optimizer.state))]["step"] == 4 * 4, "the moments are the checkpoint's"

    _, _, history = train(epochs=5, lr=0.01, checkpoint=checkpoint, resume=True)  # now it is the checkpoint's
    assert capsys.readouterr().out == "" and history.learning_rate[-1] == [0.01]


def test_schedulers_of_the_call_start_from_their_beginning(tmp_path):
    checkpoint = tmp_path / "run.pt"
    train("per step", epochs=2, checkpoint=checkpoint)
    with pytest.raises(ValueError, match="Got StepLR as schedulers; expected OneCycleLR|Got 1 schedulers in the file"):
        train("per epoch", epochs=3, checkpoint=checkpoint, resume=True)
    _, _, history = train("per epoch", epochs=5, checkpoint=checkpoint, resume=True, hyperparameters="call")
    assert history.learning_rate[2:] == [[0.05], [0.05], [0.025]]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda o, a: a.param_groups[0].update(weight_decay=0.1), "weight_decay of Adam is 0 (given: 0.1)"),
        (lambda o, a: a.param_groups[0].update(betas=(0.5, 0.999)), "betas.0 of Adam is 0.9 (given: 0.5)"),
        (lambda o, a: a.param_groups[0].update(amsgrad=True), "amsgrad of Adam is False (given: True)"),
    ],
)
def test_other_hyperparameters_are_said_too(change, words):
    objective = Drawn()
    optimizer = torch.optim.Adam(objective.parameters(), lr=0.1)
    before = as_given([optimizer], [], objective)
    changed = torch.optim.Adam(objective.parameters(), lr=0.1)
    change(objective, changed)
    assert words in differences(before, as_given([changed], [], objective), [optimizer], [])


def test_a_schedule_that_has_moved_is_no_difference_but_another_schedule_is(tmp_path, capsys):
    objective = Drawn()
    optimizer = torch.optim.SGD(objective.parameters(), lr=0.1)
    scheduler = StepLR(optimizer, step_size=1, gamma=0.5)
    data = [DATA[:4]]
    fit(objective, data, epochs=3, optimizers=optimizer, epoch_schedulers=scheduler, checkpoint=tmp_path / "run.pt")
    capsys.readouterr()
    # The same objects, as when a cell is run again.
    fit(
        objective,
        data,
        epochs=4,
        optimizers=optimizer,
        epoch_schedulers=scheduler,
        checkpoint=tmp_path / "run.pt",
        resume=True,
    )
    assert capsys.readouterr().out == ""
    optimizer = torch.optim.SGD(objective.parameters(), lr=0.2)
    scheduler = StepLR(optimizer, step_size=1, gamma=0.1)
    fit(
        objective,
        data,
        epochs=5,
        optimizers=optimizer,
        epoch_schedulers=scheduler,
        checkpoint=tmp_path / "run.pt",
        resume=True,
    )
    printed = capsys.readouterr().out
    assert "initial_lr of SGD is 0.1 (given: 0.2)" in printed and "gamma of StepLR is 0.5 (given: 0.1)" in printed


def test_fewer_epochs_and_other_batches_are_said(tmp_path, capsys):
    checkpoint = tmp_path / "run.pt"
    train(epochs=4, checkpoint=checkpoint)
    _, _, history = train(epochs=2, checkpoint=checkpoint, resume=True)
    assert history.epochs == 4
    assert "holds 4 epochs, and epochs=2 asks for fewer: nothing is trained" in capsys.readouterr().out
    train(epochs=5, checkpoint=checkpoint, resume=True, train=Batches(DATA, batch_size=3))
    assert "epochs had 4 optimiser steps, and this call's have 7" in capsys.readouterr().out
    train(epochs=4, checkpoint=tmp_path / "new.pt")
    train(epochs=5, checkpoint=tmp_path / "new.pt", resume=True, accumulate=4)
    assert "epochs had 4 optimiser steps, and this call's have 1" in capsys.readouterr().out


def test_more_patience_goes_on_after_an_early_stop(tmp_path):
    checkpoint = tmp_path / "run.pt"
    options = {"checkpoint": checkpoint, "lr": 1.0, "epochs": 40}
    _, _, first = train(patience=1, **options)
    assert first.stopped == "early"
    done = first.epochs
    _, _, same = train(patience=1, resume=True, **options)
    assert same.epochs == done and same.stopped == "early"
    _, _, more = train(patience=4, resume=True, **options)
    assert more.epochs > done
    assert more.epochs == train(patience=4, lr=1.0, epochs=40)[2].epochs

"""One optimiser step: gradients accumulated over batches, what is recorded of it, and the function that hears of it."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import ReduceLROnPlateau, StepLR

from helpers.data import Batches
from helpers.estimators import Estimate
from helpers.training import NonFiniteError, Step, fit

X = torch.randn(14, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


class Fitted(nn.Module):
    """-|x - w|², and a baseline with a loss of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor([0.3, -2.0], dtype=torch.float64))
        self.baseline = nn.Parameter(torch.tensor(0.5, dtype=torch.float64))

    def forward(self, x):
        bound = -((x - self.w) ** 2).sum(-1)
        return Estimate(bound.detach(), bound, {}, (self.baseline - bound.detach()).square().mean())


def steps(batches, **options) -> tuple[list[list[float]], list[Step]]:
    """w and the baseline after every step, and the steps."""
    objective, path, heard = Fitted(), [], []

    def after_step(step: Step) -> str:
        path.append([*objective.w.tolist(), objective.baseline.item()])
        heard.append(step)
        return "ignored"

    optimizer = torch.optim.SGD(objective.parameters(), lr=0.1)
    fit(objective, batches, epochs=1, optimizers=optimizer, after_step=after_step, progress=False, **options)
    return path, heard


@pytest.mark.parametrize("clip_norm", [None, 0.7])
@pytest.mark.parametrize(
    ("sizes", "accumulate", "groups"),
    [
        ([2, 2, 2, 2], 2, [4, 4]),
        ([3, 3, 3, 3], 4, [12]),
        ([4, 4, 4, 2], 3, [12, 2]),  # the last step has one batch
        ([4, 4, 4, 2], 2, [8, 6]),  # and a batch is smaller: items weigh alike
        ([1, 5, 2, 6], 4, [14]),
        ([7, 7], 5, [14]),  # fewer batches than a step takes
        ([7, 7], 1, [7, 7]),
    ],
)
def test_accumulated_gradients_are_those_of_one_large_batch(sizes, accumulate, groups, clip_norm):
    small, heard = steps(list(X[: sum(sizes)].split(sizes)), accumulate=accumulate, clip_norm=clip_norm)
    large, alone = steps(list(X[: sum(sizes)].split(groups)), clip_norm=clip_norm)
    assert len(small) == len(groups)
    torch.testing.assert_close(torch.tensor(small), torch.tensor(large), rtol=1e-12, atol=1e-13)
    norms = [[step.gradient_norm for step in each] for each in (heard, alone)]
    assert norms[0] == pytest.approx(norms[1], rel=1e-12)


def test_the_history_has_norm_and_rates_of_every_epoch():
    objective, norms = Fitted(), []
    optimizer = torch.optim.SGD([{"params": [objective.w]}, {"params": [objective.baseline], "lr": 0.5}], lr=0.1)
    history = fit(
        objective,
        Batches(X, batch_size=5, shuffle=False),
        epochs=3,
        optimizers=optimizer,
        schedulers=StepLR(optimizer, 1, gamma=0.5),
        clip_norm=0.1,
        after_step=lambda step: norms.append(step.gradient_norm),
        progress=False,
    )
    assert history.gradient_norm == pytest.approx([sum(norms[i : i + 3]) / 3 for i in (0, 3, 6)])
    assert min(norms) > 0.1, "the norm is that before clipping"
    assert history.learning_rate == [[0.1 * 0.5**n, 0.5 * 0.5**n] for n in (2, 5, 8)]  # of the epoch's last step


def test_a_step_says_its_number_epoch_norm_and_rates():
    objective = Fitted()
    heard: list[Step] = []
    optimizer = torch.optim.SGD(objective.parameters(), lr=0.25)
    fit(objective, list(X.split(7)), epochs=2, optimizers=optimizer, after_step=heard.append, progress=False)
    assert [(step.number, step.epoch) for step in heard] == [(1, 1), (2, 1), (3, 2), (4, 2)]
    by_hand = torch.cat([2 * (torch.tensor([0.3, -2.0]).double() - X[:7]).mean(0)])
    baseline = 2 * (0.5 + ((X[:7] - torch.tensor([0.3, -2.0]).double()) ** 2).sum(-1)).mean()
    assert heard[0].gradient_norm == pytest.approx(math.hypot(*by_hand.tolist(), baseline.item()))
    assert heard[0].learning_rates == (0.25,)
    assert heard[0].estimate.value.shape == (7,)


def test_what_a_step_function_raises_ends_training_with_the_checkpoint_of_the_last_whole_epoch(tmp_path):
    checkpoint = tmp_path / "run.pt"

    def stop_at_five(step: Step) -> None:
        if step.number == 5:
            raise LookupError("five")

    with pytest.raises(LookupError, match="five"):
        fit(Fitted(), list(X.split(7)), epochs=4, checkpoint=checkpoint, after_step=stop_at_five, progress=False)
    history = fit(Fitted(), list(X.split(7)), epochs=4, checkpoint=checkpoint, resume=True, progress=False)
    assert history.epochs == 4 and history.steps == 8


def test_nan_in_the_second_batch_of_a_step_leaves_the_parameters():
    objective = Fitted()
    with pytest.raises(NonFiniteError, match="stopped at step 1"):
        fit(objective, [X[:4], X[4:8] * math.nan], epochs=1, accumulate=2, progress=False)
    assert objective.w.tolist() == [0.3, -2.0]


@pytest.mark.parametrize(("mode", "sign"), [("min", -1), ("max", 1)])
@pytest.mark.parametrize("with_valid", [False, True])
def test_a_plateau_reads_the_validation_bound_else_the_training_bound(mode, sign, with_valid):
    objective = Fitted()
    optimizer = torch.optim.SGD(objective.parameters(), lr=0.01)
    plateau = ReduceLROnPlateau(optimizer, mode=mode)
    seen = []
    step, plateau.step = plateau.step, lambda metric: (seen.append(metric), step(metric))[1]
    valid = list(X[:3].split(2)) if with_valid else None
    history = fit(objective, [X], epochs=3, optimizers=optimizer, epoch_schedulers=plateau, valid=valid, progress=False)
    assert seen == [sign * bound for bound in (history.valid if with_valid else history.train)["bound"]]


def test_a_plateau_lowers_the_rate_once_the_bound_stands_still():
    objective = Fitted()
    optimizer = torch.optim.SGD(objective.parameters(), lr=0.4)
    plateau = ReduceLROnPlateau(optimizer, factor=0.1, patience=1)
    history = fit(objective, [X], epochs=30, optimizers=optimizer, epoch_schedulers=plateau, progress=False)
    assert history.learning_rate[0] == [0.4] and history.learning_rate[-1][0] < 0.05
    assert history.train["bound"][-1] == pytest.approx(-((X - X.mean(0)) ** 2).sum(-1).mean().item(), rel=1e-4)

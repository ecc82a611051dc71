"""Averages over batches of different sizes, and what must be as before afterwards."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from helpers.estimators import Estimate
from helpers.training import average_terms


class Noisy(nn.Module):
    """Value x + noise, with a term, and a part that is frozen in evaluation mode."""

    def __init__(self) -> None:
        super().__init__()
        self.frozen = nn.Dropout(0.5)
        self.free = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Estimate:
        assert not self.training and not self.frozen.training and not self.free.training
        return Estimate.of(x + torch.rand_like(x), twice=2 * x)


def test_items_weigh_alike_and_the_noise_is_that_of_the_seed():
    objective, batches = Noisy(), [torch.tensor([1.0, 2.0, 3.0]), torch.tensor([10.0])]
    found = average_terms(objective, batches)
    assert found["twice"] == 8.0
    assert 4 < found["bound"] < 5
    assert average_terms(objective, batches) == found != average_terms(objective, batches, seed=1)


def test_the_mode_of_every_part_and_the_random_state_are_as_before():
    objective = Noisy()
    objective.frozen.eval()
    before = torch.get_rng_state()
    average_terms(objective, [torch.ones(2)])
    assert objective.training and objective.free.training and not objective.frozen.training
    assert torch.equal(torch.get_rng_state(), before)
    with pytest.raises(ZeroDivisionError):
        average_terms(objective, (1 / 0 for _ in range(1)))
    assert objective.training and objective.free.training and not objective.frozen.training
    assert torch.equal(torch.get_rng_state(), before)


def test_no_batch_is_named():
    with pytest.raises(ValueError, match="no batch"):
        average_terms(Noisy(), [])

"""Schedules: values at the points that the docstrings name, in closed form."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from helpers.training import LinearWeight, up_then_down


def rates(num_steps: int, peak: float = 1.0) -> list[float]:
    """The learning rate at each of `num_steps` steps."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=peak)
    scheduler = up_then_down(optimizer, num_steps)
    seen = []
    for _ in range(num_steps):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return seen


def test_the_learning_rate_rises_over_a_twentieth_to_its_peak():
    assert rates(100)[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])


def test_the_learning_rate_falls_linearly_to_zero_right_after_the_last_step():
    """From 1 at step 4 in equal decrements: 96 of them reach 0 at step 100, which is no longer taken."""
    assert rates(100)[4:] == pytest.approx([(100 - step) / 96 for step in range(4, 100)])


def test_the_peak_is_the_optimisers_own_rate_in_each_group():
    parameters = [nn.Parameter(torch.zeros(1)) for _ in range(2)]
    optimizer = torch.optim.SGD([{"params": [parameters[0]], "lr": 0.3}, {"params": [parameters[1]], "lr": 2.0}])
    up_then_down(optimizer, 40)  # warm-up of 2 steps
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.15, 1.0])
    assert max(rates(40, peak=0.3)) == pytest.approx(0.3)


def test_a_training_of_few_steps_starts_at_the_peak():
    assert rates(4) == pytest.approx([1.0, 0.75, 0.5, 0.25])
    assert rates(1) == pytest.approx([1.0])


class Weighted(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rate_weight = 7.0


def test_a_weight_goes_linearly_from_first_to_last_and_stays():
    objective = Weighted()
    scheduler = LinearWeight(objective, "rate_weight", first=1.0, last=3.0, num_steps=4)
    seen = [objective.rate_weight]
    for _ in range(6):
        scheduler.step()
        seen.append(objective.rate_weight)
    assert seen == [1.0, 1.5, 2.0, 2.5, 3.0, 3.0, 3.0]


def test_a_weight_may_fall():
    objective = Weighted()
    LinearWeight(objective, "rate_weight", first=2.0, last=0.0, num_steps=2).step()
    assert objective.rate_weight == 1.0


def test_a_restored_schedule_goes_on_and_sets_the_weight_at_once():
    first = LinearWeight(Weighted(), "rate_weight", first=0.0, last=1.0, num_steps=4)
    first.step()
    first.step()
    objective = Weighted()
    second = LinearWeight(objective, "rate_weight", first=0.0, last=1.0, num_steps=4)
    second.load_state_dict(first.state_dict())
    assert objective.rate_weight == 0.5
    second.step()
    assert objective.rate_weight == 0.75 and second.state_dict() == {"steps": 3}


def test_a_schedule_that_cannot_work_is_refused():
    with pytest.raises(ValueError, match="Got num_steps=0; expected 1 step or more"):
        LinearWeight(Weighted(), "rate_weight", 0.0, 1.0, num_steps=0)
    with pytest.raises(ValueError, match="Got name='rate_wait'; expected an attribute of Weighted"):
        LinearWeight(Weighted(), "rate_wait", 0.0, 1.0, num_steps=1)

"""Prices of a step: measured for every estimator of the laboratory, and the line through two measurements."""

from __future__ import annotations

import pytest
import torch

from helpers.experiments.step_price import Price, measured_prices
from helpers.experiments.variance import NAMES


def test_prices_are_measured_for_all_and_leave_the_random_state_alone():
    before = torch.get_rng_state()
    prices = measured_prices(rounds=2)
    assert set(prices) == set(NAMES) and torch.equal(before, torch.get_rng_state())
    assert all(1e-5 < price.seconds(12) < 1 for price in prices.values())
    line = Price.through((6, 0.004), (24, 0.010))
    assert (line.seconds(6), line.seconds(24), line.seconds(12)) == pytest.approx((0.004, 0.010, 0.006))
    assert Price.through((6, 0.004), (24, 0.003)).per_evaluation == 0
    assert Price.through((6, 0.001), (24, 0.010)).fixed == 0


def test_refuses_to_measure_without_a_round():
    with pytest.raises(ValueError, match="one round or more"):
        measured_prices(rounds=0)

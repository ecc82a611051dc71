"""Numbers in words: signs, points and plurals."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from helpers.widgets.parts.words import counted, point, signed


@pytest.mark.parametrize(
    ("value", "decimals", "words"),
    [(-1.25, 1, "−1.2"), (1.0, 2, "1.00"), (-0.04, 1, "0.0"), (0.0, 0, "0"), (-0.05, 1, "−0.1"), (-3.4, 0, "−3")],
)
def test_zero_as_rounded_has_no_sign(value: float, decimals: int, words: str):
    assert signed(value, decimals) == words


@pytest.mark.parametrize("coordinates", [(0.26, -1.0), np.array([0.26, -1.0]), torch.tensor([0.26, -1.0])])
def test_a_point_is_its_coordinates(coordinates: object):
    assert point(coordinates, 1) == "(0.3, −1.0)"


def test_only_one_is_singular():
    assert [counted(number, "step") for number in (0, 1, 2)] == ["0 steps", "1 step", "2 steps"]

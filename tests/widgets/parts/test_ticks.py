"""Ticks are round, lie in the range, and are not too many."""

from __future__ import annotations

import pytest

from helpers.widgets.parts.ticks import round_ticks


@pytest.mark.parametrize(
    ("low", "high", "intervals", "names"),
    [
        (-1.0, 1.0, 4, ["−1.0", "−0.5", "0.0", "0.5", "1.0"]),
        (0.0, 10.0, 5, ["0", "2", "4", "6", "8", "10"]),
        (-103.0, -58.0, 3, ["−100", "−80", "−60"]),
        (0.012, 0.048, 4, ["0.02", "0.03", "0.04"]),
    ],
)
def test_ticks_are_round_and_few(low: float, high: float, intervals: int, names: list[str]):
    ticks = round_ticks(low, high, intervals)
    assert list(ticks.values()) == names
    assert list(ticks) == pytest.approx([float(name.replace("−", "-")) for name in names])
    assert all(low <= tick <= high for tick in ticks)

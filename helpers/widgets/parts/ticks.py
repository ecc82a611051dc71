"""Round numbers for the axes of explorers."""

from __future__ import annotations

import math

from helpers.widgets.parts.words import signed


def round_ticks(low: float, high: float, intervals: int = 4) -> dict[float, str]:
    """Round numbers in a range, at equal distances of 1, 2 or 5 times a power of ten.

    Args:
        low: Lower end of the range.
        high: Upper end of the range, above `low`.
        intervals: Upper limit for the number of intervals; there is at most one tick more.

    Returns:
        The ticks in rising order, each with its name.
    """
    raw = (high - low) / intervals
    step = 10 ** math.floor(math.log10(raw))
    step *= next(factor for factor in (1, 2, 5, 10) if factor * step >= raw)
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return {k * step: signed(k * step, decimals) for k in range(math.ceil(low / step), math.floor(high / step) + 1)}

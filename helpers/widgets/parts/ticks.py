"""Round numbers for the axes of explorers, and numbers with a true minus sign."""

from __future__ import annotations

import math


def round_ticks(low: float, high: float, intervals: int = 4) -> dict[float, str]:
    """Round numbers between two, with their names, no more than `intervals` + 1 of them."""
    raw = (high - low) / intervals
    step = 10 ** math.floor(math.log10(raw))
    step *= next(factor for factor in (1, 2, 5, 10) if factor * step >= raw)
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return {k * step: signed(k * step, decimals) for k in range(math.ceil(low / step), math.floor(high / step) + 1)}


def signed(value: float, decimals: int) -> str:
    """The number with a minus sign where it is negative, and none before zero."""
    text = f"{value:.{decimals}f}"
    return text.lstrip("-") if not float(text) else text.replace("-", "−")

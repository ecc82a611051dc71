"""Numbers in the words of explorers: signed, as points, and as counts of things."""

from __future__ import annotations

from collections.abc import Iterable

from helpers.plots.words import with_minus


def signed(value: float, decimals: int) -> str:
    """A number with a minus sign (U+2212) if it is negative as rounded: zero has no sign.

    Args:
        value: Number to write.
        decimals: Decimals to write.

    Returns:
        The words, such as "−1.50" or "0.00".
    """
    text = f"{value:.{decimals}f}"
    return text.lstrip("-") if not float(text) else with_minus(text)


def point(coordinates: Iterable[float], decimals: int) -> str:
    """A point by its coordinates.

    Args:
        coordinates: Numbers, or an array or tensor, [dimensions].
        decimals: Decimals of each coordinate.

    Returns:
        The words, such as "(0.3, −1.2)".
    """
    return f"({', '.join(signed(float(coordinate), decimals) for coordinate in coordinates)})"


def counted(number: int, thing: str) -> str:
    """A count with its noun, in the plural unless it is one.

    Args:
        number: How many.
        thing: Noun in the singular, whose plural ends in s.

    Returns:
        The words, such as "1 step" or "12 steps".
    """
    return f"{number} {thing}{'' if number == 1 else 's'}"

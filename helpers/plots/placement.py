"""Positions of labels that otherwise overlap."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def spread(positions: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Positions on a line, moved as little as possible (least squares) until neighbours are `gap` apart; then into [low, high].

    The order stays the same. Positions at the minimal distance form a block, centred at the mean of what was asked for.

    Args:
        positions: Desired positions, in any order.
        gap: Smallest distance between neighbours, in the unit of the positions.
        low: Smallest position allowed.
        high: Largest position allowed; it takes precedence over `low` if there is no room for both.

    Returns:
        The new positions, in the order of `positions`.
    """
    order = np.argsort(positions, kind="stable")
    blocks: list[tuple[float, int]] = []  # (position of the first member, number of members)
    for position in (float(positions[i]) for i in order):
        start, members = position, 1
        while blocks and blocks[-1][0] + gap * blocks[-1][1] > start:
            previous_start, count = blocks.pop()
            start = (previous_start * count + (start - gap * count) * members) / (count + members)
            members += count
        blocks.append((start, members))
    placed = [start + gap * k for start, members in blocks for k in range(members)]
    for k in range(len(placed)):  # push up from the bottom, ...
        placed[k] = max(placed[k], low + gap * k)
    for k in range(len(placed)):  # ... then down from the top
        placed[-1 - k] = min(placed[-1 - k], high - gap * k)
    result = [0.0] * len(placed)
    for place, index in zip(placed, order, strict=True):
        result[index] = place
    return result


def separate(centres: np.ndarray, sizes: np.ndarray, rounds: int = 100) -> np.ndarray:
    """Boxes in the plane, pushed apart until no two overlap.

    Two boxes that overlap move along the axis on which they overlap least.

    Args:
        centres: Centres of the boxes, [n, 2].
        sizes: Widths and heights, [n, 2], in the unit of the centres.
        rounds: Most passes over all pairs. Boxes may still overlap after the last one.

    Returns:
        The new centres, [n, 2].
    """
    placed = np.array(centres, dtype=np.float64)
    for _ in range(rounds):
        moved = False
        for i in range(len(placed)):
            for j in range(i):
                apart = placed[i] - placed[j]
                overlap = (sizes[i] + sizes[j]) / 2 - np.abs(apart)
                if (overlap > 1e-9).all():
                    axis = int(np.argmin(overlap))
                    push = (1 if apart[axis] >= 0 else -1) * overlap[axis] / 2
                    placed[i, axis] += push
                    placed[j, axis] -= push
                    moved = True
        if not moved:
            break
    return placed

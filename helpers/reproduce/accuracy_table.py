"""The accuracies of the semi-supervised VAE as one table: variants down, numbers of labels across, published above ours."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from helpers.reproduce.rows import Row
from helpers.reproduce.ssvae_settings import INTERVALS, LABELS, PUBLISHED, PYRO, PYRO_VARIANTS, SHORT, WORDS, row_name

# Name of a line → prefix of our variants; None: the published values.
SOURCES: Mapping[str, str | None] = {"published": None, "ours, same protocol": PYRO, "ours, with warps": ""}
# 97.5 % quantiles of Student's t by number of values, 2 to 10; beyond, the last is used, which makes the interval a little too wide.
STUDENT = dict(zip(range(2, 11), (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262), strict=True))


@dataclass(frozen=True)
class AccuracyLine:
    """One line of the table.

    Attributes:
        variant: A key of `PUBLISHED`.
        source: A key of `SOURCES`: who trained it, and how.
        cells: For each of `LABELS`: accuracy in percent ± half a 95 % interval over splits; ours with the number of splits in brackets.
            Both accuracies for two splits; a dash if there is no run.
    """

    variant: str
    source: str
    cells: tuple[str, ...]

    @property
    def name(self) -> str:
        """The variant in a few words, as the explorer of lesson 06 names it."""
        return SHORT[self.variant]


def half_interval(values: Sequence[float]) -> float | None:
    """Half the width of the 95 % interval of a mean, by Student's t.

    Args:
        values: Independent runs, such as one a split.

    Returns:
        In the unit of the values; None for fewer than two.
    """
    number = len(values)
    if number < 2:
        return None
    return STUDENT[min(number, max(STUDENT))] * statistics.stdev(values) / math.sqrt(number)


def accuracy_cells(rows: Sequence[Row]) -> list[AccuracyLine]:
    """The table's lines: for each variant the published values, ours under the published protocol, and ours on warped images.

    M1 + M2 has no line under the published protocol: nothing here trains it so.

    Args:
        rows: Rows of `reproduce ssvae`; others are ignored.

    Returns:
        The lines, from top to bottom.
    """
    by_name = {row.name: row for row in rows if row.runs}
    lines = []
    for variant in PUBLISHED:
        for source, prefix in SOURCES.items():
            if prefix is None:
                cells = tuple(_published(variant, labels) for labels in LABELS)
            elif prefix == PYRO and prefix + variant not in PYRO_VARIANTS:
                continue
            else:
                cells = tuple(_ours(by_name.get(row_name(prefix + variant, labels))) for labels in LABELS)
            lines.append(AccuracyLine(variant, source, cells))
    return lines


def _published(variant: str, labels: int) -> str:
    value = f"{100 * PUBLISHED[variant][labels]:.4g}"
    return value + (f" ± {100 * INTERVALS[variant][labels]:.1f}" if variant in INTERVALS else "")


def _ours(row: Row | None) -> str:
    if row is None:
        return "–"
    values = [run.value for run in row.runs]
    half = half_interval(values)
    if len(values) == 2:  # an interval from two values is wider than all accuracies: both say more
        words = f"{100 * min(values):.1f}, {100 * max(values):.1f}"
    else:
        words = f"{100 * row.mean:.1f}" + ("" if half is None else f" ± {100 * half:.1f}")
    return f"{words} ({len(values)})"


def accuracy_table(rows: Sequence[Row]) -> str:
    """The lines of `accuracy_cells` as a table in Markdown.

    Args:
        rows: Rows of `reproduce ssvae`; others are ignored.

    Returns:
        Markdown.
    """
    lines = [
        "| | | " + " | ".join(f"{labels:,} labels" for labels in LABELS) + " |",
        "|---|---|" + "---|" * len(LABELS),
    ]
    for line in accuracy_cells(rows):
        words = WORDS[line.variant] if line.source == "published" else ""
        lines.append(f"| {words} | {line.source} | " + " | ".join(line.cells) + " |")
    return "\n".join(lines).replace("|  |", "| |")

"""Test accuracy of lesson 06's variants by number of labels: the published values, and ours from the result rows."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from helpers.reproduce.rows import Row
from helpers.reproduce.ssvae_settings import INTERVALS, PREFIX, PUBLISHED, PYRO, SHORT

PROTOCOLS = {"same protocol": PYRO, "with warps": ""}  # of our runs → prefix of the variant in a row's name


@dataclass(frozen=True)
class Result:
    """Test accuracy of a variant with one number of labels, as a share of the test images.

    Attributes:
        published: The published accuracy, or None.
        published_half: Half of its 95 % interval, or None.
        runs: Our accuracy by split of the labelled images (its seed).
        curves: For each split with a curve, [points, 2]: the share of the training that is done, and the accuracy then.
    """

    published: float | None = None
    published_half: float | None = None
    runs: Mapping[int, float] = field(default_factory=dict)
    curves: tuple[np.ndarray, ...] = ()

    @property
    def mean(self) -> float:
        """Mean of our accuracies over splits."""
        return statistics.fmean(self.runs.values())

    @property
    def standard_error(self) -> float | None:
        """Standard error of `mean` over splits, or None for fewer than two."""
        return statistics.stdev(self.runs.values()) / math.sqrt(len(self.runs)) if len(self.runs) > 1 else None


Results = Mapping[str, Mapping[int, Result]]


def results_of(rows: Sequence[Row], protocol: str) -> Results:
    """Published and reproduced accuracies.

    Args:
        rows: Result rows; those called ssvae-VARIANT-LABELS, or ssvae-pyro-VARIANT-LABELS, are used, others are ignored.
        protocol: Which of ours, one of `PROTOCOLS`: trained as the published ones, or on warped images.

    Returns:
        The results by variant and number of labels, for all variants in `SHORT`.
    """
    prefix = PREFIX + PROTOCOLS[protocol]
    results = {
        variant: {
            labels: Result(value, INTERVALS.get(variant, {}).get(labels))
            for labels, value in PUBLISHED[variant].items()
        }
        for variant in SHORT
    }
    for row in rows:
        variant, _, labels = row.name.removeprefix(prefix).rpartition("-")
        if not row.name.startswith(prefix) or variant not in SHORT or not labels.isdecimal() or not row.runs:
            continue
        curves = tuple(
            np.array(run.curve["test"], dtype=float) / (run.epochs, 1.0) for run in row.runs if run.curve.get("test")
        )
        half = INTERVALS.get(variant, {}).get(int(labels))
        results[variant][int(labels)] = Result(row.published, half, {run.seed: run.value for run in row.runs}, curves)
    return results


def label_numbers(results: Results) -> list[int]:
    """Every number of labels that some variant has a result for.

    Args:
        results: By variant and number of labels.

    Returns:
        The numbers in rising order.
    """
    return sorted({number for by_labels in results.values() for number in by_labels})

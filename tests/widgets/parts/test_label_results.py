"""Results by variant and number of labels: which rows they take, and the averages over splits."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest

from helpers.reproduce.ssvae_settings import INTERVALS, PUBLISHED, SHORT
from helpers.widgets.parts.label_results import PROTOCOLS, label_numbers, results_of
from tests.widgets.label_rows import ROWS

SAME, WARPS = PROTOCOLS
RESULTS = results_of(ROWS, WARPS)


def test_rows_of_this_lesson_are_taken_and_the_others_passed_over():
    assert list(RESULTS) == list(SHORT) == list(PUBLISHED)
    found = RESULTS["classifier-loss"][100]
    assert found.runs == {0: 0.94, 1: 0.955, 2: 0.961} and found.published == 0.932
    assert found.mean == pytest.approx(0.952)
    assert found.standard_error == pytest.approx(statistics.stdev(found.runs.values()) / math.sqrt(3))
    np.testing.assert_allclose(found.curves[1], [[5 / 30, 0.4775], [1, 0.955]])
    assert RESULTS["classifier-loss"][3000].standard_error is None
    assert not RESULTS["m1m2"][600].runs and RESULTS["m1m2"][600].published == 0.9741
    assert sorted(RESULTS["sampled"]) == [20, 100, 600, 1000, 3000] and RESULTS["sampled"][20].published is None
    assert label_numbers(RESULTS) == [20, 100, 600, 1000, 3000]


def test_a_protocol_takes_its_own_rows_only():
    same = results_of(ROWS, SAME)
    assert (
        same["baseline"][100].runs == {0: 0.74, 1: 0.75} and RESULTS["baseline"][100].runs != same["baseline"][100].runs
    )
    assert not same["m1m2"][100].runs and same["m1m2"][100].published == 0.9667
    assert {number for by_labels in same.values() for number in by_labels} == {100, 600, 1000, 3000}


def test_published_intervals_stand_beside_their_values():
    for results in (RESULTS, results_of([], SAME)):
        assert results["enumerated"][3000].published_half == INTERVALS["enumerated"][3000] == 0.0159
        assert results["m1m2"][100].published_half is None
    assert RESULTS["sampled"][20].published_half is None

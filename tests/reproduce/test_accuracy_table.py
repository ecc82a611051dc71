"""The table of accuracies: what stands in which line, and how wide its intervals are."""

from __future__ import annotations

import math
import statistics

import pytest

from helpers.reproduce.accuracy_table import SOURCES, STUDENT, accuracy_cells, accuracy_table, half_interval
from helpers.reproduce.rows import Row, Run
from helpers.reproduce.ssvae_settings import LABELS, PUBLISHED


def row(name: str, *values: float) -> Row:
    made = Row(name, "", "test accuracy", 0.5, None, True, "", "", "")
    for split, value in enumerate(values):
        made.with_run(Run(split, value, None, 1, 1, 1.0, {}))
    return made


ROWS = [
    row("ssvae-enumerated-600", 0.30, 0.40),
    row("ssvae-pyro-enumerated-600", 0.55, 0.60, 0.65, 0.70, 0.75),
    row("ssvae-pyro-baseline-100", 0.7477),
    row("ssvae-sampled-100"),
    row("vae", 0.9),
]


def line(variant: str, source: str) -> tuple[str, ...]:
    (found,) = [one.cells for one in accuracy_cells(ROWS) if (one.variant, one.source) == (variant, source)]
    return found


def test_every_variant_has_its_lines_in_order():
    published, same, warped = SOURCES
    expected = [(variant, source) for variant in PUBLISHED for source in SOURCES if (variant, source) != ("m1m2", same)]
    assert [(one.variant, one.source) for one in accuracy_cells(ROWS)] == expected
    assert all(len(one.cells) == len(LABELS) for one in accuracy_cells([]))
    assert {cell for one in accuracy_cells([]) if one.source != published for cell in one.cells} == {"–"}
    assert warped == "ours, with warps"


def test_protocols_are_kept_apart():
    half = 100 * 2.776 * statistics.stdev([0.55, 0.60, 0.65, 0.70, 0.75]) / math.sqrt(5)
    assert line("enumerated", "ours, same protocol")[1] == f"65.0 ± {half:.1f} (5)"
    assert line("enumerated", "ours, with warps")[1] == "30.0, 40.0 (2)"
    assert line("enumerated", "published")[1] == "69.4 ± 3.5"
    assert line("m1m2", "published")[0] == "96.67"  # published without an interval


def test_one_split_has_no_interval():
    assert line("baseline", "ours, same protocol") == ("74.8 (1)", "–", "–", "–")
    assert half_interval([0.3]) is None and half_interval([]) is None


@pytest.mark.parametrize("number", sorted(STUDENT))
def test_intervals_cover_as_often_as_they_say(number):
    from scipy.stats import t  # comes with scikit-learn

    assert STUDENT[number] == pytest.approx(t.ppf(0.975, number - 1), abs=6e-4)
    values = [0.1 * k for k in range(number)]
    assert half_interval(values) == pytest.approx(STUDENT[number] * statistics.stdev(values) / math.sqrt(number))


def test_more_values_than_quantiles_use_the_last():
    values = [0.1 * k for k in range(12)]
    assert half_interval(values) == pytest.approx(STUDENT[10] * statistics.stdev(values) / math.sqrt(12))


def test_markdown_has_a_line_for_each():
    table = accuracy_table(ROWS).splitlines()
    assert table[0] == "| | | 100 labels | 600 labels | 1,000 labels | 3,000 labels |"
    assert len(table) == 2 + len(accuracy_cells(ROWS))
    assert table[5].startswith("| label summed | published | 22.5 ± 3.5 |")
    assert table[6].startswith("| | ours, same protocol | – | 65.0 ± ")

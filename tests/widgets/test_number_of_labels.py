"""Explorer "number of labels": the places of its marks and its words, with and without rows."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from matplotlib.figure import Figure

from helpers.plots.style import COLORS, MARKERS
from helpers.reproduce.ssvae_settings import INTERVALS, PUBLISHED, SHORT
from helpers.widgets.number_of_labels import ALONG, CURVES, SCALES, number_of_labels, page
from helpers.widgets.parts.label_results import PROTOCOLS, results_of
from helpers.widgets.parts.pixels import pixels_of
from tests.widgets.label_rows import ROWS, row
from tests.widgets.legible import unreadable

ACCURACY, ERROR = SCALES
KEY = 350  # the key is above this height


SAME, WARPS = PROTOCOLS
NUMBERS = [20, 100, 600, 1000, 3000]
RESULTS = results_of(ROWS, WARPS)
EXPLORER = number_of_labels(ROWS)
STATES = list(EXPLORER.states())
BARE = number_of_labels([])


def drawn_page(results, labels: int, scale: str) -> Figure:
    return page(results, labels, scale, NUMBERS)


def words(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def test_every_number_of_labels_can_be_chosen():
    assert EXPLORER.controls["labels"].options == NUMBERS


def test_without_rows_the_published_numbers_stand_alone():
    assert BARE.controls["labels"].options == [100, 600, 1000, 3000]
    picture = BARE.picture(labels=600, scale=ACCURACY, protocol=SAME)
    assert picture.caption.startswith("With 600 labels, attempt 3 over the classifier alone: +7.2 points published. ")
    assert (
        "1: sampled 17.9 %" in picture.alt
        and "Ours, same protocol: none yet" in picture.alt
        and "0 runs" in picture.alt
    )
    assert "no run of ours here" in words(page(results_of([], SAME), 600, ACCURACY, NUMBERS[1:]))


def test_words_say_the_state():
    caption = EXPLORER.picture(labels=100, scale=ACCURACY, protocol=WARPS).caption
    differences = [0.20, 0.175, 0.171]
    error = 100 * statistics.stdev(differences) / math.sqrt(3)
    gains = f"+16.1 points published, +{100 * statistics.fmean(differences):.1f} ± {error:.1f} ours (3 splits, paired)"
    assert caption.startswith(f"With 100 labels, attempt 3 over the classifier alone: {gains}. ")
    alt = EXPLORER.picture(labels=100, scale=ERROR, protocol=WARPS).alt
    assert "classifier alone 77.1 %" in alt and "3: with its loss 95.2 ± 0.6 % (3 splits)" in alt and "8 runs" in alt
    assert "M1 + M2 96.8 ± 0.1 % (2 splits)" in alt and f"test {ERROR} against" in alt and "a line at 100 labels" in alt
    alone = EXPLORER.picture(labels=20, scale=ACCURACY, protocol=WARPS)
    assert alone.caption.startswith("With 20 labels: no accuracy to compare. ")
    assert "Published: none. Ours, with warps: 1: sampled 31.0 % (1 split)." in alone.alt and "1 run." in alone.alt
    assert (
        "+4.7 points published. " in EXPLORER.picture(labels=3000, scale=ACCURACY, protocol=WARPS).caption
    )  # one side of ours is missing
    worse = number_of_labels([row("ssvae-baseline-100", {0: 0.9}), row("ssvae-classifier-loss-100", {0: 0.8})])
    assert "−10.0 ours (1 split, paired)" in worse.picture(labels=100, scale=ACCURACY, protocol=WARPS).caption


def test_the_table_has_the_numbers_in_the_chosen_scale():
    table = [line for line in words(drawn_page(RESULTS, 100, ACCURACY)) if line.startswith(tuple(SHORT.values()))]
    assert [line[:19].strip() for line in table] == list(SHORT.values())
    assert [line[19:28].strip() for line in table] == ["20.1 %", "22.5 %", "93.2 %", "77.1 %", "96.7 %"]
    assert [line[28:].strip() for line in table] == ["–", "–", "95.2 ± 0.6 %", "77.0 ± 1.5 %", "96.8 ± 0.1 %"]
    table = [line for line in words(drawn_page(RESULTS, 20, ERROR)) if line.startswith("1: sampled")]
    assert table[0].split() == ["1:", "sampled", "–", "69.0", "%"]


@pytest.mark.parametrize("scale", SCALES)
def test_marks_lie_where_the_numbers_say(scale):
    left, bottom, width, height = ALONG
    low, high = math.log10(20) - 0.12, math.log10(3000) + 0.12
    least = 0.8 * (1 - PUBLISHED["m1m2"][3000])  # the highest accuracy of all

    def place(labels: int, accuracy: float) -> tuple[float, float]:
        up = accuracy if scale == ACCURACY else 1 - math.log(1 - accuracy) / math.log(least)
        return left + width * (math.log10(labels) - low) / (high - low), bottom + height * up

    for chosen in (100, 3000):
        axes = drawn_page(RESULTS, chosen, scale).axes[0]
        line = next(one for one in axes.lines if len(one.get_xdata()) == 2 and np.ptp(one.get_ydata()) == height)
        np.testing.assert_allclose(line.get_xdata(), place(chosen, 0.5)[0])
        for index, by_labels in enumerate(RESULTS.values()):
            here = [one for one in axes.lines if one.get_color() == COLORS[index] and one.get_xdata()[0] < left + width]
            hollow = next(one for one in here if one.get_markerfacecolor() == "white")
            published = [
                place(labels, found.published)
                for labels, found in sorted(by_labels.items())
                if found.published is not None
            ]
            np.testing.assert_allclose(hollow.get_xydata(), published)
            filled = [
                one
                for one in here
                if one.get_marker() == MARKERS[index] and one.get_markersize() == 7 and one is not hollow
            ]
            got = [place(labels, found.mean) for labels, found in sorted(by_labels.items()) if found.runs]
            assert len(filled) == bool(got)
            if got:
                np.testing.assert_allclose(filled[0].get_xydata(), got)
                dots = next(one for one in here if one.get_markersize() == 2.4)
                single = [
                    place(labels, value) for labels, found in sorted(by_labels.items()) for value in found.runs.values()
                ]
                np.testing.assert_allclose(sorted(map(tuple, dots.get_xydata())), sorted(single))
    bars = [
        one
        for one in axes.lines
        if one.get_linewidth() == 1.4 and len(one.get_xdata()) == 2 and one.get_linestyle() == "-"
    ]
    found = RESULTS["classifier-loss"][100]
    ends = [place(100, found.mean + side * 2 * found.standard_error) for side in (-1, 1)]
    assert any(np.allclose(sorted(map(tuple, bar.get_xydata())), sorted(ends)) for bar in bars)
    assert len(bars) == 3  # rows with two splits or more
    thin = [one for one in axes.lines if one.get_linewidth() == 0.9]
    ends = [place(600, PUBLISHED["enumerated"][600] + side * INTERVALS["enumerated"][600]) for side in (-1, 1)]
    assert any(np.allclose(sorted(map(tuple, bar.get_xydata())), sorted(ends)) for bar in thin)
    assert len(thin) == sum(map(len, INTERVALS.values()))


def test_curves_are_those_of_the_chosen_number():
    left, bottom, width, height = CURVES
    axes = drawn_page(RESULTS, 100, ACCURACY).axes[0]
    for variant, color in zip(RESULTS, COLORS, strict=False):
        curves = [line for line in axes.lines if line.get_linewidth() == 1.2 and line.get_color() == color]
        drawn = np.array([line.get_xydata() for line in curves])
        expected = np.array(
            [(left, bottom) + np.array([width, height]) * curve for curve in RESULTS[variant].get(100).curves]
        )
        assert drawn.shape == expected.shape
        np.testing.assert_allclose(drawn, expected)
    assert len([line for line in drawn_page(RESULTS, 3000, ACCURACY).axes[0].lines if line.get_linewidth() == 1.2]) == 1


def test_the_picture_is_its_page():
    for state in ({"labels": 100, "scale": ERROR}, {"labels": 20, "scale": ACCURACY}):
        (image,) = EXPLORER.picture(**state, protocol=WARPS).figure.axes[0].images
        drawn = drawn_page(RESULTS, **state)
        np.testing.assert_array_equal(np.asarray(image.get_array()), pixels_of(drawn))


def test_words_can_be_read():
    complaints = {}
    for state in STATES:
        results = results_of(ROWS, state["protocol"])
        complaints[str(state)] = unreadable(drawn_page(results, state["labels"], state["scale"]))
    for state in BARE.states():
        complaints[f"bare {state}"] = unreadable(drawn_page(results_of([], SAME), state["labels"], state["scale"]))
    assert not {state: bad for state, bad in complaints.items() if bad}


def test_tick_labels_of_neighbouring_numbers_do_not_touch():
    published, numbers = results_of([], SAME), NUMBERS[1:]
    for chosen in numbers:
        texts = words(page(published, chosen, ACCURACY, numbers))
        shown = {word for word in texts if word.replace(",", "").isdecimal()}
        assert f"{chosen:,}" in shown and not {"600", "1,000"} <= shown


def test_protocols_are_kept_apart():
    picture = EXPLORER.picture(labels=100, scale=ACCURACY, protocol=SAME)
    ours = "Ours, same protocol: 3: with its loss 92.0 ± 1.0 % (2 splits), classifier alone 74.5 ± 0.5 % (2 splits)."
    assert ours in picture.alt
    gains = "+16.1 points published, +18.0 ours (1 split, paired)"
    assert f"attempt 3 over the classifier alone: {gains}. Ours: same protocol." in picture.caption
    assert EXPLORER.picture(labels=100, scale=ACCURACY, protocol=WARPS).to_png(1.0) != picture.to_png(1.0)


def test_same_state_same_bytes_and_stills():
    one, other = (number_of_labels(ROWS).picture(labels=100, scale=ERROR, protocol=SAME).to_png(1.0) for _ in range(2))
    assert one == other and EXPLORER.still_html().count("<img ") == 2


def test_perfect_accuracy_has_a_place_on_the_logarithmic_scale():
    perfect = results_of([row("ssvae-m1m2-100", {0: 1.0, 1: 0.999})], WARPS)
    figure = drawn_page(perfect, 100, ERROR)
    assert not unreadable(figure)
    bottom, height = ALONG[1], ALONG[3]
    ys = np.concatenate(
        [line.get_ydata() for line in figure.axes[0].lines if line.get_xdata()[0] < ALONG[0] + ALONG[2]]
    )
    assert np.isfinite(ys).all() and ys.min() >= bottom and ys[ys < KEY].max() <= bottom + height

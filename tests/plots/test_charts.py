"""Curves, bars, dots and histograms: the data in the artists, and the labels beside them."""

import numpy as np
import pytest
import torch
from matplotlib.text import Text
from torch.distributions import Normal

from helpers.plots import bars, curves, dots, histograms
from helpers.plots.placement import separate, spread
from helpers.plots.style import workbook_style
from helpers.plots.words import number, number_with_error


def laid_out(picture):
    """Settle every position at one resolution, so that boxes of text can be compared."""
    with workbook_style():
        picture.figure.draw_without_rendering()


def lines(picture):
    return {line.get_label(): line for line in picture.figure.axes[0].lines}


def text_boxes(picture):
    laid_out(picture)
    # Text's own method: an annotation's would add its leader
    return {text.get_text(): Text.get_window_extent(text) for text in picture.figure.axes[0].texts}


# curves


def test_lines_hold_the_data_from_epoch_one():
    drawn = lines(
        curves({"a": [3.0, 1.0, 2.0], "b": (torch.tensor([0, 10]), torch.tensor([5.0, 6.0]))}, "epoch", "bound")
    )
    np.testing.assert_array_equal(drawn["a"].get_xydata(), [[1, 3], [2, 1], [3, 2]])
    np.testing.assert_array_equal(drawn["b"].get_xydata(), [[0, 5], [10, 6]])
    assert drawn["a"].get_color() != drawn["b"].get_color()
    assert (
        drawn["a"].get_linestyle() != drawn["b"].get_linestyle() or drawn["a"]._dash_pattern != drawn["b"]._dash_pattern
    )
    assert drawn["a"].get_marker() != drawn["b"].get_marker()


def test_a_pair_of_numbers_is_a_series_of_two_not_x_and_y():
    np.testing.assert_array_equal(lines(curves({"a": (7.0, 8.0)}, "x", "y"))["a"].get_xydata(), [[1, 7], [2, 8]])


def test_tensors_with_gradients_and_lists_of_scalar_tensors_are_series():
    value = torch.tensor(2.0, requires_grad=True)
    drawn = lines(curves({"a": [value, value * 2], "b": torch.stack([value, value])}, "x", "y"))
    assert list(drawn["a"].get_ydata()) == [2, 4] and list(drawn["b"].get_ydata()) == [2, 2]


def test_bands_are_one_half_width_to_each_side():
    picture = curves({"a": [1.0, 2.0, 4.0]}, "x", "y", bands={"a": [0.1, 0.2, 0.5]})
    (band,) = picture.figure.axes[0].collections
    vertices = band.get_paths()[0].vertices
    for x, low, high in ((1, 0.9, 1.1), (2, 1.8, 2.2), (3, 3.5, 4.5)):
        assert vertices[vertices[:, 0] == x][:, 1].min() == pytest.approx(low)
        assert vertices[vertices[:, 0] == x][:, 1].max() == pytest.approx(high)


def test_every_name_is_written_once_inside_the_figure_and_none_covers_another():
    names = [f"estimator {i}" for i in range(6)]
    series = {name: np.linspace(0, 100 + 0.01 * i, 50) for i, name in enumerate(names)}
    picture = curves(series, "step", "bound", references={"exact": 100.0, "far below": -40.0})
    boxes = text_boxes(picture)
    assert sorted(boxes) == sorted([*names, "exact", "far below"])
    full = picture.figure.bbox
    ordered = sorted(boxes.values(), key=lambda box: box.y0)
    assert all(low.y1 <= high.y0 + 1 for low, high in zip(ordered, ordered[1:], strict=False))
    assert all(box.x0 > picture.figure.axes[0].bbox.x1 and box.x1 <= full.x1 + 1 for box in ordered)
    assert max(boxes, key=lambda name: boxes[name].y0) == "estimator 5"


def test_a_series_that_ends_early_is_named_where_it_ends():
    picture = curves({"short": ([0, 1, 2], [1.0, 1.0, 1.0]), "long": ([0, 5, 10], [2.0, 2.0, 2.0])}, "x", "y")
    boxes = text_boxes(picture)
    axes = picture.figure.axes[0]
    assert 0 < boxes["short"].x0 - axes.transData.transform((2, 1))[0] < 25
    assert boxes["long"].x0 > axes.bbox.x1


def test_references_are_horizontal_and_in_view():
    picture = curves({"a": [1.0, 2.0]}, "x", "y", references={"floor": -5.0})
    assert set(lines(picture)["floor"].get_ydata()) == {-5.0}
    low, high = picture.figure.axes[0].get_ylim()
    assert low <= -5.0 < 2.0 <= high


def test_logarithmic_axes_tick_the_measured_points_in_plain_numbers():
    picture = curves({"a": ([100, 600, 3000], [0.2, 0.1, 0.05])}, "labels", "error", xscale="log", yscale="log")
    laid_out(picture)
    axes = picture.figure.axes[0]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["100", "600", "3000"]
    assert "0.1" in [tick.get_text() for tick in axes.get_yticklabels()]


def test_curves_alt_text_names_each_series_with_its_ends():
    picture = curves({"ELBO": [-200.0, -150.0, -101.26]}, "epoch", "$\\log p$ (nats)", references={"published": -101.0})
    assert picture.alt == (
        "Line chart of log p (nats) against epoch. ELBO: from −200 at 1 to −101.3 at 3. Reference published: −101."
    )


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"series": {}}, "empty"),
        ({"series": {"a": []}}, "series 'a' is empty"),
        ({"series": {"a": [1.0, float("nan")]}}, "series 'a' holds 1 NaN .* index 1"),
        ({"series": {"a": ([1, 2, 3], [1.0, 2.0])}}, r"x of shape \[3\] and y of shape \[2\]"),
        ({"series": {"a": torch.zeros(2, 2)}}, r"series 'a'.*\[2, 2\]"),
        ({"series": {"a": ["x"]}}, "series 'a' must be numbers"),
        ({"series": {"a": [1.0]}, "bands": {"b": [1.0]}}, "bands names 'b'"),
        ({"series": {"a": [1.0]}, "bands": {"a": [1.0, 2.0]}}, "one per point"),
        ({"series": {"a": [1.0, -1.0]}, "yscale": "log"}, "logarithmic"),
        ({"series": {"a": [1.0]}, "references": {"r": [1.0, 2.0]}}, "reference 'r' .*one number"),
    ],
)
def test_says_what_is_wrong_with_curves(arguments, message):
    with pytest.raises(ValueError, match=message):
        curves(xlabel="x", ylabel="y", **arguments)


# bars and dots


@pytest.mark.parametrize("chart", [bars, dots])
def test_values_and_errors_stand_beside_their_row(chart):
    picture = chart({"first": 12.0, "second": 3.0}, "seconds", errors={"second": 0.25}, references={"budget": 5.0})
    laid_out(picture)
    axes = picture.figure.axes[0]
    words = {text.get_text(): text.get_window_extent() for text in axes.texts}
    assert set(words) == {"12", "3.00 ± 0.25", "budget"}
    assert words["12"].y0 > words["3.00 ± 0.25"].y1  # the first row on top
    assert [label.get_text() for label in axes.get_yticklabels()] == ["first", "second"]
    (whisker,) = [c for c in axes.collections if hasattr(c, "get_segments")]
    np.testing.assert_allclose(whisker.get_segments()[0], [[2.75, 1], [3.25, 1]])
    assert "second: 3.00 ± 0.25." in picture.alt and "Reference budget: 5." in picture.alt


def test_bars_start_at_zero_and_dots_need_not():
    assert [bar.get_width() for bar in bars({"a": 100.0, "b": 101.0}, "x").figure.axes[0].patches] == [100, 101]
    assert bars({"a": 100.0, "b": 101.0}, "x").figure.axes[0].get_xlim()[0] <= 0
    assert dots({"a": 100.0, "b": 101.0}, "x").figure.axes[0].get_xlim()[0] > 99


@pytest.mark.parametrize("chart", [bars, dots])
@pytest.mark.parametrize(
    "values, errors, message",
    [
        ({}, {}, "empty"),
        ({"a": float("nan")}, {}, "value of 'a'"),
        ({"a": torch.ones(3)}, {}, "one number"),
        ({"a": 1.0}, {"b": 1.0}, "errors names"),
        ({"a": 1.0}, {"a": -1.0}, "not negative"),
    ],
)
def test_says_what_is_wrong_with_values(chart, values, errors, message):
    with pytest.raises(ValueError, match=message):
        chart(values, "x", errors=errors)


# histograms


def test_histogram_areas_are_one_and_stand_in_order():
    values = torch.stack([torch.linspace(0, 1, 1000), torch.linspace(2, 4, 1000)], 1)
    picture = histograms(values, num_bins=40)
    for panel, (low, high) in zip(picture.figure.axes, ((0, 1), (2, 4)), strict=True):
        heights, edges, _ = panel.patches[0].get_data()
        assert (heights * np.diff(edges)).sum() == pytest.approx(1)
        inside = (edges[:-1] >= low - 0.1) & (edges[1:] <= high + 0.1)
        assert heights[~inside].sum() == pytest.approx(0)


def test_density_is_drawn_where_it_is_not_small():
    picture = histograms(0.1 * torch.randn(500, 3), density={"prior": lambda t: Normal(0.0, 1.0).log_prob(t).exp()})
    for panel in picture.figure.axes:
        (curve,) = panel.lines
        x, y = curve.get_data()
        np.testing.assert_allclose(y, np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi), rtol=1e-4)
        assert x[0] < -2.5 and x[-1] > 2.5
    assert "prior" in picture.alt


def test_density_may_differ_by_coordinate():
    locs = torch.tensor([0.0, 3.0])
    picture = histograms(
        torch.randn(100, 2) + locs, density={"prior": lambda t: Normal(locs, 1.0).log_prob(t[:, None]).exp()}
    )
    peaks = [panel.lines[0].get_xdata()[panel.lines[0].get_ydata().argmax()] for panel in picture.figure.axes]
    np.testing.assert_allclose(peaks, [0, 3], atol=0.1)


@pytest.mark.parametrize(
    "values, options, message",
    [
        (torch.randn(5, 21), {}, "at most 20"),
        (torch.randn(5, 2, 2), {}, r"\[5, 2, 2\]; expected \[N, D\]"),
        (torch.randn(5, 2), {"names": ["a"]}, "1 names for 2"),
        (torch.randn(5, 2), {"density": {"p": lambda t: t.exp().sum()}}, r"shape \[\]"),
        (torch.randn(5, 2), {"density": {"p": Normal(0.0, 1.0).log_prob}}, r"apply \.exp\(\)"),
        (torch.tensor([1.0, float("inf")]), {}, "infinite"),
    ],
)
def test_says_what_is_wrong_with_histograms(values, options, message):
    with pytest.raises(ValueError, match=message):
        histograms(values, **options)


# words and their places


def test_spread_moves_only_what_collides_and_as_little_as_possible():
    assert spread([0.1, 0.5, 0.9], 0.1, 0, 1) == [0.1, 0.5, 0.9]
    np.testing.assert_allclose(spread([0.5, 0.5], 0.2, 0, 1), [0.4, 0.6])
    np.testing.assert_allclose(spread([0.52, 0.9, 0.48], 0.2, 0, 1), [0.6, 0.9, 0.4])
    np.testing.assert_allclose(spread([0.5, 0.52, 0.7], 0.2, 0, 1), [0.373333, 0.573333, 0.773333], atol=1e-6)
    np.testing.assert_allclose(spread([1.0, 1.0, 1.0], 0.2, 0, 1), [0.6, 0.8, 1.0])
    np.testing.assert_allclose(spread([0.0, 0.0], 0.2, 0, 1), [0.0, 0.2])
    assert spread([], 0.1, 0, 1) == []


def test_separate_boxes_do_not_overlap_and_others_stay():
    centres = np.array([[0.0, 0.0], [0.1, 0.3], [5.0, 5.0], [0.0, 0.0]])
    sizes = np.ones((4, 2))
    placed = separate(centres, sizes)
    apart = np.abs(placed[:, None] - placed[None]).max(-1)
    assert (apart[~np.eye(4, dtype=bool)] >= 1 - 1e-6).all()
    np.testing.assert_array_equal(placed[2], [5, 5])


def test_numbers_in_words():
    assert [number(v) for v in (-101.26, 0.0, 123456.0, 3.0, 1e-9)] == ["−101.3", "0", "123456", "3", "1e−09"]
    assert number_with_error(-101.264, 0.1234) == "−101.26 ± 0.12"
    assert number_with_error(1234.4, 56.0) == "1234 ± 56"
    assert number_with_error(3.0, None) == "3"
    assert number_with_error(3.0, 0.0) == "3 ± 0"

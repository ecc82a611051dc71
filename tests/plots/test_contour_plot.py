"""Contour plots: the regions hold the stated mass, and the alt text says where the densities lie."""

import io

import numpy as np
import pytest
import torch
from matplotlib.image import imread
from torch.distributions import Independent, Normal

from helpers.plots import contours
from helpers.plots.contour_plot import level_of_mass, peaks


def gaussian(loc, scale):
    return Independent(Normal(torch.tensor(loc), torch.tensor(scale)), 1)


WINDOW = {"xlim": (-4.0, 4.0), "ylim": (-4.0, 4.0)}


@pytest.mark.parametrize("share", [0.5, 0.95])
def test_a_region_holds_the_mass_it_claims(share):
    # The disc of radius r holds 1 - exp(-r² / 2) of a standard normal, so its rim has density (1 - share) of the highest.
    grid = torch.cartesian_prod(*[torch.linspace(-5, 5, 401)] * 2)
    density = np.exp(-0.5 * grid.square().sum(1).double().numpy())
    assert level_of_mass(density, share) == pytest.approx(1 - share, rel=0.02)


def test_the_line_of_a_density_is_where_its_region_ends():
    q = gaussian([1.0, -0.5], [0.4, 0.8])
    picture = contours({"a": {"p": gaussian([0.0, 0.0], [1.0, 1.0]).log_prob, "q": q.log_prob}}, **WINDOW)
    (lines,) = [c for c in picture.figure.axes[0].collections if not c.get_fill()]
    outer = max(lines.get_paths(), key=lambda path: np.ptp(path.vertices))
    radius = (-2 * np.log(0.05)) ** 0.5  # of the 95 % region, in standard deviations
    away = (outer.vertices - q.mean.numpy()) / q.stddev.numpy()
    np.testing.assert_allclose(np.linalg.norm(away, axis=1), radius, rtol=0.03)


def test_a_missing_constant_changes_nothing():
    p = gaussian([0.0, 0.0], [1.0, 0.5])
    shifted = [lambda z, shift=shift: p.log_prob(z).double() + shift for shift in (0, 1000)]  # exp(1000) is infinite
    with_it, without = (contours({"a": {"p": f}}, **WINDOW) for f in shifted)
    for a, b in zip(
        *(picture.figure.axes[0].collections[0].get_paths() for picture in (with_it, without)), strict=True
    ):
        np.testing.assert_allclose(a.vertices, b.vertices, atol=1e-6)


def test_a_density_looks_the_same_in_every_panel_and_unlike_the_others():
    p, q = gaussian([0.0, 0.0], [1.0, 1.0]).log_prob, gaussian([0.5, 0.0], [0.5, 0.5]).log_prob
    picture = contours({"a": {"p": p, "q": q, "r": q}, "b": {"p": p, "r": q}}, **WINDOW)
    looks = []
    for axes in picture.figure.axes:
        lines = [c for c in axes.collections if not c.get_fill()]
        looks.append([(tuple(c.get_edgecolor()[0]), str(c.get_linestyle()[0])) for c in lines])
    assert looks[0][1] == looks[1][0]
    assert looks[0][0][0] != looks[0][1][0] and looks[0][0][1] != looks[0][1][1]  # by colour and by line style


def test_points_are_drawn_in_their_panel_and_named_in_the_legend():
    p = gaussian([0.0, 0.0], [1.0, 1.0]).log_prob
    marks = {"b": {"true z": torch.tensor([1.0, 2.0]), "beacons": torch.tensor([[0.0, 1.0], [2.0, 3.0]])}}
    picture = contours({"a": {"p": p, "q": p}, "b": {"p": p, "q": p}}, points=marks, **WINDOW)
    first, second = picture.figure.axes
    assert not first.lines
    np.testing.assert_array_equal(second.lines[0].get_xydata(), [[1, 2]])
    np.testing.assert_array_equal(second.lines[1].get_xydata(), [[0, 1], [2, 3]])
    assert second.lines[0].get_marker() != second.lines[1].get_marker()
    assert [text.get_text() for text in picture.figure.legends[0].get_texts()] == ["p", "q", "true z", "beacons"]


@pytest.mark.parametrize(
    "titles, size", [("ab", (500, 340)), ("ab", (640, 390)), ("abc", (860, 360)), ("abc", (960, 390))]
)
def test_nothing_is_cut_off_at_the_rim(titles, size):
    p = gaussian([0.0, 0.0], [1.0, 1.0]).log_prob
    names = ("posterior, on a grid", "best q", "encoder, 8 hidden")
    picture = contours(
        {f"north of {t}": dict.fromkeys(names, p) for t in titles}, size=size, xlim=(-2.6, 2.6), ylim=(-3.1, 2.3)
    )
    pixels = imread(io.BytesIO(picture.to_png(1)))[..., :3]  # the first drawing: the layout must have settled before
    for rim in (pixels[:1], pixels[-1:], pixels[:, :1], pixels[:, -1:]):
        assert (rim == 1).all()


def test_alt_text_says_where_each_density_lies():
    picture = contours({"one x": {"posterior": gaussian([1.0, -0.5], [0.4, 0.3]).log_prob}}, **WINDOW)
    assert "one x: posterior has mean (1, −0.5) and standard deviations (0.4, 0.3)." in picture.alt
    assert "50 % and 95 %" in picture.alt


def mixture(weights, locs, scales):
    parts = [gaussian(loc, [scale, scale]) for loc, scale in zip(locs, scales, strict=True)]
    return lambda z: torch.stack(
        [np.log(w) + part.log_prob(z) for w, part in zip(weights, parts, strict=True)]
    ).logsumexp(0)


def test_alt_text_of_two_peaks_says_both_and_not_the_mean_between():
    two = mixture([0.4, 0.6], [[0.5, 1.5], [0.5, -1.5]], [0.3, 0.5])
    far = mixture(
        [0.99, 0.01], [[0.0, 1.5], [0.0, -2.0]], [0.3, 0.3]
    )  # the second lies outside the region that is drawn
    merged = mixture([0.5, 0.5], [[0.0, 0.3], [0.0, -0.3]], [0.5, 0.5])
    alt = contours({"one x": {"two": two, "far": far, "merged": merged}}, **WINDOW).alt
    heights = 0.4 / 0.3**2, 0.6 / 0.5**2
    assert (
        f"two has two peaks: the highest at (0.5, 1.5), then (0.5, −1.5), {heights[1] / heights[0]:.2g} times as high;"
        in alt
    )
    assert "far has mean" in alt and "merged has mean" in alt


def test_alt_text_of_many_peaks_says_the_highest_three_and_counts_the_rest():
    spots = [[-1.5, -1.5], [-1.5, 1.5], [1.5, -1.5], [1.5, 1.5], [0.0, 0.0]]
    alt = contours({"one x": {"q": mixture([0.3, 0.25, 0.2, 0.15, 0.1], spots, [0.2] * 5)}}, **WINDOW).alt
    assert alt.count("times as high") == 2 and "q has 5 peaks: the highest at (−1.5, −1.5), then (−1.5, 1.5), " in alt
    assert "; then (1.5, −1.5), " in alt and "times as high; and 2 lower ones." in alt


@pytest.mark.parametrize("resolution", [40, 41, 161])
def test_one_peak_is_one_wherever_the_grid_lies(resolution):
    """A peak between cells gives ties; a ridge gives ripples of rounding."""
    grid = torch.cartesian_prod(*[torch.linspace(-2, 2, resolution)] * 2)
    for scale in ([0.6, 0.6], [0.05, 1.5]):
        density = gaussian([0.0, 0.0], scale).log_prob(grid).exp().double().numpy()
        ripples = 1 + 1e-6 * np.random.default_rng(0).standard_normal(len(density))
        assert len(peaks(density * ripples, resolution, 0.95)) == len(peaks(density, resolution, 0.95)) == 1


def test_alt_text_names_the_marked_points():
    p = gaussian([0.0, 0.0], [1.0, 1.0]).log_prob
    marks = {"b": {"true z": torch.tensor([1.0, -2.0]), "beacons": torch.tensor([[0.0, 1.0], [2.0, 3.0]])}}
    alt = contours({"a": {"p": p}, "b": {"p": p}}, points=marks, **WINDOW).alt
    assert alt.endswith("Marked: true z at (1, −2); beacons at (0, 1), (2, 3).") and alt.count("Marked") == 1
    assert "p has mean (0, 0) and" in alt


@pytest.mark.parametrize(
    "panels, points, message",
    [
        ({}, None, "at least one density"),
        ({"a": {}}, None, "at least one density"),
        ({"a": {"p": lambda z: z}}, None, r"'p' returned the shape \[25921, 2\]"),
        ({"a": {"p": lambda z: z[:, 0] * float("nan")}}, None, "log density 'p' holds 25921 NaN"),
        ({"a": {"p": lambda z: -z.square().sum(1)}}, {"b": {}}, r"points names \['b'\]"),
    ],
)
def test_what_cannot_be_drawn_is_named(panels, points, message):
    with pytest.raises(ValueError, match=message):
        contours(panels, points=points, **WINDOW)

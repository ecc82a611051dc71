"""Explorer "rate distortion": the places of its marks, its images and its words, in every state."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from helpers.data import Batches
from helpers.distributions import BernoulliConditional, GaussianConditional, StandardNormalPrior
from helpers.evaluation import ActiveUnits, BoundEvaluation, Measured
from helpers.experiments.rate_distortion import SweepPoint, rate_distortion_sweep
from helpers.models import AmortizedGuide, LatentVariableModel
from helpers.networks import FeedForward
from helpers.plots import mosaic
from helpers.training import History
from helpers.widgets.rate_distortion import COLUMNS, drawn_corners, rate_distortion
from tests.widgets.legible import unreadable

SHAPE = (1, 6, 5)
PLANE = {0.1: (40.0, 60.0), 0.5: (22.0, 66.0), 1.0: (15.0, 71.0), 8.0: (0.5, 105.0)}  # weight → rate, distortion


def point(weight: float, rate: float, distortion: float, shape: tuple[int, ...] = SHAPE) -> SweepPoint:
    torch.manual_seed(round(10 * weight))
    model = LatentVariableModel(StandardNormalPrior(3), BernoulliConditional(3, shape, FeedForward((8,))))
    guide = AmortizedGuide(GaussianConditional(shape, 3, FeedForward((8,))))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(4)  # steep, so that images of different z differ
    found = [Measured(value, 0.1) for value in (-rate - distortion, distortion, rate, -rate - distortion + 2)]
    units = ActiveUnits(torch.tensor([1.0, rate / 100, 0.0]), 0.01)
    return SweepPoint(weight, BoundEvaluation(*found, 10, 50), units, model, guide, History())


POINTS = [point(weight, *place) for weight, place in PLANE.items()]
IMAGES = torch.rand(7, *SHAPE, generator=torch.Generator().manual_seed(0))
EXPLORER = rate_distortion(POINTS[::-1], IMAGES)  # in any order
STATES = list(EXPLORER.states())


def test_the_slider_goes_by_rising_weight_and_begins_at_its_first_end():
    assert [state["model"] for state in STATES] == [1, 2, 3, 4] and EXPLORER.start == {"model": 1}
    for state, weight in zip(STATES, PLANE, strict=True):
        assert EXPLORER.picture(**state).caption.startswith(f"Rate weight {weight:g}: ")


def test_words_say_the_state_and_all_places():
    for state, (weight, (rate, distortion)) in zip(STATES, PLANE.items(), strict=True):
        picture = EXPLORER.picture(**state)
        bound = f"distortion {distortion:.1f} + rate {rate:.1f} nats, so the bound is −{rate + distortion:.1f}"
        assert bound in picture.caption and "best" not in picture.caption  # which is for the reader to find
        assert f"active units: {1 + (rate > 1)} of 3." in picture.caption
        assert f"The one with weight {weight:g} is ringed" in picture.alt
        for one, (x, y) in PLANE.items():
            assert f"weight {one:g} at ({x:.1f}, {y:.1f})" in picture.alt
        assert f"bound −{rate + distortion:.1f} at weight {weight:g}" in {
            text.get_text() for text in picture.figure.axes[0].texts
        }


def test_marks_lie_where_the_numbers_say_on_the_line_of_their_bound():
    rates, distortions = np.array(list(PLANE.values())).T
    for state, (rate, distortion) in zip(STATES, PLANE.values(), strict=True):
        lines = EXPLORER.picture(**state).figure.axes[0].lines
        (dots,) = [line for line in lines if line.get_marker() == "o" and len(line.get_xdata()) == 4]
        (ring,) = [line for line in lines if line.get_markersize() == 14]
        across, left = np.polyfit(rates, dots.get_xdata(), 1)
        up, bottom = np.polyfit(distortions, dots.get_ydata(), 1)
        np.testing.assert_allclose(dots.get_xdata(), left + across * rates, atol=1e-6)
        np.testing.assert_allclose(dots.get_ydata(), bottom + up * distortions, atol=1e-6)
        assert across > 0 and up > 0
        np.testing.assert_allclose(ring.get_xydata()[0], [left + across * rate, bottom + up * distortion])
        dashed = next(line for line in lines if line.get_marker() in ("", "None") and line.get_linestyle() == "--")
        x, y = (dashed.get_xdata() - left) / across, (dashed.get_ydata() - bottom) / up
        np.testing.assert_allclose(x + y, rate + distortion)


def test_thin_lines_of_equal_bound_are_named_at_the_right_edge():
    figure = EXPLORER.picture(model=1).figure
    axes = figure.axes[0]
    (dots,) = [line for line in axes.lines if line.get_marker() == "o" and len(line.get_xdata()) == 4]
    rates, distortions = np.array(list(PLANE.values())).T
    across, left = np.polyfit(rates, dots.get_xdata(), 1)
    up, bottom = np.polyfit(distortions, dots.get_ydata(), 1)
    named = {
        float(text.get_position()[1]): float(text.get_text().replace("−", "-"))
        for text in axes.texts
        if text.get_position()[0] == 330 and text.get_text() != "bound"
    }
    assert len(named) >= 2
    thin = [np.array(lines) for lines in (c.get_segments() for c in axes.collections) if lines]
    sums = set()
    for segments in thin:
        for (x0, y0), (x1, y1) in segments:
            rate, distortion = (np.array([x0, x1]) - left) / across, (np.array([y0, y1]) - bottom) / up
            if abs(rate[0] - rate[1]) > 1 and abs(distortion[0] - distortion[1]) > 1:  # not a line of the grid
                np.testing.assert_allclose(*(rate + distortion), atol=1e-6)
                sums.add(round(float((rate + distortion)[0]), 6))
    assert {-bound for bound in named.values()} <= sums
    for y, bound in named.items():
        at_the_edge = (324 - left) / across + (y - bottom) / up
        assert at_the_edge == pytest.approx(-bound, abs=1e-6)


def test_images_are_those_given_the_mean_of_a_draw_and_of_samples():
    before = torch.get_rng_state()
    corners = drawn_corners(POINTS, IMAGES, seed=4)
    assert torch.equal(torch.get_rng_state(), before)
    for corner, given in zip(corners, POINTS, strict=True):
        assert corner.point is given and list(corner.strips) == ["images", "reconstructions", "samples"]
        torch.manual_seed(4)
        with torch.no_grad():
            reconstructed = given.model(given.guide(IMAGES[:COLUMNS]).sample()).mean
            sampled = given.model(given.model.prior((COLUMNS,)).sample()).mean
        for row, images in zip(corner.strips.values(), (IMAGES[:COLUMNS], reconstructed, sampled), strict=True):
            np.testing.assert_array_equal(row, mosaic(images, COLUMNS))
        assert corner.error == pytest.approx((reconstructed - IMAGES[:COLUMNS]).square().mean().item())
    shown = EXPLORER.picture(model=2).figure.axes[0].images
    strips = list(drawn_corners(POINTS, IMAGES)[1].strips.values())
    np.testing.assert_array_equal([np.asarray(image.get_array()) for image in shown], strips)
    assert [image.get_extent()[2] for image in shown] == sorted(
        (image.get_extent()[2] for image in shown), reverse=True
    )


def test_ink_may_be_light():
    strips = drawn_corners(POINTS, IMAGES, ink="light")[0].strips
    np.testing.assert_array_equal(strips["images"], mosaic(IMAGES[:COLUMNS], COLUMNS, "light"))
    shown = rate_distortion(POINTS, IMAGES, "light").picture(model=1).figure.axes[0].images
    np.testing.assert_array_equal([np.asarray(image.get_array()) for image in shown], list(strips.values()))


def test_words_can_be_read():
    complaints = {str(state): unreadable(EXPLORER.picture(**state).figure) for state in STATES}
    assert not {state: bad for state, bad in complaints.items() if bad}


def test_same_state_same_bytes_and_stills():
    one, other = (rate_distortion(POINTS, IMAGES).picture(model=2).to_png(1.0) for _ in range(2))
    assert one == other and EXPLORER.still_html().count("<img ") == 2


def test_a_real_sweep_one_image_and_colours():
    shape = (3, 4, 4)

    def build():
        model = LatentVariableModel(StandardNormalPrior(2), BernoulliConditional(2, shape, FeedForward((4,))))
        return model, AmortizedGuide(GaussianConditional(shape, 2, FeedForward((4,))))

    bits = (torch.rand(20, *shape, generator=torch.Generator().manual_seed(1)) < 0.5).float()
    points = rate_distortion_sweep(build, Batches(bits, batch_size=10), bits, [2.0, 0.5], 1, progress=False)
    picture = rate_distortion(points, bits[:1]).picture(model=1)
    assert "Rate weight 0.5" in picture.caption and "1 image, reconstructed" in picture.alt
    assert not unreadable(picture.figure)


def test_says_what_cannot_be_shown():
    with pytest.raises(ValueError, match="two models or more, and 1 was given"):
        rate_distortion(POINTS[:1], IMAGES)
    with pytest.raises(ValueError, match="shape"):
        rate_distortion(POINTS, torch.rand(3, 1, 4, 4))

"""Reparameterise or score: the variances against closed forms and the exact harness, and the picture's numbers."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
import torch
from torch.distributions import Normal

from helpers.estimators import Pathwise, ScoreFunction, exact_moments
from helpers.widgets.reparameterise_or_score import (
    CURVE,
    EPS,
    WEIGHT,
    crossings,
    gaussian_gradients,
    reparameterise_or_score,
)
from tests.widgets.legible import unreadable

EXPLORER = reparameterise_or_score()
STATES = list(EXPLORER.states())


def numbers(state):
    f_and_q = {key: value for key, value in state.items() if key != "frequency"}
    return gaussian_gradients(state["frequency"], **f_and_q), crossings(**f_and_q)


@pytest.mark.parametrize("slope", [False, True])
@pytest.mark.parametrize("gradient", ["mean", "scale"])
@pytest.mark.parametrize(
    ("frequency", "height", "scale", "loc"),
    [(0.5, 1.0, 1.0, 0.5), (3.0, 0.75, 0.4, -1.25), (2.0, 1.5, 2.0, 0.0), (8.0, 2.0, 0.1, 2.0)],
)
def test_both_variances_and_the_gradient_are_the_harness(frequency, height, scale, loc, slope, gradient):
    ours = gaussian_gradients(frequency, height=height, scale=scale, loc=loc, slope=slope, gradient=gradient)
    parameters = [torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (loc, scale)]
    place = ("mean", "scale").index(gradient)

    def f(z: torch.Tensor) -> torch.Tensor:
        return height * (frequency * z).sin() + slope * z

    for estimator, variance in ((ScoreFunction(), ours.score), (Pathwise(), ours.pathwise)):
        found = exact_moments(estimator, f, Normal(*parameters), 1, parameters=parameters, gaussian_nodes=120)
        assert ours.exact.item() == pytest.approx(found.mean[place].item(), rel=1e-8, abs=1e-10)
        assert variance.item() == pytest.approx(found.variance[place].item(), rel=1e-8, abs=1e-10)


def test_the_fastest_wave_on_the_widest_q_has_its_closed_form():
    """A case for which Gauss-Hermite needs hundreds of nodes: pathwise on the mean, height² frequency² Var[cos(frequency z)]."""
    for frequency, scale, loc in ((8.0, 2.0, 0.7), (6.0, 1.9, -2.0), (0.25, 2.0, 0.0)):
        ours = gaussian_gradients(frequency, height=1.5, scale=scale, loc=loc, slope=False, gradient="mean")
        damped = math.exp(-0.5 * (frequency * scale) ** 2)
        mean = damped * math.cos(frequency * loc)
        square = 0.5 * (1 + damped**4 * math.cos(2 * frequency * loc))
        assert ours.pathwise.item() == pytest.approx((1.5 * frequency) ** 2 * (square - mean**2), rel=1e-10)
        assert ours.exact.item() == pytest.approx(1.5 * frequency * mean, rel=1e-9, abs=1e-12)
    assert [WEIGHT.sum(), WEIGHT @ EPS**4] == pytest.approx([1, 3], abs=1e-11)


def test_several_frequencies_at_once_are_each_of_them():
    f_and_q = {"height": 0.5, "scale": 0.7, "loc": 0.25, "slope": True, "gradient": "scale"}
    many = gaussian_gradients(CURVE[:7], **f_and_q)
    assert many.score.shape == many.pathwise.shape == many.exact.shape == (7,)
    one = gaussian_gradients(CURVE[3], **f_and_q)
    assert (many.score[3], many.pathwise[3]) == pytest.approx((one.score.item(), one.pathwise.item()))


def test_crossings_are_where_the_variances_are_equal_and_all_of_them():
    seen = set()
    for state in STATES[::157]:
        f_and_q = {key: value for key, value in state.items() if key != "frequency"}
        found = crossings(**f_and_q)
        seen.add(len(found))
        for place in found:
            assert gaussian_gradients(place, **f_and_q).ratio.item() == pytest.approx(1, abs=1e-4)
        # Between neighbouring crossings, and outside of them, the same estimator has less variance throughout.
        fine = np.linspace(CURVE[0], CURVE[-1], 2_000)
        calmer = gaussian_gradients(fine, **f_and_q).ratio > 1
        assert np.count_nonzero(calmer[1:] != calmer[:-1]) == len(found), state
    assert {0, 1} <= seen


def test_reparameterisation_is_not_always_the_calmer():
    """On the mean of q = N(0, 1), f = sin(k z): far below k = 1 pathwise, far above it the score function."""
    f_and_q = {"height": 1.0, "scale": 1.0, "loc": 0.0, "slope": False, "gradient": "mean"}
    assert gaussian_gradients(0.25, **f_and_q).ratio > 10 and gaussian_gradients(8.0, **f_and_q).ratio < 0.1
    (place,) = crossings(**f_and_q)
    assert 1 < place < 2
    # For a narrow q every wave in the slider's range is nearly linear, so pathwise always has less variance.
    assert not crossings(**{**f_and_q, "scale": 0.1}) and gaussian_gradients(8.0, **{**f_and_q, "scale": 0.1}).ratio > 1
    # A slope adds variance to the score function only.
    assert crossings(**{**f_and_q, "slope": True})[0] > place


def test_every_state_has_its_words():
    for state in STATES[::101]:
        picture, (here, crossed) = EXPLORER.picture(**state), numbers(state)
        wave = f"f(z) = {state['height']:g} sin({state['frequency']:g} z){' + z' if state['slope'] else ''} and"
        for words in (wave, f", {state['scale']:g}²)", f"gradient on the {state['gradient']} of q"):
            assert words in picture.alt
        score, pathwise = re.search(
            r"score function has variance (.+), the pathwise estimate (\S+|< 0.001)\. ", picture.alt
        ).groups()
        shown = {text.get_text() for text in picture.figure.axes[0].texts}
        for name, words, value in (("score", score, here.score), ("pathwise", pathwise, here.pathwise)):
            assert f"{name} {words}" in shown
            assert value < 1e-3 if words == "< 0.001" else float(words) == pytest.approx(value.item(), rel=6e-3)
        if crossed:
            assert f"equal at frequency {', '.join(f'{place:.2f}' for place in crossed)} between" in picture.caption
        else:
            assert "They are nowhere equal" in picture.caption
        if abs(here.ratio - 1) > 0.005:
            assert picture.caption.startswith("Pathwise" if here.ratio > 1 else "The score function")


def test_curves_pass_through_the_marks_and_meet_in_the_rings():
    state = {**EXPLORER.start, "frequency": 4.0}
    here, crossed = numbers(state)
    axes = EXPLORER.picture(**state).figure.axes[0]
    score, pathwise = (line for line in axes.lines if len(line.get_xdata()) == len(CURVE))
    marks = {
        line.get_marker(): line for line in axes.lines if len(line.get_xdata()) == 1 and line.get_markersize() == 8
    }
    ring = next(line for line in axes.lines if line.get_markersize() == 11)

    def at(line, x):
        return np.interp(x, line.get_xdata(), line.get_ydata())

    for line, marker in ((score, "s"), (pathwise, "o")):
        x, y = (data[0] for data in marks[marker].get_data())
        assert at(line, x) == pytest.approx(y, abs=0.2)
    x, y = (data[0] for data in ring.get_data())
    assert at(score, x) == pytest.approx(y, abs=0.2) and at(pathwise, x) == pytest.approx(y, abs=0.2)
    # Equal decades: 250 pixels for seven of them, and 250 for eight units of frequency.
    assert marks["o"].get_ydata()[0] - marks["s"].get_ydata()[0] == pytest.approx(
        250 / 7 * math.log10(here.pathwise / here.score)
    )
    assert marks["o"].get_xdata()[0] - x == pytest.approx(250 / 8 * (4.0 - crossed[0]), abs=1e-3)


def test_words_can_be_read():
    complaints = {str(state): unreadable(EXPLORER.picture(**state).figure) for state in STATES[::211]}
    assert not {state: bad for state, bad in complaints.items() if bad}


def test_stills_show_one_of_each():
    calmer = [EXPLORER.picture(**still).caption.split()[0] for still in EXPLORER.stills]
    assert calmer == ["Pathwise", "The"]
    assert EXPLORER.still_html().count("<img ") == 2


def test_refuses_a_gradient_on_something_else():
    with pytest.raises(ValueError, match='expected "mean" or "scale"'):
        gaussian_gradients(1.0, height=1.0, scale=1.0, loc=0.0, slope=False, gradient="variance")

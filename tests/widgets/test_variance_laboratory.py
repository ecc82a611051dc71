"""The explorer "variance laboratory": its picture and words carry the numbers of the laboratory."""

from __future__ import annotations

import re

import numpy as np
import pytest

from helpers.experiments.step_price import Price
from helpers.experiments.variance import NAMES, Laboratory
from helpers.widgets.variance_laboratory import variance_laboratory
from tests.widgets.legible import unreadable

PRICES = {name: Price(1e-4 * (place + 1), 1e-5 * (place + 2)) for place, name in enumerate(NAMES)}
EXPLORER = variance_laboratory(PRICES)
STATES = list(EXPLORER.states())
BIASED = ("straight-through", "ReinMax", "Gumbel-softmax")


def test_every_state_has_its_words():
    """All estimators in turn, over states in steps that are coprime to the grids' sizes."""
    for state in STATES[::37]:
        picture = EXPLORER.picture(**state)
        laboratory = Laboratory(state["bits"], state["sharpness"], state["offset"])
        chosen = laboratory.moments(state["estimator"], state["samples"])
        for words in (f"{state['bits']} bit", f"sharpness {state['sharpness']:g}", f"offset {state['offset']:g}"):
            assert words in picture.alt
        shown = {text.get_text().replace("\u2007", "") for text in picture.figure.axes[0].texts}
        for name in NAMES:
            moments = laboratory.moments(name, state["samples"])
            if moments is None:
                needed = int(re.search(rf"[;:] {name} needs (\d+) evaluations", picture.alt).group(1))
                assert laboratory.moments(name, needed) and not laboratory.moments(name, needed - 1)
                assert f"{name} needs {needed} evaluations" in shown
                continue
            milliseconds = 1000 * (PRICES[name].fixed + moments.evaluations * PRICES[name].per_evaluation)
            bias = f"{moments.bias:.3f}" if name in BIASED else ""
            assert f"{name}  {moments.noise:.3f}" + (bias and f"  {bias}") in shown
            assert f"{name} noise {moments.noise:.3f}, bias {bias or '0'}, {milliseconds:.2f} ms" in picture.alt
        if chosen is None:
            assert "cannot be had" in picture.caption
        else:
            assert f"noise {chosen.noise:.3f}" in picture.caption
            assert (", of which it uses" in picture.caption) == (chosen.evaluations != state["samples"])


def test_the_calmest_is_the_calmest():
    for state in STATES[::97]:
        caption = EXPLORER.picture(**state).caption
        if "cannot be had" in caption:
            continue
        laboratory = Laboratory(state["bits"], state["sharpness"], state["offset"])
        biased = (*BIASED, "enumeration")
        noise = {
            name: one.noise
            for name in NAMES
            if name not in biased and (one := laboratory.moments(name, state["samples"]))
        }
        named = re.search(r"that samples: (.+)\.$", caption).group(1).split(", ")
        assert min(noise, key=noise.get) in named
        assert all(noise[name] <= 1.005 * min(noise.values()) + 1e-9 for name in named)


def test_marks_lie_where_the_numbers_say():
    state = {**EXPLORER.start, "estimator": "straight-through", "bits": 4}
    laboratory = Laboratory(4, state["sharpness"], state["offset"])
    axes = EXPLORER.picture(**state).figure.axes[0]
    marks = {(line.get_marker(), len(line.get_xdata())): line for line in axes.lines if line.get_linestyle() == "None"}
    noise, bias = marks["o", 10], marks["D", 3]  # enumeration of four bits needs more evaluations than there are
    found = [laboratory.moments(name, state["samples"]) for name in NAMES if name != "enumeration"]
    expected = np.log10([max(one.noise, 0.01) for one in found])
    slope, start = np.polyfit(expected, noise.get_xdata(), 1)
    assert slope == pytest.approx(126 / 3) and start + slope * -2 == pytest.approx(290)
    biases = np.log10([laboratory.moments(name, 12).bias for name in BIASED])
    np.testing.assert_allclose(bias.get_xdata(), start + slope * biases)
    # Left: one standard deviation to either side of the mean, on the scale of the exact gradient's marks.
    left = {lines.get_linewidth()[0]: np.array(lines.get_segments()) for lines in axes.collections}
    exact, bars = left[2.4][:, 0, 0], left[2.0][:, :, 0]
    assert exact.shape == (4,) and bars.shape == (4, 2)
    scale, zero = np.polyfit(laboratory.exact, exact, 1)
    chosen = laboratory.moments("straight-through", state["samples"])
    np.testing.assert_allclose(np.mean(bars, axis=1), zero + scale * chosen.mean)
    np.testing.assert_allclose(np.ptp(bars, axis=1) / 2, scale * np.sqrt(chosen.variance))


def test_words_can_be_read():
    complaints = {str(state): unreadable(EXPLORER.picture(**state).figure) for state in STATES[::173]}
    assert not {state: bad for state, bad in complaints.items() if bad}


def test_stills_are_pictures_and_the_same_state_gives_the_same_bytes():
    assert EXPLORER.still_html().count("<img ") == 2
    first, second = (EXPLORER.picture(**EXPLORER.start).to_png(1.0) for _ in range(2))
    assert first == second


def test_refuses_what_it_cannot_show():
    with pytest.raises(ValueError, match="No price for REBAR"):
        variance_laboratory({name: price for name, price in PRICES.items() if name != "REBAR"})

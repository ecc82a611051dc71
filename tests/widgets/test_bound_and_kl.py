"""Bound and KL: the numbers against integrals over a grid, and the picture that carries them."""

import numpy as np
import pytest

from helpers.widgets.bound_and_kl import DEEPEST, NOISE, bound_and_kl, bound_and_kl_numbers, bound_and_kl_picture
from tests.widgets.legible import unreadable

STATES = list(bound_and_kl().states())
Z = np.linspace(-25, 25, 20_001)


def log_normal(value, loc, scale):
    return -0.5 * ((value - loc) / scale) ** 2 - np.log(scale) - 0.5 * np.log(2 * np.pi)


def integral(values):
    """Integral over Z by the trapezoidal rule, which is exact to rounding if the Gaussians vanish at both ends."""
    return float(values.sum() * (Z[1] - Z[0]))


def shown(value: float, decimals: int = 2) -> str:
    text = f"{value:.{decimals}f}"
    return (text.lstrip("-") if not float(text) else text).replace("-", "−")


def test_numbers_are_the_integrals_that_they_stand_for_in_every_state():
    for state in STATES:
        x, loc, scale = state["x"], state["loc"], state["scale"]
        numbers = bound_and_kl_numbers(x, loc, scale)
        log_joint = log_normal(Z, 0, 1) + log_normal(x, Z, NOISE)
        log_q = log_normal(Z, loc, scale)
        log_marginal = np.log(integral(np.exp(log_joint)))
        assert numbers.log_marginal == pytest.approx(log_marginal, abs=1e-9), state
        assert numbers.elbo == pytest.approx(integral(np.exp(log_q) * (log_joint - log_q)), abs=1e-9), state
        assert numbers.kl == pytest.approx(integral(np.exp(log_q) * (log_q - log_joint + log_marginal)), abs=1e-9), (
            state
        )
        posterior = np.exp(log_joint - log_marginal)
        mean = integral(posterior * Z)
        assert numbers.posterior_loc == pytest.approx(mean, abs=1e-9)
        assert numbers.posterior_scale == pytest.approx(integral(posterior * (Z - mean) ** 2) ** 0.5, abs=1e-9)


def test_bound_and_divergence_add_up_to_the_evidence_and_only_x_moves_it():
    lines = {}
    for state in STATES:
        numbers = bound_and_kl_numbers(**state)
        assert numbers.elbo + numbers.kl == pytest.approx(numbers.log_marginal, abs=1e-12)
        assert lines.setdefault(state["x"], numbers.log_marginal) == numbers.log_marginal
    assert len(lines) == 6


def test_the_sliders_reach_the_posterior_where_nothing_is_left_between():
    explorer = bound_and_kl()
    loc, scale = explorer.controls["loc"], explorer.controls["scale"]
    for k in range(25):
        x = -3 + 0.25 * k
        numbers = bound_and_kl_numbers(x, 0.0, 1.0)
        for control, wanted in ((loc, numbers.posterior_loc), (scale, numbers.posterior_scale)):
            steps = (wanted - control.low) / control.step
            assert steps == pytest.approx(round(steps), abs=1e-6) and control.low <= wanted <= control.high
    picture = bound_and_kl_picture(x=1.25, loc=0.8, scale=0.6)
    assert "q is the posterior" in picture.caption
    assert "KL(q || p(z | x)) = 0.000." in picture.alt


def test_alt_text_and_figure_carry_the_numbers():
    for state in STATES[::5]:  # 5 is coprime to each control's number of options, so that all of them occur
        numbers, picture = bound_and_kl_numbers(**state), bound_and_kl_picture(**state)
        evidence, elbo, kl = (shown(value, 3) for value in (numbers.log_marginal, numbers.elbo, numbers.kl))
        assert (
            f"log p(x) = {evidence}, below it ELBO = {elbo}, and between them KL(q || p(z | x)) = {kl}." in picture.alt
        )
        assert (
            f"For x = {shown(state['x'])} the posterior p(z | x) has mean {shown(numbers.posterior_loc)}" in picture.alt
        )
        assert f"q(z) has mean {shown(state['loc'])} and standard deviation {state['scale']:.2f}" in picture.alt
        words = {text.get_text() for text in picture.figure.axes[0].texts}
        assert {f"log p(x) {evidence}", f"ELBO {elbo}", f"KL\n{kl}"} <= words
        assert ("left the picture" in picture.caption) == (numbers.elbo < DEEPEST)


def test_the_lessons_answer_mean_against_scale_can_be_read_off():
    """Steps of 0.2 from the posterior: the mean costs ½ (δ/σ)², the scale about twice that, and more downwards."""
    shown_kl = {}
    for loc, scale in ((1.0, 0.6), (0.6, 0.6), (0.8, 0.8), (0.8, 0.4)):
        shown_kl[loc, scale] = bound_and_kl_picture(x=1.25, loc=loc, scale=scale).alt.rpartition("= ")[2]
    assert list(shown_kl.values()) == ["0.056.", "0.056.", "0.101.", "0.128."]
    # The lesson's rule, for steps that are small enough.
    mean, wider, narrower = (bound_and_kl_numbers(1.25, *at).kl for at in ((0.806, 0.6), (0.8, 0.606), (0.8, 0.594)))
    assert mean == pytest.approx(0.5 * 0.01**2)
    assert [wider, narrower] == pytest.approx([0.01**2] * 2, rel=0.02)


def test_words_can_be_read():
    complaints = {str(state): unreadable(bound_and_kl_picture(**state).figure) for state in STATES[::11]}
    assert not {state: bad for state, bad in complaints.items() if bad}


def test_lines_lie_where_the_numbers_say():
    """The picture's scale: a nat has the same length everywhere, and q's peak is over its mean."""
    heights = []
    for loc in (0.0, 1.0):
        figure = bound_and_kl_picture(x=1.25, loc=loc, scale=1.0).figure
        numbers = bound_and_kl_numbers(1.25, loc, 1.0)
        dashed = [line for line in figure.axes[0].lines if line.get_linewidth() == 2.6]
        top, bottom = (line.get_ydata()[0] for line in dashed)
        heights.append((top - bottom) / numbers.kl)
    assert heights[0] == pytest.approx(heights[1])
    assert heights[0] == pytest.approx(24.0)  # 240 pixels for 10 nats


def test_stills_show_a_loose_bound_and_a_tight_one():
    explorer = bound_and_kl()
    loose, tight = (bound_and_kl_numbers(**still) for still in explorer.stills)
    assert loose.kl > 1 and tight.kl < 1e-9
    assert explorer.still_html().count("<img ") == 2

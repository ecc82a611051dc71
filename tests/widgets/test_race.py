"""Explorer "race": the picture that carries the numbers of a race."""

import re

import numpy as np
import pytest
import torch
from torch.distributions import Independent, Normal

from helpers.experiments.race_track import run_race
from helpers.widgets.race import MOST_STEPS, race, race_picture
from tests.experiments.race_model import BIAS, NOISE, TRACK, WEIGHT, asleep, best, posterior
from tests.widgets.legible import unreadable


class Trained(torch.nn.Module):
    """An untrained network, to test that a module is accepted."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.net = torch.nn.Linear(3, 4)

    def forward(self, x):
        loc, raw = self.net(x).chunk(2, -1)
        return Independent(Normal(loc, torch.nn.functional.softplus(raw)), 1)


ENCODERS = {"best": best, "asleep": asleep, "trained": Trained()}
EXPLORER = race(WEIGHT, BIAS, NOISE, ENCODERS)
STATES = list(EXPLORER.states())


def run(state) -> object:
    return run_race(TRACK, ENCODERS[state["encoder"]], **{key: state[key] for key in ("distance", "angle", "steps")})


def shown(value: float) -> str:
    return f"{value:.3f}" if value < 1 else f"{value:.2f}" if value < 10 else f"{value:,.0f}"


def test_alt_text_figure_and_caption_carry_the_numbers():
    for state in STATES[::13]:  # 13 is coprime to each control's number of options, so that all of them occur
        picture, ran = EXPLORER.picture(**state), run(state)
        fit, encoder, family = (shown(value) for value in (ran.fit_kl[-1], ran.encoder_kl, TRACK.family_gap))
        steps = f"{state['steps']} steps"
        assert f"the fit after {steps} {fit}, the encoder {encoder}, the best uncorrelated q {family}." in picture.alt
        assert f"encoder {state['encoder']}" in picture.alt
        assert f"log p(x) = {ran.log_marginal:.2f}".replace("-", "−") in picture.alt
        words = {text.get_text() for text in picture.figure.axes[0].texts}
        assert {f"fit {fit}", f"encoder {encoder}", f"best q {family}"} <= words
        ahead = re.match(r"Ahead after \d+ steps: the (fit|encoder), by", picture.caption)
        if abs(ran.fit_kl[-1] - ran.encoder_kl) < 1e-3:
            assert "within a thousandth" in picture.caption
        else:
            assert ahead.group(1) == ("fit" if ran.fit_kl[-1] < ran.encoder_kl else "encoder")
        if "passed the encoder at step" in picture.caption:
            step = int(re.search(r"at step (\d+)", picture.caption).group(1))
            assert ran.fit_kl[step] < ran.encoder_kl <= ran.fit_kl[:step].min()


def test_the_dot_of_the_fit_is_whole_at_either_end():
    for steps in (0, MOST_STEPS):
        axes = EXPLORER.picture(**{**dict(STATES[0]), "steps": steps}).figure.axes[0]
        (dot,) = [line for line in axes.lines if line.get_marker() == "o" and line.get_xdata()[0] > 320]
        assert dot.get_clip_box() is axes.bbox or dot.get_clip_box().bounds == axes.bbox.bounds


def test_ellipses_hold_the_mass_that_the_figure_says():
    ran = run_race(TRACK, best, distance=2.0, angle=30, steps=20)
    axes = race_picture(TRACK, ENCODERS, distance=2.0, angle=30, steps=20, encoder="best").figure.axes[0]
    assert "p: 50 %, 95 %; q: 95 %" in {text.get_text() for text in axes.texts}
    draws = posterior(ran.x).sample((200_000,)).numpy() - ran.posterior_loc
    squares = np.einsum("ni,ij,nj->n", draws, TRACK.precision, draws)
    rings = [line.get_xydata() for line in axes.lines if len(line.get_xdata()) == 49]
    assert len(rings) == 4  # two of the posterior, one of each q
    # Pixels per unit of z: both coordinates have the same scale. A ring's extent gives it, for q's known scale.
    per_unit = np.ptp(rings[2][:, 0]) / (2 * (-2 * np.log(0.05)) ** 0.5 * ran.scale[-1][0])
    for ring, mass in zip(rings[:2], (0.95, 0.5), strict=True):
        away = (ring - ring[:-1].mean(0)) / per_unit
        radius = np.einsum("ni,ij,nj->n", away, TRACK.precision, away)
        np.testing.assert_allclose((squares < radius.mean()).mean(), mass, atol=0.01)


def test_words_can_be_read():
    complaints = {str(state): unreadable(EXPLORER.picture(**state).figure) for state in STATES[::37]}
    assert not {state: bad for state, bad in complaints.items() if bad}


def test_stills_are_pictures():
    assert EXPLORER.still_html().count("<img ") == 2
    assert race_picture(TRACK, ENCODERS, distance=1.0, angle=0, steps=1, encoder="best").alt.count("after 1 step,") == 1


@pytest.mark.parametrize(
    ("weight", "bias", "noise"),
    [
        (torch.zeros(3, 1), torch.zeros(3), 0.5),
        (torch.zeros(1, 2), torch.zeros(1), 0.5),
        (WEIGHT, torch.zeros(2), 0.5),
        (WEIGHT, BIAS, 0.0),
    ],
)
def test_refuses_a_model_that_cannot_be_drawn(weight, bias, noise):
    with pytest.raises(ValueError, match="drawn in a plane"):
        race(weight, bias, noise, ENCODERS)


def test_refuses_to_race_nobody():
    with pytest.raises(ValueError, match="needs an encoder"):
        race(WEIGHT, BIAS, NOISE, {})

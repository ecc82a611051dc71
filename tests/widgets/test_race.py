"""The race: its model against torch's Gaussians, its fit against autograd and torch's Adam, and the picture's numbers."""

import re

import numpy as np
import pytest
import torch
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

from helpers.experiments.race_track import STEP_SIZE, race_track, run_race
from helpers.widgets.race import MOST_STEPS, race, race_picture
from tests.widgets.legible import unreadable

WEIGHT = torch.tensor([[1.0, 0.8], [0.9, 1.1], [1.2, 0.5]], dtype=torch.float64)
BIAS = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64)
NOISE = 0.5
TRACK = race_track(WEIGHT, BIAS, NOISE)
COVARIANCE = WEIGHT @ WEIGHT.T + NOISE**2 * torch.eye(3, dtype=torch.float64)


def posterior(x: np.ndarray) -> MultivariateNormal:
    """p(z | x) by conditioning the joint Gaussian, not by adding precisions."""
    gain = torch.linalg.solve(COVARIANCE, WEIGHT).T
    return MultivariateNormal(gain @ (torch.as_tensor(x) - BIAS), torch.eye(2, dtype=torch.float64) - gain @ WEIGHT)


def best(x):
    """The best uncorrelated q, as an encoder."""
    gain = torch.linalg.solve(COVARIANCE, WEIGHT).T.float()
    precision = torch.linalg.inv(posterior(BIAS.numpy()).covariance_matrix)
    scale = precision.diagonal().float() ** -0.5
    return Independent(Normal((x - BIAS.float()) @ gain.T, scale.expand(len(x), 2)), 1)


def asleep(x):
    """N(0, I) for every x, the start of the fit."""
    return Independent(Normal(torch.zeros(len(x), 2), torch.ones(len(x), 2)), 1)


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


def test_evidence_and_divergences_are_torchs_in_every_state():
    marginal = MultivariateNormal(BIAS, COVARIANCE)
    for state in STATES:
        ran = run(state)
        exact = posterior(ran.x)
        assert ran.log_marginal == pytest.approx(marginal.log_prob(torch.as_tensor(ran.x)).item(), abs=1e-9)
        np.testing.assert_allclose(ran.posterior_loc, exact.mean, atol=1e-9)
        fitted = (ran.loc[-1], ran.scale[-1], ran.fit_kl[-1])
        for loc, scale, kl in (fitted, (ran.encoder_loc, ran.encoder_scale, ran.encoder_kl)):
            q = MultivariateNormal(torch.as_tensor(loc), torch.as_tensor(scale**2).diag())
            assert kl == pytest.approx(kl_divergence(q, exact).item(), rel=1e-6, abs=1e-9), state


def test_x_lies_as_far_from_the_centre_as_the_slider_says_and_towards_it():
    inverse = torch.linalg.inv(COVARIANCE).numpy()
    for angle in (0, 45, 120, 345):
        for distance in (0.0, 1.5, 8.0):
            away = TRACK.observation(distance, angle) - BIAS.numpy()
            assert (away @ inverse @ away) ** 0.5 == pytest.approx(distance, abs=1e-9)
    first = TRACK.observation(1.0, 0) - BIAS.numpy()
    second = TRACK.observation(1.0, 90) - BIAS.numpy()
    values = torch.linalg.eigvalsh(COVARIANCE).flip(0).numpy()
    assert [first @ first, second @ second] == pytest.approx(values[:2])  # along the two widest directions
    assert first @ second == pytest.approx(0, abs=1e-9)
    assert first.sum() > 0 and second.sum() > 0


def test_the_fit_is_adam_on_the_elbo():
    """Compared with autograd through the definition of the ELBO, and torch's optimiser."""
    x = TRACK.observation(5.0, 75)
    loc, log_scale = (
        torch.zeros(2, dtype=torch.float64, requires_grad=True),
        torch.zeros(2, dtype=torch.float64, requires_grad=True),
    )
    optimizer = torch.optim.Adam([loc, log_scale], lr=STEP_SIZE)
    locs, log_scales = TRACK.fit(x, 60)
    for step in range(61):
        np.testing.assert_allclose(locs[step], loc.detach(), atol=1e-8)
        np.testing.assert_allclose(log_scales[step], log_scale.detach(), atol=1e-8)
        variance = (2 * log_scale).exp()
        error = torch.as_tensor(x) - WEIGHT @ loc - BIAS
        log_likelihood = -0.5 * (error.square().sum() + (WEIGHT.square() @ variance).sum()) / NOISE**2
        log_prior = -0.5 * (loc.square() + variance).sum()
        optimizer.zero_grad()
        (-(log_likelihood + log_prior + log_scale.sum())).backward()
        optimizer.step()


def test_family_gap_is_the_divergence_of_the_best_uncorrelated_q():
    ran = run_race(TRACK, best, distance=3.0, angle=30, steps=0)
    precision = torch.linalg.inv(posterior(ran.x).covariance_matrix)
    formula = 0.5 * (precision.diagonal().log().sum() - precision.logdet()).item()
    assert TRACK.family_gap == pytest.approx(formula, abs=1e-9)
    assert ran.encoder_kl == pytest.approx(formula, abs=1e-5)  # the encoder computes in float32
    for state in STATES[:: len(STATES) // 50]:
        assert run(state).fit_kl.min() >= formula - 1e-9  # no fit gets below
    assert run_race(TRACK, best, distance=1.5, angle=30, steps=MOST_STEPS).fit_kl[-1] == pytest.approx(
        formula, abs=1e-3
    )


def test_an_encoder_asleep_is_where_every_fit_starts():
    for distance in (0.0, 4.0):
        ran = run_race(TRACK, asleep, distance=distance, angle=200, steps=30)
        assert ran.encoder_kl == pytest.approx(ran.fit_kl[0], rel=1e-6)
        assert 1 <= ran.passed_at <= 2
    assert run_race(TRACK, best, distance=4.0, angle=200, steps=5).passed_at is None


def test_more_steps_extend_the_same_path_and_x_changes_it():
    short, long = (run_race(TRACK, asleep, distance=2.0, angle=15, steps=steps) for steps in (20, 90))
    np.testing.assert_array_equal(short.loc, long.loc[:21])
    other = run_race(TRACK, asleep, distance=2.0, angle=30, steps=20)
    assert not np.allclose(short.loc[5:], other.loc[5:])
    # A second call returns the same numbers.
    np.testing.assert_array_equal(run_race(TRACK, asleep, distance=2.0, angle=15, steps=20).fit_kl, short.fit_kl)


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

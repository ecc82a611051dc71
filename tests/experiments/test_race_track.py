"""The race track: its model against torch's Gaussians, and its fit against autograd and torch's Adam."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch.distributions import MultivariateNormal, kl_divergence

from helpers.experiments.race_track import STEP_SIZE, race_track, run_race
from tests.experiments.race_model import BIAS, COVARIANCE, NOISE, TRACK, WEIGHT, asleep, best, posterior

# encoder, distance, angle, steps
STATES = list(itertools.product((best, asleep), (0.0, 0.25, 1.5, 8.0), range(0, 360, 45), (0, 1, 10, 200)))


def test_log_marginal_and_divergences_are_torchs():
    marginal = MultivariateNormal(BIAS, COVARIANCE)
    for encoder, distance, angle, steps in STATES:
        ran = run_race(TRACK, encoder, distance=distance, angle=angle, steps=steps)
        exact = posterior(ran.x)
        assert ran.log_marginal == pytest.approx(marginal.log_prob(torch.as_tensor(ran.x)).item(), abs=1e-9)
        np.testing.assert_allclose(ran.posterior_loc, exact.mean, atol=1e-9)
        fitted = (ran.loc[-1], ran.scale[-1], ran.fit_kl[-1])
        for loc, scale, kl in (fitted, (ran.encoder_loc, ran.encoder_scale, ran.encoder_kl)):
            q = MultivariateNormal(torch.as_tensor(loc), torch.as_tensor(scale**2).diag())
            assert kl == pytest.approx(kl_divergence(q, exact).item(), rel=1e-6, abs=1e-9), (distance, angle, steps)


def test_x_lies_at_the_given_distance_and_angle():
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
    for _, distance, angle, steps in STATES:
        ran = run_race(TRACK, best, distance=distance, angle=angle, steps=steps)
        assert ran.fit_kl.min() >= formula - 1e-9  # no fit gets below
    assert run_race(TRACK, best, distance=1.5, angle=30, steps=200).fit_kl[-1] == pytest.approx(formula, abs=1e-3)


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
    # A second visit finds the first one's numbers.
    np.testing.assert_array_equal(run_race(TRACK, asleep, distance=2.0, angle=15, steps=20).fit_kl, short.fit_kl)


@pytest.mark.parametrize(
    ("weight", "bias", "noise"),
    [
        (torch.zeros(3, 1), torch.zeros(3), 0.5),
        (torch.zeros(1, 2), torch.zeros(1), 0.5),
        (WEIGHT, torch.zeros(2), NOISE),
        (WEIGHT, BIAS, 0.0),
    ],
)
def test_refuses_a_model_that_is_no_track(weight, bias, noise):
    with pytest.raises(ValueError, match="drawn in a plane"):
        race_track(weight, bias, noise)

"""Linear-Gaussian sequences: the estimates of the likelihood against the Kalman filter, the filter against one large Gaussian."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import MultivariateNormal

from helpers.evaluation import evaluate_sequences, particle_log_marginal
from helpers.models import LinearGaussianStateSpace, SequenceElbo, SmootherGuide

LATENT, OUTCOME = 2, 3


@pytest.fixture
def model() -> LinearGaussianStateSpace:
    generator = torch.Generator().manual_seed(3)

    def numbers(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    turn = torch.tensor([[0.8, -0.5], [0.4, 0.7]], dtype=torch.float64)
    return LinearGaussianStateSpace(
        turn, 0.5 + numbers(LATENT).abs(), numbers(OUTCOME, LATENT), 0.4 + numbers(OUTCOME).abs(), numbers(LATENT),
        numbers(OUTCOME), numbers(LATENT),
    )  # fmt: skip


def joint(model: LinearGaussianStateSpace, steps: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Mean and covariance of (z_1, ..., z_T), and the map to the means of (x_1, ..., x_T): plain linear algebra, no recursion in x."""
    a, b, q = model.transition_coefficients()
    # z = L (stacked b, with A z_0 added at first, + noise), where L = (I - shift(A))^-1
    shift = torch.zeros(steps, steps, dtype=a.dtype).diagonal_scatter(torch.ones(steps - 1, dtype=a.dtype), -1)
    solve = torch.linalg.inv(torch.eye(steps * LATENT, dtype=a.dtype) - torch.kron(shift, a))
    drive = b.repeat(steps).clone()
    drive[:LATENT] += a @ model.initial
    return solve @ drive, solve @ torch.kron(torch.eye(steps, dtype=a.dtype), q) @ solve.T, solve


def stacked(model: LinearGaussianStateSpace, steps: int) -> tuple[torch.Tensor, ...]:
    c, d, r = model.emission_coefficients()
    identity = torch.eye(steps, dtype=c.dtype)
    return torch.kron(identity, c), d.repeat(steps), torch.kron(identity, r)


@torch.no_grad()
def test_kalman_filter_and_smoother_are_those_of_one_large_gaussian(model):
    x, _ = model.sample(4, 5)
    lengths = torch.tensor([5, 2, 1, 4])
    log_likelihood = model.log_marginal(x, lengths)
    for sequence, length, value in zip(x, lengths.tolist(), log_likelihood, strict=True):
        mean, covariance, _ = joint(model, length)
        c, d, r = stacked(model, length)
        evidence = MultivariateNormal(c @ mean + d, c @ covariance @ c.T + r)
        torch.testing.assert_close(evidence.log_prob(sequence[:length].flatten()), value, rtol=1e-11, atol=0)
    mean, covariance, _ = joint(model, 5)
    *filtered, means, covariances = model.posterior_marginals(x)
    for seen in (
        3,
        5,
    ):  # of the posterior given x_1..seen, z at step `seen` is the filter's; with all seen, every step the smoother's
        c, d, r = stacked(model, 5)
        c, d, r = c[: seen * OUTCOME], d[: seen * OUTCOME], r[: seen * OUTCOME, : seen * OUTCOME]
        gain = covariance @ c.T @ torch.linalg.inv(c @ covariance @ c.T + r)
        posterior_mean = (mean + (x[:, :seen].flatten(1) - c @ mean - d) @ gain.T).unflatten(1, (5, LATENT))
        posterior_covariance = (covariance - gain @ c @ covariance).unflatten(0, (5, LATENT)).unflatten(2, (5, LATENT))
        torch.testing.assert_close(filtered[0][:, seen - 1], posterior_mean[:, seen - 1])
        torch.testing.assert_close(filtered[1][seen - 1], posterior_covariance[seen - 1, :, seen - 1])
    torch.testing.assert_close(means, posterior_mean)
    torch.testing.assert_close(covariances, torch.stack([posterior_covariance[t, :, t] for t in range(5)]))


def test_the_exact_posterior_makes_every_bound_touch(model):
    x, _ = model.sample(6, 8)
    lengths = torch.tensor([8, 1, 3, 8, 5, 2])
    exact = model.log_marginal(x, lengths)
    measured = evaluate_sequences(model, SmootherGuide(model), x, lengths, num_samples=2, batch_size=4)
    for estimate in (measured.bound, measured.log_marginal_is):  # one path says all: the weight is the same on each
        torch.testing.assert_close(estimate.values, exact, rtol=1e-10, atol=0)
    assert measured.bound.mean == pytest.approx((exact.sum() / lengths.sum()).item(), rel=1e-12)
    value = SequenceElbo(model, SmootherGuide(model))((x, lengths)).value
    torch.testing.assert_close(value, exact, rtol=1e-10, atol=0)


def test_the_bound_lies_below_and_more_samples_tighten(model):
    x, _ = model.sample(200, 8)
    lengths = torch.arange(200) % 8 + 1
    exact = model.log_marginal(x, lengths)
    guide = SmootherGuide(model, spread=1.3)
    gaps = []
    for num_samples in (5, 50):
        measured = evaluate_sequences(model, guide, x, lengths, num_samples=num_samples, batch_size=50)
        gaps.append([(exact - value.values) for value in (measured.bound, measured.log_marginal_is)])
    # For a Gaussian too wide by a factor f in D numbers in all, the gap is D (f²/2 - 1/2 - log f).
    expected = LATENT * lengths * ((1.3**2 - 1) / 2 - math.log(1.3))
    for (bound, weighted), num_samples in zip(gaps, (5, 50), strict=True):
        assert five_errors_from_zero(bound - expected)
        assert weighted.mean() < bound.mean()
        assert weighted.mean() > -5 * weighted.std() / len(weighted) ** 0.5, num_samples
    assert gaps[1][1].mean() < gaps[0][1].mean()


@pytest.mark.parametrize("resample_below", [0.0, 0.5, 1.0])
def test_estimates_of_the_likelihood_are_unbiased(model, resample_below):
    """E[Z_hat / Z] = 1, for sequences of different lengths side by side."""
    repeats, lengths = 4000, torch.tensor([5, 1, 3])
    x, _ = model.sample(3, 5)
    exact = model.log_marginal(x, lengths).repeat(repeats)
    guide = SmootherGuide(model, spread=1.5)
    if resample_below == 0.0:
        importance = evaluate_sequences(
            model,
            guide,
            x.repeat(repeats, 1, 1),
            lengths.repeat(repeats),
            num_samples=3,
            batch_size=3 * repeats,
            smc=False,
        )
        check_unbiased(importance.log_marginal_is.values - exact)
    log_z = particle_log_marginal(
        model, guide, x.repeat(repeats, 1, 1), lengths.repeat(repeats), num_particles=6, resample_below=resample_below
    )
    check_unbiased(log_z - exact)


def check_unbiased(log_ratio: torch.Tensor) -> None:
    ratio = log_ratio.exp().unflatten(0, (-1, 3))  # [repeats, sequences]
    assert ratio.std(0).min() > 0.05  # else there is nothing to test
    for column in ratio.T:
        assert five_errors_from_zero(column - 1)


def test_resampling_makes_noise_where_the_guide_is_the_posterior(model):
    """The weights on the way aim at the filtering distribution, and this guide sees the future."""
    x, _ = model.sample(1, 8)
    x, lengths = x.expand(500, -1, -1), torch.full((500,), 8)
    exact = model.log_marginal(x, lengths)
    never, always = (
        particle_log_marginal(model, SmootherGuide(model), x, lengths, 10, resample_below=share) - exact
        for share in (0.0, 1.0)
    )
    assert never.abs().max() < 1e-9
    assert always.std() > 0.1
    assert five_errors_from_zero(always.exp() - 1)


def test_without_resampling_it_is_importance_sampling(model):
    x, _ = model.sample(3, 4)
    lengths = torch.tensor([4, 1, 3])
    guide = SmootherGuide(model, spread=1.4)
    torch.manual_seed(1)
    log_z = particle_log_marginal(model, guide, x, lengths, 7, resample_below=0.0)
    torch.manual_seed(1)
    z = guide(x, lengths, 7)  # the same draws, in the same order
    log_weight = model.log_joint(x, lengths, z.z) - z.log_prob
    torch.testing.assert_close(log_z, log_weight.logsumexp(0) - math.log(7), rtol=1e-10, atol=0)


def five_errors_from_zero(values: torch.Tensor) -> bool:
    return bool(values.mean().abs() < 5 * values.std() / len(values) ** 0.5)

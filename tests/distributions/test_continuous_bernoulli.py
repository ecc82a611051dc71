"""The continuous Bernoulli's normaliser against high precision, and its density against its integral."""

from __future__ import annotations

import mpmath
import pytest
import torch
from torch.distributions import kl_divergence

from helpers.distributions.continuous_bernoulli import StableContinuousBernoulli, log_normaliser

mpmath.mp.dps = 50


def probabilities() -> list[float]:
    """Probabilities from 1e-6 to 1 - 1e-6, dense around 1/2, at which the textbook formula is 0/0, and around the change of formula."""
    ends = [10.0**-k for k in (6, 5, 4, 3, 2, 1)]
    near = [0.5 + sign * 2.0**-k for k in range(2, 40) for sign in (-1, 1)]
    switch = [1 / (1 + float(mpmath.exp(-x))) for x in (0.38, 0.399, 0.4, 0.401, 0.42)]
    return [
        *ends,
        *(1 - p for p in ends),
        *near,
        0.5,
        *switch,
        *(1 - p for p in switch),
        *torch.linspace(0.01, 0.99, 99).tolist(),
    ]


def exact(logit: float) -> tuple[float, float]:
    """log C and its derivative in the logit: C = 2 atanh(1 - 2 λ) / (1 - 2 λ) in the paper, λ = sigmoid(logit)."""
    logit = mpmath.mpf(logit)
    if logit == 0:
        return float(mpmath.log(2)), 0.0
    probability = 1 / (1 + mpmath.exp(-logit))
    constant = 2 * mpmath.atanh(1 - 2 * probability) / (1 - 2 * probability)
    return float(mpmath.log(constant)), float(1 / logit - 1 / mpmath.sinh(logit))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-12)])
def test_normaliser_and_gradient_against_fifty_digits(dtype, tolerance):
    logits = torch.tensor(probabilities(), dtype=torch.float64).logit().to(dtype).requires_grad_()
    ours = log_normaliser(logits)
    (gradient,) = torch.autograd.grad(ours.sum(), logits)
    expected = [exact(logit) for logit in logits.tolist()]
    values = torch.tensor([value for value, _ in expected], dtype=torch.float64)
    slopes = torch.tensor([slope for _, slope in expected], dtype=torch.float64)
    assert (ours.double() - values).abs().max() < tolerance
    assert (gradient.double() - slopes).abs().max() < tolerance


def test_far_logits_and_second_derivatives_stay_finite():
    logits = torch.tensor([-80.0, -0.4, 0.0, 0.4, 80.0], requires_grad=True)
    (gradient,) = torch.autograd.grad(log_normaliser(logits).sum(), logits, create_graph=True)
    (second,) = torch.autograd.grad(gradient.sum(), logits)
    assert torch.isfinite(gradient).all()
    assert torch.isfinite(second).all()
    assert second[2].item() == pytest.approx(1 / 6, rel=1e-5)  # log C(l) = log 2 + l²/12 - ...


@pytest.mark.parametrize("logit", [-12.0, -1.0, -0.4, -1e-3, 0.0, 1e-5, 0.39, 0.41, 3.0, 12.0])
def test_the_density_integrates_to_one_and_its_moments_are_torchs(logit):
    q = StableContinuousBernoulli(logits=torch.tensor(logit, dtype=torch.float64))
    x, weight = gauss_legendre()
    density = q.log_prob(x).exp()
    assert (density * weight).sum().item() == pytest.approx(1.0, abs=1e-12)
    mean = (density * weight * x).sum()
    torch.manual_seed(0)
    draws = q.sample((40_000,))
    deviation = ((density * weight * (x - mean) ** 2).sum() / 40_000).sqrt()
    assert (draws.mean() - mean).abs() < 5 * deviation
    assert ((draws >= 0) & (draws <= 1)).all()


def gauss_legendre() -> tuple[torch.Tensor, torch.Tensor]:
    import numpy

    x, w = numpy.polynomial.legendre.leggauss(60)
    return torch.from_numpy((x + 1) / 2), torch.from_numpy(w / 2)


def test_expand_and_kl_use_the_stable_normaliser():
    p = StableContinuousBernoulli(logits=torch.tensor(1e-3))
    wide = p.expand((3,))
    assert type(wide) is StableContinuousBernoulli
    exact_log_density = exact(1e-3)[0] + 0.3 * 1e-3 - float(mpmath.log(1 + mpmath.exp(1e-3)))
    assert wide.log_prob(torch.tensor(0.3)).tolist() == pytest.approx([exact_log_density] * 3, abs=1e-6)
    q = StableContinuousBernoulli(logits=torch.linspace(-3, 3, 13, dtype=torch.float64))
    x, weight = gauss_legendre()
    other = StableContinuousBernoulli(logits=torch.tensor(0.7, dtype=torch.float64))
    x = x[:, None]
    integral = (q.log_prob(x).exp() * (q.log_prob(x) - other.log_prob(x)) * weight[:, None]).sum(0)
    torch.testing.assert_close(kl_divergence(q, other), integral, rtol=0, atol=1e-6)


FAR = [
    sign * size for size in (1e-9, 1e-4, 0.0499, 0.0501, 0.399, 0.401, 2.0, 14.0, 18.0, 80.0) for sign in (-1, 1)
] + [0.0]


def exact_mean(logit: float) -> mpmath.mpf:
    logit = mpmath.mpf(logit)
    return mpmath.mpf(1) / 2 if logit == 0 else 1 / (1 - mpmath.exp(-logit)) - 1 / logit


def exact_quantile(logit: float, u: float) -> mpmath.mpf:
    logit = mpmath.mpf(logit)
    return mpmath.mpf(u) if logit == 0 else mpmath.log1p(u * mpmath.expm1(logit)) / logit


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-6), (torch.float64, 1e-12)])
def test_mean_variance_and_entropy_against_fifty_digits(dtype, tolerance):
    """Logits so large that a probability rounds to 0 or 1: pixels that are exactly 0 drive logits there."""
    logits = torch.tensor(FAR, dtype=torch.float64).to(dtype)
    q = StableContinuousBernoulli(logits=logits)
    for logit, mean, variance, entropy in zip(
        logits.tolist(), q.mean.tolist(), q.variance.tolist(), q.entropy().tolist(), strict=True
    ):
        exact_variance = float(mpmath.diff(exact_mean, logit)) if abs(logit) > 0.01 else 1 / 12 - logit**2 / 240
        exact_entropy = mpmath.log(1 + mpmath.exp(logit)) - exact(logit)[0] - exact_mean(logit) * logit
        assert mean == pytest.approx(float(exact_mean(logit)), abs=tolerance)
        assert variance == pytest.approx(exact_variance, abs=max(tolerance, 1e-10))
        assert entropy == pytest.approx(float(exact_entropy), abs=10 * tolerance)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
def test_quantiles_and_their_gradient_against_fifty_digits(dtype, tolerance):
    for logit in torch.tensor(FAR, dtype=torch.float64).to(dtype).tolist():
        parameter = torch.tensor(logit, dtype=dtype, requires_grad=True)
        for u in (0.0, 2.0**-10, 0.25, 0.5, 0.875, 1 - 2.0**-10):
            x = StableContinuousBernoulli(logits=parameter).icdf(torch.tensor(u, dtype=dtype))
            (slope,) = torch.autograd.grad(x, parameter)
            assert x.item() == pytest.approx(float(exact_quantile(logit, u)), abs=tolerance)
            if abs(logit) > 0.01:
                expected = float(mpmath.diff(lambda at, u=u: exact_quantile(at, u), logit))
                assert slope.item() == pytest.approx(expected, abs=tolerance)
            else:
                assert slope.item() == pytest.approx(u * (1 - u) / 2, abs=max(tolerance, 1e-4))
            if abs(logit) < 20:
                back = StableContinuousBernoulli(logits=parameter).cdf(x.detach())
                assert back.item() == pytest.approx(u, abs=3e-5 if dtype == torch.float32 else 1e-8)


def test_samples_stay_in_the_unit_interval_and_move_beyond_sixteen():
    """PyTorch's class clamps the probability, which makes the mean for a logit of 80 0.937 instead of 0.9875."""
    for logit in (-1e4, -80.0, 80.0, 1e4):
        q = StableContinuousBernoulli(logits=torch.tensor(logit))
        draws = q.rsample((20_000,))
        assert ((draws >= 0) & (draws <= 1)).all()
        assert (draws.mean() - q.mean).abs() < 5 * draws.std() / 20_000**0.5 + 1e-7
    ends = StableContinuousBernoulli(logits=torch.tensor([-80.0, 80.0])).icdf(torch.tensor([[0.0], [1.0]]))
    assert ((ends >= 0) & (ends <= 1)).all()


def test_kl_is_zero_on_itself_and_finite_far_out():
    far = StableContinuousBernoulli(logits=torch.tensor(FAR, dtype=torch.float64))
    assert kl_divergence(far, far).abs().max() < 1e-12
    opposite = StableContinuousBernoulli(logits=-far.logits)
    assert torch.isfinite(kl_divergence(far, opposite)).all()
    assert (kl_divergence(far, opposite) >= -1e-12).all()

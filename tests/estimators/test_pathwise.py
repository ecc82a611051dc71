"""Pathwise: exact gradients by quadrature, and what it refuses."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal, OneHotCategorical

from helpers.estimators import Pathwise, drawing_from


def leaf(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def test_gradient_of_the_second_moment_is_the_closed_form(gauss_hermite):
    """E[z²] = m² + s², so its gradient is (2 m, 2 s)."""
    loc, scale = leaf(0.7, -1.3, 0.0), leaf(0.5, 2.0, 1.0)
    source = gauss_hermite(4)
    with drawing_from(source):
        estimate = Pathwise()(lambda z: source.weights[:, None] * z**2, Normal(loc, scale), num_samples=4)
    gradient = torch.autograd.grad(estimate.surrogate.sum(), [loc, scale])
    torch.testing.assert_close(estimate.value, (loc**2 + scale**2).detach(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(gradient[0], 2 * loc.detach(), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(gradient[1], 2 * scale.detach(), rtol=1e-9, atol=1e-12)
    assert not estimate.value.requires_grad


def test_gradient_of_an_exponential_and_of_fs_own_parameter(gauss_hermite):
    """E[exp(a z)] = exp(a m + a² s²/2): gradients in q's parameters and in f's own parameter a."""
    loc, scale, a = leaf(0.3), leaf(0.6), leaf(0.8)
    source = gauss_hermite(30)
    with drawing_from(source):
        estimate = Pathwise()(lambda z: source.weights[:, None] * (a * z).exp(), Normal(loc, scale), num_samples=30)
    gradient = torch.autograd.grad(estimate.surrogate.sum(), [loc, scale, a])
    value = torch.exp(a * loc + a**2 * scale**2 / 2).detach()
    expected = (a * value, a**2 * scale * value, (loc + a * scale**2) * value)
    for ours, exact in zip(gradient, expected, strict=True):
        torch.testing.assert_close(ours, exact.detach(), rtol=1e-9, atol=0)


@pytest.mark.parametrize("batch", [(), (3,), (2, 1, 4)])
@pytest.mark.parametrize("num_samples", [None, 1, 5])
def test_shapes(batch, num_samples):
    q = Independent(Normal(torch.zeros(*batch, 2, 3), 1.0), 2)
    seen = []

    def f(z):
        seen.append(z.shape)
        return z.sum((-1, -2))

    estimate = Pathwise()(f, q, num_samples=num_samples)
    assert seen == [(num_samples or 1, *batch, 2, 3)]  # f is called once, on as many draws as were asked for
    assert estimate.value.shape == estimate.surrogate.shape == batch


def test_the_average_over_draws_is_unbiased():
    torch.manual_seed(0)
    loc = torch.linspace(-1, 1, 5, dtype=torch.float64)
    samples = 20_000
    value = Pathwise()(lambda z: z**2, Normal(loc, 0.5), num_samples=samples).value
    error = torch.sqrt((4 * loc**2 * 0.25 + 2 * 0.0625) / samples)  # var z² = 4 m² s² + 2 s⁴
    assert ((value - loc**2 - 0.25).abs() < 5 * error).all()


def test_refusals_name_an_estimator_that_fits():
    with pytest.raises(ValueError, match="has_rsample.*OneHotCategorical.*Enumeration"):
        Pathwise()(lambda z: z.sum(-1), OneHotCategorical(torch.ones(2, 3)))
    mixture = MixtureSameFamily(Categorical(torch.ones(2)), Normal(torch.zeros(2), 1.0))
    with pytest.raises(ValueError, match="MixtureSameFamily.*score or enumerate the component.*nesting"):
        Pathwise()(lambda z: z, mixture)
    with pytest.raises(ValueError, match="1 or more; 0 was given"):
        Pathwise()(lambda z: z, Normal(0.0, 1.0), num_samples=0)

"""Enumeration: exact value and gradient, and what it refuses."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Bernoulli, Categorical, Independent, Normal, OneHotCategorical

from helpers.estimators import Enumeration, drawing_from


def test_value_and_gradient_on_bits_are_the_closed_form(refuses):
    """f(z) = a · z + c z_0 z_1 over independent bits: E f = a · p + c p_0 p_1, for any correlation of f's parts."""
    torch.manual_seed(0)
    logits = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    a = torch.randn(3, dtype=torch.float64, requires_grad=True)
    c = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    q = Independent(Bernoulli(logits=logits), 1)
    with drawing_from(refuses()):
        estimate = Enumeration()(lambda z: z @ a + c * z[..., 0] * z[..., 1], q)
    p = logits.sigmoid()
    exact = p @ a + c * p[:, 0] * p[:, 1]
    torch.testing.assert_close(estimate.value, exact.detach(), rtol=1e-12, atol=1e-12)
    ours = torch.autograd.grad(estimate.surrogate.sum(), [logits, a, c])
    for mine, closed in zip(ours, torch.autograd.grad(exact.sum(), [logits, a, c]), strict=True):
        torch.testing.assert_close(mine, closed, rtol=1e-9, atol=1e-12)


def test_an_impossible_outcome_may_have_an_infinite_f():
    """As for `exact_gradient`: a component that has died and run away must not spoil the rest."""
    logits = torch.tensor([0.2, -math.inf, -0.4], dtype=torch.float64, requires_grad=True)
    shift = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    p = torch.tensor([0.2, -0.4], dtype=torch.float64).softmax(0)
    for spoilt in (-math.inf, math.inf, math.nan):
        f = torch.tensor([1.0, spoilt, 2.0], dtype=torch.float64)
        estimate = Enumeration()(lambda z, f=f: f[z] + shift, Categorical(logits=logits))
        torch.testing.assert_close(estimate.value, (p[0] + 2 * p[1] + shift).detach())
        of_logits, of_shift = torch.autograd.grad(estimate.surrogate, [logits, shift])
        torch.testing.assert_close(of_logits, p[0] * p[1] * torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64))
        assert of_shift.item() == pytest.approx(1.0)


@pytest.mark.parametrize("batch", [(), (3,), (2, 1, 4)])
@pytest.mark.parametrize(
    ("make", "size"),
    [
        (lambda *batch: Independent(Bernoulli(logits=torch.randn(*batch, 2, 2)), 2), 16),
        (lambda *batch: OneHotCategorical(logits=torch.randn(*batch, 5)), 5),
        (lambda *batch: Categorical(logits=torch.randn(*batch, 5)), 5),
    ],
)
def test_shapes_and_total_probability(batch, make, size):
    torch.manual_seed(0)
    q = make(*batch)
    seen = []

    def one(z):
        seen.append(z.shape)
        return torch.ones(z.shape[: z.dim() - len(q.event_shape)])

    estimate = Enumeration()(one, q)
    assert seen == [(size, *batch, *q.event_shape)]
    assert estimate.value.shape == estimate.surrogate.shape == batch
    torch.testing.assert_close(estimate.value, torch.ones(batch))
    Enumeration()(one, q, num_samples=size)  # the cost may be named


def test_the_gradient_of_a_constant_vanishes():
    """Probabilities sum to one, so a constant f has no gradient in q: not even a noisy one."""
    logits = torch.randn(6, dtype=torch.float64, requires_grad=True)
    estimate = Enumeration()(lambda z: torch.full((6,), 1e3, dtype=torch.float64), OneHotCategorical(logits=logits))
    (gradient,) = torch.autograd.grad(estimate.surrogate, logits)
    assert gradient.abs().max() < 1e-10


def test_refusals_name_an_estimator_that_fits():
    bits = Independent(Bernoulli(torch.full((3,), 0.5)), 1)
    with pytest.raises(ValueError, match="here 8 times, and num_samples=5.*an estimator that samples"):
        Enumeration()(lambda z: z.sum(-1), bits, num_samples=5)
    with pytest.raises(ValueError, match="Normal cannot list its outcomes.*Pathwise"):
        Enumeration()(lambda z: z, Normal(0.0, 1.0))
    with pytest.raises(ValueError, match="more than the .* Estimate by sampling"):
        Enumeration()(lambda z: z.sum(-1), Independent(Bernoulli(torch.full((200,), 0.5)), 1))

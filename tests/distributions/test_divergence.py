"""KLs in float32 against sums written out in float64, at parameters at which probabilities round to 0 and 1."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import (
    Bernoulli,
    Independent,
    MultivariateNormal,
    Normal,
    OneHotCategorical,
    kl_divergence,
)

from helpers.distributions import closed_form_kl
from helpers.distributions.continuous_bernoulli import StableContinuousBernoulli

LOGITS = (-200.0, -40.0, -17.0, -1.0, 0.0, 1.0, 17.0, 40.0, 200.0)


def softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > 0 else math.exp(x) / (1 + math.exp(x))


def kl_of_bits(q: float, p: float) -> float:
    return sigmoid(q) * (softplus(-p) - softplus(-q)) + sigmoid(-q) * (softplus(p) - softplus(q))


@pytest.mark.parametrize("p", LOGITS)
@pytest.mark.parametrize("q", LOGITS)
def test_bits(q, p):
    ours, theirs = torch.tensor([q], requires_grad=True), torch.tensor([p], requires_grad=True)
    kl = closed_form_kl(Independent(Bernoulli(logits=ours), 1), Independent(Bernoulli(logits=theirs), 1))
    assert kl.item() == pytest.approx(kl_of_bits(q, p), rel=1e-5)
    gradients = torch.autograd.grad(kl, [ours, theirs])
    assert gradients[0].item() == pytest.approx(sigmoid(q) * sigmoid(-q) * (q - p), rel=1e-4, abs=1e-5)
    assert gradients[1].item() == pytest.approx(sigmoid(p) - sigmoid(q), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("p", [-200.0, -17.0, 3.0, 17.0, 200.0])
@pytest.mark.parametrize("q", [-200.0, -17.0, 3.0, 17.0, 200.0])
def test_two_categories_are_a_bit(q, p):
    ours, theirs = torch.tensor([q, 0.0], requires_grad=True), torch.tensor([p, 0.0], requires_grad=True)
    kl = closed_form_kl(OneHotCategorical(logits=ours), OneHotCategorical(logits=theirs))
    assert kl.item() == pytest.approx(kl_of_bits(q, p), rel=1e-4, abs=2e-6)
    assert all(part.isfinite().all() for part in torch.autograd.grad(kl, [ours, theirs]))


def test_outcomes_that_one_of_both_never_has():
    never, even = torch.tensor([0.0, -math.inf], requires_grad=True), torch.tensor([0.0, 0.0], requires_grad=True)
    q, p = (OneHotCategorical(logits=logits, validate_args=False) for logits in (never, even))
    assert closed_form_kl(q, p).item() == pytest.approx(math.log(2))
    assert closed_form_kl(p, q).item() == math.inf
    assert closed_form_kl(q, q).item() == 0.0
    assert torch.autograd.grad(closed_form_kl(q, p), even)[0].isfinite().all()
    certain = torch.tensor([math.inf, -math.inf], requires_grad=True)
    bits, fair = Bernoulli(logits=certain, validate_args=False), Bernoulli(logits=torch.zeros(2))
    assert closed_form_kl(bits, fair).tolist() == pytest.approx([math.log(2)] * 2)
    assert closed_form_kl(fair, bits).tolist() == [math.inf] * 2
    assert torch.autograd.grad(closed_form_kl(bits, fair).sum(), certain)[0].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("of_q", [1e-20, 1e-6, 1.0, 1e6])
@pytest.mark.parametrize("of_p", [1e-6, 1.0, 1e6, 1e15])
@pytest.mark.parametrize("gap", [0.0, 1.0, -1e4])
def test_gaussians(of_q, of_p, gap):
    exact = 0.5 * ((of_q / of_p) ** 2 + (gap / of_p) ** 2 - 1) - math.log(of_q / of_p)
    scale = torch.tensor([of_q], requires_grad=True)
    kl = closed_form_kl(Independent(Normal(gap, scale), 1), Independent(Normal(torch.zeros(1), of_p), 1))
    assert kl.item() == pytest.approx(exact, rel=1e-5, abs=1e-6)
    assert torch.autograd.grad(kl, scale)[0].isfinite().all()


@pytest.mark.parametrize("p", LOGITS)
@pytest.mark.parametrize("q", LOGITS)
def test_continuous_bits(q, p):
    def log_mass(logit):
        if logit == 0:
            return 0.0
        return (max(logit, 0.0) + math.log(-math.expm1(-abs(logit)))) - math.log(abs(logit))

    def mean(logit):
        return 0.5 if logit == 0 else 0.5 / math.tanh(logit / 2) + 0.5 - 1 / logit

    exact = mean(q) * (q - p) + log_mass(p) - log_mass(q)
    ours = torch.tensor(q, requires_grad=True)
    kl = closed_form_kl(StableContinuousBernoulli(logits=ours), StableContinuousBernoulli(logits=torch.tensor(p)))
    assert kl.item() == pytest.approx(exact, rel=1e-5, abs=2e-6)
    assert torch.autograd.grad(kl, ours)[0].isfinite()
    entropy = StableContinuousBernoulli(logits=torch.tensor(q)).entropy().item()
    assert entropy == pytest.approx(log_mass(q) - mean(q) * q, rel=1e-5, abs=2e-6)


def test_the_usual_range_agrees_with_torch():
    torch.manual_seed(0)
    one, other = torch.randn(2, 4, 3, dtype=torch.float64)
    pairs = [
        (Independent(Bernoulli(logits=one), 1), Independent(Bernoulli(logits=other), 1)),
        (OneHotCategorical(logits=one), OneHotCategorical(logits=other)),
        (Independent(OneHotCategorical(logits=one), 1), Independent(OneHotCategorical(logits=other), 1)),
        (Independent(Normal(one, other.exp()), 1), Independent(Normal(other, one.exp()), 1)),
        (Independent(Independent(Normal(one, 1.0), 1), 1), Independent(Normal(other, 2.0), 2)),
        (Independent(Bernoulli(logits=one), 0), Bernoulli(logits=other)),
        (Bernoulli(logits=one), Independent(Bernoulli(logits=other), 0)),
        (MultivariateNormal(one, torch.eye(3).double()), MultivariateNormal(other, 2 * torch.eye(3).double())),
    ]
    for q, p in pairs:
        ours = closed_form_kl(q, p)
        assert ours.shape == q.batch_shape
        if type(q) is type(p) and getattr(q, "reinterpreted_batch_ndims", 0) == getattr(
            p, "reinterpreted_batch_ndims", 0
        ):
            torch.testing.assert_close(ours, kl_divergence(q, p))


def test_pairs_without_a_closed_form():
    q = Independent(Normal(torch.zeros(3), 1.0), 1)
    for p in (OneHotCategorical(logits=torch.zeros(3)), Independent(Normal(torch.zeros(2), 1.0), 1)):
        with pytest.raises(NotImplementedError):
            closed_form_kl(q, p)

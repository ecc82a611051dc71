"""ReinMax: exact for quadratic integrands of one site, a closed-form bias elsewhere, and less biased than straight-through."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Bernoulli, Categorical, Independent, Normal, OneHotCategorical

from helpers.estimators import ReinMax, StraightThrough, exact_gradient, exact_moments
from tests.estimators.problems import DOUBLE, assert_same, bits, leaf, moments
from tests.estimators.relaxable import relaxable_bits


def bias(estimator, f, q, *parameters, num_samples=1):
    ours = exact_moments(estimator, f, q, num_samples, parameters=list(parameters))
    exact = exact_gradient(f, q, parameters=list(parameters))
    torch.testing.assert_close(ours.value, exact.value, rtol=1e-12, atol=1e-12)
    return ours.mean[0] - exact.gradient[0]


@pytest.mark.parametrize("num_samples", [1, 3])
@pytest.mark.parametrize("t", [0.45, -2.0])
@pytest.mark.parametrize("logit", [-2.0, 0.0, 1.4])
def test_one_bit_is_unbiased_for_a_quadratic_and_has_this_bias_for_a_cubic(logit, t, num_samples):
    logits = torch.tensor(logit, dtype=DOUBLE, requires_grad=True)
    q = Bernoulli(logits=logits)
    assert bias(ReinMax(), lambda z: (z - t) ** 2, q, logits, num_samples=num_samples).abs() < 1e-12
    p = q.probs.item()
    assert bias(ReinMax(), lambda z: z**3, q, logits).item() == pytest.approx(p * (1 - p) / 2, rel=1e-9)


def test_one_categorical_variable_is_unbiased_for_any_quadratic():
    logits, linear, square = leaf(4), leaf(4, seed=1).detach(), leaf(4, 4, seed=2).detach()
    q = OneHotCategorical(logits=logits)
    f = lambda z: (z * linear).sum(-1) + ((z @ square) * z).sum(-1)  # noqa: E731
    assert bias(ReinMax(), f, q, logits).abs().max() < 1e-12
    assert bias(StraightThrough(), f, q, logits).abs().max() > 1e-2


def test_categories_of_two_are_one_bit():
    logit = torch.tensor(0.7, dtype=DOUBLE, requires_grad=True)
    pair = torch.stack([torch.zeros((), dtype=DOUBLE), logit])
    one = bias(ReinMax(), lambda z: z.exp() + z**3, Bernoulli(logits=logit), logit)
    two = bias(ReinMax(), lambda z: z[..., 1].exp() + z[..., 1] ** 3, OneHotCategorical(logits=pair), logit)
    torch.testing.assert_close(one, two, rtol=1e-10, atol=1e-12)


def test_less_biased_than_straight_through_on_several_bits():
    problem = relaxable_bits(3)
    exact = exact_gradient(problem.f, problem.q, parameters=problem.model + problem.guide).gradient
    size = len(problem.model)
    found = {make: moments(make(), problem).mean for make in (ReinMax, StraightThrough)}
    for mean in found.values():
        assert_same(mean[:size], exact[:size])
    gaps = {
        make: torch.cat([(a - b).flatten() for a, b in zip(mean[size:], exact[size:], strict=True)]).norm()
        for make, mean in found.items()
    }
    assert gaps[ReinMax] < gaps[StraightThrough] / 2


@pytest.mark.parametrize("logit", [-40.0, 40.0, 200.0])
def test_saturated_logits_give_finite_gradients(logit):
    for q_of in (Bernoulli, OneHotCategorical):
        logits = torch.tensor([logit, 0.0], requires_grad=True)
        q = Independent(q_of(logits=logits), 1) if q_of is Bernoulli else q_of(logits=logits)
        estimate = ReinMax()(lambda z: (z**2).sum(-1), q, num_samples=4)
        assert torch.autograd.grad(estimate.surrogate, logits)[0].isfinite().all()


def test_f_sees_outcomes_and_others_are_refused():
    problem = bits(4, batch=(50,))
    estimate = ReinMax()(problem.f, problem.q, num_samples=3)  # its Bernoullis check their argument
    assert torch.equal(estimate.value, estimate.surrogate.detach())
    with pytest.raises(ValueError, match="Categorical was given.*LeaveOneOut.*Enumeration"):
        ReinMax()(lambda z: z, Categorical(logits=torch.zeros(3)))
    with pytest.raises(ValueError, match="Normal was given.*Pathwise"):
        ReinMax()(lambda z: z.sum(-1), Independent(Normal(torch.zeros(3), 1.0), 1))

"""Leave-one-out: its formula, its invariance, and the integrand on which it is worse than doing nothing."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Bernoulli, Independent

from helpers.estimators import LeaveOneOut, ScoreFunction, drawing_from, exact_moments
from tests.estimators.problems import DOUBLE, assert_same, bits, category, moments


@pytest.mark.parametrize("num_samples", [2, 3])
def test_it_is_the_formula(replay_outcomes, num_samples):
    """1/S sum_s (f(z_s) - mean of the others' f) grad log q(z_s), sample by sample, on the same draws."""
    problem = bits(2, batch=(3,))
    z = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0]], dtype=DOUBLE)[:num_samples]
    with drawing_from(replay_outcomes(z)):
        estimate = LeaveOneOut()(problem.f, problem.q, num_samples=num_samples)
    each = problem.f(z.unsqueeze(1).expand(-1, 3, -1))  # [samples, batch]
    direct = each.mean(0)
    for place in range(num_samples):
        others = [each[s].detach() for s in range(num_samples) if s != place]
        reward = each[place].detach() - sum(others) / len(others)
        direct = direct + reward * problem.q.log_prob(z[place].expand(3, 2)) / num_samples
    ours = torch.autograd.grad(estimate.surrogate.sum(), problem.parameters, retain_graph=True)
    assert_same(ours, torch.autograd.grad(direct.sum(), problem.parameters), 1e-12)
    torch.testing.assert_close(estimate.value, each.mean(0).detach(), rtol=1e-12, atol=0)


@pytest.mark.parametrize("num_samples", [2, 3])
@pytest.mark.parametrize("problem", [bits(2), category(5)], ids=["2 bits", "5-way category"])
def test_adding_a_constant_to_f_changes_nothing(problem, num_samples):
    """Neither mean nor variance; of the plain score function it changes the variance, and much."""

    def variance_and_mean(estimator, constant):
        return exact_moments(
            estimator, lambda z: problem.f(z) + constant, problem.q, num_samples, parameters=problem.parameters
        )

    here, there = (variance_and_mean(LeaveOneOut(), constant) for constant in (0.0, 1000.0))
    assert_same(there.mean, here.mean)
    torch.testing.assert_close(there.variance, here.variance, rtol=1e-9, atol=1e-9)
    assert variance_and_mean(ScoreFunction(), 1000.0).total_variance > 1e3 * here.total_variance


def test_where_it_is_noisier_than_doing_nothing():
    """One fair bit, f = 2 b - 1: the plain score function is (2 b - 1)(b - 1/2) = 1/2 for any b, without noise.

    The other sample's reward is a baseline of no use here: the best constant is 0. With two samples leave-one-out gives 0 if
    the bits agree, and 1 if they differ: variance 1/4.
    """
    logit = torch.zeros((), dtype=DOUBLE, requires_grad=True)
    q = Bernoulli(logits=logit)
    plain, ours = (
        exact_moments(estimator, lambda z: 2 * z - 1, q, 2, parameters=[logit])
        for estimator in (ScoreFunction(), LeaveOneOut())
    )
    assert plain.total_variance == 0.0
    assert ours.total_variance == pytest.approx(0.25, rel=1e-12)
    assert plain.mean[0].item() == ours.mean[0].item() == pytest.approx(0.5, rel=1e-12)


def test_where_it_is_less_noisy_by_far():
    problem = bits(3, seed=20)
    assert moments(LeaveOneOut(), problem, 3).total_variance < 0.5 * moments(ScoreFunction(), problem, 3).total_variance


def test_counts_and_refusals():
    seen = []

    def f(z):
        seen.append(z.shape)
        return z.sum(-1)

    q = Independent(Bernoulli(torch.full((4, 3), 0.5)), 1)
    for num_samples in (None, 2, 5):
        estimate = LeaveOneOut()(f, q, num_samples=num_samples)
        assert seen.pop() == (num_samples or 2, 4, 3)
        assert estimate.value.shape == estimate.surrogate.shape == (4,)
    assert not seen
    for too_few in (0, 1):
        with pytest.raises(ValueError, match=f"; {too_few} was given"):
            LeaveOneOut()(f, q, num_samples=too_few)
    with pytest.raises(ValueError, match="LeaveOneOut compares.*2 or more.*ScoreFunction.*LearnedBaseline"):
        LeaveOneOut()(f, q, num_samples=1)

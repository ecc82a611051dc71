"""The sampled critic: its formula, its link with leave-one-out, and when it is less noisy than the mode's."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Bernoulli, Independent, Normal

from helpers.estimators import (
    DrawSource,
    LeaveOneOut,
    SampledCritic,
    ScoreFunction,
    SelfCritic,
    drawing_from,
    exact_gradient,
    exact_moments,
)
from tests.estimators.problems import DOUBLE, assert_same, bits, category, leaf, moments


class InTurn(DrawSource):
    """Gives the rows of z one after the other, to whoever draws."""

    def __init__(self, z):
        self.rows = list(z)

    def sample(self, q, num_samples):
        return torch.stack([self.rows.pop(0) for _ in range(num_samples)])


def gradient_of(estimator, problem, num_samples, z):
    with drawing_from(InTurn(z)):
        estimate = estimator(problem.f, problem.q, num_samples)
    return torch.autograd.grad(estimate.surrogate.sum(), problem.parameters, retain_graph=True)


def test_it_is_the_formula():
    """grad f(z) + (f(z) - f(z')) grad log q(z), for two samples z with one critic z'."""
    problem = bits(2)
    z = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0]], dtype=DOUBLE)  # two samples, then the critic
    ours = gradient_of(ScoreFunction(SampledCritic()), problem, 3, z)
    each = problem.f(z)  # [samples]
    reward = (each[:2] - each[2]).detach()
    direct = (each[:2] + reward * problem.q.log_prob(z[:2])).mean()
    assert_same(ours, torch.autograd.grad(direct, problem.parameters), 1e-12)


@pytest.mark.parametrize("first", [(0.0, 0.0), (0.0, 1.0), (1.0, 1.0)])
@pytest.mark.parametrize("second", [(0.0, 1.0), (1.0, 0.0)])
def test_two_samples_as_each_others_critics_are_leave_one_out(first, second):
    problem = bits(2, seed=3)
    pair = torch.tensor([first, second], dtype=DOUBLE)
    there, back = (gradient_of(ScoreFunction(SampledCritic()), problem, 2, order) for order in (pair, pair.flip(0)))
    both = gradient_of(LeaveOneOut(), problem, 2, pair)
    assert_same(both, [(a + b) / 2 for a, b in zip(there, back, strict=True)], 1e-12)


@pytest.mark.parametrize("problem", [bits(3, seed=20), category(5, seed=40)], ids=["3 bits", "5-way category"])
def test_leave_one_out_is_its_average_and_no_noisier(problem):
    ours, averaged = (moments(estimator, problem, 2) for estimator in (ScoreFunction(SampledCritic()), LeaveOneOut()))
    assert_same(ours.mean, averaged.mean)
    assert averaged.total_variance < ours.total_variance


def test_a_sample_predicts_better_than_the_mode_if_the_best_code_is_far_from_the_mean_reward():
    """Six bits at 0.7, f their sum: the mode has f = 6, where E[f] = 4.2 and the standard deviation is 1.1."""
    logits = torch.full((6,), 0.7, dtype=DOUBLE).logit().requires_grad_()
    q = Independent(Bernoulli(logits=logits), 1)
    sampled, by_mode = (
        exact_moments(ScoreFunction(critic), lambda z: z.sum(-1), q, 2, parameters=[logits]).total_variance
        for critic in (SampledCritic(), SelfCritic())
    )
    assert sampled < 0.8 * by_mode


def test_the_mode_predicts_better_if_it_has_the_mean_reward():
    """Two bits at 0.7, f their difference: the mode has f = E[f] = 0, and a second sample adds its own noise."""
    logits = torch.full((2,), 0.7, dtype=DOUBLE).logit().requires_grad_()
    q = Independent(Bernoulli(logits=logits), 1)
    sampled, by_mode = (
        exact_moments(ScoreFunction(critic), lambda z: z[..., 0] - z[..., 1], q, 2, parameters=[logits]).total_variance
        for critic in (SampledCritic(), SelfCritic())
    )
    assert by_mode < 0.8 * sampled


def test_what_all_outcomes_share_makes_no_noise():
    logits = leaf(2, seed=5)
    q = Independent(Bernoulli(logits=logits), 1)
    here, there = (
        exact_moments(ScoreFunction(SampledCritic()), lambda z, c=c: c + z.sum(-1), q, 2, parameters=[logits])
        for c in (0.0, 1000.0)
    )
    assert there.total_variance == pytest.approx(here.total_variance, rel=1e-9)


def test_it_needs_no_mode_and_no_finite_support():
    """Of f(z) = z² under a Gaussian: the mean of many estimates is the gradient, 2 loc, to five standard errors."""
    loc = torch.full((20_000,), 0.5, dtype=DOUBLE, requires_grad=True)
    torch.manual_seed(0)
    estimate = ScoreFunction(SampledCritic())(lambda z: z**2, Normal(loc, 1.0))
    (gradient,) = torch.autograd.grad(estimate.surrogate.sum(), loc)
    error = gradient.std() / len(loc) ** 0.5
    assert abs(gradient.mean() - 1.0) < 5 * error < 0.2


def test_the_critic_has_no_gradient_of_its_own_and_counts_as_an_evaluation():
    problem, calls = bits(2), []

    def f(z):
        calls.append((len(z), torch.is_grad_enabled()))
        return problem.f(z)

    ScoreFunction(SampledCritic())(f, problem.q, 4)
    assert calls == [(3, True), (1, False)]
    with pytest.raises(ValueError, match="SampledCritic evaluates f 1 time"):
        ScoreFunction(SampledCritic())(f, problem.q, 1)


def test_the_exact_gradient_is_its_mean_at_three_bits():
    problem = bits(3, seed=7)
    ours = moments(ScoreFunction(SampledCritic()), problem, 2)
    assert_same(ours.mean, exact_gradient(problem.f, problem.q, parameters=problem.parameters).gradient)

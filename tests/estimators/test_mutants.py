"""Mistakes that papers' code and learners make, each with the check that tells it from the real thing.

A check is a function that raises AssertionError. It passes the real estimator and fails the mutant: so no mistake of these can come back
unseen, and no check of these is one that cannot fail. Several mistakes leave the mean exact; a ceiling on the exact variance
finds those.
"""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

from helpers.distributions import BernoulliConditional, BernoulliPrior
from helpers.estimators import (
    CentredReward,
    Estimate,
    LearnedBaseline,
    LeaveOneOut,
    RewardContext,
    ScaledReward,
    ScoreFunction,
    SelfCritic,
    evaluate,
    exact_gradient,
    exact_moments_of,
)
from helpers.estimators.draws import draw
from helpers.models import AmortizedGuide, Elbo, LatentVariableModel
from helpers.networks import FeedForward
from tests.estimators.problems import DOUBLE, assert_same, bits, moments

# The checks


def mean_is_exact(estimator, num_samples: int = 2, problem=None) -> None:
    problem = bits(2, seed=20) if problem is None else problem
    exact = exact_gradient(problem.f, problem.q, estimator.target, num_samples, parameters=problem.parameters)
    assert_same(moments(estimator, problem, num_samples).mean, exact.gradient)


def variance_is_at_most(ceiling: float, estimator, num_samples: int, problem=None) -> None:
    problem = bits(2, seed=20) if problem is None else problem
    assert moments(estimator, problem, num_samples).total_variance <= ceiling


def plain_variance(num_samples: int, problem=None) -> float:
    return moments(ScoreFunction(), bits(2, seed=20) if problem is None else problem, num_samples).total_variance


def nothing_reaches_the_baseline(estimator) -> None:
    problem = bits(2, batch=(2,))
    estimate = estimator(problem.f, problem.q, num_samples=2, context=problem.context)
    reached = torch.autograd.grad(estimate.surrogate.sum(), list(estimator.parameters()), allow_unused=True)
    assert all(gradient is None for gradient in reached)


# Control variate's sign flipped: still unbiased


class SignFlipped(CentredReward):
    def forward(self, reward, reward_context):
        centred, loss = super().forward(reward, reward_context)
        return 2 * reward - centred, loss


def test_a_control_variate_with_its_sign_flipped():
    problem = bits(2, seed=20)
    level = exact_gradient(problem.f, problem.q, parameters=problem.parameters).value.item()  # the limit of a long past
    ceiling = 0.7 * plain_variance(1)
    for control_variate, passes in ((CentredReward(), True), (SignFlipped(), False)):
        estimator = ScoreFunction(control_variate).double()
        control_variate.past.mean.fill_(level)
        mean_is_exact(estimator, 1)
        passes_or_fails(passes, variance_is_at_most, ceiling, estimator, 1)


# Reward accumulated across samples: still unbiased, for the other samples' rewards know nothing of this one


class Accumulated(ScoreFunction):
    def estimate(self, f, q, num_samples, context):
        z = draw(q, num_samples)
        inner = evaluate(f, z, q)
        averaged = inner.mean(dim=0)
        return averaged + Estimate(0 * averaged.value, (inner.value.cumsum(0) * q.log_prob(z)).mean(0))


def test_a_reward_accumulated_across_samples():
    """The real one's variance falls as 1/S, exactly; this one's rises."""
    for estimator, passes in ((ScoreFunction(), True), (Accumulated(), False)):
        mean_is_exact(estimator, 3)
        passes_or_fails(passes, variance_is_at_most, plain_variance(1) / 3 * (1 + 1e-9), estimator, 3)


# Baseline not detached


class NotDetached(ScoreFunction):
    def estimate(self, f, q, num_samples, context):
        z = draw(q, num_samples)
        inner = evaluate(f, z, q)
        reward = inner.value - self.control_variate.network(context)
        averaged = inner.mean(dim=0)
        return averaged + Estimate(0 * averaged.value, (reward * q.log_prob(z)).mean(0))


def test_a_baseline_that_is_not_detached():
    """Maximising the surrogate then trains it to make the surrogate large; the gradient in model and guide stays exact."""
    for kind, passes in ((ScoreFunction, True), (NotDetached, False)):
        estimator = kind(LearnedBaseline(3, FeedForward((2,)))).double()
        mean_is_exact(estimator)
        passes_or_fails(passes, nothing_reaches_the_baseline, estimator)


# Self-critic without -log q: still unbiased, but compares a log weight with a log joint


class WithoutEntropy(SelfCritic):
    def forward(self, reward, reward_context):
        def log_joint(z):
            return reward_context.f(z) + reward_context.q.log_prob(z)

        return super().forward(
            reward, RewardContext(log_joint, reward_context.q, reward_context.z, reward_context.context)
        )


def test_a_self_critic_that_forgets_log_q():
    """Four bits near 1/2, whose -log q is about 4 log 2 nats."""
    problem = bits(4, seed=30, scale=0.1)
    ceiling = 0.25 * plain_variance(1, problem)
    for control_variate, passes in ((SelfCritic(), True), (WithoutEntropy(), False)):
        estimator = ScoreFunction(control_variate)
        mean_is_exact(estimator, 2, problem)
        passes_or_fails(passes, variance_is_at_most, ceiling, estimator, 2, problem)


# A running mean that contains the present sample: biased


class Leaking(CentredReward):
    def forward(self, reward, reward_context):
        self.past.update(reward)
        return reward - self.past.mean, 0.0


class LeakingScale(ScaledReward):
    def forward(self, reward, reward_context):
        self.past.update(reward)
        return reward * self.factor, 0.0


def test_a_running_mean_that_contains_the_present_sample():
    for control_variate, passes in ((CentredReward(), True), (Leaking(), False)):
        estimator = ScoreFunction(control_variate).double()
        control_variate.past.started.fill_(True)
        passes_or_fails(passes, mean_is_exact, estimator, 1)
        passes_or_fails(passes, mean_is_exact, estimator, 3)


def test_a_running_scale_that_contains_the_present_sample():
    """The guide's gradient is no longer a multiple of the exact one by the stated factor."""

    def factor_is_as_stated(estimator) -> None:
        problem = bits(2, seed=20)
        exact = exact_gradient(problem.f, problem.q, parameters=problem.parameters).gradient[-2:]
        factor = estimator.control_variate.factor.item()
        assert_same(moments(estimator, problem, 1).mean[-2:], [factor * part for part in exact])

    for control_variate, passes in ((ScaledReward(), True), (LeakingScale(), False)):
        estimator = ScoreFunction(control_variate).double()
        control_variate.past.started.fill_(True)
        control_variate.past.variance.fill_(3.0)
        passes_or_fails(passes, factor_is_as_stated, estimator)


# The mean of all samples, this one too, as baseline: shrinks the gradient by (S - 1) / S


class AllSamples(LeaveOneOut):
    def estimate(self, f, q, num_samples, context):
        z = draw(q, num_samples)
        inner = evaluate(f, z, q)
        averaged = inner.mean(dim=0)
        return averaged + Estimate(0 * averaged.value, ((inner.value - averaged.value) * q.log_prob(z)).mean(0))


def test_a_baseline_that_contains_the_present_sample():
    for estimator, passes in ((LeaveOneOut(), True), (AllSamples(), False)):
        passes_or_fails(passes, mean_is_exact, estimator, 3)


# ELBO without -log q


class WithoutRate(Elbo):
    def forward(self, x):
        q = self.guide(x)

        def log_joint(z):
            return self.model.log_joint(x, z)

        return self.estimator(log_joint, q, self.num_samples, context=x)


def test_a_bound_without_log_q():
    """Against a sum over two bits written out with probabilities, that shares nothing with the package."""
    torch.manual_seed(0)
    x = torch.tensor([[1.0, 0.0, 1.0]], dtype=DOUBLE)
    model = LatentVariableModel(BernoulliPrior(2), BernoulliConditional(2, 3, FeedForward(()))).double()
    guide = AmortizedGuide(BernoulliConditional(3, 2, FeedForward(()))).double()
    parameters = [*model.parameters(), *guide.parameters()]
    encoder, decoder = (linear(module) for module in (guide, model))
    total = torch.zeros((), dtype=DOUBLE)
    p = (encoder.weight @ x[0] + encoder.bias).sigmoid()
    prior = model.prior(()).base_dist.logits.sigmoid()
    for outcome in itertools.product((0.0, 1.0), repeat=2):
        z = torch.tensor(outcome, dtype=DOUBLE)
        r = (decoder.weight @ z + decoder.bias).sigmoid()
        q_z = (z * p + (1 - z) * (1 - p)).prod()
        joint = (z * prior + (1 - z) * (1 - prior)).prod() * (x[0] * r + (1 - x[0]) * (1 - r)).prod()
        total = total + q_z * (joint.log() - q_z.log())
    gradient = torch.autograd.grad(total, parameters, allow_unused=True, materialize_grads=True)
    reached = [place for place, part in enumerate(gradient) if part.norm() > 1e-3]
    assert len(reached) >= 4  # weight and bias of encoder and decoder

    def bound_is_the_sum(objective: nn.Module) -> None:
        ours = exact_moments_of(lambda: objective(x), parameters=parameters, stateful=[objective])
        torch.testing.assert_close(ours.value, total.detach().reshape(1), rtol=1e-12, atol=0)
        assert_same([ours.mean[place] for place in reached], [gradient[place] for place in reached])

    for kind, passes in ((Elbo, True), (WithoutRate, False)):
        passes_or_fails(passes, bound_is_the_sum, kind(model, guide, ScoreFunction()))
        passes_or_fails(passes, bound_is_the_sum, kind(model, guide, LeaveOneOut()))


def linear(module: nn.Module) -> nn.Linear:
    (found,) = (part for part in module.modules() if isinstance(part, nn.Linear))
    return found


def passes_or_fails(passes: bool, check, *arguments) -> None:
    if passes:
        check(*arguments)
    else:
        with pytest.raises(AssertionError):
            check(*arguments)

"""The exact harness against closed forms, and what it refuses."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import nn
from torch.distributions import Bernoulli, Categorical, Independent, Normal, OneHotCategorical, Poisson

from helpers.estimators import (
    CentredReward,
    Enumeration,
    Estimate,
    EveryOutcome,
    GradientEstimator,
    LeaveOneOut,
    Pathwise,
    ScoreFunction,
    draw,
    draw_uniform,
    evaluate,
    exact_gradient,
    exact_moments,
    exact_moments_of,
    gauss_legendre,
    sampled_moments,
    sampled_moments_of,
)
from helpers.estimators.harness.moments import GradientMoments
from tests.estimators.problems import DOUBLE, assert_same, bits, leaf, moments


def test_exact_gradient_of_an_expectation_is_the_closed_form():
    """f = a · z + c z_0 z_1 over independent bits, four data: E f = a · p + c p_0 p_1."""
    logits, a, c = leaf(4, 3), leaf(3, seed=1), leaf(seed=2)
    q = Independent(Bernoulli(logits=logits), 1)
    ours = exact_gradient(lambda z: z @ a + c * z[..., 0] * z[..., 1], q, parameters=[logits, a, c])
    p = logits.sigmoid()
    value = p @ a + c * p[:, 0] * p[:, 1]
    torch.testing.assert_close(ours.value, value.detach(), rtol=1e-12, atol=1e-12)
    assert_same(ours.gradient, torch.autograd.grad(value.sum(), [logits, a, c]), 1e-12)


def test_exact_gradient_of_log_mean_exp_is_the_closed_form():
    """One bit, two samples: p² f_1 + 2 p (1-p) log((e^f_1 + e^f_0) / 2) + (1-p)² f_0."""
    logit, f = leaf(3), leaf(2, seed=1)
    ours = exact_gradient(
        lambda z: f[0] + z * (f[1] - f[0]), Bernoulli(logits=logit), "log_mean_exp", 2, parameters=[logit, f]
    )
    p = logit.sigmoid()
    mixed = (f.exp().sum() / 2).log()
    value = p**2 * f[1] + 2 * p * (1 - p) * mixed + (1 - p) ** 2 * f[0]
    torch.testing.assert_close(ours.value, value.detach(), rtol=1e-12, atol=1e-12)
    assert_same(ours.gradient, torch.autograd.grad(value.sum(), [logit, f]), 1e-12)


def test_exact_gradient_takes_an_enumeration_inside_f_and_refuses_draws_there():
    """z a bit, y | z a bit, f = y z v: E f = p_z p_(y | z = 1) v."""
    logit, gate, v = leaf(), leaf(2, seed=1), leaf(seed=2)

    def nested(inner):
        return lambda z: inner(lambda y: y * z * v, Bernoulli(logits=gate[0] + z * gate[1]))

    q = Bernoulli(logits=logit)
    ours = exact_gradient(nested(Enumeration()), q, parameters=[logit, gate, v])
    value = logit.sigmoid() * gate.sum().sigmoid() * v
    assert_same(ours.gradient, torch.autograd.grad(value, [logit, gate, v]), 1e-12)
    with pytest.raises(ValueError, match="f draws.*`Enumeration`"):
        exact_gradient(nested(ScoreFunction()), q, parameters=[logit])


def test_an_impossible_outcome_may_have_an_infinite_f():
    f = torch.tensor([1.0, 2.0, -math.inf], dtype=DOUBLE)
    shift = leaf()
    q = Categorical(logits=torch.tensor([0.25, 0.75, 0.0], dtype=DOUBLE).log())
    for target, num_samples in (("expectation", 1), ("log_mean_exp", 2)):
        ours = exact_gradient(lambda z: f[z] + shift, q, target, num_samples, parameters=[shift])
        assert ours.value.isfinite()
        assert ours.gradient[0].item() == pytest.approx(1.0)
    ours = exact_moments(ScoreFunction(), lambda z: f[z] + shift, q, 2, parameters=[shift])
    assert ours.num_outcomes == 4
    assert ours.value.item() == pytest.approx(1.75 + shift.item())


@pytest.mark.parametrize("num_samples", [1, 2, 3])
def test_moments_of_the_plain_score_function_on_one_bit_are_the_closed_form(num_samples):
    """g = f(b) (b - p): mean p (1-p) (f_1 - f_0), variance of one sample p (1-p) (f_1 (1-p) + f_0 p)²."""
    logit = leaf()
    p, f_0, f_1 = logit.sigmoid().item(), 0.8, -1.7
    ours = exact_moments(
        ScoreFunction(), lambda z: f_0 + z * (f_1 - f_0), Bernoulli(logits=logit), num_samples, parameters=[logit]
    )
    assert ours.num_outcomes == 2**num_samples
    assert ours.mean[0].item() == pytest.approx(p * (1 - p) * (f_1 - f_0), rel=1e-12)
    assert ours.variance[0].item() == pytest.approx(
        p * (1 - p) * (f_1 * (1 - p) + f_0 * p) ** 2 / num_samples, rel=1e-12
    )
    assert ours.value.item() == pytest.approx(p * f_1 + (1 - p) * f_0, rel=1e-12)
    assert ours.value_variance.item() == pytest.approx(p * (1 - p) * (f_1 - f_0) ** 2 / num_samples, rel=1e-12)
    assert ours.total_variance == pytest.approx(ours.variance[0].item())


def test_draws_form_a_tree():
    """A second draw only if the first is 1, and with another number of outcomes: 1 + 3 paths, each with its probability."""
    p = torch.tensor(0.3, dtype=DOUBLE)

    def run():
        if draw(Bernoulli(p), 1).item() == 0:
            return (0,)
        return 1, *draw(OneHotCategorical(torch.tensor([0.2, 0.3, 0.5], dtype=DOUBLE)), 1).squeeze(0).tolist()

    paths = {path: probability for probability, path in EveryOutcome().outcomes(run)}
    expected = {(0,): 0.7, (1, 1, 0, 0): 0.06, (1, 0, 1, 0): 0.09, (1, 0, 0, 1): 0.15}
    assert paths == pytest.approx(expected)


def test_samples_and_data_are_drawn_jointly():
    """Two samples of two data, one bit each: sixteen outcomes, each with the product of its four probabilities."""
    p = torch.tensor([0.2, 0.7], dtype=DOUBLE)
    seen = {}
    for probability, z in EveryOutcome().outcomes(lambda: draw(Bernoulli(p), 2)):
        assert z.shape == (2, 2)
        seen[tuple(z.flatten().tolist())] = probability
    assert len(seen) == 16
    for outcome in itertools.product((0.0, 1.0), repeat=4):
        by_hand = math.prod(p if bit else 1 - p for bit, p in zip(outcome, (0.2, 0.7) * 2, strict=True))
        assert seen[outcome] == pytest.approx(by_hand)


def test_full_enumeration_has_no_variance():
    problem = bits(3)
    ours = exact_moments(Enumeration(), problem.f, problem.q, parameters=problem.parameters)
    assert ours.num_outcomes == 1
    assert ours.total_variance == 0.0
    exact = exact_gradient(problem.f, problem.q, parameters=problem.parameters)
    assert_same(ours.mean, exact.gradient)


@pytest.mark.parametrize("samples", [1, 2])
def test_thresholded_noise_is_integrated_exactly(samples):
    """b = 1[u < p] in two places with thresholds of their own: E b and E (u - 1/2) b, mean and second moment."""
    p = torch.tensor([0.3, 0.8], dtype=DOUBLE)
    rule = gauss_legendre(2, torch.stack([p, 1 - p]))
    total, first, second = 0.0, torch.zeros(2, dtype=DOUBLE), torch.zeros(2, dtype=DOUBLE)

    def run():
        u = draw_uniform(torch.Size((samples, 2)), p)
        return ((u - 0.5) * (u < p)).mean(0)

    for weight, g in EveryOutcome(uniform=rule).outcomes(run):
        total, first, second = total + weight, first + weight * g, second + weight * g**2
    assert total == pytest.approx(1.0)
    mean, square = p**2 / 2 - p / 2, ((p - 0.5) ** 3 + 0.125) / 3
    torch.testing.assert_close(first, mean, rtol=1e-12, atol=0)
    torch.testing.assert_close(second, (square - mean**2) / samples + mean**2, rtol=1e-12, atol=0)


def test_gaussian_draws_by_quadrature():
    """E z²: the score function's and the pathwise gradient in the mean are 2 m; their variances 4 s² and, at m = 0, 15 s² - 0."""
    loc = torch.zeros((), dtype=DOUBLE, requires_grad=True)
    q = Normal(loc, 1.3)
    reward_context = exact_moments(ScoreFunction(), lambda z: z**2, q, 1, parameters=[loc], gaussian_nodes=6)
    pathwise = exact_moments(Pathwise(), lambda z: z**2, q, 2, parameters=[loc], gaussian_nodes=6)
    assert reward_context.variance[0].item() == pytest.approx(15 * 1.3**2)
    assert pathwise.variance[0].item() == pytest.approx(4 * 1.3**2 / 2)
    assert pathwise.value.item() == pytest.approx(1.3**2)


def test_every_outcome_starts_from_the_same_state_in_training_mode_and_leaves_none_behind():
    estimator, problem = ScoreFunction(CentredReward()), bits(2)
    estimator.control_variate.past.mean.fill_(4.0)
    estimator.eval()
    seen = []

    def f(z):
        seen.append((estimator.training, estimator.control_variate.past.mean.item()))
        return problem.f(z)

    exact_moments(estimator, f, problem.q, 2, parameters=problem.parameters)
    assert seen == [(True, 4.0)] * 16
    assert not estimator.control_variate.training
    assert estimator.control_variate.past.mean.item() == 4.0
    assert not estimator.control_variate.past.started


def test_a_module_nested_in_f_is_stateful_too():
    inner = ScoreFunction(CentredReward())
    logit = leaf()

    def f(z):
        return inner(lambda y: y + z, Bernoulli(logits=logit + z))

    exact_moments(ScoreFunction(), f, Bernoulli(logits=logit), 1, parameters=[logit], stateful=[inner])
    assert not inner.control_variate.past.started


class BehindTheBack(GradientEstimator):
    def estimate(self, f, q, num_samples, context):
        return evaluate(f, q.sample((num_samples,)), q).mean(dim=0)


def test_what_cannot_be_exact_is_refused_in_a_sentence():
    problem = bits(4)
    with pytest.raises(
        ValueError, match="about 10.12 or more, this draw alone 16.10.*`sampled_moments`.*standard errors"
    ):
        moments(LeaveOneOut(), problem, 10)
    with pytest.raises(ValueError, match="1,048,576 or more"):
        moments(LeaveOneOut(), problem, 5)
    one_by_one = EveryOutcome(max_outcomes=100)  # the draws of a tree count together
    with pytest.raises(ValueError, match="256 or more, this draw alone 16.1, and max_outcomes is 100"):
        list(one_by_one.outcomes(lambda: (draw(problem.q, 1), draw(problem.q, 1))))
    with pytest.raises(ValueError, match="sum over 16.9 outcomes.*`sampled_moments`"):
        exact_gradient(problem.f, problem.q, "log_mean_exp", 9, parameters=problem.parameters)
    with pytest.raises(ValueError, match="behind the source"):
        moments(BehindTheBack(), problem, 1)
    with pytest.raises(ValueError, match="float64.*torch.float32"):
        exact_gradient(problem.f, problem.q, parameters=[torch.zeros(2, requires_grad=True)])
    rate = leaf().exp()
    with pytest.raises(ValueError, match="Poisson cannot list its outcomes.*`sampled_moments`"):
        exact_moments(ScoreFunction(), lambda z: z, Poisson(rate), 1, parameters=[rate])
    with pytest.raises(ValueError, match="Normal has no outcomes.*gaussian_nodes.*`sampled_moments`"):
        exact_moments(Pathwise(), lambda z: z, Normal(rate, 1.0), 1, parameters=[rate])
    with pytest.raises(ValueError, match="uniform noise.*gauss_legendre"):
        list(EveryOutcome().outcomes(lambda: draw_uniform(torch.Size((1,)), rate)))
    flips = itertools.cycle((2, 1))
    with pytest.raises(ValueError, match="fewer draws than before"):
        list(EveryOutcome().outcomes(lambda: [draw(Bernoulli(0.5), 1) for _ in range(next(flips))]))
    bad_rule = gauss_legendre(2)
    with pytest.raises(ValueError, match="sum to 2, not to 1"):
        source = EveryOutcome(uniform=lambda shape: (bad_rule(shape)[0], 2 * bad_rule(shape)[1]))
        list(source.outcomes(lambda: draw_uniform(torch.Size((1,)), rate)))


@pytest.mark.parametrize("repeats", [4000])
def test_sampled_moments_agree_within_their_standard_errors(repeats):
    problem = bits(2)
    exact = moments(LeaveOneOut(), problem, 2)
    torch.manual_seed(0)
    ours = sampled_moments(
        LeaveOneOut(), problem.f, problem.q, 2, parameters=problem.parameters, repeats=repeats, context=problem.context
    )
    assert ours.num_outcomes == repeats
    for place, parameter in enumerate(problem.parameters):
        assert ours.mean[place].shape == parameter.shape
        assert ((ours.mean[place] - exact.mean[place]).abs() <= 5 * ours.mean_error[place]).all()
        assert ((ours.variance[place] - exact.variance[place]).abs() <= 5 * ours.variance_error[place]).all()
        # The errors themselves: neither zero nor so large that anything passes.
        expected = (exact.variance[place] / repeats).sqrt()
        torch.testing.assert_close(ours.mean_error[place], expected, rtol=0.1, atol=1e-12)
        assert (ours.variance_error[place] < 0.2 * exact.variance[place] + 1e-12).all()
    with pytest.raises(ValueError, match="2 repeats or more"):
        sampled_moments_of(lambda: None, parameters=[], repeats=1)


def test_a_stream_of_weighted_estimates_has_the_moments_of_two_passes():
    values, weights = leaf(40, 3).detach() + 100, leaf(40, seed=1).detach().exp()
    stream = GradientMoments(())
    for value, weight in zip(values, weights.tolist(), strict=True):
        stream.add(Estimate(value, value), weight)
    share = (weights / weights.sum())[:, None]
    mean = (share * values).sum(0)
    torch.testing.assert_close(stream.mean, mean, rtol=1e-12, atol=0)
    for flat, power in ((stream.moments(40).value_variance, 2), (stream.fourth, 4)):
        torch.testing.assert_close(flat, (share * (values - mean) ** power).sum(0), rtol=1e-10, atol=0)


def test_moments_of_any_module_that_returns_an_estimate():
    class Objective(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.logit = nn.Parameter(torch.tensor(0.4, dtype=DOUBLE))
            self.estimator = LeaveOneOut()

        def forward(self, scale: float) -> Estimate:
            return self.estimator(lambda z: scale * z, Bernoulli(logits=self.logit))

    objective = Objective()
    ours = exact_moments_of(lambda: objective(3.0), parameters=objective.parameters(), stateful=[objective])
    p = objective.logit.detach().sigmoid()
    assert ours.mean[0].item() == pytest.approx((3 * p * (1 - p)).item(), rel=1e-12)

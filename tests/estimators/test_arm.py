"""ARM and DisARM: exact means by enumeration of the intervals of their noise, and what is known of their variances."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Bernoulli, Categorical, Independent, Normal, OneHotCategorical

from helpers.estimators import LeaveOneOut, exact_gradient, exact_moments, gauss_legendre, sampled_moments
from helpers.estimators.arm import Arm, DisArm
from tests.estimators.problems import DOUBLE, Problem, assert_same, assert_unbiased, bits, leaf, moments
from tests.estimators.relaxable import thresholds

ROOMY = 2**18


def rule(problem: Problem, nodes: int = 2):
    """ARM is linear in the noise between the thresholds, and its square quadratic: two nodes an interval are exact."""
    return gauss_legendre(nodes, thresholds(problem))


@pytest.mark.parametrize("make", [Arm, DisArm])
@pytest.mark.parametrize(
    ("number", "batch", "num_samples"),
    [(1, (), 2), (2, (), 2), (4, (), 2), (2, (), 4), (3, (), 4), (1, (2,), 4), (1, (), 6)],
)
def test_exact_mean_is_exact_gradient(make, number, batch, num_samples):
    problem = bits(number, batch, seed=10 * number)
    nodes = 2 if make is Arm and number * num_samples <= 4 else 1  # one is enough for the mean, and for all of DisARM
    ours = assert_unbiased(make(), problem, num_samples, uniform=rule(problem, nodes), max_outcomes=ROOMY)
    assert ours.total_variance > 1e-3 or make is DisArm


def test_exact_mean_is_exact_gradient_at_four_bits_and_two_pairs():
    problem = bits(4, seed=40)
    assert_unbiased(DisArm(), problem, 4, uniform=rule(problem, 1))


def test_fair_bits_have_two_intervals_only():
    """At p = 1/2 the thresholds meet; one bit is then always opposite to its twin, and DisARM has no noise in the logit."""
    logits = torch.zeros(1, dtype=DOUBLE, requires_grad=True)
    theta = leaf(seed=1)
    q = Independent(Bernoulli(logits=logits), 1)
    problem = Problem(lambda z: theta * (z[..., 0] - 0.3) ** 2, q, [theta], [logits], torch.ones(1))
    ours = assert_unbiased(DisArm(), problem, 2, uniform=rule(problem))
    assert ours.variance[1].max() < 1e-25
    arm = assert_unbiased(Arm(), problem, 2, uniform=rule(problem))  # Δ |u - 1/2|, with Δ = f(1) - f(0)
    assert arm.variance[1].item() == pytest.approx((0.4 * theta.item()) ** 2 / 48, rel=1e-9)


@pytest.mark.parametrize("seed", range(12))
def test_disarm_is_never_noisier_than_arm(seed):
    """Var DisARM <= Var ARM for every parameter of model and guide: it is ARM's mean given the bits."""
    problem = bits(1 + seed % 3, seed=100 * seed)
    ours, arm = (moments(make(), problem, 2, uniform=rule(problem)) for make in (DisArm, Arm))
    gap = [theirs - mine for mine, theirs in zip(ours.variance, arm.variance, strict=True)]
    assert min(part.min().item() for part in gap) >= -1e-12
    assert max(part.max().item() for part in gap) > 1e-4  # in the guide ARM does pay for its noise
    assert_same(ours.mean, arm.mean)


def test_two_samples_leave_one_out_can_beat_disarm():
    """Kept: f = 2 z_1, z_1 fair, z_2 with probability p > 1/2. The logit of z_2, on which f does not depend, gets only noise.

    An antithetic pair always differs in z_1, and in z_2 with probability 2 (1 - p), then by p:      variance 2 p² (1 - p).
    Two independent samples differ in z_1 half of the time, and in z_2 with probability 2 p (1 - p): variance p (1 - p), which is less.
    """
    logits = torch.tensor([0.0, 1.0], dtype=DOUBLE, requires_grad=True)
    q = Independent(Bernoulli(logits=logits), 1)
    p = logits[1].sigmoid().item()

    def f(z):
        return 2 * z[..., 0]

    breaks = torch.stack([q.mean, 1 - q.mean]).detach()
    disarm = exact_moments(DisArm(), f, q, 2, parameters=[logits], uniform=gauss_legendre(1, breaks))
    leave_one_out = exact_moments(LeaveOneOut(), f, q, 2, parameters=[logits])
    assert disarm.variance[0][1].item() == pytest.approx(2 * p**2 * (1 - p), rel=1e-9)
    assert leave_one_out.variance[0][1].item() == pytest.approx(p * (1 - p), rel=1e-9)
    assert leave_one_out.variance[0][1] < 0.7 * disarm.variance[0][1]
    assert disarm.variance[0][0] < leave_one_out.variance[0][0]  # if f depends on the bit, the pair is better


def test_f_is_evaluated_num_samples_times_in_pairs():
    seen = []

    def f(z):
        seen.append(z.clone())
        return z.sum(-1)

    q = Independent(Bernoulli(logits=torch.zeros(3, 5)), 1)
    for make in (Arm, DisArm):
        estimate = make()(f, q, num_samples=4)
        assert seen[-1].shape == (4, 3, 5)
        assert estimate.value.shape == estimate.surrogate.shape == (3,)
        first, second = seen[-1].chunk(2)
        assert torch.equal(first, 1 - second)  # at fair bits a pair is opposite in every coordinate
    DisArm()(f, q)
    assert seen[-1].shape[0] == 2


def test_with_torch_noise_the_mean_is_the_exact_gradient():
    """Statistical: the draws of torch rather than those of the harness; large logits of both signs."""
    torch.manual_seed(0)
    logits = torch.tensor([-3.0, 0.4, 2.5], dtype=DOUBLE, requires_grad=True)
    weight = torch.tensor([1.0, -2.0, 0.5], dtype=DOUBLE)
    q = Independent(Bernoulli(logits=logits), 1)

    def f(z):
        return (z @ weight) ** 2

    exact = exact_gradient(f, q, parameters=[logits]).gradient[0]
    for make in (Arm, DisArm):
        ours = sampled_moments(make(), f, q, 2000, parameters=[logits], repeats=40)
        assert ((ours.mean[0] - exact).abs() / ours.mean_error[0]).max() < 6


class WithoutHalf(DisArm):
    def weight(self, b, other, u, logits):
        return 2 * super().weight(b, other, u, logits)


class ForgetsTheSign(DisArm):
    def weight(self, b, other, u, logits):
        return 0.5 * (b - other) * logits.sigmoid()


class OtherWayRound(Arm):
    def weight(self, b, other, u, logits):
        return 0.5 - u


class IndependentTwin(DisArm):
    """The twin from noise of its own, as in leave-one-out, but DisARM's weight."""

    def estimate(self, f, q, num_samples, context):
        from helpers.estimators import Estimate, draw

        z = draw(q, 2)
        value = f(z)
        logits = q.base_dist.logits
        gradient = 0.5 * (value[0] - value[1]).detach()[..., None] * (z[0] - z[1]) * logits.detach().abs().sigmoid()
        return Estimate(value.mean(0).detach(), value.mean(0) + (gradient * logits).sum(-1))


@pytest.mark.parametrize("mutant", [WithoutHalf, ForgetsTheSign, OtherWayRound, IndependentTwin])
def test_mutants_are_killed_by_their_mean(mutant):
    problem = bits(2, seed=20)
    with pytest.raises(AssertionError, match="relative error"):
        assert_unbiased(mutant(), problem, 2, uniform=rule(problem))


@pytest.mark.parametrize("make", [Arm, DisArm])
def test_refusals_name_an_estimator_that_fits(make):
    fair = Independent(Bernoulli(logits=torch.zeros(3)), 1)
    for odd in (1, 3, 0, -2):
        with pytest.raises(ValueError, match=f"even and 2 or more; {odd} was given.*LeaveOneOut"):
            make()(lambda z: z.sum(-1), fair, num_samples=odd)
    for q, named in (
        (OneHotCategorical(logits=torch.zeros(3)), "OneHotCategorical was given.*LeaveOneOut.*LocalEnumeration"),
        (Categorical(logits=torch.zeros(3)), "Categorical was given.*LeaveOneOut.*Enumeration"),
        (Independent(Normal(torch.zeros(3), 1.0), 1), "Normal was given.*Pathwise"),
    ):
        with pytest.raises(ValueError, match=f"{make.__name__} needs independent bits.*{named}"):
            make()(lambda z: z.sum(-1), q)

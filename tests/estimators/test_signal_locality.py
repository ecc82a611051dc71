"""Nesting gives signal locality: a layer is scored by the costs it can change, those on it and below, and by no others.

Two layers, y ~ q(y), z ~ q(z | y), with a cost of y alone and a cost of both. Nested, z's score is multiplied by the second cost alone;
flat, one score function over both layers multiplies it by the sum. The exact gradient comes from a sum over both layers, written
out here.
"""

from __future__ import annotations

import itertools

import pytest
import torch
from torch.distributions import Bernoulli, Independent

from helpers.estimators import (
    CentredReward,
    ControlVariateChain,
    Enumeration,
    Estimate,
    LearnedBaseline,
    LeaveOneOut,
    ScoreFunction,
    SelfCritic,
    draw,
    exact_moments,
    exact_moments_of,
)
from helpers.networks import FeedForward
from tests.estimators.problems import DOUBLE, assert_same, leaf


class Tree:
    """q(y): `upper` bits; q(z | y): `lower` bits; costs own(y) + below(y, z), with parameters of their own."""

    def __init__(self, upper: int = 2, lower: int = 2) -> None:
        self.upper, self.lower = upper, lower
        self.logits, self.gate, self.offset = leaf(upper), leaf(upper, lower, seed=1), leaf(lower, seed=2)
        self.a, self.b = leaf(upper, seed=3), leaf(upper, lower, seed=4)
        self.parameters = [self.a, self.b, self.logits, self.gate, self.offset]

    def q_y(self):
        return Independent(Bernoulli(logits=self.logits), 1)

    def q_z(self, y):
        return Independent(Bernoulli(logits=y @ self.gate + self.offset), 1)

    def own(self, y):
        """[..., upper] → [...]: log weight of the upper layer, with its -log q."""
        return 5 * (y @ self.a).tanh() - self.q_y().log_prob(y)

    def below(self, y, z):
        return ((y @ self.b) * z).sum(-1) + z[..., 0] * self.b[0, 0] ** 2 - self.q_z(y).log_prob(z)

    def exact(self):
        """Value and gradient, by a sum over both layers with probabilities written out."""
        total = torch.zeros((), dtype=DOUBLE)
        for outcome in itertools.product((0.0, 1.0), repeat=self.upper + self.lower):
            y, z = torch.tensor(outcome, dtype=DOUBLE).split([self.upper, self.lower])
            p, r = self.logits.sigmoid(), (y @ self.gate + self.offset).sigmoid()
            probability = (y * p + (1 - y) * (1 - p)).prod() * (z * r + (1 - z) * (1 - r)).prod()
            total = total + probability * (self.own(y) + self.below(y, z))
        return total.detach(), torch.autograd.grad(total, self.parameters)

    def nested(self, inner, num_samples=None):
        def given_y(y):
            return self.own(y) + inner(lambda z: self.below(y, z), self.q_z(y), num_samples, context=y)

        return given_y

    def flat(self):
        """One score function over both layers at once, one sample."""
        y = draw(self.q_y(), 1)
        z = draw(self.q_z(y), 1).squeeze(0)
        f = self.own(y) + self.below(y, z)
        score = self.q_y().log_prob(y) + self.q_z(y).log_prob(z)
        return Estimate(f.detach().squeeze(0), (f + f.detach() * score).squeeze(0))


def learned(size: int) -> LearnedBaseline:
    torch.manual_seed(0)
    return LearnedBaseline(size, FeedForward((3,))).double()


PAIRS = {
    "scored in scored": (ScoreFunction(), 1, ScoreFunction(), 1),
    "scored in scored, two samples inside": (ScoreFunction(), 1, ScoreFunction(), 2),
    "two samples outside": (ScoreFunction(), 2, ScoreFunction(), 1),
    "leave-one-out outside": (LeaveOneOut(), 2, ScoreFunction(), 1),
    "leave-one-out inside": (ScoreFunction(), 1, LeaveOneOut(), 2),
    "enumerated outside": (Enumeration(), None, ScoreFunction(), 1),
    "enumerated inside": (ScoreFunction(), 1, Enumeration(), None),
    "baselines": (ScoreFunction(learned(1)), 1, ScoreFunction(ControlVariateChain(learned(1), CentredReward())), 1),
    "self-critic outside": (ScoreFunction(SelfCritic()), 2, ScoreFunction(CentredReward()), 1),
    "self-critic inside": (ScoreFunction(CentredReward()), 1, ScoreFunction(SelfCritic()), 2),
}


@pytest.mark.parametrize("pair", PAIRS)
def test_nested_estimators_are_unbiased(pair):
    """A bit over a bit, for the sample counts that this affords."""
    outer, outer_samples, inner, inner_samples = PAIRS[pair]
    tree = Tree(1, 1)
    ours = exact_moments(
        outer,
        tree.nested(inner, inner_samples),
        tree.q_y(),
        outer_samples,
        parameters=tree.parameters,
        context=torch.ones(1, dtype=DOUBLE),
        stateful=[inner],
    )
    value, gradient = tree.exact()
    assert ours.value.item() == pytest.approx(value.item(), rel=1e-12)
    assert_same(ours.mean, gradient)


def test_two_bits_over_two_bits():
    """Unbiased, nested and flat alike; the lower layer's parameters are less noisy nested, for it is spared the upper cost."""
    tree = Tree()
    nested = exact_moments(ScoreFunction(), tree.nested(ScoreFunction()), tree.q_y(), 1, parameters=tree.parameters)
    flat = exact_moments_of(tree.flat, parameters=tree.parameters)
    assert nested.num_outcomes == flat.num_outcomes == 16
    value, gradient = tree.exact()
    for ours in (nested, flat):
        assert ours.value.item() == pytest.approx(value.item(), rel=1e-12)
        assert_same(ours.mean, gradient)
    torch.testing.assert_close(nested.variance[2], flat.variance[2], rtol=1e-9, atol=0)  # y's logits: the same reward
    for place in (3, 4):  # z's gate and offset
        assert nested.variance[place].sum() < 0.5 * flat.variance[place].sum()


def test_the_lower_layer_does_not_see_the_upper_cost():
    """A constant on the upper layer changes the noise of the upper parameters alone."""
    tree = Tree()

    def variance(constant):
        inner = tree.nested(ScoreFunction())
        return exact_moments(
            ScoreFunction(), lambda y: inner(y) + constant, tree.q_y(), 1, parameters=tree.parameters
        ).variance

    here, there = variance(0.0), variance(100.0)
    for place in (3, 4):
        torch.testing.assert_close(here[place], there[place], rtol=1e-9, atol=1e-12)
    assert there[2].sum() > 100 * here[2].sum()


def test_the_critic_outside_leaves_the_statistics_inside_alone():
    """The mode's rewards are no sample's, and must not enter the running mean of the estimator inside."""
    tree, inner = Tree(1, 1), ScoreFunction(CentredReward()).double()
    means = []
    for outer, samples in ((ScoreFunction(), 1), (ScoreFunction(SelfCritic()), 2)):
        torch.manual_seed(0)
        inner.control_variate.past.started.fill_(False)
        outer(tree.nested(inner), tree.q_y(), samples)
        means.append(inner.control_variate.past.mean.item())
    assert means[0] == means[1] != 0.0

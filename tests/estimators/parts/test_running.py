"""Running statistics: shared by nested levels without bias, and never spoiled by a reward that is not finite."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Bernoulli, Independent, OneHotCategorical

from helpers.estimators import (
    CentredReward,
    ControlVariateChain,
    Enumeration,
    LearnedBaseline,
    LeaveOneOut,
    ScaledReward,
    ScoreFunction,
    exact_gradient,
    exact_moments,
)
from helpers.estimators.parts.running import RunningMoments, held
from helpers.networks import FeedForward
from tests.estimators.problems import DOUBLE, assert_same, leaf


def nested(inner, top, gate, theta, in_f=lambda h: 0.0):
    """h1 ~ one bit, h2 | h1 ~ one bit, f = theta h1 h2 + 3 h2 - h1."""

    def bracket(h1):  # [samples, 1]
        below = Independent(Bernoulli(logits=h1 @ gate), 1)

        def rest(h2):  # [samples, samples, 1]
            return (theta * h1 * h2 + 3 * h2).sum(-1)

        return inner(rest, below, context=h1) + (in_f(h1) - h1.sum(-1))

    return bracket, Independent(Bernoulli(logits=top), 1)


CONTROL_VARIATES = {
    "centred": lambda: CentredReward(),
    "centred twice in a chain": lambda: ControlVariateChain(CentredReward(), CentredReward(0.5)),
    "learned, then centred": lambda: ControlVariateChain(LearnedBaseline(1, FeedForward((2,))), CentredReward(0.5)),
    "chain in a chain": lambda: ControlVariateChain(ControlVariateChain(CentredReward(1.0))),
}


@pytest.mark.parametrize("name", CONTROL_VARIATES)
def test_one_instance_in_nested_levels_is_unbiased(name):
    top, gate, theta = leaf(1), leaf(1, 1, seed=1), leaf(1, seed=2)
    parameters = [top, gate, theta]
    torch.manual_seed(0)
    shared = ScoreFunction(CONTROL_VARIATES[name]()).double()
    for moments in (part for part in shared.modules() if isinstance(part, RunningMoments)):
        moments.mean.fill_(0.3)
        moments.started.fill_(True)
    f, q = nested(shared, top, gate, theta)
    ours = exact_moments(shared, f, q, 1, parameters=parameters, context=torch.ones(1, dtype=DOUBLE))
    exact_f, exact_q = nested(Enumeration(), top, gate, theta)
    assert_same(ours.mean, exact_gradient(exact_f, exact_q, parameters=parameters).gradient, 1e-9)


def test_one_scale_in_nested_levels_rescales_as_two_separate_ones_of_the_same_state():
    top, gate, theta = leaf(1), leaf(1, 1, seed=1), leaf(1, seed=2)

    def moments(outer, inner):
        for part in (*outer.modules(), *inner.modules()):
            if isinstance(part, RunningMoments):
                part.variance.fill_(9.0)
                part.started.fill_(True)
        f, q = nested(inner, top, gate, theta)
        return exact_moments(outer, f, q, 1, parameters=[top, gate, theta], stateful=[inner])

    one = ScoreFunction(ScaledReward()).double()
    two = ScoreFunction(ScaledReward()).double(), ScoreFunction(ScaledReward()).double()
    assert_same(moments(one, one).mean, moments(*two).mean, 1e-12)


def test_one_instance_twice_in_a_chain_is_refused():
    centred = CentredReward()
    for links in ((centred, centred), (ControlVariateChain(centred), ScaledReward(), centred)):
        with pytest.raises(ValueError, match="stands twice in a chain.*second instance"):
            ControlVariateChain(*links)


def test_three_levels_and_another_estimator_between_them():
    top, gate, theta, deep = leaf(1), leaf(1, 1, seed=1), leaf(1, seed=2), leaf(1, 1, seed=3)
    shared = ScoreFunction(CentredReward(0.7)).double()

    def problem(one, other):
        def deepest(h1):  # a level between outer and inner that scores too
            def through_a_category(k):  # [samples, ..., 2]
                bit = Independent(Bernoulli(logits=k[..., :1] @ deep), 1)
                return one(lambda b: 2.0 * b.sum(-1), bit, num_samples=1)

            logits = torch.cat([h1, -h1], -1)
            return other(through_a_category, OneHotCategorical(logits=logits))

        return nested(one, top, gate, theta, in_f=deepest)

    parameters = [top, gate, theta, deep]
    f, q = problem(shared, LeaveOneOut())
    ours = exact_moments(shared, f, q, 1, parameters=parameters)

    def summed(f, q, num_samples=None, context=None):
        return Enumeration()(f, q)

    exact_f, exact_q = problem(summed, Enumeration())
    assert_same(ours.mean, exact_gradient(exact_f, exact_q, parameters=parameters).gradient, 1e-9)


def test_batches_that_come_while_held_enter_with_the_next_one():
    moments, plain = RunningMoments(0.5), RunningMoments(0.5)
    with held(moments):
        moments.update(torch.tensor([5.0, 7.0]))
        with held(moments):
            moments.update(torch.tensor([1.0]))
        assert moments.mean == 0.0 and not moments.started
    assert moments.mean == 0.0
    moments.update(torch.tensor([2.0]))
    for batch in ([2.0], [5.0, 7.0], [1.0]):
        plain.update(torch.tensor(batch))
    assert moments.mean == plain.mean != 2.0
    assert moments.variance == plain.variance
    assert moments.state_dict().keys() == {"mean", "variance", "started"}


def test_a_block_that_raises_leaves_nothing_behind():
    moments = RunningMoments(0.5)
    with pytest.raises(ZeroDivisionError), held(moments):
        moments.update(torch.tensor([5.0]))
        raise ZeroDivisionError
    moments.update(torch.tensor([2.0]))
    assert moments.mean == 2.0


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_rewards_that_are_not_finite_do_not_enter(bad):
    moments, clean = RunningMoments(0.5), RunningMoments(0.5)
    for batch in ([1.0, 3.0, bad], [bad], [bad, bad], [4.0, bad, 8.0]):
        moments.update(torch.tensor(batch))
        finite = [value for value in batch if math.isfinite(value)]
        if finite:
            clean.update(torch.tensor(finite))
    assert moments.mean == clean.mean
    assert moments.variance == clean.variance > 0
    first = RunningMoments(0.5)
    first.update(torch.tensor([bad]))
    assert not first.started  # so that the next batch is the first
    first.update(torch.tensor([6.0]))
    assert first.mean == 6.0


def test_rewards_whose_squares_overflow_do_not_enter():
    moments = RunningMoments(0.5)
    moments.update(torch.tensor([1.0, 3.0]))
    moments.update(torch.tensor([1e30, -1e30]))
    moments.update(torch.tensor([1e300], dtype=DOUBLE))  # infinite as float32
    assert moments.mean == 2.0
    assert moments.variance == 1.0


@pytest.mark.parametrize(
    "make", [CentredReward, ScaledReward, lambda: ControlVariateChain(CentredReward(), ScaledReward())]
)
def test_an_estimator_recovers_from_a_step_whose_reward_is_not_finite(make):
    logits = torch.zeros(2, requires_grad=True)
    q = Independent(Bernoulli(logits=logits), 1)
    estimator = ScoreFunction(make())
    for f in (lambda z: z.sum(-1), lambda z: z.sum(-1) * math.nan, lambda z: z.sum(-1).log() - math.inf):
        estimator(f, q, 4)
    again = estimator(lambda z: z.sum(-1), q, 4)
    assert torch.autograd.grad(again.surrogate, logits)[0].isfinite().all()
    assert all(buffer.isfinite().all() for buffer in estimator.buffers())


def test_the_weight_of_a_batch():
    for weight in (0.0, -0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match="above 0 and at most 1"):
            RunningMoments(weight)

"""What may be done with an `Estimate`, what may not, and the flag that tells a log-mean-exp what it may weight."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.distributions import Bernoulli, Independent, Normal

from helpers.estimators import (
    Arm,
    ComponentThenPoint,
    DisArm,
    DoublyReparameterised,
    Enumeration,
    Estimate,
    ImportanceWeighted,
    LeaveOneOut,
    LocalEnumeration,
    MuProp,
    Pathwise,
    Rebar,
    ScoreFunction,
    StickingTheLanding,
    Vimco,
    exact_gradient,
    exact_moments,
)
from tests.estimators.problems import DOUBLE, assert_same, leaf


def estimate() -> Estimate:
    w = torch.ones(2, requires_grad=True)
    return Estimate(torch.tensor([1.0, 2.0]), 3 * w, {"rate": torch.ones(2)}, 0.5)


@pytest.mark.parametrize(
    "halve",
    [
        lambda e: e / 2,
        lambda e: e / torch.tensor(2.0),
        lambda e: e * np.float64(0.5),
        lambda e: np.float64(0.5) * e,
        lambda e: np.float32(0.5) * e,
        lambda e: e - np.float64(0.0) - e / 2,
    ],
)
def test_a_quotient_and_numbers_of_numpy(halve):
    half = halve(estimate())
    assert isinstance(half, Estimate)
    assert half.value.tolist() == [0.5, 1.0]


@pytest.mark.parametrize(
    ("mistake", "sentence"),
    [
        (lambda e: e * e, "multiplied with an Estimate.*does not estimate the product"),
        (lambda e: e / e, "divided by an Estimate"),
        (lambda e: e * "2", "multiplied with a str; expected a number"),
        (lambda e: None * e, "multiplied with a NoneType"),
        (lambda e: e + None, "added to a NoneType"),
        (lambda e: [1.0] + e, "added to a list"),
        (lambda e: e - "1", "subtracted from a str"),
        (lambda e: e * True, "multiplied with a bool"),
    ],
)
def test_operands_that_make_no_sense_are_refused(mistake, sentence):
    with pytest.raises(ValueError, match=sentence):
        mistake(estimate())


@pytest.mark.parametrize("name", ["backward", "item", "detach", "requires_grad", "shape", "sum"])
def test_an_estimate_is_not_a_tensor_and_says_so(name):
    with pytest.raises(AttributeError, match=rf"An Estimate has no `{name}`.*\.value.*auxiliary_loss"):
        getattr(estimate(), name)
    with pytest.raises(AttributeError, match="no attribute 'surogate'; it has value, surrogate"):
        _ = estimate().surogate
    assert not hasattr(estimate(), "__len__")


def test_the_flag_survives_sums_factors_and_averages():
    scored, plain = replace(estimate(), scored=True), estimate()
    for result in (scored + plain, plain + scored, 1.0 - scored, -scored, scored / 2, scored.mean(0)):
        assert result.scored
    assert not (plain + plain).scored
    assert not Estimate.of(torch.ones(2)).scored


BIT = Independent(Bernoulli(logits=torch.zeros(2, 1), validate_args=False), 1)
GAUSSIAN = Independent(Normal(torch.zeros(2, 1), 1.0), 1)
# LocalEnumeration draws a pivot, which its surrogate does not follow
SCORED = [ScoreFunction(), LeaveOneOut(), Arm(), DisArm(), MuProp(), Rebar(), Vimco(), LocalEnumeration()]


def name_of(estimator) -> str:
    return type(estimator).__name__


def nested_in(outer, inner, inner_q=BIT):
    def f(z):
        q = inner_q.expand(z.shape[:-1])
        return inner(lambda y: (y + z).sum(-1), q)

    return outer(f, GAUSSIAN, num_samples=2)


@pytest.mark.parametrize("outer", [ImportanceWeighted(), DoublyReparameterised(), Vimco()], ids=name_of)
@pytest.mark.parametrize("inner", SCORED, ids=name_of)
def test_a_log_mean_exp_refuses_a_score_inside(outer, inner):
    with pytest.raises(
        ValueError, match=f"{name_of(outer)} has a log-mean-exp.*holds a score.*Enumeration or Pathwise"
    ):
        nested_in(outer, inner)


@pytest.mark.parametrize("outer", [ImportanceWeighted(), DoublyReparameterised(), Vimco()], ids=name_of)
def test_a_log_mean_exp_takes_what_follows_its_value(outer):
    assert nested_in(outer, Enumeration()).value.shape == (2,)
    assert nested_in(outer, Pathwise(), GAUSSIAN).value.shape == (2,)
    assert nested_in(outer, ImportanceWeighted(), GAUSSIAN).value.shape == (2,)


@pytest.mark.parametrize("outer", [Enumeration(), LeaveOneOut(), ScoreFunction()], ids=name_of)
def test_an_expectation_takes_every_inner_estimate_and_passes_the_flag_on(outer):
    def f(z):
        return ScoreFunction()(lambda y: y.sum(-1), BIT.expand(z.shape[:-1]))

    assert outer(f, BIT).scored
    through = Enumeration()(lambda z: outer(lambda y: y.sum(-1), BIT.expand(z.shape[:-1])), BIT)
    with pytest.raises(ValueError, match="holds a score"):
        Vimco()(lambda z: f(z) + through.mean(), BIT)


def test_a_score_three_levels_down_is_found():
    def f(z):
        def g(y):
            return LeaveOneOut()(lambda x: x.sum(-1), BIT.expand(y.shape[:-1])) * 2.0

        return Enumeration()(g, BIT.expand(z.shape[:-1])) + z.sum(-1)

    with pytest.raises(ValueError, match="holds a score"):
        ImportanceWeighted()(f, GAUSSIAN, num_samples=3)


def test_what_would_be_biased_and_what_is_nested_instead_is_not():
    """Vimco over the outer bit, the inner bit summed: the exact gradient of E log-mean-exp of f's mean."""
    top, gate = leaf(1), leaf(1, 1, seed=1)
    q = Independent(Bernoulli(logits=top), 1)

    def f(z):
        below = Independent(Bernoulli(logits=(2 * z - 1) @ gate), 1)
        return Enumeration()(lambda y: (2.0 * y * z - y).sum(-1), below)

    ours = exact_moments(Vimco(), f, q, 2, parameters=[top, gate])
    assert_same(ours.mean, exact_gradient(f, q, "log_mean_exp", 2, parameters=[top, gate]).gradient)
    assert ours.value.dtype == DOUBLE


@pytest.mark.parametrize("point", [ScoreFunction(), LeaveOneOut(), StickingTheLanding()], ids=name_of)
def test_component_then_point_refuses_a_scored_point_under_a_log_mean_exp(point):
    with pytest.raises(ValueError, match=rf"Vimco has a log-mean-exp.*{name_of(point)} multiplies a score.*biased"):
        ComponentThenPoint(Vimco(), point)
    for component in (Enumeration(), ScoreFunction()):
        assert ComponentThenPoint(component, point).scored
    assert ComponentThenPoint(Vimco()).scored
    assert not ComponentThenPoint().scored
    assert not ComponentThenPoint(point=ImportanceWeighted()).scored

"""Outcomes of probability 0 at which f is infinite: no NaN in any value or gradient."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Bernoulli, Categorical, Independent, Normal, OneHotCategorical

from helpers.distributions import Finite
from helpers.estimators import (
    ComponentThenPoint,
    Enumeration,
    Estimate,
    LocalEnumeration,
    Pathwise,
    exact_gradient,
)
from helpers.estimators.parts.possible import possible_outcomes
from tests.estimators.problems import DOUBLE

IMPOSSIBLE = torch.tensor([0.0, -math.inf, 1.0], dtype=DOUBLE)


def log_of_a_gap(z, theta):
    """Finite at outcomes 0 and 2; log 0 at outcome 1, with an infinite gradient on theta."""
    return (theta * (1 - z[..., 1])).log()


def expected(theta, logits):
    p = logits.softmax(-1)
    return theta.log() * (p[0] + p[2])


QS = {
    "one-hot": lambda logits: OneHotCategorical(logits=logits, validate_args=False),
    "independent": lambda logits: Independent(OneHotCategorical(logits=logits[None], validate_args=False), 1),
    "listed": lambda logits: Finite(torch.eye(3, dtype=DOUBLE), logits),
}


@pytest.mark.parametrize("name", QS)
@pytest.mark.parametrize("estimator", [Enumeration(), LocalEnumeration()], ids=["enumeration", "local"])
def test_an_infinite_f_at_probability_zero_reaches_no_gradient(name, estimator):
    if name == "listed" and isinstance(estimator, LocalEnumeration):
        pytest.skip("LocalEnumeration takes bits or one-hot categories")
    theta = torch.tensor(1.7, dtype=DOUBLE, requires_grad=True)
    logits = IMPOSSIBLE.clone().requires_grad_()
    q = QS[name](logits)

    def f(z):
        value = log_of_a_gap(z if name != "independent" else z[..., 0, :], theta)
        return Estimate.of(value, reward=value)

    torch.manual_seed(0)
    estimate = estimator(f, q)
    exact = expected(theta, logits)
    torch.testing.assert_close(estimate.value, exact.detach())
    torch.testing.assert_close(estimate.terms["reward"], exact.detach())
    ours = torch.autograd.grad(estimate.surrogate, [theta, logits], retain_graph=True)
    torch.testing.assert_close(ours[0], torch.autograd.grad(exact, theta)[0])
    assert ours[1].isfinite().all()
    if name == "one-hot" and isinstance(estimator, Enumeration):
        reference = exact_gradient(f, q, parameters=[theta, logits])
        torch.testing.assert_close(ours, reference.gradient)
        assert reference.gradient[0].isfinite().all()


@pytest.mark.parametrize("estimator", [Enumeration(), LocalEnumeration()], ids=["enumeration", "local"])
def test_bits_whose_probability_underflows(estimator):
    """float32, logit -200: the other bit has log-probability -200, and probability 0."""
    theta, logits = torch.tensor(0.5, requires_grad=True), torch.tensor([-200.0, 0.0], requires_grad=True)
    q = Independent(Bernoulli(logits=logits), 1)
    estimate = estimator(lambda z: (theta * (1 - z[..., 0])).log() + z[..., 1], q)
    gradients = torch.autograd.grad(estimate.surrogate, [theta, logits])
    assert estimate.value.isfinite() and all(part.isfinite().all() for part in gradients)
    assert gradients[0].item() == pytest.approx(2.0)


def test_a_component_of_weight_zero():
    """An enumerated mixture: f is infinite in the component that never occurs."""
    weights = torch.tensor([0.0, -math.inf], dtype=DOUBLE, requires_grad=True)
    loc = torch.tensor([1.0, -50.0], dtype=DOUBLE, requires_grad=True)
    mixture = torch.distributions.MixtureSameFamily(
        Categorical(logits=weights, validate_args=False),
        Normal(loc, 1e-3, validate_args=False),
        validate_args=False,
    )
    theta = torch.tensor(2.0, dtype=DOUBLE, requires_grad=True)
    for estimator in (ComponentThenPoint(), ComponentThenPoint(LocalEnumeration())):
        estimate = estimator(lambda z: (theta * z).sqrt(), mixture)  # NaN at -50
        parameters = [theta, loc, weights]
        gradients = torch.autograd.grad(estimate.surrogate, parameters, retain_graph=True, allow_unused=True)
        assert all(part.isfinite().all() for part in gradients if part is not None)
        assert gradients[0].item() == pytest.approx(0.5 / math.sqrt(2.0), rel=1e-2)


def test_impossible_for_some_of_a_batch_only():
    logits = torch.tensor([[0.0, -math.inf], [0.0, 0.0]], dtype=DOUBLE, requires_grad=True)
    theta = torch.tensor(3.0, dtype=DOUBLE, requires_grad=True)
    q = OneHotCategorical(logits=logits, validate_args=False)
    gap = torch.tensor([0.0, 1.0], dtype=DOUBLE)
    estimate = Enumeration()(lambda z: (theta * (z[..., 0] + gap * z[..., 1])).log(), q)
    torch.testing.assert_close(estimate.value, theta.log().detach().expand(2))
    assert torch.autograd.grad(estimate.surrogate.sum(), theta)[0].item() == pytest.approx(2 / 3)


def test_nested_estimators_inside_meet_possible_outcomes_only():
    """A Gaussian whose scale is 0 in the class that never occurs: its log-density has no gradient there."""
    logits = IMPOSSIBLE.clone().requires_grad_()
    scale = torch.tensor([1.0, 0.0, 2.0], dtype=DOUBLE, requires_grad=True)

    def given(y):
        q = Normal(0.0, (y * scale).sum(-1), validate_args=False)
        return Pathwise()(lambda z: -q.log_prob(z), q)

    estimate = Enumeration()(given, OneHotCategorical(logits=logits, validate_args=False))
    assert all(part.isfinite().all() for part in torch.autograd.grad(estimate.surrogate, [logits, scale]))


def test_nan_probabilities_still_show():
    q = Independent(Bernoulli(logits=torch.tensor([math.nan, 0.0]), validate_args=False), 1)
    assert Enumeration()(lambda z: z.sum(-1), q).value.isnan()


def test_replaced_by_the_most_probable_one():
    z = torch.eye(3).unsqueeze(1).expand(3, 2, 3)
    q = OneHotCategorical(logits=torch.zeros(2, 3))
    weight = torch.tensor([[0.2, 0.0], [0.0, 1.0], [0.8, 0.0]])
    ours = possible_outcomes(z, weight, q)
    assert ours.argmax(-1).tolist() == [[0, 1], [2, 1], [2, 1]]

"""MuProp: exact means; no noise for a linear f; and refusals if f is not defined between the outcomes."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Bernoulli, Categorical, Independent, OneHotCategorical

from helpers.estimators import Enumeration, Estimate, ScoreFunction, exact_moments
from helpers.estimators.muprop import MuProp
from tests.estimators.problems import DOUBLE, assert_unbiased, bits, leaf, moments
from tests.estimators.relaxable import categories, relaxable_bits, smooth_on_logits


@pytest.mark.parametrize("num_samples", [2, 3])
@pytest.mark.parametrize("number", [1, 2, 4])
def test_exact_mean_is_exact_gradient_for_bits(number, num_samples):
    assert_unbiased(MuProp(), relaxable_bits(number, seed=10 * number), num_samples)


@pytest.mark.parametrize(
    "problem", [lambda: categories((8,)), lambda: categories((2, 3)), lambda: relaxable_bits(1, batch=(2,))]
)
def test_exact_mean_is_exact_gradient_for_categories_and_batches(problem):
    assert_unbiased(MuProp(), problem(), 2)


def test_a_linear_f_has_no_noise():
    logits, weight = leaf(3), leaf(3, seed=1)
    q = Independent(Bernoulli(logits=logits), 1)
    ours = exact_moments(MuProp(), lambda z: 5 + z @ weight, q, parameters=[logits, weight])
    assert ours.variance[0].max() < 1e-25
    assert ours.variance[1].max() > 0.1
    p = logits.detach().sigmoid()
    torch.testing.assert_close(ours.mean[0], weight.detach() * p * (1 - p), rtol=1e-12, atol=1e-12)


def test_less_noisy_than_the_score_function_where_f_is_nearly_linear():
    problem = smooth_on_logits(leaf(3, seed=1), seed=4)
    assert moments(MuProp(), problem, 2).variance[-1].sum() < moments(ScoreFunction(), problem, 1).variance[-1].sum()


def test_a_nested_f_enters_with_the_slope_of_its_surrogate():
    """y | z ~ Bernoulli(sigmoid(c z)), f = theta y z, summed inside: E = theta sum_z q(z) z sigmoid(c z)."""
    logits, c, theta = leaf(), leaf(seed=1), leaf(seed=2)
    q = Bernoulli(logits=logits)

    def f(z):
        return Enumeration()(lambda y: theta * y * z, Bernoulli(logits=c * z))

    ours = exact_moments(MuProp(), f, q, parameters=[logits, c, theta])
    exact = torch.autograd.grad(theta * logits.sigmoid() * c.sigmoid(), [logits, c, theta])
    for mine, other in zip(ours.mean, exact, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-9, atol=1e-12)


def test_the_evaluation_at_the_mean_is_counted():
    seen = []

    def f(z):
        seen.append(len(z))
        return (z**2).sum(-1)

    for num_samples in (None, 2, 5):
        MuProp()(f, Independent(Bernoulli(logits=torch.zeros(3)), 1), num_samples)
    assert seen == [1, 1, 1, 1, 1, 4]


class WithoutCorrection(MuProp):
    """The slope's own gradient is forgotten."""

    def estimate(self, f, q, num_samples, context):
        whole = super().estimate(f, q, num_samples, context)
        mean = q.mean
        point = mean.detach()[None].requires_grad_()
        (slope,) = torch.autograd.grad(f(point).sum(), point)
        return Estimate(whole.value, whole.surrogate - (slope[0] * mean).sum(-1))


def test_mutant_without_the_correction_is_biased():
    with pytest.raises(AssertionError, match="relative error"):
        assert_unbiased(WithoutCorrection(), relaxable_bits(2, seed=20), 2)


def test_works_where_gradients_are_off():
    problem = relaxable_bits(2, batch=(5,))
    with torch.no_grad():
        estimate = MuProp()(problem.f, problem.q)
    assert estimate.value.shape == (5,)
    assert not estimate.surrogate.requires_grad


def test_refusals_name_an_estimator_that_fits():
    fair = Independent(Bernoulli(logits=torch.zeros(3, requires_grad=True)), 1)
    with pytest.raises(ValueError, match="2 or more; 1 was given.*ScoreFunction"):
        MuProp()(lambda z: z.sum(-1), fair, num_samples=1)
    with pytest.raises(ValueError, match="Categorical was given.*LeaveOneOut.*Enumeration"):
        MuProp()(lambda z: z, Categorical(logits=torch.zeros(3)))
    checked = bits(2)  # its Bernoullis check their argument
    with pytest.raises(
        ValueError,
        match="MuProp evaluates f between the outcomes.*within the support.*validate_args=False.*LeaveOneOut",
    ):
        MuProp()(checked.f, checked.q)
    one_hot = OneHotCategorical(logits=torch.zeros(4, requires_grad=True), validate_args=False)
    for blind in (one_hot.log_prob, lambda z: z.detach().sum(-1), lambda z: z.round().argmax(-1).to(DOUBLE)):
        with pytest.raises(ValueError, match="no gradient with respect to z.*OneHotCategorical.log_prob.*LeaveOneOut"):
            MuProp()(blind, one_hot)
    with pytest.raises(ValueError, match="samples.*batch.*was expected"):  # a wrong shape keeps its own sentence
        MuProp()(lambda z: z, fair)

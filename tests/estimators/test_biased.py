"""Straight-through and Gumbel-softmax: their bias in closed form or by independent quadrature, found by the exact harness."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Bernoulli, Categorical, Independent, Normal, OneHotCategorical

from helpers.estimators import DrawSource, drawing_from, exact_gradient, exact_moments, gauss_legendre
from helpers.estimators.gumbel_softmax import GumbelSoftmax
from helpers.estimators.parts.discrete import discrete_variables
from helpers.estimators.straight_through import StraightThrough
from tests.estimators.problems import DOUBLE, assert_same, bits, leaf, moments
from tests.estimators.relaxable import relaxable_bits

TEMPERATURES = (1.0, 0.5, 0.25, 0.1)


def bit_problem(logit: float, t: float):
    logits = torch.tensor(logit, dtype=DOUBLE, requires_grad=True)
    return logits, Bernoulli(logits=logits), lambda z: (z - t) ** 2


@pytest.mark.parametrize("num_samples", [1, 3])
@pytest.mark.parametrize("t", [0.45, 0.0, -2.0])
@pytest.mark.parametrize("logit", [-2.0, -0.3, 0.0, 1.4])
def test_straight_through_bias_in_closed_form(logit, t, num_samples):
    """One bit, f = (b - t)²: the bias is (2p - 1) p (1 - p), for every t and any number of samples."""
    logits, q, f = bit_problem(logit, t)
    ours = exact_moments(StraightThrough(), f, q, num_samples, parameters=[logits])
    exact = exact_gradient(f, q, parameters=[logits])
    p = q.probs.item()
    assert ours.mean[0].item() - exact.gradient[0].item() == pytest.approx(
        (2 * p - 1) * p * (1 - p), rel=1e-9, abs=1e-12
    )
    torch.testing.assert_close(ours.value, exact.value, rtol=1e-12, atol=1e-12)


def test_straight_through_is_right_for_a_linear_f_and_for_the_model():
    logits, weight = leaf(2, 3), leaf(2, 3, seed=1)
    q = Independent(OneHotCategorical(logits=logits), 1)
    f = lambda z: (z * weight).sum((-2, -1))  # noqa: E731
    ours = exact_moments(StraightThrough(), f, q, parameters=[logits, weight])
    assert_same(ours.mean, exact_gradient(f, q, parameters=[logits, weight]).gradient)

    problem = relaxable_bits(3)
    exact = exact_gradient(problem.f, problem.q, parameters=problem.model).gradient
    assert_same(moments(StraightThrough(), problem).mean[: len(problem.model)], exact)


def test_straight_through_shows_f_the_outcomes():
    """Bernoullis that check their argument accept it: the forward value is a bit, exactly."""
    problem = bits(4, batch=(50,))
    estimate = StraightThrough()(lambda z: problem.f(z), problem.q, num_samples=3)
    assert estimate.surrogate.isfinite().all()
    assert torch.equal(estimate.value, estimate.surrogate.detach())


def gumbel_bias(logit: float, t: float, temperature: float, nodes: int = 60) -> tuple[float, float]:
    logits, q, f = bit_problem(logit, t)
    # The relaxed bit climbs from 0 to 1 around u = 1 - p, over a width that shrinks with the temperature.
    breaks = (torch.tensor([-6.0, -2.0, 0.0, 2.0, 6.0], dtype=DOUBLE) * temperature - logit).sigmoid()
    ours = exact_moments(GumbelSoftmax(temperature), f, q, parameters=[logits], uniform=gauss_legendre(nodes, breaks))
    exact = exact_gradient(f, q, parameters=[logits]).gradient[0]
    return (ours.mean[0] - exact).item(), ours.variance[0].item()


@pytest.mark.parametrize(("logit", "t"), [(-0.8, 0.45), (0.0, 0.2), (-0.8, 0.0)])
def test_gumbel_bias_falls_with_temperature_and_variance_rises(logit, t):
    found = [gumbel_bias(logit, t, temperature) for temperature in TEMPERATURES]
    bias, variance = [abs(b) for b, _ in found], [v for _, v in found]
    assert bias == sorted(bias, reverse=True)
    assert bias[-1] < 0.3 * bias[0]
    assert bias[0] > 0.01
    assert variance == sorted(variance)


def test_gumbel_bias_need_not_fall_all_the_way():
    """Kept: it changes sign above temperature 1/2, so it is smaller at 1 than at 1/2."""
    assert abs(gumbel_bias(1.0, 0.2, 1.0)[0]) < 0.2 * abs(gumbel_bias(1.0, 0.2, 0.5)[0])


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_gumbel_bias_against_a_trapezoid_over_the_noise(temperature):
    """E g = ∫ 2 (s - t) s (1 - s) / temperature · logistic(x) dx, s = sigmoid((phi + x) / temperature): written apart from the package."""
    logit, t = -0.8, 0.45
    x = torch.linspace(-60, 60, 200_001, dtype=DOUBLE)
    s = ((logit + x) / temperature).sigmoid()
    mean = torch.trapezoid(2 * (s - t) * s * (1 - s) / temperature * x.sigmoid() * (-x).sigmoid(), x).item()
    p = torch.tensor(logit, dtype=DOUBLE).sigmoid().item()
    assert gumbel_bias(logit, t, temperature)[0] == pytest.approx(mean - p * (1 - p) * (1 - 2 * t), abs=1e-8)


def test_two_categories_are_one_bit():
    """The difference of two Gumbels is logistic: E z² is the same, by two-dimensional and by one-dimensional quadrature."""
    temperature = 1.5
    logits, bit, _ = bit_problem(0.7, 0.0)
    both = torch.stack([torch.zeros((), dtype=DOUBLE), logits])
    one = exact_moments(
        GumbelSoftmax(temperature), lambda z: z**2, bit, parameters=[logits], uniform=gauss_legendre(60)
    )
    pair = OneHotCategorical(logits=both)
    two = exact_moments(
        GumbelSoftmax(temperature), lambda z: z[..., 1] ** 2, pair, parameters=[logits], uniform=gauss_legendre(60)
    )
    torch.testing.assert_close(two.value, one.value, rtol=1e-3, atol=0.0)
    torch.testing.assert_close(two.mean[0], one.mean[0], rtol=1e-3, atol=0.0)


def test_the_largest_category_has_its_probability():
    """Statistical, 5 standard errors: the relaxed point's largest entry is a draw of q; every point lies on the simplex."""
    torch.manual_seed(0)
    q = Independent(OneHotCategorical(logits=torch.tensor([[0.0, 1.0, -1.0], [2.0, 0.0, 0.0]])), 1)
    seen = []

    def f(z):
        seen.append(z)
        return z.sum((-2, -1))

    GumbelSoftmax(0.7)(f, q, num_samples=20_000)
    torch.testing.assert_close(seen[0].sum(-1), torch.ones(20_000, 2))
    p = q.mean
    counted = torch.nn.functional.one_hot(seen[0].argmax(-1), 3).double().mean(0)
    assert ((counted - p).abs() / (p * (1 - p) / 20_000).sqrt()).max() < 5


@pytest.mark.parametrize("kind", [Bernoulli, OneHotCategorical])
def test_the_ends_of_the_noise_stay_finite(kind):
    class Ends(DrawSource):
        def uniform(self, shape, like):
            return torch.stack([torch.zeros(shape[1:]), torch.full(shape[1:], 1 - 2**-24)])

    logits = torch.tensor([-30.0, 0.0, 30.0], requires_grad=True)
    q = Independent(kind(logits=logits), 1) if kind is Bernoulli else kind(logits=logits)
    with drawing_from(Ends()):
        estimate = GumbelSoftmax(0.1)(lambda z: (z**2).sum(-1), q, num_samples=2)
    assert torch.autograd.grad(estimate.surrogate, logits)[0].isfinite().all()


@pytest.mark.parametrize("make", [StraightThrough, GumbelSoftmax])
def test_labelled_as_biased_with_shapes_and_refusals(make):
    assert "Biased: " in make.__doc__
    estimate = make()(lambda z: z.sum((-2, -1)), Independent(Bernoulli(logits=torch.zeros(4, 2, 3)), 2), num_samples=5)
    assert estimate.value.shape == estimate.surrogate.shape == (4,)
    with pytest.raises(ValueError, match="Categorical was given.*LeaveOneOut.*Enumeration"):
        make()(lambda z: z, Categorical(logits=torch.zeros(3)))
    with pytest.raises(ValueError, match="Normal was given.*Pathwise"):
        make()(lambda z: z.sum(-1), Independent(Normal(torch.zeros(3), 1.0), 1))


def test_gumbel_refuses_what_has_no_value_between_the_outcomes():
    checked = bits(2)
    with pytest.raises(
        ValueError, match="GumbelSoftmax evaluates f between the outcomes.*validate_args=False.*LeaveOneOut"
    ):
        GumbelSoftmax()(checked.f, checked.q)
    one_hot = OneHotCategorical(logits=torch.zeros(4, requires_grad=True), validate_args=False)
    with pytest.raises(ValueError, match="no gradient with respect to z"):
        GumbelSoftmax()(one_hot.log_prob, one_hot)
    with pytest.raises(ValueError, match="temperature is above 0, and 0.0"):
        GumbelSoftmax(0.0)


def test_sites_read_logits_through_every_wrapper():
    logits = torch.randn(2, 3, dtype=DOUBLE)
    from_probs = Independent(Independent(Bernoulli(probs=logits.sigmoid()), 1), 1)
    torch.testing.assert_close(discrete_variables(from_probs, "").logits, logits)
    torch.testing.assert_close(discrete_variables(OneHotCategorical(logits=logits), "").probs, logits.softmax(-1))

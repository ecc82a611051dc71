"""DReG and sticking the landing on a one-dimensional Gaussian model, against sums over a lattice of z, and their signal to noise."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch.distributions import Bernoulli, Independent, Normal, TransformedDistribution, transforms

from helpers.distributions import Flow
from helpers.estimators import (
    DoublyReparameterised,
    Enumeration,
    Estimate,
    ImportanceWeighted,
    Moments,
    Pathwise,
    StickingTheLanding,
)
from tests.estimators.grid import Grid, grid_moments
from tests.estimators.problems import DOUBLE, assert_same

X = torch.tensor(1.3, dtype=DOUBLE)
# p(z) = N(a, 1), p(x | z) = N(b z, 1), q(z | x) = N(loc, exp(raw)²), not p(z | x)
A, B, LOC, RAW = (torch.tensor(value, dtype=DOUBLE, requires_grad=True) for value in (0.4, 0.8, 0.1, -0.2))
PARAMETERS = [A, B, LOC, RAW]


def log_joint(z, a, b):
    return Normal(a, 1.0).log_prob(z) + Normal(b * z, 1.0).log_prob(X)


def run(estimator, num_samples, rate_weight=1.0):
    def of(a, b, loc, raw) -> Estimate:
        q = Normal(loc, raw.exp())

        def log_weight(z):
            log_likelihood = Normal(b * z, 1.0).log_prob(X)
            rate = q.log_prob(z) - Normal(a, 1.0).log_prob(z)
            return Estimate.of(log_likelihood - rate_weight * rate, rate=rate)

        return estimator(log_weight, q, num_samples)

    return of


def exact(num_samples: int, points: int = 90):
    """Value and gradient of E[log mean_s exp f(z_s)] by a sum over a lattice of z: the lattice stays, q's density moves.

    No reparameterisation comes into it. For an integrand that falls off like a Gaussian the rule's error is far below 1e-10.
    """
    q = Normal(LOC, RAW.exp())
    reach = 9 * q.scale.item()
    z = torch.linspace(LOC.item() - reach, LOC.item() + reach, points, dtype=DOUBLE)
    log_q = q.log_prob(z)
    tuples = torch.cartesian_prod(*[torch.arange(points)] * num_samples).reshape(-1, num_samples)
    mass = (log_q[tuples] + math.log(2 * reach / (points - 1))).sum(1).exp()
    bound = (log_joint(z, A, B) - log_q)[tuples].logsumexp(1) - math.log(num_samples)
    value = (mass * bound).sum()
    return value.detach(), torch.autograd.grad(value, PARAMETERS)


NODES = {1: 60, 2: 60, 3: 40}


@pytest.mark.parametrize("num_samples", [1, 2, 3])
@pytest.mark.parametrize("estimator", [DoublyReparameterised(), ImportanceWeighted()], ids=["DReG", "IWAE"])
def test_the_multi_sample_bound_and_its_gradient_by_quadrature(estimator, num_samples):
    ours = grid_moments(Grid(num_samples, NODES[num_samples]), PARAMETERS, run(estimator, num_samples))
    value, gradient = exact(num_samples)
    torch.testing.assert_close(ours.value, value, rtol=0, atol=1e-8)
    assert_same(ours.mean, gradient, 1e-6)


@pytest.mark.parametrize("num_samples", [1, 2])
def test_sticking_the_landing_by_quadrature(num_samples):
    ours = grid_moments(Grid(num_samples, 60), PARAMETERS, run(StickingTheLanding(), num_samples))
    value, gradient = exact(1)
    torch.testing.assert_close(ours.value, value, rtol=0, atol=1e-10)
    assert_same(ours.mean, gradient, 1e-8)
    assert ours.total_variance > 1e-2  # it does sample


def test_the_lattice_agrees_with_the_closed_form():
    """One sample: the ELBO, whose expectation is a quadratic's."""
    scale = RAW.exp()
    likelihood = -0.5 * ((X - B * LOC) ** 2 + (B * scale) ** 2) - 0.5 * math.log(2 * math.pi)
    bound = likelihood - torch.distributions.kl_divergence(Normal(LOC, scale), Normal(A, 1.0))
    value, gradient = exact(1)
    torch.testing.assert_close(value, bound.detach(), rtol=1e-10, atol=0)
    assert_same(gradient, torch.autograd.grad(bound, PARAMETERS), 1e-10)


def test_unbiased_for_any_f_not_only_for_a_log_weight():
    """A rate weight of 3: the score cancels in part only, and the means stay those of the estimators that keep it."""
    for ours, plain, numbers in (
        (StickingTheLanding(), Pathwise(), 1),
        (DoublyReparameterised(), ImportanceWeighted(), 2),
    ):
        mine, other = (grid_moments(Grid(numbers, 60), PARAMETERS, run(e, numbers, 3.0)) for e in (ours, plain))
        assert_same(mine.mean, other.mean, 1e-6)
        assert mine.total_variance != pytest.approx(other.total_variance, rel=1e-3)


def test_with_one_sample_both_are_one():
    for outcome in zip(
        *(
            (moments.value, *moments.mean, *moments.variance)
            for moments in (
                grid_moments(Grid(1, 30), PARAMETERS, run(e, 1))
                for e in (StickingTheLanding(), DoublyReparameterised())
            )
        ),
        strict=True,
    ):
        torch.testing.assert_close(*outcome, rtol=1e-12, atol=1e-14)


def test_with_the_exact_posterior_the_gradient_of_phi_has_no_noise():
    """q = p(z | x): every weight is p(x), and the path has nothing left to follow. Pathwise keeps the score's noise."""
    precision = 1 + B.detach() ** 2
    at = [A, B, (A + B * X).detach() / precision, -0.5 * precision.log()]
    for estimator, numbers in ((StickingTheLanding(), 1), (StickingTheLanding(), 2), (DoublyReparameterised(), 2)):
        moments = grid_moments(Grid(numbers, 20), at, run(estimator, numbers))
        for mean, variance in zip(moments.mean[2:], moments.variance[2:], strict=True):
            assert mean.abs() < 1e-12
            assert variance < 1e-24
    assert sum(grid_moments(Grid(1, 20), at, run(Pathwise(), 1)).variance[2:]) > 1


def test_signal_to_noise_exactly_at_one_to_four_samples():
    """Of q's two parameters together. IWAE's falls at each step, DReG's rises at each step."""

    def of_phi(estimator, number: int, nodes: int) -> float:
        moments = grid_moments(Grid(number, nodes), PARAMETERS, run(estimator, number))
        return replace(moments, mean=moments.mean[2:], variance=moments.variance[2:]).signal_to_noise

    steps = (1, 40), (2, 40), (3, 24), (4, 16)
    iwae, dreg = ([of_phi(e, *step) for step in steps] for e in (ImportanceWeighted(), DoublyReparameterised()))
    assert all(more < 0.995 * fewer for fewer, more in zip(iwae, iwae[1:], strict=False)), iwae
    assert all(more > 1.02 * fewer for fewer, more in zip(dreg, dreg[1:], strict=False)), dreg
    assert iwae[-1] < 0.85 * iwae[0]
    assert dreg[-1] > 1.3 * dreg[0]


def test_signal_to_noise_is_norm_over_root_total_variance_by_hand():
    one, two = torch.tensor([3.0]), torch.tensor([4.0, 0.0])
    moments = Moments(one, one, (one, two), (torch.tensor([1.0]), torch.tensor([2.0, 1.0])), 9)
    assert moments.signal_to_noise == pytest.approx(5 / 2)
    assert replace(moments, variance=(0 * one, 0 * two)).signal_to_noise == math.inf


def test_signal_to_noise_from_4_to_64_samples_in_standard_errors():
    """Sixteen times the samples: in theory IWAE's falls to a quarter and DReG's grows fourfold."""
    torch.manual_seed(0)
    repeats = 20_000
    found = {}
    for name, estimator in (("IWAE", ImportanceWeighted()), ("DReG", DoublyReparameterised())):
        for number in (4, 64):
            copies = [p.detach().expand(repeats).clone().requires_grad_() for p in PARAMETERS]
            surrogate = run(estimator, number)(*copies).surrogate.sum()
            gradient = torch.stack(torch.autograd.grad(surrogate, copies[2:]))  # [2, repeats]
            ratio = gradient.mean(1).abs() / gradient.std(1)
            spread = (gradient - gradient.mean(1, keepdim=True)) / gradient.std(1, keepdim=True)
            third, fourth = (spread**3).mean(1), (spread**4).mean(1)
            error = ((1 - ratio * third + ratio**2 * (fourth - 1) / 4) / repeats).clamp_min(0).sqrt()  # delta method
            found[name, number] = ratio, error

    def difference(name):  # in standard errors
        (few, few_error), (many, many_error) = found[name, 4], found[name, 64]
        return (many - few) / (few_error**2 + many_error**2).sqrt()

    assert (difference("IWAE") < -5).all(), found
    assert (difference("DReG") > 5).all(), found


def test_value_terms_and_auxiliary_loss_are_those_of_the_plain_estimators():
    def with_terms(z):
        score = (z**2).sum(-1)
        return Estimate(score.detach(), score, {"rate": score.detach() + 1}, auxiliary_loss=2.5)

    q = Independent(Normal(torch.zeros(3, 2, requires_grad=True), 1.0), 1)
    for ours, plain in ((DoublyReparameterised(), ImportanceWeighted()), (StickingTheLanding(), Pathwise())):
        results = []
        for estimator in (ours, plain):
            torch.manual_seed(0)
            results.append(estimator(with_terms, q, 4))
        mine, other = results
        assert torch.equal(mine.value, other.value)
        assert torch.equal(mine.terms["rate"], other.terms["rate"])
        assert mine.auxiliary_loss == 2.5
        assert mine.value.shape == mine.surrogate.shape == (3,)
        assert ours.target == plain.target


def test_a_sum_over_a_category_inside_f():
    """y | z ~ Bernoulli(sigmoid(z)), summed inside: the mean is that of IWAE."""

    def of(estimator):
        def run_(a, b, loc, raw):
            q = Normal(loc, raw.exp())

            def f(z):
                inner = Enumeration()(lambda y: b * y * z - a * z**2, Bernoulli(logits=z))
                return inner + -q.log_prob(z)

            return estimator(f, q, 2)

        return run_

    mine, other = (
        grid_moments(Grid(2, 40), PARAMETERS, of(e)) for e in (DoublyReparameterised(), ImportanceWeighted())
    )
    assert_same(mine.mean, other.mean, 1e-6)


@pytest.mark.parametrize("estimator", [DoublyReparameterised(), StickingTheLanding()], ids=["DReG", "STL"])
@pytest.mark.parametrize(("batch", "event"), [((), ()), ((4,), (2,)), ((2, 3), (2, 2))])
@pytest.mark.parametrize("scale", [1e-5, 1e15])
def test_scales_that_vanish_or_explode_in_float32(estimator, batch, event, scale):
    loc = torch.randn((*batch, *event)).requires_grad_()
    raw = torch.full_like(loc, scale).requires_grad_()
    q = Normal(loc, raw)
    q = Independent(q, len(event)) if event else q

    def f(z):
        log_p = -0.5 * z**2
        return (log_p.flatten(1 + len(batch)).sum(-1) if event else log_p) - q.log_prob(z)

    estimate = estimator(f, q, 3)
    gradients = torch.autograd.grad(estimate.surrogate.sum(), [loc, raw])
    assert estimate.value.isfinite().all()
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_without_gradients_there_is_a_value():
    with torch.no_grad():
        estimate = DoublyReparameterised()(lambda z: z.sum(-1), Independent(Normal(torch.zeros(2, 1), 1.0), 1), 3)
    assert estimate.value.shape == (2,)


class AffineLayer:
    """A layer for `Flow`: y = loc + scale x."""

    def __init__(self, loc, scale):
        self.loc, self.scale = loc, scale

    def forward(self, x):
        return self.loc + self.scale * x, self.scale.log().sum(-1)

    def inverse(self, y):
        return (y - self.loc) / self.scale, self.scale.log().sum(-1)


@pytest.mark.parametrize("estimator", [Pathwise(), StickingTheLanding(), ImportanceWeighted(), DoublyReparameterised()])
def test_a_flow_that_remembers_its_noise_is_what_it_is(estimator):
    """Three ways to write one Gaussian, two of which score their own samples without going through z. Same noise, same gradients."""
    loc, raw = (
        torch.randn(3, 2, dtype=DOUBLE, generator=torch.Generator().manual_seed(s)).requires_grad_() for s in (0, 1)
    )
    standard = Independent(Normal(torch.zeros(3, 2, dtype=DOUBLE), 1.0), 1)
    cached = transforms.AffineTransform(loc, raw.exp(), event_dim=1, cache_size=1)
    results = []
    for q in (
        Independent(Normal(loc, raw.exp()), 1),
        TransformedDistribution(standard, [cached]),
        Flow(standard, [AffineLayer(loc, raw.exp())]),
    ):
        torch.manual_seed(0)
        estimate = estimator(lambda z, q=q: -((z - 0.3) ** 4).sum(-1) - q.log_prob(z), q, 4)
        results.append((estimate.value, *torch.autograd.grad(estimate.surrogate.sum(), [loc, raw])))
    for other in results[1:]:
        for ours, plain in zip(other, results[0], strict=True):
            torch.testing.assert_close(ours, plain, rtol=1e-10, atol=1e-12)


class OneWay(transforms.ExpTransform):
    """A transform that cannot be undone."""

    def _inverse(self, y):
        raise NotImplementedError


def test_refusals_name_an_estimator_that_fits():
    bits = Independent(Bernoulli(torch.full((3,), 0.5)), 1)
    for estimator in (DoublyReparameterised(), StickingTheLanding()):
        with pytest.raises(
            ValueError, match="needs a distribution with differentiable samples.*Bernoulli.*Enumeration"
        ):
            estimator(lambda z: z.sum(-1), bits)
        with pytest.raises(ValueError, match="held still.*no inverse.*Pathwise and ImportanceWeighted"):
            estimator(lambda z: z, TransformedDistribution(Normal(torch.zeros(2), 1.0), OneWay()))
    with pytest.raises(ValueError, match="ImportanceWeighted has the target 'log_mean_exp'.*DoublyReparameterised"):
        StickingTheLanding(ImportanceWeighted())

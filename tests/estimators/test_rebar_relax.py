"""REBAR and RELAX: exact means by quadrature over the noise, and auxiliary losses whose gradient is the variance's."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.distributions import Bernoulli, Categorical, Independent, OneHotCategorical

from helpers.estimators import Estimate, ScoreFunction, drawing_from, exact_gradient
from helpers.estimators.harness.every_outcome import EveryOutcome
from helpers.estimators.harness.quadrature import for_logistic_noise
from helpers.estimators.parts.conditional_reparameterisation import ConditionalReparameterisation
from helpers.estimators.parts.off_support import differentiable
from helpers.estimators.rebar import Rebar
from helpers.estimators.relax import Relax, ResidualRelax
from helpers.networks import FeedForward
from tests.estimators.problems import DOUBLE, assert_same, assert_unbiased, bits, leaf, moments
from tests.estimators.relaxable import mean_by_quadrature, relaxable_bits, smooth_on_logits


def network(number: int, hidden: int = 3) -> nn.Module:
    torch.manual_seed(0)
    return FeedForward((hidden,), nn.Tanh).build((number,), (1,)).double()


MAKERS = {
    "REBAR": (lambda number: Rebar(), 3),
    "REBAR, warm and strong": (lambda number: Rebar(temperature=0.8, eta=1.7), 3),
    "RELAX": (lambda number: Relax(network(number)), 1),
    "RELAX on REBAR": (lambda number: ResidualRelax(network(number)), 3),
}


@pytest.mark.parametrize("name", MAKERS)
def test_exact_mean_is_exact_gradient_at_one_bit(name):
    """Through the package's own harness: two outcomes by 16 nodes for each of two uniform numbers."""
    make, num_samples = MAKERS[name]
    ours = assert_unbiased(
        make(1), relaxable_bits(1, seed=10), num_samples, tolerance=1e-6, uniform=for_logistic_noise(16)
    )
    assert ours.total_variance > 1e-3


@pytest.mark.parametrize("seed", [20])
@pytest.mark.parametrize("name", MAKERS)
def test_exact_mean_is_exact_gradient_at_two_bits(name, seed):
    """Every parameter of model and guide, those that f shares with q too: four outcomes by 16 to the fourth nodes, in one batch."""
    make, num_samples = MAKERS[name]
    problem = relaxable_bits(2, seed=seed)
    ours = mean_by_quadrature(make(2), problem, num_samples, nodes=16)
    assert_same(ours, exact_gradient(problem.f, problem.q, parameters=problem.parameters).gradient, 1e-6)


def test_strength_nothing_is_the_score_function():
    problem = relaxable_bits(1, seed=30)
    ours, plain = (
        moments(Rebar(eta=0.0), problem, 3, uniform=for_logistic_noise(8)),
        moments(ScoreFunction(), problem, 1),
    )
    assert_same(ours.mean, plain.mean, 1e-9)
    assert_same(ours.variance, plain.variance, 1e-9)


def test_less_noisy_than_the_score_function():
    problem = smooth_on_logits(leaf(1, seed=3), seed=1)
    ours, plain = moments(Rebar(), problem, 3, uniform=for_logistic_noise(16)), moments(ScoreFunction(), problem, 1)
    assert ours.variance[-1].sum() < 0.1 * plain.variance[-1].sum()
    assert_same(ours.variance[:-1], plain.variance[:-1], 1e-6)  # f's own parameters get no noise from relaxed points


def test_can_be_far_noisier_than_the_score_function():
    """Kept: f (b - p) nearly the same at both outcomes. Plain then has next to no noise, and a strong control variate brings its own."""
    problem = smooth_on_logits(leaf(1, seed=3), seed=3)
    ours, plain = moments(Rebar(), problem, 3, uniform=for_logistic_noise(16)), moments(ScoreFunction(), problem, 1)
    assert ours.variance[-1].sum() > 1000 * plain.variance[-1].sum()


@pytest.mark.parametrize("name", ["REBAR", "RELAX", "RELAX on REBAR"])
def test_the_auxiliary_loss_has_the_gradient_of_the_variance(name):
    """E[d loss] = d E|g|² for every own parameter: exact moments a little to either side of it. E g does not move: tests above."""
    make, num_samples = MAKERS[name]
    problem, estimator = smooth_on_logits(leaf(1, seed=3), seed=7), make(1).double()
    own = list(estimator.parameters())
    ours = [torch.zeros_like(p) for p in own]
    every = EveryOutcome(uniform=for_logistic_noise(10))
    for probability, estimate in every.outcomes(lambda: estimator(problem.f, problem.q, num_samples)):
        parts = torch.autograd.grad(estimate.auxiliary_loss, own, materialize_grads=True, allow_unused=True)
        for total, part in zip(ours, parts, strict=True):
            total += probability * part

    def second_moment() -> float:
        estimator.requires_grad_(False)
        result = moments(estimator, problem, num_samples, uniform=for_logistic_noise(10))
        estimator.requires_grad_(True)
        return (result.variance[-1] + result.mean[-1] ** 2).sum().item()

    for place in range(len(own)):
        entry, step = own[place].detach().view(-1)[:1], 1e-4
        entry += step
        above = second_moment()
        entry -= 2 * step
        below = second_moment()
        entry += step
        assert ours[place].flatten()[0].item() == pytest.approx((above - below) / (2 * step), rel=1e-5, abs=1e-9)
    assert max(part.abs().max().item() for part in ours) > 1e-3


def log_weight_of_one_bit(own: bool):
    """f = log p(x, z) - log q(z) of one bit, q's parameter, and q; without log q unless `own`."""
    logit = leaf(1, seed=3)
    q = Independent(Bernoulli(logits=logit, validate_args=False), 1)

    def f(z):
        value = (1.2 * z - 0.7 * z**2).sum(-1)
        return value - q.log_prob(z) if own else value

    return f, q, logit


def loss_and_gradient(estimator, f, q, logits, rule):
    """Exact E[auxiliary loss], E g and E|g|² of the gradient g on the logits, over all outcomes."""
    loss, mean, second = 0.0, torch.zeros_like(logits), 0.0
    for probability, estimate in EveryOutcome(uniform=rule).outcomes(
        lambda: estimator(f, q, estimator.evaluations_per_sample)
    ):
        (gradient,) = torch.autograd.grad(estimate.surrogate.sum(), logits)
        loss += probability * estimate.auxiliary_loss.item()
        mean += probability * gradient
        second += probability * gradient.square().sum().item()
    return loss, mean, second


@pytest.mark.parametrize("own", [False, True], ids=["f alone", "f holds log q"])
def test_the_auxiliary_loss_is_the_variance_and_the_square_of_the_mean(own):
    """So both have their minimum at one strength, whether or not f depends on q's logits, as every ELBO does."""
    f, q, logit = log_weight_of_one_bit(own)
    losses, variances = [], []
    for eta in (-0.5, 0.0, 0.5, 1.0, 1.5):
        loss, mean, second = loss_and_gradient(Rebar(eta=eta).double(), f, q, logit, for_logistic_noise(6))
        assert loss == pytest.approx(second, rel=1e-9)
        losses.append(loss)
        variances.append(second - mean.square().sum().item())
    assert losses.index(min(losses)) == variances.index(min(variances)) in (1, 2, 3)


def test_the_auxiliary_loss_of_several_samples_is_a_mean_over_them():
    """The square of each sample's whole gradient, not of their mean."""
    f, q, logit = log_weight_of_one_bit(True)
    estimator = Rebar().double()

    class Fixed(EveryOutcome):
        def __init__(self, *which):
            self.which = list(which)

        def sample(self, q, num_samples):
            return torch.tensor([[0.0], [1.0], [1.0]], dtype=DOUBLE)[self.which]

        def uniform(self, shape, like):
            return torch.tensor([[0.3], [0.8], [0.1]], dtype=DOUBLE)[self.which]

    def loss(*which):
        with drawing_from(Fixed(*which)):
            return estimator(f, q, 3 * len(which)).auxiliary_loss.item()

    assert loss(0, 1, 2) == pytest.approx(sum(loss(one) for one in (0, 1, 2)) / 3)
    assert len({round(loss(one), 6) for one in (0, 1, 2)}) == 3


@pytest.mark.parametrize("name", ["REBAR", "RELAX", "RELAX on REBAR"])
def test_the_auxiliary_loss_reaches_the_estimator_alone(name):
    make, num_samples = MAKERS[name]
    problem, estimator = relaxable_bits(2, batch=(5,)), make(2)
    own = list(estimator.parameters())
    estimate = estimator(problem.f, problem.q, 2 * num_samples)
    theirs = torch.autograd.grad(estimate.auxiliary_loss, problem.parameters, retain_graph=True, allow_unused=True)
    assert all(part is None for part in theirs)
    assert all(
        part is None
        for part in torch.autograd.grad(estimate.surrogate.sum(), own, retain_graph=True, allow_unused=True)
    )
    reached = torch.autograd.grad(estimate.auxiliary_loss, own, allow_unused=True)
    assert any(part is not None and part.abs().max() > 0 for part in reached)
    assert estimate.value.shape == estimate.surrogate.shape == (5,)

    estimator.eval()
    assert estimator(problem.f, problem.q, num_samples).auxiliary_loss == 0.0
    estimator.train().requires_grad_(False)
    assert estimator(problem.f, problem.q, num_samples).auxiliary_loss == 0.0
    with torch.no_grad():
        assert not estimator(problem.f, problem.q, num_samples).surrogate.requires_grad


def test_training_the_network_lowers_the_variance():
    torch.manual_seed(0)
    problem, estimator = smooth_on_logits(leaf(1, seed=3), seed=7), Relax(network(1, hidden=8))
    before = moments(estimator, problem, 1, uniform=for_logistic_noise(10)).variance[-1].sum()
    optimiser = torch.optim.Adam(estimator.parameters(), lr=0.03)
    for _ in range(150):
        optimiser.zero_grad()
        estimator(problem.f, problem.q, 64).auxiliary_loss.backward()
        optimiser.step()
    after = moments(estimator, problem, 1, uniform=for_logistic_noise(10)).variance[-1].sum()
    assert after < 0.3 * before


def test_evaluations_are_counted():
    calls = []

    def f(z):
        calls.append(z.detach().clone())
        return (z**2).sum(-1)

    q = Independent(Bernoulli(logits=torch.zeros(4, 2, dtype=DOUBLE)), 1)
    Rebar()(f, q, num_samples=6)
    assert [len(z) for z in calls] == [2, 4]
    assert ((calls[0] == 0) | (calls[0] == 1)).all()
    assert torch.equal(calls[1] > 0.5, torch.cat([calls[0], calls[0]]) > 0.5)  # relaxed points lie on their bit's side
    first, second = calls[1].chunk(2)
    assert not torch.isclose(first, second).any()  # each with noise of its own
    calls.clear()
    Relax(network(2))(f, q, num_samples=3)
    assert [len(z) for z in calls] == [3]


def test_a_residual_network_that_says_nothing_leaves_rebar():
    problem, silent = relaxable_bits(2, seed=20), network(2)
    for parameter in silent.parameters():
        nn.init.zeros_(parameter)
    ours = mean_by_quadrature(ResidualRelax(silent, 0.3, 0.6), problem, 3, nodes=4)  # both with the same error
    assert_same(ours, mean_by_quadrature(Rebar(0.3, 0.6), problem, 3, nodes=4), 1e-12)


def test_the_auxiliary_loss_is_a_mean_over_data_and_samples():
    class Same(EveryOutcome):
        def sample(self, q, num_samples):
            return torch.ones(num_samples, *q.batch_shape, *q.event_shape)

        def uniform(self, shape, like):
            return torch.full(shape, 0.3).to(like)

    def loss(batch: int, num_samples: int) -> float:
        q = Independent(Bernoulli(logits=torch.zeros(batch, 2)), 1)
        return Relax(network(2).float())(lambda z: z.sum(-1), q, num_samples).auxiliary_loss.item()

    with drawing_from(Same()):
        assert loss(5, 3) == pytest.approx(loss(1, 1))
        assert loss(1, 1) > 0


def test_a_control_variate_has_the_value_of_one_and_the_gradient_of_the_other():
    z = torch.tensor([2.0], dtype=DOUBLE, requires_grad=True)
    joined = differentiable(Estimate(torch.tensor([7.0], dtype=DOUBLE), z**3))
    assert joined.item() == 7.0
    assert torch.autograd.grad(joined.sum(), z)[0].item() == 12.0


class UnconditionalTwin(Rebar):
    """z' drawn from its prior, not given the bit: a control variate that controls nothing, though the mean stays exact."""

    def relaxed_pair(self, phi, b, u, v):
        return super().relaxed_pair(phi, b, u, v)[0], phi + v.logit()


class SlopeOfTheFirstForBoth(Rebar):
    """z' moves with phi as z does: as if conditioning changed nothing."""

    def relaxed_pair(self, phi, b, u, v):
        first, second = super().relaxed_pair(phi, b, u, v)
        return first, phi + (second - phi).detach()


class FlippedSign(Rebar):
    """The score term adds the control variate instead of subtracting it."""

    def estimate(self, f, q, num_samples, context):
        straight = Rebar(self.log_temperature.exp().item(), self.eta.item())
        minus = straight.estimate(f, q, num_samples, context)
        return minus + -2 * (minus.surrogate - minus.surrogate.detach())


@pytest.mark.parametrize("mutant", [SlopeOfTheFirstForBoth, FlippedSign])
def test_mutants_are_killed_by_their_mean(mutant):
    with pytest.raises(AssertionError, match="relative error"):
        assert_unbiased(mutant(), relaxable_bits(1, seed=10), 3, tolerance=1e-6, uniform=for_logistic_noise(16))


def test_a_twin_that_is_not_conditional_is_killed_by_its_variance():
    problem = smooth_on_logits(leaf(1, seed=3), seed=1)
    options = {"uniform": for_logistic_noise(16)}
    ours, right = moments(UnconditionalTwin(), problem, 3, **options), moments(Rebar(), problem, 3, **options)
    assert_same(ours.mean, right.mean, 1e-3)  # by quadrature that does not suit it
    assert ours.variance[-1].sum() > 2 * right.variance[-1].sum()


def test_single_precision_stays_finite_at_the_ends_of_the_noise():
    logits = torch.tensor([-60.0, 0.0, 60.0], requires_grad=True)

    class Ends(EveryOutcome):
        def sample(self, q, num_samples):
            return torch.tensor([[0.0, 1.0, 1.0], [0.0, 0.0, 1.0]])

        def uniform(self, shape, like):
            return torch.tensor([[0.0] * 3, [math.nextafter(1.0, 0.0)] * 3]).to(like)

    q = Independent(Bernoulli(logits=logits, validate_args=False), 1)
    for estimator in (Rebar(0.1), Relax(network(3).float())):
        with drawing_from(Ends()):
            estimate = estimator(lambda z: (z**2).sum(-1), q, 2 * estimator.evaluations_per_sample)
        (gradient,) = torch.autograd.grad(estimate.surrogate, logits)
        assert gradient.isfinite().all()
        own = torch.autograd.grad(estimate.auxiliary_loss, list(estimator.parameters()), allow_unused=True)
        assert all(part.isfinite().all() for part in own if part is not None)


def test_refusals_name_an_estimator_that_fits():
    fair = Independent(Bernoulli(logits=torch.zeros(3)), 1)
    with pytest.raises(ValueError, match="Rebar evaluates f 3 time.*multiple of 3; 4 was given.*LeaveOneOut"):
        Rebar()(lambda z: z.sum(-1), fair, num_samples=4)
    with pytest.raises(ValueError, match="OneHotCategorical was given.*LeaveOneOut.*LocalEnumeration"):
        Rebar()(lambda z: z.sum(-1), OneHotCategorical(logits=torch.zeros(3)))
    with pytest.raises(ValueError, match="Relax needs independent bits.*Categorical was given"):
        Relax(network(3))(lambda z: z, Categorical(logits=torch.zeros(3)))
    checked = bits(2)
    with pytest.raises(ValueError, match="Rebar evaluates f between the outcomes.*validate_args=False.*DisArm"):
        Rebar()(checked.f, checked.q)
    Relax(network(2))(checked.f, checked.q)  # which looks at f at bits only
    with pytest.raises(ValueError, match="no gradient with respect to z.*LeaveOneOut"):
        Rebar()(lambda z: z.round().detach().sum(-1), fair)
    with pytest.raises(ValueError, match=r"network returned the shape \(2, 3\).*one number for each z"):
        Relax(nn.Identity())(lambda z: z.sum(-1), fair)
    for temperature in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="temperature is above 0"):
            Rebar(temperature=temperature)
    with pytest.raises(NotImplementedError):
        ConditionalReparameterisation().control_variate(None, None, None)

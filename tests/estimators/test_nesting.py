"""Estimators inside estimators, against exact gradients by closed forms, in float64.

A score-function estimator with a learned baseline (defined beside these tests) shows that value, surrogate, terms and auxiliary
loss travel through each level. Its exact expectation is the sum over its outcomes, replayed one by one.
"""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Bernoulli, Independent, Normal, OneHotCategorical

from helpers.estimators import Enumeration, Estimate, ImportanceWeighted, Pathwise, drawing_from

DOUBLE = torch.float64


def leaf(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=DOUBLE).requires_grad_()


def assert_same_gradient(ours: torch.Tensor, exact: torch.Tensor, parameters: list[torch.Tensor]) -> None:
    mine = torch.autograd.grad(ours.sum(), parameters, retain_graph=True)
    for one, other in zip(mine, torch.autograd.grad(exact.sum(), parameters, retain_graph=True), strict=True):
        assert other.abs().max() > 1e-3, "a gradient of nothing proves nothing"
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("batch", [(), (4,), (2, 3)])
def test_pathwise_in_enumeration(gauss_hermite, batch):
    """A mixture: y ~ Cat(π), z | y ~ N(m_y, s_y), f = θ z². E f = θ sum_y π_y (m_y² + s_y²)."""
    logits, loc, raw, theta = leaf(*batch, 3), leaf(3, seed=1), leaf(3, seed=2), leaf(seed=3)
    source = gauss_hermite(4)

    def inner(y):  # [3, *batch, 3]
        point = Normal(y @ loc, (y @ raw).exp())
        weights = source.weights.reshape(-1, *[1] * (1 + len(batch)))
        return Pathwise()(lambda z: Estimate.of(theta * weights * z**2, square=weights * z**2), point, num_samples=4)

    with drawing_from(source):
        estimate = Enumeration()(inner, OneHotCategorical(logits=logits))
    moment = (logits.softmax(-1) * (loc**2 + raw.exp() ** 2)).sum(-1)
    torch.testing.assert_close(estimate.value, (theta * moment).detach(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(estimate.terms["square"], moment.detach(), rtol=1e-12, atol=1e-12)
    assert_same_gradient(estimate.surrogate, theta * moment, [logits, loc, raw, theta])


def test_enumeration_in_pathwise(gauss_hermite):
    """z ~ N(m, s), y | z ~ Bernoulli(1/2 + z/10), f = θ y z. E f = θ (m/2 + (m² + s²)/10).

    The outer gradient must run through z into the inner *probabilities*, and into the inner f.
    """
    loc, raw, theta = leaf(2), leaf(2, seed=1), leaf(seed=3)
    source = gauss_hermite(4)

    def inner(z):  # [4, 2]
        weights = source.weights[:, None]
        return Enumeration()(lambda y: theta * weights * y * z, Bernoulli(0.5 + z / 10))

    with drawing_from(source):
        estimate = Pathwise()(inner, Normal(loc, 0.1 * raw.exp()), num_samples=4)
    exact = theta * (loc / 2 + (loc**2 + 0.01 * (2 * raw).exp()) / 10)
    torch.testing.assert_close(estimate.value, exact.detach(), rtol=1e-12, atol=1e-12)
    assert_same_gradient(estimate.surrogate, exact, [loc, raw, theta])


def test_three_levels_scored_then_summed_then_reparameterised(gauss_hermite, score_with_baseline):
    """b ~ two bits, c | b ~ Cat, z | b, c ~ N(m_c + b·u, s): E z², every expectation of the outer level replayed."""
    bit_logits, gate, loc, u, raw = leaf(2), leaf(2, 3, seed=1), leaf(3, seed=2), leaf(2, seed=3), leaf(seed=4)
    source, outer = gauss_hermite(4), score_with_baseline()
    q = Independent(Bernoulli(logits=bit_logits), 1)

    def given_bits(b):  # [1, 2]
        def given_component(c):  # [3, 1, 3]
            point = Normal(c @ loc + b @ u, raw.exp())
            weights = source.weights[:, None, None]
            return Pathwise()(lambda z: Estimate.of(weights * z**2, depth=weights * 3.0 + 0 * z), point, num_samples=4)

        return Enumeration()(given_component, OneHotCategorical(logits=b @ gate))

    value = surrogate = depth = loss = 0.0
    exact = torch.zeros((), dtype=DOUBLE)
    for b in torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=DOUBLE)] * 2):
        source.sample = lambda q, n, b=b: b.expand(n, 2)
        with drawing_from(source):
            estimate = outer(given_bits, q, num_samples=1, context=torch.ones(1, dtype=DOUBLE))
        probability = q.log_prob(b).exp()
        value = value + probability.detach() * estimate.value
        surrogate = surrogate + probability.detach() * estimate.surrogate
        depth = depth + probability.detach() * estimate.terms["depth"]
        loss = loss + estimate.auxiliary_loss
        exact = exact + probability * ((b @ gate).softmax(-1) * ((loc + b @ u) ** 2 + (2 * raw).exp())).sum(-1)

    parameters = [bit_logits, gate, loc, u, raw]
    torch.testing.assert_close(value, exact.detach(), rtol=1e-12, atol=1e-12)
    assert depth.item() == pytest.approx(3.0)
    assert_same_gradient(surrogate, exact, parameters)
    assert_auxiliary_loss_stays_home(loss, surrogate, outer, parameters)


def test_score_inside_enumeration_and_inside_pathwise(gauss_hermite, score_with_baseline):
    """The inner bit is fair, so that its two replays weigh the same; its gradient is not nothing.

    c ~ Cat(π), b | c ~ Bernoulli(σ(l_c)) with l = 0, f = b v_c:      E f = sum_c π_c σ(l_c) v_c
    z ~ N(m, s), b | z ~ Bernoulli(σ(a z)) with a = 0, f = b z:        E f = E[z σ(a z)], d/da = (m² + s²)/4, d/dm = 1/2
    """
    logits, v = leaf(3), leaf(3, seed=1)
    bit = torch.zeros(3, dtype=DOUBLE, requires_grad=True)
    loc, a = leaf(seed=2), torch.zeros((), dtype=DOUBLE, requires_grad=True)
    source, inner = gauss_hermite(4), score_with_baseline(3)
    of_z = score_with_baseline(1)

    def given_component(c):  # [3, 3]
        return inner(lambda b: b * (c @ v), Bernoulli(logits=c @ bit), num_samples=1, context=c)

    def given_point(z):  # [4]
        weights = source.weights
        return of_z(lambda b: weights * b * z, Bernoulli(logits=a * z), num_samples=1, context=z[:, None])

    summed, reparameterised = [], []
    for outcome in (0.0, 1.0):
        source.sample = lambda q, n, outcome=outcome: torch.full((n, *q.batch_shape), outcome, dtype=DOUBLE)
        with drawing_from(source):
            summed.append(Enumeration()(given_component, OneHotCategorical(logits=logits)))
            reparameterised.append(Pathwise()(given_point, Normal(loc, 0.7), num_samples=4))
    exact = (logits.softmax(-1) * bit.sigmoid() * v).sum()
    assert_same_gradient((summed[0] + summed[1]).surrogate / 2, exact, [logits, bit, v])
    assert_auxiliary_loss_stays_home(summed[1].auxiliary_loss, summed[1].surrogate, inner, [logits, bit, v])

    total = reparameterised[0] + reparameterised[1]
    assert (total.value / 2).item() == pytest.approx(loc.item() / 2)
    d_loc, d_a = torch.autograd.grad(total.surrogate / 2, [loc, a], retain_graph=True)
    assert d_a.item() == pytest.approx((loc.item() ** 2 + 0.49) / 4, rel=1e-9)
    assert d_loc.item() == pytest.approx(0.5, rel=1e-9)
    assert_auxiliary_loss_stays_home(total.auxiliary_loss, total.surrogate, of_z, [loc, a])


def test_enumeration_inside_the_importance_weighted_bound(gauss_hermite):
    """A summed layer under the logarithm: the same as autograd through the whole expression."""
    loc, weights = leaf(2), leaf(2, seed=1)
    q, source = Normal(loc, 0.8), gauss_hermite(5)
    with drawing_from(source):
        estimate = ImportanceWeighted()(
            lambda z: Enumeration()(lambda y: -((z - y) ** 2) * weights.exp(), Bernoulli(logits=z)), q, num_samples=5
        )
    z = loc + 0.8 * source.eps[:, None]
    inside = -weights.exp() * (z.sigmoid() * (z - 1) ** 2 + (-z).sigmoid() * z**2)
    exact = (inside.exp().mean(0)).log()
    torch.testing.assert_close(estimate.value, exact.detach(), rtol=1e-12, atol=1e-12)
    assert_same_gradient(estimate.surrogate, exact, [loc, weights])


def assert_auxiliary_loss_stays_home(loss, surrogate, estimator, parameters) -> None:
    """It reaches the estimator's own parameters, and no others; the surrogate does not reach the estimator's."""
    own = list(estimator.parameters())
    assert all(g is None for g in torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True))
    assert any(g.abs().max() > 0 for g in torch.autograd.grad(loss, own, retain_graph=True))
    assert all(g is None for g in torch.autograd.grad(surrogate.sum(), own, retain_graph=True, allow_unused=True))

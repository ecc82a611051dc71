"""Flow guides: densities against integrals, gradients by every path that an estimator uses, and extreme parameters."""

from __future__ import annotations

import math

import numpy
import pytest
import torch

from helpers.distributions import (
    AffineCouplingConditional,
    BernoulliConditional,
    Flow,
    GaussianConditional,
    InverseAutoregressiveConditional,
    PlanarFlowConditional,
    StandardNormalPrior,
)
from helpers.estimators import DoublyReparameterised, StickingTheLanding
from helpers.models import AmortizedGuide, AnalyticKlElbo, Elbo, LatentVariableModel
from helpers.networks import FeedForward
from helpers.networks.autoregressive import MaskedLinear

KINDS = [PlanarFlowConditional, AffineCouplingConditional, InverseAutoregressiveConditional]
GIVEN = torch.tensor([0.4, -1.1], dtype=torch.float64)


def conditional(kind, event=2, seed=4, strength=0.6):
    """In double precision, with parameters that bend space, moderately enough for integration on a grid."""
    torch.manual_seed(seed)
    module = kind(2, event, FeedForward((6,), torch.nn.Tanh), num_layers=3).double()
    with torch.no_grad():
        module.network.network[-1].weight.normal_(0, strength)
        for parameter in getattr(module, "layer_networks", torch.nn.ModuleList()).parameters():
            parameter.mul_(1.5)
    return module


def grid(side: int = 241, reach: float = 14.0) -> tuple[torch.Tensor, float]:
    """Points [side², 2] and the weight of each: equal steps, which integrate smooth densities that vanish at the border."""
    x = torch.linspace(-reach, reach, side, dtype=torch.float64)
    return torch.cartesian_prod(x, x), (2 * reach / (side - 1)) ** 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_flow_bends_space_integrates_to_one_and_its_samples_match(kind):
    with torch.no_grad():
        q = conditional(kind)(GIVEN)
        points, weight = grid()
        mass = q.log_prob(points).exp() * weight
        assert mass.sum().item() == pytest.approx(1.0, abs=1e-7)
        # far from the Gaussian of the same mean and covariance, so that the flow matters
        mean = mass @ points
        centred = points - mean
        covariance = (mass[:, None] * centred).T @ centred
        gaussian = torch.distributions.MultivariateNormal(mean, covariance).log_prob(points)
        assert (mass * (q.log_prob(points) - gaussian)).sum() > 0.02
        z = q.sample((20_000,))
        for function in (lambda z: z, lambda z: z**2, lambda z: (z[:, :1] * z[:, 1:]).sin()):
            exact = mass @ function(points)
            variance = mass @ (function(points) - exact) ** 2
            assert ((function(z).mean(0) - exact).abs() < 5 * (variance / 20_000).sqrt()).all()
        assert (-q.log_prob(z).mean() + mass @ q.log_prob(points)).abs() < 5 * q.log_prob(z).std() / math.sqrt(20_000)


@pytest.mark.parametrize("kind", KINDS)
def test_the_integral_stays_one_when_parameters_move(kind):
    """The gradient of the integral is 0 in every parameter: so this tests the gradient of log q at a fixed z, through the inverse."""
    module = conditional(kind)
    points, weight = grid()
    density = module(GIVEN).log_prob(points).exp() * weight
    inside = [*module.parameters()]
    assert (
        max(gradient.abs().max() for gradient in torch.autograd.grad(density.sum(), inside, retain_graph=True)) < 1e-6
    )
    # and not because all gradients are 0
    assert all(
        gradient.abs().max() > 1e-4 for gradient in torch.autograd.grad((density * points.sin().sum(1)).sum(), inside)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_path_and_the_score_give_one_gradient(kind):
    """d E_q[f]: through the inverse, by integrating q f on a grid; through the draws, by Gauss-Hermite quadrature over their noise."""
    module = conditional(kind)
    q = module(GIVEN)
    points, weight = grid()

    def f(z: torch.Tensor) -> torch.Tensor:
        return (z[..., 0] - 0.3 * z[..., 1]).sin()

    by_score = torch.autograd.grad(
        (q.log_prob(points).exp() * weight * f(points)).sum(), [*module.parameters()], retain_graph=True
    )
    nodes, weights = (torch.from_numpy(part) for part in numpy.polynomial.hermite_e.hermegauss(80))
    noise = torch.cartesian_prod(nodes, nodes)
    share = torch.outer(weights, weights).flatten() / weights.sum() ** 2
    normal = q.base.base_dist
    z = normal.loc + normal.scale * noise
    for layer in q.layers:
        z, _ = layer.forward(z)
    by_path = torch.autograd.grad((share * f(z)).sum(), [*module.parameters()])
    for path, score in zip(by_path, by_score, strict=True):
        torch.testing.assert_close(path, score, rtol=0, atol=1e-6)


def objective(kind, event=(3, 2), double=True):
    model = LatentVariableModel(StandardNormalPrior(event), BernoulliConditional(event, (1, 4, 3), FeedForward((5,))))
    guide = AmortizedGuide(kind((1, 4, 3), event, FeedForward((5,))))
    return Elbo(model, guide).double() if double else Elbo(model, guide)


@pytest.mark.parametrize("kind", KINDS)
def test_every_parameter_gets_a_gradient(kind):
    bound = objective(kind)
    bound(torch.rand(4, 1, 4, 3).double()).surrogate.sum().backward()
    for name, parameter in bound.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name
    for module in bound.modules():
        if isinstance(module, MaskedLinear):
            assert (module.weight.grad[module.mask == 0] == 0).all()
            assert (module.weight.grad[module.mask == 1] != 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_draw_is_scored_by_the_route_whose_gradient_is_right(kind):
    """The preimage of a draw is cached for that draw only, and is not used if that loses a gradient."""
    module = conditional(kind, event=(2, 1))
    q = module(GIVEN.expand(5, 2))
    inversions = []
    for layer in q.layers:
        inverse = layer.inverse
        layer.inverse = lambda y, inverse=inverse: inversions.append(1) or inverse(y)

    def gradients(score):
        return torch.autograd.grad(
            score.sum(), [*module.parameters()], allow_unused=True, materialize_grads=True, retain_graph=True
        )

    def assert_same(one, other):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(gradients(one), gradients(other), rtol=1e-5, atol=1e-6)

    path = q.rsample((3,))
    score = q.log_prob(path)
    assert not inversions
    assert_same(score, q.log_prob(path.view_as(path)))  # the total gradient, by way of z
    still = q.sample((3,))
    inversions.clear()
    score = q.log_prob(still)
    assert inversions  # the score of q, at a fixed z
    assert_same(score, q.log_prob(still.clone()))
    assert max(gradient.abs().max() for gradient in gradients(score)) > 1e-3
    inversions.clear()
    with torch.no_grad():
        q.log_prob(still)
        assert not inversions
        still[0] += 1  # another z by now
        torch.testing.assert_close(q.log_prob(still), q.log_prob(still.clone()))
        assert inversions
    with torch.inference_mode():
        assert torch.isfinite(q.log_prob(q.sample())).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1e-30, 1e-3, 1e3, 1e12, -1e12])
def test_parameters_that_vanish_or_explode_leave_bound_and_gradient_finite(kind, size):
    bound = objective(kind, (2,), double=False)
    last = bound.guide.conditional.network.network[-1]
    with torch.no_grad():
        last.weight.mul_(0 if abs(size) > 1e6 else size)
        if kind is PlanarFlowConditional:
            last.bias[4:] = torch.linspace(-1, 1, len(last.bias) - 4) * min(abs(size), 1e3)  # u, w and b
            last.bias[4:] *= math.copysign(1, size)
        else:
            for network in bound.guide.conditional.layer_networks:
                output = [layer for layer in network.modules() if isinstance(layer, torch.nn.Linear)][-1]
                output.bias[len(output.bias) // 2 :] = max(-1e6, min(size, 10.0))  # raw scales
    q = bound.guide(torch.rand(4, 1, 4, 3))
    z = q.rsample((5,))
    for score in (q.log_prob(z), q.log_prob(z.detach().clone())):
        assert torch.isfinite(score).all()
        gradients = torch.autograd.grad(score.sum(), [*bound.guide.parameters()], allow_unused=True, retain_graph=True)
        assert all(torch.isfinite(gradient).all() for gradient in gradients if gradient is not None)


def test_refusals():
    for kind in KINDS:
        with pytest.raises(ValueError, match="num_layers=0 was given.*GaussianConditional"):
            kind(2, 2, FeedForward(()), num_layers=0)
        with pytest.raises(ValueError, match="sizes of 1 or more"):
            kind(2, (3, 0), FeedForward(()))
    with pytest.raises(ValueError, match="2 coordinates or more, and the event shape is .*PlanarFlowConditional"):
        AffineCouplingConditional(2, 1, FeedForward(()))
    with pytest.raises(
        ValueError, match="over 6 coordinates needs .* of 6 units or more each, and hidden=.5,. was given"
    ):
        InverseAutoregressiveConditional(2, (2, 3), FeedForward(()), hidden=(5,))
    for kind in KINDS[1:]:
        with pytest.raises(ValueError, match="context_size=0"):
            kind(2, 2, FeedForward(()), context_size=0)
    with pytest.raises(ValueError, match=r"outcomes of shape \(3,\) needs a base of vectors"):
        Flow(StandardNormalPrior(2)(), [], (3,))
    bound = objective(PlanarFlowConditional, double=False)
    with pytest.raises(ValueError, match="no closed form for KL.*Flow.*Use `Elbo`"):
        AnalyticKlElbo(bound.model, bound.guide)(torch.rand(2, 1, 4, 3))


def test_a_flow_whose_layers_change_nothing_is_its_gaussian():
    """Layers with raw parameters of 0 are the identity, so a flow starts as a mean-field guide."""
    module = PlanarFlowConditional(2, 3, FeedForward(())).double()
    plain = GaussianConditional(2, 3, FeedForward(())).double()
    for network in (module.network, plain.network):
        torch.nn.init.zeros_(network.network[-1].weight)
        torch.nn.init.zeros_(network.network[-1].bias)
    z = torch.randn(4, 3).double()
    expected = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(-1)
    torch.testing.assert_close(module(GIVEN).log_prob(z), expected, rtol=1e-4, atol=1e-4)  # up to the floor, 1e-5
    assert not torch.allclose(plain(GIVEN).log_prob(z), expected, atol=1e-2)  # softplus(0) is not 1


@pytest.mark.parametrize("kind", [PlanarFlowConditional, InverseAutoregressiveConditional])
@pytest.mark.parametrize("estimator", [StickingTheLanding(), DoublyReparameterised()], ids=["landing", "doubly"])
def test_estimators_that_hold_z_still_are_unbiased_for_flows(kind, estimator, monkeypatch):
    """Two samples of a scalar, by Gauss-Hermite quadrature over the noise of both: each pair of nodes is a batch element."""
    nodes, weights = (torch.from_numpy(part) for part in numpy.polynomial.hermite_e.hermegauss(60))
    noise = torch.cartesian_prod(nodes, nodes).T[:, :, None]  # [2, pairs, 1]
    share = torch.outer(weights, weights).flatten() / weights.sum() ** 2
    monkeypatch.setattr(torch.distributions.Normal, "rsample", lambda normal, shape: normal.loc + normal.scale * noise)

    module = conditional(kind, event=1)
    parameters = [*module.parameters()]
    q = module(GIVEN.expand(len(share), 2))

    def log_weight(z: torch.Tensor) -> torch.Tensor:
        return -((z[..., 0] - 0.5) ** 2) / 3 - q.log_prob(z)

    estimate = estimator(log_weight, q, num_samples=2)
    found = torch.autograd.grad((share * estimate.surrogate).sum(), parameters, retain_graph=True)
    each = log_weight(q.rsample((2,)))
    target = each.mean(0) if estimator.target == "expectation" else each.logsumexp(0) - math.log(2)
    expected = torch.autograd.grad((share * target).sum(), parameters)
    assert max(gradient.abs().max() for gradient in expected) > 1e-2
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6)

"""Each density integrates (or sums) to 1, and each `sample` matches its `log_prob`."""

from __future__ import annotations

import math

import numpy
import pytest
import torch

from helpers.distributions import (
    BernoulliConditional,
    BernoulliPrior,
    CategoricalConditional,
    CategoricalPrior,
    ContinuousBernoulliConditional,
    Finite,
    GaussianConditional,
    MixtureOfGaussiansConditional,
    MixtureOfGaussiansPrior,
    StandardNormalPrior,
    support,
)
from helpers.networks import FeedForward

DRAWS, SIDE = 20_000, 257


def conditional(kind, event, *more):
    """The distribution given one fixed input, in double precision, with generic parameters."""
    torch.manual_seed(4)
    module = kind((2,), event, FeedForward((6,), torch.nn.Tanh), *more).double()
    torch.nn.init.normal_(module.network.network[-1].weight)
    return module(torch.tensor([0.4, -1.1], dtype=torch.float64))


def mixture_prior():
    torch.manual_seed(1)
    prior = MixtureOfGaussiansPrior(2, 3, spread=2.0).double()
    torch.nn.init.normal_(prior.logits)
    torch.nn.init.normal_(prior.raw_scale)
    return prior()


def skewed(prior):
    torch.manual_seed(2)
    torch.nn.init.normal_(prior.logits)
    return prior.double()()


CONTINUOUS = {
    "standard normal": lambda: StandardNormalPrior(2).double()(),
    "mixture prior": mixture_prior,
    "gaussian": lambda: conditional(GaussianConditional, 2),
    "mixture": lambda: conditional(MixtureOfGaussiansConditional, 2, 3),
    "continuous bernoulli": lambda: conditional(ContinuousBernoulliConditional, 2),
}
FINITE = {
    "fair bits": lambda: BernoulliPrior((2, 2)).double()(),
    "trained bits": lambda: skewed(BernoulliPrior((2, 2), trainable=True)),
    "uniform categories": lambda: CategoricalPrior((2, 3)).double()(),
    "trained categories": lambda: skewed(CategoricalPrior((2, 3), trainable=True)),
    "bernoulli": lambda: conditional(BernoulliConditional, (1, 2, 2)),
    "categorical": lambda: conditional(CategoricalConditional, (2, 3)),
    "listed": lambda: Finite(torch.arange(10.0).reshape(5, 2).double(), torch.randn(5).double()),
}


def grid(name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Points [n², 2] and weights: Gauss-Legendre on the unit square; or equal steps, exact for Gaussians inside the grid."""
    if name == "continuous bernoulli":
        x, w = numpy.polynomial.legendre.leggauss(60)
        x, w = torch.from_numpy((x + 1) / 2), torch.from_numpy(w / 2)
    else:
        x = torch.linspace(-16, 16, SIDE, dtype=torch.float64)
        w = torch.full_like(x, 32 / (SIDE - 1))
    return torch.cartesian_prod(x, x), torch.outer(w, w).flatten()


@pytest.mark.parametrize("name", CONTINUOUS)
def test_densities_integrate_to_one_and_samples_match(name):
    """Means of several functions of a sample against their integrals; every draw is used."""
    p = CONTINUOUS[name]()
    points, weights = grid(name)
    mass = p.log_prob(points).exp() * weights
    assert mass.sum().item() == pytest.approx(1.0, abs=1e-8)
    draws = p.sample((DRAWS,))
    directions = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.7, -0.7]], dtype=torch.float64)
    for function in (
        lambda z: z @ directions.T,
        lambda z: (z @ directions.T) ** 2,
        lambda z: (2 * z @ directions.T).sin(),
    ):
        exact = (mass[:, None] * function(points)).sum(0)
        variance = (mass[:, None] * (function(points) - exact) ** 2).sum(0)
        assert ((function(draws).mean(0) - exact).abs() < 5 * (variance / DRAWS).sqrt()).all()
    entropy = -(mass * p.log_prob(points)).sum()
    surprise = -p.log_prob(draws)
    assert (surprise.mean() - entropy).abs() < 5 * surprise.std() / math.sqrt(DRAWS)


@pytest.mark.parametrize("name", FINITE)
def test_probabilities_sum_to_one_and_samples_match(name):
    p = FINITE[name]()
    outcomes = support(p)
    probability = p.log_prob(outcomes).exp()
    assert probability.sum().item() == pytest.approx(1.0, abs=1e-12)
    assert len(torch.unique(outcomes.flatten(1), dim=0)) == len(outcomes)
    draws = p.sample((DRAWS,)).flatten(1)
    same = (draws[:, None] == outcomes.flatten(1)).all(-1)  # [draws, support]
    assert same.sum(1).eq(1).all()  # every draw is one of the listed outcomes
    error = (probability * (1 - probability) / DRAWS).sqrt()
    assert ((same.double().mean(0) - probability).abs() < 5 * error + 1e-12).all()


@pytest.mark.parametrize("name", ["standard normal", "gaussian", "mixture prior", "mixture"])
def test_one_dimension_by_kolmogorov_smirnov(name):
    """The whole distribution of the first coordinate, against the integral of the density: sqrt(n) D > 3 has chance 3e-8."""
    p = CONTINUOUS[name]()
    points, weights = grid(name)
    mass = (p.log_prob(points).exp() * weights).reshape(SIDE, SIDE).sum(1)
    places = points[::SIDE, 0]
    # Between two nodes the integral is known up to the mass of one node, so draws are counted up to each midpoint.
    edges = (places[1:] + places[:-1]) / 2
    draws = p.sample((DRAWS,))[:, 0].sort().values
    empirical = torch.searchsorted(draws, edges) / DRAWS
    assert (empirical - mass.cumsum(0)[:-1]).abs().max() < 3 / math.sqrt(DRAWS) + 0.05 * mass.max()


def test_greys_are_scored_by_the_expected_score_of_a_random_bit():
    """log p(x) is linear in x, so log p of greys is an expectation over bits; for one grey pixel it is the cross-entropy."""
    p = conditional(BernoulliConditional, (1, 1, 2))
    grey = torch.tensor([[[0.3, 0.8]]], dtype=torch.float64)
    bits = support(p)
    chance = (grey * bits + (1 - grey) * (1 - bits)).flatten(1).prod(1)
    torch.testing.assert_close(p.log_prob(grey), (chance * p.log_prob(bits)).sum())


def test_a_gaussians_scale_has_a_floor():
    """softplus underflows to 0, and the density of a Gaussian of scale 0 is infinite."""
    module = GaussianConditional(1, 1, FeedForward(()))
    with torch.no_grad():
        module.network.network[0].bias.fill_(-1e4)
    q = module(torch.zeros(1))
    assert q.base_dist.scale.item() == pytest.approx(1e-5)
    assert torch.isfinite(q.log_prob(torch.zeros(1)))

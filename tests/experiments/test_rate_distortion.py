"""`rate_distortion_sweep` against a Gaussian model with a known optimum for every weight; what the runs share; what is refused."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.distributions import Independent, Normal

from helpers.data import Batches
from helpers.distributions import BernoulliConditional, GaussianConditional, NetworkConditional, StandardNormalPrior
from helpers.evaluation import active_units, evaluate_bound
from helpers.experiments.rate_distortion import rate_distortion_sweep
from helpers.models import AmortizedGuide, AnalyticKlElbo, Elbo, LatentVariableModel
from helpers.networks import FeedForward

NOISE = 0.5  # standard deviation of x given z


class Shifted(NetworkConditional):
    """p(x | z) = N(z, NOISE²): nothing to learn."""

    parameter_shape = (2,)

    def __init__(self):
        nn.Module.__init__(self)
        self.input_shape, self.event_shape = (2,), (2,)

    def forward(self, z):
        return Independent(Normal(z, NOISE), 1)


class Line(nn.Module):
    """q(z | x) = N(a x, c²), each coordinate with its own a and c."""

    event_shape = (2,)

    def __init__(self):
        super().__init__()
        self.slope, self.log_scale = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(2))

    def forward(self, x):
        return Independent(Normal(self.slope * x, self.log_scale.exp().expand_as(x)), 1)


def known():
    model = LatentVariableModel(StandardNormalPrior(2), Shifted())
    return model, Line()


def data(number: int = 4000) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return math.sqrt(1 + NOISE**2) * torch.randn(number, 2, generator=generator)


def optimum(weight: float, x: torch.Tensor) -> tuple[float, float, float, float]:
    """Slope, scale, distortion and rate of the best q: the posterior under a noise of variance weight * NOISE²."""
    variance = 1 / (1 + 1 / (weight * NOISE**2))
    slope = variance / (weight * NOISE**2)
    square = x.square().mean().item()
    distortion = 2 * (0.5 * math.log(2 * math.pi * NOISE**2) + ((1 - slope) ** 2 * square + variance) / (2 * NOISE**2))
    rate = 2 * 0.5 * (slope**2 * square + variance - 1 - math.log(variance))
    return slope, math.sqrt(variance), distortion, rate


def test_every_point_is_the_optimum_of_its_weight():
    x = data()
    points = rate_distortion_sweep(
        known, Batches(x, batch_size=500), x, [0.25, 1.0, 4.0, 60.0], 60, objective=AnalyticKlElbo, num_samples=20, learning_rate=0.02,
        progress=False,
    )  # fmt: skip
    for point in points:
        slope, scale, distortion, rate = optimum(point.rate_weight, x)
        torch.testing.assert_close(point.guide.slope, torch.full((2,), slope), atol=0.02, rtol=0)
        torch.testing.assert_close(point.guide.log_scale.exp(), torch.full((2,), scale), atol=0.02, rtol=0)
        assert point.evaluation.distortion.mean == pytest.approx(distortion, rel=0.03)
        assert point.evaluation.rate.mean == pytest.approx(rate, abs=0.03)
        assert point.evaluation.elbo.mean == pytest.approx(
            -point.evaluation.distortion.mean - point.evaluation.rate.mean, rel=1e-5
        )
        assert point.history.epochs == 60
    # The bound has weight 1, so the model trained with weight 1 has the best one. Along the sweep, rate falls and distortion rises.
    rates, distortions, bounds = (
        [getattr(point.evaluation, name).mean for point in points] for name in ("rate", "distortion", "elbo")
    )
    assert rates == sorted(rates, reverse=True) and distortions == sorted(distortions) and max(bounds) == bounds[1]
    assert [point.units.count for point in points] == [
        2,
        2,
        2,
        0,
    ]  # with weight 60 the variance of the means is about 0.005


def test_a_weight_of_zero_is_an_autoencoder():
    x = data(500)
    (point,) = rate_distortion_sweep(
        known, Batches(x, batch_size=100), x, [0.0], 100, learning_rate=0.05, progress=False
    )
    torch.testing.assert_close(point.guide.slope, torch.ones(2), atol=0.03, rtol=0)
    assert point.guide.log_scale.max() < -2.5 and point.evaluation.rate.mean > 5


def build():
    model = LatentVariableModel(StandardNormalPrior(3), BernoulliConditional(3, (1, 4, 4), FeedForward((8,))))
    return model, AmortizedGuide(GaussianConditional((1, 4, 4), 3, FeedForward((8,))))


def bits() -> torch.Tensor:
    return (torch.rand(60, 1, 4, 4, generator=torch.Generator().manual_seed(1)) < 0.3).float()


def sweep(weights, **options):
    return rate_distortion_sweep(
        build, Batches(bits(), batch_size=20), bits(), weights, 2, **{"progress": False, **options}
    )


def test_a_point_depends_on_its_weight_and_the_seed_alone():
    """It depends neither on other weights nor on draws before the sweep."""
    torch.manual_seed(5)
    forth = sweep([0.5, 2.0])
    torch.rand(7)
    back = sweep([2.0, 0.5])[::-1]
    for one, other in zip(forth, back, strict=True):
        assert one.rate_weight == other.rate_weight and one.evaluation == other.evaluation
        for ours, theirs in zip(one.guide.parameters(), other.guide.parameters(), strict=True):
            assert torch.equal(ours, theirs)
    assert forth[0].evaluation != forth[1].evaluation
    assert sweep([0.5], seed=1)[0].evaluation != forth[0].evaluation


def test_all_begin_alike_and_each_is_its_own():
    begun = []

    def noted():
        model, guide = build()
        begun.append([parameter.detach().clone() for parameter in (*model.parameters(), *guide.parameters())])
        return model, guide

    points = rate_distortion_sweep(noted, Batches(bits(), batch_size=20), bits(), [0.5, 2.0, 1.0], 1, progress=False)
    assert len(begun) == 3 and [point.rate_weight for point in points] == [0.5, 2.0, 1.0]
    assert all(torch.equal(*pair) for other in begun[1:] for pair in zip(begun[0], other, strict=True))
    assert len({id(point.model) for point in points}) == len({id(point.guide) for point in points}) == 3


def test_evaluation_and_units_are_those_of_the_models_it_returns():
    before = torch.get_rng_state()
    (point,) = sweep([0.7], num_samples=5, seed=3)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(3)
    assert evaluate_bound(point.model, point.guide, bits(), 5) == point.evaluation
    assert torch.equal(active_units(point.guide, bits()).variance, point.units.variance)


def test_the_objective_is_the_callers():
    seen = []

    def objective(model, guide, rate_weight):
        seen.append(rate_weight)
        return Elbo(model, guide, num_samples=2, rate_weight=rate_weight)

    sweep([0.1, 3], objective=objective)
    assert seen == [0.1, 3.0]


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([], "rate_weights is empty"),
        ([1.0, -0.5], "holds -0.5; expected finite numbers, 0 or more"),
        ([math.nan], "holds nan"),
        ([math.inf], "holds inf"),
        ([1, 0.5, 1.0], "holds 1 more than once"),
    ],
)
def test_refuses_weights_that_make_no_sweep(weights, message):
    with pytest.raises(ValueError, match=message):
        sweep(weights)

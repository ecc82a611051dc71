"""`Elbo` with a mixture posterior, its component enumerated or scored: the bound of the whole mixture, by a sum over z."""

from __future__ import annotations

import math

import pytest
import torch

from helpers.distributions import (
    BernoulliConditional,
    GaussianConditional,
    MixtureOfGaussiansConditional,
    MixtureOfGaussiansPrior,
    StandardNormalPrior,
)
from helpers.estimators import (
    ComponentThenPoint,
    DrawSource,
    LeaveOneOut,
    ScoreFunction,
    StickingTheLanding,
    drawing_from,
)
from helpers.estimators.harness.quadrature import gauss_hermite
from helpers.models import AmortizedGuide, AnalyticKlElbo, Elbo, LatentVariableModel
from helpers.networks import FeedForward


@pytest.fixture
def one_dimensional():
    """z one number, x one number, mixtures of two on both sides: (model, posterior, x)."""
    torch.manual_seed(4)
    model = LatentVariableModel(MixtureOfGaussiansPrior(1, 2), GaussianConditional(1, 1, FeedForward(())))
    guide = AmortizedGuide(MixtureOfGaussiansConditional(1, 1, FeedForward(()), 2))
    for parameter in (*model.parameters(), *guide.parameters()):
        torch.nn.init.normal_(parameter, std=0.5)
    return model.double(), guide.double(), torch.tensor([0.8], dtype=torch.float64)


class OneNoise(DrawSource):
    """All Gaussian numbers of a datum are one node; the batch is the grid."""

    def __init__(self, nodes: int) -> None:
        self.noise, self.weight = gauss_hermite(nodes)

    def rsample(self, q, num_samples):
        normal = q.base_dist
        return (normal.loc + normal.scale * self.noise[:, None]).expand(num_samples, *normal.batch_shape)


@pytest.mark.parametrize("build", [lambda: ComponentThenPoint(), lambda: StickingTheLanding(ComponentThenPoint())])
def test_the_bound_of_the_whole_mixture_by_a_sum_over_a_lattice(one_dimensional, build):
    """Every parameter of prior, decoder and encoder; `distortion` and `rate` too."""
    model, guide, x = one_dimensional
    z = torch.linspace(-14, 14, 3001, dtype=torch.float64)[:, None]
    q = guide(x)
    mass = q.log_prob(z).exp() * 28 / 3000
    rate = q.log_prob(z) - model.prior(z.shape[:1]).log_prob(z)
    distortion = -model.likelihood(z).log_prob(x)
    exact = (mass * (-distortion - rate)).sum()
    assert mass.sum().item() == pytest.approx(1.0, abs=1e-9)

    objective, source = Elbo(model, guide, build()), OneNoise(150)
    with drawing_from(source):
        estimate = objective(x.expand(150, 1))  # a datum for each node
    torch.testing.assert_close(source.weight @ estimate.value, exact.detach(), rtol=0, atol=1e-8)
    for name, other in (("distortion", distortion), ("rate", rate)):
        torch.testing.assert_close(
            source.weight @ estimate.terms[name], (mass * other).sum().detach(), rtol=0, atol=1e-8
        )
    parameters = [*model.parameters(), *guide.parameters()]
    ours = torch.autograd.grad(source.weight @ estimate.surrogate, parameters)
    for mine, true in zip(ours, torch.autograd.grad(exact, parameters), strict=True):
        assert true.norm() > 1e-4
        torch.testing.assert_close(mine, true, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("component", [None, ScoreFunction, LeaveOneOut])
def test_images_and_a_code_that_is_a_matrix(component):
    torch.manual_seed(0)
    image, code, network = (3, 5, 7), (2, 3), FeedForward((6,))
    model = LatentVariableModel(StandardNormalPrior(code), BernoulliConditional(code, image, network))
    guide = AmortizedGuide(MixtureOfGaussiansConditional(image, code, network, 3))
    objective = Elbo(model, guide, ComponentThenPoint(component and component(), point_samples=2))
    estimate = objective(torch.rand(4, *image))
    assert estimate.value.shape == (4,)
    (-estimate.surrogate.mean()).backward()
    for name, parameter in objective.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name
    torch.testing.assert_close(estimate.value, -estimate.terms["distortion"] - estimate.terms["rate"])


def test_a_mixture_of_one_has_the_bound_of_its_gaussian():
    """The same numbers from the network: those of `GaussianConditional`, after one logit."""
    torch.manual_seed(0)
    single = AmortizedGuide(GaussianConditional(4, 2, FeedForward(())))
    one = AmortizedGuide(MixtureOfGaussiansConditional(4, 2, FeedForward(()), 1))
    source, target = (
        [part for part in guide.modules() if isinstance(part, torch.nn.Linear)][-1] for guide in (single, one)
    )
    with torch.no_grad():
        target.weight[1:], target.bias[1:] = source.weight, source.bias
    model = LatentVariableModel(StandardNormalPrior(2), GaussianConditional(2, 4, FeedForward(())))
    x, values = torch.randn(5, 4), []
    for guide, estimator in ((single, None), (one, ComponentThenPoint())):
        torch.manual_seed(1)
        values.append(Elbo(model, guide, estimator)(x).value)
    torch.testing.assert_close(*values)


def test_no_closed_form_for_the_kl_and_what_would_do(one_dimensional):
    model, guide, x = one_dimensional
    with pytest.raises(ValueError, match="no closed form.*MixtureSameFamily.*Use `Elbo`"):
        AnalyticKlElbo(model, guide, ComponentThenPoint())(x[None])
    with pytest.raises(ValueError, match="use ComponentThenPoint"):
        Elbo(model, guide)(x[None])
    assert math.isfinite(Elbo(model, guide, ComponentThenPoint())(x[None]).value.item())

"""Small models whose exact answers are known, shared by the tests of this folder."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from helpers.distributions import BernoulliConditional, CategoricalPrior, GaussianConditional, StandardNormalPrior
from helpers.estimators import DrawSource
from helpers.models import AmortizedGuide, LatentVariableModel
from helpers.networks import FeedForward


class ReplayNoise(DrawSource):
    """z = loc + scale * eps with the noise `eps` [samples, *batch, *event] given beforehand."""

    def __init__(self, eps: torch.Tensor) -> None:
        self.eps = eps

    def rsample(self, q, num_samples):
        assert self.eps.shape == (num_samples, *q.batch_shape, *q.event_shape)
        return q.base_dist.loc + q.base_dist.scale * self.eps


class AffineGaussian(nn.Module):
    """x → (W x + b, raw scale): the network of a Gaussian whose scale does not depend on its input."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor, scale: torch.Tensor) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(bias)
        self.raw_scale = nn.Parameter((scale - 1e-5).expm1().log())  # softplus gives scale - 1e-5 back

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        loc = x @ self.weight.T + self.bias
        return torch.stack([loc, self.raw_scale.expand_as(loc)], dim=-2)


class LinearGaussian:
    """z ~ N(0, I), x ~ N(W z + b, diag(s²)): p(x) and p(z | x) in closed form, by textbook matrix algebra."""

    latent, outcome = 2, 4

    def __init__(self, seed: int = 0, dtype: torch.dtype = torch.float64) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.weight = torch.randn(self.outcome, self.latent, generator=generator, dtype=dtype)
        self.bias = torch.randn(self.outcome, generator=generator, dtype=dtype)
        self.scale = 0.5 + torch.rand(self.outcome, generator=generator, dtype=dtype)
        network = AffineGaussian(self.weight, self.bias, self.scale)
        likelihood = GaussianConditional((self.latent,), (self.outcome,), network)
        self.model = LatentVariableModel(StandardNormalPrior(self.latent), likelihood).to(dtype)

    def evidence(self) -> torch.distributions.MultivariateNormal:
        covariance = self.weight @ self.weight.T + torch.diag(self.scale**2)
        return torch.distributions.MultivariateNormal(self.bias, covariance)

    def precision(self) -> torch.Tensor:
        return (
            torch.eye(self.latent, dtype=self.weight.dtype) + self.weight.T @ torch.diag(self.scale**-2) @ self.weight
        )

    def posterior(self, x: torch.Tensor) -> torch.distributions.MultivariateNormal:
        loc = (x - self.bias) / self.scale**2 @ self.weight @ torch.linalg.inv(self.precision())
        return torch.distributions.MultivariateNormal(loc, precision_matrix=self.precision())

    def mean_field(self, spread: float = 1.0) -> AmortizedGuide:
        """q(z | x) with the exact posterior's mean and a diagonal covariance, `spread` times too wide."""
        gain = torch.linalg.inv(self.precision()) @ self.weight.T @ torch.diag(self.scale**-2)
        network = AffineGaussian(gain, -gain @ self.bias, spread * torch.diag(self.precision()) ** -0.5)
        conditional = GaussianConditional((self.outcome,), (self.latent,), network)
        return AmortizedGuide(conditional).to(self.weight.dtype)


@pytest.fixture
def linear_gaussian() -> LinearGaussian:
    return LinearGaussian()


@pytest.fixture
def replay_noise() -> type[ReplayNoise]:
    return ReplayNoise


@pytest.fixture
def vae():
    """A small VAE over images of 3x4 pixels: (model, posterior), weights fixed by a seed."""

    def build(dtype: torch.dtype = torch.float64):
        torch.manual_seed(3)
        image, network = (1, 3, 4), FeedForward((7,))
        model = LatentVariableModel(StandardNormalPrior(2), BernoulliConditional((2,), image, network))
        return model.to(dtype), AmortizedGuide(GaussianConditional(image, (2,), network)).to(dtype)

    return build


@pytest.fixture
def mixture() -> LatentVariableModel:
    """One of 3 x 2 pairs of categories, then 3 bits: small enough to sum by hand."""
    torch.manual_seed(5)
    prior = CategoricalPrior((2, 3), trainable=True)
    torch.nn.init.normal_(prior.logits)
    return LatentVariableModel(prior, BernoulliConditional((2, 3), (3,), FeedForward(()))).double()

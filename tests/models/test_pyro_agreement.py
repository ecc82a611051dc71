"""Value and gradient of both bounds against Pyro, on the same weights, data and noise.

Pyro's model and guide are written plainly, as a reader of Pyro's tutorial would; only the guide's noise is fixed.
"""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer import RenyiELBO, Trace_ELBO, TraceMeanField_ELBO
from torch.nn.functional import softplus

from helpers.distributions import MixtureOfGaussiansPrior
from helpers.distributions.conditionals import MIN_SCALE
from helpers.estimators import ImportanceWeighted, drawing_from
from helpers.models import AnalyticKlElbo, Elbo, LatentVariableModel

IMAGES, LATENT = 5, 2


def pyro_pair(model, guide, eps, rate_weight=1.0, prior=None):
    """Pyro's model and guide for the same networks. eps: [samples, images, latent]."""

    class FixedNoise(dist.Normal):
        def rsample(self, sample_shape=()):
            return self.loc + self.scale * noise

    noise = eps.squeeze(0)  # Pyro adds a dimension for particles only where there are several
    standard_normal = dist.Normal(torch.zeros(LATENT, dtype=eps.dtype), torch.ones(LATENT, dtype=eps.dtype)).to_event(1)

    def generate(x):
        pyro.param("any", torch.zeros(()))  # RenyiELBO takes no gradient where it sees no parameter of Pyro's own
        with pyro.plate("images", len(x)):
            with pyro.poutine.scale(scale=rate_weight):
                z = pyro.sample("z", prior() if prior else standard_normal.expand([len(x)]))
            logits = model.likelihood.network(z)
            pyro.sample("x", dist.Bernoulli(logits=logits, validate_args=False).to_event(3), obs=x)

    def infer(x):
        with pyro.plate("images", len(x)):
            loc, raw_scale = guide.conditional.network(x).unbind(-2)
            with pyro.poutine.scale(scale=rate_weight):
                pyro.sample("z", FixedNoise(loc, softplus(raw_scale) + 1e-5).to_event(1))

    return generate, infer


def pyro_objective(loss, model, guide, x, eps, rate_weight=1.0, prior=None):
    """Pyro's bound, summed over images: a differentiable scalar."""
    elbo = loss(num_particles=len(eps), vectorize_particles=len(eps) > 1, max_plate_nesting=1)
    return -elbo.differentiable_loss(*pyro_pair(model, guide, eps, rate_weight, prior), x)


def relative_gap(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    return ((ours - theirs).norm() / theirs.norm()).item()


def gradient(value: torch.Tensor, *modules: torch.nn.Module) -> torch.Tensor:
    parameters = [parameter for module in modules for parameter in module.parameters()]
    return torch.cat([g.flatten() for g in torch.autograd.grad(value, parameters)])


def gradient_gap(ours: torch.Tensor, theirs: torch.Tensor, *modules: torch.nn.Module) -> float:
    return relative_gap(gradient(ours, *modules), gradient(theirs, *modules))


def data_and_noise(num_samples: int, dtype: torch.dtype):
    generator = torch.Generator().manual_seed(num_samples)
    x = torch.rand(IMAGES, 1, 3, 4, generator=generator, dtype=dtype)  # greys: both take them as their own
    return x, torch.randn(num_samples, IMAGES, LATENT, generator=generator, dtype=dtype)


CASES = [(Elbo, Trace_ELBO), (AnalyticKlElbo, TraceMeanField_ELBO)]


@pytest.mark.parametrize(("ours", "theirs"), CASES)
@pytest.mark.parametrize("num_samples", [1, 6])
@pytest.mark.parametrize("rate_weight", [1.0, 0.3])
def test_value_and_gradient_equal_pyros(vae, replay_noise, ours, theirs, num_samples, rate_weight):
    for dtype in (torch.float32, torch.float64):
        model, guide = vae(dtype)
        x, eps = data_and_noise(num_samples, dtype)
        with drawing_from(replay_noise(eps)):
            estimate = ours(model, guide, num_samples=num_samples, rate_weight=rate_weight)(x)
        expected = pyro_objective(theirs, model, guide, x, eps, rate_weight)
        assert relative_gap(estimate.value.sum(), expected.detach()) < (1e-5 if dtype == torch.float32 else 1e-12)
        if dtype == torch.float64:
            assert gradient_gap(estimate.surrogate.sum(), expected, model, guide) < 1e-9


def test_importance_weighted_bound_equals_pyros_renyi_bound_at_alpha_zero(vae, replay_noise):
    """Pyro's takes the log of the mean over the weight of the whole batch, so it is asked one image at a time."""
    model, guide = vae()
    x, eps = data_and_noise(6, torch.float64)
    with drawing_from(replay_noise(eps)):
        estimate = Elbo(model, guide, ImportanceWeighted(), num_samples=6)(x)
    renyi = RenyiELBO(alpha=0.0, num_particles=6, max_plate_nesting=1, vectorize_particles=True)
    parameters = [*model.parameters(), *guide.parameters()]
    values = []
    for i in range(IMAGES):
        pair = pyro_pair(model, guide, eps[:, i : i + 1])
        values.append(-renyi.loss_and_grads(*pair, x[i : i + 1]))  # adds minus the gradient to .grad
    expected = -torch.cat([parameter.grad.flatten() for parameter in parameters])
    assert relative_gap(estimate.value, torch.tensor(values, dtype=torch.float64)) < 1e-12
    assert relative_gap(gradient(estimate.surrogate.sum(), model, guide), expected) < 1e-9


def test_a_mixture_prior_agrees_too(vae, replay_noise):
    """No closed-form KL there, so only `Elbo`; the gradient reaches the prior's parameters too."""
    _, guide = vae()
    torch.manual_seed(0)
    prior = MixtureOfGaussiansPrior(LATENT, 3).double()
    model = LatentVariableModel(prior, vae()[0].likelihood)
    x, eps = data_and_noise(4, torch.float64)
    with drawing_from(replay_noise(eps)):
        estimate = Elbo(model, guide, num_samples=4)(x)

    def plain_mixture():
        points = dist.Normal(prior.loc, softplus(prior.raw_scale) + MIN_SCALE).to_event(1)
        return dist.MixtureSameFamily(dist.Categorical(logits=prior.logits), points).expand([IMAGES])

    expected = pyro_objective(Trace_ELBO, model, guide, x, eps, prior=plain_mixture)
    assert relative_gap(estimate.value.sum(), expected.detach()) < 1e-12
    assert gradient_gap(estimate.surrogate.sum(), expected, model, guide) < 1e-9

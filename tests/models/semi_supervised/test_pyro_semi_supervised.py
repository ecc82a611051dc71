"""The semi-supervised bounds against Pyro's `TraceEnum_ELBO`, on the same weights, data and noise.

Model and guide are written plainly, as a reader of Pyro's tutorial would; only the guide's noise is fixed.
"""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer import Trace_ELBO, TraceEnum_ELBO, config_enumerate
from torch.nn.functional import one_hot, softplus

from helpers.distributions import BernoulliConditional
from helpers.estimators import DrawSource, drawing_from
from helpers.models import SemiSupervisedElbo, semi_supervised_vae
from tests.models.test_pyro_agreement import gradient_gap, relative_gap

IMAGE, CLASSES, LATENT, IMAGES = (1, 3, 4), 4, 2, 5


def parts(dtype):
    torch.manual_seed(0)
    model, guide = semi_supervised_vae(IMAGE, CLASSES, BernoulliConditional, latent=LATENT, hidden=(6,))
    for module in (model, guide):
        for parameter in module.parameters():
            torch.nn.init.normal_(parameter, std=0.5)
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(IMAGES, *IMAGE, generator=generator, dtype=dtype)
    eps = torch.randn(CLASSES, IMAGES, LATENT, generator=generator, dtype=dtype)  # one noise for each class and image
    return model.to(dtype), guide.to(dtype), x, eps


def pyro_bound(model, guide, x, eps, labels=None):
    """Pyro's bound, summed over images."""

    class FixedNoise(dist.Normal):
        def rsample(self, sample_shape=()):
            return self.loc + self.scale * eps

    classes = torch.full((CLASSES,), 1 / CLASSES, dtype=x.dtype)
    observed = None if labels is None else one_hot(labels, CLASSES).to(x.dtype)

    def generate():
        with pyro.plate("images", IMAGES):
            z = pyro.sample("z", dist.Normal(x.new_zeros(LATENT), 1.0).to_event(1))
            y = pyro.sample("y", dist.OneHotCategorical(classes), obs=observed)
            logits = model.likelihood.network(torch.cat(joined(y, z), -1))
            pyro.sample("x", dist.Bernoulli(logits=logits, validate_args=False).to_event(3), obs=x)

    def infer():
        with pyro.plate("images", IMAGES):
            y = observed
            if y is None:
                y = pyro.sample("y", dist.OneHotCategorical(logits=guide.classifier.network(x)))
            layer = guide.style.image_half.network[0]
            hidden = softplus(x.flatten(1) @ layer.weight.T + layer.bias + y @ guide.style.label_half.weight.T)
            loc, raw_scale = guide.style.above.network(hidden).unbind(-2)
            pyro.sample("z", FixedNoise(loc, softplus(raw_scale) + 1e-5).to_event(1))

    if labels is None:
        return -TraceEnum_ELBO(max_plate_nesting=1).differentiable_loss(generate, config_enumerate(infer))
    return -Trace_ELBO(max_plate_nesting=1).differentiable_loss(generate, infer)


def joined(y, z):
    shape = torch.broadcast_shapes(y.shape[:-1], z.shape[:-1])
    return y.expand(*shape, CLASSES), z.expand(*shape, LATENT)


class Noise(DrawSource):
    def __init__(self, eps):
        self.eps = eps

    def rsample(self, q, num_samples):
        return (q.mean + q.stddev * self.eps).reshape(num_samples, *q.mean.shape)


@pytest.mark.parametrize(("dtype", "value", "slope"), [(torch.float32, 1e-5, 1e-4), (torch.float64, 1e-12, 1e-9)])
def test_enumerated_bound_and_gradient_equal_trace_enum_elbo(dtype, value, slope):
    model, guide, x, eps = parts(dtype)
    theirs = pyro_bound(model, guide, x, eps)
    objective = SemiSupervisedElbo(model, guide, labelled_share=0.5)
    with drawing_from(Noise(eps)):
        ours = objective.unlabelled(x)
    assert relative_gap(ours.value.sum(), theirs.detach()) < value
    assert gradient_gap(ours.surrogate.sum(), theirs, model, guide) < slope


@pytest.mark.parametrize(("dtype", "value", "slope"), [(torch.float32, 1e-5, 1e-4), (torch.float64, 1e-12, 1e-9)])
def test_labelled_bound_and_gradient_equal_pyros_with_y_observed(dtype, value, slope):
    model, guide, x, eps = parts(dtype)
    labels = torch.tensor([0, 3, 1, 1, 2])
    eps = eps[0]
    theirs = pyro_bound(model, guide, x, eps, labels)
    objective = SemiSupervisedElbo(model, guide, labelled_share=0.5)
    with drawing_from(Noise(eps)):
        ours = objective.labelled(x, one_hot(labels, CLASSES).to(dtype))
    assert relative_gap(ours.value.sum(), theirs.detach()) < value
    assert gradient_gap(ours.surrogate.sum(), theirs, model, guide.style) < slope

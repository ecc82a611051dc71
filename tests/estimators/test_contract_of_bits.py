"""What all estimators of bits and categories share: shapes, dtypes, terms, nesting, and draws through the source alone."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.distributions import Bernoulli, Independent

from helpers.estimators import (
    DrawSource,
    Enumeration,
    Estimate,
    drawing_from,
    exact_gradient,
    exact_moments,
    gauss_legendre,
)
from helpers.estimators.arm import Arm, DisArm
from helpers.estimators.gumbel_softmax import GumbelSoftmax
from helpers.estimators.harness.quadrature import for_logistic_noise
from helpers.estimators.local_enumeration import LocalEnumeration
from helpers.estimators.muprop import MuProp
from helpers.estimators.rebar import Rebar
from helpers.estimators.reinmax import ReinMax
from helpers.estimators.relax import Relax, ResidualRelax
from helpers.estimators.straight_through import StraightThrough
from tests.estimators.problems import DOUBLE, assert_same, leaf


class Sum(nn.Module):
    """A control variate for events of any shape."""

    def __init__(self, places: int = 1) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(0.3))
        self.places = places

    def forward(self, z):
        return (self.scale * z).tanh().sum(tuple(range(-self.places, 0))) if self.places else (self.scale * z).tanh()


UNBIASED = {
    "ARM": lambda places: Arm(),
    "DisARM": lambda places: DisArm(),
    "local enumeration": lambda places: LocalEnumeration(),
    "MuProp": lambda places: MuProp(),
    "REBAR": lambda places: Rebar(),
    "RELAX": lambda places: Relax(Sum(places)),
    "RELAX on REBAR": lambda places: ResidualRelax(Sum(places)),
}
BIASED = {
    "straight-through": lambda places: StraightThrough(),
    "Gumbel-softmax": lambda places: GumbelSoftmax(),
    "ReinMax": lambda places: ReinMax(),
}
ALL = {**UNBIASED, **BIASED}


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
@pytest.mark.parametrize(("batch", "event"), [((), (3,)), ((2, 1, 4), (3,)), ((4,), ()), ((4,), (2, 2))])
def test_shapes_and_dtypes(name, dtype, batch, event):
    logits = torch.randn(*batch, *event, dtype=dtype, requires_grad=True)
    q = Bernoulli(logits=logits, validate_args=False)
    q = Independent(q, len(event)) if event else q
    seen = []

    def f(z):
        seen.append(z.shape)
        value = ((z - 0.3) ** 2).flatten(1 + len(batch)).sum(-1) if event else (z - 0.3) ** 2
        return Estimate.of(value, distance=value)

    estimate = ALL[name](len(event))(f, q)
    assert all(shape[1:] == (*batch, *event) for shape in seen)
    for tensor in (estimate.value, estimate.surrogate, estimate.terms["distance"]):
        assert tensor.shape == batch
        assert tensor.dtype == dtype
    torch.testing.assert_close(estimate.value, estimate.terms["distance"])
    assert not estimate.value.requires_grad
    first = estimate.surrogate.flatten()[0]
    (gradient,) = torch.autograd.grad(first, logits)
    assert gradient.isfinite().all()
    if batch:  # no datum's gradient depends on another datum
        assert gradient.flatten(0, len(batch) - 1)[1:].abs().max() == 0


@pytest.mark.parametrize("name", UNBIASED)
def test_a_nested_f_gives_its_value_as_reward_and_its_surrogate_as_route(name):
    """y | z ~ Bernoulli(sigmoid(c z + d)), f = theta (y + 1) (z + 2)², y summed inside: gradients for z's logit, c, d and theta."""
    logits, c, d, theta = leaf(1, seed=5), leaf(seed=1), leaf(seed=2), leaf(seed=3)
    q = Independent(Bernoulli(logits=logits, validate_args=False), 1)

    def f(z):
        z = z.squeeze(-1)
        return Enumeration()(lambda y: theta * (y + 1) * (z + 2) ** 2, Bernoulli(logits=c * z + d))

    parameters = [logits, c, d, theta]
    antithetic = gauss_legendre(2, torch.stack([q.mean, 1 - q.mean]))
    ours = exact_moments(
        ALL[name](1), f, q, parameters=parameters, uniform=antithetic if "ARM" in name else for_logistic_noise(20)
    )
    exact = exact_gradient(f, q, parameters=parameters)
    assert_same(ours.mean, exact.gradient, 1e-6 if "RE" in name else 1e-9)
    torch.testing.assert_close(ours.value, exact.value, rtol=1e-9, atol=0.0)


@pytest.mark.parametrize("name", ALL)
def test_no_estimator_samples_behind_its_back(name):
    class Fixed(DrawSource):
        def sample(self, q, num_samples):
            return torch.ones(num_samples, *q.batch_shape, *q.event_shape)

        def uniform(self, shape, like):
            return torch.full(shape, 0.3, dtype=like.dtype)

    q = Independent(Bernoulli(logits=torch.zeros(2, 3, requires_grad=True)), 1)
    before = torch.get_rng_state()
    with drawing_from(Fixed()):
        estimator = ALL[name](1)
        first, second = (estimator(lambda z: (z**2).sum(-1), q).surrogate for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, second)


@pytest.mark.parametrize("name", ["REBAR", "RELAX", "RELAX on REBAR"])
def test_what_is_learned_is_saved(name):
    estimator, other = ALL[name](1), ALL[name](1)
    for parameter in estimator.parameters():
        parameter.data.add_(0.7)
    other.load_state_dict(estimator.state_dict())
    for mine, theirs in zip(estimator.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    assert len(estimator.state_dict()) == {"REBAR": 2, "RELAX": 1, "RELAX on REBAR": 3}[name]

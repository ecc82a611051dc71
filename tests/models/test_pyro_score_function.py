"""The score function against Pyro's `TraceGraph_ELBO`, on the same weights, data, bits and baseline.

Pyro leaves -log q(z | x) out of what it differentiates directly, since the expected gradient of that is zero: there log q counts only as
part of the reward. Ours differentiates the f that it is given. So both agree exactly where f detaches log q; and `Elbo`, whose f
does not, agrees with Pyro's under a baseline that is greater by one:
(r - b) grad log q - grad log q = (r - (b + 1)) grad log q.
"""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer import TraceGraph_ELBO
from torch import nn

from helpers.estimators import DrawSource, LearnedBaseline, ScoreFunction, drawing_from
from helpers.models import Elbo, LayeredElbo, sigmoid_belief_network
from helpers.networks import FeedForward

IMAGES, IMAGE = 5, (1, 3, 4)


class RecordedDraws(DrawSource):
    """Bits given beforehand, one tensor [samples, *batch, bits] a draw."""

    def __init__(self, *draws: torch.Tensor) -> None:
        self.draws = list(draws)

    def sample(self, q, num_samples):
        z = self.draws.pop(0)
        assert z.shape == (num_samples, *q.batch_shape, *q.event_shape)
        return z


def given_bits(logits: torch.Tensor, given: torch.Tensor) -> dist.Distribution:
    """Pyro's independent bits, with their outcome given beforehand."""

    class GivenBits(dist.Bernoulli):
        def sample(self, sample_shape=()):
            assert given.shape == self.logits.shape
            return given + 0 * self.logits.detach()  # so that Pyro sees that it depends on the layer below

    return GivenBits(logits=logits).to_event(1)


def network(sizes: tuple[int, ...]):
    torch.manual_seed(2)
    model, guide = sigmoid_belief_network(sizes, IMAGE)
    for parameter in [*model.parameters(), *guide.parameters()]:
        nn.init.normal_(parameter, std=0.7)
    return model.double(), guide.double()


def bits(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(2, shape, generator=torch.Generator().manual_seed(seed)).double()


def learned_baseline() -> LearnedBaseline:
    torch.manual_seed(4)
    return LearnedBaseline(IMAGE, FeedForward((7,), nn.Tanh)).double()


def linear(conditional) -> nn.Linear:
    """The one linear map in a conditional; Pyro's tensors, which remember where they came from, are not for every module."""
    (only,) = (module for module in conditional.modules() if isinstance(module, nn.Linear))
    return only


def pyro_pair(model, guide, draws, baselines):
    """Pyro's model and guide. draws: bits of each layer, from the data upwards. baselines: Pyro's options, likewise."""
    encoder, above = (list(map(linear, layers)) for layers in (guide.conditional.layers, model.prior.layers))
    decoder = linear(model.likelihood.bottom)

    def generate(x):
        with pyro.plate("images", len(x)):
            h = pyro.sample(
                f"h{len(draws)}", dist.Bernoulli(logits=model.prior.top.logits.expand(len(x), -1)).to_event(1)
            )
            for level in range(len(draws) - 1, 0, -1):
                h = pyro.sample(f"h{level}", dist.Bernoulli(logits=above[level - 1](h)).to_event(1))
            pyro.sample("x", dist.Bernoulli(logits=decoder(h)).to_event(1), obs=x.flatten(1))

    def guide(x):
        below = x.flatten(1)
        with pyro.plate("images", len(x)):
            for level, (layer, given, baseline) in enumerate(zip(encoder, draws, baselines, strict=True), 1):
                below = pyro.sample(f"h{level}", given_bits(layer(below), given), infer={"baseline": baseline})

    return generate, guide


def pyro_surrogate(model, guide, x, draws, baselines):
    """Pyro's ELBO and its surrogate loss, a mean over samples and a sum over images. draws: each [samples, images, size]."""
    num_samples = len(draws[0])
    elbo = TraceGraph_ELBO(num_particles=num_samples, vectorize_particles=num_samples > 1, max_plate_nesting=1)
    draws = draws if num_samples > 1 else [given.squeeze(0) for given in draws]
    value, loss = elbo._loss_and_surrogate_loss(*pyro_pair(model, guide, draws, baselines), (x,), {})
    return value, loss


def gradient(value: torch.Tensor, *modules: nn.Module) -> torch.Tensor:
    parameters = [parameter for module in modules for parameter in module.parameters()]
    gradients = torch.autograd.grad(value, parameters, retain_graph=True, allow_unused=True, materialize_grads=True)
    return torch.cat([g.flatten() for g in gradients])


def gap(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    return ((ours - theirs).norm() / theirs.norm()).item()


@pytest.fixture(autouse=True)
def forget_pyros_parameters():
    pyro.clear_param_store()


@pytest.mark.parametrize("with_baseline", [False, True])
@pytest.mark.parametrize("num_samples", [1, 3])
def test_score_function_equals_pyros_surrogate_gradient(num_samples, with_baseline):
    model, guide = network((4,))
    x, z = bits(IMAGES, *IMAGE), bits(num_samples, IMAGES, 4, seed=1)
    baseline = learned_baseline() if with_baseline else None
    q = guide(x)

    def log_weight(z):
        return model.log_joint(x, z) - q.log_prob(z).detach()

    with drawing_from(RecordedDraws(z)):
        estimate = ScoreFunction(baseline)(log_weight, q, num_samples, context=x)
    options = {}
    if with_baseline:
        shape = (IMAGES,) if num_samples == 1 else (num_samples, IMAGES)  # Pyro takes no baseline of another shape
        options = {"nn_baseline": lambda context: baseline.network(context).expand(shape), "nn_baseline_input": x}
    value, loss = pyro_surrogate(model, guide, x, [z], [options])
    assert gap(estimate.value.sum(), value) < 1e-12
    for module in (model, guide):
        assert gap(gradient(estimate.surrogate.sum(), module), gradient(-loss, module)) < 1e-9
    if with_baseline:
        # Pyro sums its squared residuals over images and takes the mean over samples; ours is a mean over both.
        assert gap(IMAGES * gradient(estimate.auxiliary_loss, baseline), gradient(loss, baseline)) < 1e-9
        assert gradient(estimate.surrogate.sum(), baseline).norm() == 0
        assert gradient(estimate.auxiliary_loss, model, guide).norm() == 0


@pytest.mark.parametrize("num_samples", [1, 3])
def test_elbo_equals_pyros_with_a_baseline_greater_by_one(num_samples):
    model, guide = network((4,))
    x, z = bits(IMAGES, *IMAGE), bits(num_samples, IMAGES, 4, seed=1)
    baseline = learned_baseline()
    with drawing_from(RecordedDraws(z)):
        estimate = Elbo(model, guide, ScoreFunction(baseline), num_samples)(x)
    shape = (IMAGES,) if num_samples == 1 else (num_samples, IMAGES)
    greater = baseline.network(x).detach().expand(shape) + 1
    value, loss = pyro_surrogate(model, guide, x, [z], [{"baseline_value": greater}])
    assert gap(estimate.value.sum(), value) < 1e-12
    for module in (model, guide):
        assert gap(gradient(estimate.surrogate.sum(), module), gradient(-loss, module)) < 1e-9


def test_two_layers_are_scored_by_the_downstream_costs_that_pyro_finds():
    """LayeredElbo nests; Pyro traces which costs depend on which bits. Both score h_2 without what h_1 settled."""
    model, guide = network((4, 3))
    x, z = bits(IMAGES, *IMAGE), (bits(1, IMAGES, 4, seed=1), bits(1, IMAGES, 3, seed=2))
    with drawing_from(RecordedDraws(z[0], z[1].unsqueeze(0))):
        estimate = LayeredElbo(model, guide, [ScoreFunction(), ScoreFunction()], (1, 1))(x)
    one = {"baseline_value": torch.ones(IMAGES, dtype=torch.float64)}
    value, loss = pyro_surrogate(model, guide, x, list(z), [one, one])
    assert gap(estimate.value.sum(), value) < 1e-12
    for module in (model, guide):
        assert gap(gradient(estimate.surrogate.sum(), module), gradient(-loss, module)) < 1e-9
    with drawing_from(RecordedDraws(torch.cat(z, -1))):
        whole = Elbo(model, guide, ScoreFunction(), 1)(x)
    assert gap(gradient(whole.surrogate.sum(), guide), gradient(-loss, guide)) > 1e-2  # all bits by the whole reward

"""The deep Markov model's bound against Pyro's `Trace_ELBO`, on the same weights, data and noise.

Model and guide are written plainly, one sample statement a time step, masked beyond each sequence's end; only the noise is fixed.
"""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine
from pyro.infer import Trace_ELBO, TraceMeanField_ELBO
from torch.nn.functional import softplus

from helpers.estimators import drawing_from
from helpers.models import AnalyticKlSequenceElbo, SampledKlSequenceElbo, deep_markov_model
from helpers.networks import PackedSteps
from tests.models.test_pyro_agreement import gradient_gap, relative_gap

KEYS, LATENT, HIDDEN, LENGTHS, STEPS = 5, 3, 7, (4, 6, 1, 6, 2), 7


def parts(dtype, **options):
    torch.manual_seed(0)
    model, guide = deep_markov_model(KEYS, latent=LATENT, emission=(6, 4), transition=5, rnn=HIDDEN, **options)
    for module in (model, guide):
        for parameter in module.parameters():
            torch.nn.init.normal_(parameter, std=0.5)
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(len(LENGTHS), STEPS, KEYS, generator=generator, dtype=dtype)
    eps = torch.randn(len(LENGTHS), STEPS, LATENT, generator=generator, dtype=dtype)
    return model.to(dtype), guide.to(dtype), x, eps


class Autoregressive(dist.transforms.Transform):
    """y_i = s_i x_i + t_i, as written down in the paper. The inverse is the cache's."""

    bijective = True
    domain = codomain = dist.constraints.real_vector

    def __init__(self, network):
        super().__init__(cache_size=1)
        self.network = network

    def _call(self, x):
        shift, raw = self.network(x, x[..., :0]).unbind(-2)
        self.scale = softplus(raw + torch.expm1(raw.new_ones(())).log()) + 1e-5
        return self.scale * x + shift

    def log_abs_det_jacobian(self, x, y):
        return self.scale.log().sum(-1)


def states(network, x):
    """The states of one recurrent network, sequence by sequence, cell call by cell call: a list of [sequences, hidden], one a step."""
    table = [[torch.zeros(HIDDEN, dtype=x.dtype)] * len(LENGTHS) for _ in range(STEPS)]
    for b, length in enumerate(LENGTHS):
        state = network.initial
        for t in range(length - 1, -1, -1) if network.reverse else range(length):
            table[t][b] = state = network.cell(x[b : b + 1, t], state[None])[0]
    return [torch.stack(row) for row in table]


def pyro_bound(model, guide, x, eps, weight, loss=Trace_ELBO):
    """Pyro's bound, summed over sequences."""
    mask = torch.arange(STEPS) < torch.tensor(LENGTHS)[:, None]

    def gaussian(loc, raw_scale, t=None):
        class FixedNoise(dist.Normal):
            def rsample(self, sample_shape=()):
                return self.loc + self.scale * eps[:, t]

        return (dist.Normal if t is None else FixedNoise)(loc, softplus(raw_scale) + 1e-5).to_event(1)

    def generate():
        z = model.initial.expand(len(x), -1)
        gated = model.transition.network
        with pyro.plate("sequences", len(x)):
            for t in range(STEPS):
                gate, proposal = torch.sigmoid(gated.gate(z)), gated.proposal(z)
                prior = gaussian((1 - gate) * gated.linear(z) + gate * proposal, gated.raw_scale(torch.relu(proposal)))
                with poutine.mask(mask=mask[:, t]):
                    with poutine.scale(scale=weight):
                        z = pyro.sample(f"z_{t}", prior)
                    emission = dist.Bernoulli(logits=model.emission.network(z), validate_args=False).to_event(1)
                    pyro.sample(f"x_{t}", emission, obs=x[:, t])

    def infer():
        read = [states(network, x) for network in guide.networks]
        z = guide.initial.expand(len(x), -1)
        with pyro.plate("sequences", len(x)):
            for t in range(STEPS):
                together = [state[t] for state in read]
                if guide.reads != "mean-field":
                    together.append(torch.tanh(guide.from_latent(z)))
                q = gaussian(*guide.to_parameters(sum(together) / len(together)).chunk(2, -1), t)
                if guide.flows:
                    q = dist.TransformedDistribution(q, [Autoregressive(network) for network in guide.flows])
                with poutine.mask(mask=mask[:, t]), poutine.scale(scale=weight):
                    z = pyro.sample(f"z_{t}", q)

    pyro.clear_param_store()
    return -loss(max_plate_nesting=1).differentiable_loss(generate, infer)


def ours(model, guide, x, eps, replay_noise, bound, **options):
    lengths = torch.tensor(LENGTHS)
    with drawing_from(replay_noise(PackedSteps(lengths, STEPS).pack(eps)[None])):
        return bound(model, guide, **options)((x, lengths))


CASES = [
    {"guide": guide, "cell": cell, "flows": flows}
    for guide, cell, flows in [
        ("future", "gru", 0),
        ("future", "relu", 0),
        ("past", "tanh", 0),
        ("both", "gru", 0),
        ("mean-field", "gru", 0),
        ("future", "gru", 2),
        ("mean-field", "relu", 1),
    ]
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case.values())))
@pytest.mark.parametrize(("dtype", "value", "slope"), [(torch.float32, 1e-5, 1e-3), (torch.float64, 1e-12, 1e-9)])
def test_bound_and_gradient_equal_trace_elbo(replay_noise, case, dtype, value, slope):
    model, guide, x, eps = parts(dtype, **case)
    for weight in (1.0, 0.3):
        theirs = pyro_bound(model, guide, x, eps, weight)
        estimate = ours(model, guide, x, eps, replay_noise, SampledKlSequenceElbo, rate_weight=weight)
        assert relative_gap(estimate.value.sum(), theirs.detach()) < value
        trained = [
            torch.nn.ParameterList(p for p in module.parameters() if p.requires_grad) for module in (model, guide)
        ]
        assert gradient_gap(estimate.surrogate.sum(), theirs, *trained) < slope


@pytest.mark.parametrize("reads", ["future", "mean-field"])
def test_with_the_kl_in_closed_form_they_equal_trace_mean_field_elbo(replay_noise, reads):
    model, guide, x, eps = parts(torch.float64, guide=reads)
    theirs = pyro_bound(model, guide, x, eps, 1.0, TraceMeanField_ELBO)
    estimate = ours(model, guide, x, eps, replay_noise, AnalyticKlSequenceElbo)
    assert relative_gap(estimate.value.sum(), theirs.detach()) < 1e-12
    trained = [torch.nn.ParameterList(p for p in module.parameters() if p.requires_grad) for module in (model, guide)]
    assert gradient_gap(estimate.surrogate.sum(), theirs, *trained) < 1e-9

"""The deep Markov model of Pyro's example, in today's Pyro: a sample statement for each time step, masked beyond each sequence's end.

Networks, sizes, plain recurrent network, masks, packing and optimiser are the example's; its parameters can be those of ours.
"""

from __future__ import annotations

from copy import deepcopy

import pyro
import pyro.distributions as dist
import torch
from pyro import poutine
from pyro.infer import SVI, Trace_ELBO
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from helpers.models import DeepMarkovModel, RecurrentGuide


class PyroDeepMarkov(nn.Module):
    """Model and guide with networks of the sizes given, all parameters copied from ours."""

    def __init__(self, model: DeepMarkovModel, guide: RecurrentGuide) -> None:
        super().__init__()
        latent, keys, hidden = model.latent, model.emission.event_shape[0], guide.to_parameters.in_features
        gated = model.transition.network
        self.gate, self.proposal, self.linear, self.raw_scale = (
            deepcopy(part) for part in (gated.gate, gated.proposal, gated.linear, gated.raw_scale)
        )
        self.emission = deepcopy(model.emission.network.network)
        self.from_latent = deepcopy(guide.from_latent)
        weight, bias = guide.to_parameters.weight, guide.to_parameters.bias
        self.to_loc, self.to_scale = (nn.Linear(hidden, latent) for _ in range(2))
        own = guide.networks[0]
        self.rnn = (
            nn.GRU(keys, hidden, batch_first=True)
            if own.kind == "gru"
            else nn.RNN(keys, hidden, nonlinearity=own.kind, batch_first=True)
        )
        with torch.no_grad():
            for layer, part in ((self.to_loc, slice(latent)), (self.to_scale, slice(latent, None))):
                layer.weight.copy_(weight[part])
                layer.bias.copy_(bias[part])
            for name, value in own.cell.named_parameters():
                getattr(self.rnn, f"{name}_l0").copy_(value)
        self.h_0 = nn.Parameter(own.initial.detach().clone()[None, None])
        self.z_0 = nn.Parameter(model.initial.detach().clone())
        self.z_q_0 = nn.Parameter(guide.initial.detach().clone())
        self.to(weight.dtype)

    def transition(self, z: Tensor) -> tuple[Tensor, Tensor]:
        gate, proposal = torch.sigmoid(self.gate(z)), self.proposal(z)
        loc = (1 - gate) * self.linear(z) + gate * proposal
        return loc, softplus(self.raw_scale(torch.relu(proposal)))

    def combine(self, z: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        mean = 0.5 * (torch.tanh(self.from_latent(z)) + state)
        return self.to_loc(mean), softplus(self.to_scale(mean))

    def model(self, x: Tensor, reversed_: Tensor, mask: Tensor, lengths: Tensor, weight: float = 1.0) -> None:
        pyro.module("deep_markov", self)
        z = self.z_0.expand(len(x), -1)
        with pyro.plate("sequences", len(x)):
            for t in pyro.markov(range(x.shape[1])):
                loc, scale = self.transition(z)
                with poutine.scale(scale=weight):
                    z = pyro.sample(f"z_{t}", dist.Normal(loc, scale).mask(mask[:, t : t + 1]).to_event(1))
                emission = torch.sigmoid(self.emission(z))
                pyro.sample(f"x_{t}", dist.Bernoulli(emission).mask(mask[:, t : t + 1]).to_event(1), obs=x[:, t])

    def guide(self, x: Tensor, reversed_: Tensor, mask: Tensor, lengths: Tensor, weight: float = 1.0) -> None:
        pyro.module("deep_markov", self)
        packed = pack_padded_sequence(reversed_, lengths, batch_first=True)  # lengths decrease
        output, _ = self.rnn(packed, self.h_0.expand(1, len(x), -1).contiguous())
        states, _ = pad_packed_sequence(output, batch_first=True)
        states = turned_round(states, lengths)
        z = self.z_q_0.expand(len(x), -1)
        with pyro.plate("sequences", len(x)):
            for t in pyro.markov(range(x.shape[1])):
                loc, scale = self.combine(z, states[:, t])
                with poutine.scale(scale=weight):
                    z = pyro.sample(f"z_{t}", dist.Normal(loc, scale).mask(mask[:, t : t + 1]).to_event(1))

    def svi(self) -> SVI:
        pyro.clear_param_store()
        optimizer = pyro.optim.ClippedAdam({"lr": 3e-4, "betas": (0.96, 0.999), "clip_norm": 10.0, "lrd": 0.99996})
        return SVI(self.model, self.guide, optimizer, loss=Trace_ELBO())


def inputs(x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """What model and guide take, in the order of decreasing length: sequences, the same reversed, mask, lengths."""
    lengths, order = lengths.sort(descending=True, stable=True)
    x = x[order, : int(lengths[0])]
    mask = torch.arange(x.shape[1]) < lengths[:, None]
    return x, turned_round(x, lengths), mask, lengths


def turned_round(x: Tensor, lengths: Tensor) -> Tensor:
    """Each sequence reversed within its own length; zero beyond."""
    turned = torch.zeros_like(x)
    for b, length in enumerate(lengths.tolist()):
        turned[b, :length] = x[b, :length].flip(0)
    return turned

"""Guides of the deep Markov model that read x with recurrent networks: over the future, the past, or both."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal
from torch.nn.functional import linear, softplus

from helpers.distributions import Flow
from helpers.distributions.conditionals import MIN_SCALE
from helpers.distributions.flow_layers import InverseAutoregressive
from helpers.models.sequences.guide import BeforeFlows, SequenceDraw, SequenceGuide, Shape, standard_noise
from helpers.models.sequences.sampling_path import SamplingPath
from helpers.networks.autoregressive import AutoregressiveNetwork
from helpers.networks.packed_steps import PackedSteps
from helpers.networks.recurrence import Recurrence

GUIDES = {  # which directions the recurrent networks run in, and whether a step reads z_{t-1}
    "future": (("future",), True),
    "past": (("past",), True),
    "both": (("past", "future"), True),
    "mean-field": (("past", "future"), False),
}


class RecurrentGuide(SequenceGuide):
    """q(z_t | z_{t-1}, x) = N(m_t, diag(s_t²)): [m_t, raw_t] = C h_t + c, s_t = softplus(raw_t) + 1e-5, h_t the mean of its parts:

        "future"      h_t = (tanh(A z_{t-1} + a) + f_t) / 2         f_t: state of a network that ran over x_T, ..., x_t
        "past"        h_t = (tanh(A z_{t-1} + a) + p_t) / 2         p_t: state of a network that ran over x_1, ..., x_t
        "both"        h_t = (tanh(A z_{t-1} + a) + p_t + f_t) / 3
        "mean-field"  h_t = (p_t + f_t) / 2                         q(z | x) = prod_t q(z_t | x)

    The exact posterior reads what the first one reads: given z_{t-1}, the past says nothing more, and the future does.

    outcome_shape: shape of one x_t.  latent: size of z_t.  hidden: size of the recurrent networks and of h_t.
    reads: which of the four.
    cell: "gru", or "relu" or "tanh" for plain recurrent networks.
    dropout: probability of dropping an input or a state of the recurrent networks in training mode.
    flows: inverse autoregressive layers on top of each step's Gaussian; 0 for none. Before training they change nothing.

    Krishnan, Shalit, Sontag 2017, "Structured Inference Networks for Nonlinear State Space Models": DKS, ST-L, ST-LR, MF-LR.
    """

    def __init__(
        self,
        outcome_shape: int | Shape,
        latent: int,
        hidden: int = 600,
        reads: str = "future",
        cell: str = "gru",
        dropout: float = 0.0,
        flows: int = 0,
    ) -> None:
        super().__init__(outcome_shape, latent)
        if reads not in GUIDES:
            raise ValueError(f"Got the guide {reads!r}; expected one of {', '.join(map(repr, GUIDES))}.")
        if latent < 1 or hidden < 1 or flows < 0:
            raise ValueError(
                f"Got latent={latent}, hidden={hidden}, flows={flows}; expected sizes of 1 or more, flows of 0 or more."
            )
        directions, reads_latent = GUIDES[reads]
        self.reads = reads
        inputs = torch.Size(self.outcome_shape).numel()
        self.networks = nn.ModuleList(
            Recurrence(inputs, hidden, cell, direction == "future") for direction in directions
        )
        self.from_latent = nn.Linear(latent, hidden) if reads_latent else None
        self.to_parameters = nn.Linear(hidden, 2 * latent)  # mean and raw scale in one product
        self.parts = len(directions) + reads_latent
        self.dropout = nn.Dropout(dropout)
        order = list(range(latent))
        self.flows = nn.ModuleList(
            AutoregressiveNetwork(order[:: 1 if layer % 2 == 0 else -1], 0, (max(64, latent),))
            for layer in range(flows)
        )
        for (
            network
        ) in self.flows:  # z reaches the next step through all of them: what is random here must be unlearned first
            nn.init.zeros_(network.network[-1].weight)
            nn.init.zeros_(network.network[-1].bias)
        if self.from_latent is None:
            self.initial.requires_grad_(False)  # nothing reads it

    def features(self, x: Tensor, steps: PackedSteps) -> Tensor:
        """What x contributes to mean and raw scale, [rows, 2 latent]. The recurrent networks are run here, once for all samples."""
        x = self.dropout(x.flatten(1))
        states = [network(x, steps) for network in self.networks]
        state = states[0] if len(states) == 1 else states[0] + states[1]
        return linear(self.dropout(state), self._share_of_weight(), self.to_parameters.bias)

    def step(self, features: Tensor, z: Tensor) -> Distribution:
        parameters = features[:, None]
        if self.from_latent is None:
            parameters = parameters.expand(-1, z.shape[1], -1)
        else:
            parameters = parameters + linear(torch.tanh(self.from_latent(z)), self._share_of_weight())
        loc, raw_scale = parameters.chunk(2, -1)
        return self._conditional(loc, softplus(raw_scale) + MIN_SCALE)

    def draw_given(self, features: Tensor, steps: PackedSteps, num_samples: int = 1) -> SequenceDraw:
        noise = standard_noise(steps, num_samples, self.latent, self.initial)  # [rows, samples, latent]
        if self.flows and self.from_latent is not None:
            return self._draw_through_flows(features, noise, steps)
        if self.from_latent is None:
            loc, raw_scale = features[:, None].expand(-1, num_samples, -1).chunk(2, -1)
            scale = softplus(raw_scale.contiguous()) + MIN_SCALE
            z = loc + scale * noise
        else:
            z, loc, scale = SamplingPath.apply(
                features if num_samples == 1 else features.repeat_interleave(num_samples, 0),
                noise.flatten(0, 1),
                self.from_latent.weight,
                self.from_latent.bias,
                self._share_of_weight(),
                self.initial,
                steps,
            )
            z, loc, scale = (tensor.unflatten(0, (steps.rows, num_samples)) for tensor in (z, loc, scale))
        q = _gaussian(loc, scale)
        if not self.flows:
            return SequenceDraw(steps, z, None, q)
        y, log_prob = z, q.log_prob(z)
        layers = self._layers()
        z, log_det = _through(layers, y)
        return SequenceDraw(steps, z, log_prob - log_det, None, BeforeFlows(q, y, log_det, layers))

    def _draw_through_flows(self, features: Tensor, noise: Tensor, steps: PackedSteps) -> SequenceDraw:
        layers, weight = self._layers(), self._share_of_weight()
        z = self.initial.expand(steps.num_sequences, noise.shape[1], -1)
        path, before, locs, scales, log_dets = [], [], [], [], []
        for now, eps in zip(features.split(steps.sizes), noise.split(steps.sizes), strict=True):
            hidden = torch.tanh(self.from_latent(z[: len(now)]))
            loc, raw_scale = (now[:, None] + linear(hidden, weight)).chunk(2, -1)
            scale = softplus(raw_scale) + MIN_SCALE
            before.append(loc + scale * eps)
            z, log_det = _through(layers, before[-1])
            path.append(z)
            locs.append(loc)
            scales.append(scale)
            log_dets.append(log_det)
        loc, scale, log_det = (torch.cat(parts) for parts in (locs, scales, log_dets))
        # log N(loc + scale eps | loc, scale) in terms of the noise, for all steps at once
        log_prob = _gaussian(torch.zeros_like(noise), torch.ones_like(noise)).log_prob(noise) - scale.log().sum(-1)
        drawn = BeforeFlows(_gaussian(loc, scale), torch.cat(before), log_det, layers)
        return SequenceDraw(steps, torch.cat(path), log_prob - log_det, None, drawn)

    def _share_of_weight(self) -> Tensor:
        """[2 latent, hidden] The mean over the parts of h, taken into the weight."""
        return self.to_parameters.weight / self.parts

    def _layers(self) -> list[InverseAutoregressive]:
        return [InverseAutoregressive(network.without_context(), network.order) for network in self.flows]

    def _conditional(self, loc: Tensor, scale: Tensor) -> Distribution:
        base = _gaussian(loc, scale)
        return Flow(base, self._layers()) if self.flows else base


def _gaussian(loc: Tensor, scale: Tensor) -> Distribution:
    return Independent(Normal(loc, scale, validate_args=False), 1, validate_args=False)


def _through(layers: list[InverseAutoregressive], x: Tensor) -> tuple[Tensor, Tensor]:
    """The layers' outcome [..., latent] and the sum of their log-determinants [...]."""
    total = x.new_zeros(x.shape[:-1])
    for layer in layers:
        x, log_det = layer.forward(x)
        total = total + log_det
    return x, total

"""Guides of the deep Markov model that read x with recurrent networks: the future, the past, or both."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal
from torch.nn.functional import linear, softplus

from helpers.distributions import Flow
from helpers.distributions.conditionals import MIN_SCALE
from helpers.distributions.flow_layers import InverseAutoregressive
from helpers.models.sequences.guide import FlowDraw, SequenceDraw, SequenceGuide, standard_noise
from helpers.models.sequences.sampling_path import SamplingPath
from helpers.networks import AutoregressiveNetwork, PackedSteps, Recurrence, Shape, as_size

GUIDES = {  # what the recurrent networks read, and whether a step reads z_{t-1}
    "future": (("future",), True),
    "past": (("past",), True),
    "both": (("past", "future"), True),
    "mean-field": (("past", "future"), False),
}


class RecurrentGuide(SequenceGuide):
    """q(z_t | z_{t-1}, x) = N(m_t, diag(s_t²)): [m_t, raw_t] = C h_t + c, s_t = softplus(raw_t) + 1e-5, h_t the mean of its parts:

        "future"      h_t = (tanh(A z_{t-1} + a) + f_t) / 2         f_t: state of a network that has read x_T, ..., x_t
        "past"        h_t = (tanh(A z_{t-1} + a) + p_t) / 2         p_t: state of a network that has read x_1, ..., x_t
        "both"        h_t = (tanh(A z_{t-1} + a) + p_t + f_t) / 3
        "mean-field"  h_t = (p_t + f_t) / 2                         q(z | x) = prod_t q(z_t | x)

    The exact p(z_t | z_{t-1}, x) depends on x_t, ..., x_T only, which is what "future" reads.

    Krishnan, Shalit, Sontag 2017, "Structured Inference Networks for Nonlinear State Space Models": DKS, ST-L, ST-LR, MF-LR.

    Args:
        outcome_shape: Shape of one x_t.
        latent: Size of z_t.
        hidden: Size of the recurrent networks' states and of h_t.
        reads: One of the four above.
        cell: "gru", or "relu" or "tanh" for plain recurrent networks.
        dropout: Probability of dropping an input or a state of the recurrent networks in training mode.
        flows: Inverse autoregressive layers after each step's Gaussian; 0: none. Before training they are the identity, up to 1e-5.

    Raises:
        ValueError: If `reads` is none of the four, or if a size is out of range.
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
        super().__init__(outcome_shape, as_size(latent, "latent", 0))
        if reads not in GUIDES:
            raise ValueError(f"Got the guide {reads!r}; expected one of {', '.join(map(repr, GUIDES))}.")
        if latent < 1 or hidden < 1 or flows < 0:
            raise ValueError(
                f"Got latent={latent}, hidden={hidden}, flows={flows}; expected sizes of 1 or more, flows of 0 or more."
            )
        latent, hidden, flows = as_size(latent, "latent"), as_size(hidden, "hidden"), as_size(flows, "flows", 0)
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
            _identity_flow(order[:: 1 if layer % 2 == 0 else -1], (max(64, latent),)) for layer in range(flows)
        )
        if self.from_latent is None:
            self.initial.requires_grad_(False)  # no step reads it

    def features(self, x: Tensor, steps: PackedSteps) -> Tensor:
        """The recurrent networks' share of mean and raw scale; they run here, once for all samples.

        Args:
            x: Packed sequences [rows, *outcome].
            steps: Index maps between padded and packed.

        Returns:
            [rows, 2 latent].
        """
        x = self.dropout(x.flatten(1))
        states = [network(x, steps) for network in self.networks]
        state = states[0] if len(states) == 1 else states[0] + states[1]
        return linear(self.dropout(state), self._weight_per_part(), self.to_parameters.bias)

    def step(self, features: Tensor, z: Tensor) -> Distribution:
        parameters = features[:, None]
        if self.from_latent is None:
            parameters = parameters.expand(-1, z.shape[1], -1)
        else:
            parameters = parameters + linear(torch.tanh(self.from_latent(z)), self._weight_per_part())
        loc, raw_scale = parameters.chunk(2, -1)
        return self._conditional(loc, softplus(raw_scale) + MIN_SCALE)

    def draw_given(self, features: Tensor, steps: PackedSteps, num_samples: int = 1) -> SequenceDraw:
        noise = standard_noise(steps, num_samples, self.latent, self.initial)  # [rows, samples, latent]
        if self.flows and self.from_latent is not None:
            return self._draw_through_flows(self.from_latent, features, noise, steps)
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
                self._weight_per_part(),
                self.initial,
                steps,
            )
            z, loc, scale = (tensor.unflatten(0, (steps.rows, num_samples)) for tensor in (z, loc, scale))
        q = _gaussian(loc, scale)
        if not self.flows:
            return SequenceDraw(steps, z, None, q)
        y, log_prob = z, q.log_prob(z)
        layers = self._layers()
        z, log_det = _apply_layers(layers, y)
        return SequenceDraw(steps, z, log_prob - log_det, None, FlowDraw(q, y, log_det, layers))

    def _draw_through_flows(
        self, from_latent: nn.Linear, features: Tensor, noise: Tensor, steps: PackedSteps
    ) -> SequenceDraw:
        layers, weight = self._layers(), self._weight_per_part()
        z = self.initial.expand(steps.num_sequences, noise.shape[1], -1)
        path, path_y, locs, scales, log_dets = [], [], [], [], []
        for features_t, eps in zip(features.split(steps.sizes), noise.split(steps.sizes), strict=True):
            hidden = torch.tanh(from_latent(z[: len(features_t)]))
            loc, raw_scale = (features_t[:, None] + linear(hidden, weight)).chunk(2, -1)
            scale = softplus(raw_scale) + MIN_SCALE
            path_y.append(loc + scale * eps)
            z, log_det = _apply_layers(layers, path_y[-1])
            path.append(z)
            locs.append(loc)
            scales.append(scale)
            log_dets.append(log_det)
        loc, scale, log_det = (torch.cat(parts) for parts in (locs, scales, log_dets))
        # log N(loc + scale eps | loc, scale) in terms of the noise, for all steps at once
        log_prob = _gaussian(torch.zeros_like(noise), torch.ones_like(noise)).log_prob(noise) - scale.log().sum(-1)
        flow = FlowDraw(_gaussian(loc, scale), torch.cat(path_y), log_det, layers)
        return SequenceDraw(steps, torch.cat(path), log_prob - log_det, None, flow)

    def _weight_per_part(self) -> Tensor:
        """C / number of parts of h_t [2 latent, hidden]: C times the mean of the parts is the sum of these shares."""
        return self.to_parameters.weight / self.parts

    def _layers(self) -> list[InverseAutoregressive]:
        """The flow's layers, the masks of their networks applied once for all steps."""
        return [_layer(network) for network in self.flows]

    def _conditional(self, loc: Tensor, scale: Tensor) -> Distribution:
        base = _gaussian(loc, scale)
        return Flow(base, self._layers()) if self.flows else base


def _identity_flow(order: list[int], hidden: tuple[int, ...]) -> AutoregressiveNetwork:
    """Network of a layer that starts as the identity: each z_t passes through it to the next step, so a random map is noise."""
    network = AutoregressiveNetwork(order, 0, hidden)
    for parameter in network.network[-1].parameters():  # weight and bias
        nn.init.zeros_(parameter)
    return network


def _layer(network: nn.Module) -> InverseAutoregressive:
    assert isinstance(network, AutoregressiveNetwork)  # a ModuleList does not know the type of its modules
    return InverseAutoregressive(network.without_context(), network.get_buffer("order"))


def _gaussian(loc: Tensor, scale: Tensor) -> Independent[Normal]:
    return Independent(Normal(loc, scale, validate_args=False), 1, validate_args=False)


def _apply_layers(layers: list[InverseAutoregressive], x: Tensor) -> tuple[Tensor, Tensor]:
    """The last layer's output [..., latent] and the sum of the log-determinants [...]."""
    total = x.new_zeros(x.shape[:-1])
    for layer in layers:
        x, log_det = layer.forward(x)
        total = total + log_det
    return x, total

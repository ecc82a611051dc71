"""p(z_t | z_{t-1}) of the deep Markov model: a gate between a linear and a nonlinear transition."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from helpers.distributions.conditionals import GaussianConditional
from helpers.networks.sizes import as_size


class GatedTransition(GaussianConditional):
    """N(z_t | m, diag(s²)), m = (1 - g) * (A z + a) + g * h(z), s = softplus(B relu(h(z)) + b) + 1e-5, z = z_{t-1}.

    g is the sigmoid of a network of z, and h is another network; both have one hidden layer of rectified linear units. The gate sets how
    nonlinear the transition of each coordinate is. A starts as the identity and a as 0: at first z is the mean of z_t if the gate is 0.

    Krishnan, Shalit, Sontag 2017, "Structured Inference Networks for Nonlinear State Space Models", section 5.

    Args:
        latent: Size of z.
        hidden: Size of both hidden layers.

    Raises:
        ValueError: If a size is less than 1.
    """

    def __init__(self, latent: int, hidden: int = 200) -> None:
        if latent < 1 or hidden < 1:
            raise ValueError(f"Got latent={latent} and hidden={hidden}; expected sizes of 1 or more.")
        latent, hidden = as_size(latent, "latent"), as_size(hidden, "hidden")
        super().__init__((latent,), (latent,), _Gated(latent, hidden))


class _Gated(nn.Module):
    """z [*batch, latent] → mean and raw scale [*batch, 2, latent]."""

    def __init__(self, latent: int, hidden: int) -> None:
        super().__init__()
        self.gate = nn.Sequential(nn.Linear(latent, hidden), nn.ReLU(), nn.Linear(hidden, latent))
        self.proposal = nn.Sequential(nn.Linear(latent, hidden), nn.ReLU(), nn.Linear(hidden, latent))
        self.linear = nn.Linear(latent, latent)
        self.raw_scale = nn.Linear(latent, latent)
        nn.init.eye_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, z: Tensor) -> Tensor:
        proposal = self.proposal(z)
        loc = torch.lerp(self.linear(z), proposal, self.gate(z).sigmoid())
        return torch.stack([loc, self.raw_scale(proposal.relu())], -2)

"""A sigmoid belief network so small that every sum over its codes is exact: what the explorers of lesson 03 look at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

MOST_BITS, PIXELS = 8, 12
# From an empty picture to a full one: a single number cannot predict the reward of them all.
DATA = torch.tensor(
    [
        [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0],
        [1, 1, 1, 0, 0, 1, 0, 1, 1, 0, 0, 1],
        [1, 1, 1, 1, 0, 1, 1, 1, 1, 0, 1, 1],
    ],
    dtype=torch.float64,
)


@dataclass(frozen=True)
class SmallNetwork:
    """p(z) p(x | z) and q(z | x) for bits z and binary pictures x, both linear. float64, nats.

    prior: logits of p(z), [bits]. weight [bits, pixels], bias [pixels]: logits of p(x | z) are z @ weight + bias.
    encoder [pixels, bits], offset [bits]: logits of q(z | x) are x @ encoder + offset. x: [data, pixels].
    """

    prior: Tensor
    weight: Tensor
    bias: Tensor
    encoder: Tensor
    offset: Tensor
    x: Tensor

    @cached_property
    def z(self) -> Tensor:
        """Every code: [outcomes, bits]."""
        return codes(len(self.offset))

    @cached_property
    def logits(self) -> Tensor:
        """Of q(z | x): [data, bits]."""
        return self.x @ self.encoder + self.offset

    @cached_property
    def log_q(self) -> Tensor:
        """log q(z | x): [outcomes, data]."""
        return log_bernoulli(self.z.unsqueeze(1), self.logits)

    @cached_property
    def log_joint(self) -> Tensor:
        """log p(x, z): [outcomes, data]."""
        log_likelihood = log_bernoulli(self.x, (self.z @ self.weight + self.bias).unsqueeze(1))
        return log_bernoulli(self.z, self.prior).unsqueeze(-1) + log_likelihood

    @cached_property
    def score(self) -> Tensor:
        """Gradient of log q(z | x) with respect to `offset`: [outcomes, data, bits]."""
        return self.z.unsqueeze(1) - self.logits.sigmoid()


def small_network(bits: int, data: Tensor = DATA) -> SmallNetwork:
    """The same network every time, half trained: the first `bits` of its `MOST_BITS` bits."""
    generator = torch.Generator().manual_seed(3)

    def normal(*size: int) -> Tensor:
        return torch.randn(size, generator=generator, dtype=torch.float64)

    prior, weight, encoder, offset = (
        normal(MOST_BITS),
        normal(MOST_BITS, PIXELS),
        normal(PIXELS, MOST_BITS),
        normal(MOST_BITS),
    )
    return SmallNetwork(
        prior[:bits],
        weight[:bits],
        torch.full((PIXELS,), -1.0, dtype=torch.float64),
        0.2 * encoder[:, :bits],
        0.5 * offset[:bits],
        data,
    )


def codes(bits: int) -> Tensor:
    """All codes of so many bits, [outcomes, bits]: number k is k in binary, the first bit the highest."""
    return (torch.arange(2**bits).unsqueeze(-1) >> torch.arange(bits - 1, -1, -1) & 1).double()


def log_bernoulli(bits: Tensor, logits: Tensor) -> Tensor:
    """log Bernoulli(bits; sigmoid(logits)), summed over the last dimension, after broadcasting."""
    return (bits * logits - nn.functional.softplus(logits)).sum(-1)

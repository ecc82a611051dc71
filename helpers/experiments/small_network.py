"""A sigmoid belief network small enough to sum over all its codes, for the explorers of lesson 03."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

MOST_BITS, PIXELS = 8, 12
# From a nearly empty picture to a nearly full one, so that a constant baseline cannot predict the reward of all.
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
    """p(z) p(x | z) and q(z | x) for bits z and binary pictures x, with linear logits. float64, nats.

    The logits of p(x | z) are z @ weight + bias, those of q(z | x) are x @ encoder + offset.

    Args:
        prior: Logits of p(z), [bits].
        weight: [bits, pixels].
        bias: [pixels].
        encoder: [pixels, bits].
        offset: [bits].
        x: Pictures, [data, pixels].
    """

    prior: Tensor
    weight: Tensor
    bias: Tensor
    encoder: Tensor
    offset: Tensor
    x: Tensor

    @cached_property
    def z(self) -> Tensor:
        """All codes: [outcomes, bits]."""
        return codes(len(self.offset))

    @cached_property
    def logits(self) -> Tensor:
        """Logits of q(z | x): [data, bits]."""
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
    """A fixed network with weights drawn from a fixed seed: the first `bits` of its `MOST_BITS` bits.

    Args:
        bits: 1 to `MOST_BITS`.
        data: Pictures, [data, 12], float64.

    Returns:
        The network.
    """
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
    """All codes of a number of bits: code k is k in binary, the first bit the highest.

    Args:
        bits: Number of bits.

    Returns:
        float64 [2^bits, bits].
    """
    return (torch.arange(2**bits).unsqueeze(-1) >> torch.arange(bits - 1, -1, -1) & 1).double()


def log_bernoulli(bits: Tensor, logits: Tensor) -> Tensor:
    """log Bernoulli(bits; sigmoid(logits)), summed over the last dimension.

    Args:
        bits: 0 and 1, [..., event].
        logits: [..., event], in a shape that broadcasts with `bits`.

    Returns:
        Nats, the broadcast shape without its last dimension.
    """
    return (bits * logits - nn.functional.softplus(logits)).sum(-1)

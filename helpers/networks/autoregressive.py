"""A masked network: what it says of one number depends on the numbers before it, and on a context."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import linear


class MaskedLinear(nn.Linear):
    """A linear map some of whose weights are held at 0. mask: [out, in], 1 where a weight acts."""

    def __init__(self, mask: Tensor) -> None:
        super().__init__(mask.shape[1], mask.shape[0])
        self.register_buffer("mask", mask.to(self.weight.dtype), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight * self.mask, self.bias)


class AutoregressiveNetwork(nn.Module):
    """x [..., size], context [..., context_size] → [..., 2, size]: numbers (., i) depend on the context and on x before i in `order`.

    order: the place in x that comes first, second, ...: a permutation of 0 .. size - 1.
    hidden: sizes of the hidden layers, each `size` or more: its units are dealt out over how much of x they may see, from none to
        all but the last. They are tanh: bounded, so that a flow's tails stay those of its Gaussian.

    Germain, Gregor, Murray, Larochelle 2015, "MADE: Masked Autoencoder for Distribution Estimation".
    """

    def __init__(self, order: list[int], context_size: int, hidden: tuple[int, ...] = (64,)) -> None:
        super().__init__()
        size = len(order)
        if not hidden or min(hidden) < size:
            raise ValueError(
                f"An autoregressive network over {size} numbers needs one hidden layer or more, of {size} units or more each, and "
                f"hidden={tuple(hidden)} was given."
            )
        self.register_buffer("order", torch.tensor(order), persistent=False)
        rank = torch.empty(size, dtype=torch.long)
        rank[self.order] = torch.arange(size)  # how many come before
        sees = torch.cat(
            [rank + 1, torch.zeros(context_size, dtype=torch.long)]
        )  # an input is known from its rank + 1 on
        layers: list[nn.Module] = []
        for units in hidden:
            may_see = torch.arange(units) % size  # a unit may see this many numbers
            layers += [MaskedLinear(may_see[:, None] >= sees), nn.Tanh()]
            sees = may_see
        layers.append(MaskedLinear(rank.repeat(2)[:, None] >= sees))
        self.network = nn.Sequential(*layers)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        return self.network(with_context(x, context)).unflatten(-1, (2, x.shape[-1]))

    def without_context(self) -> Callable[[Tensor], Tensor]:
        """x [..., size] → [..., 2, size], with the masks laid on once: for many calls in a row, of a network whose context is empty."""
        layers = [
            partial(linear, weight=layer.weight * layer.mask, bias=layer.bias)
            if isinstance(layer, MaskedLinear)
            else layer
            for layer in self.network
        ]

        def network(x: Tensor) -> Tensor:
            size = x.shape[-1]
            for layer in layers:
                x = layer(x)
            return x.unflatten(-1, (2, size))

        return network


def with_context(x: Tensor, context: Tensor) -> Tensor:
    """x [..., size] and context [..., context_size], whose leading dimensions broadcast, side by side."""
    leading = torch.broadcast_shapes(x.shape[:-1], context.shape[:-1])
    return torch.cat([x.expand(*leading, -1), context.expand(*leading, -1)], dim=-1)

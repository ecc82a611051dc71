"""A masked network whose output for one coordinate depends on the previous coordinates only, and on a context."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import linear


class MaskedLinear(nn.Linear):
    """A linear map with some weights fixed at 0.

    Args:
        mask: [outputs, inputs], true or 1 for the weights that act, else false or 0.
    """

    mask: Tensor

    def __init__(self, mask: Tensor) -> None:
        super().__init__(mask.shape[1], mask.shape[0])
        self.register_buffer("mask", mask.to(self.weight.dtype), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight * self.mask, self.bias)


class AutoregressiveNetwork(nn.Module):
    """x [..., size], context [..., context_size] → [..., 2, size]: outputs (., i) depend on the context and on x before i in `order`.

    The degree of a hidden unit is the number of coordinates of x it depends on, from 0 to size - 1; the units of a layer are spread
    evenly over the degrees. Hidden units are tanh: bounded, so that a flow keeps the tails of its Gaussian.

    Germain, Gregor, Murray, Larochelle 2015, "MADE: Masked Autoencoder for Distribution Estimation".

    Args:
        order: The coordinate of x that comes first, second, and so on: a permutation of 0 .. size - 1.
        context_size: Size of the context, 0 or more.
        hidden: Sizes of the hidden layers, one or more, each at least `size`.

    Raises:
        ValueError: If there is no hidden layer, or one smaller than `size`.
    """

    order: Tensor

    def __init__(self, order: list[int], context_size: int, hidden: tuple[int, ...] = (64,)) -> None:
        super().__init__()
        size = len(order)
        if not hidden or min(hidden) < size:
            raise ValueError(
                f"An autoregressive network over {size} coordinates needs one hidden layer or more, of {size} units or more each, and "
                f"hidden={tuple(hidden)} was given."
            )
        self.register_buffer("order", torch.tensor(order), persistent=False)
        rank = torch.empty(size, dtype=torch.long)
        rank[self.order] = torch.arange(size)  # number of coordinates that come before
        context_degree = torch.zeros(context_size, dtype=torch.long)  # every unit may depend on the context
        input_degree = torch.cat([rank + 1, context_degree])
        layers: list[nn.Module] = []
        for units in hidden:
            degree = torch.arange(units) % size
            layers += [MaskedLinear(degree[:, None] >= input_degree), nn.Tanh()]
            input_degree = degree
        layers.append(MaskedLinear(rank.repeat(2)[:, None] >= input_degree))
        self.network = nn.Sequential(*layers)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """Two outputs per coordinate, such as shift and raw scale.

        Args:
            x: [..., size].
            context: [..., context_size]; its leading dimensions broadcast with those of x.

        Returns:
            [..., 2, size].
        """
        return self.network(with_context(x, context)).unflatten(-1, (2, x.shape[-1]))

    def without_context(self) -> Callable[[Tensor], Tensor]:
        """This network as a function of x alone, with the masks applied once: for repeated calls with an empty context.

        Returns:
            A function x [..., size] → [..., 2, size]. It uses the current weights, and gradients flow to them.
        """
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
    """Concatenate x and a context along the last dimension.

    Args:
        x: [..., size].
        context: [..., context_size]; its leading dimensions broadcast with those of x.

    Returns:
        [..., size + context_size].
    """
    leading = torch.broadcast_shapes(x.shape[:-1], context.shape[:-1])
    return torch.cat([x.expand(*leading, -1), context.expand(*leading, -1)], dim=-1)

"""Layers of bits as one distribution, each layer drawn given the one before."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from helpers.distributions.finite import check_size


class LayeredBits(Distribution):
    """p(z) = p(h_a) p(h_b | h_a) p(h_c | h_b) ...: a chain of layers of bits, side by side in one z [*batch, bits].

    first: distribution of the layer drawn first, batch_shape [*batch], event_shape (size,).
    transitions: for each further layer, in the order of drawing: the layer before [..., size] → distribution of this one.
    places: for each layer, in the order of drawing, where it stands in z. Together they cover z once.

    Bits of one layer are independent given the layer before; bits of z are not, so estimators that need independent bits refuse it, and
    are nested instead, one a layer (`helpers.models.LayeredElbo`).
    """

    arg_constraints: dict[str, constraints.Constraint] = {}
    has_enumerate_support = True

    def __init__(
        self, first: Distribution, transitions: Sequence[Callable[[Tensor], Distribution]], places: Sequence[slice]
    ) -> None:
        bounds = sorted((place.start, place.stop) for place in places)
        ends = [0, *(stop for _, stop in bounds)]
        if len(places) != 1 + len(transitions) or [start for start, _ in bounds] != ends[:-1]:
            raise ValueError(
                f"{1 + len(transitions)} layers of bits need as many places that cover z once, without gaps, and {list(places)} were given."
            )
        self.first = first
        self.transitions = tuple(transitions)
        self.places = tuple(places)
        super().__init__(first.batch_shape, torch.Size((ends[-1],)), validate_args=False)

    @property
    def support(self) -> constraints.Constraint:
        return constraints.independent(constraints.boolean, 1)

    def layers(self, z: Tensor) -> list[Tensor]:
        """z [..., bits] → its layers in the order of drawing, each [..., size]."""
        return [z[..., place] for place in self.places]

    def sample(self, sample_shape: torch.Size = torch.Size()) -> Tensor:
        with torch.no_grad():
            drawn = [self.first.sample(sample_shape)]  # [*sample, *batch, size]
            for transition in self.transitions:
                drawn.append(transition(drawn[-1]).sample())
        z = drawn[0].new_empty(*drawn[0].shape[:-1], *self.event_shape)
        for place, layer in zip(self.places, drawn, strict=True):
            z[..., place] = layer
        return z

    def log_prob(self, value: Tensor) -> Tensor:
        """value: [..., *batch, bits] → [..., *batch], nats."""
        layers = self.layers(value)
        log_prob = self.first.log_prob(layers[0])
        for transition, before, layer in zip(self.transitions, layers, layers[1:], strict=False):
            log_prob = log_prob + transition(before).log_prob(layer)
        return log_prob

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """[2^bits, *batch, bits], or [2^bits, 1..., bits] unless `expand`. ValueError where that is more than can be listed."""
        (bits,) = self.event_shape
        check_size(2, bits)
        like = self.first.mean
        values = torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=like.dtype, device=like.device)] * bits)
        values = values.reshape(-1, *[1] * len(self.batch_shape), bits)
        return values.expand(-1, *self.batch_shape, -1) if expand else values

"""Layers of bits as one distribution, each layer conditioned on the previous one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from helpers.distributions.finite import check_size


class LayeredBits(Distribution):
    """p(z) = p(h_a) p(h_b | h_a) p(h_c | h_b) ...: a chain of layers of bits, concatenated in one z [*batch, bits].

    Bits of one layer are independent given the previous layer; bits of z are not. Estimators that need independent bits therefore
    refuse this distribution; `helpers.models.LayeredElbo` nests one estimator per layer instead.

    Args:
        first: Distribution of the layer drawn first, batch_shape [*batch], event_shape (size,).
        transitions: For each further layer, in the order of drawing: previous layer [..., size] → distribution of this layer.
        slices: For each layer, in the order of drawing, its slice of z. Together they cover z once.

    Raises:
        ValueError: If the slices do not cover z once, or their number is not that of the layers.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}
    has_enumerate_support = True

    def __init__(
        self, first: Distribution, transitions: Sequence[Callable[[Tensor], Distribution]], slices: Sequence[slice]
    ) -> None:
        bounds = sorted((part.start, part.stop) for part in slices)
        ends = [0, *(stop for _, stop in bounds)]
        if len(slices) != 1 + len(transitions) or [start for start, _ in bounds] != ends[:-1]:
            raise ValueError(
                f"{1 + len(transitions)} layers of bits need as many slices that cover z once, without gaps, and {list(slices)} were given."
            )
        self.first = first
        self.transitions = tuple(transitions)
        self.slices = tuple(slices)
        super().__init__(first.batch_shape, torch.Size((ends[-1],)), validate_args=False)

    @property
    def support(self) -> constraints.Constraint:
        return constraints.independent(constraints.boolean, 1)

    def layers(self, z: Tensor) -> list[Tensor]:
        """Split z into its layers.

        Args:
            z: [..., bits].

        Returns:
            The layers in the order of drawing, each [..., size].
        """
        return [z[..., part] for part in self.slices]

    def expand(self, batch_shape: Sequence[int], _instance: Distribution | None = None) -> LayeredBits:
        return LayeredBits(self.first.expand(torch.Size(batch_shape)), self.transitions, self.slices)

    def sample(self, sample_shape: Sequence[int] = torch.Size()) -> Tensor:
        with torch.no_grad():
            drawn = [self.first.sample(torch.Size(sample_shape))]  # [*sample, *batch, size]
            for transition in self.transitions:
                drawn.append(transition(drawn[-1]).sample())
        z = drawn[0].new_empty(*drawn[0].shape[:-1], *self.event_shape)
        for part, layer in zip(self.slices, drawn, strict=True):
            z[..., part] = layer
        return z

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-probability of all layers together.

        Args:
            value: z, [..., *batch, bits].

        Returns:
            log p(z), [..., *batch], nats.
        """
        layers = self.layers(value)
        log_prob = self.first.log_prob(layers[0])
        for transition, previous, layer in zip(self.transitions, layers, layers[1:], strict=False):
            log_prob = log_prob + transition(previous).log_prob(layer)
        return log_prob

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All values of z.

        Args:
            expand: Whether to expand the result over the batch shape.

        Returns:
            [2^bits, *batch, bits], or [2^bits, 1..., bits] unless `expand`.

        Raises:
            ValueError: If there are more than `helpers.distributions.finite.MAX_SUPPORT` values.
        """
        (bits,) = self.event_shape
        check_size(2, bits)
        like = self.first.mean
        values = torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=like.dtype, device=like.device)] * bits)
        values = values.reshape(-1, *[1] * len(self.batch_shape), bits)
        return values.expand(-1, *self.batch_shape, -1) if expand else values

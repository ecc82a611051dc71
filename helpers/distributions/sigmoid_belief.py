"""Sigmoid belief networks: layers of bits h_1, ..., h_L, h_1 next to the data; a layer's probabilities are sigmoids of a neighbour's bits.

z [*batch, bits] is the concatenation of the layers, h_1 first, in prior, likelihood and guide alike.

Neal 1992, "Connectionist learning of belief networks"; Mnih, Gregor 2014, "Neural variational inference and learning in belief networks".
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

from torch import Tensor, nn
from torch.distributions import Distribution

from helpers.distributions.checks import check_shape, check_unit_interval
from helpers.distributions.conditionals import BernoulliConditional
from helpers.distributions.layered import LayeredBits
from helpers.distributions.priors import BernoulliPrior, Prior
from helpers.networks.recipes import FeedForward, NetworkRecipe, Shape, as_shape
from helpers.networks.sizes import as_size

LINEAR = FeedForward(())  # immutable, so that it can be a default value


class SigmoidBeliefPrior(Prior):
    """p(z) = p(h_L) prod_l p(h_l | h_{l+1}), the top layer's bits independent with learned logits.

    With one layer it is a trainable `BernoulliPrior`.

    Args:
        sizes: Number of bits of each layer, from the data upwards.
        network: Recipe of each map from a layer to the logits of the layer below; linear by default.

    Raises:
        ValueError: If there is no layer, or a size is less than 1.
    """

    def __init__(self, sizes: Sequence[int], network: NetworkRecipe = LINEAR) -> None:
        sizes = _check_sizes(sizes)
        super().__init__(sum(sizes))
        self.sizes = sizes
        self.top = BernoulliPrior(self.sizes[-1], trainable=True)
        self.layers = nn.ModuleList(
            BernoulliConditional(above, below, network) for below, above in pairwise(self.sizes)
        )

    def forward(self, batch_shape: int | Shape = ()) -> Distribution:
        top = self.top(batch_shape)
        if not len(self.layers):
            return top
        return LayeredBits(top, list(self.layers)[::-1], _slices(self.sizes)[::-1])


class SigmoidBeliefGuide(nn.Module):
    """q(z | x) = q(h_1 | x) prod_l q(h_{l+1} | h_l), drawn from the data upwards. A `Conditional`.

    Args:
        input_shape: Shape of one x; an int is the size of a vector.
        sizes: Number of bits of each layer, from the data upwards.
        network: Recipe of each map from x, or from a layer, to the logits of the layer above; linear by default.

    Raises:
        ValueError: If there is no layer, or a size is less than 1.
    """

    def __init__(self, input_shape: int | Shape, sizes: Sequence[int], network: NetworkRecipe = LINEAR) -> None:
        super().__init__()
        self.sizes = _check_sizes(sizes)
        self.input_shape = as_shape(input_shape)
        self.event_shape: Shape = (sum(self.sizes),)
        widths = [self.input_shape, *((size,) for size in self.sizes)]
        self.layers = nn.ModuleList(BernoulliConditional(below, above, network) for below, above in pairwise(widths))

    def check_outcome(self, z: Tensor) -> None:
        """Check that z can be an outcome.

        Args:
            z: [*batch, bits].

        Raises:
            ValueError: If the shape does not fit, or a value is not finite or outside [0, 1].
        """
        check_shape(z, self.event_shape, "an outcome", type(self).__name__)
        check_unit_interval(z, "outcomes")

    def forward(self, x: Tensor) -> Distribution:
        """The distribution of z given x.

        Args:
            x: [*batch, *input_shape].

        Returns:
            q(z | x) with batch_shape [*batch] and event_shape (bits,).
        """
        bottom = self.layers[0](x)
        return bottom if len(self.layers) == 1 else LayeredBits(bottom, list(self.layers)[1:], _slices(self.sizes))


class SigmoidBeliefLikelihood(nn.Module):
    """p(x | z) = p(x | h_1), independent bits given the layer next to the data. A `Conditional`.

    Args:
        sizes: Number of bits of each layer of z, from the data upwards.
        event_shape: Shape of one x; an int is the size of a vector.
        network: Recipe of the map from h_1 to the logits of x; linear by default.

    Raises:
        ValueError: If there is no layer, or a size is less than 1.
    """

    def __init__(self, sizes: Sequence[int], event_shape: int | Shape, network: NetworkRecipe = LINEAR) -> None:
        super().__init__()
        self.sizes = _check_sizes(sizes)
        self.bottom = BernoulliConditional(self.sizes[0], event_shape, network)
        self.input_shape: Shape = (sum(self.sizes),)
        self.event_shape: Shape = self.bottom.event_shape

    def check_outcome(self, x: Tensor) -> None:
        """Check that x can be an outcome.

        Args:
            x: [*batch, *event_shape].

        Raises:
            ValueError: If the shape does not fit, or a value is not finite or outside [0, 1].
        """
        self.bottom.check_outcome(x)

    def forward(self, z: Tensor) -> Distribution:
        """The distribution of x given z, of which it depends on h_1 only.

        Args:
            z: [*batch, bits].

        Returns:
            p(x | z) with batch_shape [*batch] and the likelihood's event_shape.
        """
        check_shape(z, self.input_shape, "the input", type(self).__name__)
        return self.bottom(z[..., : self.sizes[0]])


def _slices(sizes: Sequence[int]) -> list[slice]:
    """The slice of z of each layer, from the data upwards."""
    return [slice(start, stop) for start, stop in pairwise([0, *accumulate(sizes)])]


def _check_sizes(sizes: Sequence[int]) -> Shape:
    """`sizes` as a tuple. Raises ValueError if there is no layer, or a size is less than 1."""
    try:
        return tuple(as_size(size, "a size") for size in sizes) if len(sizes) else _no_sizes()
    except (TypeError, ValueError):
        raise ValueError(
            f"`sizes` must be the bits of each layer of a sigmoid belief network, from the data upwards, such as (200, 200), with "
            f"one layer or more; {sizes!r} was given."
        ) from None


def _no_sizes() -> Shape:
    raise ValueError("no sizes")

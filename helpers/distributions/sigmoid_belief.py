"""Sigmoid belief networks: layers of bits h_1 ... h_L, h_1 next to the data, each a sigmoid of the layer beside it.

z [*batch, bits] holds the layers side by side, h_1 first, in prior, likelihood and guide alike.

Neal 1992, "Connectionist learning of belief networks"; Mnih, Gregor 2014, "Neural variational inference and learning in belief networks".
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

from torch import Tensor, nn
from torch.distributions import Distribution

from helpers.distributions.checks import check_shape
from helpers.distributions.conditionals import BernoulliConditional
from helpers.distributions.layered import LayeredBits
from helpers.distributions.priors import BernoulliPrior, Prior
from helpers.networks.recipes import FeedForward, NetworkRecipe

Shape = tuple[int, ...]
LINEAR = FeedForward(())  # frozen, so that it may stand as a default


class SigmoidBeliefPrior(Prior):
    """p(z) = p(h_L) prod_l p(h_l | h_{l+1}), the top layer's bits independent with learned logits.

    sizes: bits of each layer, from the data upwards. With one layer it is a trainable `BernoulliPrior`.
    network: recipe of each map from a layer to the logits of the one below; linear by default.
    """

    def __init__(self, sizes: Sequence[int], network: NetworkRecipe = LINEAR) -> None:
        self.__dict__["sizes"] = check_sizes(sizes)
        super().__init__(sum(self.sizes))
        self.top = BernoulliPrior(self.sizes[-1], trainable=True)
        self.layers = nn.ModuleList(
            BernoulliConditional(above, below, network) for below, above in pairwise(self.sizes)
        )

    def forward(self, batch_shape: Shape = ()) -> Distribution:
        top = self.top(batch_shape)
        if not len(self.layers):
            return top
        return LayeredBits(top, list(self.layers)[::-1], places(self.sizes)[::-1])


class SigmoidBeliefGuide(nn.Module):
    """q(z | x) = q(h_1 | x) prod_l q(h_{l+1} | h_l): from the data upwards, as `AmortizedGuide` wants it.

    input_shape: shape of one x. sizes: bits of each layer, from the data upwards.
    network: recipe of each map from x, or from a layer, to the logits of the layer above; linear by default.
    """

    def __init__(self, input_shape: int | Shape, sizes: Sequence[int], network: NetworkRecipe = LINEAR) -> None:
        super().__init__()
        self.sizes = check_sizes(sizes)
        self.layers = nn.ModuleList(
            BernoulliConditional(below, above, network) for below, above in pairwise([input_shape, *self.sizes])
        )
        self.input_shape: Shape = self.layers[0].input_shape
        self.event_shape: Shape = (sum(self.sizes),)

    def forward(self, x: Tensor) -> Distribution:
        """x: [*batch, *input_shape] → distribution over z, batch_shape `batch`."""
        bottom = self.layers[0](x)
        return bottom if len(self.layers) == 1 else LayeredBits(bottom, list(self.layers)[1:], places(self.sizes))


class SigmoidBeliefLikelihood(nn.Module):
    """p(x | z) = p(x | h_1), independent bits given the layer next to the data; of z it reads h_1 alone.

    sizes: bits of each layer of z, from the data upwards. event_shape: shape of one x.
    network: recipe of the map from h_1 to the logits of x; linear by default.
    """

    def __init__(self, sizes: Sequence[int], event_shape: int | Shape, network: NetworkRecipe = LINEAR) -> None:
        super().__init__()
        self.sizes = check_sizes(sizes)
        self.bottom = BernoulliConditional(self.sizes[0], event_shape, network)
        self.input_shape: Shape = (sum(self.sizes),)
        self.event_shape: Shape = self.bottom.event_shape

    def check_outcome(self, x: Tensor) -> None:
        """Raise a ValueError that says what is wrong, unless `x` [*batch, *event_shape] can be an outcome."""
        self.bottom.check_outcome(x)

    def forward(self, z: Tensor) -> Distribution:
        """z: [*batch, bits] → distribution over x, batch_shape `batch`."""
        check_shape(z, self.input_shape, "The input", type(self).__name__)
        return self.bottom(z[..., : self.sizes[0]])


def places(sizes: Sequence[int]) -> list[slice]:
    """Where each layer stands in z, from the data upwards."""
    return [slice(start, stop) for start, stop in pairwise([0, *accumulate(sizes)])]


def check_sizes(sizes: Sequence[int]) -> tuple[int, ...]:
    """`sizes` as a tuple; ValueError where they are no sizes of layers."""
    if isinstance(sizes, int) or not len(sizes) or any(size < 1 for size in sizes):
        raise ValueError(
            f"A sigmoid belief network needs the bits of each layer, one or more layers, from the data upwards, such as (200, 200); "
            f"{sizes!r} was given."
        )
    return tuple(sizes)

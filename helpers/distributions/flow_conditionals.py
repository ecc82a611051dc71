"""q(z | x) as a normalising flow: a Gaussian whose samples pass through invertible layers, with parameters read off x.

Each draws and scores its own samples at the cost of a forward pass. To score any other z, as `StickingTheLanding`,
`ScoreFunction` and a picture of the density need, costs:

    PlanarFlowConditional               no closed form: one scalar root per layer, to machine precision, by bisection
    AffineCouplingConditional           closed form: one pass of each layer's network
    InverseAutoregressiveConditional    no closed form at one go: as many passes of each layer's network as z has numbers
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal

from helpers.distributions.conditionals import Conditional
from helpers.distributions.flow import Flow, FlowLayer
from helpers.distributions.flow_layers import AffineCoupling, InverseAutoregressive, Planar, scale_of
from helpers.networks.autoregressive import AutoregressiveNetwork, with_context
from helpers.networks.recipes import FeedForward, NetworkRecipe

Shape = tuple[int, ...]


class FlowConditional(Conditional):
    """Base class: z = T_L(... T_1(m(given) + s(given) eps)), eps ~ N(0, I). z of any shape is handled as a vector of its numbers.

    The network outputs m and raw s of the Gaussian, then whatever the layers want. Subclasses say how much that is, and make layers
    of it.

    num_layers: L, 1 or more.
    """

    min_size = 1

    def __init__(
        self, input_shape: int | Shape, event_shape: int | Shape, network: NetworkRecipe | nn.Module, num_layers: int
    ) -> None:
        event = (event_shape,) if isinstance(event_shape, int) else tuple(event_shape)
        if num_layers < 1:
            raise ValueError(
                f"A flow needs 1 layer or more, and num_layers={num_layers} was given. Without layers it is a GaussianConditional."
            )
        size = torch.Size(event).numel()
        if size < self.min_size:
            raise ValueError(
                f"{type(self).__name__} needs a z of {self.min_size} numbers or more, and the event shape is {event}. "
                f"{'PlanarFlowConditional or GaussianConditional will do.' if size else 'A z needs sizes of 1 or more.'}"
            )
        self.__dict__.update(num_layers=num_layers, size=size)  # parameter_shape needs them before Module.__init__
        super().__init__(input_shape, event_shape, network)

    @property
    def layer_parameters(self) -> int:
        """How many numbers the network outputs for the layers."""
        raise NotImplementedError

    def make_layers(self, parameters: Tensor) -> list[FlowLayer]:
        """parameters: [*batch, layer_parameters] → the layers, in the order of drawing."""
        raise NotImplementedError

    @property
    def parameter_shape(self) -> Shape:
        return (2 * self.size + self.layer_parameters,)

    def distribution(self, parameters: Tensor) -> Distribution:
        loc, raw_scale, rest = parameters.tensor_split((self.size, 2 * self.size), dim=-1)
        base = Independent(Normal(loc, scale_of(raw_scale), validate_args=False), 1, validate_args=False)
        return Flow(base, self.make_layers(rest), self.event_shape)


class PlanarFlowConditional(FlowConditional):
    """Planar layers z ← z + v tanh(w·z + b). The network outputs everything: m, raw s, and u, w, b of each layer, L (2 D + 1) numbers.

    Rezende, Mohamed 2015, "Variational Inference with Normalizing Flows".
    """

    def __init__(
        self,
        input_shape: int | Shape,
        event_shape: int | Shape,
        network: NetworkRecipe | nn.Module,
        num_layers: int = 8,
    ) -> None:
        super().__init__(input_shape, event_shape, network, num_layers)

    @property
    def layer_parameters(self) -> int:
        return self.num_layers * (2 * self.size + 1)

    def make_layers(self, parameters: Tensor) -> list[FlowLayer]:
        each = parameters.unflatten(-1, (self.num_layers, 2 * self.size + 1)).unbind(-2)
        return [Planar(one[..., : self.size], one[..., self.size : -1], one[..., -1]) for one in each]


class AffineCouplingConditional(FlowConditional):
    """Affine coupling layers, whose halves take turns. The network outputs m, raw s and a context, which all layers' networks read.

    z needs two numbers or more: one has no other half.
    hidden: hidden sizes of each layer's own network, tanh: bounded, so that the tails stay those of the Gaussian.
    Dinh, Sohl-Dickstein, Bengio 2017, "Density estimation using Real NVP".
    """

    min_size = 2

    def __init__(
        self,
        input_shape: int | Shape,
        event_shape: int | Shape,
        network: NetworkRecipe | nn.Module,
        num_layers: int = 4,
        context_size: int = 16,
        hidden: tuple[int, ...] = (64,),
    ) -> None:
        _check_context(context_size)
        self.__dict__["context_size"] = context_size
        super().__init__(input_shape, event_shape, network, num_layers)
        half = self.size // 2
        parts = slice(0, half), slice(half, self.size)
        self.turns = [
            parts[:: 1 if layer % 2 == 0 else -1] for layer in range(num_layers)
        ]  # (kept, moved) of each layer
        self.layer_networks = nn.ModuleList(
            FeedForward(hidden, nn.Tanh).build((kept.stop - kept.start + context_size,), (2, moved.stop - moved.start))
            for kept, moved in self.turns
        )

    @property
    def layer_parameters(self) -> int:
        return self.context_size

    def make_layers(self, parameters: Tensor) -> list[FlowLayer]:
        def affine(network: nn.Module, x: Tensor) -> Tensor:
            return network(with_context(x, parameters))

        return [
            AffineCoupling(partial(affine, network), kept, moved)
            for network, (kept, moved) in zip(self.layer_networks, self.turns, strict=True)
        ]


class InverseAutoregressiveConditional(FlowConditional):
    """Inverse autoregressive layers, whose order turns round at each. The network outputs m, raw s and a context, which all layers read.

    hidden: hidden sizes of each layer's own network, each at least as large as z has numbers.
    Kingma, Salimans, Jozefowicz, Chen, Sutskever, Welling 2016, "Improved Variational Inference with Inverse Autoregressive Flow".
    """

    def __init__(
        self,
        input_shape: int | Shape,
        event_shape: int | Shape,
        network: NetworkRecipe | nn.Module,
        num_layers: int = 2,
        context_size: int = 16,
        hidden: tuple[int, ...] = (64,),
    ) -> None:
        _check_context(context_size)
        self.__dict__["context_size"] = context_size
        super().__init__(input_shape, event_shape, network, num_layers)
        places = list(range(self.size))
        self.layer_networks = nn.ModuleList(
            AutoregressiveNetwork(places[:: 1 if layer % 2 == 0 else -1], context_size, hidden)
            for layer in range(num_layers)
        )

    @property
    def layer_parameters(self) -> int:
        return self.context_size

    def make_layers(self, parameters: Tensor) -> list[FlowLayer]:
        return [
            InverseAutoregressive(partial(network, context=parameters), network.order)
            for network in self.layer_networks
        ]


def _check_context(context_size: int) -> None:
    if context_size < 1:
        raise ValueError(
            f"The layers read x off a context of 1 number or more, and context_size={context_size} was given."
        )

"""q(z | x) as a normalising flow: a Gaussian whose samples pass through invertible layers, with parameters computed from x.

All draw samples, and compute the density of their last draw, at the cost of a forward pass. The density of any other z, which
`StickingTheLanding`, `ScoreFunction` and plots of the density need, costs:

    PlanarFlowConditional               one scalar root per layer, by bisection to machine precision
    AffineCouplingConditional           one pass of each layer's network
    InverseAutoregressiveConditional    as many passes of each layer's network as z has coordinates
"""

from __future__ import annotations

import math
from functools import partial

from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal

from helpers.distributions.flow import Flow, FlowLayer
from helpers.distributions.flow_layers import AffineCoupling, InverseAutoregressive, Planar, scale_of
from helpers.distributions.network_conditional import NetworkConditional
from helpers.networks.autoregressive import AutoregressiveNetwork, with_context
from helpers.networks.recipes import FeedForward, NetworkRecipe, Shape, as_shape


class FlowConditional(NetworkConditional):
    """Base class: z = T_L(... T_1(m(given) + s(given) eps)), eps ~ N(0, I). A z of any shape is flattened to a vector of size D.

    The network outputs a vector: m and raw s of the Gaussian, then the parameters of the layers. Subclasses override `make_layers`.

    Args:
        input_shape: Shape of one conditioning value; an int is the size of a vector.
        event_shape: Shape of one z; an int is the size of a vector.
        network: A recipe, or a module [*batch, *input_shape] → [*batch, 2 D + layer_parameters].
        num_layers: L, 1 or more.
        layer_parameters: Number of network outputs for all layers together.

    Raises:
        ValueError: If there is no layer, or z has fewer coordinates than the layers need.
    """

    min_size = 1  # fewest coordinates of z

    def __init__(
        self,
        input_shape: int | Shape,
        event_shape: int | Shape,
        network: NetworkRecipe | nn.Module,
        num_layers: int,
        layer_parameters: int,
    ) -> None:
        event = as_shape(event_shape)
        if num_layers < 1:
            raise ValueError(
                f"A flow needs 1 layer or more, and num_layers={num_layers} was given. Without layers it is a GaussianConditional."
            )
        size = math.prod(event)
        if size < self.min_size:
            raise ValueError(
                f"{type(self).__name__} needs a z of {self.min_size} coordinates or more, and the event shape is {event}. "
                f"{'Use PlanarFlowConditional or GaussianConditional.' if size else 'A z needs sizes of 1 or more.'}"
            )
        super().__init__(input_shape, event_shape, network, (2 * size + layer_parameters,))
        self.num_layers = num_layers
        self.size = size

    def make_layers(self, parameters: Tensor) -> list[FlowLayer]:
        """The layers with given parameters.

        Args:
            parameters: [*batch, layer_parameters].

        Returns:
            T_1, ..., T_L.

        Raises:
            NotImplementedError: Unless a subclass overrides this method.
        """
        raise NotImplementedError

    def distribution(self, parameters: Tensor) -> Distribution:
        loc, raw_scale, rest = parameters.tensor_split((self.size, 2 * self.size), dim=-1)
        base = Independent(Normal(loc, scale_of(raw_scale), validate_args=False), 1, validate_args=False)
        return Flow(base, self.make_layers(rest), self.event_shape)


class PlanarFlowConditional(FlowConditional):
    """Planar layers z ← z + v tanh(w·z + b). The network outputs m and raw s, then u, w and b of each layer.

    Rezende, Mohamed 2015, "Variational Inference with Normalizing Flows".

    Args:
        input_shape: Shape of one conditioning value; an int is the size of a vector.
        event_shape: Shape of one z; an int is the size of a vector.
        network: A recipe, or a module [*batch, *input_shape] → [*batch, 2 D + L (2 D + 1)].
        num_layers: L, 1 or more.
    """

    def __init__(
        self,
        input_shape: int | Shape,
        event_shape: int | Shape,
        network: NetworkRecipe | nn.Module,
        num_layers: int = 8,
    ) -> None:
        layer_parameters = num_layers * (2 * math.prod(as_shape(event_shape)) + 1)
        super().__init__(input_shape, event_shape, network, num_layers, layer_parameters)

    def make_layers(self, parameters: Tensor) -> list[FlowLayer]:
        each = parameters.unflatten(-1, (self.num_layers, 2 * self.size + 1)).unbind(-2)
        return [Planar(one[..., : self.size], one[..., self.size : -1], one[..., -1]) for one in each]


class AffineCouplingConditional(FlowConditional):
    """Affine coupling layers that transform one half of z and the other half in turn.

    The network outputs m, raw s and a context. Each layer has a network of its own, which reads the context and the half that stays. Its
    hidden units are tanh: bounded, so that the flow keeps the tails of the Gaussian.

    Dinh, Sohl-Dickstein, Bengio 2017, "Density estimation using Real NVP".

    Args:
        input_shape: Shape of one conditioning value; an int is the size of a vector.
        event_shape: Shape of one z, with two coordinates or more; an int is the size of a vector.
        network: A recipe, or a module [*batch, *input_shape] → [*batch, 2 D + context_size].
        num_layers: L, 1 or more.
        context_size: Size of the context, 1 or more.
        hidden: Hidden sizes of each layer's network.

    Raises:
        ValueError: If z has one coordinate only, or the context or the number of layers is less than 1.
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
        super().__init__(input_shape, event_shape, network, num_layers, context_size)
        half = self.size // 2
        halves = slice(0, half), slice(half, self.size)
        # (kept, moved) of each layer
        self.partitions = [halves if layer % 2 == 0 else halves[::-1] for layer in range(num_layers)]
        self.layer_networks = nn.ModuleList(
            FeedForward(hidden, nn.Tanh).build((kept.stop - kept.start + context_size,), (2, moved.stop - moved.start))
            for kept, moved in self.partitions
        )

    def make_layers(self, parameters: Tensor) -> list[FlowLayer]:
        def affine(network: nn.Module, x: Tensor) -> Tensor:
            return network(with_context(x, parameters))

        return [
            AffineCoupling(partial(affine, network), kept, moved)
            for network, (kept, moved) in zip(self.layer_networks, self.partitions, strict=True)
        ]


class InverseAutoregressiveConditional(FlowConditional):
    """Inverse autoregressive layers, the order of the coordinates reversed from each layer to the next.

    The network outputs m, raw s and a context. Each layer has an `AutoregressiveNetwork` of its own, which reads the context and z.

    Kingma, Salimans, Jozefowicz, Chen, Sutskever, Welling 2016, "Improved Variational Inference with Inverse Autoregressive Flow".

    Args:
        input_shape: Shape of one conditioning value; an int is the size of a vector.
        event_shape: Shape of one z; an int is the size of a vector.
        network: A recipe, or a module [*batch, *input_shape] → [*batch, 2 D + context_size].
        num_layers: L, 1 or more.
        context_size: Size of the context, 1 or more.
        hidden: Hidden sizes of each layer's network, each at least D.

    Raises:
        ValueError: If the context or the number of layers is less than 1, or a hidden size is less than D.
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
        super().__init__(input_shape, event_shape, network, num_layers, context_size)
        order = list(range(self.size))
        self.layer_networks = nn.ModuleList(
            AutoregressiveNetwork(order if layer % 2 == 0 else order[::-1], context_size, hidden)
            for layer in range(num_layers)
        )

    def make_layers(self, parameters: Tensor) -> list[FlowLayer]:
        return [
            InverseAutoregressive(partial(network, context=parameters), network.get_buffer("order"))
            for network in self.layer_networks
        ]


def _check_context(context_size: int) -> None:
    if context_size < 1:
        raise ValueError(f"The layers need a context of size 1 or more, and context_size={context_size} was given.")

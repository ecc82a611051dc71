"""What a conditional p(x | z) or q(z | x) is, and the base class of those whose parameters a network computes."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from helpers.distributions.checks import check_finite, check_shape
from helpers.networks.recipes import NetworkRecipe, Shape, as_shape


@runtime_checkable
class Conditional(Protocol):
    """A map from a tensor to a `torch.distributions.Distribution`: a likelihood p(x | z), or a guide q(z | x).

    One contract for all: called with a tensor [*batch, *input_shape], it returns a distribution with `batch_shape == batch` and
    `event_shape == event_shape`, for any number of leading batch dimensions. A conditional with parameters is an `nn.Module`.
    """

    @property
    def input_shape(self) -> Shape:
        """Shape of one conditioning value."""
        ...

    @property
    def event_shape(self) -> Shape:
        """Shape of one outcome."""
        ...

    def __call__(self, given: Tensor, /) -> Distribution:
        """The distribution of the outcome.

        Args:
            given: Conditioning values, [*batch, *input_shape].

        Returns:
            A distribution with this batch shape and the conditional's event shape.
        """
        ...

    def check_outcome(self, x: Tensor, /) -> None:
        """Check that x can be an outcome.

        Args:
            x: [*batch, *event_shape].

        Raises:
            ValueError: If it cannot. The message says what is wrong.
        """
        ...


class NetworkConditional(nn.Module):
    """Base class of conditionals whose parameters a network computes. Subclasses override `distribution`.

    Args:
        input_shape: Shape of one conditioning value; an int is the size of a vector.
        event_shape: Shape of one outcome; an int is the size of a vector.
        network: A recipe of `helpers.networks`, or a module [*batch, *input_shape] → [*batch, *parameter_shape].
        parameter_shape: Shape of the distribution's parameters for one conditioning value; None: `event_shape`.
    """

    def __init__(
        self,
        input_shape: int | Shape,
        event_shape: int | Shape,
        network: NetworkRecipe | nn.Module,
        parameter_shape: Shape | None = None,
    ) -> None:
        super().__init__()
        self.input_shape = as_shape(input_shape)
        self.event_shape = as_shape(event_shape)
        self.parameter_shape = self.event_shape if parameter_shape is None else parameter_shape
        if isinstance(network, nn.Module):
            self.network = network
        else:
            self.network = network.build(self.input_shape, self.parameter_shape)

    def distribution(self, parameters: Tensor) -> Distribution:
        """The distribution with given parameters.

        Args:
            parameters: [*batch, *parameter_shape].

        Returns:
            A distribution with batch_shape [*batch] and the conditional's event_shape.

        Raises:
            NotImplementedError: Unless a subclass overrides this method.
        """
        raise NotImplementedError

    def check_outcome(self, x: Tensor) -> None:
        """Check that x can be an outcome.

        Args:
            x: [*batch, *event_shape].

        Raises:
            ValueError: If the shape or the dtype does not fit, or a value is impossible: NaN and infinity always are.
        """
        check_shape(x, self.event_shape, "an outcome", type(self).__name__)
        check_finite(x, "outcomes")

    def forward(self, given: Tensor) -> Distribution:
        """The distribution of the outcome.

        Args:
            given: Conditioning values, [*batch, *input_shape].

        Returns:
            A distribution with batch_shape [*batch] and the conditional's event_shape.

        Raises:
            ValueError: If the input or the network's output has the wrong shape, or the input is float64 and the network is not.
        """
        batch_shape = check_shape(given, self.input_shape, "the input", type(self).__name__)
        if given.dtype == torch.float64 and (weight := next(self.network.parameters(), given)).dtype != torch.float64:
            raise ValueError(
                f"The input of {type(self).__name__} has dtype torch.float64, and its network {weight.dtype}. Usual cause: data "
                "that came from NumPy; `images.float()` converts them, or `model.double()` the network."
            )
        parameters = self.network(given)
        if parameters.shape != (*batch_shape, *self.parameter_shape):
            raise ValueError(
                f"The network of {type(self).__name__} returned the shape {tuple(parameters.shape)} where "
                f"{(*batch_shape, *self.parameter_shape)} was expected: the batch shape, then {self.parameter_shape}."
            )
        return self.distribution(parameters)

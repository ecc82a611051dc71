"""What a conditional p(x | z) or q(z | x) is, and the base class of those whose parameters a network computes."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from helpers.distributions.checks import check_finite, check_shape
from helpers.networks.recipes import NetworkRecipe, Shape, as_shape, built


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


def check_conditional(given: object, caller: str, role: str) -> None:
    """Check that an argument is a conditional.

    Args:
        given: The argument.
        caller: Name of the class that was given it, for the message.
        role: What it is for, such as "likelihood p(x | z)".

    Raises:
        ValueError: If it is not.
    """
    if isinstance(given, Conditional) and not isinstance(given, type):
        return
    name = f"the class {given.__name__}" if isinstance(given, type) else f"a {type(given).__name__}"
    cause = ""
    if isinstance(given, type):
        cause = " Write it with its arguments: input shape, event shape, network."
    elif isinstance(given, Distribution):
        cause = " A conditional makes a distribution of its input; a distribution depends on nothing."
    elif isinstance(given, nn.Module | NetworkRecipe):
        cause = " A network becomes one by BernoulliConditional(input shape, event shape, network)."
    raise ValueError(
        f"{caller} was given {name} as its {role}; expected a conditional such as BernoulliConditional.{cause}"
    )


class NetworkConditional(nn.Module):
    """Base class of conditionals whose parameters a network computes. Subclasses override `distribution`.

    Args:
        input_shape: Shape of one conditioning value; an int is the size of a vector.
        event_shape: Shape of one outcome; an int is the size of a vector.
        network: A recipe of `helpers.networks`, or a module [*batch, *input_shape] → [*batch, *parameter_shape].
        parameter_shape: Shape of the distribution's parameters for one conditioning value; None: `event_shape`.

    Raises:
        ValueError: If a shape has a size below 1, or `network` is neither a recipe nor a module.
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
        for shape, what in ((self.input_shape, "input"), (self.event_shape, "outcome")):
            if 0 in shape:
                raise ValueError(f"The {what} of {type(self).__name__} has shape {shape}; expected sizes of 1 or more.")
        self.network = built(network, self.input_shape, self.parameter_shape, type(self).__name__)

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
            ValueError: If the input or the network's output has the wrong shape, or the input has another dtype than the network.
        """
        batch_shape = check_shape(given, self.input_shape, "the input", type(self).__name__)
        mixed = torch.is_autocast_enabled(given.device.type)  # layers then convert their inputs themselves
        weight = next(self.network.parameters(), given)
        if given.dtype != weight.dtype and not (mixed and given.dtype != torch.float64):
            cause = (
                "Usual cause: data that came from NumPy; `images.float()` converts them, or `model.double()` the network."
                if given.dtype == torch.float64
                else f"Convert one of both, such as `images.to({weight.dtype})`."
            )
            raise ValueError(
                f"Got an input of dtype {given.dtype}; expected {weight.dtype}, the dtype of the network of {type(self).__name__}. {cause}"
            )
        parameters = self.network(given)
        if not isinstance(parameters, Tensor):
            raise ValueError(
                f"The network of {type(self).__name__} returned a {type(parameters).__name__}; expected one tensor of the shape "
                f"{(*batch_shape, *self.parameter_shape)}. Stack the parts, such as mean and raw scale, along a dimension."
            )
        if parameters.shape != (*batch_shape, *self.parameter_shape):
            raise ValueError(
                f"The network of {type(self).__name__} returned the shape {tuple(parameters.shape)} where "
                f"{(*batch_shape, *self.parameter_shape)} was expected: the batch shape, then {self.parameter_shape}."
            )
        # log-densities add up hundreds of terms: too many for the three digits of bfloat16
        return self.distribution(parameters.float() if mixed else parameters)

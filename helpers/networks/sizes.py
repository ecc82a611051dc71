"""Numbers given as arguments: sizes of layers and shapes, numbers of samples, weights; and the other settings of layers."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from numbers import Real

from torch import Tensor, nn


def as_size(value: object, name: str, minimum: int = 1) -> int:
    """A whole number as an `int`. NumPy's integers are accepted; bools, floats and tensors are not.

    Args:
        value: The argument.
        name: Its name, for the message.
        minimum: Smallest value that is accepted.

    Returns:
        The value as an `int`.

    Raises:
        ValueError: If it is not a whole number of at least `minimum`.
    """
    if type(value) is int and value >= minimum:  # the common case first: this runs in every step
        return value
    try:
        if isinstance(value, bool | Tensor):
            raise TypeError
        number = operator.index(value)  # type: ignore[arg-type]  # refuses what is no integer
    except TypeError:
        cause = " A tensor of one element becomes a number with .item()." if isinstance(value, Tensor) else ""
        if isinstance(value, float) and value == int(value if abs(value) < 2**53 else 0):
            cause = f" Usual cause: a division; write {int(value)} or use //."
        given = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else repr(value)
        raise ValueError(f"{name} must be an integer of {minimum} or more; {given} was given.{cause}") from None
    if number < minimum:
        raise ValueError(f"{name} must be an integer of {minimum} or more; {number} was given.")
    return number


def is_number(value: object) -> bool:
    """Whether an argument is a finite real number: Python's or NumPy's, no bool, and no tensor.

    Args:
        value: The argument.

    Returns:
        True if it is.
    """
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def as_weight(value: object, name: str, meaning: str) -> float:
    """A weight as a `float`.

    Args:
        value: The argument.
        name: Its name, for the message.
        meaning: What a negative weight would do, for the message.

    Returns:
        The value, 0 or more.

    Raises:
        ValueError: If it is not a finite real number of 0 or more.
    """
    if isinstance(value, Tensor):
        raise ValueError(
            f"{name} is a tensor of shape {tuple(value.shape)}; expected a number, 0 or more. A tensor of one element becomes a number "
            "with .item()."
        )
    if not is_number(value):
        raise ValueError(f"{name}={value!r} was given; expected a finite number, 0 or more.")
    weight = float(value)  # type: ignore[arg-type]  # a number, as just checked
    if weight < 0:
        raise ValueError(f"{name}={value} {meaning}; 0 or more was expected.")
    return weight


def layer_sizes(sizes: Sequence[int], caller: str, name: str) -> tuple[int, ...]:
    """The sizes of layers as a tuple of ints.

    Args:
        sizes: The argument.
        caller: Name of the class that was given it, for the message.
        name: Its name, for the message.

    Returns:
        The sizes, each 1 or more.

    Raises:
        ValueError: If it is not a tuple or a list of integers of 1 or more.
    """
    if not isinstance(sizes, tuple | list):
        raise ValueError(
            f"{caller} was given {name}={sizes!r}; expected a tuple with one size for each layer, such as ({sizes!r},) or ()."
        )
    return tuple(as_size(size, f"a size in {name}={tuple(sizes)!r} of {caller}") for size in sizes)


def check_layers(activation: object, dropout: float, caller: str) -> None:
    """Check activation and dropout of a recipe.

    Args:
        activation: Should be a class of modules, or a function that makes one.
        dropout: Should be a probability below 1.
        caller: Name of the recipe, for the message.

    Raises:
        ValueError: If one of them is something else.
    """
    if isinstance(activation, nn.Module) or not callable(activation):
        given = f"an instance, {type(activation).__name__}()" if isinstance(activation, nn.Module) else repr(activation)
        raise ValueError(
            f"{caller} was given {given}, as its activation; expected a class such as nn.ReLU, of which each layer gets an instance."
        )
    if not is_number(dropout) or not 0 <= dropout < 1:
        raise ValueError(f"{caller} was given dropout={dropout!r}; expected a probability, 0 or more and below 1.")

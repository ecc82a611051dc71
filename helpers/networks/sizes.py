"""Numbers given as arguments: sizes of layers and shapes, numbers of samples, weights."""

from __future__ import annotations

import math
import operator
from numbers import Real

from torch import Tensor


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

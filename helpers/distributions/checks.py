"""Checks of the inputs and outcomes of conditionals, with error messages that name the usual cause."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from helpers.data.checks import MISSING_VALUES, range_cause, value_range
from helpers.networks.recipes import Shape
from helpers.networks.sizes import as_size


def check_shape(x: Tensor, event_shape: Shape, what: str, caller: str) -> torch.Size:
    """Check that a tensor is floating point and ends in `event_shape`.

    Args:
        x: Tensor to check, [*batch, *event_shape].
        event_shape: Shape of one item.
        what: What x is, for the message, such as "the input".
        caller: Name of the class or function that was given x, for the message.

    Returns:
        The batch shape of x.

    Raises:
        ValueError: If x is no tensor, not floating point, or of another shape.
    """
    if not isinstance(x, Tensor):
        raise ValueError(
            f"Got {what} of {caller} as a {type(x).__name__}; expected a tensor. torch.as_tensor makes one of an array."
        )
    if not x.is_floating_point():
        raise ValueError(
            f"Got {what} of {caller} with dtype {x.dtype}; expected floating point. Images stored as integers 0..255 become "
            "floats by `images.float() / 255`."
        )
    split = x.dim() - len(event_shape)
    if split < 0 or x.shape[split:] != tuple(event_shape):
        raise ValueError(
            f"Got {what} of {caller} with shape {tuple(x.shape)}; expected [*batch, {', '.join(map(str, event_shape))}]."
            f"{_usual_cause(tuple(x.shape), tuple(event_shape))}"
        )
    return x.shape[:split]


def as_num_components(num_components: object) -> int:
    """The number of components of a mixture as an `int`.

    Args:
        num_components: The argument.

    Returns:
        The number.

    Raises:
        ValueError: If it is not an integer of 1 or more.
    """
    if isinstance(num_components, int) and num_components < 1:
        raise ValueError(f"A mixture needs 1 component or more, and num_components={num_components} was given.")
    return as_size(num_components, "num_components")


def check_finite(x: Tensor, what: str) -> None:
    """Check that a tensor has elements and that all are finite.

    Args:
        x: Tensor of any shape.
        what: What the elements are, in the plural, for the message, such as "outcomes".

    Raises:
        ValueError: If x is empty, or has an element that is NaN or infinite.
    """
    _check_values(x, what)


def check_unit_interval(x: Tensor, what: str) -> None:
    """Check that a tensor has elements and that all are between 0 and 1.

    Args:
        x: Tensor of any shape.
        what: What the elements are, in the plural, for the message, such as "outcomes".

    Raises:
        ValueError: If x is empty, or has an element that is not finite or outside [0, 1].
    """
    low, high = _check_values(x, what)
    if low < 0 or high > 1:
        raise ValueError(f"Got {what} from {low:g} to {high:g}; expected values in [0, 1]. {range_cause(low, high)}")


def _check_values(x: Tensor, what: str) -> tuple[float, float]:
    """The least and the greatest element; ValueError if there is none, or one is not finite."""
    if x.numel() == 0:
        raise ValueError(f"Got no {what}, a tensor of shape {tuple(x.shape)}; expected one item or more.")
    low, high = value_range(x.detach())
    if not (math.isfinite(low) and math.isfinite(high)):
        bad = int((~torch.isfinite(x)).sum())
        raise ValueError(
            f"Got {what} with {bad} value(s) that are NaN or infinite; expected finite values. {MISSING_VALUES}"
        )
    return low, high


def _usual_cause(given: Shape, expected: Shape) -> str:
    if len(expected) == 3 and given[-2:] == expected[-2:] and len(given) >= 3:
        if given[-3] != expected[0] and len(given) == 3 and expected[0] == 1:
            return " The channel dimension is missing: add it with `images.unsqueeze(-3)`."
        return f" The number of channels is {given[-3]}, and {expected[0]} was expected."
    if len(expected) == 3 and given[-1:] == (torch.Size(expected).numel(),):
        return f" The images are flattened: restore their shape with `images.unflatten(-1, {expected})`."
    if len(expected) == 3 and given[-3:] == (*expected[1:], expected[0]):
        return " The channels are last: move them with `images.movedim(-1, -3)`."
    return ""

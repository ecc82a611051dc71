"""Checks of the inputs and outcomes of conditionals, with error messages that name the usual cause."""

from __future__ import annotations

import torch
from torch import Tensor

from helpers.networks.recipes import Shape


def check_shape(x: Tensor, event_shape: Shape, what: str, caller: str) -> torch.Size:
    """Check that a tensor is floating point and ends in `event_shape`.

    Args:
        x: Tensor to check, [*batch, *event_shape].
        event_shape: Shape of one item.
        what: What x is, for the message, such as "The input".
        caller: Name of the class or function that was given x, for the message.

    Returns:
        The batch shape of x.

    Raises:
        ValueError: If x is no tensor, not floating point, or of another shape.
    """
    if not isinstance(x, Tensor):
        raise ValueError(f"{what} of {caller} must be a tensor, and a {type(x).__name__} was given.")
    if not x.is_floating_point():
        raise ValueError(
            f"{what} of {caller} has dtype {x.dtype}, and floating point was expected. Images stored as integers 0..255 become "
            "floats by `images.float() / 255`."
        )
    split = x.dim() - len(event_shape)
    if split < 0 or x.shape[split:] != tuple(event_shape):
        raise ValueError(
            f"{what} of {caller} has shape {tuple(x.shape)}, and [*batch, {', '.join(map(str, event_shape))}] was expected"
            f"{_usual_cause(tuple(x.shape), tuple(event_shape))}"
        )
    return x.shape[:split]


def check_finite(x: Tensor, what: str) -> None:
    """Check that a tensor has elements and that all are finite.

    Args:
        x: Tensor of any shape.
        what: What the elements are, in the plural, for the message, such as "The outcomes".

    Raises:
        ValueError: If x is empty, or has an element that is NaN or infinite.
    """
    if x.numel() == 0:
        raise ValueError(f"{what} are empty, shape {tuple(x.shape)}: a batch needs one item or more.")
    low, high = torch.aminmax(x.detach())  # one pass; both are NaN if any element is
    if not bool(torch.isfinite(low) & torch.isfinite(high)):
        bad = int((~torch.isfinite(x)).sum())
        raise ValueError(f"{what} hold {bad} value(s) that are NaN or infinite. Look at the data before this step.")


def check_unit_interval(x: Tensor, what: str) -> None:
    """Check that a tensor has elements and that all are between 0 and 1.

    Args:
        x: Tensor of any shape.
        what: What the elements are, in the plural, for the message, such as "The outcomes".

    Raises:
        ValueError: If x is empty, or has an element that is not finite or outside [0, 1].
    """
    if x.numel() == 0:
        raise ValueError(f"{what} are empty, shape {tuple(x.shape)}: a batch needs one item or more.")
    low, high = (bound.item() for bound in torch.aminmax(x.detach()))
    if not (low >= 0 and high <= 1):  # false for NaN too
        check_finite(x, what)
        cause = " Greys 0..255 become 0..1 by dividing by 255." if high > 1 and low >= 0 else ""
        raise ValueError(f"{what} run from {low:g} to {high:g}, and values in [0, 1] were expected.{cause}")


def _usual_cause(given: Shape, expected: Shape) -> str:
    if len(expected) == 3 and given[-2:] == expected[-2:] and len(given) >= 3:
        if given[-3] != expected[0] and len(given) == 3 and expected[0] == 1:
            return ": the channel dimension is missing; add it with `images.unsqueeze(-3)`."
        return f": the number of channels is {given[-3]} where {expected[0]} was expected."
    if len(expected) == 3 and given[-1:] == (torch.Size(expected).numel(),):
        return f": the images are flattened; restore their shape with `images.unflatten(-1, {expected})`."
    if len(expected) == 3 and given[-3:] == (*expected[1:], expected[0]):
        return ": the channels are last; move them with `images.movedim(-1, -3)`."
    return "."

"""What is checked at the door of a conditional, and the sentences that say what was wrong."""

from __future__ import annotations

import torch
from torch import Tensor

Shape = tuple[int, ...]


def check_shape(x: Tensor, event_shape: Shape, what: str, caller: str) -> torch.Size:
    """Return the batch shape of `x` [*batch, *event_shape]; ValueError where shape or dtype do not fit."""
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
    """ValueError where `x` is empty or holds NaN or infinity."""
    if x.numel() == 0:
        raise ValueError(f"{what} are empty, shape {tuple(x.shape)}: a batch needs one item or more.")
    low, high = torch.aminmax(x.detach())  # one pass; NaN wins both
    if not bool(torch.isfinite(low) & torch.isfinite(high)):
        bad = int((~torch.isfinite(x)).sum())
        raise ValueError(f"{what} hold {bad} value(s) that are NaN or infinite. Look at the data before this step.")


def check_unit_interval(x: Tensor, what: str) -> None:
    """ValueError where `x` is empty, not finite, or outside [0, 1]."""
    if x.numel() == 0:
        raise ValueError(f"{what} are empty, shape {tuple(x.shape)}: a batch needs one item or more.")
    low, high = (bound.item() for bound in torch.aminmax(x.detach()))
    if not (low >= 0 and high <= 1):  # a NaN fails both
        check_finite(x, what)
        cause = " Greys 0..255 become 0..1 by dividing by 255." if high > 1 and low >= 0 else ""
        raise ValueError(f"{what} run from {low:g} to {high:g}, and values in [0, 1] were expected.{cause}")


def _usual_cause(given: Shape, expected: Shape) -> str:
    if len(expected) == 3 and given[-2:] == expected[-2:] and len(given) >= 3:
        if given[-3] != expected[0] and len(given) == 3 and expected[0] == 1:
            return ": the channel dimension is missing; add it with `images.unsqueeze(-3)`."
        return f": the number of channels is {given[-3]} where {expected[0]} was expected."
    if len(expected) == 3 and given[-1:] == (torch.Size(expected).numel(),):
        return f": the images are flattened; give them back their shape with `images.unflatten(-1, {expected})`."
    if len(expected) == 3 and given[-3:] == (*expected[1:], expected[0]):
        return ": the channels stand last; move them with `images.movedim(-1, -3)`."
    return "."

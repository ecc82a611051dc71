"""The check at the door of everything that takes images, and the words that such checks share."""

from __future__ import annotations

import math

import torch


def check_images(images: torch.Tensor, name: str = "images") -> None:
    """Raise ValueError unless `images` is float32 [N, C, H, W], channels first, finite, in [0, 1], and N is 1 or more.

    C is 1 (grey), 3 (colour) or 4 (colour and transparency). The message says what was given, what was expected, and
    the usual cause.
    """
    given = describe(images, name)
    expected = "expected float32 [N, C, H, W] with values in [0, 1]"
    if images.dim() == 3:
        raise ValueError(f"Got {given}; {expected}. The channel is missing: images.unsqueeze(1) adds it.")
    if images.dim() != 4:
        raise ValueError(f"Got {given}; {expected}. Flattened images come back with images.view(-1, C, H, W).")
    if images.numel() == 0:
        raise ValueError(f"Got {given}, which holds no pixel; {expected}. Usually a selection that matched nothing.")
    if images.shape[1] not in (1, 3, 4):
        cause = "Usually the channels come last: images.permute(0, 3, 1, 2) puts them first."
        raise ValueError(f"Got {given}; {expected}, where C is 1, 3 or 4. {cause}")
    if images.dtype != torch.float32:
        raise ValueError(f"Got {given}; {expected}. {_FLOATS if images.is_floating_point() else GREYS}")
    low, high = (value.item() for value in images.aminmax())  # both NaN where any pixel is
    if not (low >= 0 and high <= 1):
        raise ValueError(f"Got {given} with values from {low:g} to {high:g}; {expected}. {range_cause(low, high)}")


def describe(tensor: torch.Tensor, name: str = "a tensor") -> str:
    """The shape and dtype of `tensor`, for a message."""
    return f"{name} of shape {list(tensor.shape)} and dtype {str(tensor.dtype).removeprefix('torch.')}"


GREYS = "Usually these are grey levels from 0 to 255: divide by 255 and convert to float32."
_FLOATS = "images.float() converts."


def range_cause(low: float, high: float) -> str:
    """The usual cause of pixels from `low` to `high` that are not all in [0, 1]."""
    if math.isnan(low):
        return "NaN pixels usually come from a division by zero in the preprocessing, or from missing values."
    if low >= 0 and high <= 255:
        return GREYS
    return "Usually the images were standardised, or are infinite somewhere: leave them in [0, 1]."

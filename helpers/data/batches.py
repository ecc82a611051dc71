"""Shuffled batches of tensors that lie in memory, and the two ways to binarise them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from numbers import Real

import torch

from helpers.data.checks import (
    CHANNELS_LAST,
    GREYS,
    NOTHING_MATCHED,
    between,
    check_finite,
    check_function,
    check_integer,
    check_is_tensor,
    describe,
    range_cause,
    value_range,
)


class Batches:
    """One epoch of batches at each iteration: `for x in Batches(images, batch_size=256)`.

    `len()` is the number of batches, `num_items` is N.

    Args:
        *tensors: Tensors [N, ...], all on one device. One gives batches [B, ...], several give tuples of such batches.
        batch_size: Items of a batch, B. The last batch is smaller if B does not divide N.
        shuffle: Whether each epoch has a new permutation, from torch's global generator on the CPU, so that one seed gives one
            order on every device. Otherwise batches are views of the tensors, in order.
        transform: Function applied to the batch of the first tensor, such as `binarise_dynamically`. None: no transform.
        drop_last: Whether to leave out a smaller last batch.

    Raises:
        ValueError: If there is nothing to iterate over, if tensors differ in length or device, if the batch size is below 1, if
            values are NaN or infinite, if images are integers or grey levels up to 255, or if images have channels last.
    """

    def __init__(
        self,
        *tensors: torch.Tensor,
        batch_size: int,
        shuffle: bool = True,
        transform: Callable[[torch.Tensor], torch.Tensor] | None = None,
        drop_last: bool = False,
    ) -> None:
        _check_tensors(tensors)
        batch_size = check_integer(batch_size, "batch_size", "the items of a batch")
        check_function(transform, "transform", "the batch of the first tensor", "binarise_dynamically")
        self.tensors = tensors
        self.num_items = tensors[0].shape[0]
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.transform = transform
        self.drop_last = drop_last
        if len(self) == 0:
            raise ValueError(
                f"Got {self.num_items} items in batches of {batch_size} with drop_last=True; expected at least one full batch. "
                "Usually batch_size is too large for a small data set: lower it, or keep the smaller last batch."
            )

    def __len__(self) -> int:
        full, rest = divmod(self.num_items, self.batch_size)
        return full + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[torch.Tensor | tuple[torch.Tensor, ...]]:
        order = torch.randperm(self.num_items).to(self.tensors[0].device) if self.shuffle else None
        for start in range(0, len(self) * self.batch_size, self.batch_size):
            stop = min(start + self.batch_size, self.num_items)
            if order is None:
                batch = [tensor[start:stop] for tensor in self.tensors]
            else:  # copies whole rows, several times faster than tensor[indices]
                batch = [tensor.index_select(0, order[start:stop]) for tensor in self.tensors]
            if self.transform is not None:
                batch[0] = self.transform(batch[0])
            yield batch[0] if len(batch) == 1 else tuple(batch)


def binarise_dynamically(images: torch.Tensor) -> torch.Tensor:
    """Draw each pixel, x ~ Bernoulli(grey level), anew at each call.

    Args:
        images: Grey levels in [0, 1], floats of any shape.

    Returns:
        Zeros and ones, of the same shape and dtype.

    Raises:
        ValueError: If the grey levels are integers, outside [0, 1], or none at all.
    """
    _check_grey_levels(images)
    return torch.rand_like(images).lt_(images)  # in place: no detour through a tensor of booleans


def binarise_by_threshold(images: torch.Tensor, threshold: float = 0.5) -> torch.Tensor:
    """Set pixels to 1 if their grey level is above a threshold, else to 0.

    Args:
        images: Grey levels in [0, 1], floats of any shape.
        threshold: Grey level; a pixel of exactly this level becomes 0.

    Returns:
        Zeros and ones, of the same shape and dtype.

    Raises:
        ValueError: If the grey levels are integers, outside [0, 1], or none at all, or if the threshold is outside [0, 1].
    """
    _check_grey_levels(images)
    if isinstance(threshold, bool) or not isinstance(threshold, Real) or not 0 <= threshold <= 1:
        raise ValueError(
            f"Got threshold={threshold!r}; expected a grey level from 0 to 1. Usually one of 255: divide it by 255."
        )
    return (images > threshold).to(images.dtype)


def _check_grey_levels(images: torch.Tensor) -> None:
    check_is_tensor(images, "images", "a tensor of grey levels in [0, 1]")
    if not images.is_floating_point():
        raise ValueError(f"Got {describe(images)} to binarise; expected floats in [0, 1]. {GREYS}")
    if images.numel() == 0:
        raise ValueError(f"Got {describe(images)} to binarise; expected at least one image. {NOTHING_MATCHED}")
    low, high = value_range(images)
    if not (low >= 0 and high <= 1):
        given = f"{describe(images)} with {between(low, high)}"
        raise ValueError(f"Got {given} to binarise; expected [0, 1]. {range_cause(low, high)}")


def _check_tensors(tensors: tuple[torch.Tensor, ...]) -> None:
    for tensor in tensors:
        if not isinstance(tensor, torch.Tensor):
            cause = "Usually a data set: give the tensors inside, such as data.train.images."
            raise ValueError(f"Got a {type(tensor).__name__} to make batches of; expected tensors [N, ...]. {cause}")
    if not tensors or any(tensor.dim() == 0 or tensor.numel() == 0 for tensor in tensors):
        given = ", ".join(map(describe, tensors)) or "no tensor"
        expected = "expected tensors [N, ...] with N of 1 or more"
        raise ValueError(f"Got {given} to make batches of; {expected}. {NOTHING_MATCHED}")
    if len({(tensor.shape[0], tensor.device) for tensor in tensors}) > 1:
        given = ", ".join(f"{describe(tensor)} on {tensor.device}" for tensor in tensors)
        cause = "Usually the labels of another split, or images moved to the GPU without their labels."
        raise ValueError(f"Got {given}; expected tensors of one length on one device. {cause}")
    for tensor in tensors:
        _check_values(tensor)
    _check_channels(tensors[0])


def _check_values(tensor: torch.Tensor) -> None:
    """Refuse values that are not finite, and images as they are stored on disk, in 0, ..., 255. Other data passes."""
    if not tensor.is_floating_point():
        if (tensor.dtype == torch.uint8 and tensor.dim() >= 2) or (tensor.dtype != torch.bool and tensor.dim() >= 4):
            raise ValueError(f"Got {describe(tensor)}; expected images as float32 in [0, 1]. {GREYS}")
        return
    low, high = check_finite(tensor, "a tensor")
    looks_grey = tensor.dim() == 4 and low >= 0 and 1 < high <= 255
    if looks_grey and bool((tensor[:100] == tensor[:100].round()).all()):
        raise ValueError(f"Got {describe(tensor)} with {between(low, high)}; expected [0, 1]. {GREYS}")


def _check_channels(images: torch.Tensor) -> None:
    if images.dim() == 4 and images.shape[3] in (1, 3, 4) and images.shape[1] == images.shape[2] > 4:
        raise ValueError(f"Got {describe(images)}; expected images [N, C, H, W]. {CHANNELS_LAST}")

"""Shuffled batches of tensors that lie in memory, and the two ways to binarise them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch

from helpers.data.checks import GREYS, describe, range_cause


class Batches:
    """One epoch of batches at each iteration: `for x in Batches(images, batch_size=256)`.

    *tensors:   [N, ...] each, all on one device. One gives batches [B, ...], several give tuples of them.
    batch_size: B, in items. The last batch is smaller where B does not divide N.
    shuffle:    a fresh permutation each epoch, from torch's global generator on the CPU, so that one seed gives one
                order on every device. Without it, batches are views of the tensors, in order.
    transform:  applied to the batch of the first tensor, such as `binarise_dynamically`.
    drop_last:  leave out a smaller last batch.

    `len()` is the number of batches, `num_items` is N.

    Raises ValueError for nothing to iterate over, tensors of different lengths or devices, a batch size below 1, NaN
    or infinite values, images as integers or with grey levels up to 255, and images with channels last.
    """

    def __init__(
        self,
        *tensors: torch.Tensor,
        batch_size: int,
        shuffle: bool = True,
        transform: Callable[[torch.Tensor], torch.Tensor] | None = None,
        drop_last: bool = False,
    ):
        _check_tensors(tensors)
        if type(batch_size) is not int or batch_size < 1:
            raise ValueError(f"Got batch_size={batch_size!r}; expected the items of a batch, an integer of 1 or more.")
        self.tensors = tensors
        self.num_items = tensors[0].shape[0]
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.transform = transform
        self.drop_last = drop_last
        if len(self) == 0:
            raise ValueError(
                f"Got {self.num_items} items in batches of {batch_size} with drop_last=True, which leaves no batch. "
                "Expected at least one full batch: lower batch_size or keep the smaller last batch."
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
    """Draw each pixel, x ~ Bernoulli(grey level), afresh at each call. Same shape and dtype; needs values in [0, 1]."""
    _check_grey_levels(images)
    return torch.rand_like(images).lt_(images)  # in place: no detour through a tensor of booleans


def binarise_by_threshold(images: torch.Tensor, threshold: float = 0.5) -> torch.Tensor:
    """1 where the grey level is above `threshold`, else 0. Same shape and dtype; needs values in [0, 1]."""
    _check_grey_levels(images)
    return (images > threshold).to(images.dtype)


def _check_grey_levels(images: torch.Tensor) -> None:
    if not images.is_floating_point():
        raise ValueError(f"Got {describe(images)} to binarise; expected floats in [0, 1]. {GREYS}")
    if images.numel() == 0:
        raise ValueError(f"Got {describe(images)} to binarise; expected at least one image.")
    low, high = (value.item() for value in images.aminmax())
    if not (low >= 0 and high <= 1):
        given = f"{describe(images)} with values from {low:g} to {high:g}"
        raise ValueError(f"Got {given} to binarise; expected [0, 1]. {range_cause(low, high)}")


def _check_tensors(tensors: tuple[torch.Tensor, ...]) -> None:
    for tensor in tensors:
        if not isinstance(tensor, torch.Tensor):
            cause = "Give the tensors inside, such as data.train.images."
            raise ValueError(f"Got a {type(tensor).__name__} to make batches of; expected tensors [N, ...]. {cause}")
    if not tensors or any(tensor.dim() == 0 or tensor.numel() == 0 for tensor in tensors):
        given = ", ".join(map(describe, tensors)) or "no tensor"
        cause = "Usually a selection that matched nothing."
        raise ValueError(f"Got {given} to make batches of; expected tensors [N, ...] with N of 1 or more. {cause}")
    if len({(tensor.shape[0], tensor.device) for tensor in tensors}) > 1:
        given = ", ".join(f"{describe(tensor)} on {tensor.device}" for tensor in tensors)
        cause = "Usually the labels of another split, or images moved to the GPU without their labels."
        raise ValueError(f"Got {given}; expected tensors of one length on one device. {cause}")
    for tensor in tensors:
        _check_values(tensor)
    _check_channels(tensors[0])


def _check_values(tensor: torch.Tensor) -> None:
    """Any finite data may be batched: only what is plainly an image as stored on disk is refused."""
    if not tensor.is_floating_point():
        if (tensor.dtype == torch.uint8 and tensor.dim() >= 2) or (tensor.dtype != torch.bool and tensor.dim() >= 4):
            raise ValueError(f"Got {describe(tensor)}; expected images as float32 in [0, 1]. {GREYS}")
        return
    low, high = (value.item() for value in tensor.aminmax())  # both NaN where any value is
    given = f"{describe(tensor)} with values from {low:g} to {high:g}"
    if not (math.isfinite(low) and math.isfinite(high)):
        cause = "Usually a division by zero in the preprocessing, or missing values."
        raise ValueError(f"Got {given}; expected finite values. {cause}")
    looks_grey = tensor.dim() == 4 and low >= 0 and 1 < high <= 255
    if looks_grey and bool((tensor[:100] == tensor[:100].round()).all()):
        raise ValueError(f"Got {given}; expected [0, 1]. {GREYS}")


def _check_channels(images: torch.Tensor) -> None:
    if images.dim() == 4 and images.shape[3] in (1, 3, 4) and images.shape[1] == images.shape[2] > 4:
        cause = "Usually the channels come last: images.permute(0, 3, 1, 2) puts them first."
        raise ValueError(f"Got {describe(images)}; expected images [N, C, H, W]. {cause}")

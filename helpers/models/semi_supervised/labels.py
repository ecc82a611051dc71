"""Class numbers, which data sets have, as the one-hot vectors that models read."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from helpers.data.checks import describe


def as_one_hot(labels: Tensor, num_classes: int, like: Tensor) -> Tensor:
    """Class numbers as one-hot vectors.

    Args:
        labels: Class numbers from 0 to num_classes - 1, integers [batch].
        num_classes: Size of a one-hot vector.
        like: The images [batch, ...], whose dtype the result has.

    Returns:
        One-hot labels [batch, classes], on the device of `labels`.

    Raises:
        ValueError: If labels are not integers, out of range, or not one for each image.
    """
    if (
        not isinstance(labels, Tensor)
        or labels.is_floating_point()
        or labels.is_complex()
        or labels.dtype == torch.bool
    ):
        given = describe(labels, "labels") if isinstance(labels, Tensor) else f"labels of type {type(labels).__name__}"
        raise ValueError(
            f"Got {given}; expected int64 [*batch], one class per item. Convert floats with labels.long()."
        )
    shape, expected = tuple(labels.shape), tuple(like.shape[:1])
    if labels.dim() != 1 or (like.dim() > 1 and shape != expected):
        cause = ""
        if labels.dim() == 2 and shape[-1] == num_classes:
            cause = " Usual cause: labels that are one-hot already; labels.argmax(-1) makes class numbers of them."
        raise ValueError(
            f"Got labels of shape {shape} for images of shape {tuple(like.shape)}; expected one class per item, {expected}.{cause}"
        )
    if not len(labels):
        raise ValueError("Got no labels, a tensor of shape (0,); expected one image or more, each with a label.")
    low, high = (int(value) for value in labels.aminmax())
    if low < 0 or high >= num_classes:
        raise ValueError(
            f"Got labels from {low} to {high}; expected classes from 0 to {num_classes - 1}. Usually -1 marks a missing label: such "
            "images belong among the unlabelled."
        )
    return one_hot(labels.long(), num_classes).to(like.dtype)

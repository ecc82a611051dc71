"""Batches of labelled and unlabelled images side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from helpers.data.batches import Batches
from helpers.data.checks import check_integer, check_is_tensor, describe
from helpers.data.labels import count_classes


class SemiSupervisedBatch(NamedTuple):
    """Labelled and unlabelled images of one training step.

    Attributes:
        images: Labelled images [L, *image].
        labels: Their classes, int64 [L].
        unlabelled: Unlabelled images [U, *image].
    """

    images: Tensor
    labels: Tensor
    unlabelled: Tensor


class SemiSupervisedBatches:
    """One epoch of `SemiSupervisedBatch`: one pass over the unlabelled images, each batch with labelled images beside it.

    The labelled images are repeated as often as the epoch needs, in a new order each time. If a labelled batch takes all of them, every
    batch holds them all. `len()` is the number of batches, `num_items` is U.

    Args:
        images: Labelled images [L, *image].
        labels: Their classes, int64 [L], each from 0 to `num_classes` - 1.
        unlabelled: Unlabelled images [U, *image].
        num_classes: Number of classes. Every class needs a labelled image.
        batch_size: Unlabelled images of a batch.
        labelled_batch_size: Labelled images of a batch; L if L is smaller.
        transform: Function applied to the images of a batch, labelled and unlabelled, such as `binarise_dynamically`. None: no transform.

    Raises:
        ValueError: If labels are no classes, if a class has no labelled image, if there are no labelled or no unlabelled images, if the
            two parts differ in shape, or if a batch size is below 1.
    """

    def __init__(
        self,
        images: Tensor,
        labels: Tensor,
        unlabelled: Tensor,
        *,
        num_classes: int,
        batch_size: int,
        labelled_batch_size: int = 100,
        transform: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        for given, name in ((images, "images"), (labels, "labels"), (unlabelled, "unlabelled")):
            check_is_tensor(given, name, "a tensor, one item a row")
        labelled_batch_size = check_integer(
            labelled_batch_size, "labelled_batch_size", "the labelled images of a batch"
        )
        if not len(images):
            raise ValueError(
                "Got no labelled image; expected one or more of each class, because nothing else ties a class to its label. Usually a "
                "selection that matched nothing. Without labels, train with `Elbo`."
            )
        if not len(unlabelled):
            raise ValueError(
                "Got no unlabelled image; expected one or more. Usually every image was labelled: train the classifier alone, with "
                "`LogLikelihood`."
            )
        if images.shape[1:] != unlabelled.shape[1:]:
            raise ValueError(
                f"Got {describe(images)} labelled and {describe(unlabelled)} unlabelled; expected images of one shape in both. Usually one "
                "part was resampled or flattened and the other was not."
            )
        count_classes(labels, num_classes)
        self.labelled = Batches(
            images, labels, batch_size=min(labelled_batch_size, len(images)), transform=transform, drop_last=True
        )
        self.unlabelled = Batches(unlabelled, batch_size=batch_size, transform=transform)
        self.num_classes = num_classes

    @property
    def labelled_share(self) -> float:
        """Labelled images as a share of all images, L / (L + U)."""
        return self.labelled.num_items / (self.labelled.num_items + self.unlabelled.num_items)

    @property
    def num_items(self) -> int:
        """Number of unlabelled images, U."""
        return self.unlabelled.num_items

    def __len__(self) -> int:
        return len(self.unlabelled)

    def __iter__(self) -> Iterator[SemiSupervisedBatch]:
        labelled = _repeated(self.labelled)
        for unlabelled in self.unlabelled:
            yield SemiSupervisedBatch(*next(labelled), unlabelled)


def _repeated(batches: Batches) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    while True:
        yield from batches

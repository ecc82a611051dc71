"""Batches of labelled and unlabelled images side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from helpers.data.batches import Batches
from helpers.data.checks import describe
from helpers.data.labels import count_classes


class SemiSupervisedBatch(NamedTuple):
    """images [L, *image] with labels int64 [L], and unlabelled [U, *image]."""

    images: Tensor
    labels: Tensor
    unlabelled: Tensor


class SemiSupervisedBatches:
    """One epoch of `SemiSupervisedBatch`: one pass over the unlabelled images, each batch with labelled images beside it.

    images, labels: [L, *image] and int64 [L], the labelled ones. They are gone through in a fresh order again and again, as often as the
        epoch needs: where a batch takes all of them, it holds them all.
    unlabelled: [U, *image].
    num_classes: every class needs a labelled image.
    batch_size, labelled_batch_size: of the unlabelled part and of the labelled one; the latter at most L.
    transform: applied to the images of a batch, labelled and unlabelled, such as `binarise_dynamically`.

    `labelled_share` is L / (L + U); `len()` the number of batches; `num_items` is U.
    Raises ValueError for labels that are no class numbers or outside the classes, a class without a labelled image, no labelled or no
    unlabelled images, images of two shapes.
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
        if not len(images):
            raise ValueError(
                "There is no labelled image, so nothing can tie a class to its name. Without labels there is `Elbo`."
            )
        if not len(unlabelled):
            raise ValueError(
                "There is no unlabelled image: with labels for all, train the classifier alone, with `LogLikelihood`."
            )
        if images.shape[1:] != unlabelled.shape[1:]:
            raise ValueError(
                f"Got {describe(images)} labelled and {describe(unlabelled)} unlabelled; expected images of one shape in both."
            )
        count_classes(labels, num_classes)
        self.labelled = Batches(
            images, labels, batch_size=min(labelled_batch_size, len(images)), transform=transform, drop_last=True
        )
        self.unlabelled = Batches(unlabelled, batch_size=batch_size, transform=transform)
        self.num_classes = num_classes

    @property
    def labelled_share(self) -> float:
        """Labelled images over all images."""
        return self.labelled.num_items / (self.labelled.num_items + self.unlabelled.num_items)

    @property
    def num_items(self) -> int:
        return self.unlabelled.num_items

    def __len__(self) -> int:
        return len(self.unlabelled)

    def __iter__(self) -> Iterator[SemiSupervisedBatch]:
        again = _again_and_again(self.labelled)
        for unlabelled in self.unlabelled:
            yield SemiSupervisedBatch(*next(again), unlabelled)


def _again_and_again(batches: Batches) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    while True:
        yield from batches

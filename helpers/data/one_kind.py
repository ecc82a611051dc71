"""Batches of one kind: labelled images, or images without labels, never both."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from helpers.data.batches import Batches
from helpers.data.semi_supervised import SemiSupervisedBatches


class OneKindBatches:
    """One epoch of batches of one kind: all labelled images once, in batches that are spread among those of unlabelled images.

    Yields (images [B, *image], labels int64 [B]) or (images [B, *image], None). Every k-th batch is labelled, from the second on, until all
    labelled images have been seen; k = (L + U) // L. This is how Pyro's example of a semi-supervised VAE orders its batches;
    `SemiSupervisedBatches` puts images of both kinds into every batch. `len()` is the number of batches, `num_items` is L + U.

    Args:
        images: Labelled images [L, *image].
        labels: Their classes, int64 [L], each from 0 to `num_classes` - 1.
        unlabelled: Unlabelled images [U, *image].
        num_classes: Number of classes. Every class needs a labelled image.
        batch_size: Images of a batch, of either kind. The last batch of a kind is smaller if it does not divide their number.

    Raises:
        ValueError: As `SemiSupervisedBatches`.
    """

    def __init__(
        self, images: Tensor, labels: Tensor, unlabelled: Tensor, *, num_classes: int, batch_size: int
    ) -> None:
        checked = SemiSupervisedBatches(images, labels, unlabelled, num_classes=num_classes, batch_size=batch_size)
        self.labelled = Batches(images, labels, batch_size=batch_size)
        self.unlabelled = checked.unlabelled

    @property
    def num_items(self) -> int:
        """Number of images of both kinds, L + U."""
        return self.labelled.num_items + self.unlabelled.num_items

    def __len__(self) -> int:
        return len(self.labelled) + len(self.unlabelled)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor | None]]:
        interval = self.num_items // self.labelled.num_items
        labelled, unlabelled = iter(self.labelled), iter(self.unlabelled)
        left = len(self.labelled)
        for number in range(len(self)):
            due = number % interval == 1 % interval
            if left and (due or len(self) - number <= left):
                left -= 1
                yield next(labelled)
            else:
                yield next(unlabelled), None

"""The choice of labels that a semi-supervised model is trained with."""

from __future__ import annotations

from numbers import Integral

import torch

from helpers.data.checks import check_integer, check_is_tensor, describe


def split_labelled(
    labels: torch.Tensor, num_labelled: int, seed: int, num_classes: int | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Choose the labelled items at random, equally many of each class.

    With the same seed, the choice of 100 is part of the choice of 600.

    Args:
        labels: Classes int64 [N], each from 0 to `num_classes` - 1.
        num_labelled: Number of items to choose. If it is no multiple of the number of classes, some classes, at random, have one more
            than others.
        seed: Seed of the choice; the global random state is not touched.
        num_classes: Number of classes. None: the largest label plus 1.

    Returns:
        Indices into `labels`, int64, on its device: labelled [num_labelled] in random order, unlabelled [N - num_labelled] ascending.

    Raises:
        ValueError: If labels are no classes, if a class has no item or too few, or if `num_labelled` is below one per class or above N.
    """
    counts = count_classes(labels, num_classes)
    if (
        isinstance(num_labelled, bool)
        or not isinstance(num_labelled, Integral)
        or not len(counts) <= num_labelled <= len(labels)
    ):
        raise ValueError(
            f"Got num_labelled={num_labelled!r}; expected an integer from {len(counts)}, one per class, to "
            f"{len(labels):,}, every item. Usually a share such as 0.1: give it as a number of items."
        )
    seed = check_integer(seed, "seed", "a seed", minimum=0)
    generator = torch.Generator().manual_seed(seed)
    surplus_order = torch.randperm(len(counts), generator=generator).tolist()
    share, surplus = divmod(num_labelled, len(counts))

    chosen = []
    for place, label in enumerate(surplus_order):
        quota = share + (place < surplus)
        if quota > counts[label]:
            raise ValueError(
                f"Got num_labelled={num_labelled}, {quota} items of class {label}; there are {counts[label]}, so expected no more than "
                f"{min(counts) * len(counts)}, the smallest class times the number of classes. Usually one class is rare."
            )
        members = (labels == label).nonzero().squeeze(1).cpu()
        chosen.append(members[torch.randperm(len(members), generator=generator)[:quota]])
    labelled = torch.cat(chosen)
    labelled = labelled[torch.randperm(num_labelled, generator=generator)].to(labels.device)

    is_unlabelled = torch.ones(len(labels), dtype=torch.bool, device=labels.device)
    is_unlabelled[labelled] = False
    return labelled, is_unlabelled.nonzero().squeeze(1)


def count_classes(labels: torch.Tensor, num_classes: int | None) -> list[int]:
    """Check labels, and count the items of each class.

    Args:
        labels: Classes int64 [N], each from 0 to `num_classes` - 1.
        num_classes: Number of classes. None: the largest label plus 1.

    Returns:
        Number of items of each class, 1 or more.

    Raises:
        ValueError: If labels are no classes, if one is outside the classes, or if a class has no item.
    """
    check_is_tensor(labels, "labels", "a tensor int64 [N], one class per item")
    if num_classes is not None:
        num_classes = check_integer(num_classes, "num_classes", "the number of classes")
    if labels.dim() != 1 or labels.is_floating_point() or labels.dtype == torch.bool or labels.numel() == 0:
        raise ValueError(
            f"Got {describe(labels, 'labels')}; expected int64 [N], one class per item. Usually they are one-hot "
            "(labels.argmax(-1)), or floats (labels.long())."
        )
    low, high = int(labels.min()), int(labels.max())
    last = high if num_classes is None else num_classes - 1
    if low < 0 or high > last:
        raise ValueError(
            f"Got labels from {low} to {high}; expected classes from 0 to {max(last, 0)}. Usually -1 marks a "
            "missing label, or the classes are counted from 1."
        )
    counts = torch.bincount(labels.cpu(), minlength=last + 1)
    if (counts == 0).any():
        empty = int((counts == 0).nonzero()[0])
        raise ValueError(
            f"Got no item of class {empty} among labels from {low} to {high}; expected items of every class from 0 to "
            f"{last}. Usually a label lies outside the classes, such as 255 for a missing one, or they count from 1."
        )
    return counts.tolist()

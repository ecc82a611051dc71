"""Choosing which labels a semi-supervised learner may see."""

from __future__ import annotations

import torch

from helpers.data.checks import describe


def split_labelled(
    labels: torch.Tensor, num_labelled: int, seed: int, num_classes: int | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Choose `num_labelled` items, equally many of each class, at random but fixed by `seed`.

    labels:       int64 [N], each from 0 to `num_classes` - 1.
    num_labelled: how many to choose. Where it is no multiple of the number of classes, some classes, at random, give
                  one more than others.
    seed:         does not touch the global random state. With the same seed, the choice of 100 is part of that of 600.
    num_classes:  None takes it from the largest label.

    Returns (labelled [num_labelled] in random order, unlabelled [N - num_labelled] ascending): int64 indices into
    `labels`, on its device. Raises ValueError where the labels or the number cannot be right.
    """
    counts = count_classes(labels, num_classes)
    if type(num_labelled) is not int or not len(counts) <= num_labelled <= len(labels):
        raise ValueError(
            f"Got num_labelled={num_labelled!r}; expected an integer from {len(counts)}, one a class, to "
            f"{len(labels):,}, every item. A share such as 0.1 has to be given as a number of items."
        )
    generator = torch.Generator().manual_seed(seed)
    surplus_order = torch.randperm(len(counts), generator=generator).tolist()
    share, surplus = divmod(num_labelled, len(counts))

    chosen = []
    for place, label in enumerate(surplus_order):
        quota = share + (place < surplus)
        if quota > counts[label]:
            raise ValueError(
                f"Got num_labelled={num_labelled}, which asks for {quota} items of class {label}; there are "
                f"{counts[label]}. Expected no more than {min(counts) * len(counts)}, the smallest class times the "
                "number of classes."
            )
        members = (labels == label).nonzero().squeeze(1).cpu()
        chosen.append(members[torch.randperm(len(members), generator=generator)[:quota]])
    labelled = torch.cat(chosen)
    labelled = labelled[torch.randperm(num_labelled, generator=generator)].to(labels.device)

    is_unlabelled = torch.ones(len(labels), dtype=torch.bool, device=labels.device)
    is_unlabelled[labelled] = False
    return labelled, is_unlabelled.nonzero().squeeze(1)


def count_classes(labels: torch.Tensor, num_classes: int | None) -> list[int]:
    """How many items each class has, after the checks at the door."""
    if labels.dim() != 1 or labels.is_floating_point() or labels.dtype == torch.bool or labels.numel() == 0:
        raise ValueError(
            f"Got {describe(labels, 'labels')}; expected "
            "int64 [N], one class number an item. One-hot labels become class numbers with labels.argmax(-1), floats "
            "with labels.long()."
        )
    low, high = int(labels.min()), int(labels.max())
    last = high if num_classes is None else num_classes - 1
    if low < 0 or high > last:
        raise ValueError(
            f"Got labels from {low} to {high}; expected class numbers from 0 to {max(last, 0)}. Usually -1 marks a "
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

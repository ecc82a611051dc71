"""Accuracy of a classifier q(y | x)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from helpers.data.checks import check_integer, describe
from helpers.evaluation.doors import check_module, check_tensor, explained
from helpers.evaluation.measured import Measured
from helpers.evaluation.module_mode import evaluation_mode


@torch.no_grad()
def accuracy(classifier: nn.Module, images: Tensor, labels: Tensor, batch_size: int = 1000) -> Measured:
    """Share of images whose most probable class is their label, with its standard error.

    Args:
        classifier: x [*batch, *image] → q(y | x) over one-hot vectors, such as the `classifier` of a `SemiSupervisedGuide`; run in
            evaluation mode.
        images: [images, *image].
        labels: Classes, int64 [images].
        batch_size: Images per call of the classifier; memory grows with it, the result does not depend on it.

    Returns:
        The share, from 0 to 1, and its standard error.

    Raises:
        ValueError: If the classifier is no module, if labels are not one class per image, or if batch_size is no integer of 1 or more.
    """
    check_module(classifier, nn.Module, "classifier", "a module x → q(y | x), such as guide.classifier")
    check_tensor(images, "images", "[images, *image]")
    check_tensor(labels, "labels", "int64 [images]", least=0)
    batch_size = check_integer(batch_size, "batch_size", "the images of a call")
    if labels.shape != images.shape[:1] or labels.is_floating_point() or labels.dtype == torch.bool:
        raise ValueError(
            f"Got {describe(labels, 'labels')} for {describe(images, 'images')}; expected int64 [{len(images)}], one class per item. "
            "Usually they are one-hot (labels.argmax(-1)), floats (labels.long()), or those of another split."
        )
    with evaluation_mode(classifier), explained(classifier, images):
        is_correct = [
            classifier(x).mean.argmax(-1) == y
            for x, y in zip(images.split(batch_size), labels.split(batch_size), strict=True)
        ]
    return Measured.over(torch.cat(is_correct).double())

"""Accuracy of a classifier q(y | x)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from helpers.evaluation.measured import Measured
from helpers.evaluation.module_mode import evaluation_mode


@torch.no_grad()
def accuracy(classifier: nn.Module, images: Tensor, labels: Tensor, batch_size: int = 1000) -> Measured:
    """Share of images whose most probable class is their label, with its standard error.

    Args:
        classifier: x [*batch, *image] → q(y | x) over one-hot vectors, such as the `classifier` of a `SemiSupervisedGuide`; run in
            evaluation mode.
        images: [images, *image].
        labels: Class numbers, int64 [images].
        batch_size: Images per call of the classifier; memory grows with it, the result does not depend on it.

    Returns:
        The share, from 0 to 1, and its standard error.

    Raises:
        ValueError: If labels are not one integer per image.
    """
    if labels.shape != images.shape[:1] or labels.is_floating_point():
        raise ValueError(
            f"The images have the shape {tuple(images.shape)} and the labels {tuple(labels.shape)}, {labels.dtype}: one class number, "
            "int64, per image was expected."
        )
    with evaluation_mode(classifier):
        is_correct = [
            classifier(x).mean.argmax(-1) == y
            for x, y in zip(images.split(batch_size), labels.split(batch_size), strict=True)
        ]
    return Measured.over(torch.cat(is_correct).double())

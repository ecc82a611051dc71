"""Accuracy of a classifier q(y | x)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from helpers.evaluation.measured import Measured
from helpers.evaluation.module_mode import evaluation_mode


@torch.no_grad()
def accuracy(classifier: nn.Module, images: Tensor, labels: Tensor, batch_size: int = 1000) -> Measured:
    """Share of images whose most probable class is their label, with its standard error (a share, not nats).

    classifier: x → q(y | x), one-hot, such as the `classifier` of a `SemiSupervisedGuide`; run in evaluation mode.
    images: [N, *image].  labels: int64 [N].
    """
    if labels.shape != images.shape[:1] or labels.is_floating_point():
        raise ValueError(
            f"The images have the shape {tuple(images.shape)} and the labels {tuple(labels.shape)}, {labels.dtype}: one class number, "
            "int64, an image was expected."
        )
    with evaluation_mode(classifier):
        right = [
            classifier(x).mean.argmax(-1) == y
            for x, y in zip(images.split(batch_size), labels.split(batch_size), strict=True)
        ]
    return Measured.over(torch.cat(right).double())

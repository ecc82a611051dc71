"""Batches of one kind: every image once an epoch, and the labelled batches where they should be."""

from __future__ import annotations

import pytest
import torch

from helpers.data import OneKindBatches

IMAGES = torch.rand(60, 1, 2, 3)
LABELS = torch.arange(60) % 4


def make(labelled, batch_size=5, images=IMAGES):
    return OneKindBatches(images[:labelled], LABELS[:labelled], images[labelled:], num_classes=4, batch_size=batch_size)


@pytest.mark.parametrize("labelled", [4, 8, 12, 20, 44, 56])
def test_an_epoch_holds_every_image_once(labelled):
    batches = make(labelled)
    seen = list(batches)
    assert len(seen) == len(batches) and batches.num_items == 60
    sums = sorted(IMAGES.flatten(1).sum(1).tolist())
    assert sorted(torch.cat([images for images, _ in seen]).flatten(1).sum(1).tolist()) == sums
    assert sum(len(images) for images, labels in seen if labels is not None) == labelled


def test_labels_stay_with_their_images():
    for images, labels in make(12):
        for image, label in zip(images, labels if labels is not None else (), strict=labels is not None):
            assert LABELS[int((image == IMAGES).flatten(1).all(1).nonzero())] == label


def test_labelled_batches_are_spread_as_in_pyros_example():
    """3,000 labels of 50,000 images in batches of 200: 15 of 250, every 16th from the second on."""
    images = torch.zeros(50_000, 1)
    batches = OneKindBatches(images[:3000], torch.arange(3000) % 10, images[3000:], num_classes=10, batch_size=200)
    where = [number for number, (_, labels) in enumerate(batches) if labels is not None]
    assert len(batches) == 250 and where == list(range(1, 1 + 15 * 16, 16))


def test_a_class_without_a_label_is_refused():
    with pytest.raises(ValueError, match="class"):
        OneKindBatches(IMAGES[:2], LABELS[:2], IMAGES[2:], num_classes=4, batch_size=5)

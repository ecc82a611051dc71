"""Labelled and unlabelled images side by side."""

from __future__ import annotations

import pytest
import torch

from helpers.data import SemiSupervisedBatches

IMAGES = torch.rand(40, 1, 2, 3)
LABELS = torch.arange(40) % 4


def make(images=IMAGES[:8], labels=LABELS[:8], unlabelled=IMAGES[8:], **options):
    return SemiSupervisedBatches(images, labels, unlabelled, **{"num_classes": 4, "batch_size": 5, **options})


def test_an_epoch_is_one_pass_over_the_unlabelled_images():
    batches = make()
    assert len(batches) == 7 and batches.num_items == 32
    seen = torch.cat([batch.unlabelled for batch in batches])
    assert sorted(seen.flatten(1).sum(1).tolist()) == sorted(IMAGES[8:].flatten(1).sum(1).tolist())
    assert batches.labelled_share == 8 / 40


def test_labels_stay_with_their_images_and_all_come_equally_often():
    batches = make(labelled_batch_size=4)
    counts = torch.zeros(8)
    for _ in range(2):
        for batch in batches:
            assert batch.images.shape == (4, 1, 2, 3)
            for image, label in zip(batch.images, batch.labels, strict=True):
                which = int((IMAGES[:8] == image).flatten(1).all(1).nonzero())
                assert LABELS[which] == label
                counts[which] += 1
    assert counts.max() - counts.min() <= 2 and counts.sum() == 2 * 7 * 4


def test_few_labels_are_all_in_every_batch():
    for batch in make(labelled_batch_size=100):
        assert sorted(batch.labels.tolist()) == sorted(LABELS[:8].tolist())


def test_a_transform_reaches_both_parts():
    for batch in make(transform=lambda x: x + 1):
        assert batch.images.min() >= 1 and batch.unlabelled.min() >= 1


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"images": IMAGES[:0], "labels": LABELS[:0]}, "no labelled image"),
        ({"unlabelled": IMAGES[:0]}, "no unlabelled image"),
        ({"labels": LABELS[:8].float()}, "one class per item"),
        ({"labels": LABELS[:8] + 1}, "expected classes from 0 to 3"),
        ({"labels": LABELS[:8] - 1}, "-1 marks a"),
        ({"labels": LABELS[:8] % 3}, "no item of class 3"),
        ({"labels": LABELS[:7]}, "expected tensors of one length"),
        ({"unlabelled": torch.rand(5, 1, 3, 2)}, "images of one shape in both"),
        ({"batch_size": 0}, "an integer of 1 or more"),
    ],
)
def test_what_cannot_be_right_is_a_sentence_before_training(options, sentence):
    with pytest.raises(ValueError) as error:
        make(**options)
    assert sentence in str(error.value)

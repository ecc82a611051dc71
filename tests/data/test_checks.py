"""Images that cannot be right are refused, with the shape given, the shape expected and the usual cause."""

from __future__ import annotations

import math

import pytest
import torch

from helpers.data.checks import check_images
from helpers.data.images import Split

GOOD = torch.rand(5, 1, 8, 8)


def test_good_images_pass():
    check_images(GOOD)
    check_images(torch.zeros(1, 3, 5, 7))


def with_one(value: float) -> torch.Tensor:
    images = GOOD.clone()
    images[3, 0, 4, 5] = value
    return images


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (GOOD[:, 0], r"\[5, 8, 8\].*channel is missing.*unsqueeze\(1\)"),
        (GOOD.flatten(1), r"\[5, 64\].*expected float32 \[N, C, H, W\].*view"),
        (GOOD[:0], r"\[0, 1, 8, 8\].*no pixel"),
        (torch.rand(5, 8, 8, 3), r"C is 1, 3 or 4.*permute\(0, 3, 1, 2\)"),
        (torch.rand(5, 2, 8, 8), r"\[5, 2, 8, 8\].*C is 1, 3 or 4"),
        ((GOOD * 255).byte(), "uint8.*divide by 255 and convert to float32"),
        (GOOD * 255, r"in \[0, 1\].*divide by 255"),
        (GOOD.double(), r"float64.*images.float\(\)"),
        (GOOD * 2 - 1, "standardised"),
        (with_one(math.nan), "from nan to nan.*NaN pixels"),
        (with_one(math.inf), "infinite"),
    ],
)
def test_what_cannot_be_right_is_refused(images, message):
    with pytest.raises(ValueError, match=message):
        check_images(images)
    with pytest.raises(ValueError, match=message):
        Split(images)


@pytest.mark.parametrize(
    "labels", [torch.arange(4), torch.arange(5).float(), torch.eye(5).long(), torch.arange(5).to(torch.int32)]
)
def test_labels_must_be_one_class_number_an_image(labels):
    with pytest.raises(ValueError, match=r"for 5 images; expected int64 \[5\].*argmax"):
        Split(GOOD, labels)

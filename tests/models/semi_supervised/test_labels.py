"""Class numbers become one-hot vectors; what is no class number is refused in a sentence."""

from __future__ import annotations

import pytest
import torch

from helpers.models.semi_supervised.labels import as_one_hot

IMAGES = torch.zeros(3, 1, 2, 2)


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8, torch.int8])
def test_every_integer_dtype(dtype):
    one_hot = as_one_hot(torch.tensor([2, 0, 1], dtype=dtype), 4, IMAGES.double())
    assert one_hot.dtype == torch.float64
    assert one_hot.argmax(-1).tolist() == [2, 0, 1]
    assert one_hot.shape == (3, 4)


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        ([2, 0, 1], "labels of type list; expected int64"),
        (torch.tensor([2.0, 0.0, 1.0]), r"dtype float32.*labels.long\(\)"),
        (torch.tensor([True, False, True]), "dtype bool; expected int64"),
        (torch.tensor([2, 0, 1]) + 0j, "complex64.*expected int64"),
        (torch.tensor([2, -1, 1]), "from -1 to 2.*-1 marks a missing label"),
        (torch.tensor([2, 4, 1]), "from 1 to 4; expected classes from 0 to 3"),
        (torch.tensor([2, 0]), r"labels of shape \(2,\) for images of shape \(3, 1, 2, 2\); expected one class per item, \(3,\)"),
        (torch.eye(4, dtype=torch.int64)[:3], r"shape \(3, 4\).*one-hot already; labels.argmax\(-1\)"),
        (torch.tensor([[2], [0], [1]]), r"shape \(3, 1\).*one class per item"),
        (torch.tensor(2), r"shape \(\).*one class per item"),
    ],
)  # fmt: skip
def test_what_is_no_label_is_refused(labels, sentence):
    with pytest.raises(ValueError, match=sentence):
        as_one_hot(labels, 4, IMAGES)


def test_no_labels_at_all():
    with pytest.raises(ValueError, match="Got no labels"):
        as_one_hot(torch.zeros(0, dtype=torch.int64), 4, IMAGES[:0])

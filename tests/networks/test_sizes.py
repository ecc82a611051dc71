"""Whole numbers as arguments: NumPy's are accepted, what is no whole number is refused in a sentence."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from helpers.networks import as_shape, as_size


@pytest.mark.parametrize("value", [3, np.int64(3), np.int32(3), np.uint8(3)])
def test_integers_of_every_kind_are_accepted_and_become_ints(value):
    assert type(as_size(value, "latent")) is int
    assert as_size(value, "latent") == 3
    assert as_shape(value) == (3,)
    assert as_shape((value, 2)) == (3, 2)
    assert all(type(size) is int for size in as_shape([value]))


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (0, "latent must be an integer of 1 or more; 0 was given"),
        (np.int64(-2), "-2 was given"),
        (3.0, r"3.0 was given. Usual cause: a division; write 3 or use //"),
        (2.5, r"2.5 was given.$"),
        (np.float64(3.0), "was given.*//"),
        (float("nan"), "nan was given"),
        (float("inf"), "inf was given"),
        (True, "True was given"),
        ("3", "'3' was given"),
        (None, "None was given"),
        (torch.tensor(3), r"a tensor of shape \(\) was given.*\.item\(\)"),
        ((3,), r"\(3,\) was given"),
    ],
)
def test_what_is_no_size_is_refused(value, sentence):
    with pytest.raises(ValueError, match=sentence):
        as_size(value, "latent")


@pytest.mark.parametrize("value", [2.5, "28", None, torch.tensor([2]), (2, -1), (2, 1.5), (2, None), -1, True])
def test_what_is_no_shape_is_refused(value):
    with pytest.raises(ValueError, match="must be an integer of 0 or more"):
        as_shape(value)
    assert as_shape(()) == ()
    assert as_shape(torch.Size((2, 3))) == (2, 3)

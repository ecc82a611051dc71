"""The packaged digits come in one fixed order in which the classes take turns."""

from __future__ import annotations

import hashlib

import numpy as np
import torch

from helpers.data import digits


def test_the_order_is_a_fixed_permutation_of_scikit_learns():
    from sklearn.datasets import load_digits

    greys, labels, num_test = digits.read()
    assert greys.shape == (1797, 8, 8) and greys.min() == 0 and greys.max() == 16 and num_test == 300
    theirs = load_digits()
    ours = {(grey.tobytes(), label) for grey, label in zip(greys, labels.tolist(), strict=True)}
    assert ours == {(grey.tobytes(), label) for grey, label in zip(theirs.images, theirs.target.tolist(), strict=True)}
    order = hashlib.sha256(greys.astype(np.uint8).tobytes()).hexdigest()
    assert order == "e53029526d54578b3e82edf91edbf084f616ce7add58a7b7bd3596b42a3c28b7", (
        "the split changed: every recorded number on the digits changes with it"
    )


def test_the_classes_take_turns():
    _, labels, _ = digits.read()
    turns = labels[-1740:].view(-1, 10)  # the smallest class has 174
    assert torch.equal(turns, torch.arange(10).expand(174, 10))

"""scikit-learn's handwritten digits: real images that come with the package."""

from __future__ import annotations

import numpy as np
import torch

NUM_CLASSES = 10
NUM_TEST = 300
MAX_VALID = 300
_SEED = 0


def read() -> tuple[np.ndarray, torch.Tensor, int]:
    """Read all 1,797 digits in a fixed, shuffled order in which the classes take turns, counted from the end.

    So the last 300, the test part, hold 30 of each class, and any ten in a row before them hold each class once, until the smaller
    classes run out near the beginning.

    Returns:
        Grey levels float64 [N, 8, 8] from 0 to 16, labels int64 [N], and the number of items at the end that are the test part.
    """
    from sklearn.datasets import load_digits  # only here: the import takes longer than the read

    data = load_digits()
    shuffled = np.random.RandomState(_SEED).permutation(len(data.target))  # its stream is frozen
    labels = data.target[shuffled]
    turn = np.empty(len(labels), dtype=np.int64)
    for label in range(NUM_CLASSES):
        members = np.flatnonzero(labels == label)
        turn[members] = np.arange(len(members))[::-1]
    order = shuffled[np.lexsort((labels, -turn))]  # the last turn first, so that surplus items lie at the beginning
    return data.images[order], torch.from_numpy(data.target[order].astype(np.int64)), NUM_TEST

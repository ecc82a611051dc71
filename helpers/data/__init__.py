"""Data sets as resident tensors, batches of them, and the only door to torchvision."""

from helpers.data.batches import Batches, binarise_by_threshold, binarise_dynamically
from helpers.data.images import load_images
from helpers.data.labels import split_labelled
from helpers.data.semi_supervised import SemiSupervisedBatch, SemiSupervisedBatches
from helpers.data.vision_door import import_torchvision

__all__ = [
    "Batches",
    "SemiSupervisedBatch",
    "SemiSupervisedBatches",
    "binarise_by_threshold",
    "binarise_dynamically",
    "import_torchvision",
    "load_images",
    "split_labelled",
]

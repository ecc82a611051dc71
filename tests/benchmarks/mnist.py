"""MNIST as both sides take it: resident tensors for ours, torchvision's own data set class for Pyro's loader."""

from __future__ import annotations

import gzip
import shutil
import struct
from pathlib import Path

import torch

from helpers import settings
from helpers.data import import_torchvision, load_images

_RAW = ("train-images", "idx3"), ("train-labels", "idx1"), ("t10k-images", "idx3"), ("t10k-labels", "idx1")
FILES = [f"{name}-{kind}-ubyte" for name, kind in _RAW]
COUNTS = {"train": 60_000, "t10k": 10_000}


def resident_images() -> tuple[torch.Tensor, str]:
    """The 60,000 training images [60000, 1, 28, 28] and what they are; random greys where MNIST is not at hand."""
    if at_hand():
        return load_images("mnist", valid=0).train.images, "MNIST"
    return torch.rand(COUNTS["train"], 1, 28, 28), "random greys in MNIST's place (set WORKBOOK_DATA for MNIST)"


def torchvision_mnist(folder: Path):
    """`torchvision.datasets.MNIST(train=True, transform=ToTensor())`, items and all.

    The class wants unzipped files. They are unzipped into `folder`, or filled there with random bytes where MNIST is not at hand.
    """
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in FILES:
        if at_hand():
            _unzip(_raw_folder() / name, raw / name)
        else:
            _fill(raw / name)
    datasets = import_torchvision().datasets
    from torchvision.transforms import ToTensor  # after the door has opened

    return datasets.MNIST(folder, train=True, transform=ToTensor())


def at_hand() -> bool:
    """Whether all four files lie in the data folder, zipped or not. Nothing is downloaded for a benchmark."""
    return all((_raw_folder() / name).exists() or (_raw_folder() / f"{name}.gz").exists() for name in FILES)


def _raw_folder() -> Path:
    return settings.data_dir() / "MNIST" / "raw"


def _unzip(source: Path, target: Path) -> None:
    zipped = source.with_name(f"{source.name}.gz")
    with gzip.open(zipped) if zipped.exists() else open(source, "rb") as contents, open(target, "wb") as file:
        shutil.copyfileobj(contents, file)


def _fill(path: Path) -> None:
    """An IDX file of random bytes: two zeros, type 8, number of axes, their lengths (big-endian), the items."""
    count = COUNTS[path.name.split("-")[0]]
    shape = (count, 28, 28) if "images" in path.name else (count,)
    items = torch.randint(256 if "images" in path.name else 10, shape, dtype=torch.uint8)
    path.write_bytes(struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape) + items.numpy().tobytes())

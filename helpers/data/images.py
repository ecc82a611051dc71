"""Image data sets as resident tensors."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral

import numpy as np
import torch
from torch.nn.functional import interpolate

from helpers import settings
from helpers.data import digits
from helpers.data.checks import check_images, check_integer, check_is_tensor, check_name, describe
from helpers.data.download import store
from helpers.data.download.manifest import MANIFEST

_CHUNK = 5_000  # images resampled at a time, so that loading never holds all of them at both sizes
_NATIVE_SIZE = {"mnist": 28, "fashion_mnist": 28, "binarized_mnist": 28, "digits": 8}
_NUM_TRAINING = 60_000


@dataclass(frozen=True)
class Split:
    """One part of a data set. `len()` is N.

    Args:
        images: Images float32 [N, C, H, W] in [0, 1].
        labels: Classes int64 [N], or None if there are no labels.

    Raises:
        ValueError: If images or labels have another shape or dtype, or if pixels are outside [0, 1].
    """

    images: torch.Tensor
    labels: torch.Tensor | None = None

    def __post_init__(self) -> None:
        check_images(self.images)
        if self.labels is None:
            return
        check_is_tensor(self.labels, "labels", f"a tensor int64 [{len(self)}], one class per item, or None")
        if self.labels.dtype != torch.int64 or self.labels.shape != self.images.shape[:1]:
            raise ValueError(
                f"Got {describe(self.labels, 'labels')} for {len(self):,} images; expected int64 [{len(self)}], one "
                "class per item. Usually they are one-hot (labels.argmax(-1)), or belong to another split."
            )

    def __len__(self) -> int:
        return self.images.shape[0]

    def __repr__(self) -> str:
        size = "x".join(map(str, self.images.shape[1:]))
        return f"Split({len(self):,} images of {size}, {'without' if self.labels is None else 'with'} labels)"


@dataclass(frozen=True)
class ImageData:
    """An image data set in three parts.

    Args:
        name: Name of the data set that was loaded: the fallback's if the fallback was used.
        train: Training part.
        valid: Validation part, or None if no image was set aside.
        test: Test part, or None if its file is unavailable.
    """

    name: str
    train: Split
    valid: Split | None
    test: Split | None


def load_images(name: str, size: int | None = None, valid: int = 10_000, fallback: str | None = None) -> ImageData:
    """Load an image data set: from the data folder, else downloaded and verified, else the one that `fallback` names.

    "mnist", "fashion_mnist": 60,000 training and 10,000 test images, 28x28, grey.
    "binarized_mnist": Larochelle's static binarisation of MNIST, in another order, without labels. `valid=10_000` gives his split of
    50,000 / 10,000. The test part is None if its file is unavailable.
    "digits": scikit-learn's 1,797 handwritten digits, 8x8, packaged, so it needs no network. 300 are the test part, with 30 of each class;
    at most 300 are the validation part, whatever `valid` is.

    Smoke mode never uses the network.

    Args:
        name: Name of the data set, one of the above.
        size: Side in pixels to which images are resampled (bilinear, antialiased). None: the size of `name`, also for the fallback, so
            that networks fit. Binarised pixels cannot be resampled.
        valid: Number of training images, the last ones, that become the validation part. 0: train on all; the part is then None.
        fallback: Name of the data set to use if `name` is unavailable; a one-line notice is printed. In smoke mode it is used at once,
            unless `name` is packaged. None: no fallback.

    Returns:
        The data set, on the CPU; training and validation images share memory.

    Raises:
        ValueError: If an argument is wrong.
        store.DataUnavailable: If there is neither a file, nor network, nor a fallback.
    """
    _check_request(name, size, valid, fallback)
    if fallback is None or name == "digits":
        return _LOADERS[name](name, size, valid)
    if settings.budget(full=name, smoke=fallback) == name:
        try:
            return _LOADERS[name](name, size, valid)
        except store.DataUnavailable as problem:
            reason, remedy = problem.reason, problem.remedy
    else:
        reason, remedy = f"Smoke mode does without {name}.", ""
    stand_in = {"digits": "the packaged scikit-learn digits (1,797 images)"}.get(fallback, fallback)
    print(f"{reason} Using {stand_in} instead of {name}. {remedy}".strip(), flush=True)
    return _LOADERS[fallback](fallback, size or _NATIVE_SIZE[name], valid)


def _check_request(name: str, size: int | None, valid: int, fallback: str | None) -> None:
    for given in (name,) if fallback is None else (name, fallback):
        check_name(given, _LOADERS, "data set")
    if size is not None:
        check_integer(size, "size", "None, or the side of the image in pixels")
    if "binarized_mnist" in (name, fallback) and size not in (None, _NATIVE_SIZE["binarized_mnist"]):
        raise ValueError(
            f"Got size={size} for binarized_mnist; expected 28 or None, because resampling turns binary pixels grey. "
            "For another size, load mnist and binarise its batches."
        )
    if isinstance(valid, bool) or not isinstance(valid, Integral) or not 0 <= valid < _NUM_TRAINING:
        raise ValueError(
            f"Got valid={valid!r}; expected how many of the {_NUM_TRAINING:,} training images to set aside, an integer "
            f"from 0 to {_NUM_TRAINING - 1:,}. Usually a share such as 0.1: give it as a number of images."
        )


def _load_idx(name: str, size: int | None, valid: int) -> ImageData:
    def part(key: str) -> np.ndarray:
        return _parse_idx(store.read(MANIFEST[name][key], network=_may_use_network()))

    images = _to_float(part("train_images"), 255, size)
    labels = torch.from_numpy(part("train_labels").astype(np.int64))
    train, valid_split = _set_aside(images, labels, valid)
    test = Split(_to_float(part("test_images"), 255, size), torch.from_numpy(part("test_labels").astype(np.int64)))
    return ImageData(name, train, valid_split, test)


def _load_binarized_mnist(name: str, size: int | None, valid: int) -> ImageData:
    def part(key: str) -> np.ndarray:
        return _parse_amat(store.read(MANIFEST[name][key], network=_may_use_network()))

    first, last = part("train"), part("valid")
    images = torch.empty(len(first) + len(last), 1, 28, 28, dtype=torch.float32)
    images[: len(first)] = torch.from_numpy(first).unsqueeze(1)
    images[len(first) :] = torch.from_numpy(last).unsqueeze(1)
    del first, last
    train, valid_split = _set_aside(images, None, valid)
    try:
        test: Split | None = Split(_to_float(part("test"), 1, None))
    except store.DataUnavailable as problem:
        print(f"binarized_mnist is used without its test part. {problem.reason}", flush=True)
        test = None
    return ImageData(name, train, valid_split, test)


def _load_digits(name: str, size: int | None, valid: int) -> ImageData:
    greys, labels, num_test = digits.read()
    images = _to_float(greys, 16, size)
    train, valid_split = _set_aside(images[:-num_test], labels[:-num_test], min(valid, digits.MAX_VALID))
    return ImageData(name, train, valid_split, Split(images[-num_test:], labels[-num_test:]))


_LOADERS = {
    "mnist": _load_idx,
    "fashion_mnist": _load_idx,
    "binarized_mnist": _load_binarized_mnist,
    "digits": _load_digits,
}


def _may_use_network() -> bool:
    return settings.budget(full=True, smoke=False)


def _set_aside(images: torch.Tensor, labels: torch.Tensor | None, valid: int) -> tuple[Split, Split | None]:
    """Split off the last `valid` items, as views."""
    cut = len(images) - valid
    train = Split(images[:cut], None if labels is None else labels[:cut])
    if valid == 0:
        return train, None
    return train, Split(images[cut:], None if labels is None else labels[cut:])


def _parse_idx(contents: bytearray) -> np.ndarray:
    """Parse a uint8 array in LeCun's IDX format: two zeros, type 8, number of axes, their lengths (big-endian), the items."""
    num_axes = contents[3]
    shape = np.frombuffer(contents, ">u4", count=num_axes, offset=4)
    return np.frombuffer(contents, np.uint8, offset=4 + 4 * num_axes).reshape(shape)


def _parse_amat(contents: bytearray) -> np.ndarray:
    """Parse uint8 [N, 28, 28] of zeros and ones from lines of 784 digits, each followed by a space or the end of the line."""
    digits_and_gaps = np.frombuffer(contents, np.uint8).reshape(-1, 28, 28, 2)
    return digits_and_gaps[..., 0] & 1  # the codes of "0" and "1" are 48 and 49


def _to_float(greys: np.ndarray, white: int, size: int | None) -> torch.Tensor:
    """Convert [N, H, W] to float32 [N, 1, H, W] in [0, 1], so that `white` becomes 1, resampled to `size`."""
    height, width = (size, size) if size is not None else greys.shape[1:]
    if (height, width) == greys.shape[1:]:
        return torch.from_numpy(greys).to(torch.float32).div_(white).unsqueeze(1)
    images = torch.empty(len(greys), 1, height, width, dtype=torch.float32)
    for start in range(0, len(greys), _CHUNK):
        chunk = torch.from_numpy(greys[start : start + _CHUNK]).to(torch.float32).div_(white).unsqueeze(1)
        resampled = interpolate(chunk, (height, width), mode="bilinear", antialias=True)
        images[start : start + _CHUNK] = resampled.clamp_(0, 1)  # rounding may step over either end
    return images

"""Image data sets as resident tensors."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import interpolate

from helpers import settings
from helpers.data import digits
from helpers.data.checks import check_images, describe
from helpers.data.download import store
from helpers.data.download.manifest import MANIFEST

_CHUNK = 5_000  # images resampled at a time, so that loading never holds all of them at both sizes
_NATIVE_SIZE = {"mnist": 28, "fashion_mnist": 28, "binarized_mnist": 28, "digits": 8}
_NUM_TRAINING = 60_000


@dataclass(frozen=True)
class Split:
    """One part of a data set: `images` float32 [N, C, H, W] in [0, 1], `labels` int64 [N] or None.

    Raises ValueError for images or labels of another shape, dtype or range.
    """

    images: torch.Tensor
    labels: torch.Tensor | None = None

    def __post_init__(self) -> None:
        check_images(self.images)
        if self.labels is None:
            return
        if self.labels.dtype != torch.int64 or self.labels.shape != self.images.shape[:1]:
            raise ValueError(
                f"Got {describe(self.labels, 'labels')} for {len(self):,} images; expected int64 [{len(self)}], one "
                "class number an image. Usually they are one-hot (labels.argmax(-1)), or belong to another split."
            )

    def __len__(self) -> int:
        return self.images.shape[0]

    def __repr__(self) -> str:
        size = "x".join(map(str, self.images.shape[1:]))
        return f"Split({len(self):,} images of {size}, {'without' if self.labels is None else 'with'} labels)"


@dataclass(frozen=True)
class ImageData:
    """A data set. `valid` is None where no image was set aside, `test` where its file is not to be had.

    `name` is what was really loaded, which is the fallback's name where that stood in.
    """

    name: str
    train: Split
    valid: Split | None
    test: Split | None


def load_images(name: str, size: int | None = None, valid: int = 10_000, fallback: str | None = None) -> ImageData:
    """Load an image data set: from the data folder, else downloaded and verified, else the one that `fallback` names.

    name:     "mnist", "fashion_mnist": 60,000 training images, 10,000 test images, 28x28, grey.
              "binarized_mnist": Larochelle's static binarisation of the same images, in another order, no labels.
              `valid=10_000` gives his 50,000 / 10,000. `test` is None where its file cannot be had.
              "digits": scikit-learn's 1,797 handwritten digits, 8x8, packaged: no network. 300 of them are the test
              part and at most 300 the validation part, whatever `valid` says; each class has 30 in either.
    size:     resample to size x size pixels (bilinear, antialiased). None keeps the size of `name`, also for the
              fallback, so that networks fit. Binarised pixels cannot be resampled.
    valid:    how many training images, the last ones, go to `.valid`. 0 trains on all of them; `.valid` is then None.
    fallback: the data set to use, with a notice in one line, where `name` cannot be had. In smoke mode it is used
              at once unless `name` is packaged. Smoke mode never uses the network.

    Returns tensors on the CPU; `.train` and `.valid` share one.
    Raises ValueError for a wrong argument, store.DataUnavailable where there is neither file, network nor fallback.
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
        if given not in _LOADERS:
            near = difflib.get_close_matches(str(given).lower().replace("-", "_"), _LOADERS, n=1, cutoff=0.5)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"There is no data set {given!r}; expected one of {', '.join(_LOADERS)}.{hint}")
    if size is not None and (type(size) is not int or size < 1):
        raise ValueError(f"Got size={size!r}; expected the side of the image, an integer of 1 or more pixels, or None.")
    if "binarized_mnist" in (name, fallback) and size not in (None, _NATIVE_SIZE["binarized_mnist"]):
        raise ValueError(
            f"Got size={size} for binarized_mnist; expected 28 or None, for resampling turns binary pixels grey. "
            "Load mnist at that size and binarise its batches instead."
        )
    if type(valid) is not int or not 0 <= valid < _NUM_TRAINING:
        raise ValueError(
            f"Got valid={valid!r}; expected how many of the {_NUM_TRAINING:,} training images to set aside, an integer "
            f"from 0 to {_NUM_TRAINING - 1:,}. A share such as 0.1 has to be given as a number of images."
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
    images = torch.empty(len(first) + len(last), 1, 28, 28)
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
    """uint8 array in LeCun's IDX format: two zeros, type 8, number of axes, their lengths (big-endian), the items."""
    num_axes = contents[3]
    shape = np.frombuffer(contents, ">u4", count=num_axes, offset=4)
    return np.frombuffer(contents, np.uint8, offset=4 + 4 * num_axes).reshape(shape)


def _parse_amat(contents: bytearray) -> np.ndarray:
    """uint8 [N, 28, 28] of zeros and ones from lines of 784 digits, each followed by a space or the end of the line."""
    digits_and_gaps = np.frombuffer(contents, np.uint8).reshape(-1, 28, 28, 2)
    return digits_and_gaps[..., 0] & 1  # the codes of "0" and "1" are 48 and 49


def _to_float(greys: np.ndarray, white: int, size: int | None) -> torch.Tensor:
    """float32 [N, 1, H, W] in [0, 1] from [N, H, W], where `white` becomes 1; resampled to `size`."""
    height, width = (size, size) if size is not None else greys.shape[1:]
    if (height, width) == greys.shape[1:]:
        return torch.from_numpy(greys).to(torch.float32).div_(white).unsqueeze(1)
    images = torch.empty(len(greys), 1, height, width)
    for start in range(0, len(greys), _CHUNK):
        chunk = torch.from_numpy(greys[start : start + _CHUNK]).to(torch.float32).div_(white).unsqueeze(1)
        resampled = interpolate(chunk, (height, width), mode="bilinear", antialias=True)
        images[start : start + _CHUNK] = resampled.clamp_(0, 1)  # rounding may step over either end
    return images

"""The files of the data sets: paths, checksums, addresses.

Paths are torchvision's: `MNIST/raw/...` under its `root`. Sums are of the contents, unzipped, so that the file as
distributed and the file as torchvision extracts it are checked by the same sum. The addresses are torchvision's own
(`torchvision.datasets.MNIST.mirrors`), the University of Toronto for the static binarisation, and the repository of
the JSB chorales, at a fixed commit first.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DataFile:
    """One file of a data set.

    Args:
        path: Path under the data folder, without `.gz`; the file there may be zipped or not.
        size: Size of the contents, unzipped, in bytes.
        sha256: Checksum of the contents, unzipped, in hexadecimal.
        urls: Addresses to download it from, best first.
    """

    path: str
    size: int
    sha256: str
    urls: tuple[str, ...]


MNIST_MIRRORS = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/")
FASHION_MNIST_MIRRORS = ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",)
BINARIZED_MNIST_MIRROR = "http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist/"
JSB_MIRRORS = tuple(
    f"https://raw.githubusercontent.com/czhuang/JSB-Chorales-dataset/{version}/"
    for version in ("9a7f733ddb4ed91f48da64ac7f0f621c34aadd4d", "master")
)


def _idx_file(folder: str, mirrors: tuple[str, ...], name: str, size: int, sha256: str) -> DataFile:
    return DataFile(f"{folder}/raw/{name}", size, sha256, tuple(f"{mirror}{name}.gz" for mirror in mirrors))


def _amat_file(part: str, size: int, sha256: str) -> DataFile:
    name = f"binarized_mnist_{part}.amat"
    return DataFile(f"binarized_mnist/{name}", size, sha256, (BINARIZED_MNIST_MIRROR + name,))


_MNIST = ("MNIST", MNIST_MIRRORS)
_FASHION = ("FashionMNIST", FASHION_MNIST_MIRRORS)

# data set -> part -> file
MANIFEST: dict[str, dict[str, DataFile]] = {
    "mnist": {
        "train_images": _idx_file(
            *_MNIST,
            "train-images-idx3-ubyte",
            47_040_016,
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        ),
        "train_labels": _idx_file(
            *_MNIST,
            "train-labels-idx1-ubyte",
            60_008,
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        ),
        "test_images": _idx_file(
            *_MNIST,
            "t10k-images-idx3-ubyte",
            7_840_016,
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        ),
        "test_labels": _idx_file(
            *_MNIST,
            "t10k-labels-idx1-ubyte",
            10_008,
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    },
    "fashion_mnist": {
        "train_images": _idx_file(
            *_FASHION,
            "train-images-idx3-ubyte",
            47_040_016,
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        ),
        "train_labels": _idx_file(
            *_FASHION,
            "train-labels-idx1-ubyte",
            60_008,
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        ),
        "test_images": _idx_file(
            *_FASHION,
            "t10k-images-idx3-ubyte",
            7_840_016,
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        ),
        "test_labels": _idx_file(
            *_FASHION,
            "t10k-labels-idx1-ubyte",
            10_008,
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
    },
    "binarized_mnist": {
        "train": _amat_file("train", 78_400_000, "ad693b29f94c14277b095f5238ddefbbdaaae0939789dd2f4f0205278cee3e4d"),
        "valid": _amat_file("valid", 15_680_000, "1de3d397c40fe8eeb33dafd4099a1f665ec01e96d9be234aaeeac8a34930e2e2"),
        "test": _amat_file("test", 15_680_000, "e6687bfea3f820c174f33b7865140b2a2dd2930ef786f35d45795fc193b5ab2c"),
    },
    "jsb": {
        "quarter": DataFile(
            "jsb/jsb-chorales-quarter.json",
            407_200,
            "2db9329f1881a1d3f49703ec556bf1d6f84b4f6c1d702c156536e93cf31e1c91",
            tuple(f"{mirror}jsb-chorales-quarter.json" for mirror in JSB_MIRRORS),
        ),
    },
}

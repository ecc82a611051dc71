"""Data sets load in [0, 1], split as promised, and fall back with one line where they cannot be had."""

from __future__ import annotations

import gzip
import hashlib
import struct

import pytest
import torch

from helpers import settings
from helpers.data import load_images
from helpers.data.download import store
from helpers.data.download.manifest import MANIFEST

NUM_TRAIN, NUM_TEST = 60, 20


def small_mnist(server) -> tuple[dict, dict[str, torch.Tensor]]:
    """A data set of 80 images in MNIST's format, and its tensors."""
    generator = torch.Generator().manual_seed(0)
    tensors, files = {}, {}
    for part, number in (("train", NUM_TRAIN), ("test", NUM_TEST)):
        tensors[f"{part}_images"] = torch.randint(256, (number, 28, 28), generator=generator, dtype=torch.uint8)
        tensors[f"{part}_labels"] = torch.randint(10, (number,), generator=generator, dtype=torch.uint8)
    for key, tensor in tensors.items():
        header = bytes([0, 0, 8, tensor.dim()]) + struct.pack(f">{tensor.dim()}I", *tensor.shape)
        files[key] = server.data_file(header + tensor.numpy().tobytes(), MANIFEST["mnist"][key].path)
    return files, tensors


@pytest.fixture
def mnist(server, monkeypatch) -> dict[str, torch.Tensor]:
    files, tensors = small_mnist(server)
    monkeypatch.setitem(MANIFEST, "mnist", files)
    return tensors


def test_mnist_is_downloaded_and_split(data_folder, mnist):
    data = load_images("mnist", valid=10)
    assert (data.name, len(data.train), len(data.valid), len(data.test)) == ("mnist", 50, 10, 20)
    assert torch.equal(data.train.images, mnist["train_images"][:50].unsqueeze(1) / 255)
    assert torch.equal(data.valid.images, mnist["train_images"][50:].unsqueeze(1) / 255)
    assert torch.equal(data.test.images, mnist["test_images"].unsqueeze(1) / 255)
    assert torch.equal(data.train.labels, mnist["train_labels"][:50].long())
    assert torch.equal(data.valid.labels, mnist["train_labels"][50:].long())
    assert torch.equal(data.test.labels, mnist["test_labels"].long())
    assert data.train.images.dtype == torch.float32
    assert sorted(path.name for path in (data_folder / "MNIST/raw").iterdir()) == [
        "t10k-images-idx3-ubyte.gz",
        "t10k-labels-idx1-ubyte.gz",
        "train-images-idx3-ubyte.gz",
        "train-labels-idx1-ubyte.gz",
    ]


def test_train_and_valid_are_views_of_one_tensor(data_folder, mnist):
    data = load_images("mnist", valid=10)
    assert data.train.images.untyped_storage().data_ptr() == data.valid.images.untyped_storage().data_ptr()


def test_nothing_need_be_set_aside(data_folder, mnist):
    data = load_images("mnist", valid=0)
    assert len(data.train) == NUM_TRAIN and data.valid is None


@pytest.mark.filterwarnings("error")
def test_files_that_torchvision_extracted_serve_too(data_folder, server, mnist):
    for page, body in server.pages.items():
        target = data_folder / page.removeprefix("/").removesuffix(".gz")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(gzip.decompress(body))
    server.pages.clear()
    assert len(load_images("mnist", valid=10).train) == 50


def test_resampling_keeps_the_range_the_mean_and_the_order(data_folder, mnist):
    full, half = load_images("mnist", valid=10), load_images("mnist", size=14, valid=10)
    assert half.train.images.shape == (50, 1, 14, 14) and half.test.images.shape == (20, 1, 14, 14)
    assert half.train.images.min() >= 0 and half.train.images.max() <= 1
    # antialiasing weighs every pixel: the means of halved random images stay close to their own
    assert torch.allclose(half.train.images.mean((1, 2, 3)), full.train.images.mean((1, 2, 3)), atol=0.01)


def test_the_fallback_is_announced_in_one_line(data_folder, capsys):
    data = load_images("mnist", fallback="digits")
    notice = capsys.readouterr().out
    assert data.name == "digits" and data.train.images.shape == (1197, 1, 28, 28)
    assert notice.count("\n") == 1
    for words in (
        "MNIST/raw/train",
        "was not found",
        "scikit-learn digits (1,797 images) instead of mnist",
        "WORKBOOK_DATA",
    ):
        assert words in notice


def test_a_damaged_file_without_network_falls_back_and_says_so(data_folder, capsys):
    bad = data_folder / "MNIST/raw/train-images-idx3-ubyte.gz"
    bad.parent.mkdir(parents=True)
    bad.write_bytes(gzip.compress(b"not the images"))
    assert load_images("mnist", size=28, fallback="digits").name == "digits"
    notice = capsys.readouterr().out
    assert f"{bad} is truncated" in notice and MANIFEST["mnist"]["train_images"].sha256 in notice


def test_without_a_fallback_the_error_names_file_and_remedy(data_folder):
    with pytest.raises(store.DataUnavailable, match="train-images-idx3-ubyte was not found in .*WORKBOOK_DATA"):
        load_images("fashion_mnist")


def test_smoke_mode_uses_the_fallback_at_once(data_folder, server, mnist, monkeypatch, capsys):
    monkeypatch.setattr(settings, "SMOKE", True)
    data = load_images("mnist", fallback="digits")
    assert data.name == "digits" and data.train.images.shape[1:] == (1, 28, 28)
    assert capsys.readouterr().out.count("\n") == 1
    assert not server.requests and not data_folder.exists()


def test_smoke_mode_never_uses_the_network(data_folder, server, mnist, monkeypatch):
    monkeypatch.setattr(settings, "SMOKE", True)
    with pytest.raises(store.DataUnavailable, match="network may not be used"):
        load_images("mnist", valid=10)
    assert not server.requests
    monkeypatch.setattr(settings, "SMOKE", False)
    load_images("mnist", valid=10)
    monkeypatch.setattr(settings, "SMOKE", True)
    assert load_images("mnist", valid=10).name == "mnist", "files at hand may be read"


def amat(images: torch.Tensor) -> bytes:
    return b"".join(b" ".join(b"%d" % pixel for pixel in image) + b"\n" for image in images.flatten(1).tolist())


def test_the_static_binarisation_joins_its_parts_and_does_without_its_test(data_folder, server, monkeypatch, capsys):
    images = (torch.rand(30, 28, 28, generator=torch.Generator().manual_seed(0)) < 0.3).byte()
    files = {
        part: server.data_file(amat(chunk), f"binarized_mnist/binarized_mnist_{part}.amat", zipped=False)
        for part, chunk in zip(("train", "valid", "test"), images.split([15, 5, 10]), strict=True)
    }
    monkeypatch.setitem(MANIFEST, "binarized_mnist", files)
    data = load_images("binarized_mnist", valid=5)
    assert torch.equal(data.train.images, images[:15].unsqueeze(1).float())
    assert torch.equal(data.valid.images, images[15:20].unsqueeze(1).float())
    assert torch.equal(data.test.images, images[20:].unsqueeze(1).float())
    assert data.train.labels is None
    assert capsys.readouterr().out == ""

    (data_folder / "binarized_mnist/binarized_mnist_test.amat").unlink()
    server.pages.clear()
    assert load_images("binarized_mnist", valid=0).test is None
    assert "without its test part" in capsys.readouterr().out


def test_digits_are_split_by_class_the_same_way_each_time():
    torch.manual_seed(0)
    state = torch.get_rng_state()
    data, again = load_images("digits"), load_images("digits", valid=100)
    assert [len(split) for split in (data.train, data.valid, data.test)] == [1197, 300, 300]
    assert [len(split) for split in (again.train, again.valid, again.test)] == [1397, 100, 300]
    for split in (data.valid, data.test):
        assert split.labels.bincount().tolist() == [30] * 10
    assert again.valid.labels.bincount().tolist() == [10] * 10
    assert torch.equal(data.test.images, again.test.images)
    assert torch.equal(data.valid.images[-100:], again.valid.images)
    assert data.train.images.shape[1:] == (1, 8, 8) and data.train.images.max() == 1
    assert load_images("digits", valid=0).valid is None
    assert torch.equal(torch.get_rng_state(), state)


def test_the_parts_of_the_digits_share_no_image():
    data = load_images("digits")
    sums = [
        {hashlib.sha256(image.numpy().tobytes()).digest() for image in split.images}
        for split in (data.train, data.valid, data.test)
    ]
    assert not (sums[0] & sums[1] or sums[0] & sums[2] or sums[1] & sums[2])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "minst"}, "Got data set 'minst'; expected one of mnist, .* Did you mean 'mnist'"),
        ({"name": "Fashion-MNIST"}, "Did you mean 'fashion_mnist'"),
        ({"name": "mnist", "fallback": "digit"}, "Got data set 'digit'.*Did you mean 'digits'"),
        ({"name": "digits", "size": 0}, "size=0; expected None, or the side"),
        ({"name": "digits", "size": 28.0}, "size=28.0"),
        ({"name": "digits", "size": (28, 28)}, r"size=\(28, 28\)"),
        ({"name": "binarized_mnist", "size": 14}, "turns binary pixels grey"),
        ({"name": "mnist", "valid": 60_000}, "valid=60000; .* from 0 to 59,999"),
        ({"name": "mnist", "valid": -1}, "valid=-1"),
        ({"name": "digits", "valid": 0.1}, "share such as 0.1"),
    ],
)
def test_what_cannot_be_right_is_refused(data_folder, arguments, message):
    with pytest.raises(ValueError, match=message):
        load_images(**arguments)


@pytest.mark.parametrize(
    ("name", "mean"), [("mnist", 0.1307), ("fashion_mnist", 0.2860)], ids=["mnist", "fashion_mnist"]
)
def test_the_real_files_have_the_known_mean(name, mean, real_data):
    data = load_images(name)
    assert data.name == name
    assert [len(split) for split in (data.train, data.valid, data.test)] == [50_000, 10_000, 10_000]
    pixels = (data.train.images.mean() * 5 + data.valid.images.mean()) / 6
    assert abs(pixels.item() - mean) < 5e-5
    assert data.test.labels.bincount().tolist() == ([1000] * 10 if name == "fashion_mnist" else MNIST_TEST_COUNTS)


MNIST_TEST_COUNTS = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_the_real_static_binarisation_is_a_draw_from_mnist(real_data):
    grey, binary = load_images("mnist", valid=0).train.images, load_images("binarized_mnist")
    assert len(binary.train) == 50_000 and len(binary.valid) == 10_000 and binary.train.labels is None
    assert binary.train.images.unique().tolist() == [0, 1]
    # the same 60,000 images in another order: at each pixel, as many ones as the grey levels add up to
    difference = binary.train.images.sum(0) + binary.valid.images.sum(0) - grey.sum(0)
    standard_error = (grey * (1 - grey)).sum(0).sqrt()
    assert (difference.abs() <= 6 * standard_error + 1e-3).all()

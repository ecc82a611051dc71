"""The manifest agrees with torchvision's own lists, and with the files where they are at hand."""

from __future__ import annotations

import hashlib

import pytest

from helpers.data import import_torchvision
from helpers.data.download.contents import unzipped
from helpers.data.download.manifest import MANIFEST

KEYS = ("train_images", "train_labels", "test_images", "test_labels")


@pytest.mark.parametrize(("name", "class_name"), [("mnist", "MNIST"), ("fashion_mnist", "FashionMNIST")])
def test_addresses_and_folders_are_torchvisions(name, class_name):
    theirs = getattr(import_torchvision().datasets, class_name)
    for key, (filename, _) in zip(KEYS, theirs.resources, strict=True):
        file = MANIFEST[name][key]
        assert file.urls == tuple(mirror + filename for mirror in theirs.mirrors)
        assert file.path + ".gz" == f"{theirs.__name__}/raw/{filename}"


def test_every_sum_is_a_sha256_and_no_two_files_share_one():
    sums = [file.sha256 for files in MANIFEST.values() for file in files.values()]
    assert all(len(bytes.fromhex(value)) == 32 for value in sums)
    assert len(set(sums)) == len(sums) == 12


@pytest.mark.parametrize(("name", "class_name"), [("mnist", "MNIST"), ("fashion_mnist", "FashionMNIST")])
def test_files_with_torchvisions_md5_have_our_sha256(name, class_name, real_data):
    for key, (_, md5) in zip(KEYS, getattr(import_torchvision().datasets, class_name).resources, strict=True):
        file = MANIFEST[name][key]
        path = real_data / (file.path + ".gz")
        if not path.is_file():
            pytest.skip(f"{path} is not at hand")
        raw = path.read_bytes()
        assert hashlib.md5(raw, usedforsecurity=False).hexdigest() == md5
        contents, _ = unzipped(bytearray(raw), file.size)
        assert (len(contents), hashlib.sha256(contents).hexdigest()) == (file.size, file.sha256)

"""Weights at half precision: there and back."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from helpers.training import load_half_precision, save_half_precision


def test_weights_come_back_as_they_were_shipped_ready_to_use(tmp_path):
    torch.manual_seed(0)
    shipped, loaded = nn.Linear(3, 2), nn.Linear(3, 2)
    exact = shipped.weight.detach().clone()
    save_half_precision(tmp_path / "toy.safetensors", toy=shipped)
    load_half_precision(tmp_path / "toy.safetensors", toy=loaded)
    assert torch.equal(loaded.weight, exact.half().float()) and loaded.weight.dtype == torch.float32
    assert not torch.equal(loaded.weight, exact)  # two bytes a weight
    assert torch.equal(shipped.weight, loaded.weight)  # the one who ships goes on with what the file says
    assert not loaded.training


def test_what_does_not_fit_is_refused(tmp_path):
    save_half_precision(tmp_path / "toy.safetensors", toy=nn.Linear(3, 2))
    with pytest.raises(ValueError, match="do not fit"):
        load_half_precision(tmp_path / "toy.safetensors", toy=(wide := nn.Linear(3, 4)))
    with pytest.raises(FileNotFoundError):
        load_half_precision(tmp_path / "none.safetensors", toy=(other := nn.Linear(3, 2)))
    assert wide.weight.dtype == other.weight.dtype == torch.float32


def test_a_write_that_fails_leaves_the_modules_as_they_were(tmp_path):
    (tmp_path / "file").write_text("in the folder's place")
    module = nn.Linear(3, 2)
    exact = module.weight.detach().clone()
    with pytest.raises(OSError):
        save_half_precision(tmp_path / "file" / "toy.safetensors", toy=module)
    assert torch.equal(module.weight, exact)

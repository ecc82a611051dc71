"""Weights as safetensors: tensors only, written atomically, checked before they are loaded."""

from __future__ import annotations

import os
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from helpers.files import atomic_write


def save_weights(module: nn.Module, path: str | os.PathLike[str]) -> None:
    """Write the parameters and buffers of `module` as safetensors, atomically."""
    with atomic_write(Path(path)) as partial:
        save_file({name: value.contiguous() for name, value in module.state_dict().items()}, partial)


def load_weights(module: nn.Module, path: str | os.PathLike[str]) -> None:
    """Load safetensors into `module`. ValueError where the file is something else (a pickle, say) or does not fit."""
    try:
        weights = load_file(path)
    except FileNotFoundError:
        raise
    except Exception as error:
        raise ValueError(
            f"{path} is no safetensors file and was not loaded ({error}). Weights are read from safetensors only, because a pickle "
            "could run any code; convert it where it came from, with safetensors.torch.save_file."
        ) from error
    try:
        check_state_dict(module, weights)
    except ValueError as error:
        raise ValueError(f"The weights in {path} do not fit this model: {error}.") from error
    module.load_state_dict(weights)


def save_half_precision(path: Path, **modules: nn.Module) -> None:
    """Write the modules' weights at half precision. The modules end on the CPU, with the weights as they were written."""
    both = nn.ModuleDict(modules).cpu().half()
    save_weights(both, path)
    both.float()


def load_half_precision(path: Path, **modules: nn.Module) -> None:
    """Load what `save_half_precision` wrote into modules of the same build, in float32 and in evaluation mode.

    FileNotFoundError where the file is missing.
    """
    both = nn.ModuleDict(modules).half()  # as they were saved
    load_weights(both, path)
    both.float().eval()


def check_state_dict(module: nn.Module, weights: dict[str, Tensor]) -> None:
    """ValueError unless `weights` has the names and shapes of `module`. `load_state_dict` says so too, but overwrites what fits first."""
    expected = module.state_dict()
    for name, value in expected.items():
        if name not in weights:
            raise ValueError(f"{name} is missing from it")
        if weights[name].shape != value.shape:
            raise ValueError(
                f"{name} has shape {tuple(weights[name].shape)} in it, and {tuple(value.shape)} was expected"
            )
    for name in weights:
        if name not in expected:
            raise ValueError(f"it holds {name}, which is unknown here")

"""Weights as safetensors: tensors only, written atomically, checked before they are loaded."""

from __future__ import annotations

import os
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from helpers.files import atomic_write


def save_weights(module: nn.Module, path: str | os.PathLike[str]) -> None:
    """Write parameters and buffers as safetensors, atomically.

    Args:
        module: Module whose `state_dict` is written.
        path: File to write. Its folder is created if it is missing.
    """
    with atomic_write(Path(path)) as partial:
        save_file({name: value.contiguous() for name, value in module.state_dict().items()}, partial)


def load_weights(module: nn.Module, path: str | os.PathLike[str]) -> None:
    """Load safetensors into a module, after a check: either everything is loaded or nothing changes.

    Args:
        module: Module with the names and shapes of the file.
        path: File that `save_weights` wrote.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is not safetensors (for example a pickle), or if names or shapes do not fit the module.
    """
    try:
        weights = load_file(path)
    except FileNotFoundError:
        raise
    except Exception as error:
        raise ValueError(
            f"Got {path}, which is no safetensors file and was not loaded ({error}); expected safetensors, because a pickle could run any "
            "code. Usually it was written by torch.save: convert it where it comes from, with safetensors.torch.save_file."
        ) from error
    try:
        check_state_dict(module, weights)
    except ValueError as error:
        raise ValueError(
            f"The weights in {path} do not fit this model. {error} Usually they belong to another architecture or size."
        ) from error
    module.load_state_dict(weights)


def save_half_precision(path: Path, **modules: nn.Module) -> None:
    """Write the weights of several modules to one file, at half precision.

    The modules are left on the CPU in float32, with the rounded weights of the file.

    Args:
        path: File to write. Its folder is created if it is missing.
        **modules: Modules by name; the names are prefixes of the keys in the file.
    """
    both = nn.ModuleDict(modules).cpu()
    rounded = {
        name: (value.half() if value.is_floating_point() else value).contiguous()
        for name, value in both.state_dict().items()
    }
    with atomic_write(Path(path)) as partial:
        save_file(rounded, partial)
    both.load_state_dict(rounded)  # only now: if the write fails, the modules are as they were


def load_half_precision(path: Path, **modules: nn.Module) -> None:
    """Load what `save_half_precision` wrote. The modules are left in float32 and in evaluation mode.

    Args:
        path: File that `save_half_precision` wrote.
        **modules: Modules of the same architecture, under the same names.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If names or shapes do not fit.
    """
    both = nn.ModuleDict(modules)
    load_weights(both, path)
    both.eval()


def check_state_dict(module: nn.Module, weights: dict[str, Tensor]) -> None:
    """Check that weights have the names and shapes of a module, before any of them is loaded.

    `nn.Module.load_state_dict` checks too, but overwrites what fits first.

    Args:
        module: Module to load into.
        weights: Tensors by name.

    Raises:
        ValueError: If a name is missing or unknown, or if a shape differs.
    """
    expected = module.state_dict()
    for name, value in expected.items():
        if name not in weights:
            raise ValueError(f"Got weights without {name}; expected it with shape {tuple(value.shape)}.")
        if weights[name].shape != value.shape:
            raise ValueError(
                f"Got {name} with shape {tuple(weights[name].shape)}; expected shape {tuple(value.shape)}."
            )
    for name in weights:
        if name not in expected:
            raise ValueError(f"Got {name}; expected only names in the state dict of {type(module).__name__}.")

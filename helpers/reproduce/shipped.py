"""Trained weights that come with the workbook, at half precision: two bytes a weight, so that a file stays below three megabytes."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from helpers.training import load_weights, save_weights


def ship(path: Path, **modules: nn.Module) -> None:
    """Write the modules' weights at half precision. The modules end on the CPU, with the weights as they were written."""
    both = nn.ModuleDict(modules).cpu().half()
    save_weights(both, path)
    both.float()


def load_shipped(path: Path, **modules: nn.Module) -> None:
    """Load what `ship` wrote into modules of the same build, in float32 and in evaluation mode. FileNotFoundError where it is missing."""
    both = nn.ModuleDict(modules).half()  # as they were saved
    load_weights(both, path)
    both.float().eval()

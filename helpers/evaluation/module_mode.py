"""Modules in evaluation mode for as long as a measurement takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluation_mode(*roots: nn.Module) -> Iterator[None]:
    """No dropout inside; each module's own mode is put back afterwards."""
    modes = [(module, module.training) for root in roots for module in root.modules()]
    for root in roots:
        root.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode

"""A context in which modules are in evaluation mode, for the time of a measurement."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluation_mode(*roots: nn.Module) -> Iterator[None]:
    """Context manager: put modules in evaluation mode (no dropout), and restore each submodule's mode at the end.

    A submodule that was in evaluation mode before, inside a module in training mode, is so afterwards too, also after an error.

        with evaluation_mode(model, guide):
            ...

    Args:
        *roots: Modules, whose submodules are included.

    Yields:
        None.
    """
    modes = [(module, module.training) for root in roots for module in root.modules()]
    for root in roots:
        root.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode

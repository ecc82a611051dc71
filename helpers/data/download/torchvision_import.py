"""The only import of torchvision."""

from __future__ import annotations

import functools
import importlib
import re
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

_MISSING = re.compile(r"operator torchvision::(\w+) does not exist")
_REGISTERED = re.compile(r"""register_fake\(\s*["']torchvision::(\w+)["']""")
_SIGNATURES = {
    "nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}
_ANY_SIGNATURE = "(Tensor input) -> Tensor"  # a declared operator has no kernel, so nothing can call it


def import_torchvision() -> ModuleType:
    """Import torchvision, also if its compiled operators cannot load.

    With a torch of another build (a CPU torch with a CUDA-built torchvision), `import torchvision` fails with "operator torchvision::nms
    does not exist": its Python code describes operators that its compiled part did not register. Data sets and transforms need none of
    them. Only in this case, the missing signatures are declared, without kernels, and torchvision is imported again. Afterwards a plain
    `import torchvision` works anywhere in the process, so call this before importing Pyro's examples (`pyro.contrib.examples.util`).

    Returns:
        The module torchvision.

    Raises:
        ImportError: If torchvision is not installed. Other errors of the plain import are raised too.
    """
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        missing = _MISSING.search(str(error))
        if missing is None:
            raise
        names = {missing.group(1)} | _registered_operators()
    for module in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[module]  # the submodules that the failed import left behind
    _declare(frozenset(names))
    return importlib.import_module("torchvision")


def _registered_operators() -> set[str]:
    """Operators that the installed version describes in Python, read from its source without importing it."""
    spec = find_spec("torchvision")
    folders = spec.submodule_search_locations if spec else None
    sources = [source for folder in folders or () for source in Path(folder).glob("*.py")]
    return {name for source in sources for name in _REGISTERED.findall(source.read_text(encoding="utf-8"))}


@functools.cache  # keeps the library alive: its declarations vanish with it
def _declare(names: frozenset[str]) -> Any:
    import torch

    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in sorted(names):
        if not hasattr(torch.ops.torchvision, name):
            library.define(name + _SIGNATURES.get(name, _ANY_SIGNATURE))
    return library

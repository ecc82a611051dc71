"""The door imports torchvision where it can be imported, and helps only where its operators are missing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]

OPEN_THE_DOOR = f"""
import importlib.util
import sys

spec = importlib.util.spec_from_file_location("torchvision_import", {str(ROOT / "helpers/data/download/torchvision_import.py")!r})
door = importlib.util.module_from_spec(spec)
spec.loader.exec_module(door)
"""


def run(script: str, *path: Path) -> subprocess.CompletedProcess:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (*path, ROOT)))}
    return subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=120)


@pytest.fixture
def stub(tmp_path):
    """Write a package that stands in for torchvision."""

    def write(**sources: str) -> Path:
        (tmp_path / "torchvision").mkdir()
        for name, source in sources.items():
            (tmp_path / "torchvision" / f"{name}.py").write_text(source)
        return tmp_path

    return write


def test_it_does_nothing_where_torchvision_imports_by_itself(stub):
    path = stub(__init__="from . import datasets\n__version__ = 'stub'\n", datasets="")
    script = OPEN_THE_DOOR + "assert door.import_torchvision().__version__ == 'stub'\nassert 'torch' not in sys.modules"
    result = run(script, path)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("raise RuntimeError('CUDA is out of order')", "RuntimeError: CUDA is out of order"),
        ("import a_module_that_is_not_there", "ModuleNotFoundError: No module named 'a_module_that_is_not_there'"),
    ],
)
def test_other_failures_pass_through_untouched(stub, source, error):
    script = OPEN_THE_DOOR + "import atexit\natexit.register(lambda: print('torch' in sys.modules))\n"
    result = run(script + "door.import_torchvision()", stub(__init__=source))
    assert result.stderr.strip().endswith(error)
    assert result.stdout.strip() == "False"


def test_missing_operators_are_declared_whichever_they_are(stub):
    described = "import torch\n" + "\n".join(
        f"@torch.library.register_fake('torchvision::{name}')\ndef {name}_shape(*_): ...\n"
        for name in ("nms", "brand_new")
    )
    path = stub(__init__="from . import extension, described\n", extension="loaded = []\n", described=described)
    script = f"""{OPEN_THE_DOOR}
import torch
first = door.import_torchvision()
assert door.import_torchvision() is first and sys.modules["torchvision"] is first
assert sys.modules["torchvision.extension"] is first.extension
assert str(torch.ops.torchvision.nms.default._schema).startswith("torchvision::nms(Tensor dets, Tensor scores, float")
assert hasattr(torch.ops.torchvision, "brand_new")
"""
    result = run(script, path)
    assert result.returncode == 0, result.stderr


def test_the_installed_torchvision_and_pyros_examples_import():
    script = """
import sys
import helpers.data
heavy = {"torchvision", "sklearn", "matplotlib", "ipywidgets"} & set(sys.modules)
assert not heavy, f"importing helpers.data imports {heavy}"
torchvision = helpers.data.import_torchvision()
import pyro.contrib.examples.util
import torchvision.transforms
assert torchvision.datasets.MNIST.resources
"""
    result = run(script)
    assert result.returncode == 0, result.stderr

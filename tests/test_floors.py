"""The house stands: a room imports only rooms below it, and the lower floors stay light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "helpers"

# From the roof down, as in the design: a room may import what stands after it.
ROOMS = (
    ("widgets", "exercises", "reproduce"),
    ("experiments",),
    ("training", "evaluation", "plots"),
    ("models", "programs"),
    ("estimators", "distributions", "networks"),
    ("set_up", "data", "files", "matmul", "settings"),
)
ORDER = [room for floor in ROOMS for room in floor]
FILES = sorted(PACKAGE.rglob("*.py"))
BELOW_FLOOR_FOUR = {room for floor in ROOMS[3:] for room in floor}


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """Every module that a file imports, in functions too, by absolute name."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively; names from the top are easier to follow"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def ids(path: Path) -> str:
    return str(path.relative_to(PACKAGE))  # "." for the package itself


@pytest.mark.parametrize("path", [path for path in FILES if path != PACKAGE / "__init__.py"], ids=ids)
def test_a_room_imports_only_rooms_below_it(path):
    room = room_of(path)
    assert room in ORDER, f"{room} is on no floor: say in DESIGN which, and add it here"
    allowed = {room, *ORDER[ORDER.index(room) + 1 :]}
    imported = {name.split(".")[1] for name in imports(path) if name.startswith("helpers.")}
    assert imported <= allowed


@pytest.mark.parametrize(
    "path", [path for path in FILES if room_of(path) in BELOW_FLOOR_FOUR | {"experiments"}], ids=ids
)
def test_nothing_below_floor_four_nor_an_experiment_draws_or_shows(path):
    imported = {name.split(".")[0] for name in imports(path)} | {
        ".".join(name.split(".")[:2]) for name in imports(path)
    }
    assert not imported & {"matplotlib", "ipywidgets", "IPython", "helpers.plots"}


@pytest.mark.parametrize("path", [path for path in FILES if room_of(path) != "settings"], ids=ids)
def test_only_settings_reads_the_environment(path):
    tree = ast.parse(path.read_text())
    read = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)} & {"environ", "getenv"}
    assert not read
    assert not {"os.environ", "os.getenv"} & imports(path)


@pytest.mark.parametrize(
    "path",
    [path for path in FILES if room_of(path) in BELOW_FLOOR_FOUR - {"data", "files", "settings", "set_up"}],
    ids=ids,
)
def test_models_estimators_and_distributions_never_print_or_read_files(path):
    called = {
        node.func.id
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not called & {"print", "open"}
    assert not {name.split(".")[0] for name in imports(path)} & {"pathlib", "os"}


PACKAGES = [path.parent for path in FILES if path.name == "__init__.py"]


@pytest.mark.parametrize("folder", PACKAGES, ids=ids)
def test_no_name_hides_behind_a_module_of_its_own_name(folder):
    """`from helpers.training import fit` must be the function, whichever modules were imported before."""
    modules = {path.stem for path in folder.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    handed_on = {name.rpartition(".")[2] for name in imports(folder / "__init__.py") if name.startswith("helpers.")}
    assert not modules & handed_on


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_no_file_is_longer_than_it_can_be_read(path):
    most = 250 if "lesson_" in path.parent.name else 300
    assert len(path.read_text().splitlines()) <= most


LIGHT = """
import sys
import helpers
assert not [m for m in sys.modules if m.split(".")[0] in {"torch", "numpy", "matplotlib", "ipywidgets"}], "helpers alone is heavy"
from helpers import settings
assert "torch" not in sys.modules, "settings alone is heavy"
import torch
import helpers.estimators, helpers.models, helpers.distributions, helpers.training, helpers.evaluation
assert not [m for m in sys.modules if m.split(".")[0] in {"matplotlib", "ipywidgets", "torchvision", "sklearn", "pyro"}], "heavy"
"""


def test_importing_the_package_stays_light():
    done = subprocess.run([sys.executable, "-c", LIGHT], cwd=PACKAGE.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

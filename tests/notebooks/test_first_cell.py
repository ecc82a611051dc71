"""The first code cell of every lesson: the same everywhere, and it speaks, without a traceback, wherever a lesson may be opened."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
LESSONS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
OURS = ("__init__.py", "set_up.py", "settings.py")  # the part of the package that the cell needs

# What a notebook's kernel does: the cell runs in __main__, with the working folder first on the path.
RUN = """
import sys
{before}
exec(compile(sys.stdin.read(), "first cell", "exec"), globals())
{after}
"""


def first_code_cell(path: Path) -> nbformat.NotebookNode:
    cells = nbformat.read(path, as_version=4).cells
    return next(cell for cell in cells if cell.cell_type == "code")


CELL = first_code_cell(LESSONS[0]).source


class Place:
    """A folder with lessons in it, and a Python that runs their first cell there."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir(parents=True)

    def checkout(self) -> Path:
        """Make the folder the `notebooks` of a checkout; the checkout's folder."""
        home = self.folder.parent
        (home / "helpers").mkdir()
        for name in OURS:
            shutil.copy(ROOT / "helpers" / name, home / "helpers" / name)
        shutil.copy(ROOT / "pyproject.toml", home)
        return home

    def run(self, *options: str, python: str = sys.executable, before: str = "", after: str = "") -> list[str]:
        """The lines that the cell prints; it must end well, and say nothing to stderr."""
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        program = RUN.format(before=before, after=after)
        done = subprocess.run(
            [python, *options, "-c", program],
            input=CELL,
            cwd=self.folder,
            env={**environment, "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            encoding="utf-8",
            timeout=60,
        )
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout.splitlines()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "a workbook, elsewhere" / "notebooks")


BARE = "-S"  # no site-packages: no torch, no ipywidgets, and no workbook


# --- the same in every lesson, short, and nothing but the standard library ---


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_every_lesson_begins_with_it(path: Path):
    cell = first_code_cell(path)
    assert cell.source == CELL
    assert cell.metadata["tags"] == ["setup"]
    assert cell.metadata["slideshow"]["slide_type"] == "skip", "it must stay out of decks"


def test_it_is_short_and_an_old_python_can_read_it():
    assert len([line for line in CELL.splitlines() if line.strip()]) <= 15
    tree = ast.parse(CELL, feature_version=(3, 8))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert names - {"helpers"} <= sys.stdlib_module_names


@pytest.mark.parametrize("name", OURS)
def test_an_old_python_can_read_what_the_cell_imports(name: str):
    ast.parse((ROOT / "helpers" / name).read_text(encoding="utf-8"), feature_version=(3, 8))


# --- all is well ---


def test_one_line_says_which_python_runs_and_whose_helpers_it_uses():
    program = RUN.format(before="", after="assert 'torch' not in sys.modules, 'the first cell must be quick'")
    done = subprocess.run(
        [sys.executable, "-c", program], input=CELL, cwd=ROOT / "notebooks", capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    assert line.startswith("ok  python") and sys.executable in line and f"helpers of {ROOT}" in line


def test_a_lesson_uses_the_package_of_its_own_checkout(place: Place):
    home = place.checkout()  # while another one is installed in this Python
    (line,) = place.run(after=f"import helpers; assert helpers.__file__.startswith({str(home)!r})")
    assert line.startswith("ok  python") and line.endswith(f"helpers of {home}")


def test_in_the_teachers_notebooks_one_folder_deeper(place: Place):
    home = place.checkout()
    (line,) = Place(place.folder / "solutions").run()
    assert line.endswith(f"helpers of {home}")


def test_an_editor_that_starts_the_kernel_elsewhere(place: Place, tmp_path: Path):
    home = place.checkout()
    notebook = str(place.folder / "01_a_lesson.ipynb")
    (line,) = Place(tmp_path / "elsewhere").run(before=f"__vsc_ipynb_file__ = {notebook!r}")
    assert line.endswith(f"helpers of {home}")


# --- something is missing ---


def test_a_foreign_kernel_is_named_with_what_it_lacks(place: Place):
    home = place.checkout()
    python, versions = place.run(BARE)
    assert python.startswith("ok  python") and sys.executable in python
    assert versions.startswith("!!  versions  this Python lacks torch, torchvision, numpy") and "ipywidgets" in versions
    assert f'%pip install "{home}"' in versions and "`make lab`" in versions


def test_the_kernel_that_should_run_is_named_where_there_is_one(place: Place):
    home = place.checkout()
    (home / ".venv/bin").mkdir(parents=True)
    (home / ".venv/bin/python").write_text("")
    _, versions = place.run(BARE)
    assert f"Choose the kernel {home / '.venv/bin/python'}" in versions and "%pip" not in versions


def test_without_the_package_each_place_has_its_remedy(place: Place):
    lines = place.run(BARE)
    assert lines[0].startswith("!!  python") and sys.executable in lines[0] and "No module named 'helpers'" in lines[0]
    assert "`make lab`" in lines[1] and "3.11 or newer" in lines[1]
    assert "Colab" in lines[2] and "%pip install" in lines[2]
    assert len(lines) == 4


def old_pythons() -> list[str]:
    """Pythons of this machine that are too old for the workbook."""
    found = [shutil.which(f"python3.{minor}") for minor in range(6, 11)]
    return [path for path in found if path and subprocess.run([path, "-c", ""], capture_output=True).returncode == 0]


def test_a_python_that_is_too_old_says_so(place: Place):
    pythons = old_pythons()
    if not pythons:
        pytest.skip("no Python before 3.11 on this machine")
    place.checkout()
    for python in pythons:
        lines = place.run(python=python)
        assert lines[0].startswith("!!  python") and python in lines[0] and "3.11 or newer" in "".join(lines)


def test_a_python_without_the_package_that_is_too_old_says_what_is_needed(place: Place):
    for python in old_pythons():
        lines = place.run(python=python)
        assert lines[0].startswith("!!  python") and "3.11 or newer" in lines[1]


# --- something else has the name `helpers` ---


def test_a_learners_own_file_beside_the_lesson_does_not_hide_the_package(place: Place):
    home = place.checkout()
    (place.folder / "helpers.py").write_text("raise RuntimeError('imported')")
    (line,) = place.run()
    assert line.startswith("ok  python") and f"helpers of {home}" in line
    assert "helpers.py beside this notebook is another one" in line


@pytest.mark.parametrize("text", ["mine = 1", "raise RuntimeError('a sketch')", "this is no Python"])
def test_a_learners_own_file_where_no_package_is_near_is_named(text: str, place: Place):
    (place.folder / "helpers.py").write_text(text)
    lines = place.run(BARE)
    assert lines[0].startswith("!!  python") and "rename" in lines[3] and "restart the kernel" in lines[3]
    if text == "mine = 1":
        assert str(place.folder / "helpers.py") in lines[3]


def test_another_package_of_that_name_is_named(place: Place):
    (place.folder / "helpers").mkdir()
    (place.folder / "helpers/__init__.py").write_text("")
    lines = place.run(BARE)
    assert "No module named 'helpers.set_up'" in lines[0]
    assert str(place.folder / "helpers/__init__.py") in lines[3]


def test_one_that_was_imported_before_asks_for_a_restart(place: Place, tmp_path: Path):
    place.checkout()
    (place.folder / "helpers.py").write_text("")
    lines = place.run(before="sys.path.insert(0, ''); import helpers")
    assert lines[0].startswith("!!  python") and "not a package" in lines[0]
    assert "helpers.py" in lines[3] and "restart the kernel" in lines[3]


# --- answer cells ---


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_each_exercise_has_one_answer_cell_and_its_tag_names_it(path: Path):
    from helpers.exercises import registry

    tagged = []
    for cell in nbformat.read(path, as_version=4).cells:
        tags = cell.metadata.get("tags", [])
        of_exercises = [tag.removeprefix("exercise-") for tag in tags if tag.startswith("exercise-")]
        assert len(of_exercises) == ("answer" in tags), f"{tags}: `answer` and the exercise's id go together"
        for id in of_exercises:
            assert cell.cell_type == "code" and f'check("{id}", {registry.find(id).name})' in cell.source
            tagged.append(id)
    lesson = path.name[:2]
    asked = [exercise.id for exercise in registry.exercises_of(lesson)] if lesson in registry.lessons() else []
    assert sorted(tagged) == sorted(asked)

"""What a learner made is still there, byte for byte, after every command: in a clone, with the real lessons and the real Makefile.

Python is played as far as installing, testing and opening JupyterLab go; what the Makefile asks of `helpers` is done.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from helpers.exercises import registry, solutions
from helpers.exercises.lessons.__main__ import main
from helpers.exercises.lessons.pair import Pair, is_lesson, pairs
from helpers.exercises.lessons.record import prints
from tests.exercises.lessons.toy_project import in_notebook, in_text, sources

ROOT = Path(__file__).parents[2]
NAMES = ("01_amortized_inference", "02_variational_autoencoder")
OTHERS = {
    "notebooks/Untitled.ipynb": "{}",
    "notebooks/01_amortized_inference-Copy1.ipynb": "no notebook at all",
    "notebooks/my notes.ipynb": "{",
    "notebooks/02_variational_autoencoder (1).ipynb": "",
    "notebooks/03_größe.ipynb": "é",
    "notebooks/data.csv": "1,2",
    "lessons_src/Untitled.py": "def broken(",
    "lessons_src/02 my try.py": "x = 1",
    "slides/build/my deck.html": "<p>",
    "notebooks/solutions/for monday.ipynb": "{}",
}
PYTHON = """#!/bin/sh
case "$*" in
  *"helpers.exercises."*) exec {python} "$@" ;;
  *"-m pytest"*|*"-m slides.build"*|*"-m jupyterlab"*) echo "$*" >>asked ;;
esac
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Two lessons as they are in the repository, and a learner's other files."""
    root = tmp_path / "a clone, with spaces and é"
    for folder in ("lessons_src", "notebooks/.written"):
        (root / folder).mkdir(parents=True)
    for name in NAMES:
        for real, copy in zip(files(Pair(ROOT, name)), files(Pair(root, name)), strict=True):
            shutil.copy(real, copy)
    for name in ("pyproject.toml", "constraints.txt", "Makefile"):
        shutil.copy(ROOT / name, root / name)
    for name, contents in OTHERS.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(contents, encoding="utf-8")
    for pair in pairs(root):
        if not pair.read_record() == prints(pair.read_text()) == prints(pair.read_notebook()):
            pytest.skip("the lessons of this checkout have been edited")
    return root


def files(pair: Pair) -> tuple[Path, Path, Path]:
    return pair.text, pair.notebook, pair.record


def answered(edit, root: Path, id: str, body: str) -> str:
    exercise = registry.find(id)
    pair = next(pair for pair in pairs(root) if pair.name.startswith(exercise.lesson))
    given = exercise.stub.replace("...  # your code", body)
    edit(pair, exercise.stub, given)
    return given


def run_and_saved(root: Path) -> None:
    for pair in pairs(root):
        notebook = pair.read_notebook()
        notebook.metadata["language_info"] = {"name": "python", "version": "3.12.1"}
        for number, cell in enumerate(cell for cell in notebook.cells if cell.cell_type == "code"):
            cell.execution_count, cell.metadata["collapsed"] = number + 1, False
            cell.outputs = [nbformat.v4.new_output("stream", text=f"output {number}")]
        nbformat.write(notebook, pair.notebook)


def in_both(pair: Pair, old: str, new: str) -> None:
    in_text(pair, old, new)
    in_notebook(pair, old, new)


def different(pair: Pair, old: str, new: str) -> None:
    in_text(pair, old, new + "  # tried in the text")
    in_notebook(pair, old, new)


PLACES = {"in the notebook": in_notebook, "in the text": in_text, "in both": in_both, "in both, different": different}


@pytest.mark.parametrize("last", ["text", "notebook"])
@pytest.mark.parametrize("saved", [False, True])
@pytest.mark.parametrize("place", PLACES)
def test_no_command_loses_an_answer(place: str, saved: bool, last: str, clone: Path):
    for path in files(Pair(clone, NAMES[0])):
        path.unlink()  # one lesson is enough, and faster
    if saved:
        run_and_saved(clone)
    given = answered(PLACES[place], clone, "02.3", "return 2.3")
    pair = Pair(clone, NAMES[1])
    for path in (pair.text, pair.notebook):
        os.utime(path, (1_700_000_000 + 60 * (path == getattr(pair, last)),) * 2)
    before = {path: path.read_bytes() for path in files(pair)[:2]}
    for command in ("write", "reconcile", "write"):
        main([command], clone)
        for path, contents in before.items():
            kept = [path, *path.parent.glob(f"{path.stem}.kept-*")]
            stub_only = place == ("in the text" if path.suffix == ".ipynb" else "in the notebook")
            assert stub_only or any(copy.read_bytes() == contents for copy in kept)
    solutions.build(clone / "notebooks")
    notebook = pair.read_notebook()
    assert sources(pair.read_text()) == sources(notebook)
    assert any(given in source for source in sources(notebook))
    if saved:
        outputs = [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]
        assert sum(map(bool, outputs)) >= len(outputs) - 1  # of the cell whose input is new, there are none
    assert {name: (clone / name).read_text(encoding="utf-8") for name in OTHERS} == OTHERS


@pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")
def test_every_target_of_make_keeps_what_a_learner_made(clone: Path):
    run_and_saved(clone)
    given = answered(in_notebook, clone, "01.1", "return loc")
    python = clone / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(PYTHON.format(python=sys.executable))
    python.chmod(0o755)
    (clone / ".venv/complete").write_text(f"{clone}\n")
    mine = {path: path.read_bytes() for path in clone.rglob("*") if path.is_file() and path.suffix in (".ipynb", ".csv", ".html")}
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))} | {"PYTHONPATH": str(ROOT)}
    for target in ("lessons", "test", "slides", "solutions", "lab", "check"):
        done = subprocess.run(
            ["make", target], cwd=clone, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120
        )
        assert (done.returncode != 0) == (target == "lessons"), done.stdout + done.stderr
        assert {path: path.read_bytes() for path in mine} == mine, target
        if target == "lessons":
            assert "exercise 01.1" in done.stderr and "make reconcile" in done.stderr
    assert given in (clone / f"lessons_src/{NAMES[0]}.py").read_text(encoding="utf-8")  # JupyterLab opens it with the answer
    asked = (clone / "asked").read_text()
    (tested,) = [line for line in asked.splitlines() if "--nbval-lax" in line]
    assert tested.endswith(" ".join(f"notebooks/{name}.ipynb" for name in NAMES))
    assert not any(name in asked for name in OTHERS)


def test_only_numbered_names_of_plain_letters_are_lessons():
    assert all(is_lesson(Path(f"{name}.ipynb")) and is_lesson(Path(f"{name}.py")) for name in NAMES)
    assert not any(is_lesson(Path(name)) for name in (*OTHERS, "01_a.txt", "1_a.py", "01_A.py", "01-a.py", "01_.py", "01_a.py.py"))

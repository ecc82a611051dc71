"""Lessons executed, once for as long as nothing they depend on changes."""

from __future__ import annotations

import logging
import os
import platform
import re
import tempfile
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from helpers import settings
from helpers.data.download.manifest import MANIFEST
from slides.files import fingerprint, fingerprint_of_files, write

ROOT = Path(__file__).parents[1]
PACKAGE_FILES = {".py", ".json", ".safetensors", ".mplstyle"}
CELL_SECONDS = 900


class LessonError(RuntimeError):
    """A lesson did not run to its end; the message names lesson, cell and error."""


def executed(lesson: Path, cache: Path) -> tuple[nbformat.NotebookNode, str]:
    """The lesson with its outputs, and the key of the state they belong to.

    From `cache` where it holds them, else executed now. Raises LessonError where a cell fails.
    """
    notebook = nbformat.read(lesson, as_version=4)
    path, state = cache / f"{lesson.stem}.ipynb", state_before(notebook)
    key = execution_key(state)
    if path.is_file():
        kept = nbformat.read(path, as_version=4)
        if kept.metadata.get("execution_key") == key:
            return with_outputs_of(kept, notebook), key
    print(f"==> running {lesson.stem}{' in smoke mode' if settings.SMOKE else ', some minutes'}", flush=True)
    run(notebook, lesson)
    key = execution_key(
        state
    )  # a first run may have downloaded its data; what else changed meanwhile, the outputs do not know
    notebook.metadata["execution_key"] = key
    notebook.metadata.pop("widgets", None)
    write(path, nbformat.writes(notebook))
    return notebook, key


def execution_key(state: str) -> str:
    """A hash of what the outputs depend on: `state_before` the run, and the data found."""
    return fingerprint(state, data_found(settings.data_dir()))


def state_before(notebook: nbformat.NotebookNode) -> str:
    """A hash of the code, the package with its weights and result rows, Python and the packages, and the mode.

    Not of the prose and the slide types, so that a changed sentence runs nothing again.
    """
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    package = (path for path in (ROOT / "helpers").rglob("*") if path.suffix in PACKAGE_FILES and path.is_file())
    return fingerprint(
        code,
        fingerprint_of_files(package, ROOT),
        platform.python_version(),
        installed_versions(),
        settings.SMOKE,
        str(settings.device()),
    )


def installed_versions() -> dict[str, str]:
    """The project's dependencies and those of its extra `lab`, as pyproject.toml lists them, and their versions here."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = {}
    for requirement in project["dependencies"] + project["optional-dependencies"]["lab"]:
        name = re.match(r"[A-Za-z0-9._-]+", requirement).group()
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "missing"
    return found


def data_found(folder: Path) -> list[tuple[str, int]]:
    """The data files in `folder`, with their sizes."""
    known = {folder / file.path for parts in MANIFEST.values() for file in parts.values()}
    known |= {path.with_name(f"{path.name}.gz") for path in known}
    return sorted((str(path.relative_to(folder)), path.stat().st_size) for path in known if path.is_file())


def with_outputs_of(kept: nbformat.NotebookNode, notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook as it is now, with the outputs of the code cells of `kept`, whose code is the same."""
    outputs = [cell.outputs for cell in kept.cells if cell.cell_type == "code"]
    for cell, found in zip((cell for cell in notebook.cells if cell.cell_type == "code"), outputs, strict=True):
        cell.outputs = found
    return notebook


def run(notebook: nbformat.NotebookNode, lesson: Path) -> None:
    """Execute the notebook in place, in its own folder, as a learner would."""
    with tempfile.TemporaryDirectory() as scratch:
        # A build is nobody's progress: what the exercises keep of a learner goes where it is thrown away.
        # Lessons are built side by side: kernels with several threads each would wait for one another, several times as long.
        environment = {**os.environ, "WORKBOOK_PROGRESS": str(Path(scratch) / "progress.json"), "OMP_NUM_THREADS": "1"}
        # No name of a kernel: python3 is this Python's own.
        client = NotebookClient(
            notebook,
            timeout=CELL_SECONDS,
            kernel_name="python3",
            extra_arguments=["--log-level=CRITICAL"],  # what goes wrong is said below, in a sentence
            resources={"metadata": {"path": str(lesson.parent)}},
        )
        client.log.setLevel(logging.CRITICAL)
        try:
            client.execute(env=environment)
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as problem:
            raise LessonError(what_failed(notebook, lesson.stem, problem)) from None


def what_failed(notebook: nbformat.NotebookNode, name: str, problem: Exception) -> str:
    """Lesson, cell and error, in a sentence."""
    cells = list(enumerate(notebook.cells, 1))
    errors = [
        (number, cell, output)
        for number, cell in cells
        for output in cell.get("outputs", [])
        if output.output_type == "error"
    ]
    if isinstance(problem, CellExecutionError) and errors:
        number, cell, error = errors[-1]
        reason = f"{error.ename}: {error.evalue}"
    else:
        number, cell = next(
            ((number, cell) for number, cell in reversed(cells) if "execution" in cell.metadata), cells[0]
        )
        reason = {
            CellTimeoutError: f"it took longer than {CELL_SECONDS} s",
            DeadKernelError: "its kernel died, most often for want of memory",
        }.get(type(problem), f"{type(problem).__name__}: {problem}")
    return f"{name}, cell {number}, which begins {first_line(cell.source)!r}: {reason}"


def first_line(source: str) -> str:
    """The first line of code that is not a comment, or an empty string."""
    return next((line for line in source.splitlines() if line.strip() and not line.startswith("#")), "")

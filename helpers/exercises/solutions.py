"""`python -m helpers.exercises.solutions`: the teacher's notebooks, which are the lessons with every stub replaced by its solution.

Reads notebooks/NN_name.ipynb and writes notebooks/solutions/NN_name.ipynb (ignored by git). In these, a check that does not pass stops the
run, and a cell under each exercise gives the reason for the solution and the usual misconceptions. One that was edited is left alone.
"""

from __future__ import annotations

import argparse
import ast
import re
from pathlib import Path
from typing import Any

from helpers.exercises import registry
from helpers.exercises.exercise import Exercise
from helpers.exercises.lessons.pair import ask_for_notebook_tools, keep_copy, lessons, read_notebook
from helpers.exercises.lessons.record import prints, read_record, write_record
from helpers.files import atomic_write

HEADER = (
    "> **The teacher's copy**, with solutions. Made from `{source}` by `make solutions`, which writes it "
    "anew when the lesson changes: edit the lesson, or a copy of this one under another name."
)


def main(arguments: list[str] | None = None) -> None:
    """Command line: write the teacher's notebooks and print their paths.

    Args:
        arguments: Command-line arguments. None: those of the process.

    Raises:
        SystemExit: If nbformat or a folder of notebooks is missing, or if a lesson does not fit its exercises.
    """
    parser = argparse.ArgumentParser(
        prog="python -m helpers.exercises.solutions",
        description="Write the lessons with every stub replaced by its solution.",
    )
    parser.add_argument(
        "--notebooks", type=Path, default=Path("notebooks"), help="the folder of the lessons (notebooks)"
    )
    options = parser.parse_args(arguments)
    ask_for_notebook_tools("make solutions")
    if not options.notebooks.is_dir():
        parser.error(
            f"There is no folder {options.notebooks} here. Run this in the project's folder, or say --notebooks FOLDER."
        )
    try:
        written, edited = build(options.notebooks)
    except ValueError as error:
        raise SystemExit(f"*** {error}") from None
    for path, count in written:
        print(f"{path}: {count} {'solution' if count == 1 else 'solutions'}")
    if edited:
        raise SystemExit("\n".join(f"*** {sentence}" for sentence in edited))


def build(folder: Path) -> tuple[list[tuple[Path, int]], list[str]]:
    """Write FOLDER/solutions/NAME.ipynb for every lesson FOLDER/NAME.ipynb, and delete the solutions of lessons that no longer exist.

    Notebooks that somebody else wrote or changed there are neither replaced nor deleted. FOLDER/solutions/.written/ records what was
    written.

    Args:
        folder: Folder of the lessons' notebooks.

    Returns:
        The paths that hold the solutions, each with its number of solutions; and a sentence about each notebook that would have to be
        replaced and was edited.

    Raises:
        ValueError: If a lesson lacks one of its exercises, or the cell of an exercise lacks its stub.
    """
    target = folder / "solutions"
    target.mkdir(exist_ok=True)
    written, edited = [], []
    for source in lessons(folder):
        notebook = read_notebook(source)
        count = solve(notebook, source.name)
        path = target / source.name
        if (sentence := _replace(path, notebook)) is None:
            written.append((path, count))
        else:
            edited.append(sentence)
    for stale in set(lessons(target)) - {target / source.name for source in lessons(folder)}:
        if _is_as_written(stale):
            stale.unlink()
            _record_of(stale).unlink()
    return written, edited


def _record_of(path: Path) -> Path:
    return path.parent / ".written" / f"{path.stem}.json"


def _is_as_written(path: Path) -> bool:
    try:
        return prints(read_notebook(path)) == read_record(_record_of(path))
    except ValueError:  # no notebook
        return False


def _replace(path: Path, notebook: Any) -> str | None:
    """Write a solution's notebook, unless it is there, with outputs perhaps. If it was edited, say so instead, and keep a copy."""
    if path.exists():
        if not _is_as_written(path):
            return (
                f"{path} was edited, or was written by an older version, and is left as it is. "
                f"A copy lies beside it: {keep_copy(path).name}. "
                "Rename or delete it, then repeat `make solutions`."
            )
        if prints(notebook) == read_record(_record_of(path)):
            return None
    import nbformat  # of the extra `lab`: only the commands of teachers need it

    with atomic_write(path) as partial:
        nbformat.write(notebook, partial)
    write_record(_record_of(path), prints(notebook))
    return None


def solve(notebook: Any, name: str) -> int:
    """Put the solutions into a notebook, in place.

    Args:
        notebook: A notebook of nbformat, version 4.
        name: File name, which begins with the lesson's number.

    Returns:
        The number of solutions.

    Raises:
        ValueError: If the lesson lacks one of its exercises, checks an unknown one, or the cell of an exercise lacks its stub.
    """
    import nbformat

    cells, found = [], []
    for number, cell in enumerate(notebook.cells, 1):
        cell.source = re.sub(r"(\]\(|src=\")\.\./", r"\1../../", cell.source)  # one folder deeper
        cells.append(cell)
        checked = _checked(cell.source) if cell.cell_type == "code" else None
        if checked is None:
            continue
        id, line = checked
        try:
            exercise = registry.find(id)
        except registry.UnknownExercise as error:
            raise ValueError(f"{name}, cell {number}: {error}") from None
        cell.source = solved(cell.source, exercise, line, f"{name}, cell {number}")
        cells.append(_comment(exercise, cell))
        found.append(id)
    lesson = name[:2]
    if lesson in registry.lessons():
        missing = [exercise.id for exercise in registry.exercises_of(lesson) if found.count(exercise.id) != 1]
        if missing:
            raise ValueError(
                f"{name}: each exercise must be checked in exactly one cell; this is not the case for {', '.join(missing)}."
            )
    header = nbformat.v4.new_markdown_cell(
        HEADER.format(source=name), id="teachers-copy", metadata={"slideshow": {"slide_type": "skip"}}
    )
    notebook.cells = [header, *cells]
    # In place of the lesson's own, which would pair it with a text: JupyterLab would write lessons_src/solutions/.
    notebook.metadata["jupytext"] = {"formats": "ipynb"}
    return len(found)


def solved(source: str, exercise: Exercise, check: ast.Expr, where: str) -> str:
    """The source of an exercise's cell with the solution in place of the stub, and with an assertion that the check passes.

    Args:
        source: Source of the cell.
        exercise: The exercise that it checks.
        check: The statement of `source` that calls `check`.
        where: Notebook and cell, for messages.

    Returns:
        The new source.

    Raises:
        ValueError: If the cell does not define the function exactly once, before its check.
    """
    functions = [
        node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef) and node.name == exercise.name
    ]
    if len(functions) != 1:
        raise ValueError(
            f"{where}: the cell checks {exercise.id} and must define `{exercise.name}` once; it does so {len(functions)} times."
        )
    (function,) = functions
    if function.end_lineno >= check.lineno:
        raise ValueError(f"{where}: the stub of {exercise.id} comes after its check.")
    lines = source.splitlines()
    text = "\n".join(lines[check.lineno - 1 : check.end_lineno])
    asserted = f"verdict = {text}\nassert verdict.passed, verdict\nverdict"
    lines[check.lineno - 1 : check.end_lineno] = asserted.splitlines()
    lines[function.lineno - 1 : function.end_lineno] = exercise.solution_source.splitlines()
    return "\n".join(lines)


def _checked(source: str) -> tuple[str, ast.Expr] | None:
    """The id and the statement, if a cell calls check("01.1", ...)."""
    try:
        tree = ast.parse(source)
    except SyntaxError:  # a magic
        return None
    for node in tree.body:
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Call)
            and getattr(node.value.func, "id", "") == "check"
        ):
            first = node.value.args[0] if node.value.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                return first.value, node
    return None


def _comment(exercise: Exercise, cell: Any) -> Any:
    import nbformat

    wrong = "\n".join(
        f"- *{misconception.name}*: {misconception.sentence}" for misconception in exercise.misconceptions
    )
    text = f"**Why.** {exercise.why}\n\n**What learners write instead**, and what `check` says to it:\n\n{wrong}"
    return nbformat.v4.new_markdown_cell(
        text, id=f"why-{exercise.id.replace('.', '-')}", metadata={"slideshow": {"slide_type": "notes"}}
    )


if __name__ == "__main__":
    main()

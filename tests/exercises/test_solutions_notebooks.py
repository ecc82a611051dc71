"""The teacher's notebooks: every stub solved, every check asserted, nothing paired, nothing left over."""

from __future__ import annotations

import ast
from pathlib import Path

import jupytext
import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from helpers.exercises import registry, solutions
from helpers.exercises.lessons.pair import lessons
from tests.exercises.toys import ENERGY, SAMPLE

ROOT = Path(__file__).parents[2]
IMPORTS = (
    "from helpers.exercises import check, registry\nfrom tests.exercises import toys\nregistry.lessons = "
    "lambda: ['77']\nregistry.exercises_of = lambda _: (toys.ENERGY, toys.SAMPLE)"
)


def lesson(*codes: str) -> nbformat.NotebookNode:
    cells = [
        nbformat.v4.new_markdown_cell(
            "# 77 · Toys\n\n![a](../lessons_src/images/a.png) [b](../README.md) [c](78_other.ipynb)"
        )
    ]
    notebook = nbformat.v4.new_notebook(cells=[*cells, *(nbformat.v4.new_code_cell(code) for code in codes)])
    notebook.metadata.jupytext = {"formats": "notebooks//ipynb,lessons_src//py:percent"}
    return notebook


def cell(exercise) -> str:
    return f'{exercise.stub}\n\n\ncheck("{exercise.id}", {exercise.name})'


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(registry, "lessons", lambda: ["77"])
    monkeypatch.setattr(registry, "exercises_of", lambda _: (ENERGY, SAMPLE))
    (tmp_path / "notebooks").mkdir()
    nbformat.write(lesson(IMPORTS, cell(ENERGY), cell(SAMPLE)), tmp_path / "notebooks/77_toys.ipynb")
    return tmp_path / "notebooks"


def test_stubs_become_solutions_and_checks_assertions(folder):
    assert solutions.build(folder) == ([(folder / "solutions/77_toys.ipynb", 2)], [])
    notebook = nbformat.read(folder / "solutions/77_toys.ipynb", as_version=4)
    nbformat.validate(notebook)
    codes = [c.source for c in notebook.cells if c.cell_type == "code"]
    assert (
        codes[1]
        == f'{ENERGY.solution_source}\n\n\nverdict = check("77.1", energy)\nassert verdict.passed, verdict\nverdict'
    )
    assert "your code" not in "".join(codes)
    prose = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    assert "The teacher's copy" in prose and all(m.sentence in prose for m in ENERGY.misconceptions)
    assert (
        "](../../lessons_src/images/a.png)" in prose and "](../../README.md)" in prose and "](78_other.ipynb)" in prose
    )


def test_building_twice_gives_the_same_bytes_and_deletes_what_is_stale(folder):
    nbformat.write(lesson(IMPORTS), folder / "76_gone.ipynb")
    solutions.build(folder)
    path = folder / "solutions/77_toys.ipynb"
    before = path.read_bytes()
    assert (folder / "solutions/76_gone.ipynb").exists()
    (folder / "76_gone.ipynb").unlink()
    solutions.build(folder)
    assert path.read_bytes() == before and sorted(folder.glob("solutions/*.ipynb")) == [path]
    assert "your code" in (folder / "77_toys.ipynb").read_text()  # the lesson itself is as it was


def edit(path: Path, change) -> bytes:
    notebook = nbformat.read(path, as_version=4)
    change(notebook)
    nbformat.write(notebook, path)
    return path.read_bytes()


def annotated(notebook) -> None:
    notebook.cells[1].source += "\n\nSay this slowly."


def run(notebook) -> None:
    notebook.cells[2].outputs = [nbformat.v4.new_output("stream", text="shown in class")]


def test_what_a_teacher_wrote_there_is_neither_replaced_nor_deleted(folder, capsys):
    nbformat.write(lesson(IMPORTS), folder / "76_gone.ipynb")
    solutions.build(folder)
    own = {
        name: folder / "solutions" / name
        for name in ("Untitled.ipynb", "77_toys-Copy1.ipynb", "79_mine.ipynb", "a b.ipynb", "é.ipynb")
    }
    for path in own.values():
        path.write_text("mine")
    edited = {folder / "solutions" / name: b"" for name in ("76_gone.ipynb", "77_toys.ipynb")}
    for path in edited:
        edited[path] = edit(path, annotated)
    (folder / "76_gone.ipynb").unlink()
    with pytest.raises(SystemExit, match="was edited") as caught:
        solutions.main(["--notebooks", str(folder)])
    assert all(path.read_text() == "mine" for path in own.values())
    assert all(path.read_bytes() == contents for path, contents in edited.items())
    (copy,) = folder.glob("solutions/77_toys.kept-*.ipynb")
    assert copy.name in str(caught.value) and copy.read_bytes() == edited[folder / "solutions/77_toys.ipynb"]
    (folder / "solutions/77_toys.ipynb").rename(folder / "solutions/my 77.ipynb")  # the remedy that the sentence names
    solutions.main(["--notebooks", str(folder)])
    assert "Say this slowly" not in (folder / "solutions/77_toys.ipynb").read_text()


def test_one_that_was_run_keeps_its_outputs_until_its_lesson_changes(folder):
    solutions.build(folder)
    path = folder / "solutions/77_toys.ipynb"
    contents = edit(path, run)
    assert solutions.build(folder)[1] == [] and path.read_bytes() == contents
    edit(folder / "77_toys.ipynb", annotated)
    assert solutions.build(folder)[1] == [] and "Say this slowly" in path.read_text()


@pytest.mark.parametrize(
    "name", ["Untitled.ipynb", "77_toys-Copy1.ipynb", "77 toys.ipynb", "77_töys.ipynb", "notes.ipynb"]
)
def test_what_is_no_lesson_is_not_read(folder, name):
    (folder / name).write_text("no notebook at all")
    assert [path.name for path, _ in solutions.build(folder)[0]] == ["77_toys.ipynb"]


def test_they_run_and_every_check_says_passed(folder, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    solutions.build(folder)
    notebook = nbformat.read(folder / "solutions/77_toys.ipynb", as_version=4)
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    shown = [
        output.data["text/html"]
        for c in notebook.cells
        for output in c.get("outputs", [])
        if output.output_type == "execute_result"
    ]
    assert len(shown) == 2 and all("✓ Passed" in html for html in shown)
    for c in notebook.cells:
        if c.cell_type == "code":
            c.source = c.source.replace("eps", "(2 * eps)").replace(
                "weights, offset, (2 * eps)", "weights, offset, eps"
            )
    with pytest.raises(CellExecutionError, match="Not yet · 77.2"):
        NotebookClient(notebook, timeout=120, kernel_name="python3").execute()


def test_jupyter_does_not_pair_them_with_texts(folder):
    solutions.build(folder)
    path = folder / "solutions/77_toys.ipynb"
    config = jupytext.config.load_jupytext_configuration_file(str(ROOT / "pyproject.toml"))
    from jupytext.config import notebook_formats

    notebook = jupytext.read(path)
    assert [form["extension"] for form in notebook_formats(notebook, config, str(path))] == [".ipynb"]
    kept = jupytext.read(folder / "77_toys.ipynb")  # with the lesson's own metadata it would be
    assert len(notebook_formats(kept, config, "notebooks/solutions/77_toys.ipynb")) == 2


@pytest.mark.parametrize(
    ("codes", "words"),
    [
        ((cell(ENERGY),), "not the case for 77.2"),
        ((cell(ENERGY), cell(SAMPLE), cell(SAMPLE)), "not the case for 77.2"),
        (
            (cell(ENERGY).replace("def energy", "def other"), cell(SAMPLE)),
            "must define `energy` once; it does so 0 times",
        ),
        ((cell(ENERGY).replace('"77.1"', '"77.7"'), cell(SAMPLE)), "There is no exercise '77.7'. The nearest is"),
        (('check("77.1", energy)\n\n' + ENERGY.stub, cell(SAMPLE)), "comes after its check"),
    ],
)
def test_a_lesson_that_lacks_something_is_named(folder, codes, words):
    nbformat.write(lesson(*codes), folder / "77_toys.ipynb")
    with pytest.raises(ValueError, match="77_toys.ipynb") as caught:
        solutions.build(folder)
    assert words in str(caught.value)
    with pytest.raises(SystemExit, match="77_toys.ipynb"):
        solutions.main(["--notebooks", str(folder)])


def test_the_command(folder, capsys, tmp_path):
    solutions.main(["--notebooks", str(folder)])
    assert capsys.readouterr().out == f"{folder / 'solutions/77_toys.ipynb'}: 2 solutions\n"
    with pytest.raises(SystemExit):
        solutions.main(["--notebooks", str(tmp_path / "nowhere")])
    assert "There is no folder" in capsys.readouterr().err


@pytest.mark.repository
def test_every_solution_stands_alone_beside_its_lesson(tmp_path):
    """The real lessons: a solution uses no name but what its lesson's cells define, torch's and Python's."""
    for path in lessons(ROOT / "notebooks"):
        notebook = nbformat.read(path, as_version=4)
        count = solutions.solve(notebook, path.name)
        assert count >= 1, path.name
        for c in notebook.cells:
            if c.cell_type == "code" and not c.source.startswith("%"):
                ast.parse(c.source)

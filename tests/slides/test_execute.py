"""Lessons are run once for as long as nothing they depend on changes, and a broken one is named."""

from __future__ import annotations

import nbformat
import pytest

from helpers import settings
from slides import execute
from slides.execute import LessonError, executed, execution_key, state_before
from tests.slides.lessons import code, lesson, prose


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project of its own, with a package and a data folder that may be changed."""
    (tmp_path / "helpers").mkdir()
    (tmp_path / "helpers/a.py").write_text("a = 1\n")
    (tmp_path / "helpers/weights.safetensors").write_bytes(b"1")
    (tmp_path / "pyproject.toml").write_text(
        '[project]\ndependencies = ["torch>=2.9"]\n[project.optional-dependencies]\nlab = ["jupytext>=1.16"]\n'
    )
    monkeypatch.setattr(execute, "ROOT", tmp_path)
    monkeypatch.setattr(settings, "_DATA", str(tmp_path / "data"))
    return tmp_path


def key_of(notebook):
    return execution_key(state_before(notebook))


def save(notebook, project):
    path = project / "07_a_title.ipynb"
    nbformat.write(notebook, path)
    return path


def smoke(project, monkeypatch):
    monkeypatch.setattr(settings, "SMOKE", True)


def data(project, monkeypatch):
    (project / "data/MNIST/raw").mkdir(parents=True)
    (project / "data/MNIST/raw/train-images-idx3-ubyte.gz").write_bytes(b"1")


CHANGES = {
    "package": lambda project, _: (project / "helpers/a.py").write_text("a = 2\n"),
    "new file of the package": lambda project, _: (project / "helpers/b.py").write_text(""),
    "weights": lambda project, _: (project / "helpers/weights.safetensors").write_bytes(b"2"),
    "package version": lambda _, patch: patch.setattr(execute, "version", lambda name: "99"),
    "Python": lambda _, patch: patch.setattr(execute.platform, "python_version", lambda: "99"),
    "smoke mode": smoke,
    "data": data,
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_state_has_another_key(name, project, monkeypatch):
    notebook = lesson(code("1"))
    before = key_of(notebook)
    assert key_of(lesson(code("1"))) == before
    CHANGES[name](project, monkeypatch)
    assert key_of(notebook) != before


def test_code_changes_the_key_and_prose_does_not(project):
    key = key_of(lesson(prose("a"), code("1")))
    assert key_of(lesson(prose("b", "skip"), code("1"))) == key
    assert key_of(lesson(prose("a"), code("2"))) != key
    assert key_of(lesson(code("1"), code("1"))) != key


def test_a_package_changed_while_a_lesson_runs_makes_it_run_again(project):
    path = save(lesson(code("open('helpers/a.py', 'w').write('a = 3')")), project)
    _, key = executed(path, project / "cache")
    assert key_of(nbformat.read(path, 4)) != key


def test_data_that_a_lesson_downloads_does_not(project):
    fetched = "data/MNIST/raw/train-images-idx3-ubyte"
    path = save(
        lesson(code(f"import os; os.makedirs('data/MNIST/raw', exist_ok=True); open({fetched!r}, 'w').write('1')")),
        project,
    )
    _, key = executed(path, project / "cache")
    assert key_of(nbformat.read(path, 4)) == key


def test_a_lesson_runs_once_and_keeps_its_outputs_under_new_prose(project, monkeypatch):
    path = save(lesson(code("import os; print('PROGRESS' in ''.join(os.environ), 6 * 7)")), project)
    first, key = executed(path, project / "cache")
    assert first.cells[1].outputs[0].text == "True 42\n"
    monkeypatch.setattr(execute, "run", lambda *_: pytest.fail("the lesson was run again"))
    changed = lesson(prose("## New", "slide"), *lesson(code(first.cells[1].source)).cells[1:])
    again, same = executed(save(changed, project), project / "cache")
    assert same == key and again.cells[1].source == "## New" and again.cells[2].outputs == first.cells[1].outputs


def test_a_broken_cell_is_named_with_its_lesson_and_its_error(project):
    path = save(lesson(code("a = 1"), prose("## B"), code("# why\nb = a / 0")), project)
    with pytest.raises(
        LessonError, match="07_a_title, cell 4, which begins 'b = a / 0': ZeroDivisionError: division by zero"
    ):
        executed(path, project / "cache")
    assert not list((project / "cache").glob("*"))


def test_a_cell_without_end_is_named(project, monkeypatch):
    monkeypatch.setattr(execute, "CELL_SECONDS", 1)
    path = save(lesson(code("a = 1"), code("while True: pass")), project)
    with pytest.raises(
        LessonError, match=r"07_a_title, cell 3, which begins 'while True: pass': it took longer than 1 s"
    ):
        executed(path, project / "cache")


def test_a_kernel_that_dies_is_named(project):
    path = save(lesson(code("import os; os._exit(1)")), project)
    with pytest.raises(LessonError, match=r"07_a_title, cell 2, .*its kernel died"):
        executed(path, project / "cache")

"""`make reconcile`, and JupyterLab before it: an answer in the notebook alone, in the text alone, or in both is never lost."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from jupytext import TextFileContentsManager
from tornado.web import HTTPError

from helpers.exercises.lessons.__main__ import main
from helpers.exercises.lessons.pair import Pair
from tests.exercises.lessons.toy_project import (
    FIRST,
    SECOND,
    answer,
    both,
    in_notebook,
    in_text,
    project,
    saved_last,
    snapshot,
)


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return project(tmp_path)


def copies(pair: Pair) -> dict[str, bytes]:
    return {path.suffix: path.read_bytes() for path in pair.root.rglob("*.kept-*")}


def test_a_lesson_whose_files_agree_is_left_alone(pair):
    for edit in (in_text, in_notebook):
        answer(edit, pair, FIRST, 1)
    before = snapshot(pair.root)
    assert main(["reconcile"], pair.root) == 0 and snapshot(pair.root) == before


@pytest.mark.parametrize("last", ["text", "notebook"])
@pytest.mark.parametrize("edit", [in_text, in_notebook])
def test_an_answer_in_one_file_reaches_the_other_whichever_is_newer(edit, last, pair):
    given = answer(edit, pair, FIRST, 1)
    saved_last(pair, getattr(pair, last))
    written = pair.text.read_bytes() if edit is in_text else pair.notebook.read_bytes()
    assert main(["reconcile"], pair.root) == 0 and given in both(pair)
    assert (pair.text if edit is in_text else pair.notebook).read_bytes() == written
    assert not copies(pair)  # nothing was replaced but the stub
    assert main(["write"], pair.root) == 0 and given in both(pair)


def test_two_answers_each_in_one_file_are_both_kept(pair):
    one, other = answer(in_text, pair, FIRST, 1), answer(in_notebook, pair, SECOND, 2)
    in_notebook(pair, "The end.", "The end, I think.")
    assert main(["reconcile"], pair.root) == 0
    assert {one, other, "The end, I think."} <= set(both(pair)) and not copies(pair)


@pytest.mark.parametrize("last", ["text", "notebook"])
def test_of_two_answers_to_one_exercise_the_later_is_followed_and_the_other_copied(last, pair, capsys):
    given = {"text": answer(in_text, pair, FIRST, 1), "notebook": answer(in_notebook, pair, FIRST, 2)}
    saved_last(pair, getattr(pair, last))
    before = {".py": pair.text.read_bytes(), ".ipynb": pair.notebook.read_bytes()}
    assert main(["reconcile"], pair.root) == 0 and given[last] in both(pair)
    said, (suffix,) = capsys.readouterr().out, copies(pair)
    assert copies(pair)[suffix] == before[suffix] and suffix == {"text": ".ipynb", "notebook": ".py"}[last]
    assert "exercise 77.1" in said and ".kept-" in said and f"newer: the {last}" in said


@pytest.mark.parametrize("edit", [in_text, in_notebook])
def test_without_a_record_an_answer_is_known_by_the_stub_it_replaces(edit, pair):
    pair.record.unlink()
    given = answer(edit, pair, FIRST, 1)
    assert main(["reconcile"], pair.root) == 0 and given in both(pair)


def test_outputs_and_ids_stay(pair):
    notebook = pair.read_notebook()
    notebook.cells[1].outputs = [nbformat.v4.new_output("stream", text="shown")]
    nbformat.write(notebook, pair.notebook)
    answer(in_text, pair, FIRST, 1)
    assert main(["reconcile"], pair.root) == 0
    assert pair.read_notebook().cells[1].outputs[0].text == "shown"
    assert [c.id for c in pair.read_notebook().cells][:2] == [c.id for c in notebook.cells][:2]


# --- JupyterLab ---


def lab(pair: Pair) -> TextFileContentsManager:
    return TextFileContentsManager(root_dir=str(pair.root))


def opened(pair: Pair) -> list[str]:
    model = lab(pair).get(f"notebooks/{pair.name}.ipynb", type="notebook", content=True)
    return [cell["source"] for cell in model["content"]["cells"]]


@pytest.mark.parametrize("last", ["text", "notebook", "neither"])
@pytest.mark.parametrize("edit", [in_text, in_notebook])
def test_jupyterlab_hides_no_answer_whichever_file_is_newer(edit, last, pair):
    """It refuses, and after the remedy that README names, it opens the lesson with the answer."""
    given = answer(edit, pair, FIRST, 1)
    saved_last(pair, getattr(pair, last, pair.root))
    before = snapshot(pair.root)
    with pytest.raises(HTTPError, match="more recent"):
        opened(pair)
    assert snapshot(pair.root) == before
    assert main(["reconcile"], pair.root) == 0
    assert given in opened(pair)


@pytest.mark.parametrize("last", ["text", "notebook", "neither"])
def test_jupyterlab_opens_and_saves_a_lesson_whose_files_agree(last, pair):
    saved_last(pair, getattr(pair, last, pair.root))
    manager, path = lab(pair), f"notebooks/{pair.name}.ipynb"
    model = manager.get(path, type="notebook", content=True)
    model["content"]["cells"][4]["source"] = "print(2)"
    manager.save(model, path)
    assert "print(2)" in both(pair) and "print(2)" in opened(pair)

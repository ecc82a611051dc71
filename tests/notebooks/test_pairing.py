"""lessons_src/ and notebooks/ say the same, and notebooks/ holds nothing but what the text says: as they are committed.

`complaints(root)` finds everything that is wrong in a folder that has both; one test holds it against this project, before a commit and in
.ci/run, the others against a small project that was spoiled in one way each. A learner's answers are no fault: `make test` leaves that
one test out.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import jupytext
import nbformat
import pytest

from helpers.exercises.lessons.pair import Pair
from helpers.exercises.lessons.record import prints

ROOT = Path(__file__).parents[2]
LESSONS = ".venv/bin/python -m helpers.exercises.lessons"
ACCEPT = f"if text and notebook hold the lesson, run `{LESSONS} accept`"
CLEAN = f"run `{LESSONS} clean`"
FOLD = "<details><summary>For the teacher</summary>\n\n", "\n\n</details>"
SLIDE_TYPES = {"slide", "subslide", "fragment", "notes", "skip", "-"}
NOTEBOOK_METADATA = {"jupytext", "kernelspec"}
CELL_METADATA = {"slideshow", "tags", "lines_to_next_cell"}


def complaints(root: Path) -> list[str]:
    """Everything that is wrong with the pairs in root/lessons_src and root/notebooks, one sentence each."""
    texts = {path.stem: path for path in root.glob("lessons_src/[0-9]*.py") if "kept-" not in path.name}
    notebooks = {path.stem: path for path in root.glob("notebooks/[0-9]*.ipynb") if "kept-" not in path.name}
    found = [
        f"{name}: the text has no notebook: run `make lessons`" for name in sorted(texts.keys() - notebooks.keys())
    ]
    found += [f"{name}: the notebook has no text in lessons_src/" for name in sorted(notebooks.keys() - texts.keys())]
    for name in sorted(texts.keys() & notebooks.keys()):
        notebook = nbformat.v4.reads(notebooks[name].read_text(encoding="utf-8"))  # nbformat.read would repair it
        text = jupytext.read(texts[name])
        wrong = [*differences(text, notebook), *impurities(notebook), *misnumbering(name, notebook)]
        if Pair(root, name).read_record() != prints(text):
            wrong.append(f"notebooks/.written/ is not up to date: {ACCEPT}")
        found += [f"{name}: {sentence}" for sentence in wrong]
    return found


def differences(text: nbformat.NotebookNode, notebook: nbformat.NotebookNode):
    """Where text and notebook disagree: in cells, their sources, and the metadata that lessons use."""
    if len(text.cells) != len(notebook.cells):
        yield f"{len(text.cells)} cells in the text, {len(notebook.cells)} in the notebook: run `make lessons`"
        return
    for number, (ours, theirs) in enumerate(zip(text.cells, notebook.cells, strict=True), 1):
        for part in ("cell_type", "source"):
            if ours[part] != theirs[part]:
                yield f"cell {number}: text and notebook differ in {part}: run `make lessons`"
        for key in ("slideshow", "tags"):
            if ours.metadata.get(key) != theirs.metadata.get(key):
                yield f"cell {number}: text and notebook differ in {key}: run `make lessons`"
    if text.metadata.get("kernelspec") != notebook.metadata.get("kernelspec"):
        yield "text and notebook differ in kernelspec: run `make lessons`"


def impurities(notebook: nbformat.NotebookNode):
    """What a notebook in the repository must not hold, and what each of its cells must."""
    if (notebook.nbformat, notebook.nbformat_minor) < (4, 5):
        yield "older than notebook format 4.5, which gives cells ids"
    if extra := notebook.metadata.keys() - NOTEBOOK_METADATA:
        yield f"stray metadata: {', '.join(sorted(extra))}"
    ids = [cell.get("id") for cell in notebook.cells]
    if len(set(ids)) < len(ids) or None in ids:
        yield "two cells share an id, or one has none"
    for number, cell in enumerate(notebook.cells, 1):
        if cell.get("outputs"):
            yield f"cell {number} has outputs: {CLEAN}"
        if cell.get("execution_count") is not None:
            yield f"cell {number} has an execution count: {CLEAN}"
        if extra := cell.metadata.keys() - CELL_METADATA:
            yield f"cell {number} has stray metadata: {', '.join(sorted(extra))}"
        if cell.metadata.get("slideshow", {}).get("slide_type") not in SLIDE_TYPES:
            yield f"cell {number} does not say what it is in the deck (slideshow metadata)"
        elif cell.metadata["slideshow"]["slide_type"] == "notes":
            if not (cell.source.startswith(FOLD[0]) and cell.source.endswith(FOLD[1])):
                yield f"cell {number}: notes are folded away, between {FOLD[0].strip()} and {FOLD[1].strip()}"


def misnumbering(name: str, notebook: nbformat.NotebookNode):
    """The file is NN_words; the lesson's one title is "# NN · Words", with the same number."""
    prose = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    titles = [line for line in prose.splitlines() if line.startswith("# ")]
    if not re.fullmatch(r"\d\d(_[a-z0-9]+)+", name):
        yield "a lesson's file is named NN_words_in_lower_case"
    elif len(titles) != 1:
        yield f"{len(titles)} titles (lines that start with a single #); a lesson has one"
    elif not titles[0].startswith(f"# {name[:2]} · "):
        yield f"the title is {titles[0]!r}; it should start with '# {name[:2]} · '"


@pytest.mark.repository
def test_this_project_has_nothing_to_complain_about():
    assert not complaints(ROOT)


TEXT = """\
# ---
# jupyter:
#   jupytext:
#     formats: notebooks//ipynb,lessons_src//py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown] slideshow={"slide_type": "slide"}
# # 01 · A title
#
# A promise.

# %% slideshow={"slide_type": "fragment"}
print("a number")
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with one lesson, rightly paired."""
    for folder in ("lessons_src", "notebooks"):
        (tmp_path / folder).mkdir()
    (tmp_path / "lessons_src/01_a_title.py").write_text(TEXT, encoding="utf-8")
    notebook = jupytext.reads(TEXT, fmt="py:percent")
    notebook.metadata.jupytext.pop("text_representation")
    jupytext.write(notebook, tmp_path / "notebooks/01_a_title.ipynb")
    Pair(tmp_path, "01_a_title").write_record(prints(notebook))
    assert not complaints(tmp_path)
    return tmp_path


def in_text(old: str, new: str):
    def spoil(project: Path) -> None:
        path = project / "lessons_src/01_a_title.py"
        assert old in TEXT
        path.write_text(TEXT.replace(old, new), encoding="utf-8")

    return spoil


def in_both(old: str, new: str):
    def spoil(project: Path) -> None:
        in_text(old, new)(project)
        notebook = jupytext.read(project / "lessons_src/01_a_title.py")
        jupytext.write(notebook, project / "notebooks/01_a_title.ipynb")

    return spoil


def in_notebook(change):
    def spoil(project: Path) -> None:
        path = project / "notebooks/01_a_title.ipynb"
        notebook = json.loads(path.read_text(encoding="utf-8"))
        change(notebook)
        path.write_text(json.dumps(notebook), encoding="utf-8")

    return spoil


CODE = '# %% slideshow={"slide_type": "fragment"}\nprint("a number")'
PROSE = '# %% [markdown] slideshow={"slide_type": "fragment"}\n# a number'
PRINTED = {"output_type": "stream", "name": "stdout", "text": ["a number\n"]}
SPOILED = {
    "no notebook": (lambda p: (p / "notebooks/01_a_title.ipynb").unlink(), "the text has no notebook"),
    "no text": (lambda p: (p / "lessons_src/01_a_title.py").unlink(), "the notebook has no text"),
    "code edited": (in_text("a number", "another"), "cell 2: text and notebook differ in source"),
    "prose edited": (in_text("A promise", "A threat"), "cell 1: text and notebook differ in source"),
    "slide moved": (in_text('"fragment"', '"skip"'), "cell 2: text and notebook differ in slideshow"),
    "code made prose": (in_text(CODE, PROSE), "cell 2: text and notebook differ in cell_type"),
    "cell added": (in_text("print", "# %%\nprint"), "3 cells in the text, 2 in the notebook"),
    "kernel renamed": (in_text("name: python3", "name: mine"), "differ in kernelspec"),
    "output kept": (in_notebook(lambda n: n["cells"][1].update(outputs=[PRINTED])), "cell 2 has outputs"),
    "count kept": (in_notebook(lambda n: n["cells"][1].update(execution_count=3)), "cell 2 has an execution count"),
    "version kept": (in_notebook(lambda n: n["metadata"].update(language_info={})), "stray metadata: language_info"),
    "cell folded": (in_notebook(lambda n: n["cells"][1]["metadata"].update(collapsed=True)), "cell 2 has stray"),
    "ids doubled": (in_notebook(lambda n: n["cells"][1].update(id=n["cells"][0]["id"])), "share an id"),
    "old format": (in_notebook(lambda n: n.update(nbformat_minor=4)), "older than notebook format"),
    "not in the deck": (in_both(' slideshow={"slide_type": "fragment"}', ""), "cell 2 does not say what it is"),
    "notes in sight": (in_both(CODE, PROSE.replace("fragment", "notes")), "cell 2: notes are folded away"),
    "not recorded": (in_both("A promise", "A threat"), "notebooks/.written/ is not up to date"),
    "no record": (lambda p: (p / "notebooks/.written/01_a_title.json").unlink(), "notebooks/.written/ is not up to date"),
    "wrong number": (in_both("# # 01 ·", "# # 02 ·"), "should start with '# 01 · '"),
    "two titles": (in_both("# A promise.", "# # 01 · Again"), "2 titles"),
}


@pytest.mark.parametrize("name", SPOILED)
def test_each_way_to_spoil_a_pair_is_named(name: str, project: Path):
    spoil, sentence = SPOILED[name]
    spoil(project)
    found = complaints(project)
    assert any(sentence in complaint for complaint in found), found


def test_a_file_must_carry_its_number(project: Path):
    for path in (project / "lessons_src/01_a_title.py", project / "notebooks/01_a_title.ipynb"):
        path.rename(path.with_stem("01a_title"))
    assert "01a_title: a lesson's file is named NN_words_in_lower_case" in complaints(project)

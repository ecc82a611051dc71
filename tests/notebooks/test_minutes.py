"""The minutes that a lesson states are those of its words, its code and its exercises, by one rule for all lessons.

150 words and 12 lines of code a minute, and the minutes that stand at each exercise. Not counted: notes for the teacher, the
first cell, and what is optional, which is a section with "(optional)" in its heading, or what follows a paragraph that begins
with *Optional* up to the next heading.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import jupytext
import nbformat
import pytest

WORDS_A_MINUTE, LINES_A_MINUTE = 150, 12
TEXTS = sorted((Path(__file__).parents[2] / "lessons_src").glob("[0-9][0-9]_*.py"))
TEACHER = re.compile(r"<details>\s*<summary>For the teacher</summary>.*?</details>", re.DOTALL)
FORMULA = re.compile(r"\$\$.*?\$\$|\$[^$\n]+\$", re.DOTALL)
HEADING = re.compile(r"^(#{1,6}) (.+)$", re.MULTILINE)
OPTIONAL = re.compile(r"^\*Optional", re.MULTILINE)
YOUR_TURN = re.compile(r"^### Your turn · \d\d\.\d+ · \S+ · (\d+) minutes", re.MULTILINE)
STATED = re.compile(r"\*\*(\d+) minutes\*\* \((\d+) reading and running, (\d+) exercises?\)")


def cells_that_count(notebook: nbformat.NotebookNode) -> Iterator[nbformat.NotebookNode]:
    skipped_level = None  # the level of the optional section that we are in
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for marks, title in HEADING.findall(cell.source):
                if skipped_level is None or len(marks) <= skipped_level:
                    skipped_level = len(marks) if "(optional)" in title.lower() else None
            if skipped_level is None and OPTIONAL.search(cell.source):
                skipped_level = 6  # any heading ends it
        if skipped_level is None and "setup" not in cell.metadata.get("tags", []):
            yield cell


def words(markdown: str) -> int:
    """A formula is read as one word; marks and addresses are not read at all."""
    plain = FORMULA.sub(" formula ", TEACHER.sub("", markdown))
    plain = re.sub(r"\]\([^)]*\)", "]", re.sub(r"<[^>]+>", " ", plain))
    return len(re.findall(r"\w[\w'’.,-]*", plain))


def lines_of_code(source: str) -> int:
    return sum(bool(line.strip()) and not line.lstrip().startswith("#") for line in source.splitlines())


def minutes(notebook: nbformat.NotebookNode) -> tuple[float, int]:
    """Reading and running, then exercises."""
    reading, exercises = 0.0, 0
    for cell in cells_that_count(notebook):
        if cell.cell_type == "markdown":
            reading += words(cell.source) / WORDS_A_MINUTE
            exercises += sum(map(int, YOUR_TURN.findall(cell.source)))
        else:
            reading += lines_of_code(cell.source) / LINES_A_MINUTE
    return reading, exercises


@pytest.mark.repository
@pytest.mark.parametrize("text", TEXTS, ids=[text.stem for text in TEXTS])
def test_a_lesson_states_its_minutes(text):
    notebook = jupytext.read(text)
    total, reading, exercises = map(int, STATED.search(notebook.cells[0].source).groups())
    counted, of_exercises = minutes(notebook)
    assert exercises == of_exercises and total == reading + exercises
    assert abs(reading - counted) <= 3, f"{text.name} states {reading} minutes of reading and running, counted {counted:.0f}"


def test_what_is_optional_or_the_teachers_is_not_counted():
    page = nbformat.v4.new_notebook()
    two_minutes = "word " * 300
    page.cells = [
        nbformat.v4.new_markdown_cell(f"# Title\n{two_minutes}"),
        nbformat.v4.new_markdown_cell(f"<details><summary>For the teacher</summary>\n\n{two_minutes}\n\n</details>"),
        nbformat.v4.new_markdown_cell(f"## Aside (optional)\n{two_minutes}"),
        nbformat.v4.new_code_cell("x = 1\n" * 24),
        nbformat.v4.new_markdown_cell(f"### Part of the aside\n{two_minutes}"),
        nbformat.v4.new_markdown_cell("## Next\n### Your turn · 99.1 · ●○○ · 7 minutes"),
        nbformat.v4.new_code_cell("# why\n\n" + "x = 1\n" * 12),
        nbformat.v4.new_markdown_cell(f"*Optional, to the end of this section.* {two_minutes}"),
    ]
    reading, exercises = minutes(page)
    assert exercises == 7 and 3 <= reading <= 3.2

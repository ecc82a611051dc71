"""What README says is true: its commands, its lessons, its results, its picture."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from helpers.exercises.lessons.pair import lessons
from helpers.reproduce.accuracy_table import accuracy_table
from helpers.reproduce.rows import read_rows, table
from helpers.reproduce.ssvae_settings import PREFIX

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def between(name: str) -> str:
    return re.search(rf"<!-- {name}: begin -->\n(.*?)\n<!-- {name}: end -->", README, re.DOTALL).group(1)


def test_results_tables_are_made_from_the_rows():
    rows = read_rows()
    assert between("results") == table(
        [row for row in rows if row.published is not None and not row.name.startswith(PREFIX)]
    )
    assert between("accuracies") == accuracy_table(rows)


@pytest.mark.repository
def test_every_lesson_is_listed_with_its_title_and_minutes():
    for notebook in lessons(ROOT / "notebooks"):
        text = (ROOT / "lessons_src" / f"{notebook.stem}.py").read_text(encoding="utf-8")
        number, title = re.search(r"^# # (\d\d) · (.+)$", text, re.MULTILINE).groups()
        minutes = re.search(r"\*\*(\d+) minutes\*\*", text).group(1)
        assert f"| {number} | [{title}](notebooks/{notebook.name}) | {minutes} |" in README


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("http") or (ROOT / target).exists(), target


def test_commands_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for command in set(re.findall(r"(?:`|^)make ([a-z-]+)", README, re.MULTILINE)):
        assert re.search(rf"^{command}:", makefile, re.MULTILINE), command


def test_python_example_imports_what_is_there():
    example = re.search(r"```python\n(.*?)```", README, re.DOTALL).group(1)
    tree = ast.parse(example)
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            module = __import__(node.module, fromlist=["*"])
            for alias in node.names:
                assert hasattr(module, alias.name), f"{node.module}.{alias.name}"

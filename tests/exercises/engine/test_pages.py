"""Ids, hints, solutions, and how all that is shown."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import helpers.exercises
from helpers.exercises import check, hint, registry, solution
from helpers.exercises.engine import checking as engine
from helpers.exercises.engine.judge import judge
from tests.exercises.toys import ENERGY, MATRIX, SAMPLE, energy, sample_and_cost

ROOT = Path(__file__).parents[3]

# --- ids ---


@pytest.fixture
def toys(monkeypatch):
    """The engine with the toys as lessons 77 and 78."""
    from dataclasses import replace

    lessons = {"77": (ENERGY, SAMPLE), "78": (replace(MATRIX, id="78.1"),)}
    monkeypatch.setattr(registry, "lessons", lambda: list(lessons))
    monkeypatch.setattr(registry, "exercises_of", lessons.__getitem__)
    monkeypatch.setattr(engine, "_hints_shown", type(engine._hints_shown)())


@pytest.mark.parametrize(
    ("id", "words"),
    [
        ("77.9", "There is no exercise '77.9'. The nearest is \"77.2\". Lesson 77 has: 77.1 An energy, 77.2 A sample."),
        ("78.2", 'The nearest is "78.1"'),
        ("77,2", 'The nearest is "77.2"'),
        (" 77.1", 'The nearest is "77.1"'),
        ("exercise 2 of lesson 77", "The nearest is"),
        ("energi", 'The nearest is "77.1"'),
        ("", "The nearest is"),
        (77.2, 'a text in quotes, not the number 77.2. The nearest is "77.2"'),
        (None, "something of type NoneType"),
        ([], "something of type list"),
        ("9" * 10_000, "The nearest is"),
    ],
)
def test_an_unknown_id_names_the_nearest(toys, id, words):
    verdict = check(id, energy)
    assert verdict.status == "not yet" and words in verdict.sentence
    assert words in hint(id).text and words in solution(id).text


def test_mixed_up_arguments(toys):
    assert 'First the id, then the function: `check("77.1", energy)`' in check(energy, "77.1").sentence
    assert "also needs the function" in check("77.1").sentence
    assert "also needs" in check().sentence
    assert "Say which exercise" in hint().text and "Say which exercise" in solution().text


def test_another_exercises_function(toys):
    assert 'did you mean `check("77.2", sample_and_cost)`?' in " ".join(check("77.1", sample_and_cost).notes)
    assert not check("77.1", energy).notes


def test_a_lesson_file_that_does_not_load(monkeypatch):
    def broken(lesson):
        raise SyntaxError("bad")

    monkeypatch.setattr(registry, "exercises_of", broken)
    assert "cannot be loaded (SyntaxError: bad)" in check(f"{registry.lessons()[0]}.1", energy).sentence


# --- hints, solutions, and how they are shown ---


def test_hints_come_one_after_the_other(toys):
    pages = [hint("77.1") for _ in range(5)]
    assert [page.text for page in pages[:3]] == list(ENERGY.hints)
    assert [page.title.split(" · ")[0] for page in pages[:3]] == ["Hint 1 of 3", "Hint 2 of 3", "Hint 3 of 3"]
    assert 'hint("77.1")` again' in pages[0].after and 'solution("77.1")' in pages[2].after
    assert "You have seen all 3" in pages[3].text and all(h in pages[4].text for h in ENERGY.hints)
    assert hint("77.2").title.startswith("Hint 1 of 3")


def test_a_solution_shows_source_and_reason(toys):
    page = solution("77.1")
    assert page.code == ENERGY.solution_source and page.after == ENERGY.why
    shown = page._repr_html_()
    assert "<span style=" in shown and "loc" in shown and "Because." in shown
    assert "return (loc**2" in repr(page)


def dots(loc, scale): ...  # your code


def misspells(loc, scale):
    return (lox**2).sum(-1)  # noqa: F821


@pytest.mark.parametrize("answer", [energy, dots, misspells, lambda loc, scale: "<script>alert(1)</script>"])
def test_a_verdict_shows_itself(answer):
    verdict = judge(ENERGY, answer, seconds=0.2)
    shown, text = verdict._repr_html_(), repr(verdict)
    words = {"passed": "✓ Passed", "not yet": "➜ Not yet", "not attempted": "○ Not attempted yet"}[verdict.status]
    assert words in shown and words in text and "77.1 An energy" in text
    assert "<script>" not in shown and "color:#fff" not in shown and "background:white" not in shown
    assert all(len(line) <= 110 for line in text.splitlines())


def test_what_the_learner_wrote_is_escaped():
    def nasty(loc, scale):
        raise ValueError("<img src=x onerror=alert(1)> `<b>`")

    shown = judge(ENERGY, nasty)._repr_html_()
    assert "<img" not in shown and "<b>`" not in shown and "&lt;img" in shown


SCRIPT = """
from helpers.exercises import check, hint, registry
exercise = registry.exercises_of(registry.lessons()[0])[0]
check(exercise.id, exercise.solution)
check(exercise.id, lambda: 0)
"""


def test_a_script_prints_its_verdicts_once():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("✓ Passed") == 1 and done.stdout.count("➜ Not yet") == 1


def test_an_interactive_python_is_not_told_twice():
    done = subprocess.run(
        [sys.executable, "-i", "-q"], input=SCRIPT.strip() + "\n", capture_output=True, text=True, timeout=60
    )
    assert done.stdout.count("✓ Passed") == 1


def test_a_cell_shows_all_that_is_said_in_it_once():
    cells = [
        "from helpers.exercises import check, hint, registry\nexercise = registry.exercises_of(registry.lessons()[0])[0]"
    ]
    cells += [
        "check(exercise.id, exercise.solution)\nverdict = check(exercise.id, lambda: 0)\nhint(exercise.id)",
        "verdict",
        "1",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    NotebookClient(notebook, timeout=60, kernel_name="python3", resources={"metadata": {"path": str(ROOT)}}).execute()
    said = ["".join(output.data["text/plain"] for output in cell.outputs) for cell in notebook.cells]
    assert [said[1].count(words) for words in ("✓ Passed", "➜ Not yet", "Hint 1 of 3")] == [1, 1, 1]
    assert said[2].count("➜ Not yet") == 1 and said[3] == "1"


def test_the_public_names():
    assert set(helpers.exercises.__all__) == {
        "check",
        "hint",
        "solution",
        "progress",
        "Exercise",
        "Misconception",
        "Remark",
        "judge",
        "solutions_of",
    }

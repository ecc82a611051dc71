"""What of a lesson's cells reaches a deck."""

from __future__ import annotations

import pytest
from nbformat.v4 import new_output

from helpers.exercises.exercise import STUB_LINE
from slides.cells import STUB, WIDGET, ready_for_a_deck, settled
from tests.slides.lessons import FIGURE, PNG, code, lesson, prose


def shown(*outputs):
    """The outputs of a code cell after preparation."""
    return ready_for_a_deck(lesson(code("f()", outputs=list(outputs)))).cells[1].outputs


def test_an_explorer_is_shown_by_its_stills():
    widget = {WIDGET: {"model_id": "1"}, "text/html": FIGURE, "image/png": PNG, "text/plain": "Explorer race"}
    (output,) = shown(new_output("execute_result", data=widget))
    assert output.data == {"text/html": FIGURE}


@pytest.mark.parametrize(
    "bar",
    [
        new_output("display_data", data={WIDGET: {"model_id": "1"}, "text/plain": "  0%|          | 0/10"}),
        new_output("stream", name="stderr", text="\r 50%|█████     | 5/10\r100%|██████████| 10/10\n"),
        new_output("stream", name="stdout", text="\n"),
    ],
    ids=["widget", "stderr", "nothing"],
)
def test_a_progress_bar_is_not_shown(bar):
    assert shown(bar) == []


def test_a_line_written_over_shows_its_last_state():
    assert settled("1/3\r2/3\r3/3\nend\r\n") == "3/3\nend\n"


def test_text_that_came_in_pieces_is_one_output():
    pieces = [new_output("stream", name="stdout", text=text) for text in ("a", "\n", "b\n")]
    between = new_output("stream", name="stderr", text="a warning")
    (output,) = shown(pieces[0], between, pieces[1], pieces[2])
    assert output.text == "a\nb\n"


def test_notes_begin_with_what_there_is_to_say():
    folded = "<details><summary>For the teacher</summary>\n\nAsk them.\n\n- Twice.\n\n</details>"
    notebook = ready_for_a_deck(lesson(prose(folded, "notes"), prose("Plain.", "notes")))
    assert [cell.source for cell in notebook.cells[1:]] == ["Ask them.\n\n- Twice.", "Plain."]


def test_an_exercise_shows_its_stub_without_check_and_verdict():
    stub = 'def f(x):\n    """Twice x."""\n    ...  # your code\n\n\ncheck("07.1", f)'
    notebook = lesson(
        prose("### Your turn · 07.1 · ●○○ · 5 minutes\n\nDouble it."),
        prose("Stuck?", "skip"),
        code(stub, "skip", outputs=[new_output("stream", name="stdout", text="not attempted yet")]),
        code('hint("07.1")', "skip"),
    )
    task, between, answer, hint = ready_for_a_deck(notebook).cells[1:]
    assert answer.source == 'def f(x):\n    """Twice x."""\n    ...  # your code'
    assert answer.outputs == [] and answer.metadata.slideshow.slide_type == "-"
    assert between.metadata.slideshow.slide_type == hint.metadata.slideshow.slide_type == "skip"


def test_a_stub_stays_away_from_the_slides_where_its_task_is_left_out():
    notebook = lesson(
        prose("### Your turn · 07.1 · ●○○ · 5 minutes", "skip"), code("def f():\n    ...  # your code", "skip")
    )
    assert ready_for_a_deck(notebook).cells[2].metadata.slideshow.slide_type == "skip"


def test_the_lesson_itself_is_left_as_it_was():
    notebook = lesson(code("a = 1\n\n\nb = 2", outputs=[new_output("stream", name="stderr", text="x")]))
    notebook.metadata["widgets"] = {"state": 1}
    ready = ready_for_a_deck(notebook)
    assert ready.cells[1].source == "a = 1\n\nb = 2" and "widgets" not in ready.metadata
    assert (
        notebook.cells[1].source == "a = 1\n\n\nb = 2" and notebook.cells[1].outputs and "widgets" in notebook.metadata
    )


def test_decks_know_a_stub_by_the_line_that_exercises_write():
    assert STUB == STUB_LINE

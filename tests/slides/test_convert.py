"""From cells to a page: what stands on it, and what must not."""

from __future__ import annotations

import re

import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_output

from slides.convert import convert, inline_script
from tests.slides.lessons import ASSETS, FIGURE, code, lesson, prose

FIGURE_OUTPUT = new_output("execute_result", data={"text/html": FIGURE})
FETCHED = re.compile(
    r"""(?:src|data|poster)\s*=\s*["']?(?:https?:)?//|<link[^>]+href\s*=\s*(?!["']?data:)|@import|url\(\s*(?!["']?data:)""",
    re.IGNORECASE,
)


def deck(notebook, tmp_path, assets=ASSETS):
    return convert("07_a_title", notebook, tmp_path, assets)


def slides_of(notebook, tmp_path):
    soup = BeautifulSoup(deck(notebook, tmp_path).html, "html.parser")
    return [section for section in soup("section") if not section.find("section")]


def test_title_promise_minutes_and_slides_are_read_from_the_lesson(tmp_path):
    found = deck(
        lesson(prose("## One"), prose("more", "fragment"), code("1", "subslide"), prose("no", "skip")), tmp_path
    )
    assert (found.number, found.title, found.promise, found.minutes, found.slides) == (
        "07",
        "A title",
        "One promise.",
        15,
        3,
    )


def test_the_first_cell_stays_out_and_an_answer_cells_tags_change_nothing(tmp_path):
    first = code("import sys\nprint(sys.executable)", "skip", [new_output("stream", text="ok  python")], ["setup"])
    task = prose("### Your turn · 07.1 · ●○○ · 8 minutes\n\nWrite it.")
    stub = 'def f(x):\n    ...  # your code\n\n\ncheck("07.1", f)'
    notebook = lesson(first, task, code(stub, "skip", tags=["answer", "exercise-07.1"]))
    tagged = deck(notebook, tmp_path).html
    del notebook.cells[-1].metadata["tags"]
    untagged = deck(notebook, tmp_path).html
    assert "sys.executable" not in tagged and "ok  python" not in tagged
    assert "# your code" in tagged and "check(" not in BeautifulSoup(tagged, "html.parser").get_text()
    assert tagged.replace(" celltag_answer celltag_exercise-07.1", "") == untagged


def test_a_lesson_that_does_not_open_as_one_is_refused(tmp_path):
    notebook = lesson()
    notebook.cells[0].source = "# Untitled"
    with pytest.raises(ValueError, match="07_a_title: the first cell must hold a title"):
        deck(notebook, tmp_path)


def test_a_page_asks_for_nothing(tmp_path):
    notebook = lesson(
        prose("## A\n\n[a link](https://example.org) is followed by a click only"),
        code("plot()", outputs=[FIGURE_OUTPUT]),
    )
    notebook.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {}}}
    html = deck(notebook, tmp_path).html
    assert not FETCHED.search(html), FETCHED.search(html)
    assert "widget-state" not in html
    assert (
        FETCHED.search('<script src="https://x">')
        and FETCHED.search("url(//x)")
        and FETCHED.search('<link href="a.css">')
    )


def test_no_script_can_end_early(tmp_path):
    spoiled = ASSETS | {"notes.js": 'page("<script>a()</SCRIPT><!-- b </script>")'}
    html = deck(lesson(), tmp_path, spoiled).html
    scripts = BeautifulSoup(html, "html.parser")("script")
    (notes,) = [script.string for script in scripts if script.get("data-from") == "notes.js"]
    assert notes == r'page("<script>a()\x3c/SCRIPT>\x3c!-- b \x3c/script>")'
    assert inline_script("a < b /* <div> */") == "a < b /* <div> */"


def test_an_answer_opens_as_the_next_step_and_holds_what_it_says(tmp_path):
    text = "### Predict\n\nWhat?\n\n<details><summary>Answer</summary>\n\nThis, $x$.\n</details>"
    (slide,) = slides_of(lesson(prose(text)), tmp_path)[1:]
    answer = slide.find("details")
    assert {"answer", "fragment", "custom"} <= set(answer["class"])
    assert "This, $x$." in answer.get_text()
    assert answer.find_parent(class_="predict").h3.get_text() == "Predict"


def test_a_figure_folds_its_code_away_and_text_does_not(tmp_path):
    printed = new_output("stream", name="stdout", text="3")
    figure, number = slides_of(
        lesson(code("plot()", outputs=[FIGURE_OUTPUT]), code("print(3)", outputs=[printed])), tmp_path
    )[1:]
    assert (
        "plot" in figure.find("details", class_="source").get_text()
        and "plot" not in figure.find(class_="body").get_text()
    )
    assert "print" in number.find(class_="body").get_text() and number.find("details") is None


def test_a_tag_keeps_the_code_beside_its_figure(tmp_path):
    (slide,) = slides_of(lesson(code("plot()", outputs=[FIGURE_OUTPUT], tags=["keep-code"])), tmp_path)[1:]
    assert "plot" in slide.find(class_="body").get_text() and slide.find("details") is None


def test_a_slide_without_a_heading_says_where_it_belongs(tmp_path):
    slides = slides_of(lesson(prose("## 3 · Here"), code("1", "subslide"), prose("### There", "subslide")), tmp_path)
    assert slides[2].find(class_="kicker").get_text() == "3 · Here"
    assert slides[3].find(class_="kicker") is None


def test_an_exercise_wears_its_minutes(tmp_path):
    (slide,) = slides_of(lesson(prose("### Your turn · 07.1 · ●●○ · 8 minutes\n\nDo.")), tmp_path)[1:]
    assert slide["class"] == ["exercise"]
    assert slide.find(class_="minutes").get_text() == "8 min" and slide.find(class_="dots").get_text() == "●●○"


def test_notes_of_a_slide_are_one_and_outside_its_fragments(tmp_path):
    folded = "<details><summary>For the teacher</summary>\n\nFirst.\n\n</details>"
    cells = prose("## A"), prose("b", "fragment"), prose(folded, "notes"), prose("Second.", "notes")
    (slide,) = slides_of(lesson(*cells), tmp_path)[1:]
    (notes,) = slide("aside")
    assert notes.parent is slide and notes.get_text().split() == ["First.", "Second."]


def test_images_are_taken_into_the_page(tmp_path):
    (tmp_path / "a dot.png").write_bytes(b"png")
    html = deck(lesson(prose("![a dot](a%20dot.png)")), tmp_path).html
    assert 'src="data:image/png;base64,cG5n"' in html


def test_a_link_to_another_lesson_leads_to_its_deck(tmp_path):
    html = deck(lesson(prose("[00](00_start_here.ipynb) [web](https://example.org/a.ipynb)")), tmp_path).html
    assert 'href="00_start_here.html"' in html and 'href="https://example.org/a.ipynb"' in html


@pytest.mark.parametrize("source", ["gone.png", "https://example.org/a.png"])
def test_an_image_that_is_not_there_is_named(source, tmp_path):
    with pytest.raises(ValueError, match=re.escape(source)):
        deck(lesson(prose(f"![a dot]({source})")), tmp_path)

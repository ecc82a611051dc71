"""`make slides` from end to end, without kernels and browsers: what is built, kept, left alone, named and forgotten."""

from __future__ import annotations

import nbformat
import pytest

from slides import build
from slides.execute import LessonError
from slides.handout import Printed
from tests.slides.lessons import ASSETS, OPENING, lesson, prose

PDF = b"%PDF /Type /Pages /Type /Page\n/Type/Page\n"  # two pages, as a browser lists them
REPORT = {"heading": "A", "excess": 0, "wrapped": False, "figures": None}


@pytest.fixture
def house(tmp_path, monkeypatch):
    """Two lessons; executing is reading, printing takes no browser."""
    house = tmp_path
    for name in ("07_a_title", "08_b_title"):
        nbformat.write(lesson(prose("## One")), house / f"{name}.ipynb")
    monkeypatch.setattr(build, "LESSONS", house)
    monkeypatch.setattr(build, "BUILD", house / "build")
    monkeypatch.setattr(build, "load_assets", lambda folder: ASSETS)
    monkeypatch.setattr(build, "executed", lambda path, cache: (nbformat.read(path, 4), "key"))
    monkeypatch.setattr(build, "find_browser", lambda: None)
    return house


def watch(monkeypatch, module, name, calls):
    original = getattr(module, name)
    monkeypatch.setattr(module, name, lambda first, *rest: (calls.append((name, first)), original(first, *rest))[1])


def test_decks_and_index_are_built_and_then_left_alone(house, monkeypatch):
    calls: list = []
    watch(monkeypatch, build, "convert", calls)
    assert build.main() == 0
    index = (house / "build/index.html").read_text()
    for text in (
        'href="07_a_title.html"',
        'href="08_b_title.html"',
        "A title",
        "One promise.",
        "15 minutes · 2 slides",
    ):
        assert text in index
    assert ".pdf" not in index and len(calls) == 2
    assert build.main() == 0 and len(calls) == 2


def test_a_changed_sentence_builds_its_deck_only(house, monkeypatch):
    build.main()
    calls: list = []
    watch(monkeypatch, build, "convert", calls)
    nbformat.write(lesson(prose("## Two")), house / "08_b_title.ipynb")
    build.main()
    assert calls == [("convert", "08_b_title")] and "Two" in (house / "build/08_b_title.html").read_text()


@pytest.mark.parametrize("spoil", ["html", "json"])
def test_a_deck_that_is_gone_or_without_proof_is_built_again(spoil, house, monkeypatch):
    build.main()
    if spoil == "html":
        (house / "build/07_a_title.html").unlink()
    else:
        (house / "build/.cache/07_a_title.json").write_text('{"key": ')
    calls: list = []
    watch(monkeypatch, build, "convert", calls)
    assert build.main() == 0 and calls == [("convert", "07_a_title")]


def test_a_new_look_builds_all(house, monkeypatch):
    build.main()
    calls: list = []
    watch(monkeypatch, build, "convert", calls)
    monkeypatch.setattr(build, "look", lambda: "another theme")
    build.main()
    assert len(calls) == 2


def test_a_broken_lesson_is_named_and_the_others_are_built(house, monkeypatch, capsys):
    def execute(path, cache):
        if path.stem == "07_a_title":
            raise LessonError("07_a_title, cell 3: ZeroDivisionError")
        return nbformat.read(path, 4), "key"

    monkeypatch.setattr(build, "executed", execute)
    assert build.main() == 1
    assert "not built: 07_a_title, cell 3: ZeroDivisionError" in capsys.readouterr().err
    assert (house / "build/08_b_title.html").is_file() and not (house / "build/07_a_title.html").exists()


def test_a_lesson_that_is_gone_takes_its_deck_along(house):
    build.main()
    (house / "build/07_a_title.pdf").write_bytes(b"")
    (house / "07_a_title.ipynb").unlink()
    build.main()
    assert sorted(path.name for path in (house / "build").glob("*.*")) == [".cache", "08_b_title.html", "index.html"]


def test_without_a_browser_one_line_says_how_to_get_handouts(house, capsys):
    assert build.main() == 0
    assert "Handouts (PDF) need Chromium or Chrome" in capsys.readouterr().out


def test_handouts_are_printed_once_and_linked(house, monkeypatch, capsys):
    calls: list = []
    monkeypatch.setattr(build, "find_browser", lambda: "/a/browser")
    tall = {**REPORT, "excess": 12}
    monkeypatch.setattr(
        build.handout, "print_deck", lambda page, browser: (calls.append(page), Printed(PDF, [REPORT, tall], []))[1]
    )
    build.main()
    assert "07_a_title: slide 2, 'A', sticks out by 12 px" in capsys.readouterr().out
    assert (house / "build/07_a_title.pdf").read_bytes() == PDF
    assert 'href="07_a_title.pdf"' in (house / "build/index.html").read_text()
    build.main()
    assert len(calls) == 2 and "sticks out by 12 px" in capsys.readouterr().out


def test_a_handout_without_its_pages_fails_its_deck(house, monkeypatch, capsys):
    monkeypatch.setattr(build, "find_browser", lambda: "/a/browser")
    monkeypatch.setattr(
        build.handout, "print_deck", lambda *_: Printed(b"%PDF /Type /Pages /Type /Page\n", [REPORT], [])
    )
    assert build.main() == 1
    assert "07_a_title: the handout has 1 pages for 2 slides" in capsys.readouterr().err
    assert not (house / "build/07_a_title.pdf").exists()


def test_a_formula_that_cannot_be_read_fails_its_deck(house, monkeypatch, capsys):
    monkeypatch.setattr(build, "find_browser", lambda: "/a/browser")
    monkeypatch.setattr(
        build.handout, "print_deck", lambda *_: Printed(b"", [REPORT], ["Undefined control sequence \\x"])
    )
    assert build.main() == 1
    assert "MathJax cannot read a formula: Undefined control sequence" in capsys.readouterr().err
    assert not (house / "build/07_a_title.pdf").exists()


def test_a_lesson_with_another_opening_fails_alone(house, capsys):
    notebook = lesson()
    notebook.cells[0].source = OPENING.replace("# 07 · ", "# ")
    nbformat.write(notebook, house / "07_a_title.ipynb")
    assert build.main() == 1
    assert "not built: 07_a_title: the first cell must hold a title" in capsys.readouterr().err


def test_what_a_teacher_put_or_changed_in_the_folder_stays(house, capsys):
    build.main()
    mine = house / "build/07_my_deck.html"
    mine.write_text("mine")
    edited = house / "build/07_a_title.html"
    edited.write_text(edited.read_text() + "<!-- mine -->")
    contents = edited.read_bytes()
    build.main()
    assert edited.read_bytes() == contents  # its lesson has not changed
    nbformat.write(lesson(prose("## Two")), house / "07_a_title.ipynb")
    build.main()
    (copy,) = (house / "build").glob("07_a_title.kept-*.html")
    assert copy.read_bytes() == contents and copy.name in capsys.readouterr().out
    assert "Two" in edited.read_text() and mine.read_text() == "mine"
    edited.write_text("mine")
    (house / "07_a_title.ipynb").unlink()
    build.main()
    assert edited.read_text() == "mine" and copy.exists() and mine.read_text() == "mine"


@pytest.mark.parametrize("name", ["Untitled", "08_b_title-Copy1", "09 c", "09_é"])
def test_what_is_no_lesson_gets_no_deck(name, house):
    (house / f"{name}.ipynb").write_text("no notebook at all")
    assert build.main() == 0
    assert sorted(path.stem for path in (house / "build").glob("*.html")) == ["07_a_title", "08_b_title", "index"]

"""`make slides`: every lesson of notebooks/ as a deck, its handout, and an index page, in slides/build/.

    python -m slides.build

Executing the lessons takes the time, so its results are kept, and so is everything made from them: where nothing has changed,
nothing is done. Lessons are built side by side, as many as there are cores, with one thread each. A lesson that fails is named, the
others are still built, and the exit status is 1.
"""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from helpers.exercises.lessons.pair import keep_copy, lessons
from slides import handout
from slides.assets import AssetError, load_assets
from slides.files import fingerprint, fingerprint_of_files, write

try:
    from slides.convert import Described, convert, templates
    from slides.execute import ROOT, LessonError, executed
except ModuleNotFoundError as missing:
    sys.exit(
        f"*** Decks are made with {missing.name}, which is missing in this Python. It comes with JupyterLab: run `make slides`, or "
        "install the project with its extra `lab`: python -m pip install -e '.[lab,test]'"
    )

LESSONS = ROOT / "notebooks"
BUILD = ROOT / "slides" / "build"
SIDE_BY_SIDE = min(4, os.cpu_count() or 1)  # a lesson takes up to 2 GB
MAKERS = ("nbconvert", "mistune", "Pygments", "beautifulsoup4", "Jinja2")  # whose versions show in a deck


@dataclass(frozen=True)
class Built(Described):
    """What is known of a built deck; kept beside it as the proof that it is up to date.

    key: the state it was made from; page: fingerprint of the deck as it was written; handout_key: as key, for its PDF, and None where
    that was not made; complaints: what is wrong with slides, in sentences.
    """

    key: str
    page: str
    handout_key: str | None = None
    complaints: tuple[str, ...] = ()


class DeckError(RuntimeError):
    """A deck was made and must not be shown; the message says why."""


def main() -> int:
    try:
        assets = load_assets(BUILD / ".assets")
    except AssetError as problem:
        print(f"\n*** {problem}", file=sys.stderr)
        return 1
    browser, appearance = find_browser(), look()  # taken once: what is edited from here on shows in the next build

    def build_or_say(lesson: Path) -> Built | str:
        try:
            return build(lesson, assets, browser, appearance)
        except (LessonError, DeckError, ValueError) as problem:
            print(f"*** {problem}", file=sys.stderr, flush=True)
            return str(problem)

    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:  # threads are enough: the work is done by kernels and browsers
        results = list(pool.map(build_or_say, lessons(LESSONS)))
    built = [result for result in results if isinstance(result, Built)]
    failures = [result for result in results if isinstance(result, str)]
    forget_all_but({lesson.stem for lesson in lessons(LESSONS)})
    write_index(built)
    for deck in built:
        for complaint in deck.complaints:
            print(f"    {deck.name}: {complaint}")
    handouts = sum(deck.handout_key == deck.key for deck in built)
    print(f"==> {len(built)} deck(s) and {handouts} handout(s): open {relative(BUILD / 'index.html')}")
    if handouts < len(built) and browser is None:
        print("    Handouts (PDF) need Chromium or Chrome, and playwright from `pip install -e '.[lab,test]'`.")
    for failure in failures:
        print(f"*** not built: {failure}", file=sys.stderr)
    return 1 if failures else 0


def find_browser() -> str | None:
    """A browser that can print, or None."""
    try:
        version("playwright")
    except ModuleNotFoundError:
        return None
    return handout.find_browser()


def build(lesson: Path, assets: dict[str, str], browser: str | None, appearance: str) -> Built:
    """The lesson's deck and handout, made where they are not up to date."""
    notebook, executed_key = executed(lesson, BUILD / ".cache")
    key = fingerprint(executed_key, notebook_text(notebook), appearance)
    page, stamp = BUILD / f"{lesson.stem}.html", BUILD / ".cache" / f"{lesson.stem}.json"
    built = read_stamp(stamp)
    if built is None or built.key != key or not page.is_file():
        print(f"==> deck of {lesson.stem}", flush=True)
        deck = convert(lesson.stem, notebook, lesson.parent, assets)
        described = {field.name: getattr(deck, field.name) for field in fields(Described)}
        keep_if_edited(page, built, deck.html)
        built = Built(**described, key=key, page=fingerprint(deck.html))
        stamp.unlink(missing_ok=True)  # from here to its end, the build has no proof of being up to date
        write(page, deck.html)
        write(stamp, json.dumps(asdict(built)))
    if browser is not None and (built.handout_key != key or not page.with_suffix(".pdf").is_file()):
        print(f"==> handout of {lesson.stem}", flush=True)
        printed = handout.print_deck(page, browser)
        if printed.broken_formulas:
            raise DeckError(f"{lesson.stem}: MathJax cannot read a formula: {'; '.join(printed.broken_formulas)}")
        if printed.pages < built.slides:
            raise DeckError(
                f"{lesson.stem}: the handout has {printed.pages} pages for {built.slides} slides: {browser} did not print it."
            )
        write(page.with_suffix(".pdf"), printed.pdf)
        built = replace(built, handout_key=key, complaints=tuple(complaints(printed.slides)))
        write(stamp, json.dumps(asdict(built)))
    return built


def contents_of(page: Path) -> str:
    """A deck as it lies there, whatever an editor has made of it."""
    return page.read_bytes().decode("utf-8", errors="replace")


def keep_if_edited(page: Path, built: Built | None, html: str) -> None:
    """Copy a deck that somebody has edited, before it is written anew."""
    if not page.is_file() or (was := fingerprint(contents_of(page))) == fingerprint(html):
        return
    if built is None or was != built.page:
        print(f"    {page.name} was edited, and is made anew. As it was: {keep_copy(page).name}")


def complaints(slides: list[dict[str, Any]]) -> list[str]:
    """What the author of a lesson should mend, from what deck.js saw."""
    found = []
    for number, slide in enumerate(slides, 1):
        where = f"slide {number}, {slide['heading']!r}"
        if slide["excess"]:
            found.append(f"{where}, sticks out by {slide['excess']} px: divide it, or leave something out.")
        elif slide["wrapped"]:
            found.append(f"{where}, has code so wide that its lines are broken: 104 columns fit.")
        if slide["figures"] is not None and slide["figures"] < 0.9:
            found.append(f"{where}, leaves its figure little room ({slide['figures']:.0%} of its size): move the text.")
    return found


def notebook_text(notebook: Any) -> list[Any]:
    """What a deck takes from a lesson, its outputs aside."""
    return [
        (cell.cell_type, cell.source, cell.metadata.get("slideshow"), cell.metadata.get("tags"))
        for cell in notebook.cells
    ]


def look() -> str:
    """A hash of what decides how decks look: this folder, and the packages that write HTML."""
    here = [path for path in (ROOT / "slides").rglob("*") if path.is_file() and not path.is_relative_to(BUILD)]
    own = [path for path in here if path.suffix in (".py", ".css", ".js", ".j2", ".json", ".txt")]
    return fingerprint(fingerprint_of_files(own, ROOT), {name: version(name) for name in MAKERS})


def read_stamp(path: Path) -> Built | None:
    """What an earlier build left, or None where it left nothing, or something else."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return Built(**kept) if kept.keys() == {field.name for field in fields(Built)} else None
    except (OSError, ValueError, AttributeError):
        return None


def forget_all_but(names: set[str]) -> None:
    """Remove what was made of lessons that are no longer there. What somebody else put there, or edited, stays."""
    for stamp in (BUILD / ".cache").glob("*.json"):
        built = read_stamp(stamp)
        if built is None or stamp.stem in names:
            continue
        page = BUILD / f"{stamp.stem}.html"
        if page.is_file() and fingerprint(contents_of(page)) != built.page:
            continue
        for path in (page, page.with_suffix(".pdf"), stamp.with_suffix(".ipynb"), stamp):
            path.unlink(missing_ok=True)


def write_index(built: list[Built]) -> None:
    """The page that lists the decks; those of lessons that just failed are on it as they were."""
    listed = {deck.name: deck for deck in map(read_stamp, sorted((BUILD / ".cache").glob("*.json"))) if deck}
    listed |= {deck.name: deck for deck in built}
    present = [listed[name] for name in sorted(listed) if (BUILD / f"{name}.html").is_file()]
    printed = {deck.name for deck in present if deck.handout_key == deck.key and (BUILD / f"{deck.name}.pdf").is_file()}
    page = (
        templates()
        .get_template("index.html.j2")
        .render(decks=present, printed=printed, minutes=sum(deck.minutes for deck in present))
    )
    write(BUILD / "index.html", page)


def relative(path: Path) -> Path:
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


if __name__ == "__main__":
    sys.exit(main())

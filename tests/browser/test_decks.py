"""Every deck of slides/build, as a room sees it: opened from its file with the network off, paged through state by state.

`make slides` must have been run. What is measured at each state: nothing sticks out of the slide; text is 24 px or larger and code 18
(captions, footers and the handle of folded code may be smaller: they are for the handout); formulas and figures are there.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup
from playwright.sync_api import Browser, BrowserContext, Page

from slides.assets import load_assets
from slides.convert import convert
from tests.slides.lessons import code, lesson, prose

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "slides" / "build"
LESSONS = sorted(path.stem for path in (ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
READY = "html[data-deck=ready]"
FORMULA = re.compile(r"\$\$.+?\$\$|(?<!\\)\$(?!\s).+?(?<!\\)\$", re.DOTALL)

# What sticks out of the slide on show, or is set too small, and which of its figures are visible.
MEASURE = """() => {
  const slide = Reveal.getCurrentSlide(), room = document.querySelector('.reveal .slides').getBoundingClientRect();
  const skipped = 'aside.notes, details.source, mjx-assistive-mml, script, style';
  const small = 'figcaption, footer, .live', found = [];
  const say = (element, text) => found.push(`${text}: <${element.localName}> ${element.textContent.trim().slice(0, 40)}`);
  for (const element of slide.querySelectorAll('*')) {
    if (element.closest(skipped) || !element.checkVisibility({ visibilityProperty: true, contentVisibilityAuto: true })) continue;
    const box = element.getBoundingClientRect();
    if (box.width === 0 && box.height === 0) continue;
    if (box.bottom > room.bottom + 0.5) say(element, `sticks out below by ${Math.ceil(box.bottom - room.bottom)} px`);
    if (box.right > room.right + 0.5) say(element, `sticks out on the right by ${Math.ceil(box.right - room.right)} px`);
    if (element.localName === 'pre' && element.scrollWidth > element.clientWidth) say(element, 'lines wider than their box');
    if (element.localName === 'img' && !(element.naturalWidth > 0)) say(element, 'an image that cannot be drawn');
    if (element.closest(small)) continue;
    const hasText = element.localName === 'mjx-container' || (!element.closest('mjx-container') &&
      [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim()));
    const least = element.closest('pre, code') ? 18 : 24;
    const size = parseFloat(getComputedStyle(element).fontSize) * Reveal.getScale();
    if (hasText && size < least - 0.01) say(element, `text of ${size} px where ${least} is the least`);
  }
  const footer = slide.querySelector('footer'), body = slide.querySelector('.body');
  if (footer && body.getBoundingClientRect().bottom > footer.getBoundingClientRect().top) say(body, 'runs into the footer');
  return found;
}"""
# Every slide, in order: does it show code or a figure, and what are its notes?
SLIDES = """() => Reveal.getSlides().map((slide) => ({
  heading: (slide.querySelector('h1, h2, h3, .kicker') || slide).textContent.trim().slice(0, 60),
  shows: slide.querySelector('.body pre, .body img, .body svg:not(mjx-container svg)') !== null,
  notes: [...slide.querySelectorAll(':scope > aside.notes')].map((notes) => notes.textContent.trim()).join(' '),
}))"""


@dataclass
class Visit:
    """What was seen while paging through a deck."""

    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)  # of the browser, in its console
    slides: list[dict[str, Any]] = field(default_factory=list)
    states: int = 0
    wrong: list[str] = field(default_factory=list)
    formulas: int = 0
    broken_formulas: list[str] = field(default_factory=list)
    without_alt: int = 0
    last: tuple[int, int] = (0, 0)


def open_alone(context: BrowserContext, path: Path, visit: Visit) -> Page:
    """The deck on a page that can reach nothing but the deck's own file."""

    def only_the_file(route):
        if route.request.url.partition("#")[0].partition("?")[0] == path.as_uri():
            route.continue_()
        else:
            visit.requests.append(route.request.url)
            route.abort()

    context.route("**/*", only_the_file)
    page = context.new_page()
    page.on(
        "console",
        lambda message: visit.complaints.append(message.text) if message.type in ("error", "warning") else None,
    )
    page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    page.goto(path.as_uri())
    page.wait_for_selector(READY, state="attached", timeout=60_000)
    page.add_style_tag(content="* { transition: none !important }")
    return page


def page_through(page: Page, visit: Visit) -> None:
    """With the right arrow, from the first slide to the last state of the last."""
    visit.formulas = page.locator("mjx-container").count()
    visit.broken_formulas = page.evaluate(
        "[...document.querySelectorAll('[data-mjx-error], merror')].map((e) => e.outerHTML)"
    )
    # nbconvert writes "No description has been provided for this image" where there is none.
    visit.without_alt = page.evaluate(
        "[...document.images].filter(({ alt }) => !alt.trim() || alt.startsWith('No description')).length"
    )
    visit.slides = page.evaluate(SLIDES)
    for _ in range(10 * len(visit.slides)):
        number = page.evaluate("Reveal.getSlidePastCount() + 1")
        visit.states += 1
        visit.wrong += [
            f"slide {number}, {visit.slides[number - 1]['heading']!r}: {problem}" for problem in page.evaluate(MEASURE)
        ]
        if page.evaluate("Reveal.isLastSlide() && !Reveal.availableFragments().next"):
            break
        page.keyboard.press("ArrowRight")
    visit.last = (number, page.evaluate("Reveal.getTotalSlides()"))


def new_context(browser: Browser) -> BrowserContext:
    return browser.new_context(viewport={"width": 1280, "height": 720}, offline=True)


# A group is run by one worker: it pages through its deck once, for all tests.
@pytest.fixture(scope="module", params=[pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in LESSONS])
def visited(request, browser: Browser) -> Iterator[tuple[Path, Visit, Page]]:
    """A deck, what was seen in it, and its page, standing at the end."""
    path = BUILD / f"{request.param}.html"
    if not path.is_file():
        pytest.fail(f"{path.relative_to(ROOT)} is missing: run make slides first.")
    visit, context = Visit(), new_context(browser)
    page = open_alone(context, path, visit)
    page_through(page, visit)
    yield path, visit, page
    context.close()


def test_nothing_is_asked_for_and_nothing_complains(visited):
    _, visit, _ = visited
    assert visit.requests == [] and visit.complaints == []


def test_every_state_of_every_slide_fits_and_is_large_enough(visited):
    path, visit, _ = visited
    print(f"{path.stem}: {len(visit.slides)} slides, {visit.states} states")
    assert visit.wrong == []


def test_a_deck_has_12_to_25_slides_and_the_keys_lead_through_all(visited):
    _, visit, _ = visited
    assert 12 <= len(visit.slides) <= 25
    assert visit.last == (len(visit.slides), len(visit.slides))


def test_mathematics_is_drawn(visited):
    path, visit, _ = visited
    soup = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
    for part in soup(["script", "style", "pre", "code", "title", "noscript"]):
        part.decompose()
    assert visit.formulas == len(FORMULA.findall(html.unescape(soup.get_text())))
    assert visit.broken_formulas == []


def test_slides_with_code_or_a_figure_have_notes(visited):
    _, visit, _ = visited
    assert [slide["heading"] for slide in visit.slides if slide["shows"] and len(slide["notes"]) < 20] == []


def test_images_say_what_they_show(visited):
    _, visit, _ = visited
    assert visit.without_alt == 0


def test_speaker_window_opens_from_the_file_and_shows_the_notes(visited):
    _, visit, page = visited
    number, notes = next((n, slide["notes"]) for n, slide in enumerate(visit.slides) if slide["notes"])
    page.evaluate(
        "(number) => { const { h, v } = Reveal.getIndices(Reveal.getSlides()[number]); Reveal.slide(h, v); }", number
    )
    with page.expect_popup() as popup:
        page.keyboard.press("s")
    shown = popup.value.locator(".speaker-controls-notes .value")
    shown.filter(has_text=notes.split(".")[0][:40]).wait_for(timeout=20_000)
    popup.value.close()
    assert visit.requests == []


def test_slide_number_progress_and_address_follow(visited):
    _, visit, page = visited
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert page.locator(".slide-number").inner_text().split() == ["2", "/", str(len(visit.slides))]
    assert page.locator(".progress").is_visible()
    address = page.evaluate("(({ h, v }) => `#/${h}${v ? `/${v}` : ''}`)(Reveal.getIndices())")
    for _ in range(50):  # reveal.js writes it at most once a second
        if page.evaluate("location.hash") == address:
            break
        page.wait_for_timeout(100)
    page.reload()
    page.wait_for_selector(READY, state="attached", timeout=60_000)
    assert page.evaluate("location.hash") == address and page.evaluate("Reveal.getSlidePastCount()") == 1


def test_handout_has_a_page_a_slide(visited):
    path, visit, _ = visited
    pdf = path.with_suffix(".pdf").read_bytes()
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) >= len(visit.slides)
    assert len(pdf) < 40e6


def test_index_leads_to_every_deck_and_handout():
    links = re.findall(r'href="([^"]+)"', (BUILD / "index.html").read_text(encoding="utf-8"))
    links = [link for link in links if not link.startswith("data:")]
    assert sorted(links) == sorted(f"{name}.{kind}" for name in LESSONS for kind in ("html", "pdf"))
    assert all((BUILD / link).is_file() for link in links)


# --- the measures above can fail, and the layout does what it says ---

TASK = "### Your turn · 07.1 · ●○○ · 5 minutes\n\nDo it."
PREDICT = "### Predict\n\nWhat?\n\n<details><summary>Answer</summary>\n\nThis.\n</details>"


@pytest.fixture
def opened(browser: Browser, tmp_path: Path):
    """Opens a deck of the given cells; returns its page and what was seen."""
    contexts = []

    def open_deck(*cells) -> tuple[Page, Visit]:
        if not (BUILD / ".assets").is_dir():
            pytest.fail("slides/build/.assets is missing: run make slides first.")
        deck = convert("07_a_title", lesson(*cells), tmp_path, load_assets(BUILD / ".assets"))
        path, visit = tmp_path / "07_a_title.html", Visit()
        path.write_text(deck.html, encoding="utf-8")
        contexts.append(new_context(browser))
        page = open_alone(contexts[-1], path, visit)
        page_through(page, visit)
        return page, visit

    yield open_deck
    for context in contexts:
        context.close()


def test_a_slide_that_holds_too_much_is_seen_here_and_reported_by_the_deck(opened):
    page, visit = opened(prose("## Much\n\n" + "word " * 600), code("\n".join(f"a{n} = {n}" for n in range(60))))
    assert any("slide 2" in problem and "sticks out below" in problem for problem in visit.wrong)
    assert any("slide 3" in problem and "sticks out below" in problem for problem in visit.wrong)
    assert [slide["excess"] > 0 for slide in page.evaluate("deckReport")] == [False, True, True]


def test_small_text_broken_mathematics_and_bare_images_are_seen(opened):
    dot = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAACAkQBADs="
    _, visit = opened(prose(f'## A\n\n<span style="font-size:12px">small</span> $\\nosuch$ <img src="{dot}">'))
    assert any("text of 12 px" in problem for problem in visit.wrong)
    assert visit.broken_formulas and visit.without_alt == 1 and visit.formulas == 1


def test_what_a_lesson_would_fetch_is_held_back_and_seen(opened):
    _, visit = opened(prose('## A\n\n<div style="background:url(http://127.0.0.1:9/a.png)">text</div>'))
    assert visit.requests or any("Content Security Policy" in complaint for complaint in visit.complaints)


def test_where_text_and_code_do_not_fit_the_code_takes_the_place_of_the_text(opened):
    long_text, long_code = (
        prose("## A\n\n" + "word " * 170),
        code("\n".join(f"a{n} = {n}" for n in range(18)), "fragment"),
    )
    page, visit = opened(long_text, long_code)
    assert visit.wrong == [] and visit.states == 3
    assert page.evaluate("deckReport")[1]["turned"]
    visible = "[...Reveal.getCurrentSlide().querySelectorAll('.page')].map((page) => page.checkVisibility({ visibilityProperty: true }))"
    assert page.evaluate(visible) == [False, True]
    page.keyboard.press("ArrowLeft")
    assert page.evaluate(visible) == [True, False]


def test_a_long_line_of_code_is_set_smaller_and_at_last_wrapped(opened):
    fits, too_long = "x = " + "1 + " * 24 + "1", "x = " + "1 + " * 60 + "1"
    page, visit = opened(code(fits), code(too_long))
    assert visit.wrong == []
    assert [slide["wrapped"] for slide in page.evaluate("deckReport")] == [False, False, True]


def test_an_answer_opens_with_the_next_key_and_closes_on_the_way_back(opened):
    page, visit = opened(prose(PREDICT))
    is_open = "document.querySelector('details.answer').open"
    assert visit.states == 3 and page.evaluate(is_open)
    page.keyboard.press("ArrowLeft")
    assert not page.evaluate(is_open)
    page.locator("details.answer summary").click()
    assert page.evaluate(is_open)


def test_a_click_on_the_minutes_starts_the_clock(opened):
    page, _ = opened(prose(TASK))
    badge = page.locator(".minutes")
    badge.click()
    assert re.fullmatch(r"5:00|4:59", badge.inner_text())
    page.keyboard.press("t")
    assert badge.inner_text() == "5 min"

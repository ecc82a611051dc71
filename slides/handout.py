"""What a browser does for a deck, where there is one: look it over, and print it as a handout."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
    "C:/Program Files (x86)/Microsoft/Edge/Application/msedge.exe",
)
# It opens pages of our own making, one at a time: nothing has to be fetched, synchronised or asked in the background.
QUIET = (
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-dev-shm-usage",  # containers often give /dev/shm only 64 MB
    "--disable-sync",
    "--no-first-run",
)
READY = "html[data-deck=ready]"
SECONDS = 120
# MathJax draws a formula it cannot read as an error, in yellow.
BROKEN_FORMULAS = "[...document.querySelectorAll('[data-mjx-error]')].map(node => node.getAttribute('data-mjx-error'))"


@dataclass(frozen=True)
class Printed:
    """A handout as PDF, and what the browser saw. slides: one entry a slide, as deck.js reports them."""

    pdf: bytes
    slides: list[dict[str, Any]]
    broken_formulas: list[str]

    @property
    def pages(self) -> int:
        """How many pages the PDF has."""
        return len(re.findall(rb"/Type\s*/Page\b", self.pdf))


def find_browser() -> str | None:
    """The browser that WORKBOOK_CHROMIUM names, else a Chromium or one of its kin on this machine."""
    named = os.environ.get("WORKBOOK_CHROMIUM")
    on_path = next(filter(None, map(shutil.which, NAMES)), None)
    return named or on_path or next((place for place in PLACES if Path(place).exists()), None)


def print_deck(deck: Path, browser: str) -> Printed:
    """Open the deck from its file, with the network off, and print it: a page a slide, answers shown."""
    from playwright.sync_api import sync_playwright  # a test dependency: decks are built without it

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=browser, args=list(QUIET))
        try:
            context = running.new_context(viewport={"width": 1280, "height": 720}, offline=True)
            page = context.new_page()
            page.goto(deck.as_uri())
            page.wait_for_selector(READY, timeout=SECONDS * 1000, state="attached")
            slides, broken = page.evaluate("window.deckReport"), page.evaluate(BROKEN_FORMULAS)
            page.goto(f"{deck.as_uri()}?print-pdf")
            page.wait_for_selector(READY, timeout=SECONDS * 1000, state="attached")
            pdf = page.pdf(prefer_css_page_size=True, print_background=True)
        finally:
            running.close()
    return Printed(pdf, slides, broken)

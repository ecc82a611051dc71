"""A browser for the tests marked `browser`: the system's Chromium, headless, one for the whole session.

Playwright drives it, but brings no browser of its own: a browser of the system gets the system's security updates.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Error, sync_playwright

from tests.browser.explorers import Latency

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Tests open pages of their own making, one at a time: nothing has to be fetched, synchronised or asked in the background.
QUIET = (
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-dev-shm-usage",  # containers often give /dev/shm only 64 MB
    "--disable-sync",
    "--no-first-run",
)

LATENCIES = pytest.StashKey[list[Latency]]()


def find_chromium() -> str | None:
    """The browser that WORKBOOK_CHROMIUM names, else the first of NAMES on the path."""
    return os.environ.get("WORKBOOK_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium. Playwright's default is no sandbox, which root and most containers need."""
    path = find_chromium()
    if path is None:
        pytest.exit(
            f"The browser tests need Chromium, and none of {', '.join(NAMES)} is on the path. Install it "
            "(Debian, Ubuntu: sudo apt install chromium; macOS: brew install chromium), or name one: "
            "WORKBOOK_CHROMIUM=/path/to/chromium make test-browser",
            returncode=1,
        )
    with sync_playwright() as playwright:
        try:
            running = playwright.chromium.launch(executable_path=path, args=list(QUIET))
        except Error as problem:
            pytest.exit(f"{path} does not start, so no browser test can run. It said: {problem.message}", returncode=1)
        yield running
        running.close()


@pytest.fixture(scope="session")
def latencies(pytestconfig: pytest.Config) -> list[Latency]:
    """What the tests measured, for the table at the end."""
    return pytestconfig.stash.setdefault(LATENCIES, [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    measured = config.stash.get(LATENCIES, [])
    if measured:
        terminalreporter.section("explorers: milliseconds from the key to the new picture, in the page")
        terminalreporter.line(f"{'explorer':40} {'median':>8} {'90th %':>8} {'moves':>8} {'rounds':>8}")
        for latency in measured:
            terminalreporter.line(latency.row())

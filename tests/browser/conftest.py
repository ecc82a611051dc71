"""A browser for the tests marked `browser`: the system's Chromium, headless, one for the whole session.

Playwright drives it, but brings no browser of its own: a browser of the system gets the system's security updates.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Error, sync_playwright

from slides.handout import NAMES, QUIET, find_browser
from tests.browser.explorers import Latency

LATENCIES = pytest.StashKey[list[Latency]]()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium. Playwright's default is no sandbox, which root and most containers need."""
    path = find_browser()
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

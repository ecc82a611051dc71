"""A browser for the tests marked `browser`: the system's Chromium, headless, one for the whole session.

Playwright drives it, but brings no browser of its own: a browser of the system gets the system's security updates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Error, sync_playwright

from slides.handout import NAMES, QUIET, find_browser
from tests.browser.explorers import Latency
from tests.browser.turns import Turns

LATENCY = "latency"  # the user property of a report


@pytest.fixture(scope="session")
def turns(tmp_path_factory: pytest.TempPathFactory) -> Turns:
    return Turns(tmp_path_factory.getbasetemp().parent)  # a worker's own folder lies in that of the run


@pytest.fixture(autouse=True)
def turn(request: pytest.FixtureRequest, turns: Turns) -> Iterator[None]:
    """Every test's: a test marked `timed` is alone on the machine, as far as these tests go."""
    with turns.alone() if request.node.get_closest_marker("timed") else turns.shared():
        yield


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


@pytest.fixture
def report_latency(record_property: Callable[[str, object], None]) -> Callable[[Latency], None]:
    """Puts what a test measured into the table at the end, whichever worker measured it."""
    return lambda latency: record_property(LATENCY, latency.row())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = (report for outcome in ("passed", "failed") for report in terminalreporter.getreports(outcome))
    rows = sorted(row for report in reports for name, row in report.user_properties if name == LATENCY)
    if rows:
        terminalreporter.section("explorers: milliseconds from the key to the new picture, in the page")
        terminalreporter.line(f"{'explorer':40} {'median':>8} {'90th %':>8} {'moves':>8} {'rounds':>8}")
        for row in rows:
            terminalreporter.line(row)

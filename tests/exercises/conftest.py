"""The table of all exercises that the tests print at the end."""

from __future__ import annotations

from collections import defaultdict

import pytest

Row = dict[str, str]
TALLY = pytest.StashKey[dict[str, Row]]()
COLUMNS = ("solution", "stub", "misconceptions", "random wrong", "mutants", "different", "rejected", "equivalent")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[TALLY] = defaultdict(dict)


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> dict[str, Row]:
    """Exercise id → column → what the table shows there."""
    return request.config.stash.setdefault(TALLY, defaultdict(dict))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    rows = config.stash.get(TALLY, {})
    if not rows:
        return
    terminalreporter.section("exercises")
    terminalreporter.write_line("  ".join(["id   ", *COLUMNS]))
    for id, row in sorted(rows.items()):
        terminalreporter.write_line(
            "  ".join([f"{id:5}", *(f"{row.get(column, '-'):>{len(column)}}" for column in COLUMNS)])
        )
    for id, row in sorted(rows.items()):
        for line in filter(None, row.get("equivalent ones", "").split("\n")):
            terminalreporter.write_line(f"{id}  equivalent: {line}")

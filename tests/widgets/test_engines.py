"""The explorer of engines: its words against the results, legible in every state."""

from __future__ import annotations

import math
import re

import pytest

from helpers.experiments.engine_errors import SIZES, Errors
from helpers.widgets.engines import ASKED, engines, typical_error
from tests.widgets.legible import unreadable


@pytest.fixture(scope="module")
def explorer():
    return engines(repeats=2)


def test_every_state_is_legible_and_says_its_errors(explorer):
    results = explorer.picture.args[0]
    for state in explorer.states():
        picture = explorer.picture(**state)
        assert not unreadable(picture.figure)
        problem, found = results[state["program"]]
        exact = problem.log_marginal if state["asked"] == "log p(x)" else problem.mean
        size = SIZES[state["doublings"]]
        assert f"With {size}:" in picture.caption and ("gives no log p(x)" in picture.caption) == (
            state["asked"] == "log p(x)"
        )
        for name, by_size in found.items():
            error = typical_error(by_size[size], exact, ASKED[state["asked"]])
            if error is None:
                assert f"{name} " not in picture.alt
            elif error >= 0.01:
                assert float(re.search(rf"{name} ([\d.]+\d)", picture.caption)[1]) == pytest.approx(error, abs=0.0051)


def test_typical_errors():
    drawn, bounds, none = Errors((1.0, 3.0), (0.5, 0.5)), Errors((-2.0, -1.0), (0.4,)), Errors((), (0.1, 0.2))
    assert typical_error(drawn, 2.0, ASKED["log p(x)"]) == 1.0
    assert typical_error(bounds, -1.3, ASKED["log p(x)"]) == pytest.approx(0.7)
    assert typical_error(none, 0.0, ASKED["log p(x)"]) is None
    assert typical_error(none, 0.0, ASKED["a posterior mean"]) == pytest.approx(math.sqrt(0.025))

"""The messages of the garden program, against what the package's own trace says of the same execution."""

from __future__ import annotations

import pytest
import torch

from helpers.experiments.message_steps import LINE, PROGRAM, SEED, STACKS, garden, handler_names, messages
from helpers.programs import condition, do, replay, trace

ONE = torch.tensor(1.0)
SAME = {
    "trace": garden,
    "trace, condition (wet = 1)": condition(garden, {"wet": ONE}),
    "trace, do (wet = 1)": do(garden, {"wet": ONE}),
    "trace, replay (rain = 1)": replay(garden, {"rain": ONE}),
}


@pytest.mark.parametrize("stack", SAME)
def test_the_last_message_holds_the_trace(stack):
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        recorded = trace(SAME[stack]).get_trace()
    rows = messages(stack)[-1].rows
    assert list(rows) == list(recorded)
    for name, (value, observed, log_prob) in rows.items():
        site = recorded[name]
        assert (value, observed, log_prob) == (int(site.value), site.observed, pytest.approx(site.log_prob.item()))


@pytest.mark.parametrize("stack", STACKS)
def test_each_site_passes_every_handler_out_and_back(stack):
    found = messages(stack)
    inwards = [*reversed(handler_names(stack))]
    for site in LINE:
        own = [each for each in found if each.site == site]
        out = [each.at for each in own if each.way == "out"]
        assert out in ([["the program", *inwards], ["the program", *inwards, "the draw"]])
        assert [each.at for each in own if each.way == "back"] == [*handler_names(stack), "the program"]
        drawn = "the draw" in out
        before = next(each for each in own if each.at == "trace" and each.way == "out")
        assert drawn == (before.value is None)
        assert own[-1].value is not None and site in own[-1].rows


def test_what_is_said_is_what_was_done():
    said = {(each.site, each.at): each.said for each in messages("trace, do (wet = 1)") if each.way == "out"}
    assert "from outside" in said["wet", "do"] and said["rain", "do"] == "lets it pass"
    scaled = messages("trace, scale (10), condition (slip = 1)")
    assert all("to 10" in each.said for each in scaled if each.at == "scale" and each.way == "out")
    assert scaled[-1].weight == 10 and scaled[-1].observed
    replayed = {(each.site, each.at): each.said for each in messages("trace, replay (rain = 1)") if each.way == "out"}
    assert replayed["rain", "replay"] == "sets the value of the earlier execution"


def test_the_shown_program_is_the_one_that_runs():
    lines = PROGRAM.split("\n")
    for name, line in LINE.items():
        assert lines[line].split()[0] == name
    scope: dict = {}
    exec(PROGRAM, {"sample": lambda name, d: scope.setdefault(name, d) and 1.0, "Bernoulli": lambda p: p}, scope)
    scope["garden"]()
    with torch.random.fork_rng():
        recorded = trace(replay(garden, dict.fromkeys(LINE, ONE))).get_trace()
    for name in LINE:
        assert recorded[name].distribution.probs.item() == pytest.approx(scope[name])


def test_the_global_random_state_stays():
    before = torch.get_rng_state()
    messages("trace")
    assert torch.equal(before, torch.get_rng_state())

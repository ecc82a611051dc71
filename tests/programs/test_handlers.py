"""Handlers of values: what they do alone and together, that they pop, and what they refuse."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Bernoulli, Normal

from helpers.experiments.two_languages import t
from helpers.programs import block, condition, do, plate, replay, sample, trace, uncondition
from helpers.programs.site import Site
from helpers.programs.stack import Handler, handlers, send


def program(x=None):
    z = sample("z", Normal(t(0), t(1)))
    w = sample("w", Normal(z, t(1)))
    return sample("x", Normal(w, t(0.5)), obs=x)


def test_a_trace_has_the_sites_in_order():
    recorded = trace(program).get_trace(t(0.3))
    assert list(recorded) == ["z", "w", "x"] and recorded.returned == 0.3
    z, w = recorded["z"].value, recorded["w"].value
    joint = Normal(t(0), t(1)).log_prob(z) + Normal(z, t(1)).log_prob(w) + Normal(w, t(0.5)).log_prob(t(0.3))
    assert recorded.log_joint().item() == pytest.approx(joint.item(), abs=1e-12)


def test_a_block_of_statements_is_traced_too():
    with trace() as recorder:
        program()
    assert len(recorder.trace) == 3
    with recorder:
        sample("other", Normal(t(0), t(1)))
    assert list(recorder.trace) == ["other"]  # each run starts anew


def test_replay_takes_latent_values_only():
    earlier = trace(program).get_trace(t(0.3))
    again = trace(replay(program, earlier)).get_trace(t(0.9))
    assert again["z"].value is earlier["z"].value and again["x"].value == 0.9
    some = trace(replay(program, {"z": t(2.0)})).get_trace()
    assert some["z"].value == 2 and some["w"].value is not earlier["w"].value


def test_gradients_flow_through_a_replay():
    loc = t(0.4).requires_grad_()
    guide = trace(lambda: sample("z", Normal(loc, t(1)))).get_trace()
    trace(replay(program, guide)).get_trace(t(0.1)).log_joint().backward()
    assert loc.grad is not None and loc.grad != 0


def test_conditioning_and_intervening():
    seen = trace(condition(program, {"w": t(1.5)})).get_trace()
    done = trace(do(program, {"w": t(1.5)})).get_trace()
    assert seen["w"].observed and done["w"].observed and seen["x"].distribution.loc == done["x"].distribution.loc == 1.5
    assert seen["w"].log_prob == Normal(seen["z"].value, t(1)).log_prob(t(1.5)) and done["w"].log_prob == 0
    both = trace(condition(do(program, {"w": t(1.5)}), {"z": t(0.2)})).get_trace()
    assert both.latent.keys() == {"x"}


def test_an_intervention_cuts_a_cause_and_an_observation_does_not():
    """Rain makes wet; seeing wet speaks for rain, making wet does not."""
    from helpers.programs import enumerate_executions

    def lawn():
        rain = sample("rain", Bernoulli(t(0.2)))
        sample("wet", Bernoulli(0.1 + 0.8 * rain))

    def of_rain(handled):
        return enumerate_executions(handled)().expectation("rain").item()

    assert of_rain(condition(lawn, {"wet": t(1.0)})) == pytest.approx(0.2 * 0.9 / (0.2 * 0.9 + 0.8 * 0.1))
    assert of_rain(do(lawn, {"wet": t(1.0)})) == pytest.approx(0.2)


def test_blocked_sites_are_not_seen_further_out():
    assert list(trace(block(program, hide=["w"])).get_trace()) == ["z", "x"]
    assert list(trace(block(program, expose=["w"])).get_trace()) == ["w"]
    assert len(trace(block(program)).get_trace()) == 0
    assert (
        trace(condition(block(condition(program, {"w": t(1.0)}), hide=["w"]), {"z": t(0.0)}))
        .get_trace()["x"]
        .distribution.loc
        == 1
    )
    with pytest.raises(ValueError, match="this execution had no such site"):
        condition(block(program, hide=["w"]), {"w": t(1.0)})()


def test_observations_may_be_drawn_again():
    recorded = trace(uncondition(program)).get_trace(t(0.3))
    assert recorded.latent.keys() == {"z", "w", "x"} and recorded["x"].value != 0.3
    inner = trace(uncondition(condition(program, {"w": t(3.0)}))).get_trace()
    assert inner["w"].value != 3
    kept = trace(uncondition(do(program, {"w": t(3.0)}))).get_trace()
    assert kept["w"].value == 3


def test_the_innermost_handler_comes_first():
    order = []

    class Says(Handler):
        def __init__(self, word):
            super().__init__()
            self.word = word

        def process(self, site):
            order.append(f"{self.word} {site.name}")

        def finish(self, site):
            order.append(f"{site.name} {self.word}")

    with Says("outer"), Says("inner"):
        send(Site("sample", "z", Normal(t(0), t(1)), t(1.0)))
    assert order == ["inner z", "outer z", "z outer", "z inner"]


def test_handlers_pop_when_a_program_raises():
    def raises():
        with plate("data", 2):
            sample("z", Normal(t(0), t(1)))
            raise RuntimeError("no")

    for handled in (trace(raises), condition(raises, {"z": torch.zeros(2)}), block(replay(raises, {}))):
        with pytest.raises(RuntimeError, match="no"):
            handled()
        assert handlers() == ()


def test_a_loop_over_a_plate_that_raises_leaves_nothing_behind():
    def raises():
        for i in plate("data", 3):
            sample(f"z{i}", Normal(t(0), t(1)))
            if i:
                raise RuntimeError("no")

    kept = []
    for handled in (raises, trace(raises)):
        with pytest.raises(RuntimeError) as caught:
            handled()
        kept.append(caught)  # its traceback keeps the loop's frame alive
        assert handlers() == ()
    assert len(trace(program).get_trace()) == 3
    kept.clear()
    assert handlers() == ()


def test_a_handler_inside_itself():
    handled = trace(program)
    handled.program = lambda: handled.get_trace()
    with pytest.raises(ValueError, match="One trace handler was entered inside itself. Make a second one"):
        handled()
    assert handlers() == ()


def test_a_name_that_stands_twice():
    def twice():
        sample("z", Normal(t(0), t(1)))
        sample("z", Normal(t(0), t(1)))

    line = twice.__code__.co_firstlineno
    message = f"are named 'z': line {line + 1} of test_handlers.py and line {line + 2} of test_handlers.py"
    with pytest.raises(ValueError, match=message):
        trace(twice).get_trace()


def test_a_program_that_never_ends():
    def endless(n=0):
        while True:
            n += 1
            sample(f"z{n}", Bernoulli(t(0.5)))

    with pytest.raises(ValueError, match=r"more than 10,000 sites, the last 'z10001' .*never ends"):
        trace(endless).get_trace()
    with pytest.raises(ValueError, match="more than 7 sites"):
        trace(endless, max_sites=7).get_trace()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: condition(program, {"q": t(1.0)})(),
            "condition names 'q', and this execution had no such site. Its sites: 'z', 'w', 'x'",
        ),
        (lambda: do(program, {"q": t(1.0)})(), "do names 'q'"),
        (lambda: condition(program, {"z": 1.0}), "condition was given a float for 'z'; a tensor was expected"),
        (lambda: condition(program, t(1.0)), 'condition was given a Tensor; expected a dict such as {"x": x}'),
        (lambda: condition(program)(), "condition was given a NoneType"),
        (lambda: replay(program, 3), "replay was given a int; expected an earlier Trace, or values by name"),
        (lambda: block(program, hide="z"), r"hide='z'; a list of names was expected: hide=\['z'\]"),
        (lambda: block(program, hide=["z"], expose=["w"]), "expected one of them"),
        (lambda: trace(program()), "trace was given a Tensor as its program; a function was expected"),
        (lambda: trace()(), r"has no program to call: trace\(program, ...\) has one"),
    ],
)
def test_what_they_refuse(call, message):
    with pytest.raises(ValueError, match=message):
        call()

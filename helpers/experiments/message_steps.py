"""Every message of one execution of a small program, as each handler sees it: what the explorer `messages` steps through."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Bernoulli

from helpers.programs import condition, do, replay, sample, scale, trace
from helpers.programs.site import Site
from helpers.programs.stack import Handler

PROGRAM = """def garden():
    rain = sample("rain", Bernoulli(0.3))
    wet  = sample("wet",  Bernoulli(0.1 + 0.8 * rain))
    slip = sample("slip", Bernoulli(0.05 + 0.4 * wet))"""
LINE = {"rain": 1, "wet": 2, "slip": 3}  # of PROGRAM, counted from 0
SEED = 4


def garden() -> None:
    """The program that `PROGRAM` shows."""
    rain = sample("rain", Bernoulli(torch.tensor(0.3)))
    wet = sample("wet", Bernoulli(0.1 + 0.8 * rain))
    sample("slip", Bernoulli(0.05 + 0.4 * wet))


@dataclass(frozen=True)
class Message:
    """A site on its way through the handlers, at one moment.

    Args:
        site: Its name.
        at: Handler that has just seen it; "the draw" once the value is set without one; "the program" at the start and at the end.
        way: "out" before the value is set, "back" afterwards.
        said: What the handler did, in words.
        probability: p(site = 1), the only parameter of its distribution.
        value: Its value, or None.
        observed: Whether it is observed.
        weight: Factor of its log-probability; 0 for an intervention.
        rows: What the trace holds: name → (value, observed, log-probability as it counts).
    """

    site: str
    at: str
    way: str
    said: str
    probability: float
    value: int | None
    observed: bool
    weight: float
    rows: Mapping[str, tuple[int, bool, float]]


STACKS: Mapping[str, tuple[tuple[str, Callable[[], Handler]], ...]] = {
    "trace": (),
    "trace, condition (wet = 1)": (("condition", lambda: condition(data={"wet": torch.tensor(1.0)})),),
    "trace, do (wet = 1)": (("do", lambda: do(data={"wet": torch.tensor(1.0)})),),
    "trace, replay (rain = 1)": (("replay", lambda: replay(trace={"rain": torch.tensor(1.0)})),),
    "trace, scale (10), condition (slip = 1)": (
        ("scale", lambda: scale(factor=10.0)),
        ("condition", lambda: condition(data={"slip": torch.tensor(1.0)})),
    ),
}


def handler_names(stack: str) -> list[str]:
    """Names of the handlers of a stack.

    Args:
        stack: A key of `STACKS`.

    Returns:
        The names, outermost first; the outermost is "trace".
    """
    return ["trace", *(name for name, _ in STACKS[stack])]


def messages(stack: str) -> list[Message]:
    """Run the program inside handlers, and keep each message at each handler.

    Args:
        stack: A key of `STACKS`.

    Returns:
        The messages, in order: for each site from the program out to the trace, the draw if there is one, and back.
    """
    found: list[Message] = []
    recorder = trace()

    def keep(site: Site, at: str, way: str, said: str) -> None:
        assert site.distribution is not None
        value = None if site.value is None else int(site.value)
        weight = 0.0 if site.mask is False else float(site.scale)
        rows = {one.name: (int(one.value), one.observed, one.log_prob.item()) for one in recorder.trace.random}
        probability = site.distribution.probs.item()
        found.append(Message(site.name, at, way, said, probability, value, site.observed, weight, rows))

    class Watched(Handler):
        """Hands on to a handler, and writes down what that did."""

        def __init__(self, name: str, handler: Handler) -> None:
            super().__init__()
            self.name, self.handler = name, handler

        def process(self, site: Site) -> None:
            before = site.value, site.observed, site.scale
            self.handler.process(site)
            keep(site, self.name, "out", _what(before, site, self.name))

        def finish(self, site: Site) -> None:
            before = len(recorder.trace)
            self.handler.finish(site)
            said = "records the site" if len(recorder.trace) > before else "does nothing"
            keep(site, self.name, "back", said)

    class Draws(Handler):
        """The outermost place, where a value is drawn if nobody has set one."""

        def process(self, site: Site) -> None:
            drawn = site.draws

            def told(one: Site) -> Tensor:
                assert drawn is not None
                one.value = drawn(one)
                keep(one, "the draw", "out", "nobody has set a value: it is drawn")
                value: Tensor = one.value
                return value

            site.draws = told

    class Starts(Handler):
        """The innermost place: the program sends the message, and reads the value."""

        def process(self, site: Site) -> None:
            keep(site, "the program", "out", "sends a message: no value yet")

        def finish(self, site: Site) -> None:
            keep(site, "the program", "back", "goes on with the value")

    handlers = [("trace", recorder), *((name, make()) for name, make in STACKS[stack])]
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        with Draws():
            _inside([Watched(name, handler) for name, handler in handlers] + [Starts()], garden)
    return found


def _inside(handlers: list[Handler], program: Callable[[], None]) -> None:
    if not handlers:
        program()
        return
    with handlers[0]:
        _inside(handlers[1:], program)


def _what(before: tuple[object, bool, object], site: Site, name: str) -> str:
    value, observed, factor = before
    if site.mask is False and not observed:
        return "sets the value from outside; its log-probability will not count"
    if site.observed and not observed:
        return "sets the value and marks it as observed"
    if site.value is not None and value is None:
        return "sets the value of the earlier execution"
    if site.scale is not factor:
        return f"multiplies the log-probability's weight to {float(site.scale):.0f}"
    return "lets it pass"

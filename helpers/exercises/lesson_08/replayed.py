"""Exercise 08.2: replay."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from helpers.exercises.engine.inputs import normal
from helpers.exercises.exercise import Exercise
from helpers.exercises.lesson_08.replayed_misconceptions import MISCONCEPTIONS
from helpers.exercises.lesson_08.small_programs import branching, counting, one_mean, twice_observed, two_levels


def replayed(program, x, earlier, fresh):
    """Run program(sample, x) with an earlier execution's values, and draw what that one did not have.

    A latent site takes earlier[name] if the name is there. Otherwise it is drawn: your draw is
    fresh[name]. An observed site keeps obs. x: [data]; earlier, fresh: tensors by name
    → what the program returns, and the log-probability of the sites that were drawn, a scalar in nats.
    """
    log_drawn = x.new_zeros(())

    def sample(name, distribution, obs=None):
        nonlocal log_drawn
        if obs is not None:
            return obs
        if name in earlier:
            return earlier[name]
        log_drawn = log_drawn + distribution.log_prob(fresh[name]).sum()
        return fresh[name]

    returned = program(sample, x)
    return returned, log_drawn


def _leaf(generator: Generator, *size: int, scale: float = 1.0) -> Tensor:
    return normal(generator, *size, scale=scale).requires_grad_()


def _bit(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


REPLAYED = Exercise(
    id="08.2",
    title="Replay",
    minutes=6,
    difficulty=2,
    statement=r"Run a program again. A latent site takes its value from `earlier` if that execution had a site of this name; "
    r"otherwise it is "
    r"drawn, and your draw is `fresh[name]`. Observed sites keep `obs`. Return what the program returns, and the log-probability "
    r"of the sites "
    r"that were drawn.",
    solution=replayed,
    why="An execution is determined by its choices. What replay leaves open is drawn from the program, so its log-probability is "
    "the only part of "
    "the log joint that the engine itself is responsible for.",
    cases={
        "everything is there": lambda g: {
            "program": two_levels,
            "x": _leaf(g, 5),
            "earlier": {"a": _leaf(g), "b": _leaf(g, 3), "c": _leaf(g)},
            "fresh": {"a": normal(g), "b": normal(g, 3), "c": normal(g)},
        },
        "the first site alone is there": lambda g: {
            "program": two_levels,
            "x": _leaf(g, 5),
            "earlier": {"a": _leaf(g)},
            "fresh": {"a": normal(g), "b": _leaf(g, 3), "c": _leaf(g)},
        },
        "a longer execution than before": lambda g: {
            "program": branching,
            "x": _leaf(g, 2),
            "earlier": {"k": _bit(1.0)},
            "fresh": {"k": _bit(0.0), "extra": _leaf(g), "factor": _leaf(g)},
        },
        "a shorter execution than before": lambda g: {
            "program": branching,
            "x": _leaf(g, 2),
            "earlier": {"k": _bit(0.0), "extra": _leaf(g), "factor": _leaf(g)},
            "fresh": {},
        },
        "two trials are there, the third is drawn": lambda g: {
            "program": counting,
            "x": _leaf(g, 1),
            "earlier": {"stop 0": _bit(0.0), "stop 1": _bit(0.0)},
            "fresh": {f"stop {n}": _bit(float(n in (0, 3))) for n in range(6)},
        },
        "the earlier execution has a value by an observed site's name": lambda g: {
            "program": twice_observed,
            "x": _leaf(g, 3),
            "earlier": {"z": _leaf(g), "after": normal(g, 3), "before": normal(g)},
            "fresh": {},
        },
        "nothing is there, far from the prior": lambda g: {
            "program": one_mean,
            "x": _leaf(g, 4),
            "earlier": {},
            "fresh": {"z": _leaf(g, scale=40.0), "x": normal(g, 4)},
        },
    },
    dimensions={"x": ("data",), "return": (("size",), ())},
    returns=("what the program returns", "the log-probability of what was drawn"),
    hints=(
        "Three kinds of site: observed, known from before, drawn. Decide in this order.",
        "obs if it is given;  earlier[name] if name in earlier;  else fresh[name], and add distribution.log_prob(fresh[name]).sum().",
        "`def sample(name, distribution, obs=None):` with `nonlocal log_drawn`;   first `if obs is not None: return obs`.",
    ),
    misconceptions=MISCONCEPTIONS,
)

"""Inputs of lesson 07's exercises that `check` does not use: they judge whether a mutant of a solution is another function."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from helpers.exercises.exercise import Inputs


def normal(generator: Generator, *size: int, scale: float = 1.0, loc: float = 0.0) -> Tensor:
    return loc + scale * torch.randn(size, generator=generator, dtype=torch.float64)


def leaf(value: Tensor) -> Tensor:
    return value.detach().clone().requires_grad_()


def gated(generator: Generator, batch: int, latent: int, logits: float = 1.0, weight: float = 1.0) -> dict[str, Tensor]:
    return {
        "z": leaf(normal(generator, batch, latent)),
        "gate_logit": leaf(normal(generator, batch, latent, scale=logits)),
        "proposal": leaf(normal(generator, batch, latent)),
        "weight": leaf(normal(generator, latent, latent, scale=weight)),
        "bias": leaf(normal(generator, latent)),
    }


GATED: dict[str, Inputs] = {
    "many": lambda g: gated(g, 20, 10),
    "square": lambda g: gated(g, 3, 3),
    "one number": lambda g: gated(g, 1, 1),
    "one number, many vectors": lambda g: gated(g, 6, 1),
    "decided gates": lambda g: gated(g, 4, 5, logits=60.0),
    "the start: the identity": lambda g: {
        **gated(g, 3, 4),
        "weight": leaf(torch.eye(4).double()),
        "bias": leaf(torch.zeros(4).double()),
    },
    "no linear part": lambda g: gated(g, 3, 4, weight=0.0),
}


def terms(generator: Generator, lengths: list[int], steps: int, beyond: float | None = None) -> dict[str, Tensor]:
    ends = torch.tensor(lengths)
    made = {
        "log_likelihood": normal(generator, len(lengths), steps, loc=-4.0),
        "rate": normal(generator, len(lengths), steps).exp(),
    }
    if beyond is not None:
        made = {name: term.masked_fill(torch.arange(steps) >= ends[:, None], beyond) for name, term in made.items()}
    return {**{name: leaf(term) for name, term in made.items()}, "lengths": ends}


PER_STEP: dict[str, Inputs] = {
    "many": lambda g: terms(g, [*range(1, 21)], 30),
    "as many sequences as steps": lambda g: terms(g, [4, 1, 3, 2], 4),
    "one step each": lambda g: terms(g, [1, 1, 1], 1),
    "one step each of many": lambda g: terms(g, [1, 1, 1], 5),
    "infinite beyond": lambda g: terms(g, [2, 4], 6, -math.inf),
    "NaN beyond": lambda g: terms(g, [5, 2, 1], 6, math.nan),
    "full": lambda g: terms(g, [6, 6], 6),
}


def padded(generator: Generator, lengths: list[int], steps: int, features: int) -> dict[str, Tensor]:
    return {"x": leaf(normal(generator, len(lengths), steps, features)), "lengths": torch.tensor(lengths)}


REVERSED: dict[str, Inputs] = {
    "many": lambda g: padded(g, [*range(1, 21)], 30, 4),
    "all dimensions alike": lambda g: padded(g, [3, 2, 1], 3, 3),
    "one step each": lambda g: padded(g, [1, 1, 1], 4, 2),
    "one step in all": lambda g: padded(g, [1, 1], 1, 3),
    "full": lambda g: padded(g, [6, 6, 6], 6, 2),
    "zeros beyond": lambda g: {
        "x": leaf(normal(g, 2, 7, 3) * (torch.arange(7) < torch.tensor([[4], [6]]))[:, :, None]), "lengths": torch.tensor([4, 6]),
    },
}  # fmt: skip


def paths(generator: Generator, samples: int, batch: int, loc: float = -50.0, spread: float = 1.0) -> dict[str, Tensor]:
    log_q = normal(generator, samples, batch, loc=-30.0, scale=4.0)
    log_joint = log_q + loc + normal(generator, samples, batch, scale=spread)
    return {"log_joint": log_joint.requires_grad_(), "log_q": log_q.requires_grad_()}


def weightless(given: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same with a second path that the model thinks impossible."""
    return {name: value.detach() for name, value in given.items()} | {
        "log_joint": given["log_joint"].detach().index_fill(0, torch.tensor([1]), -math.inf)
    }


IMPORTANCE: dict[str, Inputs] = {
    "many": lambda g: paths(g, 50, 7),
    "square": lambda g: paths(g, 3, 3, spread=0.5),
    "one path of one sequence": lambda g: paths(g, 1, 1),
    "all weights alike": lambda g: paths(g, 4, 3, spread=0.0),
    "far apart": lambda g: paths(g, 5, 2, spread=500.0),
    "above zero": lambda g: paths(g, 4, 3, loc=30.0),
    "large": lambda g: paths(g, 3, 4, loc=900.0),
    "one path without weight": lambda g: weightless(paths(g, 4, 2)),
}


def particles(
    generator: Generator,
    batch: int,
    count: int,
    latent: int,
    loc: float = -9.0,
    spread: float = 1.0,
    offset: float | None = None,
) -> dict[str, Tensor]:
    drawn = torch.rand(batch, generator=generator, dtype=torch.float64)
    return {
        "log_z": normal(generator, batch, loc=-40.0, scale=5.0),
        "log_weight": normal(generator, batch, count, scale=spread, loc=loc),
        "z": normal(generator, batch, count, latent),
        "offset": drawn if offset is None else torch.full_like(drawn, offset),
    }


def dead(generator: Generator, first: int) -> dict[str, Tensor]:
    """Four particles, `first` of them, at the start, without weight; the first point at 0."""
    given = particles(generator, 3, 4, 2, offset=0.0)
    given["log_weight"][:, :first] = -math.inf
    return given


PARTICLES: dict[str, Inputs] = {
    "many": lambda g: particles(g, 5, 40, 3),
    "all dimensions alike": lambda g: particles(g, 3, 3, 3),
    "one particle": lambda g: particles(g, 2, 1, 3),
    "one of everything": lambda g: particles(g, 1, 1, 1),
    "far apart": lambda g: particles(g, 4, 6, 2, spread=300.0),
    "small": lambda g: particles(g, 4, 5, 2, loc=-2000.0),
    "large": lambda g: particles(g, 4, 5, 2, loc=2000.0),
    "points near the end": lambda g: particles(g, 4, 7, 2, offset=0.999),
    "the last point rounds to 1": lambda g: particles(g, 3, 4, 2, offset=1 - 2**-53),
    "two dead at the start": lambda g: dead(g, 2),
    "all but the last dead": lambda g: dead(g, 3),
    "as many particles as numbers": lambda g: particles(g, 2, 4, 4),
}


def chain(generator: Generator, batch: int, steps: int, states: int, loc: float = -1.0) -> dict[str, Tensor]:
    return {
        "log_initial": leaf(normal(generator, states).log_softmax(-1)),
        "log_transition": leaf(normal(generator, states, states).log_softmax(-1)),
        "log_emission": leaf(normal(generator, batch, steps, states, loc=loc)),
    }


def cycle(generator: Generator) -> dict[str, Tensor]:
    """A chain that cycles through three states and starts in a known one."""
    given = {name: value.detach() for name, value in chain(generator, 2, 6, 3).items()}
    inward = torch.full((3, 3), -math.inf, dtype=torch.float64)
    inward[[0, 1, 2], [1, 2, 0]] = 0.0
    return {
        **given,
        "log_initial": torch.tensor([-math.inf, 0.0, -math.inf], dtype=torch.float64),
        "log_transition": inward,
    }


FORWARD: dict[str, Inputs] = {
    "many": lambda g: chain(g, 6, 20, 7),
    "all dimensions alike": lambda g: chain(g, 3, 3, 3),
    "two steps": lambda g: chain(g, 2, 2, 4),
    "one step": lambda g: chain(g, 5, 1, 2),
    "one state": lambda g: chain(g, 3, 4, 1),
    "long": lambda g: chain(g, 1, 150, 3, loc=-30.0),
    "densities above one": lambda g: chain(g, 2, 100, 3, loc=25.0),
    "a cycle": cycle,
}

PROBES: dict[str, dict[str, Inputs]] = {
    "07.1": GATED,
    "07.2": PER_STEP,
    "07.3": REVERSED,
    "07.4": IMPORTANCE,
    "07.5": PARTICLES,
    "07.6": FORWARD,
}

"""Exercises for the tests of the engine, which depend on no lesson: one with one tensor as the answer, one with two and with noise."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from helpers.exercises import Exercise, Misconception


def energy(loc, scale):
    """The energy. loc, scale: [batch, latent] → [batch]."""
    return (loc**2 / (2 * scale) + scale).sum(-1)


def sample_and_cost(weights, offset, eps):
    """A sample and its cost. weights, eps: [batch, latent], offset: [latent] → z [batch, latent], cost [batch]."""
    z = offset + weights.exp() * eps
    return z, (z**2).mean(-1) + weights.sum(-1)


def square_matrix(rows):
    """Products of all pairs of rows. rows: [points, features] → [points, points]."""
    return rows @ rows.T.detach() - 1


def normal(generator: Generator, *size: int) -> Tensor:
    return torch.randn(size, generator=generator, dtype=torch.float64).requires_grad_()


def positive(generator: Generator, *size: int) -> Tensor:
    return (0.2 + torch.rand(size, generator=generator, dtype=torch.float64)).requires_grad_()


ENERGY = Exercise(
    id="77.1",
    title="An energy",
    minutes=3,
    difficulty=1,
    statement="Write the energy.",
    solution=energy,
    why="Because.",
    cases={
        "four": lambda g: {"loc": normal(g, 4, 3), "scale": positive(g, 4, 3)},
        "two": lambda g: {"loc": normal(g, 2, 5), "scale": positive(g, 2, 5)},
        "one": lambda g: {"loc": normal(g, 1, 6), "scale": positive(g, 1, 6)},
    },
    dimensions={"loc": ("batch", "latent"), "scale": ("batch", "latent"), "return": ("batch",)},
    returns=("the energy",),
    hints=("A nudge.", "A formula.", "A line."),
    misconceptions=(
        Misconception(
            "forgets scale", lambda loc, scale: (loc**2 / (2 * scale)).sum(-1), "The scale itself is missing."
        ),
        Misconception(
            "left unsummed",
            lambda loc, scale: loc**2 / (2 * scale) + scale,
            "You kept the latent dimension: your own words.",
        ),
        Misconception("detached scale", lambda loc, scale: energy(loc, scale.detach()), "You detached the scale."),
        Misconception("in float32", lambda loc, scale: energy(loc, scale).float(), "You rounded to float32."),
        Misconception("a number", lambda loc, scale: energy(loc, scale).sum().item(), "You made a number of it."),
        Misconception("raises", lambda loc, scale: loc @ scale, "You multiply matrices."),
        Misconception("in place", lambda loc, scale: energy(loc, scale.detach().mul_(2)), "You changed the scale."),
    ),
)
SAMPLE = Exercise(
    id="77.2",
    title="A sample",
    minutes=3,
    difficulty=2,
    statement="Sample.",
    solution=sample_and_cost,
    why="Because.",
    cases={
        name: lambda g, b=b, k=k: {"weights": normal(g, b, k), "offset": normal(g, k), "eps": normal(g, b, k).detach()}
        for name, b, k in (("four", 4, 3), ("two", 2, 5), ("three", 3, 7))
    },
    dimensions={
        "weights": ("batch", "latent"),
        "offset": ("latent",),
        "eps": ("batch", "latent"),
        "return": (("batch", "latent"), ("batch",)),
    },  # fmt: skip
    returns=("the sample", "the cost"),
    hints=("A nudge.", "A formula.", "A line."),
    misconceptions=(),
)
MATRIX = Exercise(
    id="77.3",
    title="A matrix",
    minutes=3,
    difficulty=2,
    statement="Multiply.",
    solution=square_matrix,
    why="Because.",
    cases={
        name: lambda g, n=n, k=k: {"rows": normal(g, n, k)}
        for name, n, k in (("four", 4, 3), ("two", 2, 5), ("three", 3, 7))
    },
    dimensions={"rows": ("points", "features"), "return": ("points", "points")},
    returns=("the products",),
    hints=("A nudge.", "A formula.", "A line."),
    misconceptions=(),
)
HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)

"""Inputs of lesson 05's exercises that `check` does not use: they judge whether a mutant of a solution is another function."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from helpers.exercises.exercise import Inputs


def normal(generator: Generator, *size: int, scale: float = 1.0, loc: float = 0.0) -> Tensor:
    return loc + scale * torch.randn(size, generator=generator, dtype=torch.float64)


def uniform(generator: Generator, *size: int, low: float = 0.0, high: float = 1.0) -> Tensor:
    return low + (high - low) * torch.rand(size, generator=generator, dtype=torch.float64)


def leaf(value: Tensor) -> Tensor:
    return value.detach().clone().requires_grad_()


def away_from_zero(value: Tensor, least: float) -> Tensor:
    return value.sign() * (value.abs() + least)


def logits(value: Tensor) -> dict[str, Tensor]:
    return {"logits": leaf(value)}


LOG_NORMALISER: dict[str, Inputs] = {
    "many": lambda g: logits(away_from_zero(normal(g, 30, 20, scale=8.0), 0.02)),
    "square": lambda g: logits(away_from_zero(normal(g, 3, 3), 0.02)),
    "one pixel of exactly one half": lambda g: logits(torch.zeros(1, 1, dtype=torch.float64)),
    "smaller than the digits of one half": lambda g: logits(normal(g, 2, 5, scale=1e-17)),
    "on both sides of the series' edge": lambda g: logits(
        torch.tensor([[0.097, 0.103], [-0.097, -0.103]], dtype=torch.float64)
    ),
    "within the series": lambda g: logits(away_from_zero(uniform(g, 4, 6, low=-0.09, high=0.09), 0.005)),
    "between the series and one half": lambda g: logits(away_from_zero(uniform(g, 4, 6, low=-0.5, high=0.5), 0.05)),
    "far out": lambda g: logits(normal(g, 4, 3, scale=3000.0)),
}


def aggregate(log_q: Tensor, log_prior: Tensor) -> dict[str, Tensor]:
    return {"log_q": log_q, "log_prior": log_prior}


SPLIT_RATE: dict[str, Inputs] = {
    "fifty": lambda g: aggregate(normal(g, 50, 50, loc=-20.0, scale=10.0), normal(g, 50, loc=-30.0, scale=5.0)),
    "three": lambda g: aggregate(normal(g, 3, 3), normal(g, 3)),
    "one image": lambda g: aggregate(normal(g, 1, 1), normal(g, 1)),
    "collapsed: q is the same for all": lambda g: aggregate(normal(g, 6, 1).expand(6, 6).clone(), normal(g, 6)),
    "decided: each z has one image": lambda g: aggregate(
        normal(g, 5, 5, loc=-300.0) + 290.0 * torch.eye(5, dtype=torch.float64), normal(g, 5, loc=-12.0)
    ),
    "too small for a float": lambda g: aggregate(normal(g, 4, 4, loc=-5000.0, scale=20.0), normal(g, 4, loc=-5000.0)),
    "too large for a float": lambda g: aggregate(normal(g, 4, 4, loc=5000.0, scale=20.0), normal(g, 4, loc=4000.0)),
}


def codes(
    generator: Generator, batch: int, latent: int, floor: float, spread: float = 0.8
) -> dict[str, Tensor | float]:
    loc = normal(generator, batch, latent, scale=spread) * uniform(generator, latent, high=1.5)
    return {"loc": leaf(loc), "scale": leaf(uniform(generator, batch, latent, low=0.2, high=1.4)), "floor": floor}


FREE_BITS: dict[str, Inputs] = {
    "many": lambda g: codes(g, 50, 40, 0.35),
    "square": lambda g: codes(g, 4, 4, 0.4),
    "one coordinate, above": lambda g: codes(g, 6, 1, 0.01),
    "one coordinate, below": lambda g: codes(g, 6, 1, 50.0),
    "all sizes one": lambda g: codes(g, 1, 1, 0.05),
    "all above": lambda g: codes(g, 5, 3, 0.0, spread=3.0),
    "all below": lambda g: codes(g, 5, 3, 100.0),
    "a whole floor": lambda g: codes(g, 5, 6, 1.0, spread=1.5),
}


def mixture(z: Tensor, loc: Tensor, scale: Tensor) -> dict[str, Tensor]:
    return {"z": leaf(z), "loc": leaf(loc), "scale": leaf(scale)}


VAMP: dict[str, Inputs] = {
    "many": lambda g: mixture(normal(g, 20, 10), normal(g, 30, 10), uniform(g, 30, 10, low=0.2, high=2.0)),
    "square in every way": lambda g: mixture(normal(g, 3, 3), normal(g, 3, 3), uniform(g, 3, 3, low=0.2, high=2.0)),
    "all sizes one": lambda g: mixture(normal(g, 1, 1), normal(g, 1, 1), uniform(g, 1, 1, low=0.2, high=2.0)),
    "one z": lambda g: mixture(normal(g, 1, 2), normal(g, 4, 2), uniform(g, 4, 2, low=0.2, high=2.0)),
    "narrow": lambda g: mixture(normal(g, 3, 2), normal(g, 5, 2), uniform(g, 5, 2, low=1e-3, high=1e-2)),
    "wide": lambda g: mixture(normal(g, 3, 2), normal(g, 5, 2), uniform(g, 5, 2, low=10.0, high=100.0)),
    "unit scales": lambda g: mixture(normal(g, 3, 2), normal(g, 4, 2), torch.ones(4, 2, dtype=torch.float64)),
    "twins": lambda g: (lambda loc: mixture(normal(g, 3, 2), loc, torch.full_like(loc, 0.7)))(
        normal(g, 1, 2).repeat(4, 1)
    ),
}


def points(log_weight: Tensor, log_normal: Tensor, log_joint: Tensor) -> dict[str, Tensor]:
    return {"logits": leaf(log_weight), "log_normal": leaf(log_normal), "log_joint": leaf(log_joint)}


MIXTURE: dict[str, Inputs] = {
    "many": lambda g: points(
        normal(g, 20, 10), normal(g, 20, 10, 10, loc=-5.0, scale=4.0), normal(g, 20, 10, loc=-100.0, scale=9.0)
    ),
    "square in every way": lambda g: points(normal(g, 3, 3), normal(g, 3, 3, 3), normal(g, 3, 3)),
    "all sizes one": lambda g: points(normal(g, 1, 1), normal(g, 1, 1, 1), normal(g, 1, 1)),
    "a component that has died": lambda g: points(
        normal(g, 4, 3) - 60.0 * torch.eye(1, 3, dtype=torch.float64), normal(g, 4, 3, 3), normal(g, 4, 3)
    ),
    "equal weights": lambda g: points(
        torch.full((2, 4), 3.0, dtype=torch.float64), normal(g, 2, 4, 4), normal(g, 2, 4)
    ),
    "components far apart": lambda g: points(
        normal(g, 3, 4), normal(g, 3, 4, 4, loc=-2000.0) + 1998.0 * torch.eye(4, dtype=torch.float64), normal(g, 3, 4)
    ),
}


def layer(generator: Generator, batch: int, kept: int, moved: int, spread: float = 0.5) -> dict[str, Tensor]:
    return {
        "z": leaf(normal(generator, batch, kept + moved)),
        "log_q": leaf(normal(generator, batch, loc=-3.0)),
        "weight": leaf(normal(generator, kept, 2 * moved, scale=spread)),
        "context": leaf(normal(generator, batch, 2 * moved, scale=spread)),
    }


COUPLING: dict[str, Inputs] = {
    "many": lambda g: layer(g, 20, 8, 12, spread=0.2),
    "as many stay as move": lambda g: layer(g, 4, 3, 3),
    "as many data as stay and move": lambda g: layer(g, 4, 2, 2),
    "all sizes one": lambda g: layer(g, 1, 1, 1),
    "two numbers": lambda g: layer(g, 5, 1, 1),
    "does nothing": lambda g: layer(g, 3, 2, 2, spread=0.0),
    "stretches much": lambda g: layer(g, 3, 2, 4, spread=3.0),
}

PROBES: dict[str, dict[str, Inputs]] = {
    "05.1": LOG_NORMALISER,
    "05.2": SPLIT_RATE,
    "05.3": FREE_BITS,
    "05.4": VAMP,
    "05.5": MIXTURE,
    "05.6": COUPLING,
}

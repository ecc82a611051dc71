"""Inputs of lesson 04's exercises that `check` does not use: they judge whether a mutant of a solution is another function."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from helpers.exercises.exercise import Inputs


def normal(generator: Generator, *size: int, scale: float = 1.0, loc: float = 0.0) -> Tensor:
    return loc + scale * torch.randn(size, generator=generator, dtype=torch.float64)


def uniform(generator: Generator, *size: int) -> Tensor:
    return torch.rand(size, generator=generator, dtype=torch.float64)


def bits(generator: Generator, share: float, *size: int) -> Tensor:
    return (uniform(generator, *size) < share).double()


def constant(value: float, *size: int) -> Tensor:
    return torch.full(size, value, dtype=torch.float64)


def rewards(f: Tensor, log_q: Tensor) -> dict[str, Tensor]:
    return {"f": f.requires_grad_(), "log_q": log_q.requires_grad_()}


LEAVE_ONE_OUT: dict[str, Inputs] = {
    "fifty samples": lambda g: rewards(
        normal(g, 50, 7, loc=-100.0, scale=20.0), normal(g, 50, 7, loc=-130.0, scale=5.0)
    ),
    "square": lambda g: rewards(normal(g, 3, 3), normal(g, 3, 3)),
    "two samples of one": lambda g: rewards(normal(g, 2, 1), normal(g, 2, 1)),
    "f is the same everywhere": lambda g: rewards(constant(2.5, 4, 3), normal(g, 4, 3)),
    "q is the same everywhere": lambda g: rewards(normal(g, 6, 2), constant(-1.4, 6, 2)),
    "positive f": lambda g: rewards(normal(g, 3, 5, loc=40.0), normal(g, 3, 5, loc=3.0)),
}


def weights(log_weight: Tensor) -> dict[str, Tensor]:
    return {"log_weight": log_weight.requires_grad_()}


VIMCO: dict[str, Inputs] = {
    "fifty samples": lambda g: weights(normal(g, 50, 7, loc=-100.0, scale=5.0)),
    "square": lambda g: weights(normal(g, 3, 3)),
    "two samples of one": lambda g: weights(normal(g, 2, 1)),
    "all weights alike": lambda g: weights(constant(-2.0, 4, 3)),
    "one sample outweighs all others": lambda g: weights(normal(g, 5, 2) + 60.0 * torch.eye(5, 2, dtype=torch.float64)),
    "too small for a float": lambda g: weights(normal(g, 3, 4, loc=-5000.0, scale=30.0)),
    "too large for a float": lambda g: weights(normal(g, 3, 4, loc=4000.0, scale=3.0)),
}


def pairs(generator: Generator, logits: Tensor, number: int, loc: float = -10.0) -> dict[str, Tensor]:
    batch = len(logits)
    return {
        "logits": logits,
        "u": uniform(generator, number, *logits.shape),
        "f_first": normal(generator, number, batch, loc=loc, scale=3.0),
        "f_second": normal(generator, number, batch, loc=loc, scale=3.0),
    }


DISARM: dict[str, Inputs] = {
    "two hundred bits": lambda g: pairs(g, normal(g, 3, 200), 2),
    "square in every way": lambda g: pairs(g, normal(g, 3, 3), 3),
    "all sizes one, a bit that is mostly 1": lambda g: pairs(g, constant(0.7, 1, 1), 1),
    "all sizes one, a bit that is mostly 0": lambda g: pairs(g, constant(-0.7, 1, 1), 1),
    "coins": lambda g: pairs(g, constant(0.0, 2, 5), 4),
    "very decided bits": lambda g: pairs(g, normal(g, 2, 4, scale=30.0), 60),
    "f is the same for both": lambda g: {
        **pairs(g, normal(g, 2, 5), 3),
        "f_first": constant(1.5, 3, 2),
        "f_second": constant(1.5, 3, 2),
    },  # fmt: skip
}


def local(generator: Generator, logits: Tensor, number: int, share: float = 0.5) -> dict[str, Tensor]:
    return {
        "logits": logits,
        "z": bits(generator, share, number, *logits.shape),
        "f": normal(generator, number, len(logits), loc=-10.0, scale=3.0),
        "f_flipped": normal(generator, number, *logits.shape, loc=-10.0, scale=3.0),
    }


LOCAL: dict[str, Inputs] = {
    "two hundred bits": lambda g: local(g, normal(g, 3, 200), 2),
    "square in every way": lambda g: local(g, normal(g, 3, 3), 3),
    "all sizes one": lambda g: local(g, constant(0.7, 1, 1), 1),
    "coins": lambda g: local(g, constant(0.0, 2, 5), 4),
    "very decided bits": lambda g: local(g, normal(g, 2, 4, scale=30.0), 6),
    "all ones": lambda g: local(g, normal(g, 2, 4), 3, share=2.0),
    "all zeros": lambda g: local(g, normal(g, 2, 4), 3, share=-1.0),
}


def one_bit(logits: Tensor, f: Tensor, slope: Tensor) -> dict[str, Tensor]:
    return {"logits": logits, "f": f, "slope": slope}


STRAIGHT_THROUGH: dict[str, Inputs] = {
    "many": lambda g: one_bit(normal(g, 30), normal(g, 2, 30, scale=5.0), normal(g, 2, 30, scale=5.0)),
    "two": lambda g: one_bit(normal(g, 2), normal(g, 2, 2), normal(g, 2, 2)),
    "one": lambda g: one_bit(normal(g, 1), normal(g, 2, 1), normal(g, 2, 1)),
    "coins": lambda g: one_bit(constant(0.0, 4), normal(g, 2, 4), normal(g, 2, 4)),
    "very decided bits": lambda g: one_bit(normal(g, 6, scale=30.0), normal(g, 2, 6), normal(g, 2, 6)),
    "a straight line": lambda g: (
        lambda rise: one_bit(normal(g, 5), torch.stack([rise - rise, rise]), torch.stack([rise, rise]))
    )(normal(g, 5)),
    "f does not matter": lambda g: one_bit(normal(g, 3), constant(2.0, 2, 3), normal(g, 2, 3)),
}


def nodes(
    generator: Generator, number: int, batch: int, low: float = 0.3, high: float = 2.0, loc: float = 0.0
) -> dict[str, Tensor]:
    return {
        "f": normal(generator, number, batch, loc=loc, scale=2.0),
        "slope": normal(generator, number, batch, loc=0.5, scale=3.0),
        "scale": low + (high - low) * uniform(generator, batch),
        "eps": normal(generator, number).sort().values,
        "weight": normal(generator, number).softmax(0),
    }


GAUSSIAN: dict[str, Inputs] = {
    "many nodes": lambda g: nodes(g, 200, 5),
    "square": lambda g: nodes(g, 4, 4),
    "one Gaussian": lambda g: nodes(g, 9, 1),
    "two nodes": lambda g: nodes(g, 2, 3),
    "narrow": lambda g: nodes(g, 20, 3, 1e-3, 1e-2),
    "wide": lambda g: nodes(g, 20, 3, 10.0, 100.0),
    "f far from zero": lambda g: nodes(g, 20, 3, loc=500.0),
    "scale one": lambda g: nodes(g, 20, 3, 1.0, 1.0),
}


def noise(generator: Generator, samples: int, logits: Tensor) -> dict[str, Tensor]:
    u, v = (1e-4 + 0.9998 * uniform(generator, samples, *logits.shape) for _ in range(2))
    return {"logits": logits.requires_grad_(), "u": u, "v": v}


RELAXED_PAIR: dict[str, Inputs] = {
    "many samples": lambda g: noise(g, 50, normal(g, 3, 7)),
    "square": lambda g: noise(g, 4, normal(g, 4, 4)),
    "one bit": lambda g: noise(g, 6, normal(g, 1, 1)),
    "all ones": lambda g: noise(g, 5, constant(5.0, 2, 3)),
    "all zeros": lambda g: noise(g, 5, constant(-5.0, 2, 3)),
    "coins": lambda g: noise(g, 5, constant(0.0, 2, 3)),
}

PROBES: dict[str, dict[str, Inputs]] = {
    "04.1": LEAVE_ONE_OUT,
    "04.2": VIMCO,
    "04.3": DISARM,
    "04.4": LOCAL,
    "04.5": STRAIGHT_THROUGH,
    "04.6": GAUSSIAN,
    "04.7": RELAXED_PAIR,
}

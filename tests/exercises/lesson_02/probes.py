"""Inputs of lesson 02's exercises that `check` does not use: they judge whether a mutant of a solution is another function."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from helpers.exercises.exercise import Inputs


def normal(generator: Generator, *size: int, scale: float = 1.0, loc: float = 0.0) -> Tensor:
    return (loc + scale * torch.randn(size, generator=generator, dtype=torch.float64)).requires_grad_()


def log_uniform(generator: Generator, low: float, high: float, *size: int) -> Tensor:
    span = math.log(high / low)
    return (low * (span * torch.rand(size, generator=generator, dtype=torch.float64)).exp()).requires_grad_()


def bits(generator: Generator, share: float, *size: int) -> Tensor:
    return (torch.rand(size, generator=generator, dtype=torch.float64) < share).double()


def greys(generator: Generator, *size: int) -> Tensor:
    return torch.rand(size, generator=generator, dtype=torch.float64)


def constant(value: float, *size: int) -> Tensor:
    return torch.full(size, value, dtype=torch.float64, requires_grad=True)


def joint(z: Tensor, logits: Tensor, x: Tensor) -> dict[str, Tensor]:
    return {"z": z, "logits": logits, "x": x}


LOG_JOINT: dict[str, Inputs] = {
    "MNIST's shape": lambda g: joint(
        normal(g, 2, 3, 50), normal(g, 2, 3, 1, 28, 28, scale=3.0), bits(g, 0.2, 3, 1, 28, 28)
    ),
    "all sizes one": lambda g: joint(normal(g, 1, 1, 1), normal(g, 1, 1, 1, 1, 1), bits(g, 0.5, 1, 1, 1, 1)),
    "square in every way": lambda g: joint(normal(g, 4, 4, 4), normal(g, 4, 4, 4, 4, 4), bits(g, 0.5, 4, 4, 4, 4)),
    "very confident": lambda g: joint(
        normal(g, 3, 2, 5), normal(g, 3, 2, 1, 3, 4, scale=300.0), bits(g, 0.5, 2, 1, 3, 4)
    ),
    "blank images": lambda g: joint(
        normal(g, 2, 5, 3), normal(g, 2, 5, 2, 3, 4), torch.zeros(5, 2, 3, 4, dtype=torch.float64)
    ),
    "full images": lambda g: joint(
        normal(g, 2, 5, 3), normal(g, 2, 5, 2, 3, 4), torch.ones(5, 2, 3, 4, dtype=torch.float64)
    ),
    "undecided model": lambda g: joint(constant(0.0, 2, 3, 4), constant(0.0, 2, 3, 1, 5, 2), bits(g, 0.5, 3, 1, 5, 2)),
    "z far out": lambda g: joint(normal(g, 3, 2, 4, scale=50.0), normal(g, 3, 2, 1, 2, 5), bits(g, 0.5, 2, 1, 2, 5)),
}


def sample(loc: Tensor, scale: Tensor, eps: Tensor) -> dict[str, Tensor]:
    return {"loc": loc, "scale": scale, "eps": eps.detach()}


SAMPLE_AND_RATE: dict[str, Inputs] = {
    "fifty latents": lambda g: sample(normal(g, 4, 50), log_uniform(g, 0.05, 1.2, 4, 50), normal(g, 7, 4, 50)),
    "all sizes one": lambda g: sample(normal(g, 1, 1), log_uniform(g, 0.1, 2.0, 1, 1), normal(g, 1, 1, 1)),
    "square in every way": lambda g: sample(normal(g, 3, 3), log_uniform(g, 0.1, 2.0, 3, 3), normal(g, 3, 3, 3)),
    "a very narrow q": lambda g: sample(
        normal(g, 3, 2, scale=3.0), log_uniform(g, 1e-4, 1e-2, 3, 2), normal(g, 4, 3, 2)
    ),
    "a very wide q": lambda g: sample(normal(g, 3, 2), log_uniform(g, 5.0, 50.0, 3, 2), normal(g, 4, 3, 2)),
    "no noise": lambda g: sample(normal(g, 2, 5), log_uniform(g, 0.1, 2.0, 2, 5), constant(0.0, 3, 2, 5)),
    "q is the prior": lambda g: sample(constant(0.0, 2, 3), constant(1.0, 2, 3), normal(g, 5, 2, 3)),
}


def gaussians(loc: Tensor, scale: Tensor, prior_loc: Tensor, prior_scale: Tensor) -> dict[str, Tensor]:
    return {"loc": loc, "scale": scale, "prior_loc": prior_loc, "prior_scale": prior_scale}


def any_gaussians(generator: Generator, batch: int, latent: int, low: float, high: float) -> dict[str, Tensor]:
    return gaussians(
        normal(generator, batch, latent, scale=3.0),
        log_uniform(generator, low, high, batch, latent),
        normal(generator, latent, loc=1.0),
        log_uniform(generator, low, high, latent),
    )


RATE: dict[str, Inputs] = {
    "fifty latents": lambda g: any_gaussians(g, 6, 50, 0.1, 3.0),
    "all sizes one": lambda g: any_gaussians(g, 1, 1, 0.2, 2.0),
    "square": lambda g: any_gaussians(g, 3, 3, 0.2, 2.0),
    "scales of every size": lambda g: any_gaussians(g, 5, 4, 1e-3, 1e3),
    "the standard normal prior": lambda g: gaussians(
        normal(g, 4, 2), log_uniform(g, 0.1, 2.0, 4, 2), constant(0.0, 2), constant(1.0, 2)
    ),
    "the same means": lambda g: gaussians(
        constant(1.5, 3, 4), log_uniform(g, 0.1, 5.0, 3, 4), constant(1.5, 4), constant(0.6, 4)
    ),
    "the same scales": lambda g: gaussians(normal(g, 3, 4), constant(0.4, 3, 4), normal(g, 4), constant(0.4, 4)),
    "a far mean": lambda g: gaussians(
        normal(g, 2, 3, loc=80.0), constant(1.0, 2, 3), constant(-5.0, 3), constant(2.0, 3)
    ),
}


def codes(
    generator: Generator, points: int, images: int, latent: int, low: float = 0.1, high: float = 2.0
) -> dict[str, Tensor]:
    return {
        "z": normal(generator, points, latent),
        "loc": normal(generator, images, latent, scale=1.5),
        "scale": log_uniform(generator, low, high, images, latent),
    }


LOG_AGGREGATE: dict[str, Inputs] = {
    "fifty latents": lambda g: codes(g, 7, 30, 50),
    "all sizes one": lambda g: codes(g, 1, 1, 1),
    "square in every way": lambda g: codes(g, 3, 3, 3),
    "narrow codes": lambda g: codes(g, 4, 5, 2, 1e-3, 1e-2),
    "wide codes": lambda g: codes(g, 4, 5, 2, 10.0, 100.0),
    "very far": lambda g: {**codes(g, 3, 4, 2), "z": normal(g, 3, 2, loc=500.0)},
    "at one code's mean": lambda g: (lambda some: {**some, "z": some["loc"].detach()[:2].clone().requires_grad_()})(
        codes(g, 2, 5, 3)
    ),
    "every image alike": lambda g: {"z": normal(g, 4, 2), "loc": constant(0.3, 6, 2), "scale": constant(0.8, 6, 2)},
}


def image(logits: Tensor, x: Tensor) -> dict[str, Tensor]:
    return {"logits": logits, "x": x}


FLOOR: dict[str, Inputs] = {
    "MNIST's shape": lambda g: image(normal(g, 3, 1, 28, 28, scale=3.0), greys(g, 3, 1, 28, 28)),
    "all sizes one": lambda g: image(normal(g, 1, 1, 1, 1), greys(g, 1, 1, 1, 1)),
    "square in every way": lambda g: image(normal(g, 3, 3, 3, 3), greys(g, 3, 3, 3, 3)),
    "bits": lambda g: image(normal(g, 4, 2, 3, 5), bits(g, 0.5, 4, 2, 3, 5)),
    "half grey": lambda g: image(normal(g, 2, 1, 4, 3), constant(0.5, 2, 1, 4, 3).detach()),
    "nearly black, nearly white": lambda g: image(normal(g, 2, 1, 4, 3), (bits(g, 0.5, 2, 1, 4, 3) - 1e-6).abs()),
    "very confident": lambda g: image(normal(g, 3, 1, 4, 2, scale=200.0), greys(g, 3, 1, 4, 2)),
    "undecided model": lambda g: image(constant(0.0, 3, 1, 4, 2), greys(g, 3, 1, 4, 2)),
}


def head(generator: Generator, batch: int, hidden: int, latent: int, scale: float = 1.0) -> dict[str, Tensor]:
    return {
        "features": normal(generator, batch, hidden).requires_grad_(),
        "weight": normal(generator, 2 * latent, hidden, scale=scale).requires_grad_(),
        "bias": normal(generator, 2 * latent).requires_grad_(),
    }


GAUSSIAN_HEAD: dict[str, Inputs] = {
    "wide": lambda g: head(g, 7, 30, 4),
    "square": lambda g: head(g, 4, 4, 2),
    "all sizes one": lambda g: head(g, 1, 1, 1),
    "sure and unsure": lambda g: head(g, 5, 3, 2, scale=40.0),
}


def networks(
    generator: Generator, batch: int, pixels: int, latent: int, rate: float = 0.2, scale: float = 0.6
) -> dict[str, Tensor | float]:
    return {
        "x": greys(generator, batch, pixels).detach(),
        "eps": normal(generator, batch, latent).detach(),
        "encoder": normal(generator, 2 * latent, pixels, scale=scale).detach(),
        "decoder": normal(generator, pixels, latent, scale=scale).detach(),
        "learning_rate": rate,
    }


TRAINING_STEP: dict[str, Inputs] = {
    "a batch": lambda g: networks(g, 8, 7, 3),
    "square": lambda g: networks(g, 4, 4, 2),
    "all sizes one": lambda g: networks(g, 1, 1, 1),
    "a small step": lambda g: networks(g, 5, 6, 2, rate=1e-2),
    "bits": lambda g: {**networks(g, 6, 5, 2), "x": bits(g, 0.5, 6, 5).detach()},
    "large weights": lambda g: networks(g, 5, 6, 2, scale=2.5),
}

PROBES: dict[str, dict[str, Inputs]] = {
    "02.1": LOG_JOINT,
    "02.2": SAMPLE_AND_RATE,
    "02.3": RATE,
    "02.4": LOG_AGGREGATE,
    "02.5": FLOOR,
    "02.6": GAUSSIAN_HEAD,
    "02.7": TRAINING_STEP,
}

"""Inputs for the exercises of lesson 01 that `check` does not use: they say which mutants of the solutions are wrong."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from helpers.exercises.exercise import Inputs


def _randn(generator: Generator, *shape: int, scale: float = 1.0, shift: float = 0.0) -> Tensor:
    return (scale * torch.randn(shape, generator=generator, dtype=torch.float64) + shift).requires_grad_()


def _positive(generator: Generator, *shape: int, log_scale: float = 0.5, around: float = 1.0) -> Tensor:
    """Log-normal around `around`."""
    return (
        around * torch.exp(log_scale * torch.randn(shape, generator=generator, dtype=torch.float64))
    ).requires_grad_()


def _kl(batch: int, latent: int, loc: float = 1.0, log_scale: float = 0.5, around: float = 1.0) -> Inputs:
    return lambda g: {
        "loc": _randn(g, batch, latent, scale=loc),
        "scale": _positive(g, batch, latent, log_scale=log_scale, around=around),
    }


def _minibatch(
    repeats: int, batch: int, num_data: int, spread: float = 1.0, shift: float = -2.0, above: float = 0.0
) -> Inputs:
    """Without gradients: an error bar is read, not climbed."""
    return lambda g: {
        "log_global": _randn(g, repeats, scale=2.0, shift=above).detach(),
        "log_local": _randn(g, repeats, batch, scale=spread, shift=shift).detach(),
        "num_data": num_data,
    }


def _linear(batch: int, observed: int, latent: int, noise: float = 0.7, x: float = 1.5, weight: float = 1.0) -> Inputs:
    return lambda g: {
        "x": _randn(g, batch, observed, scale=x),
        "weight": _randn(g, observed, latent, scale=weight),
        "bias": _randn(g, observed, scale=0.8),
        "noise": _positive(g, log_scale=0.1, around=noise),
    }


def _elbo(
    samples: int, batch: int, observed: int, latent: int, noise: float = 0.7, scale: float = 0.6, x: float = 1.5
) -> Inputs:
    def make(g: Generator):
        model = _linear(batch, observed, latent, noise, x)(g)
        return {
            **model,
            "x": model["x"].detach(),
            "loc": _randn(g, batch, latent),
            "scale": _positive(g, batch, latent, log_scale=0.3, around=scale),
            "eps": _randn(g, samples, batch, latent).detach(),
        }

    return make


def _gaps(batch: int, level: float = -90.0, spread: float = 5.0, first: float = 0.3, second: float = 0.2) -> Inputs:
    """Without gradients: gaps are measured, not climbed."""

    def make(g: Generator):
        evidence = _randn(g, batch, scale=spread, shift=level).detach()
        best = evidence - first * _randn(g, batch).detach() ** 2
        encoder = best - second * _randn(g, batch).detach() ** 2
        return {"log_marginal": evidence, "elbo_best": best, "elbo_encoder": encoder}

    return make


def _bounds_all_equal(g: Generator):
    values = _randn(g, 6).detach()
    return {"log_marginal": values, "elbo_best": values.clone(), "elbo_encoder": values.clone()}


PROBES: dict[str, dict[str, Inputs]] = {
    "01.1": {
        "larger batch": _kl(7, 6),
        "one dimension": _kl(5, 1),
        "batch as large as latent": _kl(4, 4),
        "one number": _kl(1, 1),
        "far means": _kl(2, 3, loc=50.0),
        "very narrow": _kl(3, 5, around=1e-6),
        "very wide": _kl(3, 4, around=1e4),
        "centred": _kl(6, 2, loc=0.0),
        "scale exactly one": _kl(2, 6, log_scale=0.0),
        "an empty batch": _kl(0, 3),
    },
    "01.2": {
        "one repeat": _minibatch(1, 6, 30),
        "the smallest batch": _minibatch(5, 2, 9),
        "square": _minibatch(6, 6, 77),
        "all but one": _minibatch(3, 7, 8),
        "all of it": _minibatch(2, 8, 8),
        "two of two": _minibatch(4, 2, 2),
        "a million": _minibatch(2, 3, 1_000_000),
        "positive log densities": _minibatch(3, 5, 200, shift=4.0),
        "hardly any spread": _minibatch(7, 4, 60, spread=1e-4),
        "a global term that towers": _minibatch(3, 4, 40, above=1e4),
    },
    "01.3": {
        "square": _linear(3, 3, 3),
        "all sizes different, many": _linear(6, 8, 5),
        "one of each": _linear(1, 1, 1),
        "one observed": _linear(4, 1, 3),
        "one latent": _linear(2, 5, 1),
        "noise of one": _linear(3, 4, 2, noise=1.0),
        "precise": _linear(4, 5, 3, noise=0.05),
        "nothing but noise": _linear(5, 2, 4, noise=20.0),
        "far away": _linear(3, 2, 2, x=100.0),
        "weak weights": _linear(2, 3, 4, weight=0.05),
        "an empty batch": _linear(0, 3, 2),
    },
    "01.4": {
        "all sizes equal": _elbo(3, 3, 3, 3),
        "all sizes different": _elbo(7, 5, 4, 6),
        "one of each": _elbo(1, 1, 1, 1),
        "many samples of one": _elbo(30, 1, 2, 1),
        "noise of one": _elbo(4, 3, 2, 5, noise=1.0),
        "noise above one": _elbo(2, 6, 4, 3, noise=2.5),
        "wide q": _elbo(5, 2, 3, 4, scale=3.0),
        "narrow q": _elbo(3, 4, 5, 2, scale=1e-3),
        "far away": _elbo(2, 3, 4, 1, x=40.0),
        "an empty batch": _elbo(3, 0, 2, 4),
    },
    "01.5": {
        "many": _gaps(40),
        "three": _gaps(3),
        "two": _gaps(2),
        "positive log evidence": _gaps(9, level=60.0),
        "tiny gaps": _gaps(11, first=1e-5, second=1e-6),
        "large gaps": _gaps(6, first=300.0, second=500.0),
        "gaps that differ in size": _gaps(8, first=5.0, second=0.01),
        "no gap at all": _bounds_all_equal,
    },
}

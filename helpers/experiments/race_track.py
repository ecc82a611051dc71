"""What the race of lesson 01 is run on: a linear-Gaussian model, fits of q by gradient steps, and how far each q is from the truth."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution

STEP_SIZE = 0.1  # of Adam, as in the lesson's own fits

Encoder = Callable[[Tensor], Distribution]


@dataclass(frozen=True)
class Track:
    """The model in float64, and where x may lie on it.

    weight [observed, 2], bias [observed], noise; precision [2, 2]: of p(z | x), the same for every x.
    axes: [2, observed], the two main axes of the data's covariance, each as long as one standard deviation.
    """

    weight: np.ndarray
    bias: np.ndarray
    noise: float
    precision: np.ndarray
    axes: np.ndarray

    def observation(self, distance: float, angle: float) -> np.ndarray:
        """The x that lies `distance` standard deviations from the centre, at `angle` degrees from the first main axis. [observed]"""
        turned = math.radians(angle)
        return self.bias + distance * (math.cos(turned) * self.axes[0] + math.sin(turned) * self.axes[1])

    def posterior_loc(self, x: np.ndarray) -> np.ndarray:
        """The mean of p(z | x), [2]."""
        return np.linalg.solve(self.precision, self.weight.T @ (x - self.bias) / self.noise**2)

    def log_marginal(self, x: np.ndarray) -> float:
        """log p(x) in nats."""
        covariance = self.weight @ self.weight.T + self.noise**2 * np.eye(len(x))
        away = x - self.bias
        return -0.5 * float(away @ np.linalg.solve(covariance, away) + np.linalg.slogdet(2 * math.pi * covariance)[1])

    def kl(self, loc: np.ndarray, log_scale: np.ndarray, x: np.ndarray) -> np.ndarray:
        """KL(q || p(z | x)) in nats of q = N(loc, diag(scale²)), which is log p(x) - ELBO. loc, log_scale: [..., 2] → [...]."""
        away = loc - self.posterior_loc(x)
        spread = np.exp(2 * log_scale) * np.diag(self.precision) - 1 - 2 * log_scale
        return 0.5 * (((away @ self.precision) * away).sum(-1) + spread.sum(-1) - np.linalg.slogdet(self.precision)[1])

    @property
    def family_gap(self) -> float:
        """The KL of the best q without correlations, whatever x is: (sum_i log Lambda_ii - log det Lambda) / 2."""
        return 0.5 * float(np.log(np.diag(self.precision)).sum() - np.linalg.slogdet(self.precision)[1])

    def fit(self, x: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
        """q after 0, 1, ..., `steps` steps of Adam up the ELBO, from N(0, I): loc, log_scale, [steps + 1, 2] each.

        The gradient is the exact one, of the ELBO in closed form, with respect to loc and log scale.
        """
        target, diagonal = self.posterior_loc(x), np.diag(self.precision)
        state, mean, square = np.zeros(4), np.zeros(4), np.zeros(4)
        states = np.empty((steps + 1, 4))
        states[0] = state
        for step in range(1, steps + 1):
            gradient = np.concatenate([self.precision @ (target - state[:2]), 1 - diagonal * np.exp(2 * state[2:])])
            mean = 0.9 * mean + 0.1 * gradient
            square = 0.999 * square + 0.001 * gradient**2
            state = state + STEP_SIZE * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
            states[step] = state
        return states[:, :2], states[:, 2:]


@dataclass(frozen=True)
class Race:
    """One race: x [observed], log p(x), the posterior's mean, q after every step, the encoder's q, and what each lacks to log p(x).

    loc, scale: [steps + 1, 2], fit_kl: [steps + 1]; encoder_loc, encoder_scale: [2]. Nats.
    """

    x: np.ndarray
    log_marginal: float
    posterior_loc: np.ndarray
    loc: np.ndarray
    scale: np.ndarray
    fit_kl: np.ndarray
    encoder_loc: np.ndarray
    encoder_scale: np.ndarray
    encoder_kl: float

    @property
    def passed_at(self) -> int | None:
        """The first step after which the fit is better than the encoder, if there is one."""
        better = np.flatnonzero(self.fit_kl < self.encoder_kl)
        return int(better[0]) if len(better) else None


def race_track(weight: Tensor, bias: Tensor, noise: float) -> Track:
    """The track of a model with weight [observed, 2], bias [observed], noise > 0 and two observed coordinates or more.

    Raises ValueError for other shapes.
    """
    weight, bias = (np.asarray(torch.as_tensor(values).detach().cpu(), dtype=np.float64) for values in (weight, bias))
    noise = float(noise)
    if weight.ndim != 2 or weight.shape[1] != 2 or weight.shape[0] < 2 or bias.shape != weight.shape[:1] or noise <= 0:
        raise ValueError(
            f"The race is drawn in a plane: weight [observed, 2] with two observed coordinates or more, bias [observed], noise > 0. "
            f"Given: weight {list(weight.shape)}, bias {list(bias.shape)}, noise {noise:g}."
        )
    values, vectors = np.linalg.eigh(weight @ weight.T + noise**2 * np.eye(len(bias)))
    main = vectors[:, [-1, -2]].T  # eigh sorts upwards
    main *= np.where(main.sum(1, keepdims=True) < 0, -1, 1)  # a sign that no library version chooses
    axes = main * np.sqrt(values[[-1, -2], None])
    return Track(weight, bias, noise, np.eye(2) + weight.T @ weight / noise**2, axes)


@torch.no_grad()
def run_race(track: Track, encoder: Encoder, *, distance: float, angle: float, steps: int) -> Race:
    """Fit q to one x, and ask the encoder about the same x, once, in torch's default dtype."""
    x = track.observation(distance, angle)
    loc, log_scale = track.fit(x, steps)
    q = encoder(torch.as_tensor(x[None], dtype=torch.get_default_dtype(), device=_device(encoder)))
    encoder_loc, encoder_scale = (np.asarray(value[0].cpu(), dtype=np.float64) for value in (q.mean, q.stddev))
    return Race(
        x=x,
        log_marginal=track.log_marginal(x),
        posterior_loc=track.posterior_loc(x),
        loc=loc,
        scale=np.exp(log_scale),
        fit_kl=track.kl(loc, log_scale, x),
        encoder_loc=encoder_loc,
        encoder_scale=encoder_scale,
        encoder_kl=float(track.kl(encoder_loc, np.log(encoder_scale), x)),
    )


def _device(encoder: Any) -> torch.device:
    parameters = getattr(encoder, "parameters", lambda: ())
    return next((parameter.device for parameter in parameters()), torch.device("cpu"))

"""The measurements of lesson 01's race: q fitted by gradient steps against an encoder's q, in a linear-Gaussian model."""

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
    """A linear-Gaussian model, z ~ N(0, I), x | z ~ N(weight z + bias, noise² I), and the plane of its observations. float64.

    Args:
        weight: [observed, 2].
        bias: [observed].
        noise: Standard deviation of x given z.
        precision: Precision matrix of p(z | x), [2, 2], the same for every x.
        axes: The two main axes of the covariance of x, [2, observed], each as long as one standard deviation.
    """

    weight: np.ndarray
    bias: np.ndarray
    noise: float
    precision: np.ndarray
    axes: np.ndarray

    def observation(self, distance: float, angle: float) -> np.ndarray:
        """A point on the plane of the two main axes.

        Args:
            distance: Distance from the mean of x, in standard deviations.
            angle: Angle from the first main axis, in degrees.

        Returns:
            x, [observed].
        """
        radians = math.radians(angle)
        return self.bias + distance * (math.cos(radians) * self.axes[0] + math.sin(radians) * self.axes[1])

    def posterior_loc(self, x: np.ndarray) -> np.ndarray:
        """The mean of p(z | x).

        Args:
            x: [observed].

        Returns:
            [2].
        """
        return np.linalg.solve(self.precision, self.weight.T @ (x - self.bias) / self.noise**2)

    def log_marginal(self, x: np.ndarray) -> float:
        """log p(x), exact.

        Args:
            x: [observed].

        Returns:
            Nats.
        """
        covariance = self.weight @ self.weight.T + self.noise**2 * np.eye(len(x))
        error = x - self.bias
        return -0.5 * float(error @ np.linalg.solve(covariance, error) + np.linalg.slogdet(2 * math.pi * covariance)[1])

    def kl(self, loc: np.ndarray, log_scale: np.ndarray, x: np.ndarray) -> np.ndarray:
        """KL(q || p(z | x)) = log p(x) - ELBO, for q = N(loc, diag(scale²)).

        Args:
            loc: Means of q, [..., 2].
            log_scale: Log standard deviations of q, [..., 2].
            x: [observed].

        Returns:
            Nats, [...].
        """
        error = loc - self.posterior_loc(x)
        spread = np.exp(2 * log_scale) * np.diag(self.precision) - 1 - 2 * log_scale
        return 0.5 * (
            ((error @ self.precision) * error).sum(-1) + spread.sum(-1) - np.linalg.slogdet(self.precision)[1]
        )

    @property
    def family_gap(self) -> float:
        """KL(q || p(z | x)) of the best q without correlations, in nats: (sum_i log Lambda_ii - log det Lambda) / 2 for every x."""
        return 0.5 * float(np.log(np.diag(self.precision)).sum() - np.linalg.slogdet(self.precision)[1])

    def fit(self, x: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
        """Fit q to one x by Adam on the ELBO, from N(0, I), with the exact gradient with respect to loc and log scale.

        Args:
            x: [observed].
            steps: Number of steps of Adam, 0 or more.

        Returns:
            loc and log_scale after 0, 1, ..., `steps` steps, [steps + 1, 2] each.
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
    """One race: the fitted q after every step, and the encoder's q, for one x. All KLs are KL(q || p(z | x)) in nats.

    Args:
        x: [observed].
        log_marginal: log p(x), in nats.
        posterior_loc: Mean of p(z | x), [2].
        loc: Mean of the fitted q after 0, 1, ... steps, [steps + 1, 2].
        scale: Standard deviations of the fitted q, [steps + 1, 2].
        fit_kl: KL of the fitted q, [steps + 1].
        encoder_loc: Mean of the encoder's q, [2].
        encoder_scale: Standard deviations of the encoder's q, [2].
        encoder_kl: KL of the encoder's q.
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
        """The first step after which the fit has a smaller KL than the encoder; None if there is none."""
        better = np.flatnonzero(self.fit_kl < self.encoder_kl)
        return int(better[0]) if len(better) else None


def race_track(weight: Tensor, bias: Tensor, noise: float) -> Track:
    """The track of a linear-Gaussian model: its posterior precision and the main axes of its data.

    Args:
        weight: [observed, 2], with two observed coordinates or more.
        bias: [observed].
        noise: Standard deviation of x given z, above 0.

    Returns:
        The track, in float64.

    Raises:
        ValueError: If a shape is another or the noise is not positive.
    """
    w, b = (np.asarray(torch.as_tensor(values).detach().cpu(), dtype=np.float64) for values in (weight, bias))
    noise = float(noise)
    if w.ndim != 2 or w.shape[1] != 2 or w.shape[0] < 2 or b.shape != w.shape[:1] or noise <= 0:
        raise ValueError(
            f"The race is drawn in a plane: weight [observed, 2] with two observed coordinates or more, bias [observed], noise > 0. "
            f"Given: weight {list(w.shape)}, bias {list(b.shape)}, noise {noise:g}."
        )
    values, vectors = np.linalg.eigh(w @ w.T + noise**2 * np.eye(len(b)))
    main = vectors[:, [-1, -2]].T  # eigh sorts eigenvalues in ascending order
    main *= np.where(main.sum(1, keepdims=True) < 0, -1, 1)  # fixes the sign, which eigh leaves open
    axes = main * np.sqrt(values[[-1, -2], None])
    return Track(w, b, noise, np.eye(2) + w.T @ w / noise**2, axes)


@torch.no_grad()
def run_race(track: Track, encoder: Encoder, *, distance: float, angle: float, steps: int) -> Race:
    """Fit q to one x, and call the encoder on the same x once, in torch's default dtype.

    Args:
        track: The model.
        encoder: x [1, observed] → q(z | x), a diagonal Gaussian with batch_shape [1] and two latents.
        distance: Distance of x from its mean, in standard deviations.
        angle: Angle of x from the first main axis, in degrees.
        steps: Number of steps of Adam.

    Returns:
        Both q, with their KL to the posterior.
    """
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

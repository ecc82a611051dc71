"""A small linear-Gaussian model with its track, and encoders to race against."""

from __future__ import annotations

import numpy as np
import torch
from torch.distributions import Independent, MultivariateNormal, Normal

from helpers.experiments.race_track import race_track

WEIGHT = torch.tensor([[1.0, 0.8], [0.9, 1.1], [1.2, 0.5]], dtype=torch.float64)
BIAS = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64)
NOISE = 0.5
TRACK = race_track(WEIGHT, BIAS, NOISE)
COVARIANCE = WEIGHT @ WEIGHT.T + NOISE**2 * torch.eye(3, dtype=torch.float64)


def posterior(x: np.ndarray) -> MultivariateNormal:
    """p(z | x) by conditioning the joint Gaussian, not by adding precisions."""
    gain = torch.linalg.solve(COVARIANCE, WEIGHT).T
    return MultivariateNormal(gain @ (torch.as_tensor(x) - BIAS), torch.eye(2, dtype=torch.float64) - gain @ WEIGHT)


def best(x):
    """The best uncorrelated q, as an encoder: nothing is left to learn."""
    gain = torch.linalg.solve(COVARIANCE, WEIGHT).T.float()
    precision = torch.linalg.inv(posterior(BIAS.numpy()).covariance_matrix)
    scale = precision.diagonal().float() ** -0.5
    return Independent(Normal((x - BIAS.float()) @ gain.T, scale.expand(len(x), 2)), 1)


def asleep(x):
    """An encoder with N(0, I) for every x, from which the fit starts too."""
    return Independent(Normal(torch.zeros(len(x), 2), torch.ones(len(x), 2)), 1)

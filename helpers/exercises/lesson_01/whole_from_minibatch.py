"""Exercise 01.2: a minibatch for the whole."""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator

from helpers.exercises.engine.inputs import normal
from helpers.exercises.exercise import Exercise, Misconception


def whole_from_minibatch(log_global, log_local, num_data):
    """Estimate log p(w) + sum over num_data observations of log p(x_n, z_n | w).

    log_global: log p(w), [repeats]. log_local: log p(x_n, z_n | w), in batches drawn
    without replacement, [repeats, batch], 2 <= batch <= num_data. In nats
    → the estimate [repeats], its standard error [repeats].
    """
    batch = log_local.shape[1]
    estimate = log_global + num_data / batch * log_local.sum(1)
    unseen = 1 - batch / num_data
    standard_error = num_data * log_local.std(1) * (unseen / batch) ** 0.5
    return estimate, standard_error


def _minibatches(
    generator: Generator, repeats: int, batch: int, num_data: int, loc: float = -3.0, scale: float = 2.0
) -> dict[str, Any]:
    """Without gradients: an error bar is read, not climbed, and the root of a variance of 0 has none."""
    return {
        "log_global": normal(generator, repeats, scale=5.0),
        "log_local": normal(generator, repeats, batch, scale=scale, loc=loc),
        "num_data": num_data,
    }


def _unlike_minibatches(generator: Generator) -> dict[str, Any]:
    """Each minibatch has a level and a spread of its own; one does not vary at all."""
    level = torch.tensor([-600.0, -3.0, 0.0, 80.0], dtype=torch.float64).unsqueeze(-1)
    spread = torch.tensor([150.0, 1e-3, 2.0, 0.0], dtype=torch.float64).unsqueeze(-1)
    return {
        "log_global": normal(generator, 4, scale=100.0),
        "log_local": level + spread * normal(generator, 4, 6),
        "num_data": 90,
    }


MINIBATCH = Exercise(
    id="01.2",
    title="A minibatch for the whole",
    minutes=8,
    difficulty=2,
    statement=r"Estimate $\log p(w) + \sum_{n=1}^{N} \log p(x_n, z_n \mid w)$ from a minibatch of $B$ "
    r"observations, and give the estimate's standard error. "
    r"The batch is drawn without replacement, so the mean of its terms has variance "
    r"$\frac{s^2}{B}\big(1 - \frac{B}{N}\big)$, with $s^2$ their sample variance.",
    solution=whole_from_minibatch,
    why="Every local term stands for N/B of its kind and the global term for itself alone; a batch that holds all the "
    "data leaves no error.",
    cases={
        "four minibatches of three": lambda g: _minibatches(g, 4, 3, 50),
        "a large data set": lambda g: _minibatches(g, 2, 5, 60_000),
        "the batch is the whole": lambda g: _minibatches(g, 3, 4, 4),
        "one minibatch of two, densities above one": lambda g: _minibatches(g, 1, 2, 7, loc=4.0, scale=0.5),
        "minibatches that differ": _unlike_minibatches,
        "as many minibatches as observations in one": lambda g: _minibatches(g, 5, 5, 40),
    },
    dimensions={"log_global": ("repeats",), "log_local": ("repeats", "batch"), "return": (("repeats",), ("repeats",))},
    returns=("the estimate", "the standard error"),
    hints=(
        "Which term belongs to one observation, and which to all of them at once? Only the first kind is scaled up.",
        "estimate = log p(w) + (N / B) Σ log p(x_n, z_n | w);   standard error = N s √((1 − B/N) / B).",
        "batch = log_local.shape[1]",
    ),
    misconceptions=(
        Misconception(
            "forgets N/B",
            lambda log_global, log_local, num_data: (
                log_global + log_local.sum(1),
                whole_from_minibatch(log_global, log_local, num_data)[1],
            ),
            "Your sum counts only the observations in the batch. Each of them stands for N/B observations: scale the "
            "sum up.",
        ),
        Misconception(
            "N times the sum",
            lambda log_global, log_local, num_data: (
                log_global + num_data * log_local.sum(1),
                whole_from_minibatch(log_global, log_local, num_data)[1],
            ),
            "You multiply the sum over the batch by N. Multiply the batch's mean by N, or its sum by N/B.",
        ),
        Misconception(
            "leaves the global term out",
            lambda log_global, log_local, num_data: (
                num_data * log_local.mean(1),
                whole_from_minibatch(log_global, log_local, num_data)[1],
            ),
            "log p(w) is missing: the global latent is part of the joint density, once.",
        ),
        Misconception(
            "scales the global term too",
            lambda log_global, log_local, num_data: (
                num_data / log_local.shape[1] * (log_global + log_local.sum(1)),
                whole_from_minibatch(log_global, log_local, num_data)[1],
            ),
            "You scale log p(w) as well. There is one w for the whole data set, so its term counts once.",
        ),
        Misconception(
            "standard error without the factor N",
            lambda log_global, log_local, num_data: (
                log_global + num_data * log_local.mean(1),
                log_local.std(1) * ((1 - log_local.shape[1] / num_data) / log_local.shape[1]) ** 0.5,
            ),
            "Your estimate is right. Your standard error is that of the batch's mean; the estimate is N times this "
            "mean, and so is its error.",
        ),
        Misconception(
            "standard error as if drawn with replacement",
            lambda log_global, log_local, num_data: (
                log_global + num_data * log_local.mean(1),
                num_data * log_local.std(1) / log_local.shape[1] ** 0.5,
            ),
            "Your estimate is right, and your error would be for draws with replacement. Without it, the factor √(1 − "
            "B/N) comes in: "
            "a batch that is the whole data set leaves no error.",
        ),
        Misconception(
            "population standard deviation",
            lambda log_global, log_local, num_data: (
                log_global + num_data * log_local.mean(1),
                num_data
                * log_local.std(1, unbiased=False)
                * ((1 - log_local.shape[1] / num_data) / log_local.shape[1]) ** 0.5,
            ),
            "Your estimate is right. For the error you divide the squared deviations by B; a sample's variance divides "
            "by B − 1.",
        ),
    ),
)

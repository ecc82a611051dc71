"""Exercise 01.2: a minibatch for the whole."""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator

from helpers.exercises.engine.inputs import normal
from helpers.exercises.exercise import Exercise, Misconception
from helpers.exercises.lesson_01.whole_from_minibatch_slips import SLIPS


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


def _with_estimate(estimate):
    """A wrong answer with this estimate and the right error."""
    return lambda log_global, log_local, num_data: (
        estimate(log_global, log_local, num_data, log_local.shape[1]),
        whole_from_minibatch(log_global, log_local, num_data)[1],
    )


def _with_error(error):
    """A wrong answer with the right estimate and this error."""
    return lambda log_global, log_local, num_data: (
        whole_from_minibatch(log_global, log_local, num_data)[0],
        error(log_local, num_data, log_local.shape[1]),
    )


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
        "terms that nearly agree, far from zero": lambda g: _minibatches(g, 3, 6, 80, loc=-5000.0, scale=0.1),
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
        Misconception(
            "N/B times the mean",
            _with_estimate(lambda g, local, n, b: g + n / b * local.mean(1)),
            "You multiply the batch's mean by N/B, which divides by B twice. Multiply the mean by N, or the sum by N/B.",
        ),
        Misconception(
            "the mean not scaled up",
            _with_estimate(lambda g, local, n, b: g + local.mean(1)),
            "You add the batch's mean, which stands for one observation. There are N of them: multiply it by N.",
        ),
        Misconception(
            "B/N for N/B",
            _with_estimate(lambda g, local, n, b: g + b / n * local.sum(1)),
            "Your factor is B/N, which makes the sum smaller. Each observation of the batch stands for N/B of them: multiply by "
            "N/B.",
        ),
        Misconception(
            "subtracts the global term",
            _with_estimate(lambda g, local, n, b: n / b * local.sum(1) - g),
            "You subtract log p(w). It is a term of the log joint, with a plus.",
        ),
        Misconception(
            "the global term for each observation",
            _with_estimate(lambda g, local, n, b: b * g + n / b * local.sum(1)),
            "log p(w) counts once for each observation of your batch. There is one w: add it once, after the sum.",
        ),
        Misconception(
            "the global term for all observations",
            _with_estimate(lambda g, local, n, b: n * g + n / b * local.sum(1)),
            "log p(w) counts N times. There is one w: add it once, after the sum is scaled up.",
        ),
        Misconception(
            "an average for each observation",
            _with_estimate(lambda g, local, n, b: g / n + local.mean(1)),
            "Your estimate is divided by N, the average of one observation. The exercise asks for the sum over all N.",
        ),
        Misconception(
            "error first",
            lambda g, local, n: whole_from_minibatch(g, local, n)[::-1],
            "Both results are right, in the wrong order: the estimate comes first, then its standard error.",
        ),
        Misconception(
            "variance for standard deviation",
            _with_error(lambda local, n, b: n * local.var(1) * ((1 - b / n) / b) ** 0.5),
            "Your estimate is right. In the error you use the sample variance s² where its root s belongs: `std`, not `var`.",
        ),
        Misconception(
            "the error's square",
            _with_error(lambda local, n, b: n**2 * local.var(1) * (1 - b / n) / b),
            "Your estimate is right. Your error is the variance of the estimate, in nats²: take its square root.",
        ),
        Misconception(
            "not divided by the root of B",
            _with_error(lambda local, n, b: n * local.std(1) * (1 - b / n) ** 0.5),
            "Your estimate is right. Your error is not divided by √B: the mean of B terms varies less than one term.",
        ),
        Misconception(
            "finite correction not under the root",
            _with_error(lambda local, n, b: n * local.std(1) / b**0.5 * (1 - b / n)),
            "Your estimate is right. In the error 1 − B/N stands outside the root; the variance has this factor, so its root has "
            "√(1 − B/N).",
        ),
        Misconception(
            "N − 1 in the finite correction",
            _with_error(lambda local, n, b: n * local.std(1) / b**0.5 * ((n - b) / (n - 1)) ** 0.5),
            "Your estimate is right. Your factor √((N − B) / (N − 1)) belongs to the population variance, which divides by N. "
            "With the sample variance s² it is √(1 − B/N).",
        ),
        Misconception(
            "population standard deviation, drawn with replacement",
            _with_error(lambda local, n, b: n * local.std(1, correction=0) / b**0.5),
            "Your estimate is right. Your error has two faults: a sample's variance divides by B − 1, and draws without "
            "replacement bring the factor √(1 − B/N).",
        ),
        Misconception(
            "the error of the batch's own sum",
            _with_error(lambda local, n, b: local.std(1) * b**0.5),
            "Your estimate is right. Your error is s √B, that of a sum of B independent terms. The estimate is N times a mean: N "
            "s √((1 − B/N) / B).",
        ),
        Misconception(
            "error times N/B",
            _with_error(lambda local, n, b: n / b * local.std(1) * ((1 - b / n) / b) ** 0.5),
            "Your estimate is right. Your error is smaller than it should be by the factor B: the error of the mean, s √((1 − "
            "B/N) / B), is multiplied by N, not by N/B.",
        ),
        *SLIPS,
    ),
)

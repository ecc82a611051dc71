"""Slips in exercise 01.2 that learners made."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from helpers.exercises.exercise import Misconception


def _by_squares(log_global: Tensor, log_local: Tensor, num_data: int) -> Any:
    batch = log_local.shape[1]
    variance = (log_local.square().mean(1) - log_local.mean(1).square()).clamp(min=0) / (batch - 1)
    error = num_data * (variance * (1 - batch / num_data)).sqrt()
    return log_global + num_data / batch * log_local.sum(1), error


SLIPS = (
    Misconception(
        "mean of the squares less the square of the mean",
        _by_squares,
        "Right for terms near zero. Mean of the squares less square of the mean is the difference of two numbers that nearly agree if the "
        "terms do: their spread is lost in rounding. Subtract the mean first, as `.var(1)` does.",
    ),
)

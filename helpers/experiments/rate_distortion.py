"""`rate_distortion_sweep`: one model trained with several rate weights, each giving a point of the rate-distortion plane."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from helpers.evaluation import ActiveUnits, BoundEvaluation, active_units, evaluate_bound
from helpers.models import Elbo, LatentVariableModel
from helpers.training import History, fit

Build = Callable[[], tuple[LatentVariableModel, nn.Module]]
Objective = Callable[..., nn.Module]


@dataclass(frozen=True)
class SweepPoint:
    """One trained model of a sweep.

    Args:
        rate_weight: w of the training objective -D - w R.
        evaluation: Distortion D, rate R, the bound -(D + R) and the importance-weighted likelihood, on the validation images, in nats.
            The bound has w = 1 for every model.
        units: Which units of z the guide uses.
        model: p(x, z), trained.
        guide: q(z | x), trained.
        history: History of the training.
    """

    rate_weight: float
    evaluation: BoundEvaluation
    units: ActiveUnits
    model: LatentVariableModel
    guide: nn.Module
    history: History


def rate_distortion_sweep(
    build: Build,
    train: Iterable[Any],
    valid: Tensor,
    rate_weights: Sequence[float],
    epochs: int,
    *,
    objective: Objective = Elbo,
    num_samples: int = 10,
    learning_rate: float = 1e-3,
    seed: int = 0,
    progress: bool | None = None,
) -> list[SweepPoint]:
    """Train one model for each rate weight w with the objective -D - w R, and evaluate all alike.

    Every model is trained from scratch, so a point depends on its own weight only. All use the same seed: the same initial
    parameters, and the same batches in the same order. The global random state stays as it is.

    Alemi, Poole, Fischer, Dillon, Saurous, Murphy 2018, "Fixing a Broken ELBO".

    Args:
        build: Returns a model and its guide, both untrained; called once per weight.
        train: Batches, as `fit` takes them.
        valid: Validation images, [images, *outcome], two or more.
        rate_weights: Finite, 0 or more, all different. w < 1 lowers distortion at the cost of rate; w > 1 the reverse.
        epochs: Passes over `train`, for each model.
        objective: Called as objective(model, guide, rate_weight=w): `Elbo`, `AnalyticKlElbo`, or a `partial` of one with its
            estimator.
        num_samples: Draws of z per validation image in the evaluation.
        learning_rate: Learning rate of Adam.
        seed: Seed of the parameters, the training and the evaluation.
        progress: Whether to show a progress bar; None: as `fit` decides.

    Returns:
        One point per weight, in the order of `rate_weights`.

    Raises:
        ValueError: If there are no weights, or one is negative, infinite, NaN or given twice.
    """
    weights = _checked(rate_weights)
    points = []
    for weight in weights:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model, guide = build()
            bound = objective(model, guide, rate_weight=weight)
            optimizer = torch.optim.Adam(bound.parameters(), lr=learning_rate, fused=True)  # the default of `fit`
            history = fit(bound, train, epochs=epochs, optimizers=optimizer, progress=progress)
            torch.manual_seed(seed)  # the same draws in every evaluation, however many the training used
            evaluation = evaluate_bound(model, guide, valid, num_samples)
            units = active_units(guide, valid)
        points.append(SweepPoint(weight, evaluation, units, model, guide, history))
    return points


def _checked(rate_weights: Sequence[float]) -> list[float]:
    weights = [float(weight) for weight in rate_weights]
    if not weights:
        raise ValueError("A sweep needs one rate weight or more, and rate_weights is empty.")
    if bad := [weight for weight in weights if not (math.isfinite(weight) and weight >= 0)]:
        raise ValueError(
            f"rate_weights holds {bad[0]:g}; expected finite numbers, 0 or more. A negative weight rewards rate, without bound."
        )
    if twice := sorted({weight for weight in weights if weights.count(weight) > 1}):
        raise ValueError(f"rate_weights holds {twice[0]:g} more than once: each weight gives one model.")
    return weights

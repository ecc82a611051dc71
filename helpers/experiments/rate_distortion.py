"""`rate_distortion_sweep`: the same model trained with several rate weights, each a point of the rate-distortion plane."""

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

    rate_weight: w of the objective -D - w R that it was trained with.
    evaluation: distortion D, rate R, the bound -(D + R) and the importance-weighted likelihood, on the validation images. The bound is
        that of w = 1, whatever the model was trained with.
    units: which units of z it uses.
    model, guide: p(x, z) and q(z | x), trained. history: of the training.
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
    """Train one model for each rate weight, and evaluate them all alike; in the order of `rate_weights`.

    Every model is trained from scratch: none begins where another ended, so a point depends on its weight alone, and not on the weights
    before it. All see the same seed: with the same `build`, the same initial parameters, the same batches in the same order.

    build: makes a model and its guide, both untrained; called once a weight.
    train: batches, as `fit` takes them; valid: [images, *outcome], two or more, evaluated with `num_samples` draws of z an image.
    rate_weights: finite, 0 or more, all different. Below 1 buys distortion with rate, above 1 rate with distortion.
    epochs: passes over `train`, for each model.
    objective: called as objective(model, guide, rate_weight=w): `Elbo`, `AnalyticKlElbo`, or a `partial` of one with its estimator.
    learning_rate: of Adam.
    progress: as in `fit`.

    The global random state is as before afterwards. Raises ValueError for no weights, and for one that is negative, infinite, no number, or
    there twice.

    Alemi, Poole, Fischer, Dillon, Saurous, Murphy 2018, "Fixing a Broken ELBO".
    """
    weights = _checked(rate_weights)
    points = []
    for weight in weights:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model, guide = build()
            bound = objective(model, guide, rate_weight=weight)
            optimizer = torch.optim.Adam(bound.parameters(), lr=learning_rate, fused=True)  # as `fit` has it
            history = fit(bound, train, epochs=epochs, optimizers=optimizer, progress=progress)
            torch.manual_seed(seed)  # the draws of the evaluation are the same for all, however many training took
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
            f"rate_weights holds {bad[0]:g}; expected finite numbers, 0 or more. A negative weight pays for rate, without end."
        )
    if twice := sorted({weight for weight in weights if weights.count(weight) > 1}):
        raise ValueError(f"rate_weights holds {twice[0]:g} more than once: the same model would be trained again.")
    return weights

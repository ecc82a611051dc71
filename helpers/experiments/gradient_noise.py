"""The noise of a gradient estimate at given parameters, and the time of a training step with it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor, nn

from helpers.estimators import sampled_moments_of
from helpers.matmul import fast_matmul
from helpers.models import Elbo
from helpers.training.schedule import up_then_down


def gradient_noise(
    objective: Elbo, batches: Iterable[Tensor], x: Tensor, *, settle: int = 1000, groups: int = 10, repeats: int = 20
) -> dict[str, float]:
    """Noise of the estimated gradient g of the mean bound over `x`, with respect to the guide's parameters, at fixed parameters.

    The parameters of model and guide do not change. An estimator with parameters or buffers, such as a learned baseline, is adapted to
    them first: its parameters descend its auxiliary loss (Adam, 3e-2, warm-up and linear decay), and its running statistics are
    updated. Then both are held fixed; afterwards the estimator's parameters no longer require gradients.

    Args:
        objective: Bound with its model, guide and estimator.
        batches: Batches [images, *outcome] for the adaptation, repeated as often as needed.
        x: Images at which the noise is measured, [images, *outcome].
        settle: Steps of the adaptation; ignored if the estimator has neither parameters nor buffers.
        groups: Number of independent estimates of the variance, 2 or more. Their spread gives the standard error.
        repeats: Draws of the gradient in each group.

    Returns:
        `variance`: E|g - E g|², summed over all parameters; its `standard_error`; and `norm`: |E g|, corrected for the noise of the
        estimated mean, 0 if the correction exceeds it.
    """
    adapted: list[Tensor] = list(objective.estimator.parameters())
    if adapted or list(objective.estimator.buffers()):
        _settle(objective, batches, adapted, settle)
    for parameter in adapted:
        parameter.requires_grad_(False)
    parameters = list(objective.guide.parameters())
    with fast_matmul():
        parts = [
            sampled_moments_of(
                lambda: objective(x), parameters=parameters, repeats=repeats, stateful=(objective.estimator,)
            )
            for _ in range(groups)
        ]
    variances = [part.total_variance / len(x) ** 2 for part in parts]  # of the sum over the batch → of its mean
    mean = [sum(tensors) / (groups * len(x)) for tensors in zip(*(part.mean for part in parts), strict=True)]
    squared = sum(tensor.square().sum().item() for tensor in mean)
    variance = statistics.fmean(variances)
    return {
        "variance": variance,
        "standard_error": statistics.stdev(variances) / groups**0.5,
        "norm": max(0.0, squared - variance / (groups * repeats)) ** 0.5,
    }


def _settle(objective: Elbo, batches: Iterable[Tensor], adapted: list[Tensor], steps: int) -> None:
    optimizer = torch.optim.Adam(adapted, lr=3e-2) if adapted else None
    schedule = up_then_down(optimizer, steps) if optimizer is not None else None
    objective.train()
    with fast_matmul():
        for _, batch in zip(range(steps), _repeated(batches), strict=False):
            loss = objective(batch).auxiliary_loss
            if optimizer is not None and schedule is not None:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()


def seconds_per_step(
    objectives: Mapping[str, nn.Module], batches: Iterable[Tensor], *, rounds: int = 9, steps: int = 10
) -> dict[str, float]:
    """Median time of a training step of each objective, from the forward pass to the optimiser's step.

    The objectives take turns in each round, so that load on the machine affects all alike. A first round warms up and does not
    count. The parameters of the objectives change.

    Args:
        objectives: Name → module that maps a batch to an estimate with a surrogate and an auxiliary loss, such as `Elbo`.
        batches: Batches [images, *outcome], repeated as often as needed.
        rounds: Rounds that count, 1 or more.
        steps: Steps of each objective in a round.

    Returns:
        Name → seconds per step, the median over rounds.
    """
    stream = _repeated(batches)
    optimizers = {name: torch.optim.Adam(o.parameters(), lr=1e-4, fused=True) for name, o in objectives.items()}
    seconds: dict[str, list[float]] = {name: [] for name in objectives}
    for turn in range(rounds + 1):
        order = -1 if turn % 2 else 1  # alternates, so that no objective always follows the same other one
        for name in list(objectives)[::order]:
            objective = objectives[name].train()
            prepared = [next(stream) for _ in range(steps)]
            start = time.perf_counter()
            for batch in prepared:
                optimizers[name].zero_grad(set_to_none=True)
                estimate = objective(batch)
                (estimate.auxiliary_loss - estimate.surrogate.mean()).backward()
                optimizers[name].step()
            if turn:
                seconds[name].append((time.perf_counter() - start) / steps)
    return {name: statistics.median(values) for name, values in seconds.items()}


def _repeated(batches: Iterable[Tensor]) -> Iterator[Tensor]:
    while True:
        yield from batches

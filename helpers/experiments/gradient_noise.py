"""How noisy a gradient estimate is at given parameters, and what a training step with it costs."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from helpers.data import Batches
from helpers.estimators import sampled_moments_of
from helpers.matmul import fast_matmul
from helpers.models import Elbo
from helpers.training.schedule import up_then_down


def gradient_noise(
    objective: Elbo, batches: Batches, x: Tensor, *, settle: int = 1000, groups: int = 10, repeats: int = 20
) -> dict[str, float]:
    """Noise of the gradient of mean bound over `x`, summed over q's parameters, with everything but the noise held fixed.

    The model stays as it is. A control variate that learns or remembers first settles there: `settle` batches, on which its own
    parameters descend its auxiliary loss (Adam 3e-2, warm-up and linear decay) and its running statistics take part. Then both are held
    fixed too.

    groups, repeats: `groups` independent estimates of the variance, each from `repeats` draws; their spread gives the standard error.

    Returns `variance`, E|g - E g|²; its `standard_error`; and `norm`, |E g|, with the noise of the mean taken out (0 where it drowns).
    """
    own = list(objective.estimator.parameters())
    if own or list(objective.estimator.buffers()):
        _settle(objective, batches, own, settle)
    for parameter in own:
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


def _settle(objective: Elbo, batches: Batches, own: list[nn.Parameter], steps: int) -> None:
    optimizer = torch.optim.Adam(own, lr=3e-2) if own else None
    schedule = up_then_down(optimizer, steps) if own else None
    objective.train()
    with fast_matmul():
        for _, batch in zip(range(steps), _again_and_again(batches), strict=False):
            loss = objective(batch).auxiliary_loss
            if optimizer is not None:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()


def seconds_per_step(
    objectives: Mapping[str, nn.Module], batches: Batches, *, rounds: int = 9, steps: int = 10
) -> dict[str, float]:
    """Median seconds of a training step of each objective, forward to optimiser, all in turns, round after round.

    A first round warms up and does not count. The parameters of the objectives move.
    """
    stream = _again_and_again(batches)
    optimizers = {name: torch.optim.Adam(o.parameters(), lr=1e-4, fused=True) for name, o in objectives.items()}
    seconds: dict[str, list[float]] = {name: [] for name in objectives}
    for turn in range(rounds + 1):
        for name in list(objectives)[:: -1 if turn % 2 else 1]:  # so that no one always follows the same one
            objective = objectives[name].train()
            ready = [next(stream) for _ in range(steps)]
            start = time.perf_counter()
            for batch in ready:
                optimizers[name].zero_grad(set_to_none=True)
                estimate = objective(batch)
                (estimate.auxiliary_loss - estimate.surrogate.mean()).backward()
                optimizers[name].step()
            if turn:
                seconds[name].append((time.perf_counter() - start) / steps)
    return {name: statistics.median(values) for name, values in seconds.items()}


def _again_and_again(batches: Batches) -> Iterator[Tensor]:
    while True:
        yield from batches

"""Mean and variance of a gradient estimate, coordinate by coordinate: exact (by `exact_moments`) or from repeated draws."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from helpers.estimators.base import Estimate, GradientEstimator, Integrand


@dataclass(frozen=True)
class Moments:
    """Of an estimate, over all its draws. Gradients are of the surrogate's sum over the batch, one tensor per parameter.

    value, value_variance: [*batch].
    mean, variance: per coordinate of each parameter.
    num_outcomes: how many joint outcomes were summed, or repeats averaged.
    """

    value: Tensor
    value_variance: Tensor
    mean: tuple[Tensor, ...]
    variance: tuple[Tensor, ...]
    num_outcomes: int

    @property
    def total_variance(self) -> float:
        """Summed over all coordinates: E|g - E g|²."""
        return sum(part.sum().item() for part in self.variance)

    @property
    def signal_to_noise(self) -> float:
        """|E g| / sqrt(E|g - E g|²) over all coordinates; infinite where there is no noise.

        From draws, `SampledMoments`, the noise left in the mean counts as signal: about 1 / sqrt(repeats) at the least.
        """
        signal = math.sqrt(sum(part.square().sum().item() for part in self.mean))
        return signal / math.sqrt(self.total_variance) if self.total_variance > 0 else math.inf


@dataclass(frozen=True)
class SampledMoments(Moments):
    """Moments estimated from `num_outcomes` repeats, with the standard errors of mean and of variance, per coordinate."""

    mean_error: tuple[Tensor, ...]
    variance_error: tuple[Tensor, ...]


def sampled_moments(
    estimator: GradientEstimator,
    f: Integrand,
    q: Distribution,
    num_samples: int | None = None,
    *,
    parameters: Iterable[Tensor],
    repeats: int,
    context: Tensor | None = None,
    stateful: Sequence[nn.Module] = (),
) -> SampledMoments:
    """`exact_moments` where outcomes are too many to enumerate: from `repeats` independent draws, with standard errors.

    Arguments as of `exact_moments`; parameters may have any dtype.
    """
    return sampled_moments_of(
        lambda: estimator(f, q, num_samples, context=context),
        parameters=parameters,
        repeats=repeats,
        stateful=(estimator, *stateful),
    )


def sampled_moments_of(
    run: Callable[[], Estimate], *, parameters: Iterable[Tensor], repeats: int, stateful: Sequence[nn.Module] = ()
) -> SampledMoments:
    """`sampled_moments` of anything that returns an `Estimate`, such as an objective: run = lambda: objective(x)."""
    if repeats < 2:
        raise ValueError(f"A variance needs 2 repeats or more, and repeats={repeats} was given.")
    parameters = tuple(parameters)
    stream = GradientMoments(parameters)
    with same_state(stateful) as restore:
        for _ in range(repeats):
            restore()
            stream.add(run())
    exact = stream.moments(repeats)
    variance = tuple(repeats / (repeats - 1) * part for part in exact.variance)
    fourths = zip(stream.split(stream.fourth)[1:], exact.variance, strict=True)
    return SampledMoments(
        value=exact.value,
        value_variance=repeats / (repeats - 1) * exact.value_variance,
        mean=exact.mean,
        variance=variance,
        num_outcomes=repeats,
        mean_error=tuple((part / repeats).sqrt() for part in variance),
        variance_error=tuple(((fourth - square**2).clamp_min(0) / repeats).sqrt() for fourth, square in fourths),
    )


def gradient_of(estimate: Estimate, parameters: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Gradient of the surrogate's sum over the batch; zeros where it reaches a parameter by no route."""
    total = estimate.surrogate.sum()
    if not total.requires_grad:
        return tuple(torch.zeros_like(parameter) for parameter in parameters)
    return torch.autograd.grad(total, parameters, retain_graph=True, allow_unused=True, materialize_grads=True)


class GradientMoments:
    """Weighted central moments of a stream of estimates, one pass, without the cancellation of E[g²] - E[g]².

    Pébay 2008, "Formulas for robust, one-pass parallel computation of covariances and arbitrary-order statistical moments".
    """

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        self.parameters = parameters
        self.weight = 0.0

    def add(self, estimate: Estimate, weight: float = 1.0) -> None:
        parts = (estimate.value, *gradient_of(estimate, self.parameters))
        now = torch.cat([part.detach().double().flatten() for part in parts])
        if not self.weight:
            self.shapes = [part.shape for part in parts]
            self.mean, self.second, self.third, self.fourth_sum = (torch.zeros_like(now) for _ in range(4))
        before, self.weight = self.weight, self.weight + weight
        share, skew = weight / self.weight, (before - weight) / self.weight
        delta = now - self.mean
        step = share * delta
        square = before * delta * step
        self.fourth_sum += square * (skew**2 * delta + before * step / self.weight) * delta
        self.fourth_sum += 6 * step**2 * self.second - 4 * step * self.third
        self.third += skew * square * delta - 3 * step * self.second
        self.second += square
        self.mean += step

    @property
    def fourth(self) -> Tensor:
        """Fourth central moment, flat."""
        return self.fourth_sum / self.weight

    def split(self, flat: Tensor) -> list[Tensor]:
        """The value's part, then one tensor per parameter."""
        parts = flat.split([shape.numel() for shape in self.shapes])
        return [part.reshape(shape) for part, shape in zip(parts, self.shapes, strict=True)]

    def moments(self, num_outcomes: int) -> Moments:
        (value, *mean), (value_variance, *variance) = self.split(self.mean), self.split(self.second / self.weight)
        return Moments(value, value_variance, tuple(mean), tuple(variance), num_outcomes)


@contextmanager
def same_state(modules: Sequence[nn.Module]) -> Iterator[Callable[[], None]]:
    """Training mode inside the block, and a function that puts buffers back; at the end buffers and modes are as they were."""
    parts = list(dict.fromkeys(part for module in modules for part in module.modules()))
    modes = [part.training for part in parts]
    buffers = [
        (part, name, buffer.detach().clone())
        for part in parts
        for name, buffer in part.named_buffers(recurse=False, remove_duplicate=False)
    ]

    def restore() -> None:
        for part, name, saved in buffers:
            current = getattr(part, name)
            if current is None or current.shape != saved.shape or not torch.equal(current, saved):
                setattr(part, name, saved.clone())

    for part in parts:
        part.training = True
    try:
        yield restore
    finally:
        restore()
        for part, mode in zip(parts, modes, strict=True):
            part.training = mode

"""Mean and variance of a gradient estimate, per coordinate: exact (by `exact_moments`) or from repeated draws."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from helpers.estimators.base import GradientEstimator, Integrand
from helpers.estimators.estimate import Estimate


@dataclass(frozen=True)
class Moments:
    """Moments of an estimate over all its draws. Gradients are of the surrogate's sum over the batch, one tensor per parameter.

    Args:
        value: Mean of the value, [*batch].
        value_variance: Variance of the value, [*batch].
        mean: Mean gradient, one tensor per parameter, of its shape.
        variance: Variance of the gradient per coordinate, one tensor per parameter, of its shape.
        num_outcomes: Number of joint outcomes summed, or of repeats averaged.
    """

    value: Tensor
    value_variance: Tensor
    mean: tuple[Tensor, ...]
    variance: tuple[Tensor, ...]
    num_outcomes: int

    @property
    def total_variance(self) -> float:
        """The gradient's variance summed over all coordinates, E|g - E g|²."""
        return sum(part.sum().item() for part in self.variance)

    @property
    def signal_to_noise(self) -> float:
        """|E g| / sqrt(E|g - E g|²) over all coordinates; infinite if the variance is 0.

        In `SampledMoments` the noise left in the mean counts as signal, so it is about 1 / sqrt(repeats) or more.
        """
        signal = math.sqrt(sum(part.square().sum().item() for part in self.mean))
        return signal / math.sqrt(self.total_variance) if self.total_variance > 0 else math.inf


@dataclass(frozen=True)
class SampledMoments(Moments):
    """Moments estimated from `num_outcomes` repeats, with standard errors.

    Args:
        value: As in `Moments`.
        value_variance: As in `Moments`.
        mean: As in `Moments`.
        variance: As in `Moments`, with repeats - 1 as divisor.
        num_outcomes: Number of repeats.
        mean_error: Standard error of the mean gradient, one tensor per parameter, of its shape.
        variance_error: Standard error of the variance, one tensor per parameter, of its shape.
    """

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
    """Estimates of `exact_moments` from independent draws, with standard errors, for draws whose outcomes are too many to enumerate.

    Args:
        estimator: The estimator; runs in training mode, from the same saved state in every repeat.
        f: Integrand, as in the estimator's call.
        q: Distribution with batch_shape [*batch], as in the estimator's call.
        num_samples: Evaluations of f per datum. None: the estimator's minimum.
        parameters: Tensors of f and q, of any dtype, whose gradients are examined.
        repeats: Number of independent calls, 2 or more.
        context: As in the estimator's call.
        stateful: Other modules with state, such as estimators nested in f.

    Returns:
        Estimated moments of the value and of the surrogate's gradient.

    Raises:
        ValueError: If repeats is below 2.
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
    """`sampled_moments` of any computation that returns an `Estimate`, such as an objective: run = lambda: objective(x).

    Args:
        run: The computation.
        parameters: Tensors of any dtype whose gradients are examined.
        repeats: Number of independent runs, 2 or more.
        stateful: Modules that run in training mode, and whose buffers are restored before each repeat.

    Returns:
        Estimated moments of the value and of the surrogate's gradient.

    Raises:
        ValueError: If repeats is below 2.
    """
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
    """Gradient of the surrogate's sum over the batch.

    Args:
        estimate: An estimate of shape [*batch].
        parameters: Tensors that require gradients.

    Returns:
        One tensor per parameter, of its shape; zeros for parameters that the surrogate does not depend on.
    """
    total = estimate.surrogate.sum()
    if not total.requires_grad:
        return tuple(torch.zeros_like(parameter) for parameter in parameters)
    return torch.autograd.grad(total, parameters, retain_graph=True, allow_unused=True, materialize_grads=True)


class GradientMoments:
    """Weighted central moments of a stream of estimates, in one pass, without the cancellation of E[g²] - E[g]².

    Pébay 2008, "Formulas for robust, one-pass parallel computation of covariances and arbitrary-order statistical moments".

    Args:
        parameters: Tensors whose gradients are examined.
    """

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        self.parameters = parameters
        self.weight = 0.0

    def add(self, estimate: Estimate, weight: float = 1.0) -> None:
        """Update the moments by one estimate.

        Args:
            estimate: The estimate, [*batch], the same shape in every call.
            weight: Its weight, such as the outcome's probability; above 0.
        """
        parts = (estimate.value, *gradient_of(estimate, self.parameters))
        flat = torch.cat([part.detach().double().flatten() for part in parts])
        if not self.weight:
            self.shapes = [part.shape for part in parts]
            self.mean, self.second, self.third, self.fourth_sum = (torch.zeros_like(flat) for _ in range(4))
        before, self.weight = self.weight, self.weight + weight
        share, skew = weight / self.weight, (before - weight) / self.weight
        delta = flat - self.mean
        step = share * delta
        square = before * delta * step
        self.fourth_sum += square * (skew**2 * delta + before * step / self.weight) * delta
        self.fourth_sum += 6 * step**2 * self.second - 4 * step * self.third
        self.third += skew * square * delta - 3 * step * self.second
        self.second += square
        self.mean += step

    @property
    def fourth(self) -> Tensor:
        """Fourth central moment of the value and of every gradient coordinate, [coordinates]."""
        return self.fourth_sum / self.weight

    def split(self, flat: Tensor) -> list[Tensor]:
        """Undo the concatenation of the value and all gradients.

        Args:
            flat: Concatenation, [coordinates].

        Returns:
            The value's part, [*batch], then one tensor per parameter, of its shape.
        """
        parts = flat.split([shape.numel() for shape in self.shapes])
        return [part.reshape(shape) for part, shape in zip(parts, self.shapes, strict=True)]

    def moments(self, num_outcomes: int) -> Moments:
        """Mean and variance of the estimates so far, with the sum of their weights as divisor.

        Args:
            num_outcomes: Number of estimates, for the record.

        Returns:
            The moments.
        """
        (value, *mean), (value_variance, *variance) = self.split(self.mean), self.split(self.second / self.weight)
        return Moments(value, value_variance, tuple(mean), tuple(variance), num_outcomes)


@contextmanager
def same_state(modules: Sequence[nn.Module]) -> Iterator[Callable[[], None]]:
    """Context manager: training mode inside the block; buffers and modes are restored at its end.

    Args:
        modules: Modules with state, with all that they contain.

    Yields:
        A function that restores the buffers to their values at the start of the block.
    """
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

"""Small problems whose exact gradient is known by enumeration, and what it means that an estimator is unbiased."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Distribution, Independent, OneHotCategorical

from helpers.estimators import GradientEstimator, Moments, exact_gradient, exact_moments
from helpers.estimators.base import Integrand

DOUBLE = torch.float64


@dataclass(frozen=True)
class Problem:
    """f, q and all their parameters, those of the model first, those of the guide last."""

    f: Integrand
    q: Distribution
    model: list[Tensor]
    guide: list[Tensor]
    context: Tensor

    @property
    def parameters(self) -> list[Tensor]:
        return [*self.model, *self.guide]


def leaf(*shape: int, seed: int = 0, scale: float = 1.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (scale * torch.randn(shape, generator=generator, dtype=DOUBLE)).requires_grad_()


def data(batch: tuple[int, ...]) -> Tensor:
    """[*batch, 3] bits, the first of each 1, so that no weight's gradient vanishes with its input."""
    count = torch.Size(batch).numel()
    return torch.tensor([1.0, 0.0, 1.0, 1.0, 1.0, 0.0] * count, dtype=DOUBLE)[: 3 * count].reshape(*batch, 3)


def bits(number: int, batch: tuple[int, ...] = (), seed: int = 0, scale: float = 1.0) -> Problem:
    """The log weight of a sigmoid belief network, p(z) p(x | z) / q(z | x), with `number` bits z and three bits x.

    scale: of the parameters; near 0 all probabilities are near 1/2.
    """
    sizes = (number,), (number, 3), (3,), (3, number), (number,)
    prior, weight, bias, encoder, offset = (
        leaf(*size, seed=seed + place, scale=scale) for place, size in enumerate(sizes)
    )
    x = data(batch)
    q = Independent(Bernoulli(logits=x @ encoder + offset), 1)

    def log_weight(z: Tensor) -> Tensor:
        likelihood = Independent(Bernoulli(logits=z @ weight + bias), 1).log_prob(x)
        return Independent(Bernoulli(logits=prior), 1).log_prob(z) + likelihood - q.log_prob(z)

    return Problem(log_weight, q, [prior, weight, bias], [encoder, offset], x)


def category(number: int, batch: tuple[int, ...] = (), seed: int = 0) -> Problem:
    """The same with one `number`-way category for z."""
    prior, weight, bias = leaf(number, seed=seed), leaf(number, 3, seed=seed + 1), leaf(3, seed=seed + 2)
    encoder, offset = leaf(3, number, seed=seed + 3), leaf(number, seed=seed + 4)
    x = data(batch)
    q = OneHotCategorical(logits=x @ encoder + offset)

    def log_weight(z: Tensor) -> Tensor:
        likelihood = Independent(Bernoulli(logits=z @ weight + bias), 1).log_prob(x)
        return OneHotCategorical(logits=prior).log_prob(z) + likelihood - q.log_prob(z)

    return Problem(log_weight, q, [prior, weight, bias], [encoder, offset], x)


def moments(estimator: GradientEstimator, problem: Problem, num_samples: int | None = None, **options) -> Moments:
    return exact_moments(
        estimator,
        problem.f,
        problem.q,
        num_samples,
        parameters=problem.parameters,
        context=problem.context,
        **options,
    )


def assert_unbiased(
    estimator: GradientEstimator, problem: Problem, num_samples: int | None, tolerance: float = 1e-9, **options
) -> Moments:
    """Exact mean equals exact gradient of the estimator's own target, by norm, for every parameter; so does the value."""
    ours = moments(estimator, problem, num_samples, **options)
    exact = exact_gradient(problem.f, problem.q, estimator.target, num_samples or 1, parameters=problem.parameters)
    torch.testing.assert_close(ours.value, exact.value, rtol=tolerance, atol=tolerance)
    assert_same(ours.mean, exact.gradient, tolerance)
    return ours


def assert_same(ours: Sequence[Tensor], exact: Sequence[Tensor], tolerance: float = 1e-9) -> None:
    """|ours - exact| <= tolerance |exact| for every parameter."""
    for place, (mine, other) in enumerate(zip(ours, exact, strict=True)):
        assert other.norm() > 1e-3, f"parameter {place}: a gradient of nothing proves nothing"
        error = ((mine - other).norm() / other.norm()).item()
        assert error <= tolerance, f"parameter {place}: relative error {error:.2g}"


def bias(ours: Sequence[Tensor], exact: Sequence[Tensor]) -> float:
    """|ours - exact| over all parameters, relative to |exact|."""
    mine, other = (torch.cat([part.flatten() for part in parts]) for parts in (ours, exact))
    return ((mine - other).norm() / other.norm()).item()

"""What a gradient estimator is, and what it returns.

    estimate = estimator(f, q, num_samples=S, context=x)

    f: z [S, *batch, *event] → a tensor [S, *batch], or an `Estimate` of that shape
    q: a distribution with batch_shape == batch, any number of leading dimensions

An estimator turns (f, q) into an `Estimate`: the value of its target, and a surrogate whose gradient estimates the gradient of
that target, through f's parameters and through q's. `f` may return an `Estimate` of its own, made by another estimator: so layers,
mixtures and counts are composed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

Target = Literal["expectation", "log_mean_exp"]


@dataclass(frozen=True)
class Estimate:
    """What an estimator, or an objective, returns.

    value: [*batch] Monte Carlo estimate of the target, detached; nats, where the target is a bound.
    surrogate: [*batch] its gradient estimates the target's gradient. Its own value means nothing in general.
    terms: detached [*batch] tensors by name (distortion, rate, ...): what a history records and a NaN guard names.
    auxiliary_loss: scalar that trainable control variates minimise; its gradient reaches only their parameters.

    `a + b` adds values and surrogates, merges terms (equal names add up) and adds auxiliary losses; `b` may be a tensor.
    """

    value: Tensor
    surrogate: Tensor
    terms: dict[str, Tensor] = field(default_factory=dict)
    auxiliary_loss: Tensor | float = 0.0

    @classmethod
    def of(cls, tensor: Tensor, **terms: Tensor) -> Estimate:
        """The estimate that a differentiable tensor is of itself."""
        return cls(tensor.detach(), tensor, {name: term.detach() for name, term in terms.items()})

    def __add__(self, other: Estimate | Tensor | float) -> Estimate:
        if not isinstance(other, Estimate):
            other = Estimate.of(torch.as_tensor(other, dtype=self.value.dtype, device=self.value.device))
        terms = dict(self.terms)
        for name, term in other.terms.items():
            terms[name] = terms[name] + term if name in terms else term
        return Estimate(
            self.value + other.value,
            self.surrogate + other.surrogate,
            terms,
            self.auxiliary_loss + other.auxiliary_loss,
        )

    __radd__ = __add__

    def __neg__(self) -> Estimate:
        return self * -1.0

    def __sub__(self, other: Estimate | Tensor | float) -> Estimate:
        return self + -other

    def __rsub__(self, other: Tensor | float) -> Estimate:
        return -self + other

    def __mul__(self, factor: Tensor | float) -> Estimate:
        if isinstance(factor, Tensor):
            if factor.requires_grad:
                raise ValueError(
                    "An Estimate was multiplied by a tensor that requires a gradient, which the surrogate of a product would lose: the "
                    "surrogate's own value has no meaning. Multiply inside f, or detach the factor."
                )
            sizes = zip(reversed(factor.shape), reversed(self.value.shape), strict=False)
            if factor.dim() > self.value.dim() or any(size not in (1, own) for size, own in sizes):
                raise ValueError(
                    f"An Estimate of shape {tuple(self.value.shape)} was multiplied by a factor of shape {tuple(factor.shape)}; a factor "
                    "broadcasts to the Estimate, and not the other way round."
                )
        return replace(self, value=factor * self.value, surrogate=factor * self.surrogate)

    __rmul__ = __mul__

    def mean(self, dim: int = 0) -> Estimate:
        """Average value, surrogate and terms over a dimension."""
        return self.reduce(lambda over_samples: over_samples.mean(dim))

    def reduce(self, over_samples: Callable[[Tensor], Tensor]) -> Estimate:
        """Apply a linear reduction, such as a mean over the first dimension, to value, surrogate and terms alike."""
        return Estimate(
            over_samples(self.value),
            over_samples(self.surrogate),
            {name: over_samples(term) for name, term in self.terms.items()},
            self.auxiliary_loss,
        )


Integrand = Callable[[Tensor], Tensor | Estimate]


class GradientEstimator(nn.Module):
    """Base class: checks the call, then asks the subclass's `estimate`.

    It is a module so that control variates can keep running statistics as buffers and networks as parameters: saved, restored and
    moved with everything else.

    target: "expectation", E_q[f], or "log_mean_exp", E[log mean_s exp f(z_s)], where f is one sample's log weight.
    """

    target: Target = "expectation"

    def estimate(self, f: Integrand, q: Distribution, num_samples: int, context: Tensor | None) -> Estimate:
        """The estimator itself; `num_samples` has been checked."""
        raise NotImplementedError

    def resolve_num_samples(self, q: Distribution, num_samples: int | None) -> int:
        """How many evaluations of f per datum a call makes; None asks for the fewest that the estimator can do with."""
        if num_samples is None:
            return 1
        if num_samples < 1:
            raise ValueError(
                f"num_samples counts evaluations of f per datum and must be 1 or more; {num_samples} was given."
            )
        return num_samples

    def forward(
        self, f: Integrand, q: Distribution, num_samples: int | None = None, context: Tensor | None = None
    ) -> Estimate:
        """Estimate the target and its gradient.

        f: z [S, *batch, *event] → [S, *batch], a tensor or an `Estimate`.
        q: distribution with batch_shape [*batch].
        num_samples: evaluations of f per datum, S; None for the fewest that the estimator can do with.
        context: [*batch, ...], what baselines may look at.

        Returns an `Estimate` of shape [*batch]. Raises ValueError where q, S or the shape of f's result do not fit.
        """
        return self.estimate(f, q, self.resolve_num_samples(q, num_samples), context)


def multiple_of_cost(estimator: GradientEstimator, num_samples: int | None, cost: int, spent: str = "") -> int:
    """num_samples, or `cost`, the evaluations of f that one sample takes, where it is None.

    spent: what the evaluations go to, in words. Raises ValueError, naming an estimator that would do, where samples do not come out whole.
    """
    if num_samples is None:
        return cost
    if num_samples < 1 or num_samples % cost:
        raise ValueError(
            f"{type(estimator).__name__} evaluates f {cost} time{'' if cost == 1 else 's'} a sample{spent and f' ({spent})'}, so "
            f"num_samples must be a positive multiple of {cost}; {num_samples} was given. LeaveOneOut takes any number from 2 on."
        )
    return num_samples


def evaluate(f: Integrand, z: Tensor, q: Distribution) -> Estimate:
    """f(z) as an `Estimate` of shape [S, *batch]; ValueError where f returned another shape."""
    result = f(z)
    estimate = result if isinstance(result, Estimate) else Estimate.of(result)
    expected = (z.shape[0], *q.batch_shape)
    for name, tensor in (("value", estimate.value), ("surrogate", estimate.surrogate), *estimate.terms.items()):
        if tensor.shape != expected:
            raise ValueError(
                f"f returned the shape {tuple(tensor.shape)} ({name}) where [samples, *batch] = {expected} was expected. "
                "Usual causes: a log_prob not summed over its outcome's dimensions (wrap it in Independent), or a mean over the "
                "batch taken inside f."
            )
    return estimate

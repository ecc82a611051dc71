"""What a gradient estimator is, and what it returns.

    estimate = estimator(f, q, num_samples=S, context=x)

    f: z [S, *batch, *event] → a tensor [S, *batch], or an `Estimate` of that shape
    q: a distribution with batch_shape == batch, any number of leading dimensions

An estimator turns (f, q) into an `Estimate`: the value of its target, and a surrogate whose gradient estimates the gradient of
that target, through f's parameters and through q's. `f` may return an `Estimate` made by another estimator: this nesting composes
layers, mixtures and counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal, Self

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

Target = Literal["expectation", "log_mean_exp"]
NeedOfQ = Literal["anything", "bits", "bits or categories", "finite support", "rsample", "mixture"]
NeedOfF = Literal["value", "derivative", "relaxation"]


@dataclass(frozen=True)
class Estimate:
    """What an estimator, or an objective, returns.

    a + b      adds values and surrogates, merges terms (equal names add up) and adds auxiliary losses. b may be a tensor or a number.
    c * a      scales value and surrogate. c is a number, or a detached tensor that broadcasts to [*batch].
    -a, a - b  are -1 * a and a + (-1 * b).

    A factor leaves terms and auxiliary_loss as they are. A term is the average of a named quantity, which a weight or a sign in the
    objective does not change: the distortion in -a is still the distortion. auxiliary_loss trains the estimator's own parameters, to
    lower the variance or to fit the reward, and is minimised whether the value is maximised or minimised. For a weighted average of
    estimates that share terms use `reduce`, which scales terms too.

    Args:
        value: Monte Carlo estimate of the target, [*batch], detached; in nats if the target is a bound.
        surrogate: [*batch]; its gradient estimates the target's gradient. Its own value has no meaning in general.
        terms: Detached [*batch] tensors by name (distortion, rate, ...), for a training history and for the names in a NaN guard's message.
        auxiliary_loss: Scalar loss of trainable control variates; its gradient reaches only their parameters.
    """

    value: Tensor
    surrogate: Tensor
    terms: dict[str, Tensor] = field(default_factory=dict)
    auxiliary_loss: Tensor | float = 0.0

    @classmethod
    def of(cls, tensor: Tensor, **terms: Tensor) -> Estimate:
        """A differentiable tensor as an estimate of itself.

        Args:
            tensor: [*batch]; its value is the value, and its gradient the surrogate's.
            terms: [*batch] tensors by name; detached.

        Returns:
            An `Estimate` of shape [*batch] without auxiliary loss.
        """
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
                    "An Estimate was multiplied by a tensor that requires a gradient, which the product loses: the "
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
        """Average value, surrogate and terms over a dimension.

        Args:
            dim: The dimension that is averaged over; 0, that of the samples, by default.

        Returns:
            An `Estimate` without that dimension. Its auxiliary loss is the same scalar.
        """
        return self.reduce(lambda over_samples: over_samples.mean(dim))

    def reduce(self, over_samples: Callable[[Tensor], Tensor]) -> Estimate:
        """Apply a linear function, such as a weighted sum over the first dimension, to value, surrogate and terms alike.

        Args:
            over_samples: Linear function of a tensor [S, *batch].

        Returns:
            An `Estimate` of what it returns. Its auxiliary loss is the same scalar.
        """
        return Estimate(
            over_samples(self.value),
            over_samples(self.surrogate),
            {name: over_samples(term) for name, term in self.terms.items()},
            self.auxiliary_loss,
        )


Integrand = Callable[[Tensor], Tensor | Estimate]


class GradientEstimator(nn.Module):
    """Base class: checks the call, then calls the subclass's `estimate`.

    It is a module so that control variates can keep running statistics as buffers and networks as parameters: saved, restored and
    moved with the model.

    Attributes:
        label: Name in legends and tables, such as "leave-one-out"; every estimator has its own.
        target: "expectation", E_q[f], or "log_mean_exp", E[log mean_s exp f(z_s)] with f one sample's log weight.
        unbiased: Whether the mean gradient is the gradient of the target, if f meets `f_needs`.
        q_needs: Distributions that it accepts; "bits" and "bits or categories" are independent ones.
        f_needs: "value" of f at outcomes of q; its "derivative" in z there; or its "relaxation", value and derivative between the
            outcomes of a discrete q.
    """

    label: str = "gradient estimator"
    target: Target = "expectation"
    unbiased: bool = True
    q_needs: NeedOfQ = "anything"
    f_needs: NeedOfF = "value"

    @classmethod
    def with_defaults(cls, event_shape: tuple[int, ...] = ()) -> Self:
        """An estimator with default settings.

        Args:
            event_shape: Shape of an outcome z, for control variates that are networks of z; the others do not depend on it.

        Returns:
            The estimator.
        """
        return cls()

    def estimate(self, f: Integrand, q: Distribution, num_samples: int, context: Tensor | None) -> Estimate:
        """Estimate the target and its gradient; subclasses define this.

        Args:
            f: Integrand: z [S, *batch, *event] → [S, *batch], a tensor or an `Estimate`.
            q: Distribution with batch_shape [*batch].
            num_samples: Evaluations of f per datum, as returned by `resolve_num_samples`.
            context: What baselines may depend on, [*batch, ...], or None.

        Returns:
            An `Estimate` of shape [*batch].

        Raises:
            NotImplementedError: In the base class.
        """
        raise NotImplementedError

    def resolve_num_samples(self, q: Distribution, num_samples: int | None) -> int:
        """Number of evaluations of f per datum that a call makes.

        Args:
            q: Distribution with batch_shape [*batch].
            num_samples: The number given by the caller. None: the estimator's minimum.

        Returns:
            The number, which is `num_samples` unless that is None.

        Raises:
            ValueError: If the estimator cannot make exactly `num_samples` evaluations, or if q does not fit.
        """
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

        Args:
            f: Integrand: z [S, *batch, *event] → [S, *batch], a tensor or an `Estimate`.
            q: Distribution with batch_shape [*batch].
            num_samples: Evaluations of f per datum, S. None: the estimator's minimum.
            context: What baselines may depend on, [*batch, ...]; None if the estimator has no such baseline.

        Returns:
            An `Estimate` of shape [*batch].

        Raises:
            ValueError: If q, S or the shape of f's result does not fit.
        """
        return self.estimate(f, q, self.resolve_num_samples(q, num_samples), context)


def multiple_of_cost(estimator: GradientEstimator, num_samples: int | None, cost: int, spent: str = "") -> int:
    """Check that num_samples is a whole number of samples of `cost` evaluations each.

    Args:
        estimator: The estimator that is called; named in the message.
        num_samples: Evaluations of f per datum. None: one sample, that is, `cost`.
        cost: Evaluations of f that one sample takes.
        spent: What these evaluations are for, in words, for the message; empty by default.

    Returns:
        Evaluations of f per datum, a multiple of `cost`.

    Raises:
        ValueError: If num_samples is not a positive multiple of `cost`. The message names an estimator that accepts it.
    """
    if num_samples is None:
        return cost
    if num_samples < 1 or num_samples % cost:
        raise ValueError(
            f"{type(estimator).__name__} evaluates f {cost} time{'' if cost == 1 else 's'} a sample{spent and f' ({spent})'}, so "
            f"num_samples must be a positive multiple of {cost}; {num_samples} was given. LeaveOneOut takes any number of 2 or more."
        )
    return num_samples


def evaluate(f: Integrand, z: Tensor, q: Distribution) -> Estimate:
    """f(z) as an `Estimate`, its shape checked.

    Args:
        f: Integrand: z [S, *batch, *event] → [S, *batch], a tensor or an `Estimate`.
        z: Points, [S, *batch, *event].
        q: Distribution with batch_shape [*batch]; only its shape is used.

    Returns:
        An `Estimate` of shape [S, *batch].

    Raises:
        ValueError: If f returns another shape.
    """
    result = f(z)
    estimate = result if isinstance(result, Estimate) else Estimate.of(result)
    expected = (z.shape[0], *q.batch_shape)
    for name, tensor in (("value", estimate.value), ("surrogate", estimate.surrogate), *estimate.terms.items()):
        if tensor.shape != expected:
            raise ValueError(
                f"f returned the shape {tuple(tensor.shape)} ({name}); [samples, *batch] = {expected} was expected. "
                "Usual causes: a log_prob not summed over its outcome's dimensions (wrap it in Independent), or a mean over the "
                "batch taken inside f."
            )
    return estimate

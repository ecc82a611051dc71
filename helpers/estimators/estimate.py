"""What an estimator, or an objective, returns: a value, and a surrogate whose gradient is the estimate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from numbers import Real
from typing import NoReturn

import torch
from torch import Tensor


@dataclass(frozen=True)
class Estimate:
    """What an estimator, or an objective, returns.

    a + b      adds values and surrogates, merges terms (equal names add up) and adds auxiliary losses. b may be a tensor or a number.
    c * a      scales value and surrogate. c is a number, or a detached tensor that broadcasts to [*batch].
    -a, a - b  are -1 * a and a + (-1 * b);  a / c is (1 / c) * a, for a number c.

    A factor leaves terms and auxiliary_loss as they are. A term is the average of a named quantity, which a weight or a sign in the
    objective does not change: the distortion in -a is still the distortion. auxiliary_loss trains the estimator's own parameters, to
    lower the variance or to fit the reward, and is minimised whether the value is maximised or minimised. For a weighted average of
    estimates that share terms use `reduce`, which scales terms too.

    Args:
        value: Monte Carlo estimate of the target, [*batch], detached; in nats if the target is a bound.
        surrogate: [*batch]; its gradient estimates the target's gradient. Its own value has no meaning in general.
        terms: Detached [*batch] tensors by name (distortion, rate, ...), for a training history and for the names in a NaN guard's message.
        auxiliary_loss: Scalar loss of trainable control variates; its gradient reaches only their parameters.
        scored: Whether the surrogate holds a score, reward times log q(z). Its gradient then has the mean of the value's gradient, and
            is not the gradient of the value at each sample, so it is right inside an expectation and biased inside a log-mean-exp,
            which refuses it.
    """

    __array_ufunc__ = None  # so that a NumPy number times an Estimate is an Estimate

    value: Tensor
    surrogate: Tensor
    terms: dict[str, Tensor] = field(default_factory=dict)
    auxiliary_loss: Tensor | float = 0.0
    scored: bool = False

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
            _check_operand(other, "added to")
            other = Estimate.of(torch.as_tensor(other, dtype=self.value.dtype, device=self.value.device))
        terms = dict(self.terms)
        for name, term in other.terms.items():
            terms[name] = terms[name] + term if name in terms else term
        return Estimate(
            self.value + other.value,
            self.surrogate + other.surrogate,
            terms,
            self.auxiliary_loss + other.auxiliary_loss,
            self.scored or other.scored,
        )

    __radd__ = __add__

    def __neg__(self) -> Estimate:
        return self * -1.0

    def __sub__(self, other: Estimate | Tensor | float) -> Estimate:
        if not isinstance(other, Estimate):
            _check_operand(other, "subtracted from")
        return self + -other

    def __rsub__(self, other: Tensor | float) -> Estimate:
        return -self + other

    def __mul__(self, factor: Tensor | float) -> Estimate:
        _check_operand(factor, "multiplied with")
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

    def __truediv__(self, divisor: Tensor | float) -> Estimate:
        _check_operand(divisor, "divided by")
        return self * (1.0 / divisor)

    def __getattr__(self, name: str) -> NoReturn:
        # Called only for names that an Estimate does not have, such as `loss.backward()`.
        if not name.startswith("_") and hasattr(Tensor, name):
            raise AttributeError(
                f"An Estimate has no `{name}`: it is not a tensor. `.value` holds the numbers, detached; to train, minimise "
                "(-estimate.surrogate).mean() + estimate.auxiliary_loss."
            )
        raise AttributeError(
            f"An Estimate has no attribute {name!r}; it has value, surrogate, terms and auxiliary_loss."
        )

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
            self.scored,
        )


def _check_operand(operand: object, verb: str) -> None:
    if isinstance(operand, Tensor) or (isinstance(operand, Real) and not isinstance(operand, bool)):
        return
    if isinstance(operand, Estimate):
        raise ValueError(
            f"An Estimate was {verb} an Estimate: the product of two estimates does not estimate the product. Multiply inside f, "
            "or use the other's detached `.value` if it is a constant factor."
        )
    raise ValueError(f"An Estimate was {verb} a {type(operand).__name__}; expected a number, a tensor or an Estimate.")

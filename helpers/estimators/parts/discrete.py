"""The logits of independent bits and independent one-hot categories, for discrete estimators, and sums over event dimensions."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.distributions import Bernoulli, Distribution, OneHotCategorical

from helpers.distributions import LayeredBits, innermost


@dataclass(frozen=True)
class DiscreteVariables:
    """Independent sites of one kind.

    Args:
        logits: [*batch, *event], in nats, with a gradient. One per bit; for categories one per outcome, on the last dimension.
        binary: True for bits, False for one-hot categories.
    """

    logits: Tensor
    binary: bool

    @property
    def probs(self) -> Tensor:
        """The mean of q, [*batch, *event], with a gradient."""
        return self.logits.sigmoid() if self.binary else self.logits.softmax(-1)


def discrete_variables(q: Distribution, caller: str) -> DiscreteVariables:
    """The independent sites of a distribution of bits or of one-hot categories.

    Args:
        q: Distribution of an estimator's call.
        caller: Name of the estimator, for the message.

    Returns:
        The sites, with logits [*batch, *event].

    Raises:
        ValueError: If q is of another kind. The message names estimators that accept it.
    """
    base = innermost(q)
    if isinstance(base, Bernoulli):
        return DiscreteVariables(base.logits, True)
    if isinstance(base, OneHotCategorical):
        return DiscreteVariables(base.logits, False)
    raise ValueError(
        f"{caller} needs independent bits (Bernoulli) or one-hot categories (OneHotCategorical), and {type(base).__name__} was given. "
        f"{_instead(base)}"
    )


def bernoulli_logits(q: Distribution, caller: str) -> Tensor:
    """The logits of independent bits.

    Args:
        q: Distribution of an estimator's call.
        caller: Name of the estimator, for the message.

    Returns:
        Logits [*batch, *event], in nats, with a gradient.

    Raises:
        ValueError: If q is of another kind. The message names estimators that accept it.
    """
    base = innermost(q)
    if isinstance(base, Bernoulli):
        return base.logits
    also = " LocalEnumeration sums over each category in turn." if isinstance(base, OneHotCategorical) else ""
    raise ValueError(
        f"{caller} needs independent bits (Bernoulli, or Independent of it), and {type(base).__name__} was given. {_instead(base)}{also}"
    )


def sum_over_event(x: Tensor, q: Distribution) -> Tensor:
    """Sum over the event dimensions of q.

    Args:
        x: [..., *event].
        q: Distribution with event_shape [*event].

    Returns:
        [...].
    """
    event_dims = len(q.event_shape)
    return x.sum(tuple(range(-event_dims, 0))) if event_dims else x  # sum(()) sums over all dimensions


def over_event(x: Tensor, q: Distribution) -> Tensor:
    """Append a dimension of size 1 for each event dimension of q, for products with tensors [..., *event].

    Args:
        x: [...].
        q: Distribution with event_shape [*event].

    Returns:
        [..., 1, ..., 1].
    """
    return x.reshape(*x.shape, *[1] * len(q.event_shape))


def _instead(base: Distribution) -> str:
    if base.has_rsample:
        return "Pathwise differentiates through its samples."
    if base.has_enumerate_support and not isinstance(base, LayeredBits):
        return "ScoreFunction and LeaveOneOut take any distribution, and Enumeration sums over its outcomes if they are few."
    return "ScoreFunction and LeaveOneOut take any distribution; layers that depend on each other are nested, one estimator a layer."

"""What discrete estimators ask of q beyond sampling: that it is independent bits or independent one-hot choices, and their logits."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.distributions import Bernoulli, Distribution, OneHotCategorical

from helpers.distributions import LayeredBits, innermost


@dataclass(frozen=True)
class DiscreteVariables:
    """Independent sites of one kind.

    logits: [*batch, *event], nats, with a gradient. One per bit; for categories one per outcome, on the last dimension.
    binary: True for bits, False for one-hot categories.
    """

    logits: Tensor
    binary: bool

    @property
    def probs(self) -> Tensor:
        """The mean of q, [*batch, *event], with a gradient."""
        return self.logits.sigmoid() if self.binary else self.logits.softmax(-1)


def discrete_variables(q: Distribution, caller: str) -> DiscreteVariables:
    """The sites of `q`, bits or one-hot categories; ValueError, naming estimators that would do, where it has none."""
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
    """The logits [*batch, *event] of independent bits; ValueError, naming estimators that would do, where `q` is anything else."""
    base = innermost(q)
    if isinstance(base, Bernoulli):
        return base.logits
    also = " LocalEnumeration sums over each category in turn." if isinstance(base, OneHotCategorical) else ""
    raise ValueError(
        f"{caller} needs independent bits (Bernoulli, or Independent of it), and {type(base).__name__} was given. {_instead(base)}{also}"
    )


def sum_over_event(x: Tensor, q: Distribution) -> Tensor:
    """[..., *event] → [...]."""
    places = len(q.event_shape)
    return x.sum(tuple(range(-places, 0))) if places else x  # sum(()) would sum everything


def over_event(x: Tensor, q: Distribution) -> Tensor:
    """[...] → [..., 1, ..., 1], to be multiplied with something of shape [..., *event]."""
    return x.reshape(*x.shape, *[1] * len(q.event_shape))


def _instead(base: Distribution) -> str:
    if base.has_rsample:
        return "Pathwise differentiates through its samples."
    if base.has_enumerate_support and not isinstance(base, LayeredBits):
        return "ScoreFunction and LeaveOneOut take any distribution, and Enumeration sums over its outcomes where they are few."
    return "ScoreFunction and LeaveOneOut take any distribution; layers that depend on each other are nested, one estimator a layer."

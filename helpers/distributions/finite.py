"""Finite supports: all outcomes of a distribution, and distributions over listed outcomes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, constraints

from helpers.networks.recipes import Shape

MAX_SUPPORT = 2**16


def support(q: Distribution, max_size: int = MAX_SUPPORT) -> Tensor:
    """All outcomes of a distribution, those of `Independent` included: four independent bits have sixteen outcomes.

    (`Independent.enumerate_support` itself raises NotImplementedError if it reinterprets batch dimensions.)

    Args:
        q: Distribution with batch_shape [*batch] and event_shape [*event].
        max_size: Largest number of outcomes that is enumerated.

    Returns:
        The outcomes, [support, *batch, *event].

    Raises:
        ValueError: If the support is not finite, or larger than `max_size`.
    """
    if not isinstance(q, Distribution):
        raise ValueError(
            f"support was given a {type(q).__name__}; expected a distribution, such as prior() of a prior."
        )
    outer: Shape = ()  # event dimensions that Independent declares, outermost first
    base = q
    while isinstance(base, Independent):
        split = len(base.base_dist.batch_shape) - base.reinterpreted_batch_ndims
        outer += tuple(base.base_dist.batch_shape[split:])
        base = base.base_dist
    if not base.has_enumerate_support:
        raise ValueError(
            f"{type(base).__name__} cannot list its outcomes. Enumeration needs a finite support (Bernoulli, Categorical, "
            "OneHotCategorical); for a Gaussian use a Pathwise estimator or importance sampling."
        )
    single = base.enumerate_support(expand=False)  # [outcomes, 1..., *base_event]
    single = single.reshape(single.shape[0], *base.event_shape)
    factors = torch.Size(outer).numel()  # number of independent factors
    size = check_size(single.shape[0], factors, max_size)
    indices = torch.arange(single.shape[0], device=single.device)
    choices = torch.cartesian_prod(*[indices] * factors).reshape(size, factors) if factors else indices.reshape(-1, 1)
    values = single[choices]  # [support, factors, *base_event]
    values = values.reshape(-1, *[1] * len(q.batch_shape), *q.event_shape)
    return values.expand(-1, *q.batch_shape, *q.event_shape)


def check_size(outcomes: int, factors: int, max_size: int = MAX_SUPPORT) -> int:
    """Check that a product of finite supports can be enumerated.

    Args:
        outcomes: Number of outcomes of each factor.
        factors: Number of factors.
        max_size: Largest size that is enumerated.

    Returns:
        The size of the product, outcomes^factors.

    Raises:
        ValueError: If that is more than `max_size`.
    """
    if outcomes**factors > max_size:
        raise ValueError(
            f"The support has {outcomes}^{factors} outcomes, more than the {max_size:,} that can be enumerated here. "
            "Estimate by sampling instead."
        )
    return outcomes**factors


class Finite(Distribution):
    """A distribution over a listed set of outcomes: p(values_k) proportional to exp(logits_k).

    Args:
        values: Outcomes [support, *event], all different.
        logits: [*batch, support], nats, not necessarily normalised.

    Raises:
        ValueError: If the sizes of the two supports differ.
    """

    arg_constraints = {"logits": constraints.real_vector}
    has_enumerate_support = True

    def __init__(self, values: Tensor, logits: Tensor) -> None:
        if logits.shape[-1] != values.shape[0]:
            raise ValueError(f"{values.shape[0]} outcomes were listed and {logits.shape[-1]} logits given.")
        self.values = values
        self.logits = logits.log_softmax(-1)
        super().__init__(logits.shape[:-1], values.shape[1:], validate_args=False)

    @property
    def probs(self) -> Tensor:
        """Probabilities of the outcomes, [*batch, support]."""
        return self.logits.exp()

    @property
    def mean(self) -> Tensor:
        """Expected outcome, [*batch, *event]."""
        return torch.tensordot(self.probs, self.values, dims=1)

    def expand(self, batch_shape: Sequence[int], _instance: Distribution | None = None) -> Finite:
        return Finite(self.values, self.logits.expand(*batch_shape, -1))

    def sample(self, sample_shape: Sequence[int] = torch.Size()) -> Tensor:
        return self.values[torch.distributions.Categorical(logits=self.logits).sample(torch.Size(sample_shape))]

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-probability of outcomes.

        Args:
            value: Outcomes, [..., *batch, *event].

        Returns:
            [..., *batch], nats; minus infinity for values that are not listed.
        """
        leading = value.shape[: value.dim() - len(self.event_shape)]
        batch_shape = torch.broadcast_shapes(leading, self.batch_shape)
        flat = value.reshape(*leading, 1, self.event_shape.numel())
        listed = self.values.reshape(-1, self.event_shape.numel())
        match = (flat == listed).all(-1).expand(*batch_shape, -1)  # [..., *batch, support]
        place = match.to(torch.uint8).argmax(-1, keepdim=True)
        listed_log_prob = self.logits.expand(match.shape).gather(-1, place).squeeze(-1)
        return torch.where(match.any(-1), listed_log_prob, -torch.inf)

    def entropy(self) -> Tensor:
        return -(self.probs * self.logits.clamp_min(torch.finfo(self.logits.dtype).min)).sum(-1)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        values = self.values.reshape(-1, *[1] * len(self.batch_shape), *self.event_shape)
        return values.expand(-1, *self.batch_shape, *self.event_shape) if expand else values

"""Finite supports: listing every outcome of a distribution, and distributions given by such a list."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, constraints

MAX_SUPPORT = 2**16


def support(q: Distribution, max_size: int = MAX_SUPPORT) -> Tensor:
    """Every outcome of `q`: [support, *batch, *event].

    Works through `Independent`, whose own `enumerate_support` refuses: four bits are sixteen outcomes.
    Raises ValueError where the support is not finite, or larger than `max_size`.
    """
    outer: tuple[int, ...] = ()  # event dimensions that Independent declares, outermost first
    base = q
    while isinstance(base, Independent):
        split = len(base.base_dist.batch_shape) - base.reinterpreted_batch_ndims
        outer += tuple(base.base_dist.batch_shape[split:])
        base = base.base_dist
    if not base.has_enumerate_support:
        raise ValueError(
            f"{type(base).__name__} cannot list its outcomes, so nothing can be enumerated. Enumeration needs a finite support "
            "(Bernoulli, Categorical, OneHotCategorical); a Gaussian wants a Pathwise estimator or importance sampling."
        )
    single = base.enumerate_support(expand=False)  # [outcomes, 1..., *base_event]
    single = single.reshape(single.shape[0], *base.event_shape)
    places = torch.Size(outer).numel()
    size = check_size(single.shape[0], places, max_size)
    digits = torch.arange(single.shape[0], device=single.device)
    choices = torch.cartesian_prod(*[digits] * places).reshape(size, places) if places else digits.reshape(-1, 1)
    values = single[choices]  # [support, places, *base_event]
    values = values.reshape(-1, *[1] * len(q.batch_shape), *q.event_shape)
    return values.expand(-1, *q.batch_shape, *q.event_shape)


def check_size(outcomes: int, places: int, max_size: int = MAX_SUPPORT) -> int:
    """outcomes^places; ValueError where that is more than `max_size`."""
    if outcomes**places > max_size:
        raise ValueError(
            f"The support has {outcomes}^{places} outcomes, more than the {max_size:,} that can be enumerated here. "
            "Estimate by sampling instead."
        )
    return outcomes**places


class Finite(Distribution):
    """A distribution over a listed set of outcomes: p(values_k) proportional to exp(logits_k).

    values: [support, *event], all different.
    logits: [*batch, support], nats, need not be normalised.
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
        """[*batch, support]."""
        return self.logits.exp()

    @property
    def mean(self) -> Tensor:
        """[*batch, *event]."""
        return torch.tensordot(self.probs, self.values, dims=1)

    def expand(self, batch_shape: torch.Size, _instance: Distribution | None = None) -> Finite:
        return Finite(self.values, self.logits.expand(*batch_shape, -1))

    def sample(self, sample_shape: torch.Size = torch.Size()) -> Tensor:
        return self.values[torch.distributions.Categorical(logits=self.logits).sample(sample_shape)]

    def log_prob(self, value: Tensor) -> Tensor:
        """value: [..., *batch, *event] → [..., *batch]; minus infinity for what is not listed."""
        places = len(self.event_shape)
        batch_shape = torch.broadcast_shapes(value.shape[: value.dim() - places], self.batch_shape)
        flat = value.reshape(*value.shape[: value.dim() - places], 1, self.event_shape.numel())
        listed = self.values.reshape(-1, self.event_shape.numel())
        match = (flat == listed).all(-1).expand(*batch_shape, -1)  # [..., *batch, support]
        return torch.where(match, self.logits, -torch.inf).logsumexp(-1)

    def entropy(self) -> Tensor:
        return -(self.probs * self.logits.clamp_min(torch.finfo(self.logits.dtype).min)).sum(-1)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        values = self.values.reshape(-1, *[1] * len(self.batch_shape), *self.event_shape)
        return values.expand(-1, *self.batch_shape, *self.event_shape) if expand else values

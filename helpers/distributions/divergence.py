"""KL(q || p) in closed form, computed from logits and scales, so that it is finite wherever the exact value is."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Distribution, Independent, Normal, OneHotCategorical, kl_divergence
from torch.nn.functional import softplus


def closed_form_kl(q: Distribution, p: Distribution) -> Tensor:
    """KL(q || p) = E_q[log q(z) - log p(z)] in nats.

    torch's own forms for bits and categories use probabilities: in float32 a logit of 17 rounds to probability 1, and the KL to it is
    infinite although its exact value is 8 nats. Here both are computed from logits, and Gaussians from the ratio of their scales, which
    is squared only where a small square does not matter. Other pairs are torch's.

    Args:
        q: Distribution with batch_shape [*batch].
        p: Distribution with the same batch_shape and event_shape.

    Returns:
        The KL, [*batch]. It is infinite if q has mass where p has none.

    Raises:
        NotImplementedError: If there is no closed form for this pair.
    """
    if isinstance(q, Independent) and isinstance(p, Independent):
        if q.event_shape != p.event_shape:
            raise NotImplementedError(f"q has the event shape {tuple(q.event_shape)} and p {tuple(p.event_shape)}")
        if q.reinterpreted_batch_ndims == p.reinterpreted_batch_ndims:
            each = closed_form_kl(q.base_dist, p.base_dist)
            dims = q.reinterpreted_batch_ndims
            return each.sum(tuple(range(-dims, 0))) if dims else each
    elif isinstance(q, Independent) and q.reinterpreted_batch_ndims == 0:
        return closed_form_kl(q.base_dist, p)
    elif isinstance(p, Independent) and p.reinterpreted_batch_ndims == 0:
        return closed_form_kl(q, p.base_dist)
    if type(q) is Normal and type(p) is Normal:
        return _gaussians(q, p)
    # subclasses too, such as a straight-through category
    if isinstance(q, Bernoulli) and isinstance(p, Bernoulli):
        return _bits(q.logits, p.logits)
    if isinstance(q, OneHotCategorical) and isinstance(p, OneHotCategorical):
        return _categories(q.logits, p.logits)
    return kl_divergence(q, p)


def _gaussians(q: Normal, p: Normal) -> Tensor:
    ratio = q.scale / p.scale
    distance = ((q.loc - p.loc) / p.scale).square()
    return 0.5 * (ratio.square() + distance - 1) - ratio.log()


def _bits(q: Tensor, p: Tensor) -> Tensor:
    """sum over b of q(b) (log q(b) - log p(b)), log q(1) = -softplus(-l) and log q(0) = -softplus(l)."""
    one, zero = q.sigmoid(), (-q).sigmoid()
    # an outcome that q never has counts 0, even if its logarithm is infinite
    of_one = one * torch.where(one > 0, softplus(-p) - softplus(-q), 0.0)
    of_zero = zero * torch.where(zero > 0, softplus(p) - softplus(q), 0.0)
    return of_one + of_zero


def _categories(q: Tensor, p: Tensor) -> Tensor:
    """From normalised logits [..., categories]."""
    probs = q.exp()
    possible = probs > 0
    return (probs * (torch.where(possible, q, 0.0) - torch.where(possible, p, 0.0))).sum(-1)

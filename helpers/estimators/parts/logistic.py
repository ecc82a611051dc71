"""Logistic noise behind bits: z = phi + logit(u), b = 1[z > 0], and z given b."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import softplus


def inside(u: Tensor) -> Tensor:
    """Uniform noise on [0, 1), moved off the ends, at which its logit is infinite.

    Args:
        u: Uniform noise, any shape.

    Returns:
        u clamped to the open interval (0, 1).
    """
    return u.clamp(torch.finfo(u.dtype).tiny, 1 - torch.finfo(u.dtype).eps)


def logistic_given_bit(logits: Tensor, b: Tensor, v: Tensor) -> Tensor:
    """z | b with noise v ~ Uniform(0, 1), differentiable in the logits at fixed b and v.

    z | b = 1:  log(1 + v exp(phi)) - log(1 - v)         above 0
    z | b = 0:  log v - log(1 + (1 - v) exp(-phi))       below 0

    Over b ~ Bernoulli(sigmoid(phi)) and v, z - phi is standard logistic. (phi + logit of v rescaled into b's part of the unit interval,
    simplified so that nothing cancels at large logits.)

    Args:
        logits: Logits phi of the bits, in nats, any shape.
        b: Bits, same shape.
        v: Uniform noise on [0, 1), same shape.

    Returns:
        z, same shape.
    """
    v = inside(v)
    log_v, log_rest = v.log(), (-v).log1p()
    above = softplus(logits + log_v) - log_rest
    below = log_v - softplus(log_rest - logits)
    return torch.where(b > 0.5, above, below)

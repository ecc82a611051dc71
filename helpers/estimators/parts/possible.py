"""Outcomes of probability 0, at which f may be infinite, kept away from f."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Distribution

from helpers.estimators.parts.discrete import over_event


def possible_outcomes(z: Tensor, weight: Tensor, q: Distribution) -> Tensor:
    """Outcomes with each one of probability 0 replaced by the most probable one.

    Multiplying f by a weight of 0 afterwards is not enough: 0 times an infinite value is NaN, and so is the gradient that flows back
    through the function that made it infinite.

    Args:
        z: Outcomes [outcomes, *batch, *event].
        weight: Their probabilities [outcomes, *batch], detached; NaN stays where it is.
        q: Distribution with batch_shape [*batch]; only its shape is used.

    Returns:
        Outcomes of the same shape.
    """
    best = over_event(weight.argmax(0, keepdim=True), q).expand(1, *z.shape[1:])
    return torch.where(over_event(weight == 0, q), z.gather(0, best), z)

"""The laboratory's target in torch, for the real estimators."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Independent

from helpers.experiments.binary_target import LOGITS, WEIGHT


def problem(bits: int, sharpness: float, offset: float) -> tuple[Callable[[Tensor], Tensor], Independent, Tensor]:
    """f, q, and the logits of q, which require gradients."""
    logits = torch.tensor(LOGITS[:bits], requires_grad=True)
    weight = torch.tensor(WEIGHT[:bits])

    def f(z: Tensor) -> Tensor:
        return offset + (sharpness * ((z - 0.5) @ weight)).tanh()

    return f, Independent(Bernoulli(logits=logits, validate_args=False), 1), logits

"""The continuous Bernoulli with a normaliser that keeps its digits near 1/2."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.distributions import ContinuousBernoulli, constraints


def log_normaliser(logits: Tensor) -> Tensor:
    """log C(l) of the density C(l) sigmoid(l)^x sigmoid(-l)^(1-x) on [0, 1]: log(l / tanh(l / 2)), log 2 at l = 0.

    logits: any shape → same shape. Near 0 by series, because l / tanh(l / 2) loses its gradient's digits there.
    """
    half = logits / 2
    small = half.abs() < 0.2
    square = torch.where(small, half, 0.0).square()
    series = torch.zeros_like(square)
    for coefficient in reversed(_SERIES):
        series = square * (coefficient + series)
    away = torch.where(small, 1.0, half).abs()
    # log(y / tanh y), with tanh y = (1 - e^-2y) / (1 + e^-2y)
    direct = away.log() + torch.log1p(torch.exp(-2 * away)) - torch.log(-torch.expm1(-2 * away))
    return math.log(2) + torch.where(small, series, direct)


# log(y coth y) = sum_n 2^2n (2^2n - 2) B_2n / (2n (2n)!) y^2n: y², y⁴, ..., enough for 1e-12 in value and gradient below 0.2.
_SERIES = (1 / 3, -7 / 90, 62 / 2835, -127 / 18900, 146 / 66825, -1414477 / 1915538625, 32764 / 127702575)


class StableContinuousBernoulli(ContinuousBernoulli):
    """`torch.distributions.ContinuousBernoulli` with the normaliser computed from the logits, by `log_normaliser`.

    torch's own works on probabilities and loses digits near 1/2 in float32.
    """

    # `expand` of the base class makes plain instances of `type(self)`, so nothing else needs overriding.
    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}

    def _cont_bern_log_norm(self) -> Tensor:
        return log_normaliser(self.logits)

"""The continuous Bernoulli computed from its logits: accurate for probabilities near 1/2, and near 0 and 1."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.distributions import ContinuousBernoulli, constraints, register_kl
from torch.distributions.utils import broadcast_all
from torch.nn.functional import softplus


def log_normaliser(logits: Tensor) -> Tensor:
    """log C(l) of the density C(l) sigmoid(l)^x sigmoid(-l)^(1-x) on [0, 1]: log(l / tanh(l / 2)), log 2 at l = 0.

    Near l = 0 a series replaces the formula, whose gradient loses digits there.

    Args:
        logits: l, of any shape.

    Returns:
        log C(l), of the same shape.
    """
    half, small, away = _split(logits / 2, 0.2)
    # log(y / tanh y), with tanh y = (1 - e^-2y) / (1 + e^-2y)
    direct = away.log() + torch.log1p(torch.exp(-2 * away)) - torch.log(-torch.expm1(-2 * away))
    return math.log(2) + torch.where(small, half.square() * _series(_LOG_COTH, half.square()), direct)


class StableContinuousBernoulli(ContinuousBernoulli):
    """`torch.distributions.ContinuousBernoulli` with everything computed from the logits l: density e^(l x) l / (e^l - 1) on [0, 1].

    PyTorch's class computes from probabilities: near 1/2 it loses digits in float32, and beyond |l| = 16, where a probability rounds
    to 0 or 1, it is constant in l. Pixels that are exactly 0 drive logits that far.

    The constructor is that of the base class: `probs` or `logits`, of any batch shape.
    """

    # `expand` of the base class returns instances of `type(self)`, so this class inherits it.
    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}

    def _cont_bern_log_norm(self) -> Tensor:
        return log_normaliser(self.logits)

    @property
    def mean(self) -> Tensor:
        """1 / (1 - e^-l) - 1 / l = 1/2 + (coth y - 1 / y) / 2 with y = l / 2."""
        half, small, away = _split(self.logits / 2, 0.2)
        direct = self.logits.sign() * (1 / away.tanh() - 1 / away)
        return 0.5 + torch.where(small, half * _series(_LANGEVIN, half.square()), direct) / 2

    @property
    def variance(self) -> Tensor:
        """(1 / y² - 1 / sinh² y) / 4 with y = l / 2."""
        half, small, away = _split(self.logits / 2, 0.2)
        direct = 1 / away.square() - 4 * torch.exp(-2 * away) / torch.expm1(-2 * away).square()
        slopes = tuple((2 * n + 1) * coefficient for n, coefficient in enumerate(_LANGEVIN))
        return torch.where(small, _series(slopes, half.square()), direct) / 4

    def cdf(self, value: Tensor) -> Tensor:
        """P(X <= x) = (e^(l x) - 1) / (e^l - 1).

        Args:
            value: x in [0, 1]; broadcasts with the logits.

        Returns:
            The probability, of the broadcast shape.
        """
        logits, value = broadcast_all(self.logits, value)
        _, small, away = _split(logits, 1e-6)
        up = logits > 0  # mirrored: exponents stay negative
        mirrored = torch.expm1(-away * torch.where(up, 1 - value, value)) / torch.expm1(-away)
        return torch.where(small, value + logits / 2 * value * (value - 1), torch.where(up, 1 - mirrored, mirrored))

    def icdf(self, value: Tensor) -> Tensor:
        """The quantile log(1 + u (e^l - 1)) / l. `rsample` uses it, and it is differentiable in l.

        Near l = 0 its Taylor series replaces it, whose coefficients are the cumulants of a Bernoulli of probability u.

        Args:
            value: u in [0, 1]; broadcasts with the logits.

        Returns:
            x with P(X <= x) = u, of the broadcast shape.
        """
        logits, u = broadcast_all(self.logits, value)
        logit, small, away = _split(logits, 0.05)
        up = logits > 0  # mirrored: exponents stay negative
        below, above = torch.where(up, 1 - u, u), torch.where(up, u, 1 - u)
        log_mixed = torch.logaddexp(above.log(), below.log() - away)  # log(above + below e^-away)
        near_zero = torch.log1p(below.clamp_max(0.5) * torch.expm1(-away))
        mirrored = -torch.where(below < 0.5, near_zero, log_mixed) / away
        v, skew = u * (1 - u), 1 - 2 * u
        even = v / 2, v * (1 - 6 * v) / 24, v * (1 - 30 * v * (1 - 4 * v)) / 720
        odd = u, v * skew / 6, v * skew * (1 - 12 * v) / 120, v * skew * (1 - 60 * v * (1 - 6 * v)) / 5040
        cumulants = (odd[0], even[0], odd[1], even[1], odd[2], even[2], odd[3])
        return torch.where(small, _series(cumulants, logit), torch.where(up, 1 - mirrored, mirrored))

    def entropy(self) -> Tensor:
        """Differential entropy in nats: 0 for the uniform (l = 0), otherwise negative."""
        mirrored = StableContinuousBernoulli(logits=-self.logits.abs(), validate_args=False)  # as in `_kl`
        return _log_mass(mirrored.logits) - mirrored.mean * mirrored.logits


@register_kl(StableContinuousBernoulli, StableContinuousBernoulli)
def _kl(p: StableContinuousBernoulli, q: StableContinuousBernoulli) -> Tensor:
    """E_p[x] (l_p - l_q) + A(l_q) - A(l_p), with A(l) = softplus(l) - log C(l), the log of the integral of e^(l x).

    If l_p > 0, both densities are mirrored, x to 1 - x, which changes the sign of the logits: A(l) grows like l for positive l, and terms
    of that size would cancel.
    """
    sign = torch.where(p.logits > 0, -1.0, 1.0)
    ours, theirs = p.logits * sign, q.logits * sign
    mean = StableContinuousBernoulli(logits=ours, validate_args=False).mean
    return mean * (ours - theirs) + _log_mass(theirs) - _log_mass(ours)


def _log_mass(logits: Tensor) -> Tensor:
    return softplus(logits) - log_normaliser(logits)


def _split(x: Tensor, threshold: float) -> tuple[Tensor, Tensor, Tensor]:
    """Arguments of two branches, for |x| below the threshold and above, such that both have finite gradients everywhere.

    Returns x if small, else 0; whether x is small; and 1 if small, else |x|.
    """
    small = x.abs() < threshold
    return torch.where(small, x, 0.0), small, torch.where(small, 1.0, x).abs()


def _series(coefficients: tuple[float | Tensor, ...], x: Tensor) -> Tensor:
    """c_0 + c_1 x + c_2 x² + ..."""
    total = torch.zeros_like(x)
    for coefficient in reversed(coefficients):
        total = coefficient + x * total
    return total


# log(y coth y) = sum_n 2^2n (2^2n - 2) B_2n / (2n (2n)!) y^2n: y², y⁴, ...; accurate to 1e-12 in value and gradient for |y| < 0.2.
_LOG_COTH = (1 / 3, -7 / 90, 62 / 2835, -127 / 18900, 146 / 66825, -1414477 / 1915538625, 32764 / 127702575)
# coth y - 1 / y = sum_n 2^2n B_2n / (2n)! y^(2n - 1): y, y³, ..., likewise.
_LANGEVIN = (1 / 3, -1 / 45, 2 / 945, -1 / 4725, 2 / 93555, -1382 / 638512875, 4 / 18243225)

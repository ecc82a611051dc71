"""The target of the variance laboratory: E_q[f] for one to four independent bits, small enough to sum over all outcomes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

LOGITS = np.array([0.5, -1.2, 0.8, -0.3])  # a target of B bits uses the first B
WEIGHT = np.array([1.0, -0.7, 0.9, 1.2])
MOST_BITS = len(LOGITS)


@dataclass(frozen=True)
class BinaryTarget:
    """E_q[f(z)] for bits z, with its gradient with respect to the logits of q.

    q(z) = prod_i Bernoulli(z_i; sigmoid(logit_i)),  f(z) = offset + tanh(sharpness * weight · (z - 1/2)).

    Args:
        bits: Number of bits, 1 to `MOST_BITS`.
        sharpness: Above 0. f is nearly linear if it is small, and close to a step if it is large.
        offset: Constant part of f.

    Raises:
        ValueError: If the number of bits is outside 1 to `MOST_BITS`, or the sharpness is not positive.
    """

    bits: int
    sharpness: float
    offset: float

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= MOST_BITS or not self.sharpness > 0:
            raise ValueError(
                f"bits={self.bits}, sharpness={self.sharpness}: expected 1 to {MOST_BITS} bits and a sharpness above 0."
            )

    @cached_property
    def p(self) -> np.ndarray:
        """Probability that a bit is 1: [bits]."""
        return sigmoid(LOGITS[: self.bits])

    @cached_property
    def z(self) -> np.ndarray:
        """All outcomes, [2^bits, bits]: outcome k is k in binary, the first bit the lowest."""
        return (np.arange(2**self.bits)[:, None] >> np.arange(self.bits) & 1).astype(float)

    @cached_property
    def q(self) -> np.ndarray:
        """Probability of each outcome: [2^bits]."""
        return np.where(self.z == 1, self.p, 1 - self.p).prod(1)

    @cached_property
    def score(self) -> np.ndarray:
        """Gradient of log q with respect to the logits, at each outcome: [2^bits, bits]."""
        return self.z - self.p

    @cached_property
    def f(self) -> np.ndarray:
        """f at each outcome: [2^bits]."""
        return self.offset + np.tanh(self.sharpness * self.height(self.z))

    @cached_property
    def exact(self) -> np.ndarray:
        """The gradient of E_q[f] with respect to the logits: [bits]."""
        return self.q @ (self.f[:, None] * self.score)

    def height(self, z: np.ndarray) -> np.ndarray:
        """The argument of tanh before it is multiplied by the sharpness: weight · (z - 1/2).

        Args:
            z: Bits, or relaxed bits in [0, 1]: [..., bits].

        Returns:
            [...].
        """
        return (z - 0.5) @ WEIGHT[: self.bits]

    def slope(self, z: np.ndarray) -> np.ndarray:
        """Gradient of f with respect to z.

        Args:
            z: Bits, or relaxed bits in [0, 1]: [..., bits].

        Returns:
            [..., bits].
        """
        return self.sharpness / np.cosh(self.sharpness * self.height(z))[..., None] ** 2 * WEIGHT[: self.bits]

    def over_outcomes(self, gradient: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance under q of a gradient estimate that depends on z alone.

        Args:
            gradient: The estimate at each outcome, [2^bits, bits].

        Returns:
            Mean and variance, [bits] each.
        """
        mean = self.q @ gradient
        return mean, self.q @ (gradient - mean) ** 2


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)), without overflow.

    Args:
        x: Logits, of any shape.

    Returns:
        Probabilities, in the shape of `x`.
    """
    return 0.5 * (1 + np.tanh(0.5 * x))

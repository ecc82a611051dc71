"""The variance laboratory of lesson 04: exact mean and variance of gradient estimators, for one to four bits.

The gradient is that of E_q[f] with respect to the logits of q; `binary_target` defines q and f. The estimators below have discrete noise
only, so all outcomes are summed. Gumbel-softmax and REBAR have continuous noise too; `relaxed_moments` integrates it by quadrature.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch.distributions import Bernoulli, Independent

from helpers.estimators import (
    Arm,
    DisArm,
    Enumeration,
    GradientEstimator,
    GumbelSoftmax,
    LeaveOneOut,
    LocalEnumeration,
    MuProp,
    Rebar,
    ReinMax,
    ScoreFunction,
    StraightThrough,
)
from helpers.estimators.catalogue import affordable_num_samples
from helpers.experiments.binary_target import BinaryTarget
from helpers.experiments.relaxed_moments import TEMPERATURE, gumbel_softmax_moments, rebar_moments

MomentsOf = Callable[[BinaryTarget, int], tuple[np.ndarray, np.ndarray]]  # target, evaluations → mean, variance


@dataclass(frozen=True)
class GradientStatistics:
    """Exact moments of one estimate of the gradient with respect to the logits.

    Args:
        exact: The exact gradient, [bits].
        mean: Mean of the estimate, [bits].
        variance: Variance of the estimate, [bits].
        evaluations: Number of evaluations of f that the estimate uses.
    """

    exact: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    evaluations: int

    @property
    def noise(self) -> float:
        """Standard deviation of the whole estimate, sqrt(sum of variances), divided by the exact gradient's length."""
        return math.sqrt(self.variance.sum()) / float(np.linalg.norm(self.exact))

    @property
    def bias(self) -> float:
        """Length of the bias, divided by the exact gradient's length."""
        return float(np.linalg.norm(self.mean - self.exact) / np.linalg.norm(self.exact))


@dataclass(frozen=True)
class Laboratory(BinaryTarget):
    """A `BinaryTarget`, and the exact moments of every estimator of its gradient.

    Args:
        bits: Number of bits, 1 to `MOST_BITS`.
        sharpness: Sharpness of f, above 0.
        offset: Constant part of f.

    Raises:
        ValueError: If the number of bits is outside 1 to `MOST_BITS`, or the sharpness is not positive.
    """

    def moments(self, estimator: str, samples: int) -> GradientStatistics | None:
        """Exact moments of one estimate with a budget of evaluations of f.

        The estimate uses as much of the budget as it can: ARM takes evaluations in pairs, REBAR in threes, local enumeration
        1 + bits at a time.

        Args:
            estimator: One of `NAMES`.
            samples: Most evaluations of f.

        Returns:
            The moments; None if the budget is too small for the estimator.

        Raises:
            KeyError: If the estimator is unknown.
        """
        rule = ESTIMATORS[estimator]
        used = rule.evaluations(samples, self.bits)
        if used is None:
            return None
        mean, variance = rule.moments(self, used)
        return GradientStatistics(self.exact, mean, variance, used)


def _score_function(target: BinaryTarget, evaluations: int) -> tuple[np.ndarray, np.ndarray]:
    mean, variance = target.over_outcomes(target.f[:, None] * target.score)
    return mean, variance / evaluations


def _leave_one_out(target: BinaryTarget, evaluations: int) -> tuple[np.ndarray, np.ndarray]:
    """The estimate is the sample covariance of f and the score, whose variance has a closed form.

    With a = f - E f, and c the score:  E[a²c²]/S - (S-2)/(S(S-1)) E[ac]² + E[a²] E[c²]/(S(S-1)).
    """
    deviation = (target.f - target.q @ target.f)[:, None]
    pairs = evaluations * (evaluations - 1)
    fourth = target.q @ (deviation * target.score) ** 2
    product = (target.q @ deviation**2) * (target.q @ target.score**2)
    return target.exact, fourth / evaluations - (evaluations - 2) / pairs * target.exact**2 + product / pairs


def _antithetic(second_moment: Callable[[np.ndarray], np.ndarray]) -> MomentsOf:
    """ARM and DisARM. The uniform draw u of a bit lies in one of three intervals, which decide the pair (b, b'): (0, 1), equal, (1, 0).

    second_moment: low [bits] → E[t²] in the outer intervals and in the middle one, [2, bits], where t is the factor of (f(b) - f(b')).
    """

    def moments(target: BinaryTarget, evaluations: int) -> tuple[np.ndarray, np.ndarray]:
        low = np.minimum(target.p, 1 - target.p)  # length of the outer intervals
        place = np.arange(3**target.bits)[:, None] // 3 ** np.arange(target.bits) % 3 - 1  # [3^bits, bits]: -1, 0, 1
        probability = np.where(place == 0, 1 - 2 * low, low).prod(1)
        b = np.where(place == 0, target.p > 0.5, place == 1)
        other = np.where(place == 0, target.p > 0.5, place == -1)
        f, f_other = (target.f[bits @ 2 ** np.arange(target.bits)] for bits in (b, other))
        difference = (f - f_other)[:, None]
        mean = probability @ (difference * place * (1 - low) / 2)
        outer, middle = second_moment(low)
        square = probability @ (difference**2 * np.where(place == 0, middle, outer))
        return mean, (square - mean**2) / (evaluations / 2)

    return moments


def _arm_factor(low: np.ndarray) -> np.ndarray:
    """E[(u - 1/2)²] for u in [0, low], and for u in [low, 1 - low]."""
    half = 0.5 - low
    return np.stack([(0.125 - half**3) / (3 * low), half**2 / 3])


def _disarm_factor(low: np.ndarray) -> np.ndarray:
    """The same for u - 1/2 averaged over each interval: its absolute value is (1 - low) / 2 in the outer ones, 0 in the middle."""
    return np.stack([((1 - low) / 2) ** 2, np.zeros_like(low)])


def _muprop(target: BinaryTarget, evaluations: int) -> tuple[np.ndarray, np.ndarray]:
    slope = target.slope(target.p)
    at_mean = np.tanh(target.sharpness * target.height(target.p))
    reward = target.f - target.offset - at_mean - target.score @ slope
    mean, variance = target.over_outcomes(reward[:, None] * target.score)
    return mean + slope * target.p * (1 - target.p), variance / (evaluations - 1)  # one evaluation is that at the mean


def _local_enumeration(target: BinaryTarget, evaluations: int) -> tuple[np.ndarray, np.ndarray]:
    index = np.arange(2**target.bits)[:, None]
    one, zero = index | 1 << np.arange(target.bits), index & ~(1 << np.arange(target.bits))  # [2^bits, bits]
    mean, variance = target.over_outcomes(target.p * (1 - target.p) * (target.f[one] - target.f[zero]))
    return mean, variance / (evaluations / (1 + target.bits))


def _enumeration(target: BinaryTarget, evaluations: int) -> tuple[np.ndarray, np.ndarray]:
    return target.exact, np.zeros(target.bits)


def _straight_through(target: BinaryTarget, evaluations: int) -> tuple[np.ndarray, np.ndarray]:
    mean, variance = target.over_outcomes(target.slope(target.z) * target.p * (1 - target.p))
    return mean, variance / evaluations


def _reinmax(target: BinaryTarget, evaluations: int) -> tuple[np.ndarray, np.ndarray]:
    middle = (target.p + target.z) / 2
    route = 2 * middle * (1 - middle) - target.p * (1 - target.p) / 2
    mean, variance = target.over_outcomes(target.slope(target.z) * route)
    return mean, variance / evaluations


def _gumbel_softmax(target: BinaryTarget, evaluations: int) -> tuple[np.ndarray, np.ndarray]:
    mean, variance = gumbel_softmax_moments(target.bits, target.sharpness)
    return mean, variance / evaluations


def _rebar(target: BinaryTarget, evaluations: int) -> tuple[np.ndarray, np.ndarray]:
    mean, variance = rebar_moments(target.bits, target.sharpness)
    return mean, variance / (evaluations / 3)


@dataclass(frozen=True)
class Rule:
    """How the moments of one estimator are computed. Its name, its bias and the evaluations that it can use are its own.

    Args:
        build: Makes the estimator.
        moments: (target, evaluations) → mean and variance of one estimate, [bits] each.
    """

    build: Callable[[], GradientEstimator]
    moments: MomentsOf

    @property
    def biased(self) -> bool:
        """Whether the estimator is biased."""
        return not self.build().unbiased

    def evaluations(self, budget: int, bits: int) -> int | None:
        """The number of evaluations of f that the estimator uses.

        Args:
            budget: Largest number of evaluations.
            bits: Of the target.

        Returns:
            At most `budget`; None if the budget is too small for the estimator.
        """
        return _evaluations(self.build, budget, bits)


@cache
def _evaluations(build: Callable[[], GradientEstimator], budget: int, bits: int) -> int | None:
    return affordable_num_samples(build(), Independent(Bernoulli(logits=torch.zeros(bits)), 1), budget)


_RULES = (
    Rule(ScoreFunction, _score_function),
    Rule(LeaveOneOut, _leave_one_out),
    Rule(Arm, _antithetic(_arm_factor)),
    Rule(DisArm, _antithetic(_disarm_factor)),
    Rule(MuProp, _muprop),
    Rule(lambda: Rebar(TEMPERATURE, 1.0), _rebar),
    Rule(LocalEnumeration, _local_enumeration),
    Rule(Enumeration, _enumeration),
    Rule(StraightThrough, _straight_through),
    Rule(ReinMax, _reinmax),
    Rule(lambda: GumbelSoftmax(TEMPERATURE), _gumbel_softmax),
)
ESTIMATORS: dict[str, Rule] = {rule.build().label: rule for rule in _RULES}
NAMES: Sequence[str] = tuple(ESTIMATORS)

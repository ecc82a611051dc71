"""What the variance laboratory of lesson 04 measures: exact mean and variance of gradient estimators, for one to four bits.

q: independent bits, 1 with probability sigmoid(logit). f(z) = offset + tanh(sharpness * weight · (z - 1/2)). The gradient is that of
E_q[f] on the logits. Where an estimator has bits alone for noise, all their outcomes are summed; where its noise is continuous too, that is
integrated, by quadrature.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from helpers.estimators import for_logistic_noise

LOGITS = np.array([0.5, -1.2, 0.8, -0.3])  # of the bits: the first so many of them
WEIGHT = np.array([1.0, -0.7, 0.9, 1.2])
MOST_BITS = len(LOGITS)
TEMPERATURE = 0.5  # of Gumbel-softmax and of REBAR, whose eta is 1
# bits → quadrature nodes for each bit's noise; REBAR's, whose integrand jumps, on either side of the jump.
RELAXED_NODES = {1: 96, 2: 96, 3: 48, 4: 26}
REBAR_NODES = {1: 48, 2: 32, 3: 20, 4: 12}


@dataclass(frozen=True)
class GradientStatistics:
    """Of an estimate of the gradient on the logits: exact, mean and variance [bits]. evaluations: of f, that it was given."""

    exact: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    evaluations: int

    @property
    def noise(self) -> float:
        """Standard deviation of the whole estimate, as a multiple of the exact gradient's length."""
        return math.sqrt(self.variance.sum()) / float(np.linalg.norm(self.exact))

    @property
    def bias(self) -> float:
        """Length of the bias, as a multiple of the exact gradient's."""
        return float(np.linalg.norm(self.mean - self.exact) / np.linalg.norm(self.exact))


@dataclass(frozen=True)
class Laboratory:
    """f and q of so many bits. z: all outcomes [2^bits, bits]; q: their probabilities; f [2^bits]; slope: f' at them [2^bits, bits]."""

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
        return _sigmoid(LOGITS[: self.bits])

    @cached_property
    def z(self) -> np.ndarray:
        return (np.arange(2**self.bits)[:, None] >> np.arange(self.bits) & 1).astype(float)

    @cached_property
    def q(self) -> np.ndarray:
        return np.where(self.z == 1, self.p, 1 - self.p).prod(1)

    @cached_property
    def score(self) -> np.ndarray:
        """Gradient of log q on the logits: [2^bits, bits]."""
        return self.z - self.p

    @cached_property
    def f(self) -> np.ndarray:
        return self.offset + np.tanh(self.sharpness * self.height(self.z))

    @cached_property
    def exact(self) -> np.ndarray:
        """The gradient of E_q[f]: [bits]."""
        return self.q @ (self.f[:, None] * self.score)

    def height(self, z: np.ndarray) -> np.ndarray:
        """weight · (z - 1/2): [..., bits] → [...]."""
        return (z - 0.5) @ WEIGHT[: self.bits]

    def slope(self, z: np.ndarray) -> np.ndarray:
        """Gradient of f at z: [..., bits] → [..., bits]."""
        return self.sharpness / np.cosh(self.sharpness * self.height(z))[..., None] ** 2 * WEIGHT[: self.bits]

    def moments(self, estimator: str, samples: int) -> GradientStatistics | None:
        """Exact moments of one estimate that may evaluate f `samples` times; None where that is too few for the estimator.

        It takes as many as it can use: pairs, threes, or 1 + bits at a time. Raises KeyError for an unknown estimator.
        """
        rule = ESTIMATORS[estimator]
        used = rule.evaluations(samples, self.bits)
        if used is None:
            return None
        mean, variance = rule.moments(self, used)
        return GradientStatistics(self.exact, mean, variance, used)

    def over_outcomes(self, gradient: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance over z of a gradient [2^bits, bits]."""
        mean = self.q @ gradient
        return mean, self.q @ (gradient - mean) ** 2


def _score_function(lab: Laboratory, evaluations: int) -> tuple[np.ndarray, np.ndarray]:
    mean, variance = lab.over_outcomes(lab.f[:, None] * lab.score)
    return mean, variance / evaluations


def _leave_one_out(lab: Laboratory, evaluations: int) -> tuple[np.ndarray, np.ndarray]:
    """It is the sample covariance of f and the score, and the variance of that is known.

    With a = f - E f, and c the score:  E[a²c²]/S - (S-2)/(S(S-1)) E[ac]² + E[a²] E[c²]/(S(S-1)).
    """
    deviation = (lab.f - lab.q @ lab.f)[:, None]
    pairs = evaluations * (evaluations - 1)
    fourth = lab.q @ (deviation * lab.score) ** 2
    product = (lab.q @ deviation**2) * (lab.q @ lab.score**2)
    return lab.exact, fourth / evaluations - (evaluations - 2) / pairs * lab.exact**2 + product / pairs


def _antithetic(
    second_moment: Callable[[np.ndarray], np.ndarray],
) -> Callable[[Laboratory, int], tuple[np.ndarray, np.ndarray]]:
    """ARM and DisARM. A bit's uniform number lies in one of three intervals, which decide the pair: (0, 1), twice the same, (1, 0).

    second_moment: low [bits] → E[t²] in the outer intervals and in the middle one [2, bits], of what (f(b) - f(b')) is multiplied with.
    """

    def moments(lab: Laboratory, evaluations: int) -> tuple[np.ndarray, np.ndarray]:
        low = np.minimum(lab.p, 1 - lab.p)  # length of the outer intervals
        place = np.arange(3**lab.bits)[:, None] // 3 ** np.arange(lab.bits) % 3 - 1  # [3^bits, bits]: -1, 0, 1
        probability = np.where(place == 0, 1 - 2 * low, low).prod(1)
        b, other = np.where(place == 0, lab.p > 0.5, place == 1), np.where(place == 0, lab.p > 0.5, place == -1)
        f, f_other = (lab.f[bits @ 2 ** np.arange(lab.bits)] for bits in (b, other))
        difference = (f - f_other)[:, None]
        mean = probability @ (difference * place * (1 - low) / 2)
        outer, middle = second_moment(low)
        square = probability @ (difference**2 * np.where(place == 0, middle, outer))
        return mean, (square - mean**2) / (evaluations / 2)

    return moments


def _of_arm(low: np.ndarray) -> np.ndarray:
    """E[(u - 1/2)²] for u in [0, low], and for u in [low, 1 - low]."""
    half = 0.5 - low
    return np.stack([(0.125 - half**3) / (3 * low), half**2 / 3])


def _of_disarm(low: np.ndarray) -> np.ndarray:
    return np.stack([((1 - low) / 2) ** 2, np.zeros_like(low)])


def _muprop(lab: Laboratory, evaluations: int) -> tuple[np.ndarray, np.ndarray]:
    slope = lab.slope(lab.p)
    reward = lab.f - lab.offset - np.tanh(lab.sharpness * lab.height(lab.p)) - lab.score @ slope
    mean, variance = lab.over_outcomes(reward[:, None] * lab.score)
    return mean + slope * lab.p * (1 - lab.p), variance / (evaluations - 1)


def _local_enumeration(lab: Laboratory, evaluations: int) -> tuple[np.ndarray, np.ndarray]:
    index = np.arange(2**lab.bits)[:, None]
    one, zero = index | 1 << np.arange(lab.bits), index & ~(1 << np.arange(lab.bits))  # [2^bits, bits]
    mean, variance = lab.over_outcomes(lab.p * (1 - lab.p) * (lab.f[one] - lab.f[zero]))
    return mean, variance / (evaluations / (1 + lab.bits))


def _enumeration(lab: Laboratory, evaluations: int) -> tuple[np.ndarray, np.ndarray]:
    return lab.exact, np.zeros(lab.bits)


def _straight_through(lab: Laboratory, evaluations: int) -> tuple[np.ndarray, np.ndarray]:
    mean, variance = lab.over_outcomes(lab.slope(lab.z) * lab.p * (1 - lab.p))
    return mean, variance / evaluations


def _gumbel_softmax(lab: Laboratory, evaluations: int) -> tuple[np.ndarray, np.ndarray]:
    mean, variance = _relaxed(lab.bits, lab.sharpness)
    return mean, variance / evaluations


def _rebar(lab: Laboratory, evaluations: int) -> tuple[np.ndarray, np.ndarray]:
    mean, variance = _rebar_of_one(lab.bits, lab.sharpness)
    return mean, variance / (evaluations / 3)


@cache
def _relaxed(bits: int, sharpness: float) -> tuple[np.ndarray, np.ndarray]:
    """Gumbel-softmax, one sample: f' at relaxed bits, times how they move with the logits. The offset of f has no part in it."""
    u, weights = _unit_interval(RELAXED_NODES[bits])
    soft = _sigmoid((LOGITS[:bits, None] + np.log(u) - np.log1p(-u)) / TEMPERATURE)  # [bits, nodes]
    moves = WEIGHT[:bits, None] * soft * (1 - soft) / TEMPERATURE
    _, steepness = _tables(soft, sharpness)
    mean = _expect_each(steepness, weights, moves)
    return mean, _expect_each(steepness**2, weights, moves**2) - mean**2


@cache
def _rebar_of_one(bits: int, sharpness: float) -> tuple[np.ndarray, np.ndarray]:
    """REBAR, one sample. Given b, the noises of z and z' are independent, so each is integrated over by itself."""
    logits, p = LOGITS[:bits], _sigmoid(LOGITS[:bits])
    v, weights = _unit_interval(REBAR_NODES[bits])
    z, speed = np.empty((2, bits, len(v))), np.empty((2, bits, len(v)))  # given b = 0 and 1, and dz'/dlogit at fixed v
    z[1] = np.log1p(v * np.exp(logits)[:, None]) - np.log1p(-v)
    z[0] = np.log(v) - np.log1p((1 - v) * np.exp(-logits)[:, None])
    speed[1] = _sigmoid(logits[:, None] + np.log(v))
    speed[0] = _sigmoid(np.log1p(-v) - logits[:, None])
    soft = _sigmoid(z / TEMPERATURE)
    moves = WEIGHT[:bits, None] * soft * (1 - soft) / TEMPERATURE  # how a bit's relaxation changes the height with z

    lab = Laboratory(bits, sharpness, 0.0)
    mean, square = np.zeros(bits), np.zeros(bits)
    each = np.arange(bits)
    for b, probability, reward, score in zip(lab.z.astype(int), lab.q, lab.f, lab.z - p, strict=True):
        chosen, with_v = moves[b, each], (moves * speed)[b, each]
        value, steepness = _tables(soft[b, each], sharpness)
        left = reward - value
        # f(b) - c(z') times the score, less dc(z')/dlogit; and dc(z)/dlogit.
        first = score * _expect(left, weights) - _expect_each(steepness, weights, with_v)
        first_square = (
            score**2 * _expect(left**2, weights)
            - 2 * score * _expect_each(left * steepness, weights, with_v)
            + _expect_each(steepness**2, weights, with_v**2)
        )
        second = _expect_each(steepness, weights, chosen)
        second_square = _expect_each(steepness**2, weights, chosen**2)
        mean += probability * (first + second)
        square += probability * (first_square + 2 * first * second + second_square)
    return mean, square - mean**2


def _tables(soft: np.ndarray, sharpness: float) -> tuple[np.ndarray, np.ndarray]:
    """tanh(sharpness * height), and its derivative by the height, at every combination of nodes. soft: [bits, nodes] → [nodes, ...]."""
    bits = len(soft)
    parts = [
        (WEIGHT[i] * (soft[i] - 0.5)).reshape([-1 if i == axis else 1 for axis in range(bits)]) for i in range(bits)
    ]
    value = np.tanh(sharpness * sum(parts[1:], parts[0]))
    return value, sharpness * (1 - value**2)


def _expect(table: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The weighted sum of a table [nodes, ..., nodes] over all its axes."""
    while table.ndim:
        table = table @ weights
    return table


def _expect_each(table: np.ndarray, weights: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """For each bit, the weighted sum of a table [nodes, ..., nodes] times that bit's moves [bits, nodes]: → [bits]."""
    found = np.empty(len(moves))
    for last in range(len(moves) - 1, -1, -1):  # the later bits are summed out already
        found[last] = _expect(table @ (weights * moves[last]), weights)
        table = table @ weights
    return found


def _unit_interval(nodes: int) -> tuple[np.ndarray, np.ndarray]:
    return tuple(part.numpy().copy() for part in for_logistic_noise(nodes)(()))


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(0.5 * x))


@dataclass(frozen=True)
class Rule:
    """How an estimator is measured. evaluations: (samples, bits) → how many of so many evaluations it uses, or None."""

    moments: Callable[[Laboratory, int], tuple[np.ndarray, np.ndarray]]
    evaluations: Callable[[int, int], int | None]
    biased: bool = False


def _at_a_time(size: Callable[[int], int]) -> Callable[[int, int], int | None]:
    return lambda samples, bits: samples // size(bits) * size(bits) or None


ESTIMATORS: dict[str, Rule] = {
    "score function": Rule(_score_function, _at_a_time(lambda bits: 1)),
    "leave-one-out": Rule(_leave_one_out, lambda samples, bits: samples if samples >= 2 else None),
    "ARM": Rule(_antithetic(_of_arm), _at_a_time(lambda bits: 2)),
    "DisARM": Rule(_antithetic(_of_disarm), _at_a_time(lambda bits: 2)),
    "MuProp": Rule(_muprop, lambda samples, bits: samples if samples >= 2 else None),
    "REBAR": Rule(_rebar, _at_a_time(lambda bits: 3)),
    "local enumeration": Rule(_local_enumeration, _at_a_time(lambda bits: 1 + bits)),
    "enumeration": Rule(_enumeration, lambda samples, bits: 2**bits if samples >= 2**bits else None),
    "straight-through": Rule(_straight_through, _at_a_time(lambda bits: 1), biased=True),
    "Gumbel-softmax": Rule(_gumbel_softmax, _at_a_time(lambda bits: 1), biased=True),
}
NAMES: Sequence[str] = tuple(ESTIMATORS)

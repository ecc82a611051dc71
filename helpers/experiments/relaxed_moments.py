"""Moments of Gumbel-softmax and REBAR on the laboratory's target: their noise is continuous, so it is integrated by quadrature.

Every bit has a logistic noise of its own. An integral over the noises of all bits is a sum over a product grid, with `nodes` points for
each bit; the tables below have one axis a bit.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch

from helpers.estimators import for_logistic_noise
from helpers.experiments.binary_target import LOGITS, WEIGHT, BinaryTarget, sigmoid

TEMPERATURE = 0.5  # of Gumbel-softmax and of REBAR, whose eta is 1
# Bits → quadrature nodes for each bit's noise. REBAR's integrand jumps; it is integrated on either side of the jump.
RELAXED_NODES = {1: 96, 2: 96, 3: 48, 4: 26}
REBAR_NODES = {1: 48, 2: 32, 3: 20, 4: 12}


@cache
def gumbel_softmax_moments(bits: int, sharpness: float) -> tuple[np.ndarray, np.ndarray]:
    """Moments of the Gumbel-softmax gradient with one sample: f'(soft z) * d soft z / d logit. They do not depend on f's offset.

    Args:
        bits: Number of bits of the target, 1 to 4.
        sharpness: Sharpness of f.

    Returns:
        Mean and variance, [bits] each. Cached: do not write into them.
    """
    u, weights = _unit_interval(RELAXED_NODES[bits])
    soft = sigmoid((LOGITS[:bits, None] + np.log(u) - np.log1p(-u)) / TEMPERATURE)  # [bits, nodes]
    height_slope = WEIGHT[:bits, None] * soft * (1 - soft) / TEMPERATURE
    _, steepness = _tables(soft, sharpness)
    mean = _expect_each(steepness, weights, height_slope)
    return mean, _expect_each(steepness**2, weights, height_slope**2) - mean**2


@cache
def rebar_moments(bits: int, sharpness: float) -> tuple[np.ndarray, np.ndarray]:
    """Moments of the REBAR gradient with one sample, eta = 1. They do not depend on f's offset.

    Given the bits b, the noise of z and that of z' (the conditional draw) are independent, so each is integrated separately.

    Args:
        bits: Number of bits of the target, 1 to 4.
        sharpness: Sharpness of f.

    Returns:
        Mean and variance, [bits] each. Cached: do not write into them.
    """
    logits, p = LOGITS[:bits], sigmoid(LOGITS[:bits])
    v, weights = _unit_interval(REBAR_NODES[bits])
    z, speed = (
        np.empty((2, bits, len(v))),
        np.empty((2, bits, len(v))),
    )  # given b = 0 and 1; speed: dz'/dlogit at fixed v
    z[1] = np.log1p(v * np.exp(logits)[:, None]) - np.log1p(-v)
    z[0] = np.log(v) - np.log1p((1 - v) * np.exp(-logits)[:, None])
    speed[1] = sigmoid(logits[:, None] + np.log(v))
    speed[0] = sigmoid(np.log1p(-v) - logits[:, None])
    soft = sigmoid(z / TEMPERATURE)
    height_slope = WEIGHT[:bits, None] * soft * (1 - soft) / TEMPERATURE  # derivative of the height with respect to z

    target = BinaryTarget(bits, sharpness, 0.0)
    mean, square = np.zeros(bits), np.zeros(bits)
    each = np.arange(bits)
    for b, probability, reward, score in zip(target.z.astype(int), target.q, target.f, target.z - p, strict=True):
        by_z, by_v = height_slope[b, each], (height_slope * speed)[b, each]
        value, steepness = _tables(soft[b, each], sharpness)
        difference = reward - value
        # First term: (f(b) - c(z')) * score - dc(z')/dlogit. Second term: dc(z)/dlogit.
        first = score * _expect(difference, weights) - _expect_each(steepness, weights, by_v)
        first_square = (
            score**2 * _expect(difference**2, weights)
            - 2 * score * _expect_each(difference * steepness, weights, by_v)
            + _expect_each(steepness**2, weights, by_v**2)
        )
        second = _expect_each(steepness, weights, by_z)
        second_square = _expect_each(steepness**2, weights, by_z**2)
        mean += probability * (first + second)
        square += probability * (first_square + 2 * first * second + second_square)
    return mean, square - mean**2


def _tables(soft: np.ndarray, sharpness: float) -> tuple[np.ndarray, np.ndarray]:
    """tanh(sharpness * height) and its derivative with respect to the height, at every combination of nodes.

    soft: relaxed bits, [bits, nodes]. Both tables are [nodes, ..., nodes], one axis a bit.
    """
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


def _expect_each(table: np.ndarray, weights: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """For each bit, the weighted sum of a table [nodes, ..., nodes] times that bit's factors [bits, nodes]: [bits]."""
    found = np.empty(len(factors))
    for last in range(len(factors) - 1, -1, -1):  # the later bits are summed out already
        found[last] = _expect(table @ (weights * factors[last]), weights)
        table = table @ weights
    return found


def _unit_interval(nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of a quadrature on (0, 1) that suits logistic noise."""
    points, weights = for_logistic_noise(nodes)(torch.Size())
    return points.numpy().copy(), weights.numpy().copy()

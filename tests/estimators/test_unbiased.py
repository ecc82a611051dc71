"""Exact mean equals exact gradient, for every parameter of model and guide, by enumeration of all draws in float64."""

from __future__ import annotations

import pytest
import torch

from helpers.estimators import (
    CentredReward,
    ControlVariateChain,
    LearnedBaseline,
    LeaveOneOut,
    SampledCritic,
    ScoreFunction,
    SelfCritic,
    Vimco,
)
from helpers.networks import FeedForward
from tests.estimators.problems import assert_unbiased, bits, category


def with_past(module: torch.nn.Module, mean: float = -3.7, variance: float = 5.3) -> torch.nn.Module:
    """The module in float64, its running statistics at an arbitrary saved state."""
    module.double()
    for name, buffer in module.named_buffers():
        buffer.fill_({"mean": mean, "variance": variance, "started": True}[name.rpartition(".")[2]])
    return module


def learned() -> LearnedBaseline:
    torch.manual_seed(0)
    return LearnedBaseline(3, FeedForward((4,)))


ESTIMATORS = {
    "plain": lambda: ScoreFunction(),
    "centred reward": lambda: ScoreFunction(CentredReward()),
    "self-critic": lambda: ScoreFunction(SelfCritic()),
    "sampled critic": lambda: ScoreFunction(SampledCritic()),
    "learned baseline": lambda: ScoreFunction(learned()),
    "chain": lambda: ScoreFunction(ControlVariateChain(learned(), SelfCritic(), CentredReward())),
    "leave-one-out": lambda: LeaveOneOut(),
    "VIMCO": lambda: Vimco(),
}
NEEDS_TWO = {"self-critic", "sampled critic", "chain", "leave-one-out", "VIMCO"}
PROBLEMS = {
    "1 bit": (lambda: bits(1), (1, 2, 3)),
    "3 bits": (lambda: bits(3, seed=20), (1, 2, 3)),
    "4 bits": (lambda: bits(4, seed=30), (1, 2)),
    "8-way category": (lambda: category(8, seed=40), (1, 2, 3)),
    "1 bit, two data": (lambda: bits(1, batch=(2,), seed=50), (1, 2, 3)),
}
CASES = [
    pytest.param(name, problem, num_samples, id=f"{name}-{problem}-{num_samples}")
    for name in ESTIMATORS
    for problem, (_, counts) in PROBLEMS.items()
    for num_samples in counts
    if num_samples > 1 or name not in NEEDS_TWO
]


@pytest.mark.parametrize(("name", "problem", "num_samples"), CASES)
def test_exact_mean_is_exact_gradient(name, problem, num_samples):
    ours = assert_unbiased(with_past(ESTIMATORS[name]()), PROBLEMS[problem][0](), num_samples)
    assert ours.total_variance > 1e-3  # it does sample


@pytest.mark.parametrize("name", ESTIMATORS)
def test_at_four_bits_and_three_samples(name):
    assert_unbiased(with_past(ESTIMATORS[name]()), bits(4, seed=30), 3)

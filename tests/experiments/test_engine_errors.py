"""Errors of the engines: exact answers against closed sums, and that errors fall as they must."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch.distributions import Normal

from helpers.experiments.engine_errors import ENGINES, NOISE, SIZES, chain_problem, engine_errors, geometric_problem


def test_the_chains_answers_are_those_of_the_closed_sum():
    problem, seen = chain_problem(3), torch.tensor([1.3, 0.8, -0.4], dtype=torch.float64)
    total = ones = 0.0
    for bits in itertools.product((0.0, 1.0), repeat=3):
        p = 0.5
        for before, after in itertools.pairwise(bits):
            move = 0.15 + 0.7 * before
            p *= move if after else 1 - move
        p *= Normal(torch.tensor(bits, dtype=torch.float64), NOISE).log_prob(seen).sum().exp().item()
        total, ones = total + p, ones + p * bits[-1]
    assert problem.log_marginal == pytest.approx(math.log(total), abs=1e-5)
    assert problem.mean == pytest.approx(ones / total, abs=1e-5)
    assert problem.observations == 3


def test_the_trials_answers_are_those_of_the_closed_sum():
    problem, n = geometric_problem(), torch.arange(100.0, dtype=torch.float64)
    log_weight = -(n + 1) * math.log(2) + Normal(n, 1.0).log_prob(torch.tensor(4.2, dtype=torch.float64))
    assert problem.log_marginal == pytest.approx(log_weight.logsumexp(0).item(), abs=1e-5)
    assert problem.mean == pytest.approx((log_weight.softmax(0) * n).sum().item(), abs=1e-4)


@pytest.fixture(scope="module")
def found():
    return engine_errors(chain_problem(3), repeats=6)


def test_every_engine_has_every_size(found):
    problem = chain_problem(3)
    assert list(found) == list(ENGINES)
    for name, by_size in found.items():
        assert list(by_size) == list(SIZES)
        for errors in by_size.values():
            assert len(errors.mean) == (1 if name == "enumeration" else 6)
            assert all(0 <= mean <= 1 for mean in errors.mean)
            assert len(errors.log_marginal) == {"enumeration": 2, "Metropolis-Hastings": 0}.get(name, 6)
    for errors in found["enumeration"].values():
        lower, upper = errors.log_marginal
        assert lower - 1e-6 <= problem.log_marginal <= upper + 1e-6


def test_errors_fall(found):
    problem = chain_problem(3)
    for name in ("importance sampling", "particle filter"):
        first, last = (
            max(abs(value - problem.log_marginal) for value in found[name][size].log_marginal)
            for size in (1, max(SIZES))
        )
        assert last < first / 2
    assert found["enumeration"][8].mean[0] == pytest.approx(problem.mean, abs=1e-5)


def test_the_same_seeds_give_the_same_results(found):
    again = engine_errors(chain_problem(3), repeats=2)
    assert again["particle filter"][4].mean == found["particle filter"][4].mean[:2]
    assert again["Metropolis-Hastings"][16].mean == found["Metropolis-Hastings"][16].mean[:2]

"""The particle filter of a program: E[estimate of p(x)] over every draw equals the forward algorithm's."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch.distributions import Bernoulli, Categorical, Normal

from helpers.estimators.harness.every_outcome import EveryOutcome
from helpers.estimators.harness.quadrature import gauss_legendre
from helpers.experiments.two_languages import t
from helpers.programs import particle_filtering, sample, seed
from tests.programs.small import (
    BITS,
    EMISSION,
    MOVE,
    START,
    forward_algorithm,
    geometric,
    geometric_log_marginal,
    hidden_chain,
)


def mean_estimate(run, source):
    return sum(probability * found.log_marginal.exp().item() for probability, found in source.outcomes(run))


def test_multinomial_resampling_is_unbiased():
    run = particle_filtering(hidden_chain(), num_particles=2, resampling="multinomial")
    assert mean_estimate(run, EveryOutcome()) == pytest.approx(forward_algorithm().item(), rel=1e-12)


def test_systematic_resampling_is_unbiased():
    # The comb's one uniform matters only where it crosses the weight of the first of two particles: w1 / (w1 + w2), doubled.
    likelihoods = torch.cat([EMISSION, 1 - EMISSION])
    share = torch.stack([a / (a + b) for a, b in itertools.product(likelihoods, repeat=2)])
    crossings = torch.cat([2 * share, 2 * share - 1]).clamp(0, 1).unique()
    source = EveryOutcome(uniform=gauss_legendre(1, crossings.unsqueeze(-1)), max_outcomes=2**22)
    run = particle_filtering(hidden_chain(2), num_particles=2)
    assert mean_estimate(run, source) == pytest.approx(forward_algorithm(2).item(), rel=1e-12)


def test_an_unchanged_program_of_random_length():
    found = [seed(particle_filtering(geometric, 500), one)().log_marginal.exp() for one in range(20)]
    estimates = torch.stack(found)
    exact = geometric_log_marginal().exp().item()
    assert abs(estimates.mean().item() - exact) < 5 * estimates.std().item() / 20**0.5


def test_executions_that_end_early_keep_their_place():
    def program():
        if sample("short", Bernoulli(t(0.3))).item():
            sample("x0", Bernoulli(t(0.9)), obs=t(1.0))
            return
        for step in range(2):
            sample(f"x{step}", Bernoulli(t(0.4)), obs=t(1.0))

    run = particle_filtering(program, num_particles=2, resampling="multinomial")
    assert mean_estimate(run, EveryOutcome()) == pytest.approx(0.3 * 0.9 + 0.7 * 0.4**2, rel=1e-12)


def test_posterior_of_the_last_state():
    found = seed(particle_filtering(hidden_chain(), 2000), 0)()
    assert len(found.traces) == 2000 and all(len(one) == 6 for one in found.traces)
    states = torch.tensor([[a, b, c] for a, b, c in itertools.product((0, 1), repeat=3)])
    weight = torch.where(states[:, 0] == 1, START, 1 - START)
    for step in range(3):
        if step:
            move = MOVE[states[:, step - 1]]
            weight = weight * torch.where(states[:, step] == 1, move, 1 - move)
        seen = EMISSION[states[:, step]]
        weight = weight * (seen if BITS[step] else 1 - seen)
    exact = (weight * states[:, 2]).sum() / weight.sum()
    assert found.expectation("z2").item() == pytest.approx(exact.item(), abs=0.06)


def test_an_observation_that_is_impossible():
    def impossible():
        sample("z", Bernoulli(t(0.5)))
        sample("x", Categorical(logits=t(0.0, -torch.inf)), obs=torch.tensor(1))

    with pytest.raises(ValueError, match="Every particle has likelihood 0"):
        particle_filtering(impossible, 5)()


def test_a_program_that_observes_nothing_has_marginal_one():
    found = particle_filtering(lambda: sample("z", Normal(t(0), t(1))), 3)()
    assert found.log_marginal.item() == 0 and len(found.traces) == 3


@pytest.mark.parametrize("how", [{"num_particles": 0}, {"resampling": "residual"}])
def test_impossible_settings(how):
    with pytest.raises(ValueError, match="num_particles|expected 'systematic' or 'multinomial'"):
        particle_filtering(geometric, **how)

"""Importance sampling: unbiased by enumeration of all draws; weights, expectations, and sites that only some executions have."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Bernoulli, Normal

from helpers.estimators.harness.every_outcome import EveryOutcome
from helpers.experiments.two_languages import t
from helpers.programs import condition, importance_sampling, sample, seed
from tests.programs.small import forward_algorithm, geometric, geometric_log_marginal, hidden_chain


def flat_guide():
    for step in range(3):
        sample(f"z{step}", Bernoulli(t(0.5)))


@pytest.mark.parametrize("guide", [None, flat_guide], ids=["prior", "guide"])
def test_the_mean_weight_is_unbiased(guide):
    run = importance_sampling(hidden_chain(), guide, num_samples=2)
    mean = sum(probability * found.log_marginal.exp().item() for probability, found in EveryOutcome().outcomes(run))
    assert mean == pytest.approx(forward_algorithm().item(), rel=1e-12)


def scales():
    weight = sample("weight", Normal(t(8.5), t(1.0)))
    sample("measurement", Normal(weight, t(0.75)), obs=t(9.5))


def test_the_conjugate_posterior_of_the_scales():
    found = seed(importance_sampling(scales, num_samples=4000), 0)()
    weight = found.expectation("weight").item()
    variance = found.expectation(lambda one: (one["weight"].value - 9.14) ** 2).item()
    error = (variance / found.effective_sample_size) ** 0.5
    assert abs(weight - 9.14) < 5 * error < 0.1
    assert variance**0.5 == pytest.approx(0.6, abs=0.05)


def test_a_perfect_proposal_has_equal_weights():
    def posterior():
        sample("weight", Normal(t(9.14), t(0.6)))

    found = importance_sampling(scales, posterior, num_samples=50)()
    assert found.effective_sample_size == pytest.approx(50)
    exact = Normal(t(8.5), t(1.25)).log_prob(t(9.5))
    assert found.log_weights.tolist() == pytest.approx([exact.item()] * 50)


def test_executions_of_different_lengths():
    found = seed(importance_sampling(geometric, num_samples=3000), 1)()
    exact = (3 * t(0.5).log() + Normal(t(2), t(1)).log_prob(t(2.6)) - geometric_log_marginal()).exp().item()
    assert found.probability_of(lambda one: "stop 2" in one and "stop 3" not in one).item() == pytest.approx(
        exact, abs=0.05
    )
    assert found.expectation(lambda one: one.returned).item() == pytest.approx(1.8, abs=0.25)
    with pytest.raises(ValueError, match="Not every execution has a site 'stop 4'"):
        found.expectation("stop 4")


def test_a_proposal_that_does_not_fit():
    with pytest.raises(ValueError, match="The model draws 'z0'"):
        importance_sampling(hidden_chain(), lambda: None, 2)()
    with pytest.raises(ValueError, match="which the model observes"):
        importance_sampling(condition(hidden_chain(), {"z0": t(1.0)}), flat_guide, 2)()
    with pytest.raises(ValueError, match="num_samples"):
        importance_sampling(hidden_chain(), None, 0)


def test_weights_need_no_gradient():
    assert not importance_sampling(scales, num_samples=2)().log_weights.requires_grad
    assert torch.is_grad_enabled()

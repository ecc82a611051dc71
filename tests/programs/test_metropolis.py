"""Single-site Metropolis-Hastings: the transition matrix of the real kernel has the posterior as its stationary distribution."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Bernoulli, Categorical, Normal

from helpers.estimators.harness.every_outcome import EveryOutcome
from helpers.experiments.two_languages import t
from helpers.programs import SingleSiteMetropolis, condition, enumerate_executions, sample, seed, trace


def random_number_of_bits():
    """One bit decides whether there are one or three more; their number of ones is observed with noise."""
    many = sample("many", Bernoulli(t(0.4))).item()
    ones = t(0.0)
    for n in range(3 if many else 1):
        ones = ones + sample(f"bit {n}", Bernoulli(t(0.3 + 0.2 * n)))
    sample("y", Normal(ones, t(0.8)), obs=t(1.4))


def branching_support():
    """The support of one choice depends on another: a value that is kept may have become impossible."""
    wide = sample("wide", Bernoulli(t(0.5))).item()
    k = sample("k", Categorical(logits=(t(0.2, 0.3, 0.5) if wide else t(0.4, 0.6, 0.0)).log()))
    sample("y", Normal(k, t(1)), obs=t(1.2))


def key(execution):
    return tuple((name, value.item()) for name, value in execution.latent.items())


def stationary_error(program, proposals=None, kernel=SingleSiteMetropolis):
    """Largest |pi P - pi| over executions, with pi the enumerated posterior."""
    every = enumerate_executions(program)()
    posterior = {key(one): p for one, p in zip(every.traces, every.probabilities.tolist(), strict=True) if p > 0}
    after = dict.fromkeys(posterior, 0.0)
    chain = kernel(program, proposals)
    for execution in every.traces:
        if key(execution) not in posterior:
            continue
        for probability, following in EveryOutcome().outcomes(lambda one=execution: chain.step(one)):
            after[key(following)] += posterior[key(execution)] * probability
    assert sum(after.values()) == pytest.approx(1, abs=1e-12)
    return max(abs(after[one] - posterior[one]) for one in posterior)


@pytest.mark.parametrize("program", [random_number_of_bits, branching_support])
def test_the_posterior_is_stationary(program):
    assert stationary_error(program) < 1e-12


def test_the_posterior_is_stationary_under_other_proposals():
    proposals = {"many": lambda site: Bernoulli(t(0.7)), "bit 0": lambda site: Bernoulli(0.2 + 0.5 * site.value)}
    assert stationary_error(random_number_of_bits, proposals) < 1e-12


class WithoutTheRatioOfNumbers(SingleSiteMetropolis):
    def _log_ratio(self, current, proposed, name, log_forward):
        ratio = super()._log_ratio(current, proposed, name, log_forward)
        return ratio - math.log(len(current.latent) / len(proposed.latent)) if math.isfinite(ratio) else ratio


def test_a_kernel_that_forgets_the_ratio_of_the_numbers_of_sites_is_caught():
    assert stationary_error(random_number_of_bits, kernel=WithoutTheRatioOfNumbers) > 1e-2


def test_a_chain_finds_the_conjugate_posterior():
    def scales():
        weight = sample("weight", Normal(t(8.5), t(1)))
        sample("measurement", Normal(weight, t(0.75)), obs=t(9.5))

    chain = SingleSiteMetropolis(scales, {"weight": lambda site: Normal(site.value, t(1.0))})
    with seed(seed=0):
        weights = torch.stack([one["weight"].value for one in chain.chain(steps=6000)])[500:]
    assert weights.mean().item() == pytest.approx(9.14, abs=0.08)
    assert weights.std().item() == pytest.approx(0.6, abs=0.08)
    assert 0.3 < chain.accepted / chain.steps < 0.9 and chain.steps == 6000


def test_the_ratio_of_a_step_that_adds_sites():
    current = trace(condition(random_number_of_bits, {"many": t(0.0), "bit 0": t(1.0)})).get_trace()
    chain = SingleSiteMetropolis(random_number_of_bits)
    values = {"many": (t(0.0), t(1.0)), "bit 0": (t(1.0), t(1.0))}
    short = trace(_with({name: value[0] for name, value in values.items()})).get_trace()
    long = trace(
        _with({name: value[1] for name, value in values.items()} | {"bit 1": t(1.0), "bit 2": t(0.0)})
    ).get_trace()
    expected = Normal(t(2), t(0.8)).log_prob(t(1.4)) - Normal(t(1), t(0.8)).log_prob(t(1.4)) + math.log(2 / 4)
    # Proposed from the prior, and fresh sites too: all priors cancel.
    assert chain.log_acceptance_ratio(short, long, "many") == pytest.approx(expected.item(), abs=1e-12)
    assert chain.log_acceptance_ratio(long, short, "many") == pytest.approx(-expected.item(), abs=1e-12)
    assert len(current.observed) == 3


def _with(values):
    from helpers.programs import replay

    return replay(random_number_of_bits, values)


def test_what_a_chain_cannot_do():
    with pytest.raises(ValueError, match="no latent site to change"):
        SingleSiteMetropolis(lambda: None).step(trace(lambda: None).get_trace())
    with pytest.raises(ValueError, match="a function from a site to a distribution was expected"):
        SingleSiteMetropolis(random_number_of_bits, {"many": Bernoulli(t(0.5))})

    def impossible():
        sample("z", Bernoulli(t(0.5)))
        sample("x", Categorical(logits=t(0.0, -math.inf)), obs=torch.tensor(1))

    with pytest.raises(ValueError, match="1,000 executions of the program had likelihood 0"):
        next(SingleSiteMetropolis(impossible).chain(steps=1))

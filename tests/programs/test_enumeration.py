"""Enumerated executions, against closed sums; and the bound on what is left out."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Categorical, Normal

from helpers.experiments.two_languages import t
from helpers.programs import enumerate_executions, plate, sample
from tests.programs.small import forward_algorithm, geometric, geometric_log_marginal, hidden_chain


def test_a_finite_program_is_summed_exactly():
    found = enumerate_executions(hidden_chain())()
    assert len(found.traces) == 8 and found.mass_left_out == 0 == found.weight_left_out
    assert found.log_marginal.exp().item() == pytest.approx(forward_algorithm().item(), rel=1e-12)
    assert found.log_marginal_at_most() == pytest.approx(found.log_marginal.item(), abs=1e-12)


def test_forty_executions_of_the_geometric_program():
    found = enumerate_executions(geometric, max_executions=40)()
    assert found.log_marginal.item() == pytest.approx(geometric_log_marginal().item(), abs=1e-12)
    assert found.mass_left_out == pytest.approx(2**-40, rel=1e-9)
    assert [int(one.returned) for one in found.traces] == list(range(40))


@pytest.mark.parametrize("executions", [1, 2, 3, 5, 10])
def test_what_is_left_out_is_bounded(executions):
    found = enumerate_executions(geometric, max_executions=executions)()
    exact = geometric_log_marginal().item()
    density = 1 / math.sqrt(2 * math.pi)
    assert found.log_marginal.item() < exact <= found.log_marginal_at_most(density)
    chain = enumerate_executions(hidden_chain(), max_executions=executions)()
    exact = forward_algorithm().log().item()
    assert chain.log_marginal.item() <= exact + 1e-12
    assert chain.log_marginal_at_most() >= exact - 1e-12
    assert chain.weight_left_out <= chain.mass_left_out


def test_enumeration_stops_at_a_mass():
    found = enumerate_executions(geometric, mass=1e-3)()
    assert found.mass_left_out <= 1e-3 < 2 * found.mass_left_out


def test_more_executions_leave_less_out():
    left_out = [enumerate_executions(hidden_chain(), max_executions=n)().mass_left_out for n in range(1, 9)]
    assert left_out == sorted(left_out, reverse=True) and left_out[-1] == 0


def test_choices_in_a_plate_are_enumerated_jointly():
    def program():
        with plate("data", 2):
            k = sample("k", Categorical(t(0.2, 0.3, 0.5)))
            sample("x", Normal(k, t(1)), obs=t(0.4, 1.1))

    found = enumerate_executions(program)()
    assert len(found.traces) == 9
    each = [
        sum(p * math.exp(Normal(float(k), 1.0).log_prob(torch.tensor(x)).item()) for k, p in enumerate((0.2, 0.3, 0.5)))
        for x in (0.4, 1.1)
    ]
    assert found.log_marginal.exp().item() == pytest.approx(math.prod(each), rel=1e-6)


def test_impossible_outcomes_are_not_followed():
    def program():
        if sample("a", Categorical(logits=t(-math.inf, 0.0))).item() == 0:
            raise AssertionError("an execution of probability 0")

    assert len(enumerate_executions(program)().traces) == 1


def test_a_continuous_choice_is_named():
    def program():
        sample("z", Normal(t(0), t(1)))

    with pytest.raises(
        ValueError, match=r"Site 'z' \(line \d+ of test_enumeration.py\) cannot be enumerated. Normal cannot list"
    ):
        enumerate_executions(program)()


@pytest.mark.parametrize("limits", [{"max_executions": 0}, {"mass": 1.0}, {"mass": -0.1}])
def test_impossible_limits(limits):
    with pytest.raises(ValueError, match="1 or more, and 0 <= mass < 1, were expected"):
        enumerate_executions(geometric, **limits)

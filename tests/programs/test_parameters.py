"""Parameters of programs: made once, constrained, saved, and refused when they come too late."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.distributions import constraints

from helpers.experiments.two_languages import t
from helpers.programs import Parameters, module, param


def test_they_are_made_once_and_kept_without_constraint():
    parameters = Parameters()
    with parameters.new():
        assert param("scale", t(2.0), constraints.positive).item() == pytest.approx(2.0)
    assert parameters.unconstrained["scale"].item() == pytest.approx(torch.tensor(2.0).log().item())
    with torch.no_grad():
        parameters.unconstrained["scale"].zero_()
    with parameters.used():
        value = param("scale", t(99.0), constraints.positive)
        assert value == 1 and param("scale", constraint=constraints.positive) == 1
    value.backward()
    assert parameters.unconstrained["scale"].grad == 1


def test_a_simplex_and_its_dimensions():
    parameters = Parameters()
    with parameters.new():
        value = param("weights", t(0.2, 0.3, 0.5), constraints.simplex)
    torch.testing.assert_close(value.detach(), t(0.2, 0.3, 0.5))
    with torch.no_grad():
        parameters.unconstrained["weights"] += t(1.0, -2.0, 0.5)
    with parameters.used():
        assert param("weights", constraint=constraints.simplex).sum().item() == pytest.approx(1)


def test_networks_are_held_and_everything_is_saved():
    network, parameters = nn.Linear(2, 1), Parameters()
    with parameters.new():
        module("net.inner", network)
        module("keys", network)
        param("values", t(1.0))
        param("a.b", t(2.0))
    assert set(map(id, network.parameters())) <= set(map(id, parameters.parameters()))
    saved = parameters.state_dict()
    other = Parameters()
    with other.new():
        module("net.inner", nn.Linear(2, 1))
        module("keys", network)
        param("values", t(5.0))
        param("a.b", t(5.0))
    other.load_state_dict(saved)
    with other.used():
        assert param("values", None) == 1 and param("a.b", None) == 2


def test_a_name_that_comes_too_late():
    parameters = Parameters()
    with parameters.used():
        with pytest.raises(
            ValueError, match=r"Parameter 'loc' \(line .*\) is used for the first time after .*executions=20"
        ):
            param("loc", t(0.0))
        with pytest.raises(ValueError, match="module 'net' .* is named for the first time after"):
            module("net", nn.Linear(1, 1))


def test_a_network_that_is_made_anew():
    parameters = Parameters()
    with parameters.new():
        module("net", nn.Linear(1, 1))
        with pytest.raises(ValueError, match="Two networks are named 'net', or it was made anew"):
            module("net", nn.Linear(1, 1))

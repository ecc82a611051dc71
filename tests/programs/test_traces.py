"""The record of an execution: its parts, and how it prints."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.distributions import Independent, Normal

from helpers.experiments.two_languages import t
from helpers.programs import mask, module, param, plate, sample, scale, trace


def program():
    loc = param("loc", t(0.5))
    module("net", nn.Linear(2, 2))
    z = sample("z", Normal(loc, t(1)))
    with plate("data", 3), scale(factor=2.0):
        w = sample("w", Independent(Normal(z.expand(3, 2), t(1)), 1))
        with mask(where=torch.tensor([True, True, False])):
            sample("x", Normal(w.sum(-1), t(1)), obs=t(1, 2, 3))


def test_its_parts():
    recorded = trace(program).get_trace()
    assert list(recorded.latent) == ["z", "w"] and list(recorded.observed) == ["x"]
    assert [site.name for site in recorded.random] == ["z", "w", "x"] and len(recorded) == 6
    total = recorded.log_prior() + recorded.log_likelihood()
    assert recorded.log_joint().item() == pytest.approx(total.item())
    assert recorded.log_likelihood().item() == pytest.approx(2 * recorded["x"].unscaled_log_prob[:2].sum().item())
    assert "w" in recorded and "q" not in recorded
    with pytest.raises(KeyError, match="has no site 'q'. It has 'loc', 'net', 'z', 'data', 'w', 'x'"):
        recorded["q"]


def test_it_prints_as_a_table():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        recorded = trace(program).get_trace()
    header, *lines = repr(recorded).splitlines()
    assert header.split("  ")[0] == "site" and len(lines) == 6
    by_name = {line.split()[0]: line for line in lines}
    assert by_name["w"].split()[1] == "Normal" and "[3] | [2]" in by_name["w"] and "shape [3, 2]" in by_name["w"]
    assert "observed" in by_name["x"] and by_name["x"].endswith(", scaled, masked")
    assert by_name["loc"].split()[1] == "param" and "Linear" in by_name["net"] and "subsample" in by_name["data"]
    assert f"{recorded['z'].value:.4g}" in by_name["z"] and f"{recorded['z'].log_prob:.4f}" in by_name["z"]


def test_an_empty_one():
    empty = trace(lambda: 3).get_trace()
    assert empty.log_joint() == 0 and empty.returned == 3 and len(empty) == 0
    with pytest.raises(KeyError, match="It has none"):
        empty["z"]

"""Prediction and reconstruction from a posterior."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Bernoulli, Normal

from helpers.experiments.two_languages import t
from helpers.programs import (
    condition,
    enumerate_executions,
    importance_sampling,
    predict,
    replay,
    sample,
    seed,
    stacked,
    trace,
)
from tests.programs.small import hidden_chain


def test_observations_are_drawn_from_the_posterior():
    posterior = seed(importance_sampling(hidden_chain(), num_samples=300), 0)()
    found = seed(predict(hidden_chain(), posterior.traces), 1)()
    assert len(found) == 300 and all(
        one["z0"].value == two["z0"].value for one, two in zip(found, posterior.traces, strict=True)
    )
    x = stacked(found, "x0")
    assert x.shape == (300,) and 0 < x.mean() < 1 and not found[0]["x0"].observed


def test_a_prediction_goes_on_where_the_data_ended():
    values = [one.latent for one in enumerate_executions(hidden_chain(2))().traces]
    found = predict(hidden_chain(3), values)()
    assert all("z2" in one and "x2" in one for one in found)


def test_a_reconstruction_of_a_conditioned_program():
    def program():
        z = sample("z", Normal(t(0), t(1)))
        return sample("x", Normal(z, t(1e-6)))

    posterior = [trace(replay(condition(program, {"x": t(2.0)}), {"z": t(1.9)})).get_trace()]
    (found,) = predict(condition(program, {"x": t(2.0)}), posterior)()
    assert found.returned.item() == pytest.approx(1.9, abs=1e-4)


def test_sites_that_only_some_executions_have():
    def program():
        if sample("long", Bernoulli(t(0.5))).item():
            sample("more", Normal(t(0), t(1)))

    with seed(seed=0):
        traces = [trace(program).get_trace() for _ in range(30)]
    count = sum("more" in one for one in traces)
    assert 0 < count < 30 and stacked(traces, "more").shape == (count,)
    with pytest.raises(ValueError, match=r"Site 'other' is in 0 of these executions"):
        stacked(traces, "other")
    shapes = [trace(lambda n=n: sample("z", Normal(torch.zeros(n), 1.0))).get_trace() for n in (2, 3)]
    with pytest.raises(ValueError, match=r"shapes \[\(2,\), \(3,\)\]"):
        stacked(shapes, "z")

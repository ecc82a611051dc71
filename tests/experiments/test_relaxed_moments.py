"""Quadrature for Gumbel-softmax and REBAR: against draws of the real estimators, and against finer grids."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from helpers.estimators import sampled_moments
from helpers.experiments import relaxed_moments
from helpers.experiments.relaxed_moments import TEMPERATURE
from helpers.experiments.variance import ESTIMATORS, Laboratory
from tests.experiments.laboratory import problem


@pytest.mark.parametrize(("name", "samples"), [("REBAR", 3), ("REBAR", 6), ("Gumbel-softmax", 2)])
def test_integrals_over_many_bits_agree_with_draws(name: str, samples: int):
    f, q, logits = problem(3, 2.0, 1.0)
    torch.manual_seed(0)
    drawn = sampled_moments(ESTIMATORS[name].build(), f, q, samples, parameters=[logits], repeats=1_500)
    ours = Laboratory(3, 2.0, 1.0).moments(name, samples)
    assert np.all(np.abs(ours.mean - drawn.mean[0].numpy()) < 5.5 * drawn.mean_error[0].numpy())
    assert np.all(np.abs(ours.variance - drawn.variance[0].numpy()) < 5.5 * drawn.variance_error[0].numpy())


@pytest.mark.parametrize("bits", [1, 2, 3, 4])
def test_quadrature_is_fine_enough_for_the_digits_shown(bits: int, monkeypatch: pytest.MonkeyPatch):
    """Three digits of noise and bias, at the sharpest f."""
    at = Laboratory(bits, 6.0, 0.0)
    ours = [at.moments(name, 3) for name in ("REBAR", "Gumbel-softmax")]
    finer = [({1: 90, 2: 60, 3: 30, 4: 16}, "REBAR_NODES"), ({1: 200, 2: 180, 3: 80, 4: 36}, "RELAXED_NODES")]
    for nodes, attribute in finer:
        monkeypatch.setattr(relaxed_moments, attribute, nodes)
    for one, compute in zip(ours, (relaxed_moments.rebar_moments, relaxed_moments.gumbel_softmax_moments), strict=True):
        mean, variance = compute.__wrapped__(bits, 6.0)
        scale = 1 if compute is relaxed_moments.rebar_moments else 3
        assert one.mean == pytest.approx(mean, rel=2e-3)
        assert np.sqrt(one.variance.sum() * scale) == pytest.approx(np.sqrt(variance.sum()), rel=2e-3)


def test_gumbel_and_rebar_are_those_of_the_stated_temperature():
    assert ESTIMATORS["Gumbel-softmax"].build().temperature == TEMPERATURE
    assert ESTIMATORS["REBAR"].build().log_temperature.exp().item() == pytest.approx(TEMPERATURE)

"""Quadrature rules for continuous noise."""

from __future__ import annotations

import math

import pytest
import torch

from helpers.estimators import for_logistic_noise, gauss_legendre
from tests.estimators.problems import DOUBLE


def test_quadrature_for_logistic_noise():
    """Weights sum to 1; E x² = pi²/3 and E sigmoid(x)^(1/2) = 2/3 for logistic x; plain Gauss-Legendre is a hundred times worse."""
    errors = {}
    for make in (gauss_legendre, for_logistic_noise):
        u, w = make(16)(torch.Size((2,)))
        assert u.shape == w.shape == (16, 2)
        torch.testing.assert_close(w.sum(0), torch.ones(2, dtype=DOUBLE))
        errors[make] = [
            abs((w * u.logit() ** 2).sum(0)[0].item() - math.pi**2 / 3),
            abs((w * u.sqrt()).sum(0)[0].item() - 2 / 3),
        ]
    assert max(errors[for_logistic_noise]) < 1e-4
    assert all(
        100 * ours < plain for ours, plain in zip(errors[for_logistic_noise], errors[gauss_legendre], strict=True)
    )
    with pytest.raises(ValueError, match="3 nodes or more.*2 were asked for"):
        for_logistic_noise(2)

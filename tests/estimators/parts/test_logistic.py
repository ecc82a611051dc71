"""Logistic noise given the bit that it makes."""

from __future__ import annotations

import pytest
import torch

from helpers.estimators.parts.logistic import logistic_given_bit
from tests.estimators.problems import DOUBLE


@pytest.mark.parametrize("logit", [-40.0, -3.0, 0.0, 0.5, 40.0])
def test_noise_given_the_bit(logit):
    """It has the bit's sign, and is phi + logit(v rescaled into the bit's part of the unit interval); finite at the ends."""
    v = torch.tensor([0.0, 1e-9, 0.2, 0.7, 1 - 1e-9], dtype=DOUBLE)
    phi = torch.full_like(v, logit).requires_grad_()
    p = torch.tensor(logit, dtype=DOUBLE).sigmoid()
    for bit, rescaled in ((1.0, 1 - p + v * p), (0.0, v * (1 - p))):
        z = logistic_given_bit(phi, torch.full_like(v, bit), v)
        assert (z > 0 if bit else z < 0).all()
        assert z.isfinite().all()
        if abs(logit) < 10:
            torch.testing.assert_close(z[1:].detach(), (logit + rescaled.logit())[1:], rtol=1e-6, atol=1e-9)
            (slope,) = torch.autograd.grad(z.sum(), phi)
            expected = v * p / (1 - p + v * p) if bit else (1 - p) * (1 - v) / (1 - v * (1 - p))
            torch.testing.assert_close(slope, expected, rtol=1e-9, atol=1e-9)

"""Principal directions: those of numpy's covariance matrix, whatever their signs."""

from __future__ import annotations

import numpy as np
import torch

from helpers.widgets.parts.principal_directions import principal_directions


def test_they_are_the_leading_eigenvectors_of_the_covariance():
    codes = torch.randn(50, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    codes = codes * torch.tensor([1.0, 3.0, 0.5, 2.0]) + 7
    directions, spread = principal_directions(codes)
    values, vectors = np.linalg.eigh(np.cov(codes.numpy().T))
    np.testing.assert_allclose(spread.numpy(), np.sqrt(values[::-1][:2]), rtol=1e-9)
    for direction, vector in zip(directions.numpy(), vectors.T[::-1][:2], strict=True):
        np.testing.assert_allclose(direction, vector * np.sign(vector[np.abs(vector).argmax()]), atol=1e-9)


def test_equal_codes_have_a_spread_that_can_divide():
    _, spread = principal_directions(torch.ones(1, 3))
    assert (spread == 1e-6).all()

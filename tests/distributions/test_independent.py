"""`innermost` looks inside every layer of `Independent`, and only there."""

from __future__ import annotations

import torch
from torch.distributions import Independent, Normal, TransformedDistribution
from torch.distributions.transforms import TanhTransform

from helpers.distributions import innermost


def test_every_layer_of_independent_is_taken_off():
    normal = Normal(torch.zeros(2, 3, 4), 1.0)
    assert innermost(Independent(Independent(normal, 1), 2)) is normal


def test_a_distribution_that_is_no_independent_is_itself():
    normal = Normal(torch.zeros(3), 1.0)
    transformed = TransformedDistribution(Independent(normal, 1), TanhTransform())
    assert innermost(normal) is normal and innermost(transformed) is transformed

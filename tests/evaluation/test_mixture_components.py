"""How a mixture guide uses its components, against guides whose use of them is known."""

from __future__ import annotations

import math
import statistics

import pytest
import torch
from torch import nn
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from helpers.evaluation.mixture_components import component_use


class Mixture(nn.Module):
    """q(z | x), whatever x is: unit Gaussians in the plane, `apart` from one another, with the weights 1/2, 1/4, 1/4."""

    def __init__(self, apart: float, weights: tuple[float, ...] = (0.5, 0.25, 0.25)) -> None:
        super().__init__()
        self.loc = apart * torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        self.logits = torch.tensor(weights).log()

    def forward(self, x):
        points = Independent(Normal(self.loc.expand(len(x), 3, 2), 1.0), 1)
        return MixtureSameFamily(Categorical(logits=self.logits.expand(len(x), 3)), points)


@pytest.mark.parametrize(("apart", "information"), [(0.0, 0.0), (40.0, 1.5 * math.log(2))])
def test_components_in_use(apart, information):
    found = component_use(Mixture(apart), torch.zeros(700, 1), num_samples=400)
    assert found["component_shares"] == pytest.approx([0.5, 0.25, 0.25])
    assert found["component_entropy"] == pytest.approx(1.5 * math.log(2), rel=1e-5)
    assert found["component_information"] == pytest.approx(information, abs=2e-5)


def test_components_that_overlap_and_one_that_has_it_all():
    q = Mixture(1.5)
    lattice = torch.cartesian_prod(*[torch.linspace(-8, 10, 400)] * 2)[:, None]
    log_joint = q.logits + q(lattice).component_distribution.log_prob(lattice)  # [points, components]
    mass = (18 / 399) ** 2 * log_joint.exp()
    exact = (mass * (log_joint.log_softmax(-1) - q.logits)).sum().item()
    draws = [component_use(q, torch.zeros(500, 1))["component_information"] for _ in range(10)]
    error = statistics.stdev(draws) / 10**0.5
    assert error < 0.01
    assert statistics.fmean(draws) == pytest.approx(exact, abs=5 * error)
    alone = component_use(Mixture(1.5, (1 - 2e-6, 1e-6, 1e-6)), torch.zeros(500, 1))
    assert alone["component_information"] == pytest.approx(0, abs=1e-3)

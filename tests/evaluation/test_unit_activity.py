"""`active_units`: known variances, collapsed units, posteriors without a mean in closed form, and modes put back."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal, TransformedDistribution, transforms

from helpers.distributions import GaussianConditional
from helpers.evaluation import active_units
from helpers.models import AmortizedGuide
from helpers.networks import FeedForward


class Linear(nn.Module):
    """q(z | x) = N(W x, s²): the variance of the mean over images is that of W x."""

    def __init__(self, weight, wrap=lambda q: q):
        super().__init__()
        self.weight, self.wrap = weight, wrap

    def forward(self, x):
        return self.wrap(Independent(Normal(x @ self.weight.T, 0.5), 1))


WEIGHT = torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.3, -0.4], [0.05, 0.05]], dtype=torch.float64)


def images(number: int = 200) -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randn(number, 2, dtype=torch.float64)


@pytest.mark.parametrize("max_evaluations", [10_000, 700, 1])
def test_variances_of_linear_means(max_evaluations):
    x = images()
    found = active_units(Linear(WEIGHT), x, max_evaluations=max_evaluations)
    exact = torch.diag(WEIGHT @ torch.cov(x.T) @ WEIGHT.T)
    torch.testing.assert_close(found.variance, exact, rtol=1e-12, atol=1e-14)
    assert found.active.tolist() == [True, False, True, False]
    assert found.count == 2
    assert active_units(Linear(WEIGHT), x, threshold=1e-4).count == 3


def test_a_flow_has_its_mean_from_draws_and_their_noise_is_taken_off():
    """Five draws: their noise, 0.05, is five times the threshold, and would make every unit active."""
    x = images(4000)
    found = active_units(
        Linear(WEIGHT, lambda q: TransformedDistribution(q, [transforms.ComposeTransform([])])), x, num_samples=5
    )
    exact = torch.diag(WEIGHT @ torch.cov(x.T) @ WEIGHT.T)
    total = exact + 0.25 / 5  # of one sampled mean
    error = total * (2 / 4000) ** 0.5 + 0.25 / 5 * (2 / 16_000) ** 0.5
    assert ((found.variance - exact).abs() < 5 * error).all()
    assert found.active.tolist() == [True, False, True, False]


def test_a_mixture_has_a_mean_in_closed_form():
    def mixture(q):
        loc = torch.stack([q.mean - 1, q.mean + 3], -2)
        return MixtureSameFamily(Categorical(torch.tensor([0.75, 0.25])), Independent(Normal(loc, 1.0), 1))

    x = images()
    found, plain = active_units(Linear(WEIGHT, mixture), x), active_units(Linear(WEIGHT), x)
    torch.testing.assert_close(found.variance, plain.variance)


def test_codes_that_are_matrices_without_dropout_and_modes_put_back():
    guide = AmortizedGuide(GaussianConditional((1, 3, 5), (2, 3), FeedForward((8,), dropout=0.5)))
    x = torch.rand(6, 1, 3, 5)
    first, second = active_units(guide, x), active_units(guide, x)
    assert first.variance.shape == (2, 3)
    assert torch.equal(first.variance, second.variance)
    assert guide.training


def test_one_image_has_no_variance():
    with pytest.raises(ValueError, match="Got a tensor of shape .1, 2. .* as images; expected .* with 2 or more"):
        active_units(Linear(WEIGHT), images(1))
    with pytest.raises(ValueError, match="Got num_samples=1; expected the draws.*2 or more"):
        active_units(Linear(WEIGHT), images(5), num_samples=1)

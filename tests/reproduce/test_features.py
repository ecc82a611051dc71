"""Features of warped images: of which image, how random, and without gradient."""

from __future__ import annotations

import torch

from helpers.distributions import GaussianConditional, RandomWarp
from helpers.models import AmortizedPosterior
from helpers.reproduce.features import WarpedFeatures, mean_features


def test_features_are_drawn_from_the_posterior_of_the_warped_image():
    torch.manual_seed(0)
    posterior = AmortizedPosterior(GaussianConditional((1, 6, 6), (3,)))
    images = torch.rand(1, 1, 6, 6).expand(20_000, 1, 6, 6)
    still = WarpedFeatures(posterior, RandomWarp(0, 0, 0, 0))(images)
    assert not still.requires_grad
    q = posterior(images[:1])
    torch.testing.assert_close(still.mean(0), q.mean[0].detach(), atol=0.04, rtol=0)
    torch.testing.assert_close(still.std(0), q.stddev[0].detach(), atol=0, rtol=0.03)
    torch.testing.assert_close(mean_features(posterior, images[:3]), q.mean.expand(3, 3).detach())
    # With shifts the mean is that over warped images.
    moved = RandomWarp(0, 0, 0, 0.3)
    torch.manual_seed(1)
    drawn = WarpedFeatures(posterior, moved)(images)
    torch.manual_seed(1)
    expected = posterior(moved(images)).mean.mean(0).detach()
    torch.testing.assert_close(drawn.mean(0), expected, atol=0.04, rtol=0)
    assert (expected - q.mean[0]).abs().max() > 0.05  # or the comparison above would say nothing

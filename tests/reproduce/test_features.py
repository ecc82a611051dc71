"""Features of warped images: of which image, how random, and without gradient."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.distributions import Independent, Normal

from helpers.networks import RandomAffine
from helpers.reproduce.features import WarpedFeatures, mean_features, train_features

SCALE = 0.5


class FirstPixels(nn.Module):
    """q(z | x) = N(the first three pixels, SCALE²), and what it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.offset = nn.Parameter(torch.zeros(3))

    def forward(self, x: Tensor) -> Independent:
        self.seen = x
        return Independent(Normal(x.flatten(1)[:, :3] + self.offset, SCALE), 1)


def test_features_are_drawn_from_the_guide_of_the_warped_image():
    guide, warp = FirstPixels(), RandomAffine(max_translation=0.3)
    torch.manual_seed(0)
    images = torch.rand(1, 1, 6, 6).expand(20_000, 1, 6, 6)
    torch.manual_seed(1)
    drawn = WarpedFeatures(guide, warp)(images)
    torch.manual_seed(1)
    assert torch.equal(guide.seen, warp(images))
    assert not torch.equal(guide.seen[0], guide.seen[1])
    assert not drawn.requires_grad
    noise = drawn - guide.seen.flatten(1)[:, :3]
    assert noise.mean().abs() < 5 * SCALE / noise.numel() ** 0.5
    torch.testing.assert_close(noise.std(), torch.tensor(SCALE), atol=0, rtol=0.02)


def test_mean_features_are_of_the_images_as_they_are():
    images = torch.rand(1500, 1, 6, 6)  # more than go at a time
    found = mean_features(FirstPixels(), images)
    assert not found.requires_grad
    torch.testing.assert_close(found, images.flatten(1)[:, :3])


def test_m1_learns_from_what_the_warp_makes_of_every_image(tmp_path: Path):
    images, shown = torch.rand(300, 1, 28, 28), []

    def upside_down(x: Tensor) -> Tensor:
        shown.append(x)
        return x.flip(-2)

    def weights(name: str, warp) -> Tensor:
        guide = train_features(images, 1, tmp_path / f"{name}.pt", warp)
        return torch.cat([parameter.detach().flatten() for parameter in guide.parameters()])

    warped = weights("warped", upside_down)
    together = torch.cat(shown).flatten(1)
    assert torch.equal(together[together[:, 0].argsort()], images.flatten(1)[images[:, 0, 0, 0].argsort()])
    assert not torch.equal(warped, weights("as they are", lambda x: x))

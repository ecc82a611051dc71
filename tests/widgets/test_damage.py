"""Explorer "damage": the damaged pixels, and the nats under each picture, in every state of its controls."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from helpers.distributions import BernoulliConditional, GaussianConditional, StandardNormalPrior
from helpers.models import AmortizedGuide, LatentVariableModel
from helpers.networks import FeedForward
from helpers.widgets.damage import DRAWS, KINDS, PLACES, SAMPLES, damage, damaged, examine

SHAPE = (1, 10, 8)
LATENT = 3


@pytest.fixture(scope="module")
def parts():
    torch.manual_seed(3)
    model = LatentVariableModel(StandardNormalPrior(LATENT), BernoulliConditional((LATENT,), SHAPE, FeedForward((7,))))
    guide = AmortizedGuide(GaussianConditional(SHAPE, (LATENT,), FeedForward((7,))))
    return model, guide, torch.rand(2, *SHAPE)


def noise(seed: int = 0) -> torch.Tensor:
    return torch.rand(2, *SHAPE, generator=torch.Generator().manual_seed(seed))


def cross_entropy(network, z: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Minus log p(x | z), written out in float64. z: [..., latent], x: [C, H, W] → [...]."""
    p = torch.sigmoid(network(z).double())
    return -(x.double() * p.log() + (1 - x.double()) * (1 - p).log()).flatten(-3).sum(-1)


def test_every_state_has_its_picture_and_says_its_state_and_numbers(parts):
    model, guide, images = parts
    explorer = damage(model, guide, images, torch.tensor([4, 9]))
    states = list(explorer.states())
    assert len(states) == 2 * len(KINDS) * 5 * len(PLACES)
    for state in states:
        picture = explorer.picture(**state)
        for words in (
            f"image {state['image']}, a {(4, 9)[state['image']]}",
            state["kind"],
            f"{state['amount']:.0f} percent",
        ):
            assert words in picture.alt
        assert (state["place"] in picture.alt) == ("square" in state["kind"])
        shown = [text.get_text() for text in picture.figure.axes[0].texts]
        titles, numbers = shown[0::2], " ".join(shown[1::2])
        assert titles == ["original x", "damaged x̃", "mean of q", "draw 1", "draw 2", "draw 3"]
        # The same twelve numbers under the pictures and in the words.
        spoken = re.findall(r"\d+\.\d", picture.alt)
        assert len(spoken) == 4 + 2 * (1 + DRAWS)
        assert sorted(re.findall(r"\d+\.\d", numbers)) == sorted(spoken)


def test_distortion_and_rate_are_those_of_the_model(parts):
    model, guide, images = parts
    original, broken = images[0], damaged(images[0], "hide the top", 0.5, "centre", noise())
    eps = torch.randn(20_000, 1, LATENT)
    found = examine(model, guide, original, broken, eps)
    for x, distortion, rate in zip((original, broken), found.distortion, found.rate, strict=True):
        with torch.no_grad():
            loc, raw = guide.conditional.network(x[None])[0].double()
            scale = torch.nn.functional.softplus(raw) + 1e-5
            z = loc + scale * torch.randn(20_000, LATENT, dtype=torch.float64)  # independent draws
            sampled = cross_entropy(model.likelihood.network, z.float(), x)
        error = (2 * sampled.var() / len(sampled)).sqrt().item()
        assert abs(distortion - sampled.mean().item()) < 6 * error
        exact = 0.5 * (loc**2 + scale**2 - 1 - 2 * scale.log()).sum().item()
        assert rate == pytest.approx(exact, rel=1e-4)


def test_reconstructions_come_from_the_damaged_image_and_are_scored_against_both(parts):
    model, guide, images = parts
    original, broken = images[1], damaged(images[1], "invert a square", 0.6, "bottom left", noise())
    eps = torch.randn(SAMPLES, 1, LATENT)
    found = examine(model, guide, original, broken, eps)
    with torch.no_grad():
        loc, raw = guide.conditional.network(broken[None])[0]
        scale = torch.nn.functional.softplus(raw) + 1e-5
        z = torch.cat([loc[None], loc + scale * eps[:DRAWS, 0]])
        torch.testing.assert_close(found.reconstructions, torch.sigmoid(model.likelihood.network(z)))
        for numbers, x in ((found.of_damaged, broken), (found.of_original, original)):
            expected = cross_entropy(model.likelihood.network, z, x)
            torch.testing.assert_close(torch.tensor(numbers).double(), expected, rtol=1e-5, atol=1e-4)


def test_the_picture_shows_the_images_it_speaks_of(parts):
    model, guide, images = parts
    explorer = damage(model, guide, images)
    state = {"image": 1, "kind": "erase a square", "amount": 50, "place": "bottom right"}
    page = np.asarray(explorer.picture(**state).figure.axes[0].images[0].get_array())[..., 0]
    _, height, width = SHAPE
    gap = (page.shape[1] - 2 - 6 * width) // 5
    tiles = [page[1 : 1 + height, 1 + k * (width + gap) : 1 + k * (width + gap) + width] for k in range(6)]
    broken = damaged(images[1], "erase a square", 0.5, "bottom right", noise())
    np.testing.assert_allclose(tiles[0], 1 - images[1, 0].numpy(), atol=1e-6)
    np.testing.assert_allclose(tiles[1], 1 - broken[0].numpy(), atol=1e-6)
    with torch.no_grad():
        rebuilt = model(guide(broken[None]).mean).mean[0, 0]
    np.testing.assert_allclose(tiles[2], 1 - rebuilt.numpy(), atol=1e-5)
    assert all(np.abs(tiles[3] - tile).max() > 1e-4 for tile in (tiles[2], tiles[4], tiles[5]))  # draws differ


HIT = {  # rows and columns, of 10 by 8, that are damaged at 50 %
    ("hide the left", "centre"): (slice(0, 10), slice(0, 4)),
    ("hide the right", "centre"): (slice(0, 10), slice(4, 8)),
    ("hide the top", "centre"): (slice(0, 5), slice(0, 8)),
    ("hide the bottom", "centre"): (slice(5, 10), slice(0, 8)),
    ("erase a square", "centre"): (slice(3, 7), slice(2, 6)),
    ("erase a square", "top left"): (slice(0, 4), slice(0, 4)),
    ("erase a square", "top right"): (slice(0, 4), slice(4, 8)),
    ("invert a square", "bottom left"): (slice(6, 10), slice(0, 4)),
    ("invert a square", "bottom right"): (slice(6, 10), slice(4, 8)),
}


@pytest.mark.parametrize("kind, place", HIT)
def test_damage_reaches_its_part_and_no_other(kind, place, parts):
    image = parts[2][0]
    kept = image.clone()
    broken = damaged(image, kind, 0.5, place, noise())
    part = torch.zeros(SHAPE, dtype=torch.bool)
    part[:, HIT[kind, place][0], HIT[kind, place][1]] = True
    torch.testing.assert_close(broken[~part], image[~part], rtol=0, atol=0)
    wanted = 1 - image[part] if kind == "invert a square" else torch.zeros(int(part.sum()))
    torch.testing.assert_close(broken[part], wanted)
    torch.testing.assert_close(image, kept, rtol=0, atol=0)


def test_noise_replaces_the_share_of_pixels_asked_for():
    shape = (1, 100, 100)
    dice = torch.rand(2, *shape, generator=torch.Generator().manual_seed(1))
    broken = damaged(
        torch.full(shape, 2.0), "replace pixels by noise", 0.3, "centre", dice
    )  # 2 does not occur in the noise
    hit = broken != 2
    assert abs(hit.float().mean().item() - 0.3) < 5 * (0.3 * 0.7 / 10_000) ** 0.5
    assert abs(broken[hit].mean().item() - 0.5) < 5 * (1 / 12 / int(hit.sum())) ** 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_no_damage_at_zero_and_more_with_the_amount(kind, parts):
    image = 0.2 + 0.2 * parts[2][0]
    assert torch.equal(damaged(image, kind, 0.0, "centre", noise()), image)
    changed = [int((damaged(image, kind, amount / 10, "centre", noise()) != image).sum()) for amount in range(11)]
    assert changed == sorted(changed) and changed[-1] >= 8 * 8


def test_an_undamaged_image_costs_what_the_original_costs(parts):
    model, guide, images = parts
    found = examine(model, guide, images[0], images[0].clone(), torch.randn(SAMPLES, 1, LATENT))
    assert found.distortion[0] == pytest.approx(found.distortion[1])
    assert found.rate[0] == pytest.approx(found.rate[1])
    assert found.of_damaged == pytest.approx(found.of_original)


def test_same_state_same_bytes_and_no_random_number_of_the_learners_used(parts):
    model, guide, images = parts
    before = torch.get_rng_state()
    state = {"image": 0, "kind": "replace pixels by noise", "amount": 40, "place": "centre"}
    once, again = (damage(model, guide, images).picture(**state).to_png(1.0) for _ in range(2))
    other = damage(model, guide, images, seed=1).picture(**state).to_png(1.0)
    assert once == again != other
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"kind": "burn"}, "'burn'"),
        ({"place": "behind"}, "'behind'"),
        ({"amount": 1.2}, "share, from 0 to 1"),
        ({"amount": -0.1}, "share"),
    ],
)
def test_says_what_is_wrong_with_a_damage(change, message, parts):
    arguments = {"kind": "hide the left", "amount": 0.5, "place": "centre", **change}
    with pytest.raises(ValueError, match=message):
        damaged(parts[2][0], noise=noise(), **arguments)

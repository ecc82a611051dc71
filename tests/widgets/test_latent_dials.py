"""Explorer "latent dials": its decoded image, the place of its cross and its counts, in every state of its controls."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg

from helpers.distributions import BernoulliConditional, GaussianConditional, StandardNormalPrior
from helpers.models import AmortizedGuide, LatentVariableModel
from helpers.networks import FeedForward
from helpers.plots import workbook_style
from helpers.widgets.latent_dials import EDGE, NEIGHBOURS, code_map, latent_dials, latent_dials_picture

SHAPE = (1, 6, 5)


def untrained(latent: int = 2, shape: tuple[int, int, int] = SHAPE):
    """A small VAE with a steep decoder, so that images of different z differ."""
    torch.manual_seed(1)
    model = LatentVariableModel(StandardNormalPrior(latent), BernoulliConditional((latent,), shape, FeedForward((8,))))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(4)
    return model, AmortizedGuide(GaussianConditional(shape, (latent,), FeedForward((8,))))


@pytest.fixture(scope="module")
def parts():
    model, guide = untrained()
    torch.manual_seed(2)
    images, labels = torch.rand(60, *SHAPE), torch.arange(60) % 4
    page = code_map(guide, images, labels)
    # An untrained encoder's codes are close together; they are spread, so that neighbourhoods differ.
    spread = page.__class__(4 * (page.codes - page.codes.mean(0)) / page.codes.std(0), labels, page.pixels)
    return model, guide, images, labels, spread


class OneCode(torch.nn.Module):
    """A guide that encodes every image to the same place."""

    def __init__(self, place):
        super().__init__()
        self.place = torch.tensor(place)

    def forward(self, x):
        return torch.distributions.Normal(self.place.expand(len(x), 2), 0.1)


def drawn(picture) -> np.ndarray:
    """The figure's pixels, grey, [height, width], one per CSS pixel."""
    with workbook_style():
        canvas = FigureCanvasAgg(picture.figure)
        canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].mean(-1)


def test_every_state_shows_what_the_decoder_makes_of_its_z(parts):
    model, guide, images, labels, _ = parts
    explorer = latent_dials(model, guide, images, labels)
    states = list(explorer.states())
    assert len(states) >= 25
    seen = set()
    for state in states:
        picture = explorer.picture(**state)
        z = torch.tensor([state["z1"], state["z2"]])
        with torch.no_grad():
            ink = torch.sigmoid(model.likelihood.network(z))[0]
        np.testing.assert_allclose(np.asarray(picture.figure.axes[0].images[1].get_array()), 1 - ink.numpy(), atol=1e-6)
        assert f"{100 * ink.mean().item():.0f} percent ink" in picture.alt
        seen.add(ink.numpy().tobytes())
    assert len(seen) == len(states)


def test_words_say_the_state_and_count_the_nearest_codes_by_class(parts):
    model, _, _, labels, page = parts
    for z1, z2 in ((0.0, 0.0), (-3.0, 3.0), (1.5, -0.8)):
        alt = latent_dials_picture(model, page, z1=z1, z2=z2).alt
        assert f"z = ({z1:.1f}, {z2:.1f})".replace("-", "−") in alt
        place = np.array([z1, z2])
        order = np.argsort([np.hypot(*(code - place)) for code in page.codes.numpy()])[:NEIGHBOURS]
        counts = np.bincount(labels.numpy()[order], minlength=4)
        assert counts.sum() == NEIGHBOURS
        counted = {int(c): int(count) for count, c in re.findall(r"(\d+) of class (\d+)", alt)}
        assert counted == {c: count for c, count in enumerate(counts) if count}


def test_words_say_on_which_side_of_the_circle_z_lies(parts):
    model, _, _, _, page = parts
    radius = float(np.quantile(np.hypot(*np.random.default_rng(0).standard_normal((2, 400_000))), 0.95))  # about 2.45
    for z1, side in ((radius - 0.03, "inside"), (radius + 0.03, "outside")):
        assert f"{side} the circle" in latent_dials_picture(model, page, z1=z1, z2=0.0).alt


@pytest.mark.parametrize("place", [(1.0, -2.0), (-2.5, 0.5), (0.0, 3.0)])
def test_cross_stands_on_the_mark_of_the_code_it_points_at(place):
    model, _ = untrained()
    images, labels = torch.zeros(1, *SHAPE), torch.tensor([8])  # 8 is symmetric, so its centre is its place
    mark = code_map(OneCode(place), images, labels).pixels[..., :3].mean(-1)
    blank = code_map(OneCode((100.0, 100.0)), images, labels).pixels[..., :3].mean(-1)
    rows, columns = np.nonzero(np.abs(mark - blank) > 30)
    centre = np.array([columns.mean() / 2, rows.mean() / 2])  # drawn at two pixels per CSS pixel

    page = code_map(OneCode((100.0, 100.0)), images, labels)
    here = latent_dials_picture(model, page, z1=place[0], z2=place[1])
    (ring,) = [line for line in here.figure.axes[0].lines if line.get_marker() == "o"]
    x, y = ring.get_xydata()[0]
    np.testing.assert_allclose([x, here.figure.get_figheight() * 96 - y], centre, atol=1.0)
    dark = drawn(here) < 60
    assert (
        dark[int(here.figure.get_figheight() * 96 - y) - 8 :, int(x) - 8 :][:17, :17].sum() > 20
    )  # the ring is visible


def test_counts_codes_beyond_the_map():
    model, _ = untrained()
    images, labels = torch.zeros(3, *SHAPE), torch.tensor([0, 1, 2])
    page = code_map(OneCode((0.0, EDGE + 0.5)), images, labels)
    assert "3 of 3 codes lie beyond the map" in latent_dials_picture(model, page, z1=0.0, z2=0.0).caption
    page = code_map(OneCode((0.0, EDGE - 0.5)), images, labels)
    assert "beyond" not in latent_dials_picture(model, page, z1=0.0, z2=0.0).caption


def test_map_shows_every_class_by_its_character_not_by_colour_alone():
    images = torch.zeros(1, *SHAPE)
    shapes = [
        (code_map(OneCode((0.0, 0.0)), images, torch.tensor([c])).pixels[..., :3].mean(-1) < 200).tobytes()
        for c in range(10)
    ]
    assert len(set(shapes)) == 10


def test_same_state_same_bytes_and_no_random_number_used(parts):
    model, guide, images, labels, _ = parts
    before = torch.get_rng_state()
    once, again = (latent_dials(model, guide, images, labels).picture(z1=0.3, z2=-1.0).to_png(1.0) for _ in range(2))
    assert once == again
    assert torch.equal(torch.get_rng_state(), before)


def test_images_in_colour_and_few_codes_are_shown_too():
    shape = (3, 4, 4)
    model, guide = untrained(shape=shape)
    explorer = latent_dials(model, guide, torch.rand(2, *shape), torch.tensor([0, 7]))
    picture = explorer.picture(z1=1.0, z2=1.0)
    assert picture.figure.axes[0].images[1].get_array().shape == (4, 4, 3)
    assert "Of the 2 codes nearest" in picture.alt


@pytest.mark.parametrize(
    "latent, labels, message",
    [
        (2, None, "one label per image; 5 images and None labels"),
        (2, torch.zeros(4), "5 images and 4 labels"),
        (3, torch.zeros(5), r"two latents; this guide makes z of shape \[3\]"),
    ],
)
def test_says_what_is_wrong_with_model_or_labels(latent, labels, message):
    model, guide = untrained(latent)
    with pytest.raises(ValueError, match=message):
        latent_dials(model, guide, torch.rand(5, *SHAPE), labels)

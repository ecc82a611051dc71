"""Damage (lesson 02): damage an image, and see how a VAE reconstructs it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.distributions import kl_divergence

from helpers.models import LatentVariableModel
from helpers.plots import Picture
from helpers.plots.images import mosaic_figure
from helpers.plots.mosaic_plot import checked_images, mosaic
from helpers.plots.style import INK, workbook_style
from helpers.plots.words import listed
from helpers.widgets.parts.explorer import Choice, Explorer, Slider

KINDS = (
    "hide the left", "hide the right", "hide the top", "hide the bottom",
    "erase a square", "invert a square", "replace pixels by noise",
)  # fmt: skip
PLACES = {
    "centre": (0.5, 0.5), "top left": (0.0, 0.0), "top right": (0.0, 1.0), "bottom left": (1.0, 0.0), "bottom right": (1.0, 1.0),
}  # fmt: skip
DRAWS = 3  # reconstructions from draws, shown beside the one from the mean of q
SAMPLES = 32  # draws of z behind each printed distortion
TILE = 104  # CSS pixels


@dataclass(frozen=True)
class Damaged:
    """Distortion, rate and reconstructions of one damaged image.

    Attributes:
        original: The image, [C, H, W] in [0, 1].
        damaged: The damaged image, [C, H, W] in [0, 1].
        distortion: Of the original and of the damaged image, each encoded on its own: nats, averaged over draws of z.
        rate: KL(q(z | x) || p(z)) of the original and of the damaged image, nats.
        reconstructions: Means of p(x | z) at the mean of q(z | damaged), then at `DRAWS` draws: [1 + DRAWS, C, H, W].
        of_damaged: -log p(damaged | z) for the z of each reconstruction, nats.
        of_original: -log p(original | z) for the z of each reconstruction, nats.
    """

    original: Tensor
    damaged: Tensor
    distortion: tuple[float, float]
    rate: tuple[float, float]
    reconstructions: Tensor
    of_damaged: tuple[float, ...]
    of_original: tuple[float, ...]


def damage(
    model: LatentVariableModel, guide: nn.Module, images: Tensor, labels: Tensor | None = None, seed: int = 0
) -> Explorer:
    """Choose one of `images`, damage it, and compare it with the reconstruction.

    Args:
        model: VAE, on the device of the images.
        guide: Its Gaussian guide, on the same device.
        images: [images, C, H, W] in [0, 1].
        labels: Classes, [images], for the alt text and caption; None: no classes are named.
        seed: Seed of the noise, which stays the same while the sliders move.

    Returns:
        The explorer.

    Raises:
        ValueError: If `images` are not images in [0, 1].
    """
    checked_images(images)
    # On the CPU, so that every device draws the same noise.
    generator = torch.Generator().manual_seed(seed)
    noise = torch.rand(2, *images.shape[1:], generator=generator).to(images.device)
    eps = torch.randn(SAMPLES, 1, *guide.event_shape, generator=generator).to(images.device)
    picture = partial(damage_picture, model, guide, images, labels, noise, eps)
    controls = {
        "image": Slider("image", 0, len(images) - 1, 1, 0),
        "kind": Choice("damage", KINDS, "hide the bottom"),
        "amount": Slider("amount, %", 0, 100, 10, 50),
        "place": Choice("place of a square", tuple(PLACES), "centre"),
    }
    stills = ({"kind": "hide the bottom"}, {"kind": "replace pixels by noise", "amount": 30})
    return Explorer("damage", picture, controls, stills=stills)


def damage_picture(
    model: LatentVariableModel,
    guide: nn.Module,
    images: Tensor,
    labels: Tensor | None,
    noise: Tensor,
    eps: Tensor,
    *,
    image: int,
    kind: str,
    amount: float,
    place: str,
) -> Picture:
    """The original, the damaged image, and reconstructions from the damaged one, with nats under each.

    Nothing is drawn at random: all noise is given.

    Args:
        model: VAE.
        guide: Its Gaussian guide.
        images: [images, C, H, W] in [0, 1].
        labels: Classes, [images], or None.
        noise: Uniform noise for the damage, [2, C, H, W].
        eps: Standard normal noise for z, [SAMPLES, 1, *latent].
        image: Index of the image.
        kind: One of `KINDS`.
        amount: How much is damaged, percent.
        place: One of `PLACES`, used by damage with a square.

    Returns:
        The picture.
    """
    original = images[image]
    found = examine(model, guide, original, damaged(original, kind, amount / 100, place, noise), eps)
    titles = ["original x", "damaged x̃", "mean of q", *[f"draw {k}" for k in range(1, DRAWS + 1)]]
    encoded = [
        f"D {distortion:.1f}\nR {rate:.1f}" for distortion, rate in zip(found.distortion, found.rate, strict=True)
    ]
    rebuilt = [f"x̃: {d:.1f}\nx: {o:.1f}" for d, o in zip(found.of_damaged, found.of_original, strict=True)]
    figure = _figure(torch.cat([original[None], found.damaged[None], found.reconstructions]), titles, encoded + rebuilt)

    name = f"image {image}" + ("" if labels is None else f", a {int(labels[image])}")
    at_place = f", {place}" if "square" in kind else ""
    draws = listed([f"{d:.1f} and {o:.1f}" for d, o in zip(found.of_damaged[1:], found.of_original[1:], strict=True)])
    alt = (
        f"Six pictures of {name}; damage: {kind}, {amount:.0f} percent{at_place}. In nats: the original has distortion "
        f"{found.distortion[0]:.1f} and rate {found.rate[0]:.1f}, the damaged image {found.distortion[1]:.1f} and "
        f"{found.rate[1]:.1f}. The reconstruction from the mean of q leaves a distortion of {found.of_damaged[0]:.1f} for the "
        f"damaged image and {found.of_original[0]:.1f} for the original; those from {DRAWS} draws {draws}."
    )
    caption = (
        f"{name[0].upper()}{name[1:]}. In nats: D and R of x and of x̃, each encoded on its own; under a reconstruction from x̃, "
        "its distortion as an account of x̃, which the encoder saw, and of x, which it did not."
    )
    return Picture(figure, alt, caption)


def damaged(image: Tensor, kind: str, amount: float, place: str, noise: Tensor) -> Tensor:
    """A damaged copy of an image.

    Hiding blanks a share `amount` of the width or height. A square, erased to blank or inverted, has that share of the
    image's shorter side. Noise replaces that share of the pixels, on average, by uniform greys: noise[1] if
    noise[0] < amount.

    Args:
        image: [C, H, W] in [0, 1].
        kind: One of `KINDS`.
        amount: Share that is damaged, in [0, 1].
        place: Where a square lies, one of `PLACES`.
        noise: Uniform noise, [2, C, H, W].

    Returns:
        The damaged image, [C, H, W].

    Raises:
        ValueError: If the kind or place is unknown, or if the amount is outside [0, 1].
    """
    if kind not in KINDS or place not in PLACES:
        raise ValueError(
            f"kind={kind!r}, place={place!r}: kinds are {listed(KINDS)}; places are {listed(list(PLACES))}."
        )
    if not 0 <= amount <= 1:
        raise ValueError(f"amount={amount} must be a share, from 0 to 1.")
    height, width = image.shape[-2:]
    if kind == "replace pixels by noise":
        return torch.where(noise[0] < amount, noise[1], image)
    # The damaged part, as rows and columns.
    if "square" in kind:
        side = round(amount * min(height, width))
        top, left = (round(share * (size - side)) for share, size in zip(PLACES[place], (height, width), strict=True))
        rows, columns = slice(top, top + side), slice(left, left + side)
    else:
        down, across = round(amount * height), round(amount * width)
        rows = {"hide the top": slice(0, down), "hide the bottom": slice(height - down, height)}.get(kind, slice(None))
        columns = {"hide the left": slice(0, across), "hide the right": slice(width - across, width)}.get(
            kind, slice(None)
        )
    result = image.clone()
    part = result[:, rows, columns]
    result[:, rows, columns] = 1 - part if kind == "invert a square" else 0
    return result


@torch.no_grad()
def examine(model: LatentVariableModel, guide: nn.Module, original: Tensor, broken: Tensor, eps: Tensor) -> Damaged:
    """Encode both images, and decode the damaged one's z.

    Args:
        model: VAE.
        guide: Its Gaussian guide.
        original: [C, H, W] in [0, 1].
        broken: The damaged image, [C, H, W] in [0, 1].
        eps: Standard normal noise of every draw, [SAMPLES, 1, *latent].

    Returns:
        Distortions, rates and reconstructions.
    """
    both = torch.stack([original, broken])
    q = guide(both)
    z = q.mean + q.base_dist.scale * eps  # [samples, 2, *latent]
    distortion = -model(z).log_prob(both).mean(0)  # [2]
    rate = kl_divergence(q, model.prior(q.batch_shape))  # [2]
    shown = torch.cat([q.mean[1:], z[:DRAWS, 1]])  # [1 + draws, *latent], of the damaged image
    p = model(shown)
    return Damaged(
        original,
        broken,
        tuple(distortion.tolist()),
        tuple(rate.tolist()),
        p.mean,
        tuple((-p.log_prob(broken)).tolist()),
        tuple((-p.log_prob(original)).tolist()),
    )


def _figure(tiles: Tensor, titles: Sequence[str], numbers: Sequence[str]) -> Figure:
    """One row of tiles [N, C, H, W] with a title above and two lines of numbers under each."""
    tiles = checked_images(tiles)
    count, _, height, width = tiles.shape
    scale = TILE / max(height, width)
    gap = math.ceil(12 / scale)  # image pixels between two tiles
    with workbook_style():
        page = mosaic(tiles, count, gap=(1, gap))
        figure, axes = mosaic_figure(page, scale, left=2, right=2, bottom=46, top=26)
        axes.set_axis_off()
        for index, (title, words) in enumerate(zip(titles, numbers, strict=True)):
            centre = 1 + index * (width + gap) + width / 2 - 0.5
            above = {"ha": "center", "va": "bottom", "fontsize": 11, "color": INK}
            axes.annotate(title, (centre, -0.5), (0, 4), textcoords="offset points", **above)
            below = {"ha": "center", "va": "top", "fontsize": 10.5, "color": INK, "linespacing": 1.25}
            axes.annotate(words, (centre, page.shape[0] - 0.5), (0, -4), textcoords="offset points", **below)
    return figure

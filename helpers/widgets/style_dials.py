"""Style dials (lesson 06): one style in every class, moved along the two directions in which styles differ most."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import torch
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from torch import Tensor
from torch.nn.functional import one_hot

from helpers.models import SemiSupervisedGuide, SemiSupervisedVAE
from helpers.plots import Picture, mosaic, workbook_style
from helpers.plots.mosaic_plot import checked_images
from helpers.plots.style import COLORS, INK, QUIET
from helpers.plots.words import listed
from helpers.widgets.parts.explorer import Explorer, Slider
from helpers.widgets.parts.panel import Panel, bare_figure
from helpers.widgets.parts.pixels import show_pixels
from helpers.widgets.parts.principal_directions import principal_directions
from helpers.widgets.parts.words import point, signed

CHOICES = 20  # images that the slider offers
REACH = 3.0  # range of the dials, standard deviations
COLUMNS = 5
WIDTH, HEIGHT = 712, 348  # CSS pixels
IMAGE = (44, 204, 112)  # left, bottom, side
MAP = (44, 42, 112, 112)
CLASSES = (208, 10, 492, 306)  # left, bottom, width, height of the tiles; the words of the first row are above
WORDS = 30  # height of the words above a tile
HERE = COLORS[1]


@dataclass(frozen=True)
class Styles:
    """Styles of images and their principal directions.

    Attributes:
        images: Images that can be chosen, [choices, C, H, W].
        labels: Classes, given or guessed, int64 [images].
        guessed: Whether the classes are guesses of q(y | x).
        codes: Means of q(z | x, y), [images, latent].
        directions: Unit vectors along which the codes differ most, [2, latent].
        spread: Standard deviations of the codes along them, [2].
        places: Codes along the directions, in standard deviations from the origin of z, [images, 2].
    """

    images: Tensor
    labels: Tensor
    guessed: bool
    codes: Tensor
    directions: Tensor
    spread: Tensor
    places: Tensor


@torch.no_grad()
def styles_of(guide: SemiSupervisedGuide, images: Tensor, labels: Tensor | None = None) -> Styles:
    """Encode the styles of images and find their `principal_directions`.

    Args:
        guide: Guide with a style of two dimensions or more.
        images: Three or more, [images, C, H, W].
        labels: Classes, int64 [images]; None: the most likely class under q(y | x).

    Returns:
        The styles.

    Raises:
        ValueError: If there are fewer than three images, if the labels do not match them, or if the style is
            one-dimensional.
    """
    if len(images) < 3 or (labels is not None and len(labels) != len(images)):
        given = "no labels" if labels is None else f"{len(labels)} labels"
        raise ValueError(
            f"The dials need three images or more, with a label each or none; {len(images)} images and {given} were given."
        )
    classes = guide.style.num_classes
    guessed = guide.classifier(images).mean.argmax(-1)
    found = guessed if labels is None else labels.to(images.device)
    codes = guide.style(images, one_hot(found, classes).to(images.dtype)).mean.flatten(1)  # [n, latent]
    if codes.shape[1] < 2:
        raise ValueError("The two dials need a style of two dimensions or more, but this guide's is one-dimensional.")
    directions, spread = principal_directions(codes)
    return Styles(images[:CHOICES], found, labels is None, codes, directions, spread, codes @ directions.T / spread)


def style_dials(
    model: SemiSupervisedVAE, guide: SemiSupervisedGuide, images: Tensor, labels: Tensor | None = None
) -> Explorer:
    """Take an image's style, see it in every class, and turn two dials.

    Args:
        model: Model of images with a style of two dimensions or more, on the device of `images`.
        guide: Its guide, on the same device.
        images: [images, C, H, W], three or more, better some hundreds, since all of them determine the dials' directions;
            the first twenty can be chosen.
        labels: Classes, int64 [images]; None: the most likely class under q(y | x).

    Returns:
        The explorer.

    Raises:
        ValueError: If there are fewer than three images, if the labels do not match them, or if the style is
            one-dimensional.
    """
    styles = styles_of(guide, images, labels)
    controls = {
        "image": Slider("image (0: none)", 0, len(styles.images), 1, 1),
        "dial1": Slider("first dial", -REACH, REACH, 0.25, 0.0),
        "dial2": Slider("second dial", -REACH, REACH, 0.25, 0.0),
    }
    picture = partial(style_dials_picture, model, guide, styles)
    return Explorer("style_dials", picture, controls, stills=({"image": 1}, {"image": 2}, {"image": 2, "dial1": 2.0}))


@torch.no_grad()
def style_dials_picture(
    model: SemiSupervisedVAE, guide: SemiSupervisedGuide, styles: Styles, *, image: int, dial1: float, dial2: float
) -> Picture:
    """Left the image whose style is taken, and the style's place among all; right E[x | y, z] for every class y.

    Args:
        model: Model of images.
        guide: Its guide.
        styles: Styles of images.
        image: Which image, counted from 1; 0: the mean of the prior, z = 0.
        dial1: First dial, in standard deviations of the styles along its direction.
        dial2: Second dial, likewise.

    Returns:
        The picture.
    """
    code = style(styles, image, dial1, dial2)
    shown = model.every_class(code.reshape(model.style_prior.event_shape))  # [classes, C, H, W]
    read = guide.classifier(shown).mean.argmax(-1).tolist()
    tiles = checked_images(shown)
    own = int(styles.labels[image - 1]) if image else None
    place = (styles.directions @ code / styles.spread).tolist()

    with workbook_style():
        figure, axes = bare_figure(WIDTH, HEIGHT)
        _draw_start(axes, styles.images[image - 1 : image] if image else None, own, styles.guessed)
        _draw_map(axes, styles, place)
        _draw_classes(axes, tiles, own, read)
    right = sum(guess == asked for asked, guess in enumerate(read))
    others = [f"class {asked} as {guess}" for asked, guess in enumerate(read) if guess != asked]
    dials = f"dials at {signed(dial1, 2)} and {signed(dial2, 2)}"
    start = (
        f"the style of image {image}, {_of_class(own, styles.guessed)}"
        if image
        else "the style in the middle of the prior"
    )
    ink = tiles.flatten(1).mean(1)
    alt = (
        f"Right, {len(tiles)} classes, each drawn in {start}, with the {dials}: from {_percent(ink.min())} to {_percent(ink.max())} ink. "
        f"The classifier reads {right} of {len(tiles)} as the class they were drawn for{': not ' + listed(others, 10) if others else ''}. "
        f"Left, below the image, the styles of {len(styles.codes)} images along the two directions of the dials, and a cross at "
        f"{point(place, 1)} standard deviations."
    )
    frame = f"Frame and bold: the image's own class, {'guessed' if styles.guessed else 'given'}. " if image else ""
    caption = (
        f"{start[0].upper()}{start[1:]}, {dials}, in every class. The classifier q(y | x) reads {right} of {len(tiles)} as the class they "
        f"were drawn for; what else it reads stands above the tile. {frame}Dots: the styles of {len(styles.codes)} "
        f"images; cross: the style drawn, {'the image' if image else 'the middle'} plus the dials."
    )
    return Picture(figure, alt, caption)


def style(styles: Styles, image: int, dial1: float, dial2: float) -> Tensor:
    """The style at given dials.

    Args:
        styles: Styles of images.
        image: Image to start from, counted from 1; 0: z = 0.
        dial1: First dial, in standard deviations of the styles along its direction.
        dial2: Second dial, likewise.

    Returns:
        z, flat: [latent].
    """
    start = styles.codes[image - 1] if image else torch.zeros_like(styles.codes[0])
    return start + (torch.tensor([dial1, dial2]).to(start) * styles.spread) @ styles.directions


def _draw_start(axes: Axes, image: Tensor | None, own: int | None, guessed: bool) -> None:
    left, bottom, side = IMAGE
    if image is None:
        axes.add_patch(
            Rectangle((left, bottom), side, side, fill=False, linewidth=1.2, linestyle=(0, (4, 3)), color=QUIET)
        )
        axes.text(left + side / 2, bottom + side / 2, "no image:\nz = 0", ha="center", va="center", fontsize=12)
    else:
        pixels = mosaic(image, 1)
        show_pixels(axes, pixels, left, bottom + side, side / max(pixels.shape))
    words = "style of" if image is None else f"style of this {own}{' (guess)' if guessed else ''}"
    axes.text(left + side / 2, bottom + side + 7, words, ha="center", va="bottom", fontsize=12)


def _draw_map(axes: Axes, styles: Styles, place: list[float]) -> None:
    edge = max(REACH + 0.5, *(abs(value) + 0.4 for value in place))
    panel = Panel(axes, MAP, (-edge, edge), (-edge, edge))
    whole = 0.65 * edge  # no tick near the corner, so that those of both dials do not overlap
    step = max(
        factor * 10**power
        for power in range(1 + int(math.log10(whole)))
        for factor in (1, 2, 5)
        if factor * 10**power <= whole
    )
    ticks = (-step, 0, step)
    panel.frame(ticks, ticks, "dial 1", "")
    axes.text(MAP[0] - 2, MAP[1] + MAP[3] + 5, "dial 2", ha="left", va="bottom", fontsize=12)
    places = styles.places.cpu().numpy()
    inside = (abs(places) <= edge).all(1)  # codes beyond the map are not drawn
    panel.plot(*places[inside].T, color=COLORS[0], marker="o", markersize=2, markeredgewidth=0, linestyle="", zorder=1)
    panel.plot(
        [place[0]], [place[1]], color=HERE, marker="X", markersize=11, markeredgecolor="white", linestyle="", zorder=4
    )


def _draw_classes(axes: Axes, tiles: Tensor, own: int | None, read: list[int]) -> None:
    """Classes in reading order, five in a row, as one image; the image's own class has a frame and bold words."""
    left, bottom, width, height = CLASSES
    rows, (tall, wide) = -(-len(tiles) // COLUMNS), tiles.shape[-2:]
    scale = min(
        (width / COLUMNS - 8) / wide, (height + WORDS) / rows / tall - WORDS / tall
    )  # screen pixels to one of an image's
    gap = max(1, math.ceil(WORDS / scale)), max(1, int(width / COLUMNS / scale - wide))
    page = mosaic(tiles, COLUMNS, gap=gap)
    scale = min(scale, width / page.shape[1], height / page.shape[0])
    top = bottom + height
    show_pixels(axes, page, left, top, scale)
    for index, guess in enumerate(read):
        row, column = divmod(index, COLUMNS)
        x, y = (
            left + scale * (1 + column * (wide + gap[1])),
            top - scale * (1 + row * (tall + gap[0])),
        )  # the tile's upper left corner
        if index == own:
            corner = x - 3, y - scale * tall - 3
            axes.add_patch(
                Rectangle(corner, scale * wide + 6, scale * tall + 6, fill=False, linewidth=2.6, edgecolor=HERE)
            )
        words = f"{index}" if guess == index else f"{index}, read {guess}"
        weight = "bold" if index == own else "normal"
        axes.text(x + scale * wide / 2, y + 6, words, ha="center", va="bottom", fontsize=12, weight=weight, color=INK)


def _of_class(own: int | None, guessed: bool) -> str:
    return f"{'guessed to be ' if guessed else ''}of class {own}"


def _percent(share: Tensor) -> str:
    return f"{100 * share.item():.0f} percent"

"""Latent dials (lesson 02): two dials for a two-dimensional latent, beside a map of encoded images."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from matplotlib.patches import Circle, Rectangle
from torch import Tensor, nn

from helpers.models import LatentVariableModel
from helpers.plots import Picture
from helpers.plots.mosaic_plot import checked_images
from helpers.plots.style import CLASS_COLORS, INK, readable, workbook_style
from helpers.plots.words import listed
from helpers.widgets.parts.explorer import Explorer, Slider
from helpers.widgets.parts.panel import bare_figure
from helpers.widgets.parts.pixels import pixels_of
from helpers.widgets.parts.words import point

REACH = 3.0  # how far the dials turn, in standard deviations of the prior
EDGE = 3.25  # how far the map shows
CIRCLE = math.sqrt(
    -2 * math.log(0.05)
)  # the circle that holds 95 % of N(0, I) in two dimensions: 1 - exp(-r²/2) = 0.95
NEIGHBOURS = 20
LAYERS = 8  # parts in which images are drawn, each with all classes, so that no class hides the others
# CSS pixels from the lower left corner of the figure: its size, the map's square, and the decoded image's.
WIDTH, HEIGHT = 640, 350
MAP_LEFT, MAP_BOTTOM, MAP_SIDE = 44, 44, 296
IMAGE_LEFT, IMAGE_BOTTOM, IMAGE_SIDE = 386, 98, 224


@dataclass(frozen=True)
class CodeMap:
    """Encoded images and a drawing of them. Drawn once, because thousands of markers take too long for a slider.

    Attributes:
        codes: Means of q(z | x), [images, 2].
        labels: Classes, [images].
        pixels: The figure without its moving parts, RGBA bytes [2 HEIGHT, 2 WIDTH, 4].
    """

    codes: Tensor
    labels: Tensor
    pixels: np.ndarray

    @property
    def outside(self) -> int:
        """Number of codes beyond the map."""
        return int((self.codes.abs() > EDGE).any(1).sum())


@torch.no_grad()
def code_map(guide: nn.Module, images: Tensor, labels: Tensor) -> CodeMap:
    """Encode images and draw the map of their codes.

    Args:
        guide: Guide with two latents.
        images: [images, C, H, W].
        labels: Classes, [images].

    Returns:
        The map.

    Raises:
        ValueError: If there are no images, if the labels are None or do not match them, or if z is not two-dimensional.
    """
    if labels is None or len(labels) != len(images) or len(images) == 0:
        given = "None" if labels is None else f"{len(labels)}"
        raise ValueError(f"The map needs one label per image; {len(images)} images and {given} labels were given.")
    codes = guide(images).mean.cpu()
    if codes.dim() != 2 or codes.shape[1] != 2:
        raise ValueError(f"The dials are for two latents; this guide makes z of shape {list(codes.shape[1:])}.")
    labels = labels.cpu()
    return CodeMap(codes, labels, _drawn(codes, labels))


def latent_dials(model: LatentVariableModel, guide: nn.Module, images: Tensor, labels: Tensor) -> Explorer:
    """Turn z1 and z2, and see the image that `model` decodes and the classes that `guide` encodes nearby.

    Args:
        model: Model with two latents, on the device of `images`.
        guide: Its guide, on the same device.
        images: [images, C, H, W].
        labels: Classes, [images].

    Returns:
        The explorer.

    Raises:
        ValueError: If there are no images, if the labels do not match them, or if z is not two-dimensional.
    """
    picture = partial(latent_dials_picture, model, code_map(guide, images, labels))
    controls = {
        "z1": Slider("z₁", -REACH, REACH, 0.1, 0.0),
        "z2": Slider("z₂", -REACH, REACH, 0.1, 0.0),
    }
    return Explorer("latent_dials", picture, controls, stills=({"z1": 0.5, "z2": 0.7}, {"z1": 2.5, "z2": -2.5}))


@torch.no_grad()
def latent_dials_picture(model: LatentVariableModel, page: CodeMap, *, z1: float, z2: float) -> Picture:
    """The map with a cross at (z1, z2), and the mean of p(x | z) there beside it.

    The classes of the nearest codes are counted in words, for readers who cannot tell the colours apart.

    Args:
        model: Model with two latents.
        page: Map of its encoded images.
        z1: First latent.
        z2: Second latent.

    Returns:
        The picture.
    """
    device = next(model.likelihood.parameters()).device
    z = torch.tensor([[z1, z2]])
    image = checked_images(model(z.to(device)).mean)[0]  # [C, H, W]
    near = neighbours(page, z1, z2)
    distance = math.hypot(z1, z2)
    place = f"z = {point((z1, z2), 1)}"
    inside = "inside" if distance <= CIRCLE else "outside"
    total = sum(count for _, count in near)
    tally = listed([f"{count} of class {c}" for c, count in near], most=10)

    with workbook_style():
        figure, axes = bare_figure(WIDTH, HEIGHT)
        axes.imshow(page.pixels, extent=(0, WIDTH, 0, HEIGHT), interpolation="antialiased", aspect="auto", zorder=0)
        x, y = _on_map(z1, z2)
        line = {"color": INK, "linewidth": 1.0, "linestyle": (0, (4, 3)), "marker": ""}
        axes.plot([MAP_LEFT, MAP_LEFT + MAP_SIDE], [y, y], **line)
        axes.plot([x, x], [MAP_BOTTOM, MAP_BOTTOM + MAP_SIDE], **line)
        axes.plot(x, y, "o", markersize=11, markerfacecolor="none", markeredgecolor=INK, markeredgewidth=2.4)
        shown = 1 - image[0] if len(image) == 1 else image.movedim(0, -1)  # grey value 1 is ink
        extent = (IMAGE_LEFT, IMAGE_LEFT + IMAGE_SIDE, IMAGE_BOTTOM, IMAGE_BOTTOM + IMAGE_SIDE)
        axes.imshow(
            shown.numpy(), extent=extent, cmap="gray", vmin=0, vmax=1, interpolation="nearest", aspect="auto", zorder=1
        )
        words = {"ha": "center", "va": "baseline", "color": INK}
        middle = IMAGE_LEFT + IMAGE_SIDE / 2
        axes.text(middle, 331, f"decoded at {place}", fontsize=12, **words)
        axes.text(middle, 74, f"of the {total} nearest codes", fontsize=12, **words)
        axes.text(middle, 35, _table(near), fontsize=11, family="monospace", **words)
        axes.text(middle, 10, f"{distance:.1f} from the origin, {inside} the circle", fontsize=11, **words)
    alt = (
        f"Left, a map of {len(page.codes)} encoded images, each a digit of its class, with a cross at {place}, {distance:.1f} from the "
        f"origin and {inside} the circle that holds 95 percent of the prior. Of the {total} codes nearest to the cross, {tally}. "
        f"Right, the image decoded there: {100 * image.mean().item():.0f} percent ink."
    )
    caption = "Means of q(z | x), each drawn as its class. Dashed circle: 95 % of the prior."
    if page.outside:
        caption += f" {page.outside} of {len(page.codes)} codes lie beyond the map."
    return Picture(figure, alt, caption)


def neighbours(page: CodeMap, z1: float, z2: float) -> list[tuple[int, int]]:
    """Classes of the `NEIGHBOURS` codes nearest to (z1, z2), or of all codes if there are fewer.

    Args:
        page: Map of the codes.
        z1: First latent.
        z2: Second latent.

    Returns:
        Pairs (class, count), the most frequent first.
    """
    distances = (page.codes - torch.tensor([z1, z2])).norm(dim=1)
    nearest = distances.topk(min(NEIGHBOURS, len(distances)), largest=False).indices
    counts = Counter(page.labels[nearest].tolist())
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))


def _drawn(codes: Tensor, labels: Tensor) -> np.ndarray:
    """Axes, circle, every code as the character of its class, in its colour, and the decoded image's frame, as RGBA bytes."""
    with workbook_style():
        figure, whole = bare_figure(WIDTH, HEIGHT)
        axes = figure.add_axes((MAP_LEFT / WIDTH, MAP_BOTTOM / HEIGHT, MAP_SIDE / WIDTH, MAP_SIDE / HEIGHT))
        ticks = range(-int(EDGE), int(EDGE) + 1)
        axes.set(xlim=(-EDGE, EDGE), ylim=(-EDGE, EDGE), xlabel="$z_1$", ylabel="$z_2$", xticks=ticks, yticks=ticks)
        axes.tick_params(labelsize=10.5, length=2)
        axes.xaxis.labelpad = axes.yaxis.labelpad = 0
        axes.grid(False)
        axes.add_patch(Circle((0, 0), CIRCLE, fill=False, linestyle="--", linewidth=1.6, color="#767676"))
        for part, part_labels in zip(codes.tensor_split(LAYERS), labels.tensor_split(LAYERS), strict=True):
            for c in part_labels.unique().tolist():
                x, y = part[part_labels == c].numpy().T
                color = readable(CLASS_COLORS[c % len(CLASS_COLORS)])
                axes.scatter(x, y, s=26, marker=f"${c}$", color=color, linewidths=0.1, alpha=0.8)
        frame = Rectangle(
            (IMAGE_LEFT, IMAGE_BOTTOM), IMAGE_SIDE, IMAGE_SIDE, fill=False, linewidth=2.5, color="#C8C8C8"
        )
        whole.add_patch(frame)
    return pixels_of(figure)


def _on_map(z1: float, z2: float) -> tuple[float, float]:
    """Place of a latent in the figure, CSS pixels."""
    return tuple(corner + MAP_SIDE * (z + EDGE) / (2 * EDGE) for corner, z in ((MAP_LEFT, z1), (MAP_BOTTOM, z2)))


def _table(near: list[tuple[int, int]], most: int = 5) -> str:
    """Classes above their counts; classes beyond the first `most` are summed as "other"."""
    rest = sum(count for _, count in near[most:])
    columns = [("class", "count"), *near[:most], *([("other", rest)] if rest else [])]
    widths = [len("class"), *[4] * len(near[:most]), len(" other")]
    lines = zip(*columns, strict=True)
    return "\n".join(
        "".join(f"{entry!s:>{width}}" for entry, width in zip(line, widths, strict=False)) for line in lines
    )

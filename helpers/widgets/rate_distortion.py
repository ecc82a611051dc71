"""Rate-distortion plane (lesson 05): models trained with different rate weights, with their reconstructions and samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor

from helpers.experiments.rate_distortion import SweepPoint
from helpers.plots import Picture, mosaic, workbook_style
from helpers.plots.mosaic_plot import Ink
from helpers.plots.style import COLORS, INK, QUIET
from helpers.plots.words import listed
from helpers.widgets.parts.explorer import Explorer, Slider
from helpers.widgets.parts.panel import Panel, bare_figure
from helpers.widgets.parts.pixels import show_pixels
from helpers.widgets.parts.ticks import round_ticks
from helpers.widgets.parts.words import counted, signed

COLUMNS = 5  # images in a row
WIDTH, HEIGHT = 720, 350  # CSS pixels
PLANE = (62, 56, 262, 224)  # left, bottom, width, height
STRIP_LEFT, STRIP_WIDTH, STRIP_HEIGHT, PITCH, TOP = 384, 316, 62, 92, 318
HERE = COLORS[1]


@dataclass(frozen=True)
class Corner:
    """One model of the sweep, with its reconstructions and samples.

    Attributes:
        point: The model and its evaluation.
        strips: Rows of images as RGB, [height, width, 3], by name: "images", "reconstructions", "samples".
        error: Mean squared difference between a pixel and its reconstruction.
        number: Number of reconstructed images.
    """

    point: SweepPoint
    strips: dict[str, np.ndarray]
    error: float
    number: int


def rate_distortion(points: Sequence[SweepPoint], images: Tensor, ink: Ink = "dark") -> Explorer:
    """Move along the rate weight, and see the model's place in the plane, its reconstructions and its samples.

    Args:
        points: Models of a `rate_distortion_sweep`, two or more, in any order.
        images: [images, C, H, W] in [0, 1], one or more; the first five are reconstructed.
        ink: "dark": a grey value of 1 is dark, on white; "light": it is light, on black.

    Returns:
        The explorer.

    Raises:
        ValueError: If there are fewer than two points, or if the images do not fit the models or are not in [0, 1].
    """
    corners = drawn_corners(points, images, ink=ink)
    return Explorer(
        "rate_distortion",
        partial(rate_distortion_picture, corners),
        {"model": Slider("model, by rate weight", 1, len(corners), 1, 1)},
        stills=({"model": 1}, {"model": len(corners)}),
    )


@torch.no_grad()
def drawn_corners(points: Sequence[SweepPoint], images: Tensor, seed: int = 0, ink: Ink = "dark") -> list[Corner]:
    """Reconstruct and sample with every model: z ~ q(z | x) or p(z), then the mean of p(x | z).

    All models have the same seed; the global random state is unchanged.

    Args:
        points: Models of a sweep, two or more, in any order.
        images: [images, C, H, W] in [0, 1], one or more; the first five are reconstructed.
        seed: Seed of the draws.
        ink: As in `rate_distortion`.

    Returns:
        The models by rising rate weight.

    Raises:
        ValueError: If there are fewer than two points, or if the images do not fit the models or are not in [0, 1].
    """
    if len(points) < 2:
        raise ValueError(
            f"A plane needs two models or more, and {len(points)} was given: sweep over more rate weights."
        )
    images = images[:COLUMNS]
    corners = []
    for point in sorted(points, key=lambda point: point.rate_weight):
        point.model.likelihood.check_outcome(images)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            reconstructed = point.model(point.guide(images).sample()).mean
            sampled = point.model(point.model.prior((COLUMNS,)).sample()).mean
        rows = {"images": images, "reconstructions": reconstructed, "samples": sampled}
        error = (reconstructed - images).square().mean().item()
        corners.append(
            Corner(point, {name: mosaic(row, COLUMNS, ink) for name, row in rows.items()}, error, len(images))
        )
    return corners


def rate_distortion_picture(corners: Sequence[Corner], *, model: int) -> Picture:
    """Left all models in the plane with lines of equal bound, dashed through the chosen one; right its reconstructions and samples.

    Args:
        corners: The models by rising rate weight.
        model: Which model, counted from 1.

    Returns:
        The picture.
    """
    chosen = corners[model - 1].point
    found = chosen.evaluation
    with workbook_style():
        figure, axes = bare_figure(WIDTH, HEIGHT)
        _draw_plane(axes, [corner.point for corner in corners], chosen)
        for row, (name, strip) in enumerate(corners[model - 1].strips.items()):
            _draw_strip(axes, strip, name, TOP - PITCH * row)
    places = [
        f"weight {corner.point.rate_weight:g} at ({corner.point.evaluation.rate.mean:.1f}, {corner.point.evaluation.distortion.mean:.1f})"
        for corner in corners
    ]
    here = (
        f"Rate weight {chosen.rate_weight:g}: distortion {found.distortion.mean:.1f} + rate {found.rate.mean:.1f} nats, so the bound is "
        f"{signed(found.elbo.mean, 1)}; active units: {_units(chosen)}."
    )
    alt = (
        f"Left, {len(corners)} models by (rate, distortion) in nats: {listed(places, 20)}. The one with weight {chosen.rate_weight:g} is "
        f"ringed, on a dashed line of equal bound; thin lines of equal bound fall from left to right. Right, "
        f"{counted(corners[0].number, 'image')}, reconstructed by this model with a "
        f"mean squared error of {corners[model - 1].error:.3f}, and {COLUMNS} samples of it."
    )
    return Picture(figure, alt, f"{here} All points on a thin line have the same bound; lower lines are better.")


def _draw_plane(axes: Axes, points: Sequence[SweepPoint], chosen: SweepPoint) -> None:
    rate = np.array([point.evaluation.rate.mean for point in points])
    distortion = np.array([point.evaluation.distortion.mean for point in points])
    xlim, ylim = _around(min(0.0, rate.min()), rate.max()), _around(distortion.min(), distortion.max())
    panel = Panel(axes, PLANE, xlim, ylim)
    panel.frame(round_ticks(*xlim), round_ticks(*ylim), "rate (nats)", "distortion (nats)")
    _draw_equal_bounds(axes, panel)
    here = chosen.evaluation
    total = here.rate.mean + here.distortion.mean
    panel.plot(xlim, [total - xlim[0], total - xlim[1]], color=QUIET, linestyle=(0, (4, 3)), linewidth=1.4)
    panel.plot(rate, distortion, color=INK, linestyle="-", linewidth=1.4, marker="o", markersize=6)
    ring = {"markerfacecolor": "none", "markeredgewidth": 2.6, "markeredgecolor": HERE, "linestyle": ""}
    panel.plot([here.rate.mean], [here.distortion.mean], marker="o", markersize=14, zorder=4, **ring)
    left, y = PLANE[0], HEIGHT - 14
    axes.plot([left, left + 26], [y, y], color=QUIET, linestyle=(0, (4, 3)), linewidth=1.4)
    words = f"bound {signed(here.elbo.mean, 1)} at weight {chosen.rate_weight:g}"
    axes.text(left + 34, y, words, va="center_baseline", fontsize=12, color=INK)


def _draw_equal_bounds(axes: Axes, panel: Panel) -> None:
    """Lines D + R = constant at round bounds, named where they leave the plane on the right."""
    (left, right), (low, high) = panel.xlim, panel.ylim
    totals = [total for total in round_ticks(left + low, right + high, 8) if total > left + low]
    ends = [(left, right)] * len(totals)
    panel.bars(ends, [(total - left, total - right) for total in totals], colors=QUIET, linewidths=0.7, zorder=1)
    edge = PLANE[0] + PLANE[2]
    for total in totals:
        y = total - right
        if low <= y <= high - 0.05 * (high - low):  # higher up stands the heading
            axes.text(edge + 6, panel.y(y), signed(-total, 0), va="center_baseline", fontsize=12, color=INK)
    axes.text(edge + 6, PLANE[1] + PLANE[3] + 12, "bound", va="center_baseline", fontsize=12, color=INK)


def _draw_strip(axes: Axes, strip: np.ndarray, name: str, top: float) -> None:
    height, width, _ = strip.shape
    scale = min(STRIP_WIDTH / width, STRIP_HEIGHT / height)
    show_pixels(axes, strip, STRIP_LEFT, top, scale)
    axes.text(STRIP_LEFT, top + 5, name, va="bottom", fontsize=12, color=INK)


def _around(low: float, high: float) -> tuple[float, float]:
    """A range with a margin on both sides: a tenth of its width, and at least a tenth of a nat."""
    spare = 0.1 * max(high - low, 1.0)
    return low - spare, high + spare


def _units(point: SweepPoint) -> str:
    return f"{point.units.count} of {point.units.active.numel()}"

"""Images that a decoder makes from a grid over a two-dimensional latent space."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch.distributions import Normal

from helpers.plots.images import TALLEST, WIDEST, fitting_scale, mosaic_figure
from helpers.plots.mosaic_plot import Ink, checked_images, mosaic
from helpers.plots.picture import Picture
from helpers.plots.style import workbook_style
from helpers.plots.words import with_minus


def manifold_grid(rows: int, columns: int) -> torch.Tensor:
    """Latents on a grid in reading order: z1 grows to the right, z2 upward.

    The k-th of n values, from k = 0, is the standard normal's quantile (k + 1/2) / n: every tile has the same prior probability.

    Args:
        rows: Values of z2.
        columns: Values of z1.

    Returns:
        float32 [rows * columns, 2].
    """
    z1, z2 = _quantiles(columns), _quantiles(rows).flip(0)  # the top row, first in reading order, has the largest z2
    return torch.stack((z1.expand(rows, -1), z2[:, None].expand(-1, columns)), -1).reshape(-1, 2)


def latent_manifold(
    decode: Callable[[torch.Tensor], torch.Tensor],
    *,
    rows: int = 20,
    columns: int | None = None,
    scale: float | None = None,
    ink: Ink = "dark",
    alt: str | None = None,
    caption: str | None = None,
) -> Picture:
    """The decoded image at each of rows x columns latents, evenly spaced in the prior's probability.

    Args:
        decode: z [N, 2], float32 on the CPU → mean images [N, C, H, W] in [0, 1], any device. Called once, without gradient.
        rows: Rows of the grid.
        columns: Columns of the grid; None: as many as rows.
        scale: CSS pixels per image pixel; None: the largest that fits a notebook and a slide.
        ink: "dark" prints grey value 1 in black, "light" in white on black.
        alt: Alt text; None: a text with the range of z1 and z2.
        caption: Words under the figure; None: no caption.

    Returns:
        The figure with its alt text and caption.

    Raises:
        ValueError: If the grid is empty, or decode returns another shape, another number of images, NaN or values outside [0, 1].
    """
    columns = rows if columns is None else columns
    if rows < 1 or columns < 1:
        raise ValueError(f"rows={rows}, columns={columns}: a grid needs at least one of each.")
    with torch.no_grad():
        images = decode(manifold_grid(rows, columns))
    images = checked_images(images, "what decode returned")
    if len(images) != rows * columns:
        raise ValueError(f"decode returned {len(images)} images for {rows * columns} latents; expected one for each.")
    _, _, height, width = images.shape
    left, bottom = 84, 50
    if scale is None:
        limits = (WIDEST - left) / (columns * (width + 1) + 1), (TALLEST + 70 - bottom) / (rows * (height + 1) + 1)
        scale = fitting_scale(*limits, 120 / max(height, width))

    with workbook_style():
        page = mosaic(images, columns, ink)
        figure, axes = mosaic_figure(page, scale, left=left, right=10, bottom=bottom, top=6)
        for axis, name, count, extent in ((axes.xaxis, "$z_1$", columns, width), (axes.yaxis, "$z_2$", rows, height)):
            values = _quantiles(count) if axis is axes.xaxis else _quantiles(count).flip(0)
            spacing = 46 if axis is axes.xaxis else 26  # CSS pixels from one tick label to the next
            shown = _ticks(count, most=int(count * (extent + 1) * scale / spacing))
            axis.set_ticks(
                [1 + k * (extent + 1) + extent / 2 - 0.5 for k in shown], [_two_decimals(values[k]) for k in shown]
            )
            axis.set_tick_params(labelsize=10.5)
            axis.set_label_text(name)
        for spine in axes.spines.values():
            spine.set_visible(False)
    ends = [_two_decimals(q) for q in (*_quantiles(columns)[[0, -1]], *_quantiles(rows)[[0, -1]])]
    words = (
        f"{rows} by {columns} images decoded from a grid of latents: z1 grows to the right, from {ends[0]} to {ends[1]}, "
        f"z2 upward, from {ends[2]} to {ends[3]}, at equal steps of the prior's probability."
    )
    return Picture(figure, alt or words, caption)


def _quantiles(count: int) -> torch.Tensor:
    """Midpoint quantiles of the standard normal, ascending: [count]."""
    probabilities = (
        torch.arange(count, dtype=torch.float64) + 0.5
    ) / count  # in float64 the quantiles are symmetric to the last digit shown
    return Normal(torch.zeros((), dtype=torch.float64), 1.0).icdf(probabilities).to(torch.float32)


def _ticks(count: int, most: int) -> list[int]:
    """The tiles that get a tick: all, or both ends and at most every second tile between them."""
    if most < count:
        most = min(most, (count + 1) // 2)
    return sorted({int(k) for k in np.linspace(0, count - 1, max(2, most)).round()})


def _two_decimals(value: torch.Tensor) -> str:
    return with_minus(f"{value.item():.2f}")

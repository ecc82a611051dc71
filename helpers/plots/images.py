"""A grid of images, with labels at its rows, columns or tiles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

from helpers.plots.mosaic_plot import Ink, checked_images, mosaic
from helpers.plots.picture import Picture
from helpers.plots.style import PIXELS_PER_INCH, new_figure, workbook_style
from helpers.plots.words import listed, plain

WIDEST, TALLEST = 860, 470  # CSS pixels: what a notebook column, and a slide under its title, can show
LARGEST_TILE = 120
LABEL_POINTS = 12.5
TITLE_POINTS = 11


def image_grid(
    images: torch.Tensor,
    *,
    rows: int | None = None,
    columns: int | None = None,
    row_labels: Sequence[str] | None = None,
    column_labels: Sequence[str] | None = None,
    titles: Sequence[str] | None = None,
    scale: float | None = None,
    ink: Ink = "dark",
    alt: str | None = None,
    caption: str | None = None,
) -> Picture:
    """Images in a grid, in reading order, drawn as one mosaic: hundreds of axes take seconds.

    Args:
        images: [N, C, H, W], or [N, H, W] (grey), or [rows, columns, C, H, W]; C = 1 or 3; values in [0, 1]; any device.
        rows: Rows of the grid; None: as many as the images need.
        columns: Columns of the grid; None: what `rows` implies, or at most ten. Missing tiles at the end stay blank.
        row_labels: One per row, at its left ("data", "reconstruction"); None: none.
        column_labels: One per column, above the grid; None: none.
        titles: One per image, above it; None: none.
        scale: CSS pixels per image pixel; None: the largest that fits a notebook and a slide.
        ink: "dark" prints grey value 1 in black, as ink on a white page. "light" prints it in white on black: for photographs of
            objects, such as FashionMNIST, which otherwise look like negatives.
        alt: Alt text; None: a text with the number, size and labels of the images.
        caption: Words under the figure; None: no caption.

    Returns:
        The figure with its alt text and caption.

    Raises:
        ValueError: If the images have another shape or number of channels, NaN or values outside [0, 1], they do not fit the grid,
            or the number of labels or titles is wrong.
    """
    flat, rows, columns = _arranged(images, rows, columns)
    for name, words, expected in (
        ("row_labels", row_labels, rows), ("column_labels", column_labels, columns), ("titles", titles, len(flat)),
    ):  # fmt: skip
        if words is not None and len(words) != expected:
            unit = {"row_labels": "rows", "column_labels": "columns", "titles": "images"}[name]
            raise ValueError(f"{len(words)} {name} for {expected} {unit}; give one each.")

    count, channels, height, width = flat.shape
    left = 14 + max(map(_text_width, row_labels)) if row_labels else 2
    top: float = 28 if column_labels else 2
    per_row = TITLE_POINTS * PIXELS_PER_INCH / 72 * 1.75 if titles else 0  # height of a line of titles in CSS pixels
    if scale is None:
        limits = (
            (WIDEST - left) / (columns * (width + 1) + 1),
            (TALLEST - top - rows * per_row) / (rows * (height + 1) + 1),
        )
        scale = fitting_scale(*limits, LARGEST_TILE / max(height, width))
    gap = (max(1, round(per_row / scale)), 1) if titles else (1, 1)
    if titles:
        top += per_row

    with workbook_style():
        figure, axes = mosaic_figure(mosaic(flat, columns, ink, gap), scale, left=left, right=2, bottom=2, top=top)
        axes.set_axis_off()
        x_centres = [1 + column * (width + gap[1]) + width / 2 - 0.5 for column in range(columns)]
        y_tops = [1 + row * (height + gap[0]) - 0.5 for row in range(rows)]
        for label, y in zip(row_labels or (), y_tops, strict=False):
            axes.annotate(label, (0, y + height / 2), (-8, 0), textcoords="offset points", ha="right", va="center",
                          xycoords=axes.get_yaxis_transform(), fontsize=LABEL_POINTS)  # fmt: skip
        lift = 3 + (0.75 * per_row if titles else 0)
        for label, x in zip(column_labels or (), x_centres, strict=False):
            axes.annotate(label, (x, y_tops[0] - 1), (0, lift), textcoords="offset points", ha="center", va="bottom",
                          fontsize=LABEL_POINTS)  # fmt: skip
        for index, title in enumerate(titles or ()):
            axes.annotate(title, (x_centres[index % columns], y_tops[index // columns] - 1), (0, 1), textcoords="offset points",
                          ha="center", va="bottom", fontsize=TITLE_POINTS)  # fmt: skip
    return Picture(figure, alt or _alt(flat, rows, columns, row_labels, column_labels, titles), caption)


def mosaic_figure(
    page: np.ndarray, scale: float, *, left: float, right: float, bottom: float, top: float
) -> tuple[Figure, Axes]:
    """A figure around one mosaic, in which an image pixel covers exactly `scale` CSS pixels.

    Args:
        page: The mosaic, [height, width, 3], values in [0, 1].
        scale: CSS pixels per image pixel.
        left: Left margin in CSS pixels.
        right: Right margin in CSS pixels.
        bottom: Lower margin in CSS pixels.
        top: Upper margin in CSS pixels.

    Returns:
        The figure, and its axes in units of image pixels.
    """
    height, width = page.shape[0] * scale, page.shape[1] * scale
    figure = new_figure(left + width + right, bottom + height + top, layout=None)
    full_width, full_height = left + width + right, bottom + height + top
    axes = figure.add_axes((left / full_width, bottom / full_height, width / full_width, height / full_height))
    # "nearest" keeps pixels square and sharp; only a mosaic that is shrunk needs its pixels blended.
    axes.imshow(page, interpolation="nearest" if scale >= 1 else "antialiased", aspect="auto")
    axes.grid(False)
    return figure, axes


def fitting_scale(*limits: float) -> float:
    """The largest scale within all limits; above 1 a multiple of 1/2, which is sharp at two device pixels per CSS pixel.

    Args:
        *limits: Upper limits in CSS pixels per image pixel.

    Returns:
        CSS pixels per image pixel, 0.1 or more.
    """
    scale = min(limits)
    return int(2 * scale) / 2 if scale >= 1 else max(scale, 0.1)


def _arranged(images: torch.Tensor, rows: int | None, columns: int | None) -> tuple[torch.Tensor, int, int]:
    """The images as [N, C, H, W] in reading order, with the rows and columns of their grid."""
    if isinstance(images, torch.Tensor) and images.dim() == 3:
        images = images[:, None]
    elif isinstance(images, torch.Tensor) and images.dim() == 5:
        for name, given, actual in (("rows", rows, images.shape[0]), ("columns", columns, images.shape[1])):
            if given is not None and given != actual:
                raise ValueError(
                    f"{name}={given}, but images of shape {list(images.shape)} already stand in {actual} {name}."
                )
        rows, columns = images.shape[:2]
        images = images.flatten(0, 1)
    flat = checked_images(images)
    count = len(flat)
    for name, given in (("rows", rows), ("columns", columns)):
        if given is not None and given < 1:
            raise ValueError(f"{name}={given}: a grid needs at least one.")
    if columns is None:
        columns = min(count, 10) if rows is None else -(-count // rows)
    if rows is None:
        rows = -(-count // columns)
    if rows * columns < count:
        raise ValueError(
            f"{count} images do not fit {rows} rows of {columns}; give fewer images, or only one of rows and columns."
        )
    return flat, -(-count // columns) if rows * columns > count else rows, columns


def _text_width(text: str) -> float:
    """The width of a label in CSS pixels."""
    if not text.strip():
        return 0.0
    return (
        TextPath((0, 0), text, size=LABEL_POINTS, prop=FontProperties("DejaVu Sans")).get_extents().x1
        * PIXELS_PER_INCH
        / 72
    )


def _alt(
    flat: torch.Tensor,
    rows: int,
    columns: int,
    row_labels: Sequence[str] | None,
    column_labels: Sequence[str] | None,
    titles: Sequence[str] | None,
) -> str:
    count, channels, height, width = flat.shape
    kind = "grey" if channels == 1 else "colour"
    if count == 1:
        words = f"One {kind} image of {height} by {width} pixels."
    else:
        words = f"{count} {kind} images of {height} by {width} pixels, in {rows} row{'s' * (rows > 1)} of {columns}."
    for name, labels in (("Rows", row_labels), ("Columns", column_labels), ("Titles", titles)):
        if labels:
            words += f" {name}: {listed([plain(label) for label in labels])}."
    return words

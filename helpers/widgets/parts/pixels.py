"""Pixels of explorers: a figure drawn in advance, and an image at a place of a bare axes."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from helpers.plots import workbook_style


def pixels_of(figure: Figure) -> np.ndarray:
    """A figure as an image with two pixels for each CSS pixel of a side, to be drawn once and shown many times.

    Args:
        figure: Figure of height x width CSS pixels; its resolution is doubled.

    Returns:
        RGBA bytes, [2 height, 2 width, 4].
    """
    with workbook_style():
        figure.set_dpi(2 * figure.dpi)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        return np.asarray(canvas.buffer_rgba()).copy()


def show_pixels(axes: Axes, pixels: np.ndarray, left: float, top: float, scale: float) -> None:
    """Show an image in the axes of a `bare_figure`, each pixel as a square.

    Args:
        axes: Axes in CSS pixels, whose limits stay as they are.
        pixels: RGB image, [height, width, 3].
        left: Left edge of the image, CSS pixels.
        top: Upper edge of the image, CSS pixels.
        scale: CSS pixels for each side of an image pixel.
    """
    height, width, _ = pixels.shape
    extent = (left, left + scale * width, top - scale * height, top)
    axes.imshow(pixels, extent=extent, interpolation="nearest", aspect="auto", zorder=1)

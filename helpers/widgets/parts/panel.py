"""`Panel`: a plot inside one bare axes, drawn faster than matplotlib's axes with ticks, for pictures that follow a slider."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import Bbox, TransformedBbox

from helpers.plots.placement import spread
from helpers.plots.style import INK, PIXELS_PER_INCH, QUIET, new_figure
from helpers.plots.words import with_minus

GRID = "#E6E6E6"


def bare_figure(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure with one axes that fills it and has no frame. Call it inside `workbook_style`.

    Args:
        width: Width in CSS pixels.
        height: Height in CSS pixels.

    Returns:
        The figure, and its axes, whose data coordinates are CSS pixels from the lower left corner; limits are fixed.
    """
    figure = new_figure(width, height, layout=None)
    assert figure.dpi == PIXELS_PER_INCH
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set(xlim=(0, width), ylim=(0, height))
    axes.set_autoscale_on(False)
    return figure, axes


@dataclass(frozen=True)
class Panel:
    """A rectangle of a bare axes with coordinates of its own.

    Attributes:
        axes: Axes of a `bare_figure`.
        box: Left, bottom, width and height in CSS pixels.
        xlim: Coordinates at the left and right edge.
        ylim: Coordinates at the lower and upper edge.
        log_y: Whether y is logarithmic; values below the lower edge then lie on it.
    """

    axes: Axes
    box: tuple[float, float, float, float]
    xlim: tuple[float, float]
    ylim: tuple[float, float]
    log_y: bool = False

    def x(self, values: Any) -> Any:
        """Pixels of x coordinates.

        Args:
            values: A number, or an array or tensor of any shape.

        Returns:
            CSS pixels from the left, in the shape of `values`.
        """
        return self.box[0] + self.box[2] * (np.asarray(values) - self.xlim[0]) / (self.xlim[1] - self.xlim[0])

    def y(self, values: Any) -> Any:
        """Pixels of y coordinates.

        Args:
            values: A number, or an array or tensor of any shape.

        Returns:
            CSS pixels from below, in the shape of `values`.
        """
        values, (low, high) = np.asarray(values), self.ylim
        if self.log_y:
            values, low, high = np.log(np.maximum(values, low)), math.log(low), math.log(high)
        return self.box[1] + self.box[3] * (values - low) / (high - low)

    def plot(self, x: Any, y: Any, **style: Any) -> Line2D:
        """Draw a line or markers, cut a little beyond the panel's edges.

        Args:
            x: Coordinates, [points].
            y: Coordinates, [points].
            **style: Keywords of `Axes.plot`.

        Returns:
            The line.
        """
        (line,) = self.axes.plot(self.x(x), self.y(y), **style)
        self.clip(line)
        return line

    def bars(self, x: Any, y: Any, **style: Any) -> LineCollection:
        """Draw straight lines as one artist, cut a little beyond the panel's edges.

        Args:
            x: Coordinates of each line's two ends, [lines, 2].
            y: Coordinates of each line's two ends, [lines, 2].
            **style: Keywords of `LineCollection`.

        Returns:
            The lines.
        """
        lines = LineCollection(np.stack([self.x(x), self.y(y)], -1), capstyle="projecting", **style)
        self.axes.add_collection(lines)
        self.clip(lines)
        return lines

    def clip(self, artist: Any) -> None:
        """Cut an artist 3 pixels beyond the panel's edges, so that a line along an edge keeps its width.

        Args:
            artist: Artist of the panel's axes.
        """
        left, bottom, width, height = self.box
        artist.set_clip_box(
            TransformedBbox(Bbox.from_bounds(left - 3, bottom - 3, width + 6, height + 6), self.axes.transData)
        )

    def frame(
        self,
        xticks: Mapping[float, str] | Sequence[int] = (),
        yticks: Mapping[float, str] | Sequence[int] = (),
        xlabel: str = "",
        ylabel: str = "",
    ) -> None:
        """Draw grid lines and tick labels, an axis line for each axis with ticks, and axis labels.

        Args:
            xticks: Names by coordinate, or whole numbers; none for no axis.
            yticks: Names by coordinate, or whole numbers; none for no axis.
            xlabel: Words below the panel.
            ylabel: Words above the panel's left edge.
        """
        left, bottom, width, height = self.box
        across, up = _named(xticks), _named(yticks)
        lines = [[(self.x(x), bottom), (self.x(x), bottom + height)] for x in across]
        lines += [[(left, self.y(y)), (left + width, self.y(y))] for y in up]
        self.axes.add_collection(LineCollection(lines, colors=GRID, linewidths=0.8, zorder=0.5))
        edges = [[(left, bottom), (left + width, bottom)]] if across else []
        edges += [[(left, bottom), (left, bottom + height)]] if up else []
        self.axes.add_collection(LineCollection(edges, colors=QUIET, linewidths=0.8, zorder=2.5))
        write = self.axes.text
        for x, name in across.items():
            write(self.x(x), bottom - 6, name, ha="center", va="top", fontsize=11, color=INK)
        for y, name in up.items():
            write(left - 6, self.y(y), name, ha="right", va="center_baseline", fontsize=11, color=INK)
        if xlabel:
            write(left + width / 2, bottom - 24, xlabel, ha="center", va="top", fontsize=12)
        if ylabel:
            write(left, bottom + height + 12, ylabel, ha="left", va="bottom", fontsize=12)


def _named(ticks: Mapping[float, str] | Sequence[int]) -> Mapping[float, str]:
    return ticks if isinstance(ticks, Mapping) else {tick: with_minus(str(tick)) for tick in ticks}


def key(axes: Axes, left: float, y: float, entries: Sequence[tuple[str, Mapping[str, Any], float]]) -> None:
    """Draw a row of line samples with their names.

    Args:
        axes: Axes in CSS pixels.
        left: Left end of the row.
        y: Height of the row.
        entries: For each line its name, its style as keywords of `Axes.plot`, and the pixels from its start to the next
            entry's start.
    """
    for name, style, advance in entries:
        axes.plot([left, left + 30], [y, y], **style)
        axes.text(left + 37, y, name, va="center_baseline", fontsize=12)
        left += advance


def name_ends(
    axes: Axes,
    left: float,
    ends: Sequence[tuple[float, str, Mapping[str, Any]]],
    apart: float,
    limits: tuple[float, float],
) -> None:
    """Write names beside the right ends of curves, moved up or down so that they do not overlap.

    Args:
        axes: Axes in CSS pixels.
        left: Where the names begin.
        ends: For each curve the height of its end in pixels, its name, and keywords of `Axes.text`.
        apart: Smallest distance between two names, pixels.
        limits: Lowest and highest place of a name.
    """
    heights = spread([height for height, _, _ in ends], apart, *limits)
    for y, (_, name, style) in zip(heights, ends, strict=True):
        axes.text(left, y, name, va="center_baseline", fontsize=12, **style)

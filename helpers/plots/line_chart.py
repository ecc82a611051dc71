"""Line charts with the name of each curve at its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FixedLocator, LogLocator, NullFormatter, NullLocator

from helpers.plots.picture import Picture
from helpers.plots.placement import spread
from helpers.plots.style import COLORS, LINESTYLES, MARKERS, QUIET, new_figure, readable, workbook_style
from helpers.plots.words import as_array, as_number, number, plain

Scale = Literal["linear", "log"]
Lines = Mapping[str, tuple[np.ndarray, np.ndarray]]  # name → x and y, [n] each

LINE_OF_TEXT = 22  # CSS pixels from one label to the next
FEW_POINTS = 15  # up to here each point gets a marker: it is a measurement, not a trace
NEAR_THE_EDGE = 0.93  # of the axes' width


def curves(
    series: Mapping[str, Any],
    xlabel: str,
    ylabel: str,
    *,
    references: Mapping[str, float] | None = None,
    bands: Mapping[str, Any] | None = None,
    xscale: Scale = "linear",
    yscale: Scale = "linear",
    ylim: tuple[float, float] | None = None,
    title: str | None = None,
    size: tuple[float, float] = (820, 400),
    alt: str | None = None,
    caption: str | None = None,
) -> Picture:
    """Lines, each labelled at its right end instead of in a legend.

    Labels that overlap are moved apart, with a thin leader from line to label. Colour and line style change together.

    Args:
        series: Name → y [n], at x = 1, ..., n (epochs); or name → the tuple (x [n], y [n]). Sequences, arrays or tensors.
        xlabel: Label of the horizontal axis: quantity and unit.
        ylabel: Label of the vertical axis: quantity and unit.
        references: Name → y of a dashed horizontal line: an optimum, a published value. None: no lines.
        bands: Name of a series → half-width [n] of the band around it: one standard error, in the unit of y. None: no bands.
        xscale: "linear" or "log".
        yscale: "linear" or "log".
        ylim: Lower and upper end of the vertical axis; None: all values.
        title: Title above the axes; None: none.
        size: Width and height in CSS pixels. The height grows if the labels do not fit.
        alt: Alt text; None: a text with the first and last value of each series.
        caption: Words under the figure; None: no caption.

    Returns:
        The figure with its alt text and caption.

    Raises:
        ValueError: If there are no series, values are NaN or infinite, x and y differ in length, a band has no series or another
            length, or a value on a logarithmic axis is not positive.
    """
    if not series:
        raise ValueError("curves: series is empty; give {name: values}.")
    references, bands = dict(references or {}), dict(bands or {})
    lines = {name: _points(name, values) for name, values in series.items()}
    widths = {name: _band(name, half_width, lines) for name, half_width in bands.items()}
    heights = {name: as_number(value, f"reference {name!r}") for name, value in references.items()}
    _check_logarithms(lines, heights, xscale, yscale)

    width, height = size
    height = max(height, 90 + LINE_OF_TEXT * (len(lines) + len(heights)))
    with workbook_style():
        figure = new_figure(width, height)
        axes = figure.add_subplot(xlabel=xlabel, ylabel=ylabel, xscale=xscale, yscale=yscale)
        if title:
            axes.set_title(title, loc="left")
        for index, (name, (x, y)) in enumerate(lines.items()):
            color = COLORS[index % len(COLORS)]
            marker = MARKERS[index % len(MARKERS)] if len(x) <= FEW_POINTS else ""
            axes.plot(x, y, color=color, linestyle=LINESTYLES[index % len(LINESTYLES)], marker=marker, label=name,
                      clip_on=ylim is not None, zorder=3)  # fmt: skip
            if name in widths:
                axes.fill_between(x, y - widths[name], y + widths[name], color=color, alpha=0.2, linewidth=0, zorder=2)
        for name, value in heights.items():
            axes.axhline(value, color=QUIET, linewidth=1.2, linestyle=(0, (7, 4)), label=name, zorder=1)
        if ylim is not None:
            axes.set_ylim(*ylim)
        first, last = min(x.min() for x, _ in lines.values()), max(x.max() for x, _ in lines.values())
        if first < last:
            axes.set_xlim(first, last)  # no empty margins: labels stand next to the ends
        _set_ticks(axes, lines)
        _label_ends(axes, lines, heights, height)
    return Picture(figure, alt or _alt(lines, heights, widths, xlabel, ylabel, yscale), caption)


def _points(name: str, values: Any) -> tuple[np.ndarray, np.ndarray]:
    """x and y, [n] each."""
    if isinstance(values, tuple) and len(values) == 2 and np.ndim(values[0]) == 1:
        x, y = as_array(values[0], f"x of series {name!r}"), as_array(values[1], f"series {name!r}")
    else:
        y = as_array(values, f"series {name!r}")
        x = np.arange(1, y.size + 1, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(
            f"series {name!r} has x of shape {list(x.shape)} and y of shape {list(y.shape)}; expected [n] and [n]."
        )
    return x, y


def _band(name: str, half_width: Any, lines: Lines) -> np.ndarray:
    if name not in lines:
        raise ValueError(f"bands names {name!r}, but the series are {sorted(lines)}.")
    array = as_array(half_width, f"band of {name!r}")
    if array.shape != lines[name][1].shape:
        raise ValueError(
            f"the band of {name!r} has shape {list(array.shape)}; expected {list(lines[name][1].shape)}, one per point."
        )
    return array


def _check_logarithms(lines: Lines, heights: Mapping[str, float], xscale: Scale, yscale: Scale) -> None:
    checked = [(f"x of series {name!r}", x, xscale) for name, (x, _) in lines.items()]
    checked += [(f"series {name!r}", y, yscale) for name, (_, y) in lines.items()]
    checked += [(f"reference {name!r}", np.asarray(value), yscale) for name, value in heights.items()]
    for name, values, scale in checked:
        if scale == "log" and values.min() <= 0:
            raise ValueError(
                f"{name} reaches {values.min():.4g}, which a logarithmic axis cannot show; use the linear scale."
            )


def _set_ticks(axes: Axes, lines: Lines) -> None:
    """Readable ticks: plain numbers on logarithmic axes, whole epochs, and the measured x if there are eight or fewer."""
    measured = np.unique(np.concatenate([x for x, _ in lines.values()]))
    if axes.get_xscale() == "log" and len(measured) <= 8:
        axes.xaxis.set_major_locator(FixedLocator(measured.tolist()))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(_plain_number)
    elif axes.get_xscale() == "linear" and (measured == measured.round()).all():
        axes.xaxis.get_major_locator().set_params(integer=True)
    for axis in (axes.xaxis, axes.yaxis):
        if axis.get_scale() == "log" and isinstance(axis.get_major_locator(), LogLocator):
            low, high = axis.get_view_interval()
            if high / low < 1e3:  # less than three decades: powers of ten alone give two or three ticks
                axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
                axis.set_major_formatter(_plain_number)
            axis.set_minor_formatter(NullFormatter())


def _plain_number(value: float, _: float) -> str:
    return number(value)


def _label_ends(axes: Axes, lines: Lines, heights: Mapping[str, float], figure_height: float) -> None:
    """Write every name where its line ends: right of the axes, or beside the last point if that is well inside."""
    ends = [
        (name, float(x[-1]), float(y[-1]), COLORS[i % len(COLORS)]) for i, (name, (x, y)) in enumerate(lines.items())
    ]
    ends += [(name, axes.get_xlim()[1], value, QUIET) for name, value in heights.items()]
    to_axes = axes.transData + axes.transAxes.inverted()
    at = [(name, *to_axes.transform((x, y)), color) for name, x, y, color in ends]
    halo = [withStroke(linewidth=3, foreground="white")]
    for name, x, y, color in at:
        if x < NEAR_THE_EDGE:
            # A leader to the margin looks like a continuation of the line.
            axes.annotate(name, (x, y), (9, 0), xycoords="axes fraction", textcoords="offset points", va="center",
                          color=readable(color), path_effects=halo, zorder=5, annotation_clip=False)  # fmt: skip
    at = [(name, min(1.0, x), float(np.clip(y, 0, 1)), color) for name, x, y, color in at if x >= NEAR_THE_EDGE]
    gap = LINE_OF_TEXT / (figure_height - 80)  # title and tick labels take about 80 pixels
    for (name, x, y, color), place in zip(at, spread([y for _, _, y, _ in at], gap, 0.02, 0.98), strict=True):
        leader = {"arrowstyle": "-", "color": color, "linewidth": 1.0, "shrinkA": 1, "shrinkB": 5, "relpos": (0, 0.5)}
        axes.annotate(name, (x, y), (1.035, place), xycoords="axes fraction", textcoords="axes fraction", va="center",
                      color=readable(color), arrowprops=leader, annotation_clip=False)  # fmt: skip


def _alt(
    lines: Lines,
    heights: Mapping[str, float],
    widths: Mapping[str, np.ndarray],
    xlabel: str,
    ylabel: str,
    yscale: Scale,
) -> str:
    words = [f"Line chart of {plain(ylabel)} against {plain(xlabel)}" + (", logarithmic." if yscale == "log" else ".")]
    for name, (x, y) in lines.items():
        if len(x) == 1:
            words.append(f"{plain(name)}: {number(y[0])} at {number(x[0])}.")
        else:
            band = ", with an error band" if name in widths else ""
            words.append(
                f"{plain(name)}: from {number(y[0])} at {number(x[0])} to {number(y[-1])} at {number(x[-1])}{band}."
            )
    words += [f"Reference {plain(name)}: {number(value)}." for name, value in heights.items()]
    return " ".join(words)

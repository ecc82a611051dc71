"""Scatter plots of points in the plane, with colour and shape by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.patches import Circle
from matplotlib.patheffects import withStroke

from helpers.plots.picture import Picture
from helpers.plots.placement import separate
from helpers.plots.style import CLASS_COLORS, INK, MARKERS, PIXELS_PER_INCH, new_figure, readable, workbook_style
from helpers.plots.words import as_array, listed, number, plain

REACH = 3.0  # interquartile ranges beyond the quartiles: Tukey's "far out"; one in 400,000 normal draws is


def scatter_by_class(
    points: torch.Tensor,
    labels: torch.Tensor,
    *,
    class_names: Mapping[int, str] | Sequence[str] | None = None,
    xlabel: str = "$z_1$",
    ylabel: str = "$z_2$",
    title: str | None = None,
    size: tuple[float, float] = (620, 520),
    circle: float | None = None,
    clip: bool = False,
    alt: str | None = None,
    caption: str | None = None,
) -> Picture:
    """Points with colour and shape by class, and the name of each class at the median of its points.

    Names that overlap are moved apart, with a line from the moved name to a dot at the median. If all names are single characters
    ("7"), these are the marker shapes, so that every point can be read; otherwise classes take the marker shapes in turn. Both axes
    have the same scale.

    Args:
        points: [N, 2].
        labels: Integers [N].
        class_names: Label → name, or names indexed by label; a label without a name, or all with None, is its own name.
        xlabel: Label of the horizontal axis.
        ylabel: Label of the vertical axis.
        title: Title above the axes; None: none.
        size: Width and height in CSS pixels.
        circle: Radius of a dashed circle about the origin; None: no circle. The alt text says which share of the points, and which
            medians, lie inside.
        clip: Whether points beyond `REACH` interquartile ranges on either axis may lie outside the frame, so that the others are not
            squeezed together. Class medians stay inside; the caption says how many points are outside.
        alt: Alt text; None: a text with the median of every class.
        caption: Words under the figure; None: no caption.

    Returns:
        The figure with its alt text and caption.

    Raises:
        ValueError: If points or labels have another shape or NaN, labels are not whole, or the radius is not positive.
    """
    xy, classes = checked_classes(points, labels)
    if xy.shape[1] != 2:
        raise ValueError(
            f"points has shape {list(xy.shape)}; expected [N, 2]. For more dimensions use tsne_map, or choose two."
        )
    if circle is not None and not circle > 0:
        raise ValueError(f"circle={circle}: a radius must be positive.")
    kinds = [int(c) for c in np.unique(classes)]
    names = named(kinds, class_names)
    medians = np.stack([np.median(xy[classes == c], axis=0) for c in kinds])
    low, high = _frame(xy, medians) if clip else (xy.min(0), xy.max(0))
    as_glyphs = all(len(name) == 1 and name.isalnum() for name in names.values())

    with workbook_style():
        figure = new_figure(*size)
        axes = figure.add_subplot(xlabel=xlabel, ylabel=ylabel)
        # datalim, not box: the axes keep the figure's shape and show a larger part of the plane
        axes.set_aspect("equal", adjustable="datalim")
        if title:
            axes.set_title(title, loc="left")
        area = float(np.clip(60_000 / len(xy), 14, 60))  # of a marker, in square points: smaller if there are many
        for c in kinds:
            x, y = xy[classes == c].T
            shape = f"${names[c]}$" if as_glyphs else MARKERS[c % len(MARKERS)]
            color = CLASS_COLORS[c % len(CLASS_COLORS)]
            axes.scatter(x, y, s=area, marker=shape, color=color, linewidths=0.2, alpha=0.85, label=names[c], zorder=2)
        if circle is not None:
            axes.add_patch(Circle((0, 0), circle, fill=False, linewidth=2.5, linestyle="--", edgecolor=INK, zorder=2.5))
        height = 17 if as_glyphs else 13  # points
        spans = (high - low) / (np.array(size) - 80)
        unit = (spans.max() or 1.0) * PIXELS_PER_INCH / 72  # of data, per point
        boxes = np.array([(0.72 * len(names[c]) + 0.2, 1.05) for c in kinds]) * height * unit
        places = separate(medians, boxes)
        white = withStroke(linewidth=4, foreground="white")
        for c, place, median in zip(kinds, places, medians, strict=True):
            ink = readable(CLASS_COLORS[c % len(CLASS_COLORS)])
            if np.linalg.norm(place - median) > 0.4 * height * unit:
                axes.plot(
                    *zip(place, median, strict=True), "-", color=ink, linewidth=1.8, zorder=3, path_effects=[white]
                )
                axes.plot(*median, "o", color=ink, markersize=7, markeredgecolor="white", zorder=4)
            axes.text(place[0], place[1], names[c], color=ink, ha="center", va="center", zorder=5, fontsize=height, fontweight="bold",
                      path_effects=[white])  # fmt: skip
        if clip:
            margin = 0.05 * (high - low) + 1e-9
            # auto, so that equal scales may widen them; last, so that nothing drawn later moves them
            axes.set_xlim(low[0] - margin[0], high[0] + margin[0], auto=True)
            axes.set_ylim(low[1] - margin[1], high[1] + margin[1], auto=True)
        outside = _outside(axes, xy) if clip else 0
    words = _alt(xy, medians, names, xlabel, ylabel)
    if circle is not None:
        words += " " + _of_circle(xy, medians, names, circle)
    if outside:
        words, caption = (
            f"{text} {outside} of {len(xy)} points lie outside the frame.".strip() for text in (words, caption or "")
        )
    return Picture(figure, alt or words, caption)


def _frame(xy: np.ndarray, medians: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lower left and upper right corner, [2] each, of the frame that leaves out points far out."""
    first, third = np.quantile(xy, (0.25, 0.75), axis=0)
    reach = REACH * (third - first)
    low, high = np.maximum(first - reach, xy.min(0)), np.minimum(third + reach, xy.max(0))
    return np.minimum(low, medians.min(0)), np.maximum(high, medians.max(0))


def _outside(axes: Axes, xy: np.ndarray) -> int:
    """Number of points outside the axes."""
    axes.figure.draw_without_rendering()  # the layout decides how far equal scales widen the limits
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    return int(((xy < (left, bottom)) | (xy > (right, top))).any(1).sum())


def _of_circle(xy: np.ndarray, medians: np.ndarray, names: Mapping[int, str], radius: float) -> str:
    """Words on what lies inside the circle."""
    share = (np.linalg.norm(xy, axis=1) <= radius).mean()
    inside = np.linalg.norm(medians, axis=1) <= radius
    within, beyond = (
        listed([plain(name) for name, kept in zip(names.values(), side, strict=True) if kept]) or "none"
        for side in (inside, ~inside)
    )
    return (
        f"A dashed circle of radius {number(radius, 3)} about the origin holds {100 * share:.0f} percent of the points. "
        f"Medians inside it: {within}; outside: {beyond}."
    )


def named(kinds: Sequence[int], class_names: Mapping[int, str] | Sequence[str] | None) -> dict[int, str]:
    """Names of labels.

    Args:
        kinds: Labels.
        class_names: Label → name, or names indexed by label; None: no names.

    Returns:
        Label → name, in the order of `kinds`; a label without a name is its own name.
    """
    given = class_names if isinstance(class_names, Mapping) else dict(enumerate(class_names or ()))
    return {c: given.get(c, str(c)) for c in kinds}


def checked_classes(points: Any, labels: Any) -> tuple[np.ndarray, np.ndarray]:
    """Points and labels as arrays, after checks.

    Args:
        points: [N, D], a tensor, array or nested sequence.
        labels: Integers [N], of any numeric dtype.

    Returns:
        points as float64 [N, D], and labels as int64 [N].

    Raises:
        ValueError: If labels is None, a shape is another, values are NaN or infinite, or a label is not whole.
    """
    if labels is None:
        raise ValueError("labels is None: this data set has no labels, so its points have no classes.")
    xy, classes = as_array(points, "points"), as_array(labels, "labels")
    if xy.ndim != 2:
        raise ValueError(f"points has shape {list(xy.shape)}; expected [N, D].")
    if classes.shape != xy.shape[:1]:
        hint = " One-hot labels? Give labels.argmax(-1)." if classes.ndim == 2 else ""
        raise ValueError(f"labels has shape {list(classes.shape)} for {len(xy)} points; expected [{len(xy)}].{hint}")
    if not (classes == classes.round()).all():
        raise ValueError("labels holds fractions; expected whole numbers, one class each.")
    return xy, classes.astype(np.int64)


def _alt(xy: np.ndarray, medians: np.ndarray, names: Mapping[int, str], xlabel: str, ylabel: str) -> str:
    middles = [
        f"{plain(name)} at ({number(x, 2)}, {number(y, 2)})"
        for name, (x, y) in zip(names.values(), medians, strict=True)
    ]
    return (
        f"Scatter plot of {len(xy)} points in {len(names)} class{'es' * (len(names) > 1)}, {plain(ylabel)} against {plain(xlabel)}. "
        f"Class medians: {listed(middles)}."
    )

"""Points in the plane, told apart by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.patheffects import withStroke

from helpers.plots.picture import Picture
from helpers.plots.placement import separate
from helpers.plots.style import CLASS_COLORS, MARKERS, PIXELS_PER_INCH, new_figure, readable, workbook_style
from helpers.plots.words import as_array, listed, number, plain


def scatter_by_class(
    points: torch.Tensor,
    labels: torch.Tensor,
    *,
    class_names: Mapping[int, str] | Sequence[str] | None = None,
    xlabel: str = "$z_1$",
    ylabel: str = "$z_2$",
    title: str | None = None,
    size: tuple[float, float] = (620, 520),
    alt: str | None = None,
    caption: str | None = None,
) -> Picture:
    """Points [N, 2] with colour and shape by class, and the class's name written at the median of its points,
    or as near as it comes without covering another name.

    A class named by one character ("7") is drawn with that character as its shape, so that every point can be read; other
    classes take the marker shapes in turn. All classes share one scale: x and y are equally long per unit.

    points: [N, 2]; labels: [N], whole numbers; class_names: label → name, or names in
        the order of labels; the label itself where not given.
    Raises ValueError for other shapes, NaN, labels that do not match the points or are not whole.
    """
    xy, classes = checked_classes(points, labels)
    if xy.shape[1] != 2:
        raise ValueError(
            f"points has shape {list(xy.shape)}; expected [N, 2]. For more dimensions use tsne_map, or choose two."
        )
    kinds = [int(c) for c in np.unique(classes)]
    names = named(kinds, class_names)
    as_glyphs = all(len(name) == 1 and name.isalnum() for name in names.values())

    with workbook_style():
        figure = new_figure(*size)
        axes = figure.add_subplot(xlabel=xlabel, ylabel=ylabel)
        # datalim, not box: the axes keep the figure's shape and show more of the plane instead
        axes.set_aspect("equal", adjustable="datalim")
        if title:
            axes.set_title(title, loc="left")
        area = float(np.clip(60_000 / len(xy), 14, 60))  # square points a marker: few points large, many small
        for c in kinds:
            x, y = xy[classes == c].T
            shape = f"${names[c]}$" if as_glyphs else MARKERS[c % len(MARKERS)]
            color = CLASS_COLORS[c % len(CLASS_COLORS)]
            axes.scatter(x, y, s=area, marker=shape, color=color, linewidths=0.2, alpha=0.85, label=names[c], zorder=2)
        height = 22 if as_glyphs else 13  # points
        unit = (
            max(np.ptp(xy[:, 0]) / (size[0] - 80), np.ptp(xy[:, 1]) / (size[1] - 80)) * PIXELS_PER_INCH / 72
        )  # of data, per point
        boxes = np.array([(0.72 * len(names[c]) + 0.2, 1.05) for c in kinds]) * height * unit
        middles = separate(np.stack([np.median(xy[classes == c], axis=0) for c in kinds]), boxes)
        for c, middle in zip(kinds, middles, strict=True):
            axes.text(*middle, names[c], color=readable(CLASS_COLORS[c % len(CLASS_COLORS)]), ha="center", va="center", zorder=3,
                      fontsize=height, fontweight="bold", path_effects=[withStroke(linewidth=4, foreground="white")])  # fmt: skip
    return Picture(figure, alt or _alt(xy, classes, names, xlabel, ylabel), caption)


def named(kinds: Sequence[int], class_names: Mapping[int, str] | Sequence[str] | None) -> dict[int, str]:
    """label → name for the labels in `kinds`; a label without a name is its own."""
    given = class_names if isinstance(class_names, Mapping) else dict(enumerate(class_names or ()))
    return {c: given.get(c, str(c)) for c in kinds}


def checked_classes(points: Any, labels: Any) -> tuple[np.ndarray, np.ndarray]:
    """points as float64 [N, D] and labels as int64 [N], or a ValueError that says why not."""
    if labels is None:
        raise ValueError("labels is None: this data set has none, so its points cannot be told apart by class.")
    xy, classes = as_array(points, "points"), as_array(labels, "labels")
    if xy.ndim != 2:
        raise ValueError(f"points has shape {list(xy.shape)}; expected [N, D].")
    if classes.shape != xy.shape[:1]:
        hint = " One-hot labels? Give labels.argmax(-1)." if classes.ndim == 2 else ""
        raise ValueError(f"labels has shape {list(classes.shape)} for {len(xy)} points; expected [{len(xy)}].{hint}")
    if not (classes == classes.round()).all():
        raise ValueError("labels holds fractions; expected whole numbers, one class each.")
    return xy, classes.astype(np.int64)


def _alt(xy: np.ndarray, classes: np.ndarray, names: Mapping[int, str], xlabel: str, ylabel: str) -> str:
    middles = []
    for c, name in names.items():
        x, y = np.median(xy[classes == c], axis=0)
        middles.append(f"{plain(name)} at ({number(x, 2)}, {number(y, 2)})")
    return (
        f"Scatter plot of {len(xy)} points in {len(names)} class{'es' * (len(names) > 1)}, {plain(ylabel)} against {plain(xlabel)}. "
        f"Class medians: {listed(middles)}."
    )

"""Number of labels (lesson 06): test accuracy against it, published and ours by protocol, and our learning curves at one of them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.plots import Picture, workbook_style
from helpers.plots.style import COLORS, INK, LINESTYLES, MARKERS, QUIET
from helpers.plots.words import listed, with_minus
from helpers.reproduce.rows import Row
from helpers.reproduce.ssvae_settings import PUBLISHED, SHORT
from helpers.widgets.parts.explorer import Choice, Explorer
from helpers.widgets.parts.label_results import PROTOCOLS, Result, Results, label_numbers, results_of
from helpers.widgets.parts.panel import Panel, bare_figure, key
from helpers.widgets.parts.pixels import pixels_of
from helpers.widgets.parts.words import counted

SCALES = ("accuracy", "error, log scale")
WIDTH, HEIGHT = 800, 376  # CSS pixels
ALONG = (58, 54, 276, 262)  # left, bottom, width, height
CURVES = (450, 54, 326, 112)
TABLE_LEFT, TABLE_TOP, ROW = 376, 340, 19
APART = 48  # CSS pixels between the middles of two tick labels: "600" and "1,000" are 36 apart, and would touch
ERRORS = {0.005: "0.5 %", 0.01: "1 %", 0.02: "2 %", 0.05: "5 %", 0.1: "10 %", 0.2: "20 %", 0.5: "50 %", 1.0: "100 %"}


def number_of_labels(rows: Sequence[Row]) -> Explorer:
    """Choose a number of labels, and see the accuracy of every variant.

    Args:
        rows: All result rows, from `read_rows`; without rows of this lesson, only the published numbers are shown.

    Returns:
        The explorer.
    """
    results = {protocol: results_of(rows, protocol) for protocol in PROTOCOLS}
    numbers = sorted({number for of_protocol in results.values() for number in label_numbers(of_protocol)})
    same, warps = PROTOCOLS
    pages = {
        (labels, scale, protocol): pixels_of(page(of_protocol, labels, scale, numbers))
        for protocol, of_protocol in results.items()
        for labels in numbers
        for scale in SCALES
    }
    return Explorer(
        "number_of_labels",
        partial(number_of_labels_picture, results, pages),
        {
            "labels": Choice("labels", numbers, numbers[0]),
            "scale": Choice("scale", SCALES, SCALES[0]),
            "protocol": Choice("protocol", list(PROTOCOLS), same),
        },
        stills=(
            {"labels": min(PUBLISHED["sampled"])},
            {"labels": max(PUBLISHED["sampled"]), "scale": SCALES[1], "protocol": warps},
        ),
    )


def number_of_labels_picture(
    results: Mapping[str, Results],
    pages: Mapping[tuple[int, str, str], np.ndarray],
    *,
    labels: int,
    scale: str,
    protocol: str,
) -> Picture:
    """The page of a number of labels, a scale and a protocol, drawn in advance, because its markers and words take too long for a slider.

    Args:
        results: By protocol, variant and number of labels.
        pages: `pixels_of` each `page`, by number of labels, scale and protocol.
        labels: Number of labels.
        scale: One of `SCALES`.
        protocol: Of ours, one of `PROTOCOLS`.

    Returns:
        The picture.
    """
    with workbook_style():
        figure, axes = bare_figure(WIDTH, HEIGHT)
        # Halfway between two pixels, bilinear interpolation is their mean: the result of "antialiased", in less time.
        axes.imshow(
            pages[labels, scale, protocol],
            extent=(0, WIDTH, 0, HEIGHT),
            interpolation="bilinear",
            resample=False,
            aspect="auto",
        )
    by_variant = results[protocol]
    here = {SHORT[variant]: by_labels[labels] for variant, by_labels in by_variant.items() if labels in by_labels}
    published = [f"{name} {_percent(found.published)}" for name, found in here.items() if found.published is not None]
    ours = [
        f"{name} {_spread(found)} ({counted(len(found.runs), 'split')})" for name, found in here.items() if found.runs
    ]
    alt = (
        f"Left, test {scale} against the number of labels for {len(by_variant)} variants, published and ours, with a line at {labels:,} "
        f"labels. Right, test accuracy there. Published: {listed(published, 10) if published else 'none'}. "
        f"Ours, {protocol}: {listed(ours, 10) if ours else 'none yet'}. "
        f"Below, our learning curves: {counted(sum(len(found.curves) for found in here.values()), 'run')}."
    )
    caption = (
        f"With {labels:,} labels{_gain(by_variant, labels)} Ours: {protocol}. Bars: ours, two standard errors over splits; published, "
        "95 % intervals. Dots: single splits."
    )
    return Picture(figure, alt, caption)


def _gain(results: Results, labels: int) -> str:
    """Accuracy of attempt 3 minus that of the classifier alone, in percentage points, published and ours."""
    alone, third = (results[variant].get(labels, Result()) for variant in ("baseline", "classifier-loss"))
    gains = []
    if alone.published is not None and third.published is not None:
        gains.append(f"{100 * (third.published - alone.published):+.1f} points published")
    shared = [third.runs[split] - alone.runs[split] for split in sorted(set(third.runs) & set(alone.runs))]
    if shared:
        error = f" ± {100 * statistics.stdev(shared) / math.sqrt(len(shared)):.1f}" if len(shared) > 1 else ""
        gains.append(f"{100 * statistics.fmean(shared):+.1f}{error} ours ({counted(len(shared), 'split')}, paired)")
    if not gains:
        return ": no accuracy to compare."
    return f", attempt 3 over the classifier alone: {with_minus(', '.join(gains))}."


def page(results: Results, labels: int, scale: str, numbers: Sequence[int]) -> Figure:
    """Left all variants against the number of labels; right, at one of these numbers, accuracies and our learning curves.

    Args:
        results: By variant and number of labels.
        labels: Number of labels on the right.
        scale: One of `SCALES`.
        numbers: All numbers of labels on the left, in rising order.

    Returns:
        The figure.
    """
    with workbook_style():
        figure, axes = bare_figure(WIDTH, HEIGHT)
        _draw_along(axes, results, labels, scale, numbers)
        _draw_table(axes, results, labels, scale)
        _draw_curves(axes, results, labels, scale)
    return figure


def _draw_along(axes: Axes, results: Results, labels: int, scale: str, numbers: Sequence[int]) -> None:
    panel = _panel(axes, ALONG, (math.log10(numbers[0]) - 0.12, math.log10(numbers[-1]) + 0.12), results, scale)
    named: dict[float, str] = {}
    for number in (labels, *numbers):  # the chosen one is named, and others if there is room
        if all(abs(panel.x(math.log10(number)) - panel.x(other)) >= APART for other in named):
            named[math.log10(number)] = f"{number:,}"
    panel.frame(named, _ticks(panel, scale), "labels", _quantity(scale))
    panel.plot([math.log10(labels)] * 2, panel.ylim, color=QUIET, linestyle=(0, (4, 3)), linewidth=1.4)
    for index, by_labels in enumerate(results.values()):
        _draw_variant(panel, by_labels, scale, COLORS[index], MARKERS[index])
    entries = (
        (
            "published",
            {"color": INK, "linestyle": (0, (2, 2)), "linewidth": 1.0, "marker": "o", "markerfacecolor": "white"},
            130,
        ),
        ("ours", {"color": INK, "linestyle": "-", "linewidth": 1.8, "marker": "o"}, 0),
    )
    key(axes, ALONG[0] + 92, HEIGHT - 14, entries)


def _draw_variant(panel: Panel, by_labels: Mapping[int, Result], scale: str, color: str, marker: str) -> None:
    published = sorted(number for number, found in by_labels.items() if found.published is not None)
    values = [_shown(by_labels[number].published, scale) for number in published]
    hollow = {"markerfacecolor": "white", "markeredgewidth": 1.4, "markeredgecolor": color, "markersize": 7}
    panel.plot(
        np.log10(published),
        values,
        color=color,
        linestyle=(0, (2, 2)),
        linewidth=1.0,
        marker=marker,
        zorder=2,
        **hollow,
    )
    for number in published:
        half = by_labels[number].published_half
        if half is not None:
            ends = [_shown(by_labels[number].published + side * half, scale) for side in (-1, 1)]
            panel.plot([math.log10(number)] * 2, ends, color=color, linestyle="-", linewidth=0.9, zorder=1)
    got = sorted(number for number, found in by_labels.items() if found.runs)
    if not got:
        return
    means = [_shown(by_labels[number].mean, scale) for number in got]
    panel.plot(np.log10(got), means, color=color, linestyle="-", linewidth=1.8, marker=marker, markersize=7, zorder=4)
    single = [(math.log10(number), _shown(value, scale)) for number in got for value in by_labels[number].runs.values()]
    panel.plot(
        *zip(*single, strict=True), color=color, linestyle="", marker="o", markersize=2.4, markeredgewidth=0, zorder=3
    )
    for number, mean in zip(got, means, strict=True):
        error = by_labels[number].standard_error
        if error is not None:
            ends = [max(mean - 2 * error, panel.ylim[0]), min(mean + 2 * error, 1.0)]
            panel.plot([math.log10(number)] * 2, ends, color=color, linestyle="-", linewidth=1.4, zorder=3)


def _draw_table(axes: Axes, results: Results, labels: int, scale: str) -> None:
    """One row per variant, with the marker and line style that it has in both plots."""
    rows = [f"{f'{labels:,} labels':<19}{'published':>9}{'ours':>15}"]
    for variant, by_labels in results.items():
        found = by_labels.get(labels, Result())
        published = "–" if found.published is None else _percent(_shown(found.published, scale))
        ours = _spread(found, scale) if found.runs else "–"
        rows.append(f"{SHORT[variant]:<19}{published:>9}{ours:>15}")
    for index, words in enumerate(rows):
        y = TABLE_TOP - ROW * index
        axes.text(TABLE_LEFT + 34, y, words, va="center_baseline", fontsize=10.5, family="monospace", color=INK)
        if index:
            axes.plot(
                [TABLE_LEFT, TABLE_LEFT + 28],
                [y, y],
                color=COLORS[index - 1],
                linestyle=LINESTYLES[index - 1],
                linewidth=1.8,
            )
            axes.plot(
                [TABLE_LEFT + 14], [y], color=COLORS[index - 1], marker=MARKERS[index - 1], markersize=7, linestyle=""
            )


def _draw_curves(axes: Axes, results: Results, labels: int, scale: str) -> None:
    panel = _panel(axes, CURVES, (0.0, 1.0), results, scale)
    title = f"ours while learning, {_quantity(scale)}"
    panel.frame({0.0: "0", 0.5: "½", 1.0: "1"}, _ticks(panel, scale, 30), "part of the training", title)
    empty = True
    for index, by_labels in enumerate(results.values()):
        for curve in by_labels.get(labels, Result()).curves:
            done, value = curve[:, 0], _shown(curve[:, 1], scale)
            panel.plot(done, value, color=COLORS[index], linestyle=LINESTYLES[index], linewidth=1.2, zorder=3)
            panel.plot(
                done[-1:], value[-1:], color=COLORS[index], marker=MARKERS[index], markersize=6, linestyle="", zorder=4
            )
            empty = False
    if empty:
        left, bottom, width, height = CURVES
        axes.text(
            left + width / 2,
            bottom + height / 2,
            "no run of ours here",
            ha="center",
            va="center",
            fontsize=12,
            color=INK,
        )


def _panel(axes: Axes, box: tuple[float, ...], xlim: tuple[float, float], results: Results, scale: str) -> Panel:
    """A panel whose limits are those of all results, so that states can be compared."""
    if scale == SCALES[0]:
        return Panel(axes, box, xlim, (0.0, 1.0))
    found = [one for by_labels in results.values() for one in by_labels.values()]
    accuracies = [value for one in found for value in (*one.runs.values(), one.published) if value is not None]
    least = max(min(1 - value for value in accuracies), 0.004)
    return Panel(axes, box, xlim, (0.8 * least, 1.0), log_y=True)


def _ticks(panel: Panel, scale: str, apart: float = 0.0) -> dict[float, str]:
    if scale == SCALES[0]:
        return {
            share: f"{100 * share:.0f} %" for share in ((0.0, 0.5, 1.0) if apart else (0.0, 0.2, 0.4, 0.6, 0.8, 1.0))
        }
    ticks: dict[float, str] = {}
    for value, name in sorted(ERRORS.items(), reverse=True):
        if value >= panel.ylim[0] and all(abs(panel.y(value) - panel.y(other)) >= apart for other in ticks):
            ticks[value] = name
    return ticks


def _quantity(scale: str) -> str:
    return "test accuracy" if scale == SCALES[0] else "test error"


def _shown(accuracy: float | np.ndarray, scale: str) -> float | np.ndarray:
    return accuracy if scale == SCALES[0] else 1 - accuracy


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _spread(found: Result, scale: str = SCALES[0]) -> str:
    error = found.standard_error
    spread = "" if error is None else f" ± {100 * error:.1f}"
    return f"{100 * _shown(found.mean, scale):.1f}{spread} %"

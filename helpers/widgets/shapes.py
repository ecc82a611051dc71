"""Shapes (lesson 00): what `log_prob` returns for every choice of sample, batch and event shape, or the error that it raises."""

from __future__ import annotations

import math
import textwrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection

from helpers.networks import Shape
from helpers.plots import Picture, workbook_style
from helpers.plots.style import COLORS, INK, QUIET, new_figure
from helpers.plots.words import with_minus
from helpers.widgets.parts.explorer import Choice, Explorer, Slider
from helpers.widgets.parts.scoring import A_SAMPLE, Scoring, roles, try_log_prob
from helpers.widgets.parts.scoring_words import alt_text, caption, q_code, values_of

WIDTH, TOPS = 620, (0, 96, 228, 360)  # CSS pixels; upper edges of the rows q, x and log_prob, and the lower edge
GRID_LEFT = 318
CHARACTER_WIDTHS = {"−": 0.84, ".": 0.32}  # in units of the letters' size, digits having 0.64
FILL, PALE, RESULT = COLORS[0], "#D3E6F2", "#FBEBD0"


def shapes_picture(*, loc: Shape, ndims: int, sample_shape: Shape, x: Shape | str) -> Picture:
    """Three rows: q, x and log_prob(x), each with the roles of its dimensions and its elements as cells.

    Samples run down, the batch runs across. A thick frame holds the cells of one event; log_prob has one number per frame.

    Args:
        loc: Shape of q's means.
        ndims: How many of q's batch dimensions, from the right, become one event.
        sample_shape: Shape of the sample, if x is drawn.
        x: `A_SAMPLE`, or the shape of a tensor of zeros.

    Returns:
        The picture, with the error in place of the rows that it prevents.
    """
    done = try_log_prob(loc, ndims, sample_shape, x)
    with workbook_style():
        figure = new_figure(WIDTH, TOPS[3], layout=None)
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(TOPS[3], 0))
        axes.set_axis_off()
        for line in TOPS[1:3]:
            axes.plot([8, WIDTH - 8], [line] * 2, color="#E6E6E6", linewidth=1, linestyle="-")
        _draw_distribution(axes, done, ndims)
        if done.q is not None:
            _draw_x(axes, done, sample_shape, x)
        _draw_result(axes, done)
    return Picture(figure, alt_text(done, ndims, sample_shape, x), caption(done))


def shapes() -> Explorer:
    """Set the shapes, and see the shape and the values of log_prob, or its error."""
    locs = ((), (3,), (2, 3), (4, 2, 3))
    xs = (A_SAMPLE, (), (3,), (2,), (3, 1), (2, 3), (2, 1))
    return Explorer(
        "shapes",
        shapes_picture,
        {
            "loc": Choice("shape of loc", locs, (2, 3)),
            "ndims": Slider("n in Independent(…, n)", 0, 3, 1, 1),
            "sample_shape": Choice("sample_shape", ((), (5,), (2, 2)), (5,)),
            "x": Choice("x, or its shape", xs, A_SAMPLE),
        },
        stills=({}, {"loc": (3,), "ndims": 0, "x": (3, 1)}),
    )


def _draw_distribution(axes: Axes, done: Scoring, ndims: int) -> None:
    _code(axes, 0, q_code(ndims))
    axes.text(
        24 + 56 * max(len(done.base_shape), 2), 57, f"loc: {values_of(done.base_shape)}", fontsize=10.5, color=QUIET
    )
    if done.q is None:
        _chips(axes, 0, [(str(size), "batch") for size in done.base_shape])
        return
    batch, event = tuple(done.q.batch_shape), tuple(done.q.event_shape)
    shape, parts = batch + event, ["batch"] * len(batch) + ["event"] * len(event)
    _chips(axes, 0, list(zip(map(str, shape), parts, strict=True)))
    _cells(axes, 0, shape, parts, np.zeros(math.prod(shape), bool))


def _draw_x(axes: Axes, done: Scoring, sample_shape: Shape, x: Shape | str) -> None:
    _code(axes, 1, f"x = q.sample({sample_shape})" if x == A_SAMPLE else f"x = torch.zeros({x})")
    if x != A_SAMPLE:
        axes.text(16, TOPS[1] + 105, "not drawn: sample_shape has no effect", fontsize=10.5, color=QUIET)
    batch, event = tuple(done.q.batch_shape), tuple(done.q.event_shape)
    wanted = batch + event
    rank = max(len(done.x_shape), len(wanted))
    # Aligned from the right, as torch does: None if one of the two has no such dimension.
    given = (None,) * (rank - len(done.x_shape)) + done.x_shape
    target = (None,) * (rank - len(wanted)) + wanted
    labels, full = [], []
    for have, want in zip(given, target, strict=True):
        fits = want is None or have in (want, 1, None) or want == 1
        full.append(max(have or 1, want or 1))
        same = want is None or have == want or (fits and have is not None and have > 1)
        labels.append(str(have) if same else f"{'new' if have is None else have}{'→' if fits else '≠'}{want}")
    parts = roles(tuple(full), len(batch), len(event))
    _chips(axes, 1, list(zip(labels, parts, strict=True)))
    if done.value is None:
        own = parts[len(parts) - len(done.x_shape) :]
        _cells(axes, 1, done.x_shape, own, np.zeros(math.prod(done.x_shape), bool), framed=False)
        return
    repeated = np.zeros(full, bool)
    for axis, have in enumerate(given):
        if (have or 1) < full[axis]:
            repeated[(slice(None),) * axis + (slice(1, None),)] = True
    _cells(axes, 1, tuple(full), parts, repeated.ravel())
    if repeated.any():
        axes.text(16, TOPS[1] + 123, "pale cells: repeats, made by broadcasting", fontsize=10.5, color=QUIET)


def _draw_result(axes: Axes, done: Scoring) -> None:
    if done.value is None:
        row = 1 if done.q is None else 2
        _code(axes, row, "q.log_prob(x)" if row == 2 else "no distribution")
        words = "\n".join(textwrap.wrap(done.error, 66))
        axes.text(16, TOPS[row] + 40, words, fontsize=11, family="monospace", va="top", linespacing=1.3)
        return
    _code(axes, 2, "q.log_prob(x)")
    shape = tuple(done.value.shape)
    parts = roles(shape, len(done.q.batch_shape), 0)
    _chips(axes, 2, list(zip(map(str, shape), parts, strict=True)))
    _cells(axes, 2, shape, parts, None, done.value.flatten().tolist())


def _code(axes: Axes, row: int, words: str) -> None:
    axes.text(16, TOPS[row] + 25, words, fontsize=10.5, family="monospace", weight="bold")


def _chips(axes: Axes, row: int, dimensions: list[tuple[str, str]]) -> None:
    """Each dimension as a box with its size, and its role under it."""
    top = TOPS[row] + 38
    if not dimensions:
        axes.text(16, top + 19, "()  one number", fontsize=11)
    for place, (size, role) in enumerate(dimensions):
        left = 16 + 56 * place
        outline = [(left, top), (left + 51, top), (left + 51, top + 26), (left, top + 26)]
        style = {"sample": ":", "batch": "--", "event": "-"}[role]
        axes.add_collection(
            PolyCollection([outline], facecolors="white", edgecolors=INK, linestyles=style, linewidths=1.4)
        )
        axes.text(left + 25.5, top + 14, size, fontsize=10.5 if len(size) < 5 else 9, ha="center", va="center")
        axes.text(left + 25.5, top + 42, role, fontsize=10.5, ha="center")


def places(shape: Shape, parts: list[str], gap: float = 0.25) -> tuple[np.ndarray, np.ndarray]:
    """Places of a tensor's elements, drawn as cells, in units of a cell.

    Samples run down, the batch runs across. Within an event the dimensions, from the last to the first, run across and
    down in turn.

    Args:
        shape: Shape of the tensor.
        parts: Role of each dimension, as `roles` returns them.
        gap: Distance between two cells along the innermost sample or batch dimension; outer dimensions have wider gaps.

    Returns:
        The cells' upper left corners (x, y) in reading order, [cells, 2], and the width and height of all of them, [2].
    """
    origins, extent, events, levels = np.zeros((1, 2)), np.ones(2), 0, [0, 0]
    for size, part in zip(reversed(shape), reversed(parts), strict=True):
        axis = {"sample": 1, "batch": 0, "event": events % 2}[part]
        if part == "event":
            events, between = events + 1, 0.08
        else:
            levels[axis] += 1
            between = gap * levels[axis]
        shifts = np.zeros((size, 1, 2))
        shifts[:, 0, axis] = (extent[axis] + between) * np.arange(size)
        origins = (shifts + origins).reshape(-1, 2)
        extent[axis] = size * (extent[axis] + between) - between
    return origins, extent


def _cells(
    axes: Axes,
    row: int,
    shape: Shape,
    parts: list[str],
    repeated: np.ndarray | None,
    numbers: list[float] | None = None,
    framed: bool = True,
) -> None:
    """A tensor as cells, with their numbers if there is room."""
    space = np.array([WIDTH - GRID_LEFT - 12, TOPS[row + 1] - TOPS[row] - 14])
    left, words = GRID_LEFT, []
    origins, extent = places(shape, parts)
    cell = np.full(2, min(*(space / extent), 24))
    if numbers is not None:
        beside_chips = 24 + 56 * max(len(shape), 2)
        close, covered = places(shape, parts, gap=0.08)
        for letters, decimals, start in (
            (11, 1, GRID_LEFT),
            (9.5, 1, GRID_LEFT),
            (9.5, 1, beside_chips),
            (9.5, 0, beside_chips),
        ):
            written = [with_minus(f"{number:.{0 if abs(number) >= 100 else decimals}f}") for number in numbers]
            widest = max(sum(CHARACTER_WIDTHS.get(letter, 0.64) for letter in word) for word in written)
            needed = np.array([widest * letters * 4 / 3 + (6 if letters > 10 else 2), letters * 4 / 3 + 7])
            if (covered * needed <= space + [GRID_LEFT - start, 0]).all():
                origins, extent, cell, words, left = close, covered, needed, written, min(start, GRID_LEFT)
                break
    low = origins * cell + [left, TOPS[row] + (TOPS[row + 1] - TOPS[row] - extent[1] * cell[1]) / 2]
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * cell
    colors = [
        RESULT if repeated is None else (PALE if pale else FILL)
        for pale in (repeated if repeated is not None else origins)
    ]
    axes.add_collection(PolyCollection(low[:, None] + corners, facecolors=colors, edgecolors=INK if repeated is None else "white",
                                       linewidths=0.8 if repeated is None else 0.5))  # fmt: skip
    num_event = parts.count("event")
    if repeated is not None and num_event and framed:
        groups = low.reshape(-1, math.prod(shape[len(shape) - num_event :]), 2)
        first, last = groups.min(1) - 1, groups.max(1) + cell + 1
        frames = np.stack(
            [first, np.stack([last[:, 0], first[:, 1]], 1), last, np.stack([first[:, 0], last[:, 1]], 1)], 1
        )
        axes.add_collection(PolyCollection(frames, facecolors="none", edgecolors=INK, linewidths=1.6))
    for (x, y), word in zip(low, words, strict=False):
        axes.text(x + cell[0] / 2, y + cell[1] / 2 + 1, word, fontsize=letters, ha="center", va="center")

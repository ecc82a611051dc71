"""Shapes (lesson 00): what `log_prob` returns for every choice of sample, batch and event shape, or the error that it raises."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from torch.distributions import Distribution, Independent, Normal

from helpers.plots import Picture, workbook_style
from helpers.plots.style import COLORS, INK, QUIET, new_figure
from helpers.widgets.explorer import Choice, Explorer, Slider

Shape = tuple[int, ...]
A_SAMPLE = "q.sample(sample_shape)"

WIDTH, ROW = 620, 112  # CSS pixels
GRID_LEFT = 344
FILL, PALE, RESULT = COLORS[0], "#D3E6F2", "#FBEBD0"


@dataclass(frozen=True)
class Scoring:
    """What torch did: q, the shape of x, and `q.log_prob(x)`; or the error that it raised.

    q: None where Independent raised it. value: [*sample, *batch], or None after an error.
    """

    base_shape: Shape
    q: Distribution | None
    x_shape: Shape | None
    value: torch.Tensor | None
    error: str = ""


def score(loc: Shape, ndims: int, sample_shape: Shape, x: Shape | str) -> Scoring:
    """Make q = Independent(Normal(loc, 1), ndims), draw or make x, and score it. Leaves the global random state alone.

    loc: the shape of the means, which are 0, 0.5, 1, ...
    ndims: how many of q's batch dimensions, from the right, become one event; 0 leaves the Normal as it is.
    x: A_SAMPLE, or the shape of a tensor of zeros.
    """
    base = Normal(torch.arange(math.prod(loc)).reshape(loc) / 2, 1.0)
    try:
        q = Independent(base, ndims) if ndims else base
    except ValueError as problem:
        return Scoring(loc, None, None, None, f"ValueError: {problem}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        value = q.sample(sample_shape) if x == A_SAMPLE else torch.zeros(x)
    try:
        return Scoring(loc, q, tuple(value.shape), q.log_prob(value))
    except (ValueError, RuntimeError) as problem:
        return Scoring(loc, q, tuple(value.shape), None, f"{type(problem).__name__}: {problem}")


def shapes_picture(*, loc: Shape, ndims: int, sample_shape: Shape, x: Shape | str) -> Picture:
    """Three rows: q, x and log_prob(x), each with its dimensions named and its numbers as cells. Arguments as `score` has them.

    A frame holds the cells of one event; log_prob has one number a frame, in the frame's place.
    """
    done = score(loc, ndims, sample_shape, x)
    with workbook_style():
        figure = new_figure(WIDTH, 3 * ROW, layout=None)
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(3 * ROW, 0))
        axes.set_axis_off()
        for line in (1, 2):
            axes.plot([8, WIDTH - 8], [line * ROW] * 2, color="#E6E6E6", linewidth=1, linestyle="-")
        _draw_distribution(axes, done, ndims)
        if done.q is not None:
            _draw_x(axes, done, sample_shape, x)
        _draw_result(axes, done)
    return Picture(figure, _alt(done, ndims, sample_shape, x), _caption(done))


def shapes() -> Explorer:
    """Set the shapes, and see what log_prob makes of them."""
    locs = ((), (3,), (2, 3), (4, 2, 3))
    xs = (A_SAMPLE, (), (3,), (2,), (3, 1), (2, 3), (2, 1))
    return Explorer(
        "shapes",
        shapes_picture,
        {
            "loc": Choice("shape of loc", locs, (2, 3)),
            "ndims": Slider("n in Independent(…, n)", 0, 3, 1, 1),
            "sample_shape": Choice("sample_shape", ((), (5,), (2, 5)), (5,)),
            "x": Choice("x, or its shape", xs, A_SAMPLE),
        },
        stills=({}, {"loc": (3,), "ndims": 0, "x": (3, 1)}),
    )


def roles(shape: Shape, num_batch: int, num_event: int) -> list[str]:
    """What each dimension is for a distribution with so many batch and event dimensions, counted from the right."""
    names = ["event"] * num_event + ["batch"] * num_batch
    return [names[back] if back < len(names) else "sample" for back in reversed(range(len(shape)))]


def _draw_distribution(axes: Axes, done: Scoring, ndims: int) -> None:
    _code(axes, 0, _q_code(ndims))
    if done.q is None:
        _chips(axes, 0, [(str(size), "batch") for size in done.base_shape])
        return
    batch, event = tuple(done.q.batch_shape), tuple(done.q.event_shape)
    _chips(axes, 0, [(str(size), role) for size, role in zip(batch + event, roles(batch + event, len(batch), len(event)), strict=True)])
    _cells(axes, 0, batch + event, len(event), np.zeros(math.prod(batch + event), bool))


def _draw_x(axes: Axes, done: Scoring, sample_shape: Shape, x: Shape | str) -> None:
    _code(axes, 1, f"x = q.sample({sample_shape})" if x == A_SAMPLE else f"x = torch.zeros({x})")
    batch, event = tuple(done.q.batch_shape), tuple(done.q.event_shape)
    wanted = batch + event
    rank = max(len(done.x_shape), len(wanted))
    # Aligned from the right, as torch does: None where one of the two has no such dimension.
    given = (None,) * (rank - len(done.x_shape)) + done.x_shape
    target = (None,) * (rank - len(wanted)) + wanted
    labels, full = [], []
    for have, want in zip(given, target, strict=True):
        fits = want is None or have in (want, 1, None) or want == 1
        full.append(max(have or 1, want or 1))
        same = want is None or have == want or (fits and have is not None and have > 1)
        labels.append(str(have) if same else f"{'–' if have is None else have}{'→' if fits else '≠'}{want}")
    _chips(axes, 1, list(zip(labels, roles(tuple(full), len(batch), len(event)), strict=True)))
    if done.value is None:
        _cells(axes, 1, done.x_shape, 0, np.zeros(math.prod(done.x_shape), bool))
        return
    repeated = np.zeros(full, bool)
    for axis, have in enumerate(given):
        if (have or 1) < full[axis]:
            repeated[(slice(None),) * axis + (slice(1, None),)] = True
    _cells(axes, 1, tuple(full), len(event), repeated.ravel())
    if repeated.any():
        axes.text(16, 2 * ROW - 9, "pale cells: repeats, made by broadcasting", fontsize=10.5, color=QUIET)


def _draw_result(axes: Axes, done: Scoring) -> None:
    if done.value is None:
        row = 1 if done.q is None else 2
        _code(axes, row, "q.log_prob(x)" if row == 2 else "no distribution")
        words = "\n".join(textwrap.wrap(done.error, 66))
        axes.text(16, row * ROW + 40, words, fontsize=11, family="monospace", va="top", linespacing=1.3)
        return
    _code(axes, 2, "q.log_prob(x)")
    shape = tuple(done.value.shape)
    _chips(axes, 2, [(str(size), role) for size, role in zip(shape, roles(shape, len(done.q.batch_shape), 0), strict=True)])
    # Each number in its frame's place: the event dimensions stay in the layout, with size 1.
    placed = shape + (1,) * len(done.q.event_shape)
    _cells(axes, 2, placed, 0, None, done.value.flatten().tolist())


def _code(axes: Axes, row: int, words: str) -> None:
    axes.text(16, row * ROW + 25, words, fontsize=11, family="monospace", weight="bold")


def _chips(axes: Axes, row: int, dimensions: list[tuple[str, str]]) -> None:
    """Each dimension as a box with its size, and its role under it."""
    top = row * ROW + 40
    if not dimensions:
        axes.text(16, top + 20, "()  a single number", fontsize=11)
    for place, (size, role) in enumerate(dimensions):
        left = 16 + 58 * place
        outline = [(left, top), (left + 50, top), (left + 50, top + 26), (left, top + 26)]
        style = {"sample": ":", "batch": "--", "event": "-"}[role]
        axes.add_collection(PolyCollection([outline], facecolors="white", edgecolors=INK, linestyles=style, linewidths=1.4))
        axes.text(left + 25, top + 14, size, fontsize=11.5, ha="center", va="center")
        axes.text(left + 25, top + 42, role, fontsize=10.5, ha="center")


def _cells(
    axes: Axes, row: int, shape: Shape, num_event: int, repeated: np.ndarray | None, numbers: list[float] | None = None
) -> None:
    """A tensor as cells: the last dimension runs to the right, the one before it down, the next to the right again, ..."""
    origins = np.zeros((1, 2))
    extent = np.ones(2)
    for level, size in enumerate(reversed(shape)):
        axis = level % 2
        gap = 0.08 if level < num_event else 0.25 + 0.25 * (level // 2)
        stride = extent[axis] + gap
        shifts = np.zeros((size, 1, 2))
        shifts[:, 0, axis] = stride * np.arange(size)
        origins = (shifts + origins).reshape(-1, 2)
        extent[axis] = size * stride - gap
    space = np.array([WIDTH - GRID_LEFT - 14, ROW - 20])
    wide = numbers is not None and (extent * [46, 24] <= space).all()
    cell = np.array([46, 24]) if wide else np.full(2, min(*(space / extent), 24))
    low = origins * cell + [GRID_LEFT, row * ROW + (ROW - extent[1] * cell[1]) / 2]
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * cell
    colors = [RESULT if repeated is None else (PALE if pale else FILL) for pale in (repeated if repeated is not None else origins)]
    axes.add_collection(PolyCollection(low[:, None] + corners, facecolors=colors, edgecolors=INK if repeated is None else "white",
                                       linewidths=0.8 if repeated is None else 0.5))  # fmt: skip
    if repeated is not None and num_event:
        groups = low.reshape(-1, math.prod(shape[len(shape) - num_event :]), 2)
        first, last = groups.min(1) - 1, groups.max(1) + cell + 1
        frames = np.stack([first, np.stack([last[:, 0], first[:, 1]], 1), last, np.stack([first[:, 0], last[:, 1]], 1)], 1)
        axes.add_collection(PolyCollection(frames, facecolors="none", edgecolors=INK, linewidths=1.6))
    if wide:
        for (left, top), number in zip(low, numbers, strict=True):
            axes.text(left + 23, top + 13, f"{number:.1f}".replace("-", "−"), fontsize=11, ha="center", va="center")


def _q_code(ndims: int) -> str:
    return f"q = Independent(Normal(loc, 1), {ndims})" if ndims else "q = Normal(loc, 1)"


def _caption(done: Scoring) -> str:
    if done.value is None:
        if done.q is None:
            return "An error: Independent can turn no more dimensions into an event than the batch has."
        return "An error, raised by log_prob: hold the two shapes in it against each other, from the right."
    shape, num_batch = tuple(done.value.shape), len(done.q.batch_shape)
    numbers, summed = math.prod(shape), math.prod(done.q.event_shape)
    words = f"log_prob returns {list(shape)}: {numbers} number{'s' if numbers > 1 else ''}"
    words += f", each the sum over the {summed} cells of a frame." if done.q.event_shape else ", one for each cell of x."
    wanted = tuple(done.q.batch_shape + done.q.event_shape)
    if done.x_shape[max(0, len(done.x_shape) - len(wanted)) :] != wanted:
        full = shape + tuple(done.q.event_shape)
        words += f" No error, yet x {list(done.x_shape)} and q {list(wanted)} were stretched to {list(full)}. Did you want that?"
    elif len(shape) > num_batch:
        words += " The sample dimensions come first, then the batch."
    return words


def _alt(done: Scoring, ndims: int, sample_shape: Shape, x: Shape | str) -> str:
    words = f"{_q_code(ndims)} with loc of shape {list(done.base_shape)}"
    if done.q is None:
        return f"{words} raises {done.error}"
    words += f" has batch shape {list(done.q.batch_shape)} and event shape {list(done.q.event_shape)}. "
    words += f"x, drawn with sample_shape {sample_shape}, " if x == A_SAMPLE else "x "
    words += f"has shape {list(done.x_shape)}. "
    if done.value is None:
        return f"{words}log_prob raises {done.error}"
    first = ", ".join(f"{number:.2f}" for number in done.value.flatten()[:4].tolist())
    return f"{words}log_prob(x) has shape {list(done.value.shape)}; it begins with {first}."

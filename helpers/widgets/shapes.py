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
from helpers.widgets.parts.explorer import Choice, Explorer, Slider

Shape = tuple[int, ...]
A_SAMPLE = "q.sample(sample_shape)"

WIDTH, TOPS = 620, (0, 96, 228, 360)  # CSS pixels; where q, x and log_prob begin, and the end
GRID_LEFT = 318
CHARACTER_WIDTHS = {"−": 0.84, ".": 0.32}  # in units of the letters' size, digits having 0.64
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


def try_log_prob(loc: Shape, ndims: int, sample_shape: Shape, x: Shape | str) -> Scoring:
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
    """Three rows: q, x and log_prob(x), each with its dimensions named and its numbers as cells. Arguments as `try_log_prob` has them.

    Samples run down and the batch across. A thick frame holds the cells of one event, and log_prob has one number per frame.
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
            "sample_shape": Choice("sample_shape", ((), (5,), (2, 2)), (5,)),
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
    axes.text(
        24 + 56 * max(len(done.base_shape), 2), 57, f"loc: {_values(done.base_shape)}", fontsize=10.5, color=QUIET
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
    # Aligned from the right, as torch does: None where one of the two has no such dimension.
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
    """Where the cells of a tensor stand, in reading order, in units of a cell, as [cells, 2]; and what they cover in all.

    Samples run down, the batch runs across; within an event the last dimension runs across, the one before it down, and so on.
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
    """A tensor as cells: where there is room, with their numbers."""
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
            said = [f"{number:.{0 if abs(number) >= 100 else decimals}f}".replace("-", "−") for number in numbers]
            widest = max(sum(CHARACTER_WIDTHS.get(letter, 0.64) for letter in word) for word in said)
            needed = np.array([widest * letters * 4 / 3 + (6 if letters > 10 else 2), letters * 4 / 3 + 7])
            if (covered * needed <= space + [GRID_LEFT - start, 0]).all():
                origins, extent, cell, words, left = close, covered, needed, said, min(start, GRID_LEFT)
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


def _q_code(ndims: int) -> str:
    return f"q = Independent(Normal(loc, 1), {ndims})" if ndims else "q = Normal(loc, 1)"


def _values(loc: Shape) -> str:
    """The means, as far as they are worth saying."""
    return {0: "0", 1: "0, 0.5, 1"}.get(len(loc), "0, 0.5, 1, …")


def _caption(done: Scoring) -> str:
    if done.value is None:
        if done.q is None:
            return f"An error: n cannot exceed the number of batch dimensions ({len(done.base_shape)})."
        return "An error, raised by log_prob: hold the two shapes in it against each other, from the right."
    shape, num_batch = tuple(done.value.shape), len(done.q.batch_shape)
    wanted = tuple(done.q.batch_shape + done.q.event_shape)
    stretched = done.x_shape[max(0, len(done.x_shape) - len(wanted)) :] != wanted
    numbers, cells = math.prod(shape), math.prod(done.x_shape)
    words = f"log_prob returns {list(shape)}: {_count(numbers, 'number')}"
    if done.q.event_shape:
        summed = math.prod(done.q.event_shape)
        words += ", each the sum over" if numbers > 1 else ", the sum over"
        words += f" the {summed} cells of {'an' if numbers > 1 else 'the'} event (thick frame)."
    elif stretched:
        under, distributions = numbers // cells, math.prod(done.q.batch_shape)
        words += f", from the {_count(cells, 'cell')} of x: {'each' if cells > 1 else 'it'} is scored under "
        words += f"{'all' if under == distributions else f'{under} of the'} {distributions} distributions."
    else:
        words += ", one for each cell of x." if numbers > 1 else "."
    if stretched:
        full = shape + tuple(done.q.event_shape)
        what = f"x {list(done.x_shape)} was" if full == wanted else f"x {list(done.x_shape)} and q {list(wanted)} were"
        words += f" No error, yet {what} stretched to {list(full)}. Did you want that?"
    elif len(shape) > num_batch > 0:
        words += " The sample dimensions come first, then the batch."
    return words


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'s' if number > 1 else ''}"


def _alt(done: Scoring, ndims: int, sample_shape: Shape, x: Shape | str) -> str:
    words = f"{_q_code(ndims)} with loc of shape {list(done.base_shape)} and values {_values(done.base_shape)}"
    if done.q is None:
        return f"{words} raises {done.error}"
    words += f" has batch shape {list(done.q.batch_shape)} and event shape {list(done.q.event_shape)}. "
    words += f"x, drawn with sample_shape {sample_shape}, " if x == A_SAMPLE else "x, which is zeros and not drawn, "
    words += f"has shape {list(done.x_shape)}. "
    if done.value is None:
        return f"{words}log_prob raises {done.error}"
    first = ", ".join(f"{number:.2f}" for number in done.value.flatten()[:4].tolist())
    if done.value.numel() == 1:
        return f"{words}log_prob(x) has shape {list(done.value.shape)}; it is {first}."
    return f"{words}log_prob(x) has shape {list(done.value.shape)}; it begins with {first}."

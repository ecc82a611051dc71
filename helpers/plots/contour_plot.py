"""Densities over a plane, as the regions that hold 50 % and 95 % of their mass."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from helpers.plots.picture import Picture
from helpers.plots.style import COLORS, INK, LINESTYLES, MARKERS, new_figure, workbook_style
from helpers.plots.words import as_array, listed, number, plain

LogDensity = Callable[[torch.Tensor], torch.Tensor]

SHADES = ("#D9D9D9", "#A6A6A6")  # of the first density: its larger region, and its smaller region on top


def contours(
    panels: Mapping[str, Mapping[str, LogDensity]],
    *,
    xlim: tuple[float, float],
    ylim: tuple[float, float],
    points: Mapping[str, Mapping[str, torch.Tensor]] | None = None,
    mass: tuple[float, float] = (0.5, 0.95),
    resolution: int = 161,
    xlabel: str = "$z_1$",
    ylabel: str = "$z_2$",
    size: tuple[float, float] = (820, 380),
    alt: str | None = None,
    caption: str | None = None,
) -> Picture:
    """Densities over one window of the plane: the first of a panel as grey regions, the others as lines around their regions.

    Each region is the smallest that holds the given mass of the density *inside the window*. So a log density may lack its
    constant, and the window should hold nearly all of the mass. A name has the same line style and colour in all panels.

    Args:
        panels: Title → name → function from points [G, 2] to log densities [G]. The first name should be the same in all panels.
        xlim: Left and right end of the window.
        ylim: Lower and upper end of the window.
        points: Title → name → points [n, 2], drawn as markers: a true position, landmarks. None: no markers.
        mass: Mass of the smaller and of the larger region, as shares of 1.
        resolution: Grid points along each side of the window; G = resolution².
        xlabel: Label of the horizontal axes.
        ylabel: Label of the vertical axis, at the first panel only.
        size: Width and height in CSS pixels.
        alt: Alt text; None: a text with mean and standard deviations, or the peaks, of every density.
        caption: Words under the figure; None: no caption.

    Returns:
        The figure with its alt text and caption.

    Raises:
        ValueError: If there are no panels, a panel has no density, a log density has another shape, NaN or infinite values, or
            `points` names an unknown panel.
    """
    if not panels or not all(panels.values()):
        raise ValueError("contours: give {title: {name: log density}} with at least one density a panel.")
    points = dict(points or {})
    if unknown := sorted(set(points) - set(panels)):
        raise ValueError(f"points names {unknown}, but the panels are {sorted(panels)}.")
    grid = torch.cartesian_prod(torch.linspace(*xlim, resolution), torch.linspace(*ylim, resolution))  # [G, 2]
    names = list(dict.fromkeys(name for panel in panels.values() for name in panel))
    marks = list(dict.fromkeys(name for panel in points.values() for name in panel))
    with workbook_style():
        figure = new_figure(*size, layout="compressed")  # for axes of a fixed shape
        row = figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
        for axes, (title, densities) in zip(row, panels.items(), strict=True):
            axes.set(title=title, xlabel=xlabel, xlim=xlim, ylim=ylim, aspect="equal")
            for name, log_density in densities.items():
                _draw(axes, grid, name, log_density, names.index(name), mass, resolution)
            for name, at in points.get(title, {}).items():
                xy = as_array(at, f"points {name!r}").reshape(-1, 2)
                axes.plot(*xy.T, **_mark(marks.index(name)), zorder=5)
        row[0].set_ylabel(ylabel)
        keys: list[Patch | Line2D] = [Patch(color=SHADES[1], label=names[0])]
        keys += [
            Line2D([], [], color=_color(i), linestyle=LINESTYLES[i], label=name) for i, name in enumerate(names) if i
        ]
        keys += [Line2D([], [], **_mark(i), label=name) for i, name in enumerate(marks)]
        in_one_row = sum(70 + 8 * len(str(key.get_label())) for key in keys)  # CSS pixels, roughly
        figure.legend(handles=keys, loc="outside lower center", ncols=-(-len(keys) // -(-in_one_row // size[0])))
        figure.draw_without_rendering()  # a compressed layout settles only at the second drawing
    shares = " and ".join(f"{number(100 * share)} %" for share in mass)
    return Picture(figure, alt or _alt(panels, points, grid, resolution, shares, max(mass)), caption)


def _draw(
    axes: Axes,
    grid: torch.Tensor,
    name: str,
    log_density: LogDensity,
    index: int,
    mass: tuple[float, float],
    resolution: int,
) -> None:
    density = _density(name, log_density, grid)
    levels = sorted(level_of_mass(density, share) for share in mass)  # the larger region has the lower level
    x, y, height = (values.reshape(resolution, resolution) for values in (*grid.T.numpy(), density))
    if index == 0:
        axes.contourf(x, y, height, levels=[*levels, np.inf], colors=SHADES, zorder=1)
    else:
        axes.contour(x, y, height, levels=levels, colors=[_color(index)], linestyles=[LINESTYLES[index]], linewidths=[1.6, 2.4],
                     zorder=2 + index)  # fmt: skip


def _density(name: str, log_density: LogDensity, grid: torch.Tensor) -> np.ndarray:
    """The density at the grid points, [G], scaled so that its maximum is 1."""
    values = log_density(grid)
    if values.shape != grid.shape[:1]:
        raise ValueError(
            f"the log density {name!r} returned the shape {list(values.shape)}; expected [{len(grid)}], one per point."
        )
    heights = as_array(values, f"log density {name!r}")
    return np.exp(heights - heights.max())


def level_of_mass(density: np.ndarray, share: float) -> float:
    """The level above which a density has a given share of its mass.

    Args:
        density: Density on cells of equal size, [G], up to a factor.
        share: Share of the mass, between 0 and 1.

    Returns:
        The largest level such that cells at or above it hold `share` of the mass or more.
    """
    falling = np.sort(density)[::-1]
    total = falling.cumsum()
    return float(falling[np.searchsorted(total, share * total[-1])])


def _color(index: int) -> str:
    return COLORS[(index - 1) % len(COLORS)]


def _mark(index: int) -> dict:
    fill = INK if index else "white"
    return {
        "marker": MARKERS[(index + 2) % len(MARKERS)],
        "color": INK,
        "markerfacecolor": fill,
        "linestyle": "none",
        "markersize": 9,
    }


def peaks(density: np.ndarray, resolution: int, mass: float) -> list[int]:
    """The cells of a density's peaks, highest first: local maxima inside its region of `mass`.

    A maximum counts if, on the straight line to each higher peak, the density falls below 0.9 times the lower of the two.
    So neither ties nor ripples of rounding count.

    Args:
        density: Density on a square grid, [resolution²], up to a factor.
        resolution: Grid points along each side.
        mass: Share of the mass in the region that is searched, between 0 and 1.

    Returns:
        Indices into `density`.
    """
    height = density.reshape(resolution, resolution)
    padded = np.pad(height, 1, constant_values=-np.inf)
    neighbours = [
        padded[1 + a : 1 + a + resolution, 1 + b : 1 + b + resolution]
        for a in (-1, 0, 1)
        for b in (-1, 0, 1)
        if (a, b) != (0, 0)
    ]
    highest = (height >= np.max(neighbours, axis=0)) & (height >= level_of_mass(density, mass))
    found: list[int] = []
    for cell in sorted(np.flatnonzero(highest), key=lambda cell: -density[cell]):
        here = np.array(divmod(cell, resolution))
        steps = np.linspace(0, 1, 2 * resolution)[:, None]
        if all(
            height[tuple(np.rint(here + steps * (np.array(divmod(other, resolution)) - here)).astype(int).T)].min()
            < 0.9 * density[cell]
            for other in found
        ):
            found.append(int(cell))
    return found


def _alt(
    panels: Mapping[str, Mapping[str, LogDensity]],
    points: Mapping[str, Mapping[str, torch.Tensor]],
    grid: torch.Tensor,
    resolution: int,
    shares: str,
    mass: float,
) -> str:
    words = [f"Contour plot: regions of {shares} of the mass."]
    for title, densities in panels.items():
        described = [
            f"{plain(name)} has {_described(_density(name, f, grid), grid.numpy(), resolution, mass)}"
            for name, f in densities.items()
        ]
        words.append(f"{plain(title)}: {'; '.join(described)}.")
        marked = {name: as_array(at, f"points {name!r}").reshape(-1, 2) for name, at in points.get(title, {}).items()}
        if marked:
            words.append(
                f"Marked: {'; '.join(f'{plain(name)} at {listed([_place(xy) for xy in at])}' for name, at in marked.items())}."
            )
    return " ".join(words)


def _described(density: np.ndarray, grid: np.ndarray, resolution: int, mass: float) -> str:
    """Mean and standard deviations of a density with one peak; of one with several, the peaks: none may lie near the mean."""
    top = peaks(density, resolution, mass)
    if len(top) > 1:
        count = {2: "two", 3: "three", 4: "four"}.get(len(top), str(len(top)))
        shown = top[1:] if len(top) <= 4 else top[1:3]  # a long list is hard to follow by ear
        lower = [f"{_place(grid[cell])}, {number(density[cell], 2)} times as high" for cell in shown]
        rest = len(top) - 1 - len(shown)
        more = f"; and {rest} lower ones" if rest else ""
        return f"{count} peaks: the highest at {_place(grid[top[0]])}, then {'; then '.join(lower)}{more}"
    mean = density @ grid / density.sum()
    spread = np.sqrt(density @ (grid - mean) ** 2 / density.sum())
    return f"mean {_place(mean)} and standard deviations {_place(spread)}"


def _place(xy: np.ndarray) -> str:
    x, y = (round(float(value), 6) + 0.0 for value in xy)  # rounding errors such as −1e−9 become 0
    return f"({number(x, 2)}, {number(y, 2)})"

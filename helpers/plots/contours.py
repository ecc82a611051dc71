"""Densities over a plane: the regions that hold half and nineteen twentieths of their mass."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from helpers.plots.picture import Picture
from helpers.plots.style import COLORS, INK, LINESTYLES, MARKERS, new_figure, workbook_style
from helpers.plots.words import as_array, number, plain

LogDensity = Callable[[torch.Tensor], torch.Tensor]

SHADES = ("#D9D9D9", "#A6A6A6")  # of the first density: its 95 % region, and its 50 % region on top


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
    """Densities over one window of the plane: the first of a panel as grey regions, the others as lines around theirs.

    Each region is the smallest that holds the given mass of the density *inside the window*; so a log density may lack its constant,
    and the window should hold nearly all of it. Every density has the line style and colour of its name, in all panels.

    panels: title → name → function from points [G, 2] to log densities [G]. The first name should be the same in all.
    points: title → name → points [n, 2], drawn as markers: a true position, landmarks.
    mass: smaller and larger region. resolution: points along each side.
    Raises ValueError for no panels, other shapes, NaN, points of unknown panels.
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
        keys = [Patch(color=SHADES[1], label=names[0])]
        keys += [Line2D([], [], color=_color(i), linestyle=LINESTYLES[i], label=name) for i, name in enumerate(names) if i]
        keys += [Line2D([], [], **_mark(i), label=name) for i, name in enumerate(marks)]
        room = sum(70 + 8 * len(key.get_label()) for key in keys)  # CSS pixels of a single row, roughly
        figure.legend(handles=keys, loc="outside lower center", ncols=-(-len(keys) // -(-room // size[0])))
        figure.draw_without_rendering()  # such a layout settles at the second drawing only
    shares = " and ".join(f"{number(100 * share)} %" for share in mass)
    return Picture(figure, alt or _alt(panels, grid, shares), caption)


def _draw(axes, grid, name: str, log_density: LogDensity, index: int, mass, resolution: int) -> None:
    density = _density(name, log_density, grid)
    levels = sorted(level_of_mass(density, share) for share in mass)  # the larger region has the lower level
    x, y, height = (values.reshape(resolution, resolution) for values in (*grid.T.numpy(), density))
    if index == 0:
        axes.contourf(x, y, height, levels=[*levels, np.inf], colors=SHADES, zorder=1)
    else:
        axes.contour(x, y, height, levels=levels, colors=[_color(index)], linestyles=[LINESTYLES[index]], linewidths=[1.6, 2.4],
                     zorder=2 + index)  # fmt: skip


def _density(name: str, log_density: LogDensity, grid: torch.Tensor) -> np.ndarray:
    """Proportional to the density, and 1 at its highest: [G]."""
    values = log_density(grid)
    if values.shape != grid.shape[:1]:
        raise ValueError(f"the log density {name!r} returned the shape {list(values.shape)}; expected [{len(grid)}], one per point.")
    values = as_array(values, f"log density {name!r}")
    return np.exp(values - values.max())


def level_of_mass(density: np.ndarray, share: float) -> float:
    """The height above which a density on equal cells, [G], has `share` of its mass."""
    falling = np.sort(density)[::-1]
    total = falling.cumsum()
    return float(falling[np.searchsorted(total, share * total[-1])])


def _color(index: int) -> str:
    return COLORS[(index - 1) % len(COLORS)]


def _mark(index: int) -> dict:
    fill = INK if index else "white"
    return {"marker": MARKERS[(index + 2) % len(MARKERS)], "color": INK, "markerfacecolor": fill, "linestyle": "none", "markersize": 9}


def _alt(panels: Mapping[str, Mapping[str, LogDensity]], grid: torch.Tensor, shares: str) -> str:
    words = [f"Contour plot: regions of {shares} of the mass."]
    for title, densities in panels.items():
        means = []
        for name, log_density in densities.items():
            weight = _density(name, log_density, grid)
            mean = weight @ grid.numpy() / weight.sum()
            spread = np.sqrt(weight @ (grid.numpy() - mean) ** 2 / weight.sum())
            means.append(f"{plain(name)} has mean ({number(mean[0], 2)}, {number(mean[1], 2)}) and "
                         f"standard deviations ({number(spread[0], 2)}, {number(spread[1], 2)})")  # fmt: skip
        words.append(f"{plain(title)}: {'; '.join(means)}.")
    return " ".join(words)

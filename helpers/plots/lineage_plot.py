"""Particles and their ancestors: which lineages resampling keeps, and which it drops."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.collections import LineCollection

from helpers.plots.picture import Picture
from helpers.plots.style import COLORS, INK, QUIET, new_figure, readable, workbook_style
from helpers.plots.words import as_array, number, plain

LARGEST = 16  # diameter in points of a particle with weight 1


def lineages(
    positions: Any,
    ancestors: Any,
    weights: Any,
    *,
    observed: Any = None,
    xlabel: str = "step",
    ylabel: str = "z",
    title: str | None = None,
    size: tuple[float, float] = (820, 400),
    alt: str | None = None,
    caption: str | None = None,
) -> Picture:
    """Every particle at every step, with its area given by its weight, and a line from its ancestor.

    Lines that lead to a particle of the last step are coloured; the others, which resampling has dropped, are grey.

    Args:
        positions: Heights of the particles, [steps, particles].
        ancestors: Integers [steps - 1, particles]: particle k at step t + 1 was drawn from particle `ancestors[t, k]` at step t.
            Ignored if there is one step.
        weights: Normalised weights before the resampling that follows, [steps, particles]; each step's sum is 1.
        observed: Observations in the unit of `positions`, [steps], drawn as crosses; None: no crosses.
        xlabel: Label of the horizontal axis.
        ylabel: Label of the vertical axis.
        title: Title above the axes; None: none.
        size: Width and height in CSS pixels.
        alt: Alt text; None: a text that says how many particles lead to the last step.
        caption: Words under the figure; None: no caption.

    Returns:
        The figure with its alt text and caption.

    Raises:
        ValueError: If the shapes do not fit each other, an ancestor is not the index of a particle, or the weights are negative or
            do not add up to 1.
    """
    z, shares = as_array(positions, "positions"), as_array(weights, "weights")
    if z.ndim != 2 or shares.shape != z.shape:
        raise ValueError(
            f"positions {list(z.shape)} and weights {list(shares.shape)} were given; expected [steps, particles] for both."
        )
    steps, particles = z.shape
    parents = np.zeros((0, particles), int) if steps == 1 else as_array(ancestors, "ancestors")
    if parents.shape != (steps - 1, particles):
        raise ValueError(
            f"ancestors have shape {list(parents.shape)}; expected [steps - 1, particles] = {[steps - 1, particles]}."
        )
    if (parents != parents.round()).any() or (parents.size and not 0 <= parents.min() <= parents.max() < particles):
        raise ValueError(f"ancestors must be whole numbers from 0 to {particles - 1}: particles of the previous step.")
    if (shares < 0).any() or not np.allclose(shares.sum(1), 1, atol=1e-4):
        raise ValueError("weights must be shares, 0 or more, that add up to 1 at each step: divide by their sum.")
    seen = None if observed is None else as_array(observed, "observed")
    if seen is not None and seen.shape != (steps,):
        raise ValueError(f"observed has shape {list(seen.shape)}; expected {[steps]}, one a step.")
    parents = parents.astype(int)
    alive = living(parents, particles)

    with workbook_style():
        figure = new_figure(*size)
        axes = figure.add_subplot(xlabel=xlabel, ylabel=ylabel)
        if title:
            axes.set_title(title, loc="left")
        time = np.arange(1, steps + 1)
        for kept, color, width, layer in ((False, QUIET, 0.8, 1), (True, COLORS[0], 1.6, 2)):
            chosen = alive[1:] == kept
            step, child = np.nonzero(chosen)
            begin = np.stack([time[step], z[step, parents[chosen]]], -1)
            end = np.stack([time[step + 1], z[step + 1, child]], -1)
            axes.add_collection(LineCollection(np.stack([begin, end], 1), colors=color, linewidths=width, zorder=layer))
        for kept, color in ((False, QUIET), (True, COLORS[0])):
            step, particle = np.nonzero(alive == kept)
            axes.scatter(
                time[step],
                z[step, particle],
                s=LARGEST**2 * shares[step, particle] + 3,
                color=color,
                linewidths=0,
                zorder=3,
            )
        if seen is not None:
            axes.scatter(time, seen, marker="x", s=50, color=INK, linewidths=1.8, zorder=4)
        axes.set_xlim(0.7, steps + 0.3)
        axes.xaxis.get_major_locator().set_params(integer=True)
        entries = [("leads to a particle of the last step", readable(COLORS[0])), ("dropped on the way", QUIET)]
        entries += [] if seen is None else [("× observed", INK)]
        for place, (words, ink) in zip((0.0, 0.5, 0.8), entries, strict=False):
            axes.annotate(words, (place, 1.02), xycoords="axes fraction", color=ink, va="bottom")
    return Picture(figure, alt or _alt(alive, xlabel, ylabel), caption)


def living(parents: np.ndarray, particles: int) -> np.ndarray:
    """Whether a particle has a descendant at the last step.

    Args:
        parents: Ancestor of each particle from the second step on, int [steps - 1, particles].
        particles: Number of particles.

    Returns:
        bool [steps, particles]; True everywhere at the last step.
    """
    alive = np.ones((len(parents) + 1, particles), bool)
    for step in range(len(parents) - 1, -1, -1):
        alive[step] = np.isin(np.arange(particles), parents[step][alive[step + 1]])
    return alive


def _alt(alive: np.ndarray, xlabel: str, ylabel: str) -> str:
    steps, particles = alive.shape
    return (
        f"{particles} particles over {steps} steps, {plain(ylabel)} against {plain(xlabel)}, each joined to the one it was drawn from. "
        f"Of those at the first step {number(alive[0].sum())} lead to a particle of the last step"
        + (f", of those in the middle {number(alive[steps // 2].sum())}." if steps > 2 else ".")
    )

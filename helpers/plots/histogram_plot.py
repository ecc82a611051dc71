"""Histograms of coordinates, each with the density that it is compared with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch

from helpers.plots.picture import Picture
from helpers.plots.style import COLORS, INK, new_figure, workbook_style
from helpers.plots.words import as_array, number, plain

MOST_PANELS = 20

Density = Mapping[str, Callable[[torch.Tensor], torch.Tensor]]  # one entry: name → points to densities


def histograms(
    values: torch.Tensor,
    *,
    names: Sequence[str] | None = None,
    label: str = "samples",
    density: Density | None = None,
    columns: int | None = None,
    num_bins: int = 40,
    xlim: tuple[float, float] | None = None,
    alt: str | None = None,
    caption: str | None = None,
) -> Picture:
    """One histogram a coordinate, all on the same axes, with a density drawn over each.

    The aggregate posterior against the prior, for example:
    `histograms(z, label="aggregate posterior", density={"prior": lambda t: Normal(0.0, 1.0).log_prob(t).exp()})`.

    Args:
        values: Samples, [N, D] or [N]; at most 20 coordinates D.
        names: One name per coordinate; None: z1, z2, ...
        label: Name of the samples in the legend.
        density: One entry, name → function from points [G] to densities [G], the same for all coordinates, or [G, D], one per
            coordinate. None: no density.
        columns: Panels in a row; None: at most five.
        num_bins: Bins of equal width over the shown range.
        xlim: Shown range; None: all values, and the density down to a fiftieth of its peak. Values outside still count in the
            normalisation.
        alt: Alt text; None: a text with every coordinate's mean and standard deviation.
        caption: Words under the figure; None: no caption.

    Returns:
        The figure with its alt text and caption.

    Raises:
        ValueError: If values have another shape, NaN or more than 20 coordinates, the number of names differs from D, `density`
            has more or less than one entry, or the density returns another shape or negative values.
    """
    samples = as_array(values, "values")
    samples = samples[:, None] if samples.ndim == 1 else samples
    if samples.ndim != 2:
        raise ValueError(
            f"values has shape {list(samples.shape)}; expected [N, D] or [N]. Flatten the batch dimensions first."
        )
    count, size = samples.shape
    if size > MOST_PANELS:
        raise ValueError(
            f"{size} coordinates are too many to read; choose at most {MOST_PANELS}, as in values[:, :10]."
        )
    if names is None:
        names = [f"$z_{{{d + 1}}}$" for d in range(size)]
    if len(names) != size:
        raise ValueError(f"{len(names)} names for {size} coordinates; give one each.")
    if density is not None and len(density) != 1:
        raise ValueError(f"density has {len(density)} entries; give one, {{name: function}}.")

    low, high = xlim if xlim is not None else _range(samples, density)
    edges = np.linspace(low, high, num_bins + 1)
    columns = min(size, 5) if columns is None else columns
    rows = -(-size // columns)

    with workbook_style():
        figure = new_figure(max(460, min(860, 220 * columns)), max(300, 60 + 150 * rows))
        panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
        for d, axes in enumerate(panels[:size]):
            heights = np.histogram(samples[:, d], edges)[0] / (count * (edges[1] - edges[0]))
            axes.stairs(heights, edges, fill=True, color=COLORS[5], label=label)
            axes.set_title(names[d], fontweight="normal", pad=3)
            axes.set_yticks([])
            axes.spines["left"].set_visible(False)
        for axes in panels[size:]:
            axes.set_axis_off()
        if density is not None:
            grid, curve = np.linspace(low, high, 201), _evaluated(density, low, high, size)
            for d, axes in enumerate(panels[:size]):
                axes.plot(grid, curve[:, d], color=INK, linestyle="--", linewidth=1.8, label=next(iter(density)))
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper right", ncols=2)
    return Picture(figure, alt or _alt(samples, names, label, density), caption)


def _range(samples: np.ndarray, density: Density | None) -> tuple[float, float]:
    """From the smallest to the largest value; wider if the density at an end is above a fiftieth of its peak."""
    low, high = samples.min(), samples.max()
    if low == high:  # a constant coordinate
        low, high = low - 0.5, high + 0.5
    step = (high - low) / 4
    if density is None:
        return float(low), float(high)
    for _ in range(20):
        curve = _evaluated(density, low, high, samples.shape[1])
        too_high = (curve[[0, -1]] > curve.max() / 50).any(axis=1)
        if not too_high.any():
            break
        low, high = low - step * too_high[0], high + step * too_high[1]
    return float(low), float(high)


def _evaluated(density: Density, low: float, high: float, size: int) -> np.ndarray:
    """The density at 201 points from low to high, for each coordinate: [201, D]."""
    ((name, function),) = density.items()
    with torch.no_grad():
        curve = as_array(function(torch.linspace(float(low), float(high), 201)), f"density {name!r}")
    if curve.shape not in ((201,), (201, size)):
        raise ValueError(
            f"density {name!r} maps points [201] to shape {list(curve.shape)}; expected [201] or [201, {size}], densities "
            "at these points. Usual cause: a log-density summed over coordinates."
        )
    if curve.min() < 0:
        raise ValueError(
            f"density {name!r} is negative somewhere ({curve.min():.4g}). Usual cause: a log-density; apply .exp()."
        )
    return np.broadcast_to(curve.reshape(201, -1), (201, size))


def _alt(samples: np.ndarray, names: Sequence[str], label: str, density: Density | None) -> str:
    count, size = samples.shape
    against = f" against the density of the {plain(next(iter(density)))}" if density else ""
    words = [f"Histograms of {size} coordinate{'s' * (size > 1)} of the {plain(label)}, {count} values each{against}."]
    for d, name in enumerate(names):
        words.append(
            f"{plain(name)}: mean {number(samples[:, d].mean(), 2)}, standard deviation {number(samples[:, d].std(), 2)}."
        )
    return " ".join(words)

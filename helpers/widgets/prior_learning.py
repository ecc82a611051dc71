"""Prior learning (lesson 05): draws from the aggregate posterior, contours of the prior, and the parts of the rate, over time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from helpers.experiments.learned_priors import PriorRun, Snapshot, learn_priors
from helpers.plots import Picture, workbook_style
from helpers.plots.style import COLORS, INK, LINESTYLES, readable
from helpers.plots.words import listed
from helpers.widgets.parts.explorer import Choice, Explorer, Slider
from helpers.widgets.parts.panel import Panel, bare_figure, name_ends
from helpers.widgets.parts.ticks import round_ticks
from helpers.widgets.parts.words import point, signed

__all__ = ["learn_priors", "prior_learning", "prior_learning_picture"]

MASSES = (0.5, 0.95)  # of the prior, inside each contour
GRID = 161  # points of the density along each side of the window
NEAR = 2.5  # distance from the origin that the window includes, because codes start there
ALIVE = 0.01  # smallest weight of a component that is marked
WIDTH, HEIGHT = 776, 372  # CSS pixels
MAP = (46, 54, 262, 262)  # left, bottom, width, height
CURVES, PARTS = (394, 226, 196, 100), (394, 54, 196, 100)
LABELS = 600  # left edge of the names beside the curves
CODES = COLORS[0]


@dataclass(frozen=True)
class Scene:
    """A run with its map.

    Attributes:
        run: The run.
        low: Lower left corner of the map, [2].
        high: Upper right corner of the map, [2].
        contours: For each snapshot and each of `MASSES`, lines [points, 2].
    """

    run: PriorRun
    low: np.ndarray
    high: np.ndarray
    contours: tuple[tuple[list[np.ndarray], ...], ...]

    def holds(self, places: torch.Tensor) -> np.ndarray:
        """Which places lie on the map.

        Args:
            places: Latents, [places, 2].

        Returns:
            Booleans, [places].
        """
        return ((places.numpy() >= self.low) & (places.numpy() <= self.high)).all(1)


def prior_learning(runs: Mapping[str, PriorRun]) -> Explorer:
    """Choose a prior and a time, and see prior and aggregate posterior approach each other.

    Args:
        runs: Runs by the name of the prior, as `learn_priors` returns them: one or more, with equally many snapshots.

    Returns:
        The explorer.

    Raises:
        ValueError: If there are no runs, or if their numbers of snapshots differ.
    """
    lengths = {name: len(run.snapshots) for name, run in runs.items()}
    if len(set(lengths.values())) != 1:
        raise ValueError(
            f"All runs need as many snapshots as each other, because one slider shows them; these have {lengths or 'none'}."
        )
    last = next(iter(lengths.values())) - 1
    names = list(runs)
    return Explorer(
        "prior_learning",
        partial(prior_learning_picture, {name: scene(run) for name, run in runs.items()}),
        {
            "prior": Choice("prior", names, names[min(1, len(names) - 1)]),
            "snapshot": Slider("snapshot", 0, last, 1, last),
        },
        stills=tuple({"prior": name} for name in names[:2]),
    )


def scene(run: PriorRun) -> Scene:
    """Trace a run's contours once, in a window that is the same at all times: nearly all final codes, and the origin.

    Args:
        run: The run.

    Returns:
        The run with its map.
    """
    low, high = np.quantile(run.snapshots[-1].codes.numpy(), (0.0025, 0.9975), axis=0)
    low, high = np.minimum(low, -NEAR), np.maximum(high, NEAR)
    middle, half = (low + high) / 2, 0.53 * (high - low).max()
    low, high = middle - half, middle + half
    return Scene(run, low, high, tuple(_contours(snapshot, low, high) for snapshot in run.snapshots))


def prior_learning_picture(scenes: Mapping[str, Scene], *, prior: str, snapshot: int) -> Picture:
    """Left codes and prior of one run at one time; right the bounds of all runs over time, and the two parts of this run's rate.

    Args:
        scenes: Runs with their maps, by the name of the prior.
        prior: Name of the run shown.
        snapshot: Index of the snapshot.

    Returns:
        The picture.
    """
    here, now = scenes[prior], scenes[prior].run.snapshots[snapshot]
    with workbook_style():
        figure, axes = bare_figure(WIDTH, HEIGHT)
        _draw_map(axes, here, snapshot)
        _draw_bounds(axes, scenes, prior, snapshot)
        _draw_parts(axes, scenes, prior, snapshot)
    outside = len(now.codes) - int(here.holds(now.codes).sum())
    epochs = here.run.snapshots[-1].epoch
    bounds = listed([f"{name} {signed(one.run.snapshots[snapshot].bound, 1)}" for name, one in scenes.items()])
    alt = (
        f"Left, {len(now.codes)} codes drawn from the aggregate posterior, and contours that hold 50 and 95 percent of the {prior} prior, "
        f"after {now.epoch} of {epochs} epochs; {_prior_in_words(now)}. Codes have mean {point(now.codes.mean(0), 1)} and standard "
        f"deviations {point(now.codes.std(0), 1)}. Right, bounds in nats by prior: {bounds}; below, the rate of the {prior} prior, "
        f"{now.rate:.2f} nats: {now.mutual_information:.2f} of mutual information and {now.marginal_kl:.2f} of marginal KL."
    )
    caption = (
        f"{prior.capitalize()} prior after {now.epoch} of {epochs} epochs: bound {signed(now.bound, 1)}, rate {now.rate:.2f} nats = "
        f"{now.mutual_information:.2f} mutual information + {now.marginal_kl:.2f} marginal KL. "
        "Thick line: half of the prior; thin: 95 %."
    )
    if now.bound < _bound_window(scenes)[0]:
        caption += " That bound lies below the window of the curves, which begin later."
    if outside:
        caption += f" {outside} of {len(now.codes)} codes lie beyond the map."
    return Picture(figure, alt, caption)


def _contours(snapshot: Snapshot, low: np.ndarray, high: np.ndarray) -> tuple[list[np.ndarray], ...]:
    x, y = (torch.linspace(float(start), float(stop), GRID) for start, stop in zip(low, high, strict=True))
    log_density = snapshot.log_prior(torch.stack(torch.meshgrid(x, y, indexing="xy"), -1))  # [GRID, GRID], z2 first
    # Quantiles of the density at draws from the whole prior, so that levels do not depend on the window.
    at_draws = snapshot.log_prior(_draws(snapshot, 10_000))
    levels = [float(at_draws.quantile(1 - mass)) for mass in MASSES]  # falling, as the masses rise
    traced = Figure().add_subplot().contour(x.numpy(), y.numpy(), log_density.numpy(), levels=levels[::-1])
    return tuple(traced.allsegs[::-1])


def _draws(snapshot: Snapshot, number: int) -> torch.Tensor:
    """z ~ p(z), [number, 2]; the same at each call."""
    generator = torch.Generator().manual_seed(0)
    component = snapshot.weights.multinomial(number, replacement=True, generator=generator)
    return snapshot.loc[component] + snapshot.scale[component] * torch.randn(number, 2, generator=generator)


def _draw_map(axes: Axes, scene: Scene, snapshot: int) -> None:
    now, (xlim, ylim) = scene.run.snapshots[snapshot], zip(scene.low, scene.high, strict=True)
    panel = Panel(axes, MAP, xlim, ylim)
    panel.frame(round_ticks(*xlim), round_ticks(*ylim), "z₁", "z₂")
    codes = now.codes.numpy()[scene.holds(now.codes)]  # codes beyond the map are not drawn
    panel.plot(
        codes[:, 0], codes[:, 1], color=CODES, marker="o", markersize=2.2, markeredgewidth=0, linestyle="", zorder=1
    )
    for lines, width in zip(scene.contours[snapshot], (2.4, 1.2), strict=True):
        pixels = [np.column_stack([panel.x(line[:, 0]), panel.y(line[:, 1])]) for line in lines]
        axes.add_collection(LineCollection(pixels, colors=INK, linewidths=width, zorder=3))
    if len(now.weights) > 1:
        places = now.loc.numpy()[(now.weights > ALIVE).numpy() & scene.holds(now.loc)]
        panel.plot(
            places[:, 0], places[:, 1], color=INK, marker="x", markersize=6, markeredgewidth=1.6, linestyle="", zorder=4
        )
    y = HEIGHT - 14
    axes.plot([MAP[0] + 26], [y], color=CODES, marker="o", markersize=4, linestyle="")
    axes.text(MAP[0] + 36, y, "q(z)", va="center_baseline", fontsize=12)
    axes.plot([MAP[0] + 86, MAP[0] + 112], [y, y], color=INK, linewidth=2.4, linestyle="-")
    axes.text(MAP[0] + 120, y, f"p(z), {scene.run.name}", va="center_baseline", fontsize=12)


def _bound_window(scenes: Mapping[str, Scene]) -> tuple[float, float]:
    """Limits of all bounds but the first, which lies far below the others."""
    trained = [one.bound for scene in scenes.values() for one in scene.run.snapshots[1:]]
    spare = 0.08 * max(max(trained) - min(trained), 1.0)
    return min(trained) - spare, max(trained) + spare


def _draw_bounds(axes: Axes, scenes: Mapping[str, Scene], prior: str, snapshot: int) -> None:
    """Bounds over time; a curve starts at its first point in the window."""
    panel = _over_time(axes, CURVES, scenes[prior], _bound_window(scenes), "bound (nats)")
    ends = []
    for index, (name, scene) in enumerate(scenes.items()):
        epochs, bounds = _series(scene, "bound")
        epochs, bounds = epochs[bounds >= panel.ylim[0]], bounds[bounds >= panel.ylim[0]]
        style = {"color": COLORS[index], "linestyle": LINESTYLES[index], "linewidth": 2.6 if name == prior else 1.2}
        panel.plot(epochs, bounds, **style)
        look = {"color": readable(COLORS[index]), "weight": "bold" if name == prior else "normal"}
        ends.append((float(panel.y(bounds[-1])), name, look))
    now = scenes[prior].run.snapshots[snapshot]
    if now.bound >= panel.ylim[0]:
        panel.plot([now.epoch], [now.bound], color=INK, marker="o", markersize=7, linestyle="", zorder=4)
    name_ends(axes, LABELS, ends, 17, (CURVES[1] + 4, CURVES[1] + CURVES[3]))


def _draw_parts(axes: Axes, scenes: Mapping[str, Scene], prior: str, snapshot: int) -> None:
    """Parts of the rate over time, on one scale for all priors."""
    everything = [
        value
        for scene in scenes.values()
        for one in scene.run.snapshots
        for value in (one.mutual_information, one.marginal_kl)
    ]
    low, high = min(0.0, *everything), max(1.0, *everything)
    panel = _over_time(axes, PARTS, scenes[prior], (low, high + 0.08 * (high - low)), "rate's parts (nats)")
    now, ends = scenes[prior].run.snapshots[snapshot], []
    for name, words, style, marker in (
        ("mutual_information", "information", {"color": INK, "linestyle": "-"}, "o"),
        ("marginal_kl", "marginal KL", {"color": COLORS[1], "linestyle": (0, (4, 2))}, "s"),
    ):
        epochs, values = _series(scenes[prior], name)
        panel.plot(epochs, values, linewidth=1.8, **style)
        panel.plot(
            [now.epoch], [getattr(now, name)], marker=marker, markersize=7, linestyle="", color=style["color"], zorder=4
        )
        ends.append(
            (float(panel.y(values[-1])), f"{words} {getattr(now, name):.2f}", {"color": readable(style["color"])})
        )
    name_ends(axes, LABELS, ends, 17, (PARTS[1] + 4, PARTS[1] + PARTS[3]))


def _over_time(
    axes: Axes, box: tuple[float, float, float, float], scene: Scene, ylim: tuple[float, float], title: str
) -> Panel:
    last = scene.run.snapshots[-1].epoch
    panel = Panel(axes, box, (0, last), ylim)
    times = range(0, last + 1, max(1, -(-last // 4)))
    # The upper panel has the same times and leaves their names out, because every text takes time to draw.
    panel.frame(
        {time: f"{time}" if box is PARTS else "" for time in times},
        round_ticks(*ylim, 3),
        "epoch" if box is PARTS else "",
        title,
    )
    return panel


def _series(scene: Scene, name: str) -> tuple[np.ndarray, np.ndarray]:
    snapshots = scene.run.snapshots
    return np.array([one.epoch for one in snapshots]), np.array([getattr(one, name) for one in snapshots])


def _prior_in_words(now: Snapshot) -> str:
    if len(now.weights) == 1:
        return "it is one Gaussian and stays as it is"
    alive = int((now.weights > ALIVE).sum())
    return f"of its {len(now.weights)} components, {alive} have more than 1 percent of the weight, and their means are crosses"

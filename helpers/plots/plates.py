"""Directed graphical models in plate notation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, Rectangle

from helpers.plots.picture import Picture
from helpers.plots.style import COLORS, INK, QUIET, new_figure, workbook_style
from helpers.plots.words import listed, plain

Kind = Literal["latent", "observed", "computed", "parameter"]
KINDS = get_args(Kind)

RADIUS = 0.34  # of a circle, in units of the distance from one node to the next
SQUARE = 0.28  # half the side of what is computed
PIXELS = 104  # CSS pixels per such unit


@dataclass(frozen=True)
class PlateModel:
    """One graphical model, for `plate_diagram`.

    Args:
        title: Title above the diagram.
        nodes: Name → (column, row, kind). The name is drawn as mathematics; rows count upwards. Kinds: "latent", an open circle;
            "observed", a shaded circle; "computed", an open square with round corners: a function of the nodes whose arrows reach
            it; "parameter", a small square: learned, not a random variable.
        edges: Pairs (from, to) of names: arrows of the generative model.
        guides: Pairs (from, to) of names: dashed arrows of inference.
        plates: Label, such as "$n = 1, ..., N$" → names of the nodes inside its frame.

    Raises:
        ValueError: If edges, guides or plates name an unknown node, or a node has an unknown kind.
    """

    title: str
    nodes: Mapping[str, tuple[float, float, Kind]]
    edges: Sequence[tuple[str, str]] = ()
    guides: Sequence[tuple[str, str]] = ()
    plates: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        used = [
            *(name for pair in (*self.edges, *self.guides) for name in pair),
            *(n for ns in self.plates.values() for n in ns),
        ]
        if unknown := sorted(set(used) - set(self.nodes)):
            raise ValueError(
                f"{self.title!r}: edges, guides or plates name {unknown}, but the nodes are {sorted(self.nodes)}."
            )
        for name, (_, _, kind) in self.nodes.items():
            if kind not in KINDS:
                raise ValueError(f"{self.title!r}: node {name!r} is {kind!r}; expected one of {listed(KINDS)}.")


def plate_diagram(*models: PlateModel, alt: str | None = None, caption: str | None = None) -> Picture:
    """Graphical models side by side, in one scale.

    Args:
        *models: One model or more, from left to right.
        alt: Alt text; None: a text with the nodes, arrows and plates.
        caption: Words under the figure; None: no caption.

    Returns:
        The figure with its alt text and caption.

    Raises:
        ValueError: If there are no models.
    """
    if not models:
        raise ValueError("plate_diagram needs one model or more; none was given.")
    columns = [[column for column, _, _ in model.nodes.values()] for model in models]
    rows = [row for model in models for _, row, _ in model.nodes.values()]
    widths = [max(c) - min(c) + 1.9 for c in columns]
    low, high = min(rows) - 0.95, max(rows) + 0.75
    with workbook_style():
        figure = new_figure(PIXELS * sum(widths), PIXELS * (high - low) + 48)
        panels = figure.subplots(1, len(models), width_ratios=widths, squeeze=False)[0]
        for axes, model, c, width in zip(panels, models, columns, widths, strict=True):
            middle = (min(c) + max(c)) / 2
            axes.set(xlim=(middle - width / 2, middle + width / 2), ylim=(low, high), aspect="equal", title=model.title)
            axes.set_axis_off()
            _draw(axes, model)
    return Picture(figure, alt or " ".join(_words(model) for model in models), caption)


def _draw(axes: Axes, model: PlateModel) -> None:
    for depth, (label, names) in enumerate(model.plates.items()):
        inside = [model.nodes[name][:2] for name in names]
        margin = 0.55 + 0.12 * depth
        left, bottom = (min(at) - margin for at in zip(*inside, strict=True))
        right, top = (max(at) + margin for at in zip(*inside, strict=True))
        bottom -= 0.22  # room for the label
        frame = FancyBboxPatch((left, bottom), right - left, top - bottom, boxstyle="round,pad=0,rounding_size=0.12",
                               fill=False, edgecolor=QUIET, linewidth=1.5, label=label, zorder=1)  # fmt: skip
        axes.add_patch(frame)
        axes.annotate(
            label, (right, bottom), (-6, 5), textcoords="offset points", ha="right", va="bottom", fontsize=11.5
        )
    for pairs, dashed in ((model.edges, False), (model.guides, True)):
        for pair in pairs:
            _arrow(axes, model, pair, dashed)
    for name, (column, row, kind) in model.nodes.items():
        if kind == "parameter":
            side = 0.11
            axes.add_patch(Rectangle((column - side, row - side), 2 * side, 2 * side, color=INK, label=name, zorder=3))
            axes.annotate(f"${name}$", (column, row + side), (0, 3), textcoords="offset points", ha="center", va="bottom",
                          fontsize=16)  # fmt: skip
        else:
            shade = "#C9D8E6" if kind == "observed" else "white"
            look = {"facecolor": shade, "edgecolor": INK, "linewidth": 1.8, "label": name, "zorder": 3}
            if kind == "computed":
                corner = column - SQUARE, row - SQUARE
                axes.add_patch(
                    FancyBboxPatch(corner, 2 * SQUARE, 2 * SQUARE, boxstyle="round,pad=0,rounding_size=0.08", **look)
                )
            else:
                axes.add_patch(Circle((column, row), RADIUS, **look))
            axes.annotate(f"${name}$", (column, row), ha="center", va="center", fontsize=16, zorder=4)


def _arrow(axes: Axes, model: PlateModel, pair: tuple[str, str], dashed: bool) -> None:
    """Draw from the rim of one node to the rim of the other. A dashed arrow beside its reverse is curved, so that both are visible."""
    (x0, y0, start), (x1, y1, end) = (model.nodes[name] for name in pair)
    angle = math.atan2(y1 - y0, x1 - x0)
    turn = math.radians(40) if dashed and pair[::-1] in (*model.edges, *model.guides) else 0.0
    to_the_side = SQUARE / max(abs(math.cos(angle)), abs(math.sin(angle)))
    gap = {"parameter": 0.16, "latent": RADIUS + 0.03, "observed": RADIUS + 0.03, "computed": to_the_side + 0.03}
    tail = (x0 + gap[start] * math.cos(angle + turn), y0 + gap[start] * math.sin(angle + turn))
    head = (x1 - gap[end] * math.cos(angle - turn), y1 - gap[end] * math.sin(angle - turn))
    arrow = FancyArrowPatch(tail, head, arrowstyle="-|>", mutation_scale=16, linewidth=1.8, shrinkA=0, shrinkB=0,
                            color=COLORS[1] if dashed else INK, linestyle=(0, (4, 2)) if dashed else "-",
                            connectionstyle=f"arc3,rad={-0.35 if turn else 0}", label=" to ".join(pair), zorder=2)  # fmt: skip
    axes.add_patch(arrow)


def _words(model: PlateModel) -> str:
    kinds = [f"{plain(name)} ({kind})" for name, (_, _, kind) in model.nodes.items()]
    words = f"Graphical model, {plain(model.title)}: nodes {listed(kinds)}."
    if model.edges:
        words += f" Arrows: {listed([f'{plain(a)} to {plain(b)}' for a, b in model.edges])}."
    if model.guides:
        words += f" Dashed arrows of inference: {listed([f'{plain(a)} to {plain(b)}' for a, b in model.guides])}."
    for label, names in model.plates.items():
        words += f" In the plate {plain(label)}: {listed([plain(name) for name in names])}."
    return words

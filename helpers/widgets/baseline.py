"""Baseline (lesson 03): the exact variance of the score-function gradient with a constant baseline that the learner sets."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from torch import Tensor

from helpers.experiments.small_network import codes, log_bernoulli
from helpers.plots import Picture, workbook_style
from helpers.plots.style import COLORS, INK, QUIET, readable
from helpers.widgets.parts.explorer import Explorer, Slider, Toggle
from helpers.widgets.parts.panel import Panel, bare_figure
from helpers.widgets.parts.words import signed

BITS = 3
LOGITS = torch.tensor([1.2, -0.9, 0.6], dtype=torch.float64)  # of q, at confidence 1
LOWEST, HIGHEST = -22.0, 1.0  # of b, nats
MOST = 120  # variance, in the picture

WIDTH, HEIGHT = 650, 350  # CSS pixels
YOURS, BEST, MEAN = COLORS[0], COLORS[1], COLORS[2]


@dataclass(frozen=True)
class Baselines:
    """The gradient g = (f(z) - b) s(z) of one sample, for every code z; s(z) = grad log q(z) with respect to q's logits.

    Attributes:
        probability: q(z), [outcomes].
        f: f(z) in nats, [outcomes].
        score: s(z), [outcomes, bits].
    """

    probability: Tensor
    f: Tensor
    score: Tensor

    @property
    def gradient(self) -> Tensor:
        """E[g], which does not depend on b: [bits]."""
        return (self.probability * self.f) @ self.score

    @property
    def mean_reward(self) -> float:
        """E[f], nats."""
        return (self.probability @ self.f).item()

    @property
    def best(self) -> float:
        """The b of least variance, E[f |s|²] / E[|s|²], nats."""
        weight = self.probability * self.score.square().sum(-1)
        return (weight @ self.f / weight.sum()).item()

    def variance(self, b: float | Tensor) -> Tensor:
        """E|g - E[g]|², summed over the logits.

        Args:
            b: Baseline in nats: a number, or a tensor of any shape.

        Returns:
            The variance, in the shape of b.
        """
        b = torch.as_tensor(b, dtype=self.f.dtype)
        g = (self.f - b.unsqueeze(-1)).unsqueeze(-1) * self.score  # [..., outcomes, bits]
        return (self.probability.unsqueeze(-1) * (g - self.gradient) ** 2).sum((-1, -2))


def baseline() -> Explorer:
    """Move b and q's confidence: the variance and the gradients of all codes follow; the mean stays. The optimum is shown on demand."""
    return Explorer(
        "baseline",
        partial(baseline_picture, rewards()),
        {
            "b": Slider("baseline b, nats", LOWEST, HIGHEST, 0.25, 0.0),
            "confidence": Slider("confidence of q", 0.0, 1.5, 0.25, 1.0),
            "reveal": Toggle("show the best b"),
        },
        stills=({}, {"b": -9.5, "reveal": True}),
    )


def baseline_picture(f: Tensor, *, b: float, confidence: float, reveal: bool) -> Picture:
    """Left the exact variance at b; right each code's gradient on the first logit, with its probability.

    Args:
        f: f of each code in nats, [outcomes].
        b: Baseline, nats.
        confidence: Factor on q's logits; at 0 every bit is a fair coin.
        reveal: Whether the variance of every b and the best b are shown. Without them the best b has to be searched for.

    Returns:
        The picture.
    """
    found = baselines(f, confidence)
    with workbook_style():
        figure, axes = bare_figure(WIDTH, HEIGHT)
        _draw_variance(axes, found, b, reveal)
        _draw_gradients(axes, found, b)
    yours, none, mean, least = (_number(found.variance(at).item()) for at in (b, 0.0, found.mean_reward, found.best))
    best = f"; the curve is a parabola, least, {least}, at b* = {signed(found.best, 2)}" if reveal else ""
    alt = (
        f"Left, exact variance of one sample's gradient against the baseline b: at b = {signed(b, 2)} it is {yours}; without "
        f"baseline, at b = 0, {none}; at the mean reward E[f] = {signed(found.mean_reward, 2)} it is {mean}{best}. Right, "
        f"the gradient of the first logit from each of {len(f)} codes, as high as the code is probable: "
        f"from {signed(_first(found, b).min().item(), 2)} to {signed(_first(found, b).max().item(), 2)}, with the mean "
        f"{signed(found.gradient[0].item(), 2)} for every b."
    )
    return Picture(figure, alt, _caption(found, b, confidence, reveal))


def rewards() -> Tensor:
    """f(z) in nats, [outcomes]: made up, like a log p(x, z) whose best code is the one that q prefers."""
    missed = (codes(BITS) - (LOGITS > 0).double()).abs()  # [outcomes, bits]
    return -4.0 - missed @ torch.tensor([5.0, 3.0, 4.0], dtype=torch.float64) - 3.0 * missed[:, 0] * missed[:, 1]


def baselines(f: Tensor, confidence: float) -> Baselines:
    """Gradients of every code under q with logits `confidence` * `LOGITS`.

    Args:
        f: f of each code in nats, [outcomes].
        confidence: Factor on q's logits.

    Returns:
        Probabilities, f and scores.
    """
    z, logits = codes(BITS), confidence * LOGITS
    return Baselines(log_bernoulli(z, logits).exp(), f, z - logits.sigmoid())


def _draw_variance(axes: Axes, found: Baselines, b: float, reveal: bool) -> None:
    panel = Panel(axes, (46, 48, 270, 236), (LOWEST, HIGHEST), (0, MOST))
    panel.frame(range(-20, 1, 5), range(0, MOST + 1, 40), "baseline b, nats", "exact variance of the gradient")
    marks = [(0.0, "o", QUIET, "none"), (found.mean_reward, "s", MEAN, "none")]
    if reveal:
        grid = torch.linspace(LOWEST, HIGHEST, 97, dtype=torch.float64)
        panel.plot(grid, found.variance(grid), color=INK, linestyle="-", linewidth=1.6)
        marks.append((found.best, "*", BEST, BEST))
    for at, marker, color, face in marks:
        size = 15 if marker == "*" else 10
        mark = {"marker": marker, "color": color, "markerfacecolor": face, "markeredgewidth": 2, "markersize": size}
        panel.plot(at, found.variance(at), **mark, linestyle="")
    height = found.variance(b).item()
    panel.plot([b, b], [0, height], color=YOURS, linestyle=(0, (2, 2)), linewidth=1.4)
    panel.plot(b, height, marker="D", color=YOURS, markersize=8, linestyle="")
    entries = (
        (20, "D", YOURS, YOURS, 8, "your b"),
        (110, "*", BEST, BEST, 15, f"b* {signed(found.best, 2)}" if reveal else "b* hidden"),
        (222, "s", MEAN, "none", 10, f"E[f] {signed(found.mean_reward, 2)}"),
        (350, "o", QUIET, "none", 10, "no baseline"),
    )
    for left, marker, color, face, size, words in entries:
        place = HEIGHT - 14
        axes.plot(
            left,
            place,
            marker=marker,
            color=color,
            markerfacecolor=face,
            markeredgewidth=2,
            markersize=size,
            linestyle="",
        )
        axes.text(left + 13, place, words, va="center_baseline", fontsize=12, color=readable(color))


def _draw_gradients(axes: Axes, found: Baselines, b: float) -> None:
    panel = Panel(axes, (380, 48, 255, 236), (-20, 20), (0, 0.6))
    panel.frame(
        range(-10, 11, 10), {0.2: "0.2", 0.4: "0.4", 0.6: "0.6"}, "gradient of logit 1", "probability of the code"
    )
    g = _first(found, b)
    stems = [[(panel.x(at), panel.y(0)), (panel.x(at), panel.y(p))] for at, p in zip(g, found.probability, strict=True)]
    axes.add_collection(LineCollection(stems, colors=YOURS, linewidths=1.8))
    panel.plot(g, found.probability, marker="o", markersize=6, color=YOURS, linestyle="")
    mean = found.gradient[0].item()
    panel.plot([mean, mean], [0, 0.6], color=INK, linestyle=(0, (5, 2)), linewidth=1.6)
    beside = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
    axes.text(panel.x(mean) + 6, panel.y(0.57), f"mean {signed(mean, 2)}", va="center", fontsize=12, bbox=beside)


def _first(found: Baselines, b: float) -> Tensor:
    """Each code's gradient of the first logit: [outcomes]."""
    return (found.f - b) * found.score[:, 0]


def _caption(found: Baselines, b: float, confidence: float, reveal: bool) -> str:
    ratio = (found.variance(b) / found.variance(found.best)).item()
    yours = _number(found.variance(b).item())
    if not reveal:
        return f"Your b leaves a variance of {yours}. Move b to leave less; then show the best b. The mean of the gradient never moves."
    words = f"Your b leaves a variance of {yours}, {ratio:.2f} times the least that a constant can."
    if confidence == 0:
        return f"{words} Every bit is a fair coin: all codes have scores of one length, and the best constant is E[f]."
    return f"{words} The mean of the gradient never moves."


def _number(value: float) -> str:
    return f"{value:.2f}" if value < 100 else f"{value:,.0f}"

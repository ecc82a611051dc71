"""Reparameterise or score (lesson 04): the exact variance of both gradients of a Gaussian expectation, for a wave of any frequency.

q = N(loc, scale²), f(z) = height * sin(frequency * z), plus z if there is a slope. The gradient is that of E_q[f] with
respect to the mean or the scale of q.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from matplotlib.axes import Axes

from helpers.estimators import Pathwise, ScoreFunction
from helpers.plots import Picture, workbook_style
from helpers.plots.style import COLORS, INK, QUIET, readable
from helpers.plots.words import listed, number
from helpers.widgets.parts.explorer import Choice, Explorer, Slider, Toggle
from helpers.widgets.parts.panel import Panel, bare_figure, key, name_ends
from helpers.widgets.parts.words import signed

SLOWEST, FASTEST = 0.25, 8.0  # frequencies, radians per unit of z
LEAST, MOST = 1e-3, 1e4  # edges of the variance axis
CURVE = np.linspace(SLOWEST, FASTEST, 125)  # frequencies at which the variances are computed

# Trapezoidal rule: exact to rounding, because waves are slow relative to the nodes' distance, and q's tails vanish at 9.
EPS = np.linspace(-9.0, 9.0, 451)
WEIGHT = np.exp(-0.5 * EPS**2) * (EPS[1] - EPS[0]) / math.sqrt(2 * math.pi)

WIDTH, HEIGHT = 770, 362  # CSS pixels
SCORE, PATHWISE = COLORS[1], COLORS[0]
SCORE_LINE = (0, (5, 2))


@dataclass(frozen=True)
class Gradients:
    """Exact gradient, and variances of its estimates from one sample.

    Attributes:
        exact: The gradient, [*frequencies].
        score: Variance of the score-function estimate, [*frequencies].
        pathwise: Variance of the pathwise estimate, [*frequencies].
    """

    exact: np.ndarray
    score: np.ndarray
    pathwise: np.ndarray

    @property
    def ratio(self) -> np.ndarray:
        """Variance of the score-function estimate over that of the pathwise estimate."""
        return self.score / self.pathwise


def gaussian_gradients(
    frequency: float | np.ndarray, *, height: float, scale: float, loc: float, slope: bool, gradient: str
) -> Gradients:
    """Exact gradient and variances for one frequency or several, with z = loc + scale * eps.

    Score function: f(z) eps / scale (mean), f(z) (eps² - 1) / scale (scale). Pathwise: f'(z) (mean), f'(z) eps (scale).

    Args:
        frequency: Frequency of the wave: a number, or an array of any shape [*frequencies].
        height: Height of the wave.
        scale: Standard deviation of q.
        loc: Mean of q.
        slope: Whether z is added to the wave.
        gradient: Parameter of q that the gradient is with respect to, "mean" or "scale".

    Returns:
        Gradient and variances.

    Raises:
        ValueError: If `gradient` is neither "mean" nor "scale".
    """
    if gradient not in ("mean", "scale"):
        raise ValueError(f'gradient={gradient!r}: expected "mean" or "scale".')
    frequency = np.asarray(frequency, dtype=float)[..., None]
    z = loc + scale * EPS
    f = height * np.sin(frequency * z) + slope * z  # [*frequencies, nodes]
    steepness = height * frequency * np.cos(frequency * z) + slope
    by_score = f * (EPS if gradient == "mean" else EPS**2 - 1) / scale
    by_path = steepness if gradient == "mean" else steepness * EPS
    exact = by_path @ WEIGHT
    return Gradients(exact, *(((one - exact[..., None]) ** 2) @ WEIGHT for one in (by_score, by_path)))


def crossings(**f_and_q: object) -> list[float]:
    """Frequencies between `SLOWEST` and `FASTEST` at which both variances are equal, by bisection.

    Args:
        **f_and_q: Keywords of `gaussian_gradients`.

    Returns:
        The frequencies in rising order, to six digits.
    """
    above = gaussian_gradients(CURVE, **f_and_q).ratio > 1
    found = []
    for place in np.flatnonzero(above[1:] != above[:-1]):
        low, high = CURVE[place], CURVE[place + 1]
        for _ in range(24):
            middle = (low + high) / 2
            if (gaussian_gradients(middle, **f_and_q).ratio > 1) == above[place]:
                low = middle
            else:
                high = middle
        found.append(float(low))
    return found


def reparameterise_or_score_picture(
    *, frequency: float, height: float, scale: float, loc: float, slope: bool, gradient: str
) -> Picture:
    """Left f and q; right the variance of both one-sample gradient estimates against the frequency, and their crossings.

    Args:
        frequency: Frequency of the wave, radians per unit of z.
        height: Height of the wave.
        scale: Standard deviation of q.
        loc: Mean of q.
        slope: Whether z is added to the wave.
        gradient: Parameter of q that the gradient is with respect to, "mean" or "scale".

    Returns:
        The picture.
    """
    f_and_q = {"height": height, "scale": scale, "loc": loc, "slope": slope, "gradient": gradient}
    here, (curve, crossed) = gaussian_gradients(frequency, **f_and_q), _curve(**f_and_q)
    with workbook_style():
        figure, axes = bare_figure(WIDTH, HEIGHT)
        _draw_f(axes, frequency, height, scale, loc, slope)
        _draw_variances(axes, frequency, here, curve, crossed)
    wave = f"{height:g} sin({frequency:g} z)" + (" + z" if slope else "")
    crossing_words = (
        f"They are equal at frequency {listed([f'{place:.2f}' for place in crossed])}"
        if crossed
        else "They are nowhere equal"
    ) + f" between {SLOWEST:g} and {FASTEST:g}."
    alt = (
        f"Left, f(z) = {wave} and the density of q = N({number(loc)}, {scale:g}²). Right, against the frequency of the wave, the variance "
        f"of one sample's gradient on the {gradient} of q; the exact gradient is {signed(float(here.exact), 3)}. Here the score function "
        f"has variance {_variance(float(here.score))}, the pathwise estimate {_variance(float(here.pathwise))}. {crossing_words}"
    )
    ratio = float(here.ratio)
    if abs(ratio - 1) < 0.005:
        calmer = "Here both are equally noisy."
    else:
        name, factor = ("Pathwise", ratio) if ratio > 1 else ("The score function", 1 / ratio)
        calmer = f"{name} is calmer here: its variance is {number(factor, 3)} times smaller."
    return Picture(figure, alt, f"{calmer} {crossing_words}")


def reparameterise_or_score() -> Explorer:
    """Change the wave and q, and find where the score function is less noisy than the pathwise gradient."""
    return Explorer(
        "reparameterise_or_score",
        reparameterise_or_score_picture,
        {
            "frequency": Slider("frequency of f", SLOWEST, FASTEST, 0.25, 0.5),
            "height": Slider("height of f", 0.25, 2.0, 0.25, 1.0),
            "scale": Slider("scale of q", 0.1, 2.0, 0.1, 1.0),
            "loc": Slider("mean of q", -2.0, 2.0, 0.25, 0.5),
            "gradient": Choice("gradient on q's", ("mean", "scale"), "mean"),
            "slope": Toggle("the wave on a slope"),
        },
        stills=({}, {"frequency": 4.0}),
    )


@lru_cache(maxsize=64)
def _curve(**f_and_q: object) -> tuple[Gradients, list[float]]:
    """Variances along `CURVE` and their crossings, which do not depend on the frequency."""
    return gaussian_gradients(CURVE, **f_and_q), crossings(**f_and_q)


def _draw_f(axes: Axes, frequency: float, height: float, scale: float, loc: float, slope: bool) -> None:
    reach = 6.0 if slope else 2.5
    panel = Panel(axes, (34, 48, 250, 250), (-4, 4), (-reach, reach))
    panel.frame(range(-4, 5, 2), range(-4, 5, 2) if slope else range(-2, 3), "z", "f(z), and q(z) at its foot")
    z = np.linspace(-4, 4, 321)
    q = np.exp(-0.5 * ((z - loc) / scale) ** 2)  # without normaliser: every q has the same height
    foot = panel.y(-reach)
    filled = axes.fill_between(
        panel.x(z), panel.y(-reach + 0.5 * reach * q), foot, facecolor="#E8E8E8", edgecolor=QUIET, linewidth=1.0
    )
    panel.clip(filled)
    panel.plot(z, height * np.sin(frequency * z) + slope * z, color=INK, linestyle="-", linewidth=1.8)


def _draw_variances(axes: Axes, frequency: float, here: Gradients, curve: Gradients, crossed: list[float]) -> None:
    panel = Panel(axes, (362, 48, 250, 250), (0, FASTEST), (LEAST, MOST), log_y=True)
    panel.frame(range(0, 9, 2), {0.001: "0.001", 0.1: "0.1", 10.0: "10", 1000.0: "1,000"}, "frequency of f")
    panel.plot([frequency] * 2, [LEAST, MOST], color=QUIET, linestyle=(0, (1, 1.5)), linewidth=1.4)
    lines = {"score": {"color": SCORE, "linestyle": SCORE_LINE}, "pathwise": {"color": PATHWISE, "linestyle": "-"}}
    panel.plot(CURVE, np.minimum(curve.score, 10 * MOST), **lines["score"])
    panel.plot(CURVE, np.minimum(curve.pathwise, 10 * MOST), **lines["pathwise"])
    for place in crossed:
        both = float(gaussian_at(curve, place))
        panel.plot(
            [place],
            [both],
            marker="o",
            markersize=11,
            markerfacecolor="none",
            markeredgewidth=1.6,
            color=INK,
            linestyle="",
        )
    ends = {"score": (float(here.score), "s"), "pathwise": (float(here.pathwise), "o")}
    for name, (value, marker) in ends.items():
        panel.plot(
            [frequency], [value], marker=marker, markersize=8, linestyle="", color=lines[name]["color"], zorder=3
        )
    named = [
        (
            float(np.clip(panel.y(value), 48, 298)),
            f"{name} {_variance(value)}",
            {"color": readable(lines[name]["color"])},
        )
        for name, (value, _) in ends.items()
    ]
    name_ends(axes, 620, named, 18, (54, 292))
    entries = [(ScoreFunction.label, lines["score"], 160), (Pathwise.label, lines["pathwise"], 0)]
    key(axes, 362, HEIGHT - 14, entries)
    axes.text(362, 310, "variance of one sample's gradient", va="bottom", fontsize=12)


def gaussian_at(curve: Gradients, frequency: float) -> np.ndarray:
    """Pathwise variance between two frequencies of `CURVE`, interpolated on the log scale.

    Args:
        curve: Variances at `CURVE`.
        frequency: Frequency, radians per unit of z.

    Returns:
        The variance, [].
    """
    return np.exp(np.interp(frequency, CURVE, np.log(curve.pathwise)))


def _variance(value: float) -> str:
    return number(value, 3) if value >= LEAST else f"< {LEAST:g}"

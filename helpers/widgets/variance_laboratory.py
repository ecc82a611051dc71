"""Variance laboratory (lesson 04): exact noise and bias of eleven gradient estimators on a few bits, and the price of a step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial

import numpy as np
from matplotlib.axes import Axes

from helpers.experiments.binary_target import MOST_BITS
from helpers.experiments.step_price import Price, measured_prices
from helpers.experiments.variance import ESTIMATORS, NAMES, GradientStatistics, Laboratory
from helpers.plots import Picture, workbook_style
from helpers.plots.style import COLORS, INK, readable
from helpers.plots.words import listed, number
from helpers.widgets.parts.explorer import Choice, Explorer, Slider
from helpers.widgets.parts.panel import Panel, bare_figure
from helpers.widgets.parts.words import counted, signed

SHARPEST, SHARPNESS_STEP = 6.0, 0.5

WIDTH, HEIGHT = 776, 376  # CSS pixels
CHOSEN, TRUTH = COLORS[0], INK
FAINTEST, LOUDEST = 0.01, 10.0  # edges of the noise axis; values beyond are drawn on an edge
PITCH, TOP = 25, 316  # of the table's rows
DOT = {"color": INK, "marker": "o", "markersize": 6, "linestyle": "", "zorder": 3}
DIAMOND = {"color": INK, "marker": "D", "markersize": 7, "markerfacecolor": "none", "linestyle": "", "zorder": 3}
NOISE, BIAS = 690, 756  # right edges of the table's columns
FIGURE_SPACE = "\u2007"


def variance_laboratory(prices: Mapping[str, Price] | None = None) -> Explorer:
    """Choose an estimator, its evaluations of f, the number of bits and the form of f; see noise, bias and price.

    f(z) = offset + tanh(sharpness * weight · (z - 1/2)): nearly linear if the sharpness is small, a step if it is large.

    Args:
        prices: Prices by estimator, as `measured_prices` returns them; None: measured now.

    Returns:
        The explorer.

    Raises:
        ValueError: If an estimator has no price.
    """
    prices = measured_prices() if prices is None else dict(prices)
    if missing := [name for name in NAMES if name not in prices]:
        raise ValueError(
            f"No price for {listed(missing)}: give one for each of {listed(NAMES)}, or leave `prices` out."
        )
    sharpness = Slider("sharpness of f", SHARPNESS_STEP, SHARPEST, SHARPNESS_STEP, 2.0)
    for bits in range(1, MOST_BITS + 1):  # integrals are computed in advance, so that sliders stay fast
        for step in range(round((sharpness.high - sharpness.low) / sharpness.step) + 1):
            for name in ("REBAR", "Gumbel-softmax"):
                Laboratory(bits, sharpness.low + step * sharpness.step, 0.0).moments(name, 3)
    return Explorer(
        "variance_laboratory",
        partial(variance_laboratory_picture, prices),
        {
            "estimator": Choice("estimator", NAMES, "leave-one-out"),
            "samples": Slider("evaluations of f", 1, 24, 1, 12),
            "bits": Slider("bits", 1, MOST_BITS, 1, 3),
            "sharpness": sharpness,
            "offset": Slider("offset of f", 0.0, 4.0, 0.5, 2.0),
        },
        stills=({}, {"estimator": "straight-through", "offset": 0.0, "sharpness": 4.0}),
    )


def variance_laboratory_picture(
    prices: Mapping[str, Price], *, estimator: str, samples: int, bits: int, sharpness: float, offset: float
) -> Picture:
    """Left the gradient on each logit, exact and estimated; right noise and bias of all estimators at equal evaluations of f.

    The chosen estimator's price is in the caption and all prices are in the alt text, because more texts in the picture
    take too long to draw.

    Args:
        prices: Prices by estimator.
        estimator: Name of the chosen estimator.
        samples: Evaluations of f.
        bits: Bits of z.
        sharpness: Sharpness of f.
        offset: Offset of f.

    Returns:
        The picture.
    """
    laboratory = Laboratory(bits, sharpness, offset)
    found = {name: laboratory.moments(name, samples) for name in NAMES}
    with workbook_style():
        figure, axes = bare_figure(WIDTH, HEIGHT)
        _draw_gradients(axes, laboratory.exact, found[estimator], estimator, bits)
        _draw_table(axes, found, prices, estimator, bits)
    rows = [f"{name} {_row_in_words(name, found[name], prices[name], bits)}" for name in NAMES]
    alt = (
        f"{counted(samples, 'evaluation')}, {counted(bits, 'bit')}, sharpness {sharpness:g}, offset {offset:g}. "
        f"Left, the exact gradient on each logit, {listed([number(g, 2) for g in laboratory.exact])}"
        f"{_estimate_in_words(estimator, found[estimator])}. Right, a table of noise and bias, as multiples of the exact "
        f"gradient's length, and milliseconds a step: {'; '.join(rows)}."
    )
    return Picture(figure, alt, _caption(found, prices, estimator, samples, bits))


def _draw_gradients(axes: Axes, exact: np.ndarray, found: GradientStatistics | None, estimator: str, bits: int) -> None:
    deviation = np.zeros(bits) if found is None else np.sqrt(found.variance)
    mean = exact if found is None else found.mean
    reach = 1.15 * max(np.abs(exact).max(), np.abs(mean - deviation).max(), np.abs(mean + deviation).max())
    step = _round_step(reach)
    panel = Panel(axes, (38, 56, 196, 250), (-reach, reach), (bits + 0.5, 0.5))
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    ticks = {k * step: signed(k * step, decimals) for k in range(-2, 3) if abs(k * step) < reach}
    panel.frame(ticks, {k: f"φ{'₁₂₃₄'[k - 1]}" for k in range(1, bits + 1)}, "gradient")
    height = 0.22 * min(1, bits / 2)
    rows = np.arange(1, bits + 1)
    panel.bars(np.stack([exact, exact], 1), np.stack([rows - height, rows + height], 1), color=TRUTH, linewidth=2.4)
    if found is not None:
        panel.bars(
            np.stack([mean - deviation, mean + deviation], 1), np.stack([rows, rows], 1), color=CHOSEN, linewidth=2.0
        )
        panel.plot(mean, rows, color=CHOSEN, marker="o", markersize=8, linestyle="", zorder=3)
    axes.plot([38, 38], [HEIGHT - 22, HEIGHT - 8], color=TRUTH, linestyle="-", linewidth=2.4)
    axes.text(46, HEIGHT - 15, "exact", va="center_baseline", fontsize=12)
    axes.plot(
        [98, 113, 128],
        [HEIGHT - 15] * 3,
        color=CHOSEN,
        linestyle="-",
        linewidth=2.0,
        marker="o",
        markersize=8,
        markevery=[1],
    )
    axes.text(136, HEIGHT - 15, f"{estimator}, ± deviation", va="center_baseline", fontsize=12, color=readable(CHOSEN))


def _draw_table(
    axes: Axes, found: Mapping[str, GradientStatistics | None], prices: Mapping[str, Price], estimator: str, bits: int
) -> None:
    bottom = TOP - PITCH * (len(NAMES) - 0.5)
    panel = Panel(
        axes, (290, bottom, 126, TOP + PITCH / 2 - bottom), (math.log10(FAINTEST), math.log10(LOUDEST)), (0, 1)
    )
    panel.frame({-2: "0.01", -1: "0.1", 0: "1", 1: "10"}, xlabel="× |gradient|")
    for right, words in ((NOISE, "noise"), (BIAS, "bias")):
        axes.text(right, TOP + PITCH, words, va="center_baseline", ha="right", fontsize=12)
    axes.plot([NOISE - 52], [TOP + PITCH - 1], **DOT)
    axes.plot([BIAS - 40], [TOP + PITCH - 1], **DIAMOND)
    noise, bias = [], []
    for place, name in enumerate(NAMES):
        y, moments = TOP - PITCH * place, found[name]
        words = {"va": "center_baseline", "fontsize": 12}
        if name == estimator:
            words["color"] = readable(CHOSEN)  # with an arrow and a ring, because bold is too wide for the column
        if moments is None:
            axes.text(BIAS, y, f"{name} needs {_needs(name, bits)} evaluations", ha="right", **words)
            continue
        noise.append((_place(panel, moments.noise), y))
        # One text per row, name and numbers, because every text takes more than a millisecond to draw.
        row, right = f"{name}  {moments.noise:.3f}", NOISE
        if ESTIMATORS[name].biased:
            bias.append((_place(panel, moments.bias), y))
            row, right = f"{row}  {_column(f'{moments.bias:.3f}', 6)}", BIAS
        axes.text(right, y, row, ha="right", **words)
        if name == estimator:
            axes.plot([262, 268, 262, 262], [y - 5, y, y + 5, y - 5], color=CHOSEN, linestyle="-", linewidth=2.0)
            axes.plot(*noise[-1], **{**DOT, "color": CHOSEN, "markersize": 11})
    for marks, style in ((noise, DOT), (bias, DIAMOND)):
        axes.plot(*np.array(marks).reshape(-1, 2).T, **style)


def _column(words: str, width: int) -> str:
    """`words` padded on the left to `width` characters, with spaces as wide as a digit."""
    return FIGURE_SPACE * (width - len(words)) + words


def _place(panel: Panel, value: float) -> float:
    return float(panel.x(math.log10(min(max(value, FAINTEST), LOUDEST))))


def _caption(
    found: Mapping[str, GradientStatistics | None], prices: Mapping[str, Price], estimator: str, samples: int, bits: int
) -> str:
    chosen = found[estimator]
    if chosen is None:
        return f"{_capital(estimator)} cannot be had for {counted(samples, 'evaluation')} of f: it needs {_needs(estimator, bits)}."
    used = "" if chosen.evaluations == samples else f", of which it uses {chosen.evaluations}"
    sampled = [
        name for name in NAMES if name != "enumeration" and not ESTIMATORS[name].biased and found[name] is not None
    ]
    least = min(found[name].noise for name in sampled)
    calmest = [name for name in sampled if found[name].noise <= 1.005 * least + 1e-9]
    return (
        f"{_capital(estimator)}, {counted(samples, 'evaluation')} of f{used}: noise {_multiple(chosen.noise)}, "
        f"bias {_bias(estimator, chosen)}, "
        f"{_milliseconds(prices[estimator], chosen)} ms a step. Calmest without bias that samples: {listed(calmest)}."
    )


def _needs(name: str, bits: int) -> int:
    """The estimator's minimum number of evaluations of f."""
    return next(count for count in range(1, 2**MOST_BITS + 1) if ESTIMATORS[name].evaluations(count, bits))


def _row_in_words(name: str, moments: GradientStatistics | None, price: Price, bits: int) -> str:
    if moments is None:
        return f"needs {_needs(name, bits)} evaluations"
    return f"noise {_multiple(moments.noise)}, bias {_bias(name, moments)}, {_milliseconds(price, moments)} ms"


def _estimate_in_words(name: str, moments: GradientStatistics | None) -> str:
    if moments is None:
        return f"; {name} is not affordable"
    pairs = zip(moments.mean, moments.variance, strict=True)
    return f", and {name}'s mean ± standard deviation, " + listed(
        [f"{number(mean, 2)} ± {number(math.sqrt(max(variance, 0.0)), 2)}" for mean, variance in pairs]
    )


def _bias(name: str, moments: GradientStatistics) -> str:
    return _multiple(moments.bias) if ESTIMATORS[name].biased else "0"


def _multiple(value: float) -> str:
    return f"{value:.3f}"


def _milliseconds(price: Price, moments: GradientStatistics) -> str:
    return f"{1000 * price.seconds(moments.evaluations):.2f}"


def _round_step(reach: float) -> float:
    """A step of 0.5, 1, 2 or 5 times a power of ten, the largest of them below `reach`."""
    power = 10.0 ** math.floor(math.log10(reach))
    return max(factor * power for factor in (0.5, 1.0, 2.0, 5.0) if factor * power <= reach / 1.05 or factor == 0.5)


def _capital(words: str) -> str:
    return words[0].upper() + words[1:]

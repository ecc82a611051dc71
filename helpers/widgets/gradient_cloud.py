"""Gradient cloud (lesson 03): score-function gradients with control variates, drawn around the exact gradient."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from torch import Tensor

from helpers.estimators import LearnedBaseline
from helpers.experiments.control_variate_cloud import (
    BIASED,
    ESTIMATORS,
    Cloud,
    codes_of,
    exact_cloud,
    sampled_cloud,
)
from helpers.experiments.small_network import DATA, MOST_BITS, SmallNetwork, small_network
from helpers.plots import Picture, workbook_style
from helpers.plots.style import COLORS, INK, QUIET, readable
from helpers.plots.words import listed
from helpers.widgets.parts.explorer import Choice, Explorer, Slider, Toggle
from helpers.widgets.parts.panel import Panel, bare_figure
from helpers.widgets.parts.ticks import round_ticks
from helpers.widgets.parts.words import point

REPEATS = 250  # gradients in the cloud
MOST_EVALUATIONS = 16

WIDTH, HEIGHT = 650, 366  # CSS pixels
CLOUD, TRUTH, MEAN = COLORS[0], COLORS[1], INK
MEAN_LINE = (0, (4, 2))
ANGLE = np.linspace(0, 2 * np.pi, 61)
CIRCLE = np.stack([np.cos(ANGLE), np.sin(ANGLE)])


def gradient_cloud() -> Explorer:
    """Choose the estimator, its number of evaluations of f per datum, and the bits of the code."""
    networks = {bits: small_network(bits) for bits in range(2, MOST_BITS + 1)}
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand(REPEATS, MOST_EVALUATIONS, len(DATA), MOST_BITS, generator=generator, dtype=torch.float64)
    return Explorer(
        "gradient_cloud",
        partial(gradient_cloud_picture, networks, {bits: codes_of(networks[bits], noise) for bits in networks}),
        {
            "estimator": Choice("estimator", ESTIMATORS, ESTIMATORS[0]),
            "evaluations": Slider("evaluations of f", 2, MOST_EVALUATIONS, 2, 2),
            "bits": Slider("bits of z", 2, MOST_BITS, 1, 4),
            "zoom": Toggle("zoom to the cloud"),
        },
        stills=(
            {},
            {"estimator": LearnedBaseline.label},
        ),
    )


def gradient_cloud_picture(
    networks: Mapping[int, SmallNetwork],
    codes: Mapping[int, Tensor],
    *,
    estimator: str,
    evaluations: int,
    bits: int,
    zoom: bool,
) -> Picture:
    """Left the cloud, in the coordinates of the first two bits; right the exact noise of every estimator at equal evaluations.

    Nothing is drawn at random: the codes are given.

    Args:
        networks: Networks by number of bits.
        codes: Indices of outcomes drawn from q, [repeats, samples, data], by number of bits.
        estimator: One of `ESTIMATORS`.
        evaluations: Evaluations of f per datum.
        bits: Bits of the code.
        zoom: Whether the cloud sets the scale; otherwise the scale is that of the widest cloud.

    Returns:
        The picture.
    """
    network = networks[bits]
    clouds = {name: exact_cloud(network, name, evaluations) for name in ESTIMATORS}
    cloud = clouds[estimator]
    points = sampled_cloud(network, estimator, evaluations, codes[bits])
    with workbook_style():
        figure, axes = bare_figure(WIDTH, HEIGHT)
        # Without zoom the scale depends on the bits only: it is that of their widest cloud.
        _draw_cloud(axes, cloud, points, cloud if zoom else exact_cloud(network, ESTIMATORS[0], 2))
        _draw_noises(axes, clouds, estimator)
    others = [f"{name} {_number(clouds[name].noise)}" for name in ESTIMATORS if name != estimator]
    alt = (
        f"Left, {REPEATS} gradients by {estimator} with {evaluations} evaluations of f for each datum, {bits} bits, seen in the first two: "
        f"the exact gradient is at {point(cloud.exact[:2], 2)}, the estimator's exact mean at {point(cloud.mean[:2], 2)}, "
        f"its exact standard deviations are "
        f"{_number(cloud.covariance[0, 0].sqrt().item())} and {_number(cloud.covariance[1, 1].sqrt().item())}. "
        f"Right, the exact noise, standard deviation over the length of its mean: {estimator} {_number(cloud.noise)}; {listed(others)}."
    )
    return Picture(figure, alt, _caption(cloud, estimator))


def _draw_cloud(axes: Axes, cloud: Cloud, points: Tensor, scale: Cloud) -> None:
    exact, mean = cloud.exact[:2], cloud.mean[:2]
    widest = scale.covariance.diagonal()[:2].max().sqrt().item()
    half = max(2.6 * widest, 1.3 * (exact - mean).abs().max().item())
    panel = Panel(axes, (44, 48, 250, 250), *((float(m) - half, float(m) + half) for m in exact))
    panel.frame(round_ticks(*panel.xlim), round_ticks(*panel.ylim), "gradient, bit 1", "gradient, bit 2")
    panel.plot(*points[:, :2].T, linestyle="", marker="o", markersize=3, color=CLOUD, alpha=0.45, markeredgewidth=0)
    # One standard deviation in every direction.
    values, vectors = torch.linalg.eigh(cloud.covariance[:2, :2])
    ring = mean[:, None].numpy() + (vectors * values.clamp_min(0).sqrt()).numpy() @ CIRCLE
    panel.plot(*ring, color=MEAN, linestyle=MEAN_LINE, linewidth=1.6)
    panel.plot(*mean, marker="o", markersize=8, color=MEAN, markerfacecolor="white", markeredgewidth=1.8, linestyle="")
    panel.plot(
        *exact, marker="D", markersize=8, color=TRUTH, markeredgecolor="white", markeredgewidth=0.8, linestyle=""
    )
    # The key: a sample of each kind beside its name.
    place = HEIGHT - 14
    axes.plot([20, 26, 33], [place + 3, place - 4, place + 1], linestyle="", marker="o", markersize=3, color=CLOUD)
    axes.plot(112, place, marker="D", markersize=8, color=TRUTH, linestyle="")
    axes.plot([247, 277], [place, place], color=MEAN, linestyle=MEAN_LINE, linewidth=1.6)
    axes.plot(
        262, place, marker="o", markersize=8, color=MEAN, markerfacecolor="white", markeredgewidth=1.8, linestyle=""
    )
    for left, words in ((42, "drawn"), (124, "exact gradient"), (284, "the estimator's mean, 1 standard deviation")):
        axes.text(left, place, words, va="center_baseline", fontsize=12)


def _draw_noises(axes: Axes, clouds: dict[str, Cloud], estimator: str) -> None:
    left, right = 486, 630
    # One scale for all states: dots move, the axis does not.
    panel = Panel(axes, (left, 48, right - left, 250), (-0.55, 1.25), (0, 1))
    panel.frame({math.log10(n): f"{n:g}" for n in (0.3, 1, 3, 10)}, (), "noise: sd over |mean|")
    heights = dict(zip(clouds, range(278, 0, -42), strict=False))
    ends = {name: panel.x(np.clip(np.log10(cloud.noise), *panel.xlim)) for name, cloud in clouds.items()}
    lines = [[(left, heights[name]), (ends[name], heights[name])] for name in clouds]
    axes.add_collection(LineCollection(lines, colors=QUIET, linewidths=1.2))
    axes.plot(list(ends.values()), list(heights.values()), marker="o", color=QUIET, markersize=6, linestyle="")
    axes.plot([left, ends[estimator]], [heights[estimator]] * 2, color=CLOUD, linestyle="-", linewidth=2.6)
    axes.plot(ends[estimator], heights[estimator], marker="s", color=CLOUD, markersize=9, linestyle="")
    for name, cloud in clouds.items():
        color = readable(CLOUD) if name == estimator else INK
        words = f"{name} {_number(cloud.noise)}" + ("\n(biased)" if name in BIASED else "")
        axes.text(left - 12, heights[name], words, ha="right", va="center", fontsize=12, color=color, linespacing=1.0)


def _caption(cloud: Cloud, estimator: str) -> str:
    length, noise = cloud.exact.norm().item(), cloud.total_variance**0.5
    words = f"The exact gradient has length {_number(length)}; a drawn one misses its mean by {_number(noise)} (standard deviation)."
    if estimator not in BIASED:
        return f"{words} Its mean is the exact gradient."
    share = cloud.mean.norm().item() / length
    return (
        f"{words} Its mean is {share:.2f} times the exact gradient: the reward is rescaled. The gradient of -log q inside f, which is "
        "noise of mean zero, is not rescaled, so the noise over the mean grows."
    )


def _number(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"

"""Race (lesson 01): variational inference for one observation, step by step, against one call of an encoder.

Model: z ~ N(0, I) in the plane, x | z ~ N(weight z + bias, noise² I). Everything but the encoder has a closed form.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from torch import Tensor

from helpers.experiments.race_track import Encoder, Race, Track, race_track, run_race
from helpers.plots import Picture, workbook_style
from helpers.plots.style import COLORS, INK, readable
from helpers.plots.words import number
from helpers.widgets.parts.explorer import Choice, Explorer, Slider
from helpers.widgets.parts.panel import Panel, bare_figure, key, name_ends
from helpers.widgets.parts.ticks import round_ticks
from helpers.widgets.parts.words import counted, point, signed

FARTHEST = 8.0  # standard deviations of the data
MOST_STEPS = 200

WIDTH, HEIGHT = 720, 362  # CSS pixels
TRUTH, FIT, ENCODER, FAMILY = INK, COLORS[0], COLORS[1], COLORS[2]
ENCODER_LINE, FAMILY_LINE = (0, (5, 2)), (0, (1, 1.5))
TURN = np.linspace(0, 2 * math.pi, 49)
CIRCLE = np.stack([np.cos(TURN), np.sin(TURN)])  # [2, points]
# Radii, in standard deviations, of the ellipses that hold 50 % and 95 % of a Gaussian in the plane.
HALF, MOST = (math.sqrt(-2 * math.log(1 - mass)) for mass in (0.50, 0.95))


def race_picture(
    track: Track, encoders: Mapping[str, Encoder], *, distance: float, angle: float, steps: int, encoder: str
) -> Picture:
    """Left the plane of z, with p(z | x) and both q; right how far each ELBO is below log p(x), in nats, over the steps.

    Args:
        track: The model.
        encoders: Encoders by name, each from x [batch, observed] to a distribution of z [batch, 2].
        distance: Distance of x from the data's centre, in standard deviations of the data.
        angle: Direction of x from there, degrees.
        steps: Steps of the fit.
        encoder: Name of the encoder.

    Returns:
        The picture.
    """
    run = run_race(track, encoders[encoder], distance=distance, angle=angle, steps=steps)
    with workbook_style():
        figure, axes = bare_figure(WIDTH, HEIGHT)
        _draw_plane(axes, track, run)
        _draw_bounds(axes, track, run, steps)
        _draw_key(axes)
    x = ", ".join(number(value, 3) for value in run.x)
    after = f"the fit after {counted(steps, 'step')}"
    alt = (
        f"Left, the plane of z, regions of 50 % and 95 %: the posterior of x = ({x}), a tilted ellipse around "
        f"{point(run.posterior_loc, 2)}; q of {after}, "
        f"around {point(run.loc[-1], 2)}; and q of the encoder {encoder}, around {point(run.encoder_loc, 2)}. "
        f"Right, how far the ELBO is below log p(x) = {signed(run.log_marginal, 2)}, in nats: {after} {_gap(run.fit_kl[-1])}, "
        f"the encoder {_gap(run.encoder_kl)}, the best uncorrelated q {_gap(track.family_gap)}."
    )
    return Picture(figure, alt, _caption(run, steps))


def race(weight: Tensor, bias: Tensor, noise: float, encoders: Mapping[str, Encoder]) -> Explorer:
    """Choose an x and a number of steps, and see whether the fit or the encoder is closer to the posterior.

    Model: z ~ N(0, I), x | z ~ N(weight z + bias, noise² I).

    Args:
        weight: [observed, 2].
        bias: [observed].
        noise: Standard deviation of x given z.
        encoders: Encoders by name, each from x [batch, observed] to a distribution of z [batch, 2] without
            correlations, such as an `AmortizedGuide`.

    Returns:
        The explorer.

    Raises:
        ValueError: If the model has other shapes, or if there are no encoders.
    """
    if not encoders:
        raise ValueError("The race needs an encoder; give {name: encoder}.")
    encoders = dict(encoders)
    return Explorer(
        "race",
        partial(race_picture, race_track(weight, bias, noise), encoders),
        {
            "steps": Slider("steps of the fit", 0, MOST_STEPS, 1, 10),
            "distance": Slider("x: distance from centre", 0.0, FARTHEST, 0.25, 1.5),
            "angle": Slider("x: direction, degrees", 0, 345, 15, 60),
            "encoder": Choice("encoder", tuple(encoders), next(iter(encoders))),
        },
        stills=({}, {"steps": 60, "distance": 6.0, "encoder": list(encoders)[-1]}),
    )


def _draw_plane(axes: Axes, track: Track, run: Race) -> None:
    """Ellipses hold 95 % of each density, and 50 % of the posterior too, as in the lesson's other pictures."""
    root = np.linalg.inv(np.linalg.cholesky(track.precision)).T  # root @ root.T is the covariance
    truth = run.posterior_loc[:, None] + MOST * root @ CIRCLE
    inner = run.posterior_loc[:, None] + HALF * root @ CIRCLE
    fitted = run.loc[-1][:, None] + MOST * run.scale[-1][:, None] * CIRCLE
    encoded = run.encoder_loc[:, None] + MOST * run.encoder_scale[:, None] * CIRCLE
    # All ellipses and the whole path are in view, at one scale for both coordinates.
    seen = np.concatenate([truth, fitted, encoded, run.loc.T, np.zeros((2, 1))], axis=1)
    low, high = seen.min(1), seen.max(1)
    middle, half = (low + high) / 2, 0.54 * (high - low).max()
    panel = Panel(axes, (42, 48, 250, 250), *((float(m - half), float(m + half)) for m in middle))
    panel.frame(round_ticks(*panel.xlim, intervals=5), round_ticks(*panel.ylim, intervals=5), "z₁", "z₂")

    axes.text(292, 310, "p: 50 %, 95 %; q: 95 %", ha="right", va="bottom", fontsize=12)
    panel.axes.fill(panel.x(truth[0]), panel.y(truth[1]), color=TRUTH, alpha=0.10, linewidth=0)
    for ring in (truth, inner):
        panel.plot(*ring, color=TRUTH, linestyle="-", linewidth=1.3)
    panel.plot(*fitted, color=FIT, linestyle="-", linewidth=2.2)
    panel.plot(
        *run.loc.T,
        color=FIT,
        linestyle="-",
        linewidth=1.2,
        marker=".",
        markersize=5,
        markevery=max(1, len(run.loc) // 20),
    )
    panel.plot(*run.loc[-1], marker="o", color=FIT, markersize=7, linestyle="")
    # On top, dashed and hollow, so that an equal q below it stays visible.
    panel.plot(*encoded, color=ENCODER, linestyle=ENCODER_LINE, linewidth=2.2)
    panel.plot(
        *run.encoder_loc,
        marker="s",
        color=ENCODER,
        markersize=10,
        markerfacecolor="none",
        markeredgewidth=2,
        linestyle="",
    )


def _draw_bounds(axes: Axes, track: Track, run: Race, steps: int) -> None:
    floor, most = track.family_gap, max(run.fit_kl.max(), run.encoder_kl, 1.0)
    low, high = 10.0 ** min(math.floor(math.log10(max(floor, 1e-4)) - 0.15), -1), 10.0 ** math.ceil(math.log10(most))
    panel = Panel(axes, (392, 48, 194, 250), (0, MOST_STEPS), (low, high), log_y=True)
    decades = range(round(math.log10(low)), round(math.log10(high)) + 1)
    skip = 1 + len(decades) // 8
    yticks = {10.0**decade: f"{10.0**decade:,.{max(0, -decade)}f}" for decade in decades[::skip]}
    panel.frame(
        {0: "0", 50: "50", 100: "100", 150: "150", 200: "200"}, yticks, "steps of the fit", "log p(x) − ELBO, nats"
    )
    axes.text(592, 310, f"log p(x) {signed(run.log_marginal, 2)}", va="bottom", fontsize=12)
    panel.plot([0, MOST_STEPS], [floor, floor], color=FAMILY, linestyle=FAMILY_LINE, linewidth=2.4)
    panel.plot(np.arange(steps + 1), run.fit_kl, color=FIT, linestyle="-")
    panel.plot([0, MOST_STEPS], [run.encoder_kl] * 2, color=ENCODER, linestyle=ENCODER_LINE)
    # Not cut at the edge, because after 0 steps it lies on the axis.
    axes.plot(panel.x(steps), panel.y(run.fit_kl[-1]), marker="o", color=FIT, markersize=7, linestyle="", zorder=3)
    gaps = (("fit", run.fit_kl[-1], FIT), ("encoder", run.encoder_kl, ENCODER), ("best q", floor, FAMILY))
    ends = [(float(panel.y(gap)), f"{name} {_gap(gap)}", {"color": readable(color)}) for name, gap, color in gaps]
    name_ends(axes, 597, ends, 18, (56, 292))


def _draw_key(axes: Axes) -> None:
    entries = [
        ("p(z | x)", {"color": TRUTH, "linestyle": "-", "linewidth": 1.3}, 122),
        ("fitted q", {"color": FIT, "linestyle": "-"}, 122),
        ("encoder's q", {"color": ENCODER, "linestyle": ENCODER_LINE}, 155),
        ("best uncorrelated q", {"color": FAMILY, "linestyle": FAMILY_LINE, "linewidth": 2.4}, 0),
    ]
    key(axes, 42, HEIGHT - 14, entries)


def _caption(run: Race, steps: int) -> str:
    fit, encoder = run.fit_kl[-1], run.encoder_kl
    if abs(fit - encoder) < 1e-3:
        return f"After {counted(steps, 'step')}, fit and encoder are within a thousandth of a nat of each other."
    ahead = f"Ahead after {counted(steps, 'step')}: {'the fit' if fit < encoder else 'the encoder'}, by {_gap(abs(fit - encoder))} nats."
    if encoder < fit:
        return ahead
    return f"{ahead} " + (
        f"The fit passed the encoder at step {run.passed_at}."
        if run.passed_at
        else "The encoder's q is worse than N(0, I), where every fit starts."
    )


def _gap(value: float) -> str:
    """A difference in nats, with three decimals if it is below 1."""
    return f"{value:.3f}" if value < 1 else f"{value:.2f}" if value < 10 else f"{value:,.0f}"

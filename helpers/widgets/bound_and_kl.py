"""Bound and KL (lesson 01): a Gaussian q against a Gaussian posterior, and the bound below log p(x) that it gives.

Model: z ~ N(0, 1), x | z ~ N(z, NOISE²). Everything has a closed form.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from matplotlib.axes import Axes
from torch.distributions import Normal, kl_divergence

from helpers.plots import Picture, workbook_style
from helpers.plots.style import COLORS, INK, QUIET, readable
from helpers.widgets.parts.explorer import Explorer, Slider
from helpers.widgets.parts.panel import Panel, bare_figure, key
from helpers.widgets.parts.words import signed

NOISE = 0.75  # so that the posterior's scale is 0.6 and its mean 0.64 x: the sliders can reach both

WIDTH, HEIGHT = 640, 330  # CSS pixels
DEEPEST = -10.0  # nats; a bound below it is drawn as an arrow
POSTERIOR, GUESS = COLORS[0], COLORS[1]
GUESS_LINE = (0, (5, 2))


@dataclass(frozen=True)
class BoundAndKl:
    """Posterior and bound of one state; log_marginal = elbo + kl.

    Attributes:
        posterior_loc: Mean of p(z | x).
        posterior_scale: Standard deviation of p(z | x).
        log_marginal: log p(x), nats.
        elbo: E_q[log p(x, z)] + H[q], nats.
        kl: KL(q || p(z | x)), nats.
    """

    posterior_loc: float
    posterior_scale: float
    log_marginal: float
    elbo: float
    kl: float


def bound_and_kl_numbers(x: float, loc: float, scale: float) -> BoundAndKl:
    """log p(x), and ELBO and KL(q || p(z | x)) of q = N(loc, scale²), in float64.

    The ELBO comes from its definition, E_q[log p(z)] + E_q[log p(x | z)] + H[q], not from the other two.

    Args:
        x: Observation.
        loc: Mean of q.
        scale: Standard deviation of q.

    Returns:
        The exact values.
    """
    x, loc, scale = (torch.tensor(value, dtype=torch.float64) for value in (x, loc, scale))
    q = Normal(loc, scale)
    precision = 1 + 1 / NOISE**2
    posterior = Normal(x / NOISE**2 / precision, x.new_tensor(precision**-0.5))
    # E_q[log N(a; z, s²)] = log N(a; loc, s²) - scale² / (2 s²)
    log_prior = Normal(0.0, 1.0).log_prob(loc) - scale**2 / 2
    log_likelihood = Normal(loc, NOISE).log_prob(x) - scale**2 / (2 * NOISE**2)
    return BoundAndKl(
        posterior_loc=posterior.loc.item(),
        posterior_scale=posterior.scale.item(),
        log_marginal=Normal(0 * x, math.sqrt(1 + NOISE**2)).log_prob(x).item(),
        elbo=(log_prior + log_likelihood + q.entropy()).item(),
        kl=kl_divergence(q, posterior).item(),
    )


def bound_and_kl_picture(*, x: float, loc: float, scale: float) -> Picture:
    """Left the densities p(z), p(z | x) and q(z) = N(loc, scale²); right log p(x), the ELBO below it, and the KL between.

    Args:
        x: Observation.
        loc: Mean of q.
        scale: Standard deviation of q.

    Returns:
        The picture.
    """
    numbers = bound_and_kl_numbers(x, loc, scale)
    with workbook_style():
        figure, axes = bare_figure(WIDTH, HEIGHT)
        _draw_densities(axes, numbers, loc, scale)
        _draw_bound(axes, numbers)
    alt = (
        f"Left, densities of z. For x = {signed(x, 2)} the posterior p(z | x) has mean {signed(numbers.posterior_loc, 2)} and standard "
        f"deviation {numbers.posterior_scale:.2f}; q(z) has mean {signed(loc, 2)} and standard deviation {scale:.2f}; the prior is "
        f"standard normal. Right, in nats: log p(x) = {_nats(numbers.log_marginal)}, below it ELBO = {_nats(numbers.elbo)}, and between "
        f"them KL(q || p(z | x)) = {abs(numbers.kl):.3f}."
    )
    return Picture(figure, alt, _caption(numbers))


def bound_and_kl() -> Explorer:
    """Move the mean and the scale of q, or x: bound, divergence and curves follow."""
    return Explorer(
        "bound_and_kl",
        bound_and_kl_picture,
        {
            "loc": Slider("mean of q", -3.0, 3.0, 0.04, 0.0),
            "scale": Slider("scale of q", 0.3, 2.0, 0.05, 1.0),
            "x": Slider("observed x", -3.0, 3.0, 0.25, 1.25),
        },
        stills=({}, {"loc": 0.8, "scale": 0.6}),
    )


def _caption(numbers: BoundAndKl) -> str:
    if numbers.kl < 5e-4:
        return "q is the posterior: nothing lies between the bound and log p(x)."
    if numbers.elbo < DEEPEST:
        return "The bound has left the picture. Its distance to log p(x) is still the KL."
    return "Whatever q is, ELBO + KL = log p(x): the line that only x moves."


def _draw_densities(axes: Axes, numbers: BoundAndKl, loc: float, scale: float) -> None:
    panel = Panel(axes, (20, 48, 330, 240), (-4, 4), (0, 1.4))
    panel.frame(xticks=range(-4, 5), xlabel="z")
    z = torch.linspace(-4, 4, 161, dtype=torch.float64)
    posterior = Normal(numbers.posterior_loc, numbers.posterior_scale).log_prob(z).exp()
    axes.fill_between(panel.x(z), panel.y(posterior), panel.y(0.0), color=POSTERIOR, alpha=0.15, linewidth=0)
    styles = {
        "p(z)": {"color": QUIET, "linestyle": (0, (1, 1.5)), "linewidth": 1.6},
        "p(z | x)": {"color": POSTERIOR, "linestyle": "-"},
        "q(z)": {"color": GUESS, "linestyle": GUESS_LINE},
    }
    panel.plot(z, Normal(0.0, 1.0).log_prob(z).exp(), **styles["p(z)"])
    panel.plot(z, posterior, **styles["p(z | x)"])
    panel.plot(z, Normal(loc, scale).log_prob(z).exp(), **styles["q(z)"])
    key(axes, 40, 310, [(name, style, 105) for name, style in styles.items()])


def _draw_bound(axes: Axes, numbers: BoundAndKl) -> None:
    panel = Panel(axes, (420, 48, 205, 240), (0, 1), (DEEPEST, 0))
    panel.frame(yticks=range(int(DEEPEST), 1, 2), ylabel="nats")
    left, right = panel.x(0.03), panel.x(0.60)
    top, bottom = panel.y(numbers.log_marginal), panel.y(max(numbers.elbo, DEEPEST))
    # The hatching says "between" without colour.
    axes.fill_between([left, right], bottom, top, facecolor="#FBE3D2", edgecolor="#D9A27C", hatch="////", linewidth=0)
    axes.plot([left, right], [top, top], color=INK, linewidth=2.6, linestyle="-")
    axes.text(left, top + 5, f"log p(x) {_nats(numbers.log_marginal)}", va="bottom", fontsize=12)

    words = {"fontsize": 12, "color": readable(GUESS)}
    if numbers.elbo > DEEPEST:
        axes.plot([left, right], [bottom, bottom], color=GUESS, linewidth=2.6, linestyle=GUESS_LINE)
    else:
        axes.plot((left + right) / 2, bottom + 6, "v", color=GUESS, markersize=10)
    if bottom > panel.y(DEEPEST) + 24:
        axes.text(left, bottom - 6, f"ELBO {_nats(numbers.elbo)}", va="top", **words)
    else:  # no room under the line: on the hatching, with a white background
        ground = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
        axes.text(left + 3, bottom + 16, f"ELBO {_nats(numbers.elbo)}", va="bottom", bbox=ground, **words)

    if top - bottom > 3:
        axes.plot([right + 10] * 2, [bottom, top], color=INK, linewidth=1.2, linestyle="-", marker="_", markersize=7)
    ground = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}  # no grid line through the number
    axes.text(
        right + 20,
        (top + bottom) / 2,
        f"KL\n{abs(numbers.kl):.3f}",
        va="center",
        fontsize=12,
        linespacing=1.1,
        bbox=ground,
    )


def _nats(value: float) -> str:
    """Three decimals, so that two small divergences can be compared."""
    return signed(value, 3)

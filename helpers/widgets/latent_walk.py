"""Walk in latent time (lesson 07): a mixture of two chorales' codes, step by step, and the notes that the emission gives it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from torch import Tensor

from helpers.models import DeepMarkovModel, SequenceGuide
from helpers.plots import workbook_style
from helpers.plots.piano_roll_plot import key_name, octaves, spoken
from helpers.plots.style import COLORS, INK
from helpers.widgets.parts.chorale_audio import SoundingPicture, check_chorales, drawing, keys_in_use, sound_of
from helpers.widgets.parts.explorer import Explorer, Slider, Toggle
from helpers.widgets.parts.panel import Panel, bare_figure
from helpers.widgets.parts.principal_directions import principal_directions
from helpers.widgets.parts.ticks import round_ticks
from helpers.widgets.parts.words import point

CHOICES = 12  # chorales that the sliders offer
LONGEST = 32  # steps of a walk
NAMED = 5  # likeliest keys that the caption names
NEAR = 4  # steps of each path before and after the chosen one that are drawn
WIDTH, HEIGHT = 720, 372  # CSS pixels
MAP = (40, 56, 224, 224)  # left, bottom, width, height
ROLL = (318, 56, 390, 272)
PATHS = (
    {"color": COLORS[0], "linestyle": "-", "linewidth": 1.2, "marker": "o", "markersize": 3},
    {"color": COLORS[2], "linestyle": (0, (4, 2)), "linewidth": 1.2, "marker": "s", "markersize": 3},
)
WALK = {"color": INK, "linestyle": "-", "linewidth": 2.2}
HERE = {"color": COLORS[1], "marker": "X", "markersize": 12, "markeredgecolor": "white", "linestyle": ""}


@dataclass(frozen=True)
class Codes:
    """The chorales' codes.

    Attributes:
        z: z ~ q(z | x) of the first steps of each chorale, [chorales, steps, latent].
        keys: Lowest and highest key to show.
        places: z along the two directions in which codes differ most, in standard deviations from the mean,
            [chorales, steps, 2].
        share: Share of the codes' variance that lies along these two directions, 0 to 1.
    """

    z: Tensor
    keys: tuple[int, int]
    places: Tensor
    share: float


def codes_of(guide: SequenceGuide, rolls: Tensor, lengths: Tensor, seed: int = 0) -> Codes:
    """Draw codes of chorales. The guide reads each chorale in full; codes are cut to the shortest and to `LONGEST` steps.

    Args:
        guide: Guide of piano rolls, latent >= 2.
        rolls: Piano rolls of 0 and 1, [chorales, steps, 88].
        lengths: Steps of each chorale, int64 [chorales].
        seed: Seed of the draws.

    Returns:
        The codes, with places along their `principal_directions`.

    Raises:
        ValueError: If z is one-dimensional.
    """
    if guide.latent < 2:
        raise ValueError("The walk is drawn along two directions of z, but this guide's z is one-dimensional.")
    with drawing(seed, guide):
        z = guide(rolls, lengths).z[0]
    z = z[:, : min(LONGEST, int(lengths.min()))]
    every = z.flatten(0, 1)
    directions, spread = principal_directions(every)
    places = (every - every.mean(0)) @ directions.T / spread  # equal codes are at 0
    share = (spread**2).sum() / every.var(0).sum()
    return Codes(z, keys_in_use(rolls[:, : z.shape[1]]), places.unflatten(0, z.shape[:2]), share.item())


def latent_walk(model: DeepMarkovModel, guide: SequenceGuide, rolls: Tensor, lengths: Tensor) -> Explorer:
    """Mix the codes of two chorales and see, or hear, the emission along the mixed path.

    All walks are as long as the shortest chorale, and at most `LONGEST` steps.

    Args:
        model: Model of piano rolls, on the CPU.
        guide: Its guide, latent >= 2, on the CPU.
        rolls: Piano rolls of 0 and 1, two or more, [chorales, steps, 88]; the first twelve can be chosen.
        lengths: Steps of each chorale, int64 [chorales].

    Returns:
        The explorer.

    Raises:
        ValueError: If there are fewer than two piano rolls, or if z is one-dimensional.
    """
    check_chorales(rolls, lengths, 2)
    codes = codes_of(guide, rolls[:CHOICES], lengths[:CHOICES])
    number, steps, _ = codes.z.shape
    controls = {
        "first": Slider("first chorale", 1, number, 1, 1),
        "second": Slider("second chorale", 1, number, 1, 2),
        "mix": Slider("mix", 0.0, 1.0, 0.05, 0.5),
        "step": Slider("step", 1, steps, 1, min(8, steps)),
        "sound": Toggle("with a player"),
    }
    picture = partial(latent_walk_picture, model, codes)
    return Explorer("latent_walk", picture, controls, stills=({"mix": 0.0}, {"mix": 0.5, "sound": True}))


def latent_walk_picture(
    model: DeepMarkovModel, codes: Codes, *, first: int, second: int, mix: float, step: int, sound: bool
) -> SoundingPicture:
    """Left both paths and the mixed one, (1 - mix) z + mix z', near the step; right the probability of every key.

    Args:
        model: Model of piano rolls.
        codes: Codes of the chorales.
        first: First chorale, counted from 1.
        second: Second chorale, counted from 1.
        mix: Share of the second chorale's code, in [0, 1].
        step: Step of the walk, counted from 1.
        sound: Whether to add an audio player of all keys with probability one half or more.

    Returns:
        The picture, with sound if `sound` is set.
    """
    ends = torch.stack([codes.z[first - 1], codes.z[second - 1]])
    walk = (1 - mix) * ends[0] + mix * ends[1]
    with drawing(0, model):
        probability = model.emission(torch.cat([walk[None], ends])).mean  # [3, steps, 88]
    opened = torch.special.entr(torch.stack([probability, 1 - probability])).sum((0, 3)).mean(1).tolist()
    sung = probability[0]
    with workbook_style():
        figure, axes = bare_figure(WIDTH, HEIGHT)
        places = codes.places[first - 1], codes.places[second - 1]
        here = _draw_map(axes, codes, places, (1 - mix) * places[0] + mix * places[1], step, (first, second))
        _draw_roll(axes, sung, codes.keys, step)
    likeliest = sung[step - 1].topk(NAMED)
    named = [
        f"{key_name(key)} {_percent(value)}"
        for value, key in zip(likeliest.values.tolist(), likeliest.indices.tolist(), strict=True)
    ]
    state = f"Step {step} of {len(walk)}, {_percent(1 - mix)} of chorale {first}'s code and {_percent(mix)} of chorale {second}'s."
    keys = f"The likeliest keys there: {', '.join(named)}; {sung[step - 1].sum():.1f} keys are expected."
    alt = (
        f"{state} Left, the paths of both codes, up to {NEAR} steps before and after, along their two principal directions, with a cross "
        f"on the mixed path at {point(here, 1)} standard deviations. Right, the "
        f"probability of every key along the mixed path. {keys}"
    )
    caption = (
        f"{state} {keys} Left, the two directions in which codes differ most, {_percent(codes.share)} of their "
        f"variance: what looks near there may be far apart. The emission's entropy along the mixed path is "
        f"{opened[0]:.2f} nats a step; along the first chorale's own {opened[1]:.2f}, along the second's {opened[2]:.2f}."
    )
    heard = sound_of((sung >= 0.5).float()) if sound else None
    return SoundingPicture(figure, spoken(alt), caption, heard)


def _draw_map(
    axes: Axes, codes: Codes, places: tuple[Tensor, Tensor], walk: Tensor, step: int, names: tuple[int, int]
) -> tuple[float, float]:
    """Draw the map; the place of the cross is returned."""
    edge = max(2.0, 1.1 * codes.places.abs().max().item())
    panel = Panel(axes, MAP, (-edge, edge), (-edge, edge))
    ticks = round_ticks(-0.8 * edge, 0.8 * edge, 4)
    near = slice(max(0, step - 1 - NEAR), step + NEAR)
    panel.frame(ticks, ticks, "direction 1", "direction 2")
    y = HEIGHT - 20
    for index, (path, look) in enumerate(zip(places, PATHS, strict=True)):
        panel.plot(*path[near].T.numpy(), **look)
        left = (8, 148)[index]
        axes.plot([left, left + 26], [y, y], **look)
        axes.text(left + 33, y, f"chorale {names[index]}", va="center_baseline", fontsize=12)
    panel.plot(*walk[near].T.numpy(), **WALK)
    axes.plot([8, 34], [y - 24, y - 24], **WALK)
    axes.plot([21], [y - 24], **HERE)
    axes.text(41, y - 24, "mixed path, this step", va="center_baseline", fontsize=12)
    here = walk[step - 1].tolist()
    panel.plot([here[0]], [here[1]], zorder=5, **HERE)
    return here[0], here[1]


def _draw_roll(axes: Axes, probability: Tensor, keys: tuple[int, int], step: int) -> None:
    """Probabilities [steps, 88] as greys, the chosen step framed."""
    steps, (low, high) = len(probability), keys
    panel = Panel(axes, ROLL, (0, steps), (low - 0.5, high + 0.5))
    left, bottom, width, height = ROLL
    grey = 1 - probability[:, low : high + 1].T.flip(0).numpy()
    axes.imshow(grey, cmap="gray", vmin=0, vmax=1, extent=(left, left + width, bottom, bottom + height), aspect="auto", zorder=1,
                interpolation="nearest")  # fmt: skip
    panel.frame(
        {tick - 0.5: str(tick) for tick in _ticked_steps(steps)},
        octaves(low, high),
        "step",
        "key, darker where likelier",
    )
    corner = panel.x(step - 1) - 1, bottom - 2
    frame = Rectangle(
        corner, width / steps + 2, height + 4, fill=False, linewidth=2.4, edgecolor=HERE["color"], zorder=4
    )
    axes.add_patch(frame)


def _ticked_steps(steps: int) -> list[int]:
    """Steps with a tick: all if there are fewer than eight, otherwise 1 and every eighth."""
    return list(range(1, steps + 1)) if steps < 8 else [1, *range(8, steps + 1, 8)]


def _percent(share: float) -> str:
    return f"{100 * share:.0f}%"

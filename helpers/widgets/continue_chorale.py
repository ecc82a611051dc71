"""Continue a chorale (lesson 07): the first steps are given, and the deep Markov model generates the next ones."""

from __future__ import annotations

from functools import partial

import torch
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from torch import Tensor

from helpers.data.music.midi import held_notes
from helpers.models import DeepMarkovModel, SequenceGuide
from helpers.plots import workbook_style
from helpers.plots.piano_roll_plot import key_name, octaves, spoken
from helpers.plots.style import COLORS, INK, QUIET
from helpers.widgets.parts.chorale_audio import (
    SoundingPicture,
    check_chorales,
    draw_notes,
    drawing,
    keys_in_use,
    sound_of,
)
from helpers.widgets.parts.explorer import Explorer, Slider, Toggle
from helpers.widgets.parts.panel import Panel, bare_figure
from helpers.widgets.parts.words import counted

CHOICES = 20  # chorales that the slider offers
LONGEST = 24  # steps that can be given
STEPS = 16  # that are generated
STEP_NAMES = {
    step - 0.5: str(step) for step in (1, *range(8, LONGEST + STEPS + 1, 8))
}  # in the middle of each, counted from 1
WIDTH, HEIGHT = 720, 380  # CSS pixels
BOX = (44, 52, 664, 262)  # left, bottom, width, height of the roll
GIVEN = {"facecolors": COLORS[0], "edgecolors": INK, "linewidths": 0.6}
GENERATED = {
    "facecolors": "white",
    "edgecolors": COLORS[1],
    "linewidths": 1.8,
}  # hollow, because hatching takes too long to draw


def continue_chorale(model: DeepMarkovModel, guide: SequenceGuide, rolls: Tensor, lengths: Tensor) -> Explorer:
    """Give the model the first steps of a chorale, and see, or hear, how it goes on.

    Args:
        model: Model of piano rolls, on the CPU.
        guide: Its guide, on the CPU.
        rolls: Piano rolls of 0 and 1, [chorales, steps, 88]; the first twenty can be chosen.
        lengths: Steps of each chorale, int64 [chorales].

    Returns:
        The explorer.

    Raises:
        ValueError: If the tensors are not a batch of piano rolls.
    """
    check_chorales(rolls, lengths, 1)
    rolls, lengths = rolls[:CHOICES], lengths[:CHOICES]
    longest = min(LONGEST, int(lengths.max()))
    controls = {
        "chorale": Slider("chorale", 1, len(rolls), 1, 1),
        "given": Slider("steps given", 1, longest, 1, min(12, longest)),
        "seed": Slider("seed", 0, 20, 1, 0),
        "sound": Toggle("with a player"),
    }
    picture = partial(continue_chorale_picture, model, guide, rolls, lengths, keys_in_use(rolls))
    return Explorer("continue_chorale", picture, controls, stills=({"sound": True}, {"seed": 1}))


def continued(model: DeepMarkovModel, guide: SequenceGuide, roll: Tensor, seed: int) -> Tensor:
    """Generate `STEPS` steps after a given beginning: z_given ~ q(z | x_1..given), then the model alone.

    Args:
        model: Model of piano rolls.
        guide: Its guide.
        roll: The given steps, [given, 88].
        seed: Seed of the draws.

    Returns:
        The generated steps, [STEPS, 88].
    """
    with drawing(seed, model, guide):
        path = guide(roll[None], torch.tensor([len(roll)])).z  # [1, 1, given, latent]
        return model.sample(1, STEPS, after=path[0, :, -1])[0][0]


def continue_chorale_picture(
    model: DeepMarkovModel,
    guide: SequenceGuide,
    rolls: Tensor,
    lengths: Tensor,
    keys: tuple[int, int],
    *,
    chorale: int,
    given: int,
    seed: int,
    sound: bool,
) -> SoundingPicture:
    """The given steps as filled bars, the generated ones as hollow bars; dots: the chorale's own notes there.

    Args:
        model: Model of piano rolls.
        guide: Its guide.
        rolls: Piano rolls of 0 and 1, [chorales, steps, 88].
        lengths: Steps of each chorale, int64 [chorales].
        keys: Lowest and highest key to show; the range grows if the model uses others.
        chorale: Which chorale, counted from 1.
        given: Steps given; the chorale's length if it is shorter.
        seed: Seed of the draws.
        sound: Whether to add an audio player.

    Returns:
        The picture, with sound if `sound` is set.
    """
    length = int(lengths[chorale - 1])
    given = min(given, length)
    start = rolls[chorale - 1, :given]
    made = continued(model, guide, start, seed)
    written = rolls[chorale - 1, given : min(given + STEPS, length)]
    notes = held_notes(made)
    low, high = min([keys[0], *(key for key, _, _ in notes)]), max([keys[1], *(key for key, _, _ in notes)])
    with workbook_style():
        figure, axes = bare_figure(WIDTH, HEIGHT)
        panel = Panel(axes, BOX, (0, LONGEST + STEPS), (low - 0.5, high + 0.5))
        panel.frame(STEP_NAMES, octaves(low, high), "step", "key")
        draw_notes(panel, start, **GIVEN)
        draw_notes(panel, made, given, **GENERATED)
        steps, keys = written.nonzero(as_tuple=True)
        panel.plot(
            steps.numpy() + given + 0.5, keys.numpy(), marker="o", markersize=4, color=INK, linestyle="", zorder=4
        )
        panel.plot([given, given], [low - 0.5, high + 0.5], color=QUIET, linestyle=(0, (7, 4)), linewidth=1.4, zorder=3)
        _legend(axes)
    both = int((made[: len(written)] * written).sum())
    sung, there = int(made[: len(written)].sum()), int(written.sum())
    span = f"between {key_name(min(notes)[0])} and {key_name(max(notes)[0])}" if notes else "and is silent"
    compared = f"In the {len(written)} of these steps that the chorale has, it sings {sung} keys, the chorale {there}, {both} in common."
    if not len(written):
        compared = "The chorale has no step left to compare it with."
    state = f"Chorale {chorale}, {given} of {length} steps given, seed {seed}."
    alt = (
        f"Piano roll. {state} The given part has {counted(len(held_notes(start)), 'note')}; then the model goes on for {STEPS} steps with "
        f"{counted(len(notes), 'note')} {span}, drawn hollow. {compared}"
    )
    caption = (
        f"{state} The model goes on for {STEPS} steps, {int(made.sum()) / STEPS:.1f} keys a step where the given part has "
        f"{int(start.sum()) / given:.1f}. {compared}"
    )
    heard = sound_of(torch.cat([start, made])) if sound else None
    return SoundingPicture(figure, spoken(alt), caption, heard)


def _legend(axes: Axes) -> None:
    y = HEIGHT - 20
    for left, name, look in ((200, "given", GIVEN), (300, "generated", GENERATED)):
        axes.add_patch(
            Rectangle((left, y - 5), 30, 10, **{key.removesuffix("s"): value for key, value in look.items()})
        )
        axes.text(left + 37, y, name, va="center_baseline", fontsize=12)
    axes.plot([442], [y], marker="o", markersize=4, color=INK, linestyle="")
    axes.text(454, y, "what the chorale has there", va="center_baseline", fontsize=12)

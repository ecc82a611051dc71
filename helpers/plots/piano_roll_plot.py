"""Piano rolls: which keys sound at which steps, and which steps were given and which generated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from torch import Tensor

from helpers.data.music.midi import LOWEST_KEY, check_roll, held_notes
from helpers.plots.picture import Picture
from helpers.plots.style import COLORS, INK, QUIET, new_figure, workbook_style
from helpers.plots.words import plain

NAMES = ("C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B")
_ROW = 8  # CSS pixels a key


def piano_roll(
    rolls: Tensor | Mapping[str, Tensor],
    *,
    given: int | None = None,
    labels: Sequence[str] | None = None,
    width: float = 860,
    alt: str | None = None,
    caption: str | None = None,
) -> Picture:
    """Notes of one or several piano rolls as bars over time: low keys at the bottom, an octave mark at each C.

    Args:
        rolls: A roll [T, 88] of 0 and 1, cut to its length as in `rolls[0, :lengths[0]]`; or name → roll. A key that sounds in
            consecutive steps is one bar.
        given: Number of steps, from the first, that were given; the rest was generated. Given notes are full bars, generated ones
            hatched. None: all bars are full, without a legend.
        labels: One word per step of the first roll, such as a chord's name, written above it; empty for no label. None: no labels.
        width: Width in CSS pixels. The height follows from the range of keys in use, which is the same for all rolls.
        alt: Alt text; None: a text with the number of notes and the range of each roll.
        caption: Words under the figure; None: no caption.

    Returns:
        The figure with its alt text and caption.

    Raises:
        ValueError: If there is no roll, a roll has another shape or other values, `given` is outside 0 to T, or the number of
            labels differs from T.
    """
    named = dict(rolls) if isinstance(rolls, Mapping) else {"": rolls}
    _check(named, given, labels)
    longest = max(len(roll) for roll in named.values())
    low, high = _keys_in_use(named.values())
    with workbook_style():
        figure = new_figure(width, 70 + len(named) * (40 + _ROW * (high - low + 1)))
        panels = figure.subplots(len(named), 1, sharex=True, squeeze=False)[:, 0]
        for axes, (name, roll) in zip(panels, named.items(), strict=True):
            _draw(axes, roll, len(roll) if given is None else given)
            _furnish(axes, name, low, high, longest)
        if given is not None:
            _mark_border(panels[0], given)
        if labels is not None:
            _write_labels(panels[0], labels)
        panels[-1].set_xlabel("step")
    return Picture(figure, alt or _alt(named, given, labels), caption)


def key_name(key: int) -> str:
    """The name of a piano key with its octave: key 39 is C4, the middle C.

    Args:
        key: 0 to 87, from the lowest.

    Returns:
        Pitch and octave, such as "E♭3".
    """
    number = key + LOWEST_KEY
    return f"{NAMES[number % 12]}{number // 12 - 1}"


def octaves(low: int, high: int) -> dict[int, str]:
    """The C keys of a range, with their names.

    Args:
        low: First key, counted from 0 at the lowest of the piano.
        high: Last key, included.

    Returns:
        Key → name.
    """
    return {key: key_name(key) for key in range(low, high + 1) if (key + LOWEST_KEY) % 12 == 0}


def spoken(words: str) -> str:
    """Text with accidentals as words, for alt text.

    Args:
        words: Text with ♯ and ♭.

    Returns:
        The text with "sharp" and "flat".
    """
    return words.replace("♯", " sharp").replace("♭", " flat")


def _check(named: dict[str, Tensor], given: int | None, labels: Sequence[str] | None) -> None:
    if not named:
        raise ValueError("rolls is empty; give a roll [T, 88], or {name: roll}.")
    for roll in named.values():
        check_roll(roll)
    shortest = min(len(roll) for roll in named.values())
    if given is not None and not (type(given) is int and 0 <= given <= shortest):
        raise ValueError(f"Got given={given!r}; expected the number of given steps, an integer from 0 to {shortest}.")
    first = len(next(iter(named.values())))
    if labels is not None and len(labels) != first:
        raise ValueError(
            f"Got {len(labels)} labels; expected one for each of the {first} steps of the first roll; a label may be empty."
        )


def _keys_in_use(rolls: Iterable[Tensor]) -> tuple[int, int]:
    """Lowest and highest key that sounds in any roll, with a margin; around middle C if all are silent."""
    used = torch.cat([(roll.detach().cpu() != 0).any(0).nonzero().flatten() for roll in rolls])
    low, high = (int(used.min()), int(used.max())) if len(used) else (34, 44)
    return low - 1, high + 1


def _draw(axes: Axes, roll: Tensor, given: int) -> None:
    parts = ((roll[:given], 0, _full()), (roll[given:], given, _hatched()))
    for part, offset, look in parts:
        for key, begin, end in held_notes(part):
            axes.barh(key, end - begin, left=begin + offset, height=0.86, zorder=2, **look)


def _full() -> dict:
    return {"facecolor": COLORS[0], "edgecolor": INK, "linewidth": 0.6}


def _hatched() -> dict:
    return {"facecolor": "white", "edgecolor": COLORS[1], "linewidth": 0.8, "hatch": "//////"}


def _furnish(axes: Axes, name: str, low: int, high: int, longest: int) -> None:
    ticks = octaves(low, high)
    axes.set_yticks(list(ticks), list(ticks.values()))
    axes.set(xlim=(0, longest), ylim=(low - 0.6, high + 0.6), ylabel="key")
    axes.grid(False, axis="x")
    if name:
        axes.set_title(name, loc="left")


def _mark_border(axes: Axes, given: int) -> None:
    for panel in axes.figure.axes:
        panel.axvline(given, color=QUIET, linestyle=(0, (7, 4)), linewidth=1.4, zorder=3)
    axes.legend(
        handles=[Patch(label="given", **_full()), Patch(label="generated", **_hatched())],
        loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, borderaxespad=0.2,
    )  # fmt: skip


def _write_labels(axes: Axes, labels: Sequence[str]) -> None:
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 4)
    written = [(step, label) for step, label in enumerate(labels) if label]
    for index, (step, label) in enumerate(written):  # alternate between two rows, so that neighbours do not overlap
        axes.text(step + 0.1, high + (0.5 if index % 2 else 2.3), label, fontsize="small", color=INK)


def _alt(named: dict[str, Tensor], given: int | None, labels: Sequence[str] | None) -> str:
    words = []
    for name, roll in named.items():
        notes = held_notes(roll)
        keys = [key for key, _, _ in notes]
        noun = "note" if len(notes) == 1 else "notes"
        span = f"{len(notes)} {noun} between {key_name(min(keys))} and {key_name(max(keys))}" if notes else "all silent"
        words.append(f"Piano roll{' of ' + plain(name) if name else ''}: {len(roll)} steps, {span}.")
    if given is not None:
        words.append(f"The first {given} steps were given, the rest was generated, drawn hatched.")
    if labels is not None:
        written = [plain(label) for label in labels if label]
        words.append(f"Written above: {' '.join(written)}.")
    return spoken(" ".join(words))

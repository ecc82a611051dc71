"""What explorers of chorales share: notes on a panel, a picture with sound, and draws that leave the random state unchanged."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from matplotlib.collections import PolyCollection
from torch import Tensor, nn

from helpers.data import check_sequences, roll_to_audio
from helpers.data.music.audio import LOUDEST, audio_to_wav
from helpers.data.music.midi import NUM_KEYS, held_notes
from helpers.evaluation.module_mode import evaluation_mode
from helpers.plots import Picture
from helpers.widgets.parts.panel import Panel

SECONDS = 0.35  # a step sounds
RATE = 8_000  # samples a second: enough for a chorale's tones, few enough to follow a slider
FEWEST_KEYS = 25  # a panel shows two octaves at least


@dataclass(frozen=True, repr=False)
class SoundingPicture(Picture):
    """A `Picture` with an audio player under it. The sound is embedded in the page.

    Attributes:
        figure: As in `Picture`.
        alt: As in `Picture`.
        caption: As in `Picture`.
        wav: Bytes of a WAV file, or None for no player.
    """

    wav: bytes | None = None

    def _html(self, png: bytes) -> str:
        page = super()._html(png)
        if self.wav is None:
            return page
        source = "data:audio/wav;base64," + base64.b64encode(self.wav).decode("ascii")
        player = f'<audio controls preload="auto" aria-label="What the picture shows, to hear" src="{source}"></audio>'
        return page.removesuffix("</figure>") + f"<div>{player}</div></figure>"


def sound_of(roll: Tensor) -> bytes:
    """The sound of a piano roll, as `roll_to_audio` makes it, put together from notes that are synthesised once.

    Args:
        roll: Piano roll of 0 and 1, [steps, 88].

    Returns:
        The bytes of a WAV file.
    """
    notes = [(_note(key, end - begin), begin) for key, begin, end in held_notes(roll)]
    tail = len(_silence(1)) - round(SECONDS * RATE)
    samples = torch.zeros(round(len(roll) * SECONDS * RATE) + tail)
    for note, begin in notes:
        first = round(begin * SECONDS * RATE)
        samples[first : first + len(note)] += note
    return audio_to_wav(samples / max(1.0, float(samples.abs().max()) / LOUDEST), RATE)


def keys_in_use(rolls: Tensor) -> tuple[int, int]:
    """Range of keys to show: those in use, two more on each side, and at least `FEWEST_KEYS`.

    Args:
        rolls: Piano rolls, [..., 88].

    Returns:
        Lowest and highest key, both on the piano.
    """
    used = (rolls != 0).flatten(0, -2).any(0).nonzero().flatten()
    low, high = (int(used.min()) - 2, int(used.max()) + 2) if len(used) else (32, 46)
    spare = max(0, FEWEST_KEYS - 1 - (high - low))
    low, high = low - spare // 2, high + (spare + 1) // 2
    if low < 0 or high >= NUM_KEYS:
        low, high = max(0, min(low, NUM_KEYS - FEWEST_KEYS)), min(NUM_KEYS - 1, max(high, FEWEST_KEYS - 1))
    return low, high


def draw_notes(panel: Panel, roll: Tensor, offset: int = 0, **look: Any) -> None:
    """Draw the notes of a piano roll as bars.

    Args:
        panel: Where to draw: x in steps, y in keys.
        roll: Piano roll, [steps, 88].
        offset: Steps by which the bars are moved to the right.
        **look: Keywords of `PolyCollection`.
    """
    notes = held_notes(roll)
    if not notes:
        return
    key, begin, end = np.array(notes, dtype=float).T
    left, right, low, high = panel.x(begin + offset), panel.x(end + offset), panel.y(key - 0.43), panel.y(key + 0.43)
    corners = np.stack([left, low, right, low, right, high, left, high], -1).reshape(-1, 4, 2)
    panel.axes.add_collection(PolyCollection(corners, zorder=2, **look))


def check_chorales(rolls: Tensor, lengths: Tensor, least: int) -> None:
    """Check that sequences are piano rolls.

    Args:
        rolls: Piano rolls, [chorales, steps, 88].
        lengths: Steps of each chorale, int64 [chorales].
        least: Smallest number of chorales.

    Raises:
        ValueError: If there are fewer chorales than `least`, or if the tensors are not a batch of piano rolls.
    """
    check_sequences(rolls, lengths)
    if rolls.shape[2] != NUM_KEYS or len(rolls) < least:
        raise ValueError(
            f"Got {len(rolls)} sequences of {rolls.shape[2]} keys; expected {least} or more, of the {NUM_KEYS} keys of a piano, such as "
            "data.test.rolls and data.test.lengths."
        )


@contextmanager
def drawing(seed: int, *modules: nn.Module) -> Iterator[None]:
    """Context for draws with a seed, without gradients or dropout; it restores the random state and the modules' modes.

    Args:
        seed: Seed of the draws.
        *modules: Modules that are put into evaluation mode.

    Returns:
        A context manager without a value.
    """
    with torch.no_grad(), torch.random.fork_rng(devices=[]), evaluation_mode(*modules):
        torch.manual_seed(seed)
        yield


@lru_cache(maxsize=2_000)
def _note(key: int, steps: int) -> Tensor:
    roll = torch.zeros(steps, NUM_KEYS)
    roll[:, key] = 1.0
    return roll_to_audio(roll, SECONDS, RATE)[0]


@lru_cache(maxsize=1)
def _silence(steps: int) -> Tensor:
    return roll_to_audio(torch.zeros(steps, NUM_KEYS), SECONDS, RATE)[0]

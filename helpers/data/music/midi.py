"""Piano rolls to MIDI files and back."""

from __future__ import annotations

import io
from collections.abc import Iterator
from numbers import Real
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from helpers.data.checks import between, binary_cause, check_integer, describe, is_binary, value_range
from helpers.data.music.midi_tracks import read_tracks

if TYPE_CHECKING:
    import mido

LOWEST_KEY = 21  # MIDI number of the piano's lowest key
NUM_KEYS = 88
TICKS_PER_STEP = 480
MOST_STEPS = 100_000  # a file that claims more is damaged, or no music
_DRUMS = 9  # channel on which numbers name drums, not keys
_VELOCITY = 72


def roll_to_midi(roll: Tensor, steps_per_minute: float = 90.0, program: int = 19) -> bytes:
    """Encode a piano roll as a MIDI file, one step a quarter note. A key that sounds in consecutive steps is held.

    The end of the file marks the end of the roll, so that silent steps at the end survive: `midi_to_roll` gives the same roll back.

    Args:
        roll: Piano roll [T, 88] of 0 and 1, floats or booleans.
        steps_per_minute: Tempo, 4 to 1000.
        program: General MIDI instrument, 0 to 127; 19 is the church organ.

    Returns:
        Contents of the file.

    Raises:
        ValueError: If `roll` is no piano roll, or if tempo or instrument are out of range.
    """
    import mido  # only here: lessons without sound do not need it

    check_roll(roll)
    program = check_integer(program, "program", "a General MIDI instrument, up to 127", minimum=0)
    if program > 127:
        raise ValueError(
            f"Got program={program}; expected an instrument from 0 to 127. Usually counted from 1: 128 is 127."
        )
    if (
        isinstance(steps_per_minute, bool)
        or not isinstance(steps_per_minute, Real)
        or not 4 <= steps_per_minute <= 1000
    ):
        raise ValueError(
            f"Got steps_per_minute={steps_per_minute!r}; expected 4 to 1000, such as 90. Usually steps per second were given."
        )
    track = mido.MidiTrack([
        mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(steps_per_minute)),
        mido.Message("program_change", program=program),
    ])  # fmt: skip
    now = 0
    for step, kind, key in sorted(_events(roll)):
        track.append(mido.Message(kind, note=LOWEST_KEY + key, velocity=_VELOCITY, time=(step - now) * TICKS_PER_STEP))
        now = step
    track.append(mido.MetaMessage("end_of_track", time=(len(roll) - now) * TICKS_PER_STEP))
    buffer = io.BytesIO()
    mido.MidiFile(type=0, ticks_per_beat=TICKS_PER_STEP, tracks=[track]).save(file=buffer)
    return buffer.getvalue()


def midi_to_roll(midi: bytes, steps_per_beat: int = 1) -> Tensor:
    """Decode a MIDI file to a piano roll.

    Notes of all tracks and channels except drums. Beginnings and ends are rounded to whole steps; a note takes at least one step. T reaches
    to the end of the longest track. Steps are parts of a quarter note, so that changes of tempo do not move them. If a
    note begins when the same key ends, the roll shows one long note.

    Args:
        midi: Contents of a MIDI file.
        steps_per_beat: Steps to a quarter note, 1 or more.

    Returns:
        Piano roll float32 [T, 88] of 0 and 1.

    Raises:
        ValueError: If the bytes are no MIDI file or a damaged one, if its time is in seconds (SMPTE) or its tracks are independent pieces
            (type 2), if a note is off the keyboard, or if the file has no step or more than 100,000.
    """
    steps_per_beat = check_integer(
        steps_per_beat, "steps_per_beat", "steps to a quarter note, such as 4 for sixteenth notes"
    )
    ticks_per_beat, tracks = read_tracks(midi)
    ticks_per_step = ticks_per_beat / steps_per_beat
    notes: list[tuple[int, int, int]] = []
    length = 0
    for track in tracks:
        found, end = _notes(track)
        notes += [(key, round(begin / ticks_per_step), max(round(stop / ticks_per_step), round(begin / ticks_per_step) + 1))
                  for key, begin, stop in found]  # fmt: skip
        length = max(length, round(end / ticks_per_step))
    length = max([length, *(stop for _, _, stop in notes)])
    if not 1 <= length <= MOST_STEPS:
        cause = "Usually a file without notes, or a damaged one."
        raise ValueError(f"Got a MIDI file of {length:,} steps; expected 1 to {MOST_STEPS:,}. {cause}")
    roll = torch.zeros(length, NUM_KEYS, dtype=torch.float32)
    for key, begin, stop in notes:
        if not 0 <= key < NUM_KEYS:
            cause = "Usually another instrument's: transpose it, or leave it out."
            raise ValueError(
                f"Got a MIDI file with note {key + LOWEST_KEY}; expected 21 to 108, the keys of a piano. {cause}"
            )
        roll[begin:stop, key] = 1.0
    return roll


def check_roll(roll: Tensor) -> None:
    """Check a piano roll.

    Args:
        roll: Tensor [T, 88], T of 1 or more, floats or booleans, of 0 and 1.

    Raises:
        ValueError: If it is anything else.
    """
    expected = f"expected [T, {NUM_KEYS}], steps by the keys of a piano, of 0 and 1"
    if not isinstance(roll, Tensor):
        raise ValueError(
            f"Got a {type(roll).__name__}; {expected}. Usually a list or an array: torch.as_tensor(...) converts."
        )
    if roll.dim() != 2 or roll.shape[1] != NUM_KEYS or not len(roll):
        cause = "Usually a selection that went wrong."
        if roll.dim() == 3:
            cause = "Usually several rolls: give one, cut to its length, such as rolls[0, :lengths[0]]."
        raise ValueError(f"Got {describe(roll, 'a roll')}; {expected}. {cause}")
    if not is_binary(roll):
        low, high = value_range(roll)
        raise ValueError(
            f"Got a roll with {between(low, high)}, values other than 0 and 1; {expected}. {binary_cause(roll, 'roll')}"
        )


def held_notes(roll: Tensor) -> list[tuple[int, int, int]]:
    """Find the notes of a piano roll. Consecutive steps of a key are one note.

    Args:
        roll: Piano roll [T, 88]; values other than 0 count as 1.

    Returns:
        (key, first step, step after the last) of every note, by key, then time.
    """
    sounding = torch.nn.functional.pad((roll.detach().cpu() != 0).T.to(torch.int8), (1, 1))  # [88, T + 2]
    change = sounding.diff(dim=1)
    begins = (change == 1).nonzero().tolist()
    ends = (change == -1).nonzero().tolist()  # both by key, then time: they match
    return [(key, begin, end) for (key, begin), (_, end) in zip(begins, ends, strict=True)]


def _events(roll: Tensor) -> Iterator[tuple[int, str, int]]:
    for key, begin, end in held_notes(roll):
        yield begin, "note_on", key
        yield end, "note_off", key  # "note_off" sorts before "note_on": a key is released before the next is struck


def _notes(track: list[mido.Message]) -> tuple[list[tuple[int, int, int]], int]:
    """(key from 0, begin, end) in ticks of the notes of a track, and the tick at which it ends. A note never released lasts until then."""
    now = 0
    notes: list[tuple[int, int, int]] = []
    on: dict[tuple[int, int], int] = {}  # (channel, note) -> when it began
    for message in track:
        now += message.time
        if message.type not in ("note_on", "note_off") or message.channel == _DRUMS:
            continue
        note = (message.channel, message.note)
        if note in on:
            notes.append((message.note - LOWEST_KEY, on.pop(note), now))
        if message.type == "note_on" and message.velocity > 0:
            on[note] = now
    return notes + [(number - LOWEST_KEY, begin, now) for (_, number), begin in on.items()], now

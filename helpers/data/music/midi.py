"""Piano rolls to MIDI files and back."""

from __future__ import annotations

import io

import torch
from torch import Tensor

from helpers.data.checks import describe

LOWEST_KEY = 21  # MIDI number of the piano's lowest key
NUM_KEYS = 88
TICKS_PER_STEP = 480
MOST_STEPS = 100_000  # a file that claims more is damaged, or no music
_DRUMS = 9  # on this channel numbers name drums, not keys
_VELOCITY = 72


def roll_to_midi(roll: Tensor, steps_per_minute: float = 90.0, program: int = 19) -> bytes:
    """A MIDI file, as bytes, of a roll [T, 88] of 0 and 1, one step a quarter note. A key that sounds in consecutive steps is held.

    steps_per_minute: tempo, 4 to 1000. program: General MIDI instrument, 0 to 127; 19 is the church organ.
    The file's end marks the roll's end, so that silent steps at the end survive: `midi_to_roll` gives the same roll back.
    Raises ValueError for anything else than a roll.
    """
    import mido  # only here: lessons that make no sound need not wait for it

    check_roll(roll)
    if not 4 <= steps_per_minute <= 1000:
        raise ValueError(f"Got steps_per_minute={steps_per_minute!r}; expected 4 to 1000, such as 90.")
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
    """The roll [T, 88], float32, of a MIDI file given as bytes; `steps_per_beat` steps to a quarter note.

    Notes of all tracks and channels but the drums. Beginnings and ends are rounded to whole steps; a note takes one step at least.
    T reaches to the end of the longest track. A note that begins where the same key ends goes on: the roll does not say.
    Raises ValueError for bytes that are no MIDI file, notes off the keyboard, a file without a step, and more than 100,000 steps.
    """
    import mido

    if type(steps_per_beat) is not int or steps_per_beat < 1:
        raise ValueError(
            f"Got steps_per_beat={steps_per_beat!r}; expected an integer of 1 or more, such as 4 for sixteenth notes."
        )
    try:
        file = mido.MidiFile(file=io.BytesIO(midi))
        ticks_per_step = file.ticks_per_beat / steps_per_beat
        tracks = [list(track) for track in file.tracks]
    except Exception as error:  # mido raises what its reading happens to trip over
        fault = f"{type(error).__name__}: {error}"
        raise ValueError(
            f"These {len(midi):,} bytes are no MIDI file ({fault}); expected the bytes of a .mid file."
        ) from None
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
        raise ValueError(f"The MIDI file has {length:,} steps; expected 1 to {MOST_STEPS:,}. {cause}")
    roll = torch.zeros(length, NUM_KEYS)
    for key, begin, stop in notes:
        if not 0 <= key < NUM_KEYS:
            cause = "Usually another instrument's: transpose it, or leave it out."
            raise ValueError(
                f"The MIDI file has note {key + LOWEST_KEY}; expected 21 to 108, the keys of a piano. {cause}"
            )
        roll[begin:stop, key] = 1.0
    return roll


def check_roll(roll: Tensor) -> None:
    """Raise ValueError unless `roll` is [T, 88], T of 1 or more, floats or booleans, each 0 or 1."""
    expected = f"expected [T, {NUM_KEYS}], steps by the keys of a piano, of 0 and 1"
    if not isinstance(roll, Tensor):
        raise ValueError(f"Got a {type(roll).__name__}; {expected}. torch.as_tensor(...) makes a tensor.")
    if roll.dim() != 2 or roll.shape[1] != NUM_KEYS or not len(roll):
        hint = "Usually a selection that went wrong."
        if roll.dim() == 3:
            hint = "Several rolls? Give one, cut to its length: rolls[0, :lengths[0]]."
        raise ValueError(f"Got {describe(roll, 'a roll')}; {expected}. {hint}")
    if bool(((roll != 0) & (roll != 1)).any()):
        hint = "Usually probabilities: torch.bernoulli(roll) draws a roll."
        raise ValueError(f"The roll holds values other than 0 and 1; {expected}. {hint}")


def held_notes(roll: Tensor) -> list[tuple[int, int, int]]:
    """(key, first step, step after the last) of every note of a roll, by key, then time; consecutive steps are one note."""
    sounding = torch.nn.functional.pad((roll.detach().cpu() != 0).T.to(torch.int8), (1, 1))  # [88, T + 2]
    change = sounding.diff(dim=1)
    begins, ends = (
        (change == 1).nonzero().tolist(),
        (change == -1).nonzero().tolist(),
    )  # both by key, then time: they match
    return [(key, begin, end) for (key, begin), (_, end) in zip(begins, ends, strict=True)]


def _events(roll: Tensor):
    for key, begin, end in held_notes(roll):
        yield begin, "note_on", key
        yield end, "note_off", key  # "note_off" sorts before "note_on": a key is released before the next is struck


def _notes(track) -> tuple[list[tuple[int, int, int]], int]:
    """(key from 0, begin, end) in ticks of the notes of a track, and where it ends. A note never released lasts until there."""
    now, notes, on = 0, [], {}
    for message in track:
        now += message.time
        if message.type not in ("note_on", "note_off") or message.channel == _DRUMS:
            continue
        where = (message.channel, message.note)
        if where in on:
            notes.append((message.note - LOWEST_KEY, on.pop(where), now))
        if message.type == "note_on" and message.velocity > 0:
            on[where] = now
    return notes + [(note - LOWEST_KEY, begin, now) for (_, note), begin in on.items()], now

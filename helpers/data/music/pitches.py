"""Check of lists of pitches: the first that is no key of a piano is named, with the usual cause."""

from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Integral, Real

from helpers.data.music.midi import LOWEST_KEY, NUM_KEYS


def check_pitches(sequences: object) -> None:
    """Check that sequences are lists of lists of lists of MIDI numbers.

    Args:
        sequences: What was given.

    Raises:
        ValueError: If anything in them is of another kind.
    """
    if isinstance(sequences, dict):
        parts = ", ".join(map(repr, sequences))
        raise ValueError(
            f"Got a dict of {parts}; expected a list of sequences. Usually the whole file: give one part of it."
        )
    if not _is_list(sequences):
        raise ValueError(
            f"Got a {type(sequences).__name__}; expected a list of sequences, [[[60, 64], ...], ...]. Usually the name of a file, or its "
            "text: json.loads(...) reads it."
        )
    if not len(sequences) or not all(_is_list(sequence) and len(sequence) for sequence in sequences):
        raise ValueError(
            "Got no sequence, or one without steps; expected one or more sequences of one step or more. Usually one sequence without the "
            "list around it, or an empty file."
        )
    for n, sequence in enumerate(sequences):
        for t, step in enumerate(sequence):
            if not _is_list(step):
                raise ValueError(
                    f"Got {_plain(step)!r} as step {t} of sequence {n}; expected a list of the pitches that sound, empty if none does. "
                    "Usually one voice, [60, 62]: give [[60], [62]]; or one sequence without the list around it."
                )
            for pitch in step:
                if not _is_key(pitch):
                    raise ValueError(
                        f"Got pitch {_plain(pitch)!r} at step {t} of sequence {n}; expected MIDI numbers from 21 to 108, the keys of a "
                        f"piano. {_cause(_plain(pitch))}"
                    )


def _is_list(value: object) -> bool:
    return (
        isinstance(value, Iterable)
        and hasattr(value, "__len__")
        and not isinstance(value, str | bytes | dict)
        and (getattr(value, "ndim", 1) > 0)
    )


def _is_key(pitch: object) -> bool:
    pitch = _plain(pitch)
    return not isinstance(pitch, bool) and isinstance(pitch, Integral) and LOWEST_KEY <= pitch < LOWEST_KEY + NUM_KEYS


def _plain(value: object) -> object:
    """Python's number for NumPy's, or for a tensor's of one element."""
    return value.item() if hasattr(value, "item") and getattr(value, "ndim", 0) == 0 else value


def _cause(pitch: object) -> str:
    rest = "a rest: leave it out, an empty step is silent"
    if isinstance(pitch, bool):
        return "Usually a piano roll: Chorales(rolls, lengths) takes it as it is."
    if isinstance(pitch, str):
        return "Usually names of notes: a pitch is a number, 60 for the C in the middle."
    if pitch is None:
        return f"Usually {rest}."
    if not isinstance(pitch, Real):
        return "Usually a list too deep."
    if math.isnan(pitch) or pitch < 0:
        return f"Usually {rest}."
    if pitch == 0:
        return f"Usually {rest}; or keys counted from 0: add 21."
    if not isinstance(pitch, Integral):
        is_key = float(pitch).is_integer() and LOWEST_KEY <= pitch < LOWEST_KEY + NUM_KEYS
        return "Usually a file that was read as floats: int(pitch)." if is_key else "Usually frequencies in Hz."
    if pitch < LOWEST_KEY:
        return "Usually keys counted from 0: add 21."
    return (
        "Usually another instrument's: transpose it, or leave it out." if pitch < 128 else "Usually frequencies in Hz."
    )

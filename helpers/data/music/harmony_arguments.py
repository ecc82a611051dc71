"""Check of what a model of harmony is made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from numbers import Integral

from helpers.data.music.voicings import CHORDS, MODES


def check_harmony_arguments(
    keys: Sequence[tuple[int, str]],
    chords: Sequence[str],
    ranges: Sequence[tuple[int, int]],
    lengths: Sequence[int],
    ornament: Sequence[float],
    silence: Sequence[float],
) -> None:
    """Check the arguments of `HarmonyModel`, which describes them.

    Args:
        keys: Pairs of tonic and mode.
        chords: Names of chords.
        ranges: Lowest and highest pitch of each voice.
        lengths: Steps that a chorale may have.
        ornament: Probability of an ornament in each voice.
        silence: Probability of a silence in each voice.

    Raises:
        ValueError: If one of them is of another kind or out of range.
    """
    several = {
        "keys": keys,
        "chords": chords,
        "ranges": ranges,
        "lengths": lengths,
        "ornament": ornament,
        "silence": silence,
    }
    for name, given in several.items():
        if not isinstance(given, Iterable) or not hasattr(given, "__len__"):
            raise ValueError(
                f"Got {name}={given!r}; expected a sequence of several. Usually one value: put it in a tuple."
            )
    if (
        not keys
        or len(set(keys)) < len(keys)
        or any(tonic not in range(12) or mode not in MODES for tonic, mode in keys)
    ):
        raise ValueError(
            f"Got keys={keys!r}; expected pairs such as (0, 'major') or (9, 'minor'), tonics from 0 to 11, none twice."
        )
    if not set(chords) <= set(CHORDS[:-1]):
        raise ValueError(f"Got chords={tuple(chords)!r}; expected names out of {', '.join(CHORDS[:-1])}.")
    if len(ranges) != 4 or any(not 24 <= low <= high <= 105 for low, high in ranges):
        raise ValueError(
            f"Got ranges={tuple(ranges)!r}; expected four pairs (lowest, highest) from 24 to 105, soprano first."
        )
    if not len(lengths) or any(
        isinstance(steps, bool) or not isinstance(steps, Integral) or steps < 1 for steps in lengths
    ):
        raise ValueError(f"Got lengths={lengths!r}; expected the steps that a chorale may have, integers of 1 or more.")
    for name, chances in (("ornament", ornament), ("silence", silence)):
        if (
            len(chances) != 4
            or not all(0 <= chance < 1 for chance in chances)
            or (name == "silence" and sum(chances) >= 1)
        ):
            raise ValueError(
                f"Got {name}={tuple(chances)!r}; expected four probabilities, soprano first; silence below 1 in all."
            )

"""Keys, chords, the pitches that four voices may take, and the notes they then sing, with exact probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

SILENT = 0  # a silent voice, in place of a MIDI number
OFF = -1  # code of a step that no state can sing
_BASE = 128  # above every MIDI number, so that four of them make one integer
CHORDS = ("I", "ii", "IV", "V", "V7", "vi", "V7/V", "rest")
REST = CHORDS.index("rest")
# Semitones above the tonic: root, third, fifth (, seventh). The dominants are major in minor too.
_DOMINANTS = {"V": (7, 11, 2), "V7": (7, 11, 2, 5), "V7/V": (2, 6, 9, 0)}
MODES = {
    "major": {"I": (0, 4, 7), "ii": (2, 5, 9), "IV": (5, 9, 0), "vi": (9, 0, 4), **_DOMINANTS},
    "minor": {"I": (0, 3, 7), "ii": (2, 5, 8), "IV": (5, 8, 0), "vi": (8, 0, 3), **_DOMINANTS},
}
SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 11)}
RANGES = ((60, 79), (55, 74), (48, 67), (40, 60))  # soprano, alto, tenor, bass, in MIDI numbers


@dataclass(frozen=True)
class Voicings:
    """All voicings (chord, pitches of the four voices) of each key, padded to the same number M.

    Args:
        pitches: MIDI numbers int64 [K, M, 4] from soprano to bass; zeros for a rest and for padding.
        chord: Indices into CHORDS, int64 [K, M]; -1 for padding.
    """

    pitches: Tensor
    chord: Tensor


def enumerate_voicings(
    keys: list[tuple[int, str]], ranges: tuple[tuple[int, int], ...], chords: tuple[str, ...]
) -> Voicings:
    """List all voicings within the voices' ranges, and the rest.

    The bass takes the root or the third. The other three take the chord's three other tones (of a triad all three: the bass's tone is
    doubled), each once, in close position (next tone below next tone) or open position (the alto dropped an octave to become the tenor).
    Tenor and bass may meet.

    Args:
        keys: (tonic 0 to 11, "major" or "minor") of each key.
        ranges: Lowest and highest MIDI number of each voice, soprano to bass.
        chords: Names of the chords.

    Returns:
        The voicings of each key; the first is the rest.
    """
    found = []
    for tonic, mode in keys:
        of_key: list[tuple[int, tuple[int, ...]]] = [(REST, (SILENT,) * 4)]
        for name in chords:
            of_key += [
                (CHORDS.index(name), places)
                for places in _voicings([(tonic + tone) % 12 for tone in MODES[mode][name]], ranges)
            ]
        found.append(of_key)
    most = max(map(len, found))
    pad: list[tuple[int, tuple[int, ...]]] = [(-1, (SILENT,) * 4)]
    padded = [of_key + pad * (most - len(of_key)) for of_key in found]
    pitches = torch.tensor([[places for _, places in of_key] for of_key in padded])
    return Voicings(pitches, torch.tensor([[chord for chord, _ in of_key] for of_key in padded]))


def _voicings(tones: list[int], ranges: tuple[tuple[int, int], ...]) -> list[tuple[int, ...]]:
    found = set()
    for bass in range(ranges[3][0], ranges[3][1] + 1):
        if bass % 12 not in tones[:2]:
            continue
        upper = tones if len(tones) == 3 else [tone for tone in tones if tone != bass % 12]
        for soprano in range(ranges[0][0], ranges[0][1] + 1):
            if soprano % 12 not in upper:
                continue
            second, third = sorted((soprano - tone) % 12 for tone in upper)[1:]  # semitones below the soprano
            for places in (
                (soprano, soprano - second, soprano - third, bass),
                (soprano, soprano - third, soprano - second - 12, bass),
            ):
                inside = all(low <= place <= high for place, (low, high) in zip(places, ranges, strict=True))
                if inside and places[2] >= bass:
                    found.add(places)
    return sorted(found)


def neighbours(pitch: int, tonic: int, mode: str) -> tuple[int, int]:
    """The next notes of the scale above and below a pitch.

    Args:
        pitch: MIDI number.
        tonic: Pitch class of the tonic, 0 to 11.
        mode: "major" or "minor".

    Returns:
        MIDI numbers of the note above and of the note below.
    """
    scale = {(tonic + tone) % 12 for tone in SCALES[mode]}
    above = next(note for note in range(pitch + 1, pitch + 4) if note % 12 in scale)
    below = next(note for note in range(pitch - 1, pitch - 4, -1) if note % 12 in scale)
    return above, below


def outcomes(
    voicings: Voicings, keys: list[tuple[int, str]], ornament: tuple[float, ...], silence: tuple[float, ...]
) -> tuple[Tensor, Tensor]:
    """List everything that each voicing may sound like, with probabilities.

    Each voice sings its own note or, independently, with probability `ornament` of that voice, a neighbour in the scale, above or below
    with equal probability. With probability `silence` of that voice, it is the one voice that is silent. Voices may meet, so that several
    outcomes may make the same keys sound.

    Args:
        voicings: All voicings of each key, [K, M].
        keys: (tonic 0 to 11, "major" or "minor") of each key.
        ornament: Probability of a neighbouring note, per voice, soprano to bass.
        silence: Probability of being the one silent voice, per voice, soprano to bass.

    Returns:
        Notes int64 [K, M, V, 4], MIDI numbers from soprano to bass, 0 for silence; and probabilities float64 [K, M, V], zero for padding.
    """
    table = torch.zeros(len(keys), _BASE, 3, dtype=torch.int64)  # [key, pitch] -> itself, above, below
    for index, (tonic, mode) in enumerate(keys):
        for pitch in range(12, _BASE - 12):
            table[index, pitch] = torch.tensor([pitch, *neighbours(pitch, tonic, mode)])
    turned = [range(3) if probability else range(1) for probability in ornament]
    moves, odds = [], []
    for quiet in (None, *(voice for voice in range(4) if silence[voice])):
        chance = 1 - sum(silence) if quiet is None else silence[quiet]
        for move in product(*(range(1) if voice == quiet else turned[voice] for voice in range(4))):
            sung = [ornament[v] / 2 if move[v] else 1 - ornament[v] for v in range(4) if v != quiet]
            moves.append([3 if voice == quiet else move[voice] for voice in range(4)])
            odds.append(chance * float(torch.tensor(sung, dtype=torch.float64).prod()))
    table = torch.cat([table, torch.zeros_like(table[..., :1])], -1)  # move 3: silence
    key = torch.arange(len(keys))[:, None, None, None]
    notes = table[key, voicings.pitches[:, :, None, :], torch.tensor(moves)]
    probabilities = torch.tensor(odds, dtype=torch.float64).expand(notes.shape[:3]).clone()
    probabilities[voicings.chord < 0] = 0.0
    return notes, probabilities


def code_of_notes(notes: Tensor) -> Tensor:
    """One integer for each set of up to four MIDI numbers. Order and repetitions do not matter.

    Args:
        notes: MIDI numbers int64 [..., 4], 0 for no note.

    Returns:
        Codes int64 [...].
    """
    ordered = notes.sort(-1, descending=True).values
    repeated = torch.zeros_like(ordered, dtype=torch.bool)
    repeated[..., 1:] = ordered[..., 1:] == ordered[..., :-1]
    ordered = ordered.masked_fill(repeated, SILENT).sort(-1, descending=True).values
    return (ordered * _BASE ** torch.arange(3, -1, -1, device=notes.device)).sum(-1)


def code_of_rolls(rolls: Tensor, lowest: int) -> Tensor:
    """The code of each step of piano rolls, as `code_of_notes` gives it.

    Args:
        rolls: Piano rolls [..., D] of 0 and 1.
        lowest: MIDI number of key 0.

    Returns:
        Codes int64 [...]; OFF for more than four notes.
    """
    numbers = torch.arange(lowest, lowest + rolls.shape[-1], device=rolls.device)
    codes = code_of_notes(((rolls != 0) * numbers).topk(4, -1).values)
    return codes.masked_fill((rolls != 0).sum(-1) > 4, OFF)

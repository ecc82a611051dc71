"""Transition probabilities: chords within a phrase, chords towards its cadence, keys between phrases."""

from __future__ import annotations

import torch
from torch import Tensor

from helpers.data.music.voicings import CHORDS, REST

# Rows: from; columns: to, in the order of CHORDS without the rest.
_FREE = (
    (0.25, 0.12, 0.20, 0.17, 0.06, 0.14, 0.06),  # I goes anywhere
    (0.03, 0.15, 0.04, 0.42, 0.26, 0.05, 0.05),  # ii prepares V
    (0.20, 0.15, 0.15, 0.28, 0.12, 0.03, 0.07),  # IV goes home or prepares V
    (0.45, 0.01, 0.05, 0.20, 0.12, 0.16, 0.01),  # V resolves, or deceives (vi)
    (0.62, 0.00, 0.03, 0.02, 0.15, 0.18, 0.00),  # V7 resolves more strongly
    (0.08, 0.25, 0.28, 0.12, 0.04, 0.13, 0.10),  # vi goes to what prepares V
    (0.02, 0.02, 0.00, 0.62, 0.24, 0.02, 0.08),  # V7/V is V's own dominant
)
# Steps left in the phrase, this one included -> factors of the chords' probabilities.
_TOWARDS_CADENCE = {
    3: (1.0, 4.0, 3.0, 0.5, 0.3, 1.0, 2.0),  # prepare
    2: (0.3, 0.3, 0.3, 5.0, 6.0, 0.2, 0.5),  # dominant
    1: (10.0, 0.1, 0.1, 2.5, 0.05, 1.2, 0.0),  # goal: I, now and then V (half cadence) or vi (deceptive cadence)
}
_OPENING = (0.48, 0.06, 0.11, 0.13, 0.03, 0.15, 0.04)
BREATH = 0.03  # probability that a phrase begins with a silent step

_STAY = 0.55
# (semitones up, whether the mode stays) -> probability, from a major key; the rest of 1 is _STAY
_FROM_MAJOR = {(9, False): 0.15, (7, True): 0.16, (5, True): 0.09, (0, False): 0.05}
_FROM_MINOR = {(3, False): 0.22, (7, True): 0.10, (5, True): 0.08, (0, False): 0.05}


def chord_tables(chords: tuple[str, ...], longest: int) -> tuple[Tensor, Tensor]:
    """Probabilities of the first chord of a phrase and of the next ones, over CHORDS, of which only some occur.

    After a rest the phrase opens. All rows of chords that occur sum to 1; other rows are zero.

    Args:
        chords: Names of the chords that occur, beside the rest.
        longest: Steps of the longest phrase.

    Returns:
        `opening` float64 [C], and `moves` float64 [longest, C, C]: `moves[r - 1, c, c']` is the probability of chord c' after chord c, with
        r steps left in the phrase, c' included.

    Raises:
        ValueError: If no chord can follow one that occurs.
    """
    occurs = torch.tensor([name in chords for name in CHORDS], dtype=torch.float64)
    opening = torch.cat([torch.tensor(_OPENING, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)]) * occurs
    opening = opening / opening.sum()
    moves = torch.zeros(longest, len(CHORDS), len(CHORDS), dtype=torch.float64)
    for left in range(1, longest + 1):
        moves[left - 1, :-1, :-1] = torch.tensor(_FREE, dtype=torch.float64)
        moves[left - 1, REST] = opening
        moves[left - 1, :, :-1] *= torch.tensor(
            _TOWARDS_CADENCE.get(left, (1.0,) * (len(CHORDS) - 1)), dtype=torch.float64
        )
    moves = moves * occurs
    totals = moves.sum(-1, keepdim=True)
    stuck = ((totals[..., 0] == 0) & ((occurs > 0) | (torch.arange(len(CHORDS)) == REST))).any(0)
    if stuck.any():
        names = [name for name, is_stuck in zip(CHORDS, stuck.tolist(), strict=True) if is_stuck]
        raise ValueError(
            f"Got chords={chords!r}; expected 'I' and 'V' among them. Usually a choice in which no chord can follow {', '.join(names)}."
        )
    opening[REST] = BREATH
    opening[:REST] *= 1 - BREATH
    return opening, moves / totals.clamp_min(1e-300)  # rows of chords that do not occur stay zero


def key_moves(keys: list[tuple[int, str]]) -> Tensor:
    """Probabilities of the next phrase's key: mostly the same, else a near one (dominant, relative, ...).

    Args:
        keys: (tonic 0 to 11, "major" or "minor") of each key that occurs.

    Returns:
        Probabilities float64 [K, K], from row to column; rows sum to 1.
    """
    moves = torch.zeros(len(keys), len(keys), dtype=torch.float64)
    for row, (tonic, mode) in enumerate(keys):
        near = _FROM_MAJOR if mode == "major" else _FROM_MINOR
        for column, (other_tonic, other_mode) in enumerate(keys):
            if row == column:
                moves[row, column] = _STAY
            else:
                moves[row, column] = near.get(((other_tonic - tonic) % 12, mode == other_mode), 0.0)
    return moves / moves.sum(-1, keepdim=True)

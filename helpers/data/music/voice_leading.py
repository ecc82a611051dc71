"""Probabilities of voicings: where voices enter, and how little they move."""

from __future__ import annotations

from itertools import combinations

import torch
from torch import Tensor

from helpers.data.music.voicings import CHORDS, REST, Voicings

CENTRE, SPREAD = 70.0, 4.0  # mean and standard deviation of the soprano, in MIDI numbers
REACH = 2.5  # semitones of movement, summed over voices, that reduce the probability by a factor of e
WEIGHTS = (1.0, 1.0, 1.0, 0.5)  # the bass may leap
PARALLEL = 2.0  # cost in nats of two voices that move in parallel fifths or octaves


def entering(voicings: Voicings) -> Tensor:
    """p(pitches | chord) for voices that enter anew: soprano near CENTRE.

    Args:
        voicings: All voicings of each key, [K, M].

    Returns:
        Probabilities float64 [K, M], which sum to 1 over the voicings of each chord.
    """
    return _normalised(_register(voicings), voicings)


def leading(voicings: Voicings, entry: Tensor) -> Tensor:
    """p(pitches' | pitches, chord'): voices move little.

    Proportional to exp(-movement / REACH - PARALLEL * parallels), times the register of `entering`; after a rest, `entry`.

    Args:
        voicings: All voicings of each key, [K, M].
        entry: What `entering` returned, [K, M].

    Returns:
        Probabilities float64 [K, M, M], from the second dimension to the third, which sum to 1 over the voicings of each chord'.
    """
    pitches = voicings.pitches.double()
    move = pitches[:, None, :, :] - pitches[:, :, None, :]  # [K, M, M', 4]
    cost = (move.abs() * torch.tensor(WEIGHTS, dtype=torch.float64)).sum(-1) / REACH
    moves = move != 0
    for upper, lower in combinations(range(4), 2):
        interval = (voicings.pitches[..., upper] - voicings.pitches[..., lower]) % 12  # [K, M]
        perfect = (interval == 0) | (interval == 7)
        same = interval[:, :, None] == interval[:, None, :]
        cost += PARALLEL * (same & perfect[:, :, None] & moves[..., upper] & moves[..., lower])
    rows = _normalised(_register(voicings)[:, None, :] - cost, voicings)
    after_rest = (voicings.chord == REST)[:, :, None]
    return torch.where(after_rest, entry[:, None, :], rows)


def _register(voicings: Voicings) -> Tensor:
    return -0.5 * ((voicings.pitches[..., 0] - CENTRE) / SPREAD).double() ** 2


def _normalised(logits: Tensor, voicings: Voicings) -> Tensor:
    """exp(logits) [K, ..., M], normalised over the voicings of each chord; zero for padding."""
    chord = voicings.chord.view(len(voicings.chord), *[1] * (logits.dim() - 2), -1)
    result = torch.zeros_like(logits)
    for index in range(len(CHORDS)):
        member = (chord == index).expand_as(logits)
        # softmax over the members only; NaN in keys without any, which torch.where leaves out
        weights = torch.softmax(logits.masked_fill(~member, -torch.inf), -1)
        result = torch.where(member, weights, result)
    return result

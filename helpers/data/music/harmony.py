"""A hidden Markov model of four-part harmony: it samples chorales and computes their likelihood exactly."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from helpers.data.checks import check_integer, describe
from helpers.data.music.harmony_arguments import check_harmony_arguments
from helpers.data.music.midi import LOWEST_KEY, NUM_KEYS
from helpers.data.music.phrases import Phrases
from helpers.data.music.progressions import chord_tables, key_moves
from helpers.data.music.voice_leading import entering, leading
from helpers.data.music.voicings import (
    CHORDS,
    RANGES,
    code_of_notes,
    code_of_rolls,
    enumerate_voicings,
    outcomes,
)
from helpers.data.sequences import check_sequences

ALL_KEYS = tuple((tonic, mode) for tonic in range(12) for mode in ("major", "minor"))
_CHUNK = 500  # sequences scored at a time


class HarmonySample(NamedTuple):
    """Chorales and the hidden path that made them.

    Attributes:
        rolls: Piano rolls float32 [N, T, 88] of 0 and 1, zero beyond the end.
        lengths: Steps of each, int64 [N].
        key: Indices into the model's `keys`, int64 [N, T], -1 beyond the end.
        chord: Indices into CHORDS, int64 [N, T], -1 beyond the end.
        left: Steps left in the phrase, this one included, int64 [N, T], -1 beyond the end.
    """

    rolls: Tensor
    lengths: Tensor
    key: Tensor
    chord: Tensor
    left: Tensor


class HarmonyModel:
    """p(x_{1:T} | T) = sum over paths of prod_t p(s_t | s_{t-1}) p(x_t | s_t); s_t = (key, chord, pitches, steps left in the phrase).

    A chorale is a sequence of phrases that fills its T steps exactly. A phrase keeps its key, opens, follows the usual progressions, and
    ends in a cadence; then the key may change. The four voices enter anew with each phrase and move little within it. A voice may sing a
    neighbouring note instead of its own, one voice may be silent, and voices may meet: the roll shows only which keys sound. A phrase may
    begin with a silent step.

    Args:
        keys: (tonic 0 to 11, "major" or "minor") of each key, all 24 by default.
        chords: Names out of CHORDS, without the rest.
        ranges: Lowest and highest MIDI number of each voice, soprano to bass.
        lengths: Values of T, drawn with equal probability.
        phrase_lengths: Steps of a phrase → probability; phrases must be able to fill each of `lengths`. None: {6: 0.25, 8: 0.55, 10: 0.2}.
        ornament: Probability of a neighbouring note, per voice, soprano to bass.
        silence: Probability of being the one silent voice, per voice, soprano to bass.

    Raises:
        ValueError: If an argument is wrong, or if the arguments leave no chorale.
    """

    def __init__(
        self,
        keys: Sequence[tuple[int, str]] = ALL_KEYS,
        chords: Sequence[str] = CHORDS[:-1],
        ranges: Sequence[tuple[int, int]] = RANGES,
        lengths: Sequence[int] = range(24, 97, 2),
        phrase_lengths: Mapping[int, float] | None = None,
        ornament: Sequence[float] = (0.12, 0.12, 0.12, 0.0),
        silence: Sequence[float] = (0.01, 0.03, 0.04, 0.02),
    ) -> None:
        check_harmony_arguments(keys, chords, ranges, lengths, ornament, silence)
        self.keys, self.lengths = list(keys), tuple(lengths)
        self.phrases = Phrases({6: 0.25, 8: 0.55, 10: 0.2} if phrase_lengths is None else phrase_lengths)
        self.phrases.check(torch.tensor(self.lengths))
        self.opening, self.moves = chord_tables(tuple(chords), self.phrases.longest)  # [C], [L, C, C]
        self.key_moves = key_moves(self.keys)  # [K, K]
        self.voicings = enumerate_voicings(self.keys, tuple(ranges), tuple(chords))  # [K, M]
        for name in chords:
            if not (self.voicings.chord == CHORDS.index(name)).any(1).all():
                raise ValueError(
                    f"Got ranges={tuple(ranges)}; expected wider ranges, because chord {name} has no voicing within them in some key."
                )
        self.entry = entering(self.voicings)  # [K, M]
        self.leading = leading(self.voicings, self.entry)  # [K, M, M]
        self.notes, self.odds = outcomes(
            self.voicings, self.keys, tuple(ornament), tuple(silence)
        )  # [K, M, V, 4], [K, M, V]
        self.codes, self.first, self.state, self.emission = self._emissions()

    def sample(self, num: int, seed: int = 0) -> HarmonySample:
        """Sample chorales, T included. The global random state is not touched.

        Args:
            num: Number of chorales, N.
            seed: Seed of the samples.

        Returns:
            The chorales and their hidden paths.

        Raises:
            ValueError: If num is no integer of 1 or more, or seed none of 0 or more.
        """
        num = check_integer(num, "num", "the number of chorales")
        seed = check_integer(seed, "seed", "a seed", minimum=0)
        generator = torch.Generator().manual_seed(seed)

        def draw(weights: Tensor) -> Tensor:  # [N, options] -> [N], by inversion
            cumulative = weights.cumsum(-1)
            u = torch.rand(len(weights), 1, dtype=torch.float64, generator=generator) * cumulative[:, -1:]
            return torch.searchsorted(cumulative, u, right=True).squeeze(1)

        even = torch.ones(num, max(len(self.lengths), len(self.keys)), dtype=torch.float64)
        lengths = torch.tensor(self.lengths)[draw(even[:, : len(self.lengths)])]
        longest = int(lengths.max())
        fill = self.phrases.fill(longest)
        hidden = torch.full((3, num, longest), -1)
        sung = torch.zeros(num, longest, 4, dtype=torch.int64)
        key, left = draw(even[:, : len(self.keys)]), torch.zeros(num, dtype=torch.int64)
        chord = place = None
        for step in range(longest):
            inside = lengths > step
            begins = left == 0
            if step:
                key = torch.where(begins & inside, draw(self.key_moves[key]), key)
            weights = self.phrases.weights((lengths - step).clamp_min(0), fill)
            weights[~inside] = 1.0  # any positive weights: samples beyond the end are not kept
            left = torch.where(begins, 1 + draw(weights), left)
            row = self.opening.expand(num, -1)
            weights = self.entry[key]
            if step:
                row = torch.where(begins[:, None], row, self.moves[left - 1, chord])
                weights = torch.where(begins[:, None], weights, self.leading[key, place])
            chord = draw(row)
            place = draw(weights * (self.voicings.chord[key] == chord[:, None]))
            sung[:, step] = self.notes[key, place, draw(self.odds[key, place])] * inside[:, None]
            hidden[:, :, step] = torch.where(inside, torch.stack([key, chord, left]), -1)
            left = left - 1
        rolls = torch.zeros(num, longest, NUM_KEYS + 1, dtype=torch.float32)  # the last column takes the silence
        rolls.scatter_(2, torch.where(sung > 0, sung - LOWEST_KEY, NUM_KEYS), 1.0)
        return HarmonySample(rolls[..., :NUM_KEYS].contiguous(), lengths, *hidden)

    def log_marginal(self, rolls: Tensor, lengths: Tensor) -> Tensor:
        """log p(x_{1:T} | T) by the forward algorithm. Exact: all hidden paths are summed, and all ways in which voices make a step.

        T is given, as in models of sequences such as a deep Markov model, with whose likelihood it is compared: the probability of the
        length, 1 / len(self.lengths), is left out.

        Args:
            rolls: Piano rolls [N, T, 88] of 0 and 1, zero beyond the end.
            lengths: Steps of each, int64 [N]. Phrases must be able to fill each.

        Returns:
            Log-probabilities float64 [N], in nats per sequence; minus infinity if the model never makes such a roll.

        Raises:
            ValueError: If rolls or lengths are anything else.
        """
        check_sequences(rolls, lengths)
        if rolls.shape[2] != NUM_KEYS:
            raise ValueError(
                f"Got {describe(rolls, 'rolls')}; expected [N, T, {NUM_KEYS}], the keys of a piano. Usually all 128."
            )
        fill = self.phrases.check(lengths)
        order = lengths.cpu().argsort(descending=True, stable=True)  # so that those that go on come first
        values = [self._forward(rolls.cpu()[chosen], lengths.cpu()[chosen], fill) for chosen in order.split(_CHUNK)]
        return torch.empty(len(rolls), dtype=torch.float64).index_copy_(0, order, torch.cat(values)).to(rolls.device)

    def entropy_floor(self, rolls: Tensor, lengths: Tensor) -> tuple[float, float]:
        """Mean exact negative log-likelihood per step: sum_n -log p(x_n | T_n) / sum_n T_n.

        No model of x given T has a lower expected negative log-likelihood per step (Gibbs' inequality) on samples of this one.

        Args:
            rolls: Piano rolls [N, T, 88] of 0 and 1, zero beyond the end.
            lengths: Steps of each, int64 [N].

        Returns:
            The mean and its standard error over sequences (of a ratio of means; NaN for one sequence), in nats per step.

        Raises:
            ValueError: If `log_marginal` refuses rolls or lengths.
        """
        losses, steps = -self.log_marginal(rolls, lengths).cpu(), lengths.cpu().double()
        floor = losses.sum() / steps.sum()
        return float(floor), float((losses - floor * steps).std() * len(losses) ** 0.5 / steps.sum())

    def _forward(self, rolls: Tensor, lengths: Tensor, fill: Tensor) -> Tensor:
        """The forward algorithm over the states that can make each step, for `lengths` in descending order."""
        entries = self._entries(rolls)
        num, num_keys = len(rolls), len(self.keys)
        total = torch.zeros(num, dtype=torch.float64)
        ended = torch.full(
            (num, num_keys), 1 / num_keys, dtype=torch.float64
        )  # mass of phrases that end at the previous step, by key
        before = None
        for step in range(int(lengths[0])):
            live = int((lengths > step).sum())
            group, place, emission = entries(step, live)  # [E] each; group = sequence * keys + key
            key = group % num_keys
            chord = self.voicings.chord[key, place]
            begins = ended.flatten()[group] * self.opening[chord] * self.entry[key, place]
            alpha = begins[:, None] * self.phrases.probability  # [E, L], at l - 1: l steps left
            if before is not None:
                old, new = _pairs(before[0], group, num * num_keys)
                old_chord = self.voicings.chord[key[new], before[1][old]]
                weight = self.leading[key[new], before[1][old], place[new]]
                goes_on = before[2][old, 1:] * self.moves[:-1, old_chord, chord[new]].T * weight[:, None]  # [P, L - 1]
                alpha[:, :-1].index_add_(0, new, goes_on)
            alpha *= emission[:, None]
            sequence = group // num_keys
            mass = torch.zeros(num, dtype=torch.float64).index_add_(0, sequence, alpha.sum(1))
            total[:live] += mass[:live].log()
            alpha = alpha / mass.where(mass > 0, torch.ones_like(mass))[sequence, None]
            at_end = (
                torch.zeros(num * num_keys, dtype=torch.float64).index_add_(0, group, alpha[:, 0]).view(num, num_keys)
            )
            last = lengths == step + 1
            total[last] += at_end[last].sum(1).log() - fill[step + 1].log()
            ended = at_end @ self.key_moves
            before = (group, place, alpha)
        return total

    def _entries(self, rolls: Tensor) -> Callable[[int, int], tuple[Tensor, Tensor, Tensor]]:
        """A function (step, sequences) -> group, place, emission of all states that can make that step, sorted by group."""
        codes = code_of_rolls(rolls, LOWEST_KEY).T.contiguous()  # [T, N]
        row = torch.searchsorted(self.codes, codes).clamp_max(len(self.codes) - 1)
        count = torch.where(self.codes[row] == codes, self.first[row + 1] - self.first[row], 0)
        num_keys, num_places = self.voicings.chord.shape

        def at(step: int, live: int) -> tuple[Tensor, Tensor, Tensor]:
            counts = count[step, :live]
            sequence = torch.repeat_interleave(counts)
            within = torch.arange(len(sequence)) - (counts.cumsum(0) - counts)[sequence]
            index = self.first[row[step, :live]][sequence] + within
            state = self.state[index]
            return sequence * num_keys + state // num_places, state % num_places, self.emission[index]

        return at

    def _emissions(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """p(x | s) by x: the codes [U] of all sets of keys, sorted, and the states that can make each of them.

        Those of codes[u] are state[first[u] : first[u + 1]], each key * M + place, and emission holds their p(x | s).
        """
        states = self.voicings.chord.numel()
        codes, odds = code_of_notes(self.notes).view(states, -1), self.odds.view(states, -1)
        pairs = (codes * states + torch.arange(states)[:, None])[odds > 0]
        pairs, which = pairs.unique(return_inverse=True)  # sorted by code, then by state
        emission = torch.zeros(len(pairs), dtype=torch.float64).index_add_(0, which, odds[odds > 0])
        codes, counts = (pairs // states).unique_consecutive(return_counts=True)
        return codes, torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)]), pairs % states, emission


def _pairs(old: Tensor, new: Tensor, num_groups: int) -> tuple[Tensor, Tensor]:
    """Indices (into old, into new) of all pairs of one group, where `old` and `new` hold sorted group numbers."""
    size = torch.bincount(old, minlength=num_groups)
    begin = size.cumsum(0) - size
    counts = size[new]
    which = torch.repeat_interleave(counts)
    return begin[new][which] + torch.arange(len(which)) - (counts.cumsum(0) - counts)[which], which

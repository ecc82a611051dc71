"""A hidden Markov model of four-part harmony, which draws chorales and knows their likelihood exactly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from helpers.data.checks import describe
from helpers.data.music.midi import LOWEST_KEY, NUM_KEYS
from helpers.data.music.phrases import Phrases
from helpers.data.music.progressions import chord_tables, key_moves
from helpers.data.music.voice_leading import entering, leading
from helpers.data.music.voicings import (
    CHORDS,
    MODES,
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
    """rolls float32 [N, T, 88] and lengths int64 [N]; and the hidden path, int64 [N, T], -1 beyond the end.

    key: index into the model's `keys`. chord: index into CHORDS. left: steps left in the phrase, this one included.
    """

    rolls: Tensor
    lengths: Tensor
    key: Tensor
    chord: Tensor
    left: Tensor


class HarmonyModel:
    """p(x_{1:T} | T) = sum over paths of prod_t p(s_t | s_{t-1}) p(x_t | s_t); s_t = (key, chord, voices' places, steps left in phrase).

    A chorale is a row of phrases that fills its T steps exactly. A phrase keeps its key, opens, goes where chords usually go, and ends in a
    cadence; then the key may change. The four voices enter anew with each phrase and move little within it. A voice may sing a
    neighbouring note instead of its own, one voice may be silent, voices may meet: the roll only shows which keys sound. A phrase may begin
    with a silent step.

    keys: (tonic 0 to 11, "major" or "minor") each. chords: names out of CHORDS.
    ranges: lowest and highest MIDI number, from soprano to bass.
    lengths: T is drawn evenly from these. phrase_lengths: steps -> probability; they must be able to fill every one of `lengths`.
    ornament, silence: probabilities, from soprano to bass, of a neighbouring note, and of being the one silent voice.

    Raises ValueError for arguments that leave no chorale.
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
        _check_arguments(keys, chords, ranges, lengths, ornament, silence)
        self.keys, self.lengths = list(keys), tuple(lengths)
        self.phrases = Phrases({6: 0.25, 8: 0.55, 10: 0.2} if phrase_lengths is None else phrase_lengths)
        self.phrases.check(torch.tensor(self.lengths))
        self.opening, self.moves = chord_tables(tuple(chords), self.phrases.longest)  # [C], [L, C, C]
        self.key_moves = key_moves(self.keys)  # [K, K]
        self.voicings = enumerate_voicings(self.keys, tuple(ranges), tuple(chords))  # [K, M]
        for name in chords:
            if not (self.voicings.chord == CHORDS.index(name)).any(1).all():
                raise ValueError(
                    f"Chord {name} has no place within ranges={tuple(ranges)} in some key; expected wider ranges."
                )
        self.entry = entering(self.voicings)  # [K, M]
        self.leading = leading(self.voicings, self.entry)  # [K, M, M]
        self.notes, self.odds = outcomes(
            self.voicings, self.keys, tuple(ornament), tuple(silence)
        )  # [K, M, V, 4], [K, M, V]
        self.codes, self.first, self.state, self.emission = self._emissions()

    def sample(self, num: int, seed: int = 0) -> HarmonySample:
        """Draw `num` chorales, T included, from a generator of their own: the global random state stays as it is."""
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
            weights[~inside] = 1.0  # beyond the end anything will do, for nothing of it is kept
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
        rolls = torch.zeros(num, longest, NUM_KEYS + 1)  # the last column takes the silence
        rolls.scatter_(2, torch.where(sung > 0, sung - LOWEST_KEY, NUM_KEYS), 1.0)
        return HarmonySample(rolls[..., :NUM_KEYS].contiguous(), lengths, *hidden)

    def log_marginal(self, rolls: Tensor, lengths: Tensor) -> Tensor:
        """log p(x_{1:T} | T) by the forward algorithm, float64 [N], in nats a sequence; minus infinity for what the model never sings.

        It is given T, for so are models of sequences such as a deep Markov model, whose likelihood it is compared with: the length's own
        probability, 1 / len(self.lengths), is left out. Exact: all hidden paths are summed, and all ways in which voices make what sounds.

        rolls: [N, T, 88] of 0 and 1, zero beyond the end. lengths: int64 [N]; phrases must be able to fill each.
        Raises ValueError for anything else.
        """
        check_sequences(rolls, lengths)
        if rolls.shape[2] != NUM_KEYS:
            raise ValueError(f"Got {describe(rolls, 'rolls')}; expected [N, T, {NUM_KEYS}], the keys of a piano.")
        fill = self.phrases.check(lengths)
        order = lengths.cpu().argsort(descending=True, stable=True)  # so that those that go on are the first ones
        values = [self._forward(rolls.cpu()[chosen], lengths.cpu()[chosen], fill) for chosen in order.split(_CHUNK)]
        return torch.empty(len(rolls), dtype=torch.float64).index_copy_(0, order, torch.cat(values)).to(rolls.device)

    def entropy_floor(self, rolls: Tensor, lengths: Tensor) -> tuple[float, float]:
        """Minus the mean exact log-likelihood a step, sum_n -log p(x_n | T_n) / sum_n T_n, in nats, and its standard error over sequences.

        No model of x given T has a lower expected negative log-likelihood a step (Gibbs' inequality) on sequences that this one drew.
        The standard error is that of a ratio of means; NaN for one sequence.
        """
        losses, steps = -self.log_marginal(rolls, lengths).cpu(), lengths.cpu().double()
        floor = losses.sum() / steps.sum()
        return float(floor), float((losses - floor * steps).std() * len(losses) ** 0.5 / steps.sum())

    def _forward(self, rolls: Tensor, lengths: Tensor, fill: Tensor) -> Tensor:
        """The forward algorithm over the few states that can sing what is heard, for `lengths` in descending order."""
        entries = self._entries(rolls)
        num, num_keys = len(rolls), len(self.keys)
        total = torch.zeros(num, dtype=torch.float64)
        ended = torch.full((num, num_keys), 1 / num_keys, dtype=torch.float64)  # where the phrase before ended, by key
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

    def _entries(self, rolls: Tensor):
        """A function (step, sequences) -> group, place, emission of all states that can sing that step, sorted by group."""
        codes = code_of_rolls(rolls, LOWEST_KEY).T.contiguous()  # [T, N]
        row = torch.searchsorted(self.codes, codes).clamp_max(len(self.codes) - 1)
        count = torch.where(self.codes[row] == codes, self.first[row + 1] - self.first[row], 0)
        num_keys, num_places = self.voicings.chord.shape

        def at(step: int, live: int) -> tuple[Tensor, Tensor, Tensor]:
            counts = count[step, :live]
            sequence = torch.repeat_interleave(counts)
            within = torch.arange(len(sequence)) - (counts.cumsum(0) - counts)[sequence]
            where = self.first[row[step, :live]][sequence] + within
            return (
                sequence * num_keys + self.state[where] // num_places,
                self.state[where] % num_places,
                self.emission[where],
            )

        return at

    def _emissions(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """p(x | s) by x: the codes [U] of all sets of keys, sorted, and for each of them the states that can sing it.

        Those of codes[u] are state[first[u] : first[u + 1]], each key * M + place, with p(x | s) beside them.
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


def _check_arguments(keys, chords, ranges, lengths, ornament, silence) -> None:
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
    if not len(lengths) or any(type(steps) is not int or steps < 1 for steps in lengths):
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

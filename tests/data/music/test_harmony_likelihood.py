"""The likelihood of the model of harmony against brute force, against one, and against its own samples."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch

from helpers.data.music.harmony import HarmonyModel
from helpers.data.music.midi import LOWEST_KEY
from helpers.data.music.voicings import SCALES

ORNAMENT, SILENCE = (0.3, 0.2, 0.1, 0.25), (0.1, 0.05, 0.2, 0.15)
KEYS = [(0, "major"), (9, "minor")]


def small(lengths: tuple[int, ...], phrases: dict[int, float], ornament=ORNAMENT, silence=SILENCE) -> HarmonyModel:
    """Two keys, two chords, and voices that have few places, so that all paths can be told one by one."""
    return HarmonyModel(KEYS, ("I", "V"), ((64, 72), (59, 69), (55, 65), (43, 60)), lengths, phrases, ornament, silence)


def sung(pitches: tuple[int, ...], tonic: int, mode: str) -> dict[frozenset[int], float]:
    """Set of MIDI numbers -> probability, voice by voice."""
    if not any(pitches):
        return {frozenset(): 1.0}
    scale = {(tonic + tone) % 12 for tone in SCALES[mode]}
    chances: dict[frozenset[int], float] = {}
    quiet = {None: 1 - sum(SILENCE), **dict(enumerate(SILENCE))}
    for silent, move in product(quiet, product((0, 1, -1), repeat=4)):
        notes, chance = set(), quiet[silent] * 1.0
        for voice, (pitch, way) in enumerate(zip(pitches, move, strict=True)):
            chance *= 1 - ORNAMENT[voice] if way == 0 else ORNAMENT[voice] / 2
            while way and (pitch := pitch + way) % 12 not in scale:
                pass
            if voice != silent:
                notes.add(pitch)
        chances[frozenset(notes)] = chances.get(frozenset(notes), 0.0) + chance
    return chances


def splits(steps: int, q: dict[int, float]):
    """(lengths of phrases, product of their probabilities) of every way to fill `steps`."""
    if steps == 0:
        yield (), 1.0
    for length in q:
        if length <= steps:
            for others, chance in splits(steps - length, q):
                yield (length, *others), q[length] * chance


def by_brute_force(model: HarmonyModel, heard: list[frozenset[int]], q: dict[int, float]) -> float:
    """p(x | T), path by path: every row of phrases, every key of every phrase, every place of the voices at every step."""
    places = [
        [
            (place, chord, sung(tuple(pitches), *KEYS[key]))
            for place, (pitches, chord) in enumerate(zip(*both, strict=True))
            if chord >= 0
        ]
        for key, both in enumerate(zip(model.voicings.pitches.tolist(), model.voicings.chord.tolist(), strict=True))
    ]
    total = normaliser = 0.0
    for phrases, chance in splits(len(heard), q):
        normaliser += chance
        left = [length - step for length in phrases for step in range(length)]
        begins = [step == 0 for length in phrases for step in range(length)]
        of_phrase = torch.tensor(begins).cumsum(0) - 1
        for keys in product(range(len(KEYS)), repeat=len(phrases)):
            row = (
                chance
                / len(KEYS)
                * math.prod(float(model.key_moves[a, b]) for a, b in zip(keys, keys[1:], strict=False))
            )
            able = [[state for state in places[keys[of_phrase[t]]] if heard[t] in state[2]] for t in range(len(heard))]
            for path in product(*able):
                weight = row
                for t, (place, chord, songs) in enumerate(path):
                    key = keys[of_phrase[t]]
                    if begins[t]:
                        weight *= float(model.opening[chord] * model.entry[key, place])
                    else:
                        before, chord_before, _ = path[t - 1]
                        weight *= float(
                            model.moves[left[t] - 1, chord_before, chord] * model.leading[key, before, place]
                        )
                    weight *= songs[heard[t]]
                total += weight
    return total / normaliser


def heard_in(roll: torch.Tensor) -> list[frozenset[int]]:
    return [frozenset((step.nonzero().flatten() + LOWEST_KEY).tolist()) for step in roll]


def quiet() -> HarmonyModel:
    """So few things to sing that all rolls of two steps can be told."""
    return small((2,), {1: 0.4, 2: 0.6}, ornament=(0.3, 0.0, 0.0, 0.0), silence=(0.0, 0.1, 0.0, 0.0))


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_the_forward_algorithm_is_the_sum_over_all_paths(steps):
    q = {1: 0.2, 2: 0.5, 3: 0.3}
    model = small((steps,), q)
    rolls, lengths, *_ = model.sample(6, seed=steps)
    found = model.log_marginal(rolls, lengths)
    expected = [math.log(by_brute_force(model, heard_in(roll), q)) for roll in rolls]
    assert found.dtype == torch.float64
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-10)


def test_brute_force_on_what_is_unlikely_and_ambiguous():
    """Silence, three voices, voices that meet: rolls where many paths and many ways to sing one set have to be summed."""
    q = {2: 0.6, 3: 0.4}
    model = small((5,), q)
    rolls, lengths, *_ = model.sample(3000, seed=1)
    notes = rolls.sum(-1)
    # without a rest, so that the paths are many: three notes or fewer at every step
    few = rolls[((notes <= 3) & (notes > 0)).all(1)][:2]
    silent = rolls[(notes == 0).any(1)][:3]
    chosen = torch.cat([few, silent])
    assert len(chosen) == 5
    expected = [math.log(by_brute_force(model, heard_in(roll), q)) for roll in chosen]
    torch.testing.assert_close(
        model.log_marginal(chosen, lengths[:5]), torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-10
    )


def test_the_probabilities_of_all_rolls_sum_to_one():
    model = quiet()
    sets = {frozenset(notes.tolist()) - {0} for notes in model.notes[model.odds > 0]}
    assert len(sets) > 20
    steps = torch.zeros(len(sets), 88)
    for row, notes in enumerate(sets):
        steps[row, [note - LOWEST_KEY for note in notes]] = 1.0
    pairs = torch.cartesian_prod(torch.arange(len(sets)), torch.arange(len(sets)))
    total = 0.0
    for part in pairs.split(20_000):
        total += float(model.log_marginal(steps[part], torch.full((len(part),), 2)).exp().sum())
    assert total == pytest.approx(1, abs=1e-10)


def test_samples_come_with_the_frequencies_that_the_likelihood_says():
    """On the whole model: E_p[q / p] = 1 for another model q, within five standard errors, over samples of p."""
    lengths = (12, 14, 16)
    model = HarmonyModel(lengths=lengths)
    changed = {
        "ornament": (0.1, 0.14, 0.13, 0.0),
        "silence": (0.012, 0.025, 0.045, 0.02),
        "phrase_lengths": {6: 0.3, 8: 0.5, 10: 0.2},
    }
    other = HarmonyModel(lengths=lengths, **changed)
    rolls, steps, *_ = model.sample(4000, seed=5)
    ratio = (other.log_marginal(rolls, steps) - model.log_marginal(rolls, steps)).exp()
    assert ratio.std() > 0.2
    assert abs(ratio.mean() - 1) < 5 * ratio.std() / len(ratio) ** 0.5
    # Gibbs: on samples of p, no q has a lower mean negative log-likelihood
    gain = ratio.log()
    assert gain.mean() < -3 * gain.std() / len(gain) ** 0.5


def test_single_rolls_come_as_often_as_they_should():
    model = quiet()
    rolls, lengths, *_ = model.sample(20_000, seed=2)
    kinds, counts = rolls.flatten(1).unique(dim=0, return_counts=True)
    p = model.log_marginal(kinds.view(-1, 2, 88), lengths[: len(kinds)]).exp()
    z = ((counts - 20_000 * p) / (20_000 * p * (1 - p)).sqrt())[20_000 * p > 60]
    assert len(z) > 20
    assert z.abs().max() < 5

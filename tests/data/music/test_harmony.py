"""The model of harmony: its floor, its tables, what it draws, and what it refuses."""

from __future__ import annotations

import math

import pytest
import torch

from helpers.data.music.harmony import HarmonyModel
from helpers.data.music.voicings import CHORDS, RANGES, REST


def test_entropy_floor_is_a_mean_a_step_with_the_standard_error_of_a_ratio():
    model = HarmonyModel()
    floors = []
    for seed in range(20):
        rolls, lengths, *_ = model.sample(60, seed=seed)
        floors.append(model.entropy_floor(rolls, lengths))
    values, errors = torch.tensor(floors, dtype=torch.float64).T
    assert errors.mean() == pytest.approx(float(values.std()), rel=0.8)  # 20 values: their spread is known to 16 %
    one = model.log_marginal(rolls, lengths)
    assert values[-1] == pytest.approx(float(-one.sum() / lengths.sum()))
    assert 4.5 < values.mean() < 5.3, "the figure that the lesson quotes has moved"


def test_padding_order_and_batch_do_not_matter():
    model = HarmonyModel()
    rolls, lengths, *_ = model.sample(12, seed=3)
    all_at_once = model.log_marginal(rolls, lengths)
    one_by_one = torch.cat(
        [model.log_marginal(roll[None, :length], length[None]) for roll, length in zip(rolls, lengths, strict=True)]
    )
    torch.testing.assert_close(all_at_once, one_by_one, rtol=0, atol=1e-10)
    assert all_at_once.isfinite().all()


def test_the_seed_decides_and_the_global_random_state_is_left_alone():
    model = HarmonyModel()
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first, again, other = model.sample(5, seed=1), model.sample(5, seed=1), model.sample(5, seed=2)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert first.rolls.shape != other.rolls.shape or not torch.equal(first.rolls, other.rolls)


def test_tables_are_probabilities():
    model = HarmonyModel()
    real = model.voicings.chord >= 0
    member = model.voicings.chord[:, :, None] == torch.arange(len(CHORDS))  # [K, M, C]
    for name, totals in {
        "opening": model.opening.sum(),
        "moves": model.moves.sum(-1),
        "key moves": model.key_moves.sum(-1),
        "entry": torch.einsum("kj,kjc->kc", model.entry, member.double()),
        "leading": torch.einsum("kij,kjc->kic", model.leading, member.double())[real],
        "what is sung": model.odds.sum(-1)[real],
    }.items():
        torch.testing.assert_close(totals, torch.ones_like(totals), rtol=0, atol=1e-12, msg=name)
    assert not model.odds[~real].any()


def test_it_is_harmony():
    model = HarmonyModel()
    rolls, lengths, key, chord, left = model.sample(300, seed=9)
    inside = torch.arange(rolls.shape[1]) < lengths[:, None]
    assert ((chord >= 0) == inside).all() and ((left >= 1) == inside).all() and ((key >= 0) == inside).all()
    goals = chord[left == 1]
    assert (goals == CHORDS.index("I")).float().mean() > 0.6, "phrases end at home"
    assert torch.isin(chord[left == 2], torch.tensor([CHORDS.index("V"), CHORDS.index("V7")])).float().mean() > 0.6
    assert (left.gather(1, lengths[:, None] - 1) == 1).all(), "a chorale ends with a phrase"
    changed = key[:, 1:] != key[:, :-1]
    assert not (changed & inside[:, 1:] & (left[:, :-1] != 1)).any(), "the key changes only between phrases"
    # the soprano, the highest key that sounds, moves little
    top = torch.where(rolls.any(-1), 88 - rolls.flip(-1).argmax(-1), -1)
    sounding = (top > 0) & inside
    together = sounding[:, 1:] & sounding[:, :-1] & (left[:, :-1] > 1)
    assert (top[:, 1:] - top[:, :-1])[together].abs().double().mean() < 2.5
    silent = (rolls.sum(-1) == 0) & inside
    assert torch.equal(silent, chord == REST) and 0 < silent.sum() < 0.01 * inside.sum()
    assert rolls.sum(-1).max() == 4 and (rolls.sum(-1)[inside] == 4).float().mean() > 0.7


def test_keys_change_as_their_table_says():
    model = HarmonyModel(keys=[(0, "major"), (9, "minor"), (7, "major")])
    _, _, key, _, left = model.sample(400, seed=4)
    border = (left[:, :-1] == 1) & (key[:, 1:] >= 0)
    count = torch.bincount(3 * key[:, :-1][border] + key[:, 1:][border], minlength=9).view(3, 3)
    total, p = count.sum(1, keepdim=True), model.key_moves
    z = ((count - total * p) / (total * p * (1 - p)).sqrt())[p > 0]
    assert total.min() > 300 and z.abs().max() < 5
    assert (count[p == 0] == 0).all()


def test_voicings_hold_the_chord_in_range_and_in_order():
    model = HarmonyModel()
    for pitches, chord in zip(
        model.voicings.pitches.view(-1, 4).tolist(), model.voicings.chord.flatten().tolist(), strict=True
    ):
        if chord in (-1, REST):
            assert pitches == [0] * 4
            continue
        assert len({pitch % 12 for pitch in pitches}) == (4 if "7" in CHORDS[chord] else 3)
        assert pitches[0] > pitches[1] > pitches[2] >= pitches[3]
        assert all(low <= pitch <= high for pitch, (low, high) in zip(pitches, RANGES, strict=True))


def test_what_the_model_never_sings_has_likelihood_zero():
    model = HarmonyModel()
    rolls, lengths, *_ = model.sample(4, seed=0)
    assert lengths.min() > 12
    five, low, cluster = rolls[:1].clone(), rolls[1:2].clone(), rolls[2:3].clone()
    full = int((five[0].sum(-1) == 4).nonzero()[0])
    five[0, full, 0] = 1.0  # a fifth note below four that may well sound
    low[0, 3] = torch.nn.functional.one_hot(torch.tensor(0), 88)
    cluster[0, 3] = 0.0
    cluster[0, 3, 50:54] = 1.0
    for roll, length in zip((five, low, cluster), lengths.split(1), strict=False):
        assert model.log_marginal(roll, length).tolist() == [-math.inf]
    both = model.log_marginal(torch.cat([five, rolls[3:]]), lengths[[0, 3]])
    assert both[0] == -math.inf and both[1].isfinite(), "one impossible sequence spoils no other"


def test_bad_arguments_are_one_clear_sentence():
    model = HarmonyModel()
    rolls, lengths, *_ = model.sample(2, seed=0)
    with pytest.raises(ValueError, match="sequence of 23 steps.*phrases of 6, 8, 10 steps"):
        model.log_marginal(rolls[:, :23], torch.tensor([23, 23]))
    with pytest.raises(ValueError, match="the keys of a piano"):
        model.log_marginal(rolls[..., :60], lengths)
    for given, words in (
        ({"keys": [(12, "major")]}, "tonics from 0 to 11"),
        ({"keys": [(0, "dorian")]}, "'major'"),
        ({"chords": ("I", "VII")}, "names out of I, ii"),
        ({"chords": ("V7/V",)}, "'I' and 'V'"),
        ({"ranges": ((60, 79),) * 3}, "four pairs"),
        ({"ranges": ((60, 61), (55, 56), (48, 49), (40, 41))}, "wider ranges"),
        ({"lengths": ()}, "integers of 1 or more"),
        ({"lengths": (7,)}, "sequence of 7 steps"),
        ({"phrase_lengths": {0: 1.0}}, "steps of 1 or more"),
        ({"ornament": (0.1, 0.1)}, "four probabilities"),
        ({"silence": (0.3, 0.3, 0.3, 0.3)}, "below 1 in all"),
    ):
        with pytest.raises(ValueError, match=words) as error:
            HarmonyModel(**given)
        assert "\n" not in str(error.value)

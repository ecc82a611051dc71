"""Batches of sequences: every sequence once an epoch, cut to the longest of its batch, and nothing wrong let through."""

from __future__ import annotations

import pytest
import torch

from helpers.data import SequenceBatch, SequenceBatches

LENGTHS = torch.tensor([3, 7, 1, 5, 2])  # unsorted; nobody reaches the 8 steps of the rolls


def sequences() -> tuple[torch.Tensor, torch.Tensor]:
    """Sequence n has key n on from its first step to its last, key 9 on in the first step only."""
    rolls = torch.zeros(5, 8, 10)
    for n, length in enumerate(LENGTHS):
        rolls[n, :length, n] = 1.0
        rolls[n, 0, 9] = 1.0
    return rolls, LENGTHS.clone()


def test_every_sequence_comes_once_an_epoch_whole_and_with_its_own_length():
    rolls, lengths = sequences()
    batches = SequenceBatches(rolls, lengths, batch_size=2)
    assert (len(batches), batches.num_items, batches.num_steps) == (3, 5, 18)
    torch.manual_seed(0)
    for _ in range(3):
        seen = []
        for batch in batches:
            assert isinstance(batch, SequenceBatch)
            assert batch.rolls.shape[1] == batch.lengths.max(), "cut to the longest of the batch"
            for roll, length in zip(*batch, strict=True):
                n = int(roll[0, :9].argmax())
                assert length == LENGTHS[n] and roll[:, n].sum() == length and roll.sum() == length + 1
                seen.append(n)
        assert sorted(seen) == [0, 1, 2, 3, 4]


def test_one_seed_gives_one_order_and_another_epoch_another():
    rolls, lengths = (tensor.repeat(8, *[1] * (tensor.dim() - 1)) for tensor in sequences())
    batches = SequenceBatches(rolls, lengths, batch_size=40)
    orders = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        orders.append([next(iter(batches)).lengths.tolist() for _ in range(2)])
    assert orders[0] == orders[1] != orders[2]
    assert orders[0][0] != orders[0][1]


def test_without_shuffling_they_come_in_order():
    rolls, lengths = sequences()
    batches = list(SequenceBatches(rolls, lengths, batch_size=2, shuffle=False))
    assert [batch.lengths.tolist() for batch in batches] == [[3, 7], [1, 5], [2]]
    assert torch.equal(batches[0].rolls, rolls[:2, :7])


def test_what_is_unusual_but_right_passes():
    rolls, lengths = sequences()
    (alone,) = SequenceBatches(rolls[2:3], lengths[2:3])  # one sequence, of one step
    assert alone.rolls.shape == (1, 1, 10)
    silent = SequenceBatches(torch.zeros(4, 6, 88), torch.tensor([6, 1, 2, 3]))
    assert sum(batch.rolls.sum() for batch in silent) == 0
    (real,) = SequenceBatches(torch.randn(2, 4, 3), torch.tensor([4, 4]), binary=False)
    assert real.rolls.shape == (2, 4, 3)
    (double,) = SequenceBatches(rolls.double(), lengths)
    assert double.rolls.dtype == torch.float64


def altered(what: str) -> tuple:
    rolls, lengths = sequences()
    if what == "length 0":
        lengths[1], rolls[1] = 0, 0.0
    elif what == "negative length":
        lengths[1] = -2
    elif what == "longer than the rolls":
        lengths[1] = 9
    elif what == "another number of lengths":
        lengths = lengths[:4]
    elif what == "float lengths":
        lengths = lengths.float()
    elif what == "a list of lengths":
        lengths = lengths.tolist()
    elif what == "sounds beyond the end":
        lengths[1] = 5
    elif what == "shuffled lengths":
        lengths = lengths.flip(0)
    elif what == "probabilities":
        rolls *= 0.5
    elif what == "velocities":
        rolls *= 64
    elif what == "minus one":
        rolls[0, 0, 0] = -1
    elif what == "NaN":
        rolls[0, 0, 0] = torch.nan
    elif what == "infinite":
        rolls[0, 0, 0] = torch.inf
    elif what == "whole numbers":
        rolls = rolls.long()
    elif what == "one roll without its batch":
        rolls = rolls[0]
    elif what == "nothing":
        rolls, lengths = rolls[:0], lengths[:0]
    return rolls, lengths


@pytest.mark.parametrize(("what", "words"), [
    ("length 0", "Got length 0 for sequence 1; expected 1 step or more"),
    ("negative length", "Got length -2 for sequence 1"),
    ("longer than the rolls", "Got length 9 for sequence 1; expected at most 8"),
    ("another number of lengths", r"lengths of shape \[4\].*expected int64 \[5\]"),
    ("float lengths", "dtype float32.*expected int64"),
    ("a list of lengths", "lengths as list; expected a tensor"),
    ("sounds beyond the end", "other than zero at step 5 .*of sequence 1, which ends after 5 steps; expected zeros"),
    ("shuffled lengths", "other than zero at step 2 .*of sequence 0, which ends after 2 steps"),
    ("probabilities", "from 0 to 0.5, not only 0 and 1.*bernoulli"),
    ("velocities", "from 0 to 64, not only 0 and 1.*velocities"),
    ("minus one", "from -1 to 1, not only 0 and 1"),
    ("NaN", "from nan to nan; expected finite"),
    ("infinite", "from 0 to inf; expected finite"),
    ("whole numbers", r"dtype int64; expected floats.*\.float\(\)"),
    ("one roll without its batch", r"shape \[8, 10\].*unsqueeze\(0\)"),
    ("nothing", "selection that matched nothing"),
])  # fmt: skip
def test_what_is_wrong_is_refused_before_training_starts(what, words):
    with pytest.raises(ValueError, match=words) as error:
        SequenceBatches(*altered(what))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("batch_size", [0, 2.5, True])
def test_batch_sizes_that_are_none(batch_size):
    with pytest.raises(ValueError, match="integer of 1 or more"):
        SequenceBatches(*sequences(), batch_size=batch_size)

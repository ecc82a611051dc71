"""The choice of labels is balanced, seeded, nested, and refuses what cannot be right."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from helpers.data import split_labelled

LABELS = torch.arange(600) * 7 % 10


@given(num_labelled=st.integers(10, 600), seed=st.integers(0, 1000))
def test_every_item_is_on_one_side_and_classes_differ_by_one_at_most(num_labelled, seed):
    labelled, unlabelled = split_labelled(LABELS, num_labelled, seed)
    assert len(labelled) == num_labelled
    assert torch.equal(torch.cat([labelled, unlabelled]).sort().values, torch.arange(600))
    counts = LABELS[labelled].bincount(minlength=10)
    assert counts.max() - counts.min() <= 1


def test_the_seed_fixes_the_choice_and_leaves_the_global_state_alone():
    state = torch.get_rng_state()
    first, again, other = (split_labelled(LABELS, 100, seed)[0] for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert set(first.tolist()) != set(other.tolist())
    assert torch.equal(torch.get_rng_state(), state)


def test_more_labels_with_the_same_seed_keep_those_of_fewer():
    few, many = (set(split_labelled(LABELS, number, seed=3)[0].tolist()) for number in (100, 300))
    assert few < many


def test_the_chosen_are_not_in_order_of_their_class():
    classes = LABELS[split_labelled(LABELS, 100, seed=0)[0]]
    assert len(set(classes[:10].tolist())) > 3


@pytest.mark.parametrize(
    ("labels", "number", "message"),
    [
        (LABELS.float(), 100, r"dtype float32; expected int64 \[N\]"),
        (torch.eye(10).long()[LABELS], 100, r"shape \[600, 10\].*argmax"),
        (LABELS[:0], 100, r"shape \[0\]"),
        (LABELS - 1, 100, "labels from -1 to 8; expected classes from 0"),
        (torch.cat([LABELS, torch.tensor([255])]), 100, "no item of class 10 among labels from 0 to 255"),
        (LABELS + 1, 100, "no item of class 0.*count from 1"),
        (LABELS, 9, "num_labelled=9; expected an integer from 10"),
        (LABELS, 601, "num_labelled=601"),
        (LABELS, 0.1, "share such as 0.1"),
        (
            LABELS[LABELS.ne(3) | (torch.arange(600) < 50)],
            100,
            "10 items of class 3; there are 5, so expected no more than 50",
        ),
    ],
)
def test_what_cannot_be_right_is_refused(labels, number, message):
    with pytest.raises(ValueError, match=message):
        split_labelled(labels, number, seed=0)


def test_labels_outside_the_known_classes_are_refused():
    with pytest.raises(ValueError, match="labels from 0 to 9; expected classes from 0 to 4"):
        split_labelled(LABELS, 100, seed=0, num_classes=5)

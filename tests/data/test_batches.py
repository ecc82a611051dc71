"""Batches cover every item once an epoch, follow the seed, and refuse data as stored on disk."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from helpers.data import Batches, binarise_by_threshold, binarise_dynamically

IMAGES = torch.linspace(0, 1, 10 * 16).view(10, 1, 4, 4)


@given(
    num_items=st.integers(1, 40),
    batch_size=st.integers(1, 45),
    shuffle=st.booleans(),
    rest=st.sampled_from([False, True]),
)
def test_an_epoch_covers_every_item_once(num_items, batch_size, shuffle, rest):
    if rest and batch_size > num_items:
        return
    items = torch.arange(num_items)
    batches = Batches(items, items.float() * 2, batch_size=batch_size, shuffle=shuffle, drop_last=rest)
    for _ in range(2):
        epoch = list(batches)
        sizes = [len(first) for first, _ in epoch]
        seen = torch.cat([first for first, _ in epoch])
        assert len(batches) == len(epoch) > 0
        assert set(sizes[:-1]) <= {batch_size}
        assert all(torch.equal(second, first * 2.0) for first, second in epoch), "items lost their partners"
        if rest:
            assert sizes[-1] == batch_size and len(seen) == num_items // batch_size * batch_size
            assert len(set(seen.tolist())) == len(seen)
        else:
            assert torch.equal(seen.sort().values, items)
            assert sizes[-1] == num_items - batch_size * (len(batches) - 1)
        if not shuffle:
            assert torch.equal(seen, items[: len(seen)])


def test_one_tensor_gives_tensors_and_several_give_tuples():
    batches = Batches(IMAGES, batch_size=4)
    assert (batches.num_items, batches.batch_size, len(batches)) == (10, 4, 3)
    assert [tuple(x.shape) for x in batches] == [(4, 1, 4, 4), (4, 1, 4, 4), (2, 1, 4, 4)]
    x, y = next(iter(Batches(IMAGES, torch.arange(10), batch_size=1)))
    assert x.shape == (1, 1, 4, 4) and torch.equal(x[0], IMAGES[y.item()])


def test_epochs_differ_and_the_global_seed_reproduces_them():
    batches = Batches(torch.arange(100), batch_size=7)

    def two_epochs(seed):
        torch.manual_seed(seed)
        return [torch.cat(list(batches)).tolist() for _ in range(2)]

    first, again, other = two_epochs(0), two_epochs(0), two_epochs(1)
    assert first == again
    assert first[0] != first[1] and first[0] != other[0] and first[0] != sorted(first[0])


def test_without_shuffling_the_random_state_stays():
    state = torch.get_rng_state()
    list(Batches(IMAGES, batch_size=3, shuffle=False))
    assert torch.equal(torch.get_rng_state(), state)


def test_the_transform_changes_the_first_tensor_of_the_batch_only():
    grey, labels = IMAGES.clone(), torch.arange(10)
    batches = Batches(grey, labels, batch_size=10, shuffle=False, transform=binarise_by_threshold)
    ((x, y),) = batches
    assert torch.equal(x, (IMAGES > 0.5).float()) and torch.equal(y, labels)
    assert torch.equal(grey, IMAGES), "the data itself was binarised"


def test_dynamic_binarisation_draws_afresh_with_the_grey_level_as_probability():
    torch.manual_seed(0)
    num_draws = 4000
    draws = binarise_dynamically(IMAGES.expand(num_draws, -1, -1, -1, -1))
    assert set(draws.unique().tolist()) == {0.0, 1.0} and draws.dtype == torch.float32
    assert torch.equal(draws[:, IMAGES == 0].unique(), torch.tensor([0.0]))
    assert torch.equal(draws[:, IMAGES == 1].unique(), torch.tensor([1.0]))
    standard_error = (IMAGES * (1 - IMAGES) / num_draws).sqrt()
    assert ((draws.mean(0) - IMAGES).abs() <= 6 * standard_error).all()
    assert not torch.equal(binarise_dynamically(IMAGES), binarise_dynamically(IMAGES))


def test_the_threshold_itself_becomes_black():
    assert binarise_by_threshold(torch.tensor([0.2, 0.3, 0.4]), threshold=0.3).tolist() == [0.0, 0.0, 1.0]


def with_one(value: float) -> torch.Tensor:
    images = IMAGES.clone()
    images[7, 0, 2, 1] = value
    return images


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ((), "Got no tensor"),
        ((IMAGES[:0],), r"shape \[0, 1, 4, 4\].*N of 1 or more.*matched nothing"),
        ((torch.tensor(1.0),), r"shape \[\]"),
        ((IMAGES, torch.arange(9)), r"\[10, 1, 4, 4\].*\[9\].*one length.*another split"),
        ((IMAGES, torch.arange(10).to("meta")), "on one device"),
        (([IMAGES],), "Got a list.*data.train.images"),
        ((with_one(math.nan),), "nan.*finite"),
        ((with_one(math.inf),), "inf.*finite"),
        (((IMAGES * 255).byte(),), "uint8.*divide by 255 and convert to float32"),
        (((IMAGES * 255).long(),), "int64.*divide by 255"),
        (((IMAGES * 255).byte().flatten(1),), "uint8.*divide by 255"),
        (((IMAGES * 255).round(),), r"from 0 to 255; expected \[0, 1\].*divide by 255"),
        ((torch.rand(10, 28, 28, 3),), r"channels come last.*permute\(0, 3, 1, 2\)"),
    ],
)
def test_what_cannot_be_right_is_refused(tensors, message):
    with pytest.raises(ValueError, match=message):
        Batches(*tensors, batch_size=4)


@pytest.mark.parametrize("batch_size", [0, -1, 2.0, True, None])
def test_the_batch_size_must_be_a_count(batch_size):
    with pytest.raises(ValueError, match="batch_size=.*an integer of 1 or more"):
        Batches(IMAGES, batch_size=batch_size)


def test_no_batch_left_is_an_error():
    with pytest.raises(ValueError, match="10 items in batches of 11 with drop_last=True"):
        Batches(IMAGES, batch_size=11, drop_last=True)


@pytest.mark.parametrize(
    "tensor",
    [torch.randn(10, 2), torch.randn(10, 1, 28, 28) * 3, torch.randint(0, 9, (10, 6)), torch.rand(10, 129, 88) > 0.5],
    ids=["points", "standardised images", "tokens", "piano rolls"],
)
def test_other_data_passes(tensor):
    assert len(list(Batches(tensor, batch_size=4))) == 3


@pytest.mark.parametrize("binarise", [binarise_dynamically, binarise_by_threshold])
@pytest.mark.parametrize(
    ("images", "message"),
    [
        (IMAGES * 255, "from 0 to 255 to binarise.*divide by 255"),
        ((IMAGES * 255).byte(), "uint8.*to binarise.*divide by 255"),
        (IMAGES - 0.5, "from -0.5 to 0.5"),
        (with_one(math.nan), "NaN pixels"),
        (IMAGES[:0], "at least one image"),
    ],
)
def test_only_grey_levels_can_be_binarised(binarise, images, message):
    with pytest.raises(ValueError, match=message):
        binarise(images)

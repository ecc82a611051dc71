"""One relation between wrong and right values is named if it holds on every case, and none otherwise."""

from __future__ import annotations

import math

import pytest
import torch

from helpers.exercises.engine.relations import differing_digits, how_they_differ

GENERATOR = torch.Generator().manual_seed(4)
SIZES = [{"batch": 4, "latent": 3}, {"batch": 2, "latent": 5}]
WANTED = [torch.rand(size["batch"], size["latent"], generator=GENERATOR, dtype=torch.float64) + 0.5 for size in SIZES]
SQUARE = [torch.rand(n, n, generator=GENERATOR, dtype=torch.float64) + 0.5 for n in (3, 4)]


def relation(change, wanted=WANTED, sizes=SIZES):
    found = how_they_differ([(change(want), want) for want in wanted], sizes)
    return found and found.words


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: -t, "the right one with the wrong sign"),
        (lambda t: 2 * math.pi * t, "2π times too large"),
        (lambda t: t / math.sqrt(2), "too small by the factor √2"),
        (lambda t: -t / 2, "half of the expected value and has the wrong sign"),
        (
            lambda t: t / t.shape[0],
            "too small by the size of `batch`: is a mean over `batch` used where a sum is needed?",
        ),
        (lambda t: t + 0.25, "too large by 0.25: is a constant missing or added?"),
        (lambda t: t - t.shape[1], "too small by 1 for each of `latent`: is a constant missing or added?"),
        (lambda t: t.sqrt(), "the square root of the right one: a square is missing"),
        (lambda t: 1 / t, "one over the right one"),
        (lambda t: 1 - t, "one minus the right one"),
        (lambda t: t.flip(0), "the right one in reversed order along dimension -2"),
        (
            lambda t: t.sum(1, keepdim=True).expand_as(t),
            "the right one summed over dimension -1, and repeated along it",
        ),
        (lambda t: t + t.cos(), None),
        (lambda t: t * (2 if len(t) == 4 else 3), None),  # another factor on each case
        (lambda t: t * torch.nan, None),
    ],
)
def test_a_relation_is_named(change, words):
    assert relation(change) == words


def test_a_transposition_is_named_if_there_are_two_dimensions():
    assert relation(lambda t: t.mT, SQUARE, [{}, {}]) == "the right one, transposed"


def test_a_case_of_zeros_does_not_hide_the_factor_of_the_others():
    wanted = [torch.zeros(3, dtype=torch.float64), torch.ones(2, dtype=torch.float64)]
    assert relation(lambda t: 4 * t, wanted, [{}, {}]) == "4 times too large"


def test_without_named_sizes_a_factor_is_a_number():
    assert relation(lambda t: t / t.shape[0], WANTED[:1], [{}]) == "a quarter of the expected value"


def test_an_offset_that_differs_between_cases_hides_no_other_relation():
    """Every answer of one element is off by some number; that must not end the search."""
    one = [torch.tensor([0.3], dtype=torch.float64), torch.tensor([1.1], dtype=torch.float64)]
    sizes = [{"batch": 1}, {"batch": 1}]
    assert relation(torch.exp, one, sizes) == relation(torch.exp)
    assert relation(torch.exp) is not None


def test_relations_with_the_size_of_a_dimension_and_with_numbers():
    numbers = [{"total": 60.0}, {"total": 7.0}]

    def told(change):
        pairs = [(change(want, n["total"]), want) for want, n in zip(WANTED, numbers, strict=True)]
        return how_they_differ(pairs, SIZES, numbers)

    assert told(lambda t, n: t - math.log(len(t))).id == "minus-log:batch"
    assert told(lambda t, n: t + math.log(n)).id == "plus-log:total"
    assert told(lambda t, n: t * n / len(t)).id == "divided:batch-over-total"
    assert told(lambda t, n: t / n).id == "divided:total"
    assert told(lambda t, n: t * (t.shape[1] - 1)).id == "times:latent-less-one"
    assert told(lambda t, n: t * t.shape[0] * t.shape[1]).id == "times:batch-times-latent"
    assert told(lambda t, n: t.roll(1, 0)).id == "shifted"
    assert told(lambda t, n: t - t.mean(-1, keepdim=True)).id == "centred"


def test_two_numbers_are_written_apart():
    assert differing_digits(2.10748001, 2.10748002) == ("2.10748001", "2.10748002")
    assert differing_digits(1.5, 2.5) == ("1.5", "2.5") and differing_digits(1.0, 1.0) == ("1", "1")

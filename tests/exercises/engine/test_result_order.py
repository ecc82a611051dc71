"""Right results in another order or in one object, and results that are an argument."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from helpers.exercises.engine.judge import judge
from helpers.exercises.engine.result_order import is_an_argument, permuted  # noqa: F401
from tests.exercises.assertions import assert_verdict
from tests.exercises.toys import ENERGY, SAMPLE, energy, sample_and_cost


def two(loc, scale):
    """Two results of one shape."""
    return energy(loc, scale), energy(scale, loc.exp())


TWO = replace(ENERGY, solution=two, misconceptions=(), returns=("the energy", "the other"))


def test_results_in_another_order():
    verdict = assert_verdict(
        lambda *given: two(*given)[::-1],
        "another order: the exercise asks for the energy, then the other; you return the other, then the energy",
        exercise=TWO,
    )
    assert verdict.misconception_id == "transformation:results-exchanged"


def test_results_of_other_shapes_in_another_order():
    assert_verdict(
        lambda *given: sample_and_cost(*given)[::-1], "you return the cost, then the sample", exercise=SAMPLE
    )


def test_one_result_in_the_place_of_another():
    assert_verdict(
        lambda *given: (two(*given)[1], two(*given)[0] + 1),
        "Your first result, the energy, is what the exercise asks for as the second",
        exercise=TWO,
    )


def test_results_that_are_merely_wrong_are_in_no_order():
    verdict = judge(TWO, lambda *given: (two(*given)[0], two(*given)[0]))
    assert "another order" not in verdict.sentence or "second result" in verdict.sentence


@pytest.mark.parametrize(
    ("join", "words"),
    [
        (torch.stack, "stand in one tensor, along dimension 0"),
        (lambda both: torch.stack(both, -1), "stand in one tensor, along dimension -1"),
        (lambda both: 2 * torch.stack(both), "one tensor with 2 rows"),
        (lambda both: dict(zip("ab", both, strict=True)), "returns a dictionary"),
        (lambda both: both[0], "the first of them, and right"),
    ],
)
def test_two_results_in_one_object(join, words):
    assert_verdict(
        lambda *given: join(two(*given)), "asks for 2 results", words, "return result_1, result_2", exercise=TWO
    )


def test_a_result_that_is_an_argument():
    def answer(weights, offset, eps):
        return eps, sample_and_cost(weights, offset, eps)[1]

    verdict = assert_verdict(answer, "Your first result, the sample, is the argument `eps`, unchanged", exercise=SAMPLE)
    assert any("shares its memory" in note for note in verdict.notes)

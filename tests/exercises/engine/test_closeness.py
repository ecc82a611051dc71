"""Two results are the same, or not: types, shapes, tolerance, gradients."""

from __future__ import annotations

import math

import numpy
import pytest
import torch

from helpers.exercises.engine.closeness import close, close_gradients, differing_gradients
from helpers.exercises.engine.run import Run

ONE = torch.tensor([1.0, -2.0], dtype=torch.float64)


@pytest.mark.parametrize(
    ("got", "want", "same"),
    [
        (ONE, ONE.clone(), True),
        (ONE + 1e-7, ONE, True),
        (ONE + 1e-4, ONE, False),
        (1e9 * ONE + 1e-1, 1e9 * ONE, True),  # the absolute tolerance is in units of the largest value
        (ONE.float(), ONE, False),
        (ONE[:, None], ONE, False),
        (ONE.requires_grad_(), ONE.detach(), True),
        (torch.tensor([torch.nan]), torch.tensor([torch.nan]), True),
        (torch.tensor([torch.inf]), torch.tensor([-torch.inf]), False),
        (torch.tensor([10**9]), torch.tensor([10**9 + 1]), False),  # integers must be equal
        (torch.zeros(0), torch.zeros(0), True),
        (1.0, torch.tensor(1.0), False),
        (1, 1.0, True),
        (True, 1, False),
        (math.nan, math.nan, True),
        ([ONE, 1], (ONE, 1), True),
        ([ONE], [ONE, ONE], False),
        ("a", "a", True),
        (numpy.ones(2), numpy.ones(2), False),  # no one truth value
    ],
)
def test_close(got, want, same):
    assert close(got, want) is same


def test_a_missing_gradient_counts_as_zero():
    assert differing_gradients({}, {"loc": torch.zeros(2)}) == []
    assert differing_gradients({"loc": ONE.detach()}, {}) == ["loc"]
    assert differing_gradients({"loc": ONE.detach(), "scale": torch.ones(2)}, {"scale": torch.zeros(2)}) == [
        "scale",
        "loc",
    ]


def test_a_backward_pass_that_raises_equals_only_one_that_raises_the_same():
    fails, other, works = Run(gradient_error=ValueError("a")), Run(gradient_error=ValueError("b")), Run(gradients=[])
    assert close_gradients(fails, Run(gradient_error=ValueError("a")))
    assert not close_gradients(fails, other) and not close_gradients(fails, works) and not close_gradients(works, fails)

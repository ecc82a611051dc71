"""A scoring holds what torch does: the shapes, the numbers and the errors, as numpy finds them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from helpers.widgets.parts.scoring import A_SAMPLE, roles, try_log_prob
from helpers.widgets.shapes import shapes

STATES = list(shapes().states())


def by_numpy(loc: tuple[int, ...], ndims: int, x: np.ndarray) -> np.ndarray:
    """log N(x | loc, 1), broadcast, and summed over the last `ndims` dimensions. ValueError if shapes do not fit."""
    means = np.arange(math.prod(loc), dtype=np.float32).reshape(loc) / 2
    terms = -((x - means) ** 2) / 2 - 0.5 * np.log(2 * np.pi)
    return terms.sum(tuple(range(-ndims, 0))) if ndims else terms


def test_every_state_agrees_with_the_formula_in_numpy():
    outcomes = {"value": 0, "no distribution": 0, "clash": 0}
    for state in STATES:
        loc, ndims, sample_shape, x = state["loc"], state["ndims"], state["sample_shape"], state["x"]
        done = try_log_prob(**state)
        if ndims > len(loc):
            outcomes["no distribution"] += 1
            assert done.q is None and done.error.startswith("ValueError: Expected reinterpreted_batch_ndims")
            continue
        assert done.q.batch_shape + done.q.event_shape == loc and len(done.q.event_shape) == ndims
        if x == A_SAMPLE:
            assert done.x_shape == sample_shape + loc
            assert done.value.shape == sample_shape + done.q.batch_shape
            outcomes["value"] += 1
            continue
        try:
            wanted = by_numpy(loc, ndims, np.zeros(x, dtype=np.float32))
        except ValueError:
            outcomes["clash"] += 1
            assert done.value is None and "not broadcastable" in done.error
            continue
        outcomes["value"] += 1
        assert done.value.shape == wanted.shape
        np.testing.assert_allclose(done.value.numpy(), wanted, rtol=1e-5)
    assert all(outcomes.values()) and sum(outcomes.values()) == len(STATES), outcomes


def test_a_sample_is_scored_where_it_was_drawn():
    done = try_log_prob((4, 2, 3), 2, (2, 5), A_SAMPLE)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        x = done.q.sample((2, 5))
    np.testing.assert_allclose(done.value.numpy(), by_numpy((4, 2, 3), 2, x.numpy()), rtol=1e-4)


@pytest.mark.parametrize(
    ("shape", "num_batch", "num_event", "names"),
    [
        ((5, 2, 3), 1, 1, ["sample", "batch", "event"]),
        ((2, 3), 0, 2, ["event", "event"]),
        ((3,), 2, 1, ["event"]),
        ((), 1, 1, []),
    ],
)
def test_roles_are_counted_from_the_right(shape: Any, num_batch: int, num_event: int, names: list[str]):
    assert roles(shape, num_batch, num_event) == names

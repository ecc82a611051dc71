"""The shared generators of arguments: the same draws as torch's own, in float64, with gradients only for leaves."""

from __future__ import annotations

import pytest
import torch

from helpers.exercises.engine.inputs import (
    log_uniform_leaf,
    normal,
    normal_leaf,
    random_bits,
    random_greys,
    uniform,
    uniform_leaf,
)


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(3)


DRAWS = {
    "normal": normal(seeded(), 500, 20, scale=3.0, loc=-2.0),
    "normal_leaf": normal_leaf(seeded(), 500, 20, scale=3.0, loc=-2.0),
    "uniform": uniform(seeded(), 500, 20),
    "uniform_leaf": uniform_leaf(seeded(), 0.3, 2.5, 500, 20),
    "log_uniform_leaf": log_uniform_leaf(seeded(), 1e-3, 1e3, 500, 20),
    "random_bits": random_bits(seeded(), 500, 20),
    "random_greys": random_greys(seeded(), 500, 20),
}


@pytest.mark.parametrize("name", DRAWS)
def test_float64_of_the_size_asked_for_and_a_leaf_if_so_named(name):
    draw = DRAWS[name]
    assert draw.shape == (500, 20) and draw.dtype == torch.float64 and draw.is_leaf
    assert draw.requires_grad == name.endswith("_leaf")


def test_the_draws_are_torchs_own():
    """Cases of exercises depend on these numbers: a change here changes every exercise."""
    noise = torch.randn(500, 20, generator=seeded(), dtype=torch.float64)
    share = torch.rand(500, 20, generator=seeded(), dtype=torch.float64)
    assert torch.equal(DRAWS["normal"], -2.0 + 3.0 * noise) and torch.equal(DRAWS["normal_leaf"], DRAWS["normal"])
    assert torch.equal(DRAWS["uniform"], share) and torch.equal(DRAWS["uniform_leaf"], 0.3 + 2.2 * share)
    assert torch.equal(DRAWS["random_bits"], (share < 0.4).double())


def test_every_order_of_magnitude_is_alike():
    """log10 is uniform on [-3, 3): each of the six decades holds a sixth of the draws."""
    decades = DRAWS["log_uniform_leaf"].detach().log10().floor().long() + 3
    shares = decades.flatten().bincount().double() / decades.numel()
    standard_error = (1 / 6 * 5 / 6 / decades.numel()) ** 0.5
    assert len(shares) == 6 and ((shares - 1 / 6).abs() < 6 * standard_error).all()


def test_greys_have_both_ends_and_a_middle():
    greys = DRAWS["random_greys"]
    shares = [(greys == 0).double().mean(), (greys == 1).double().mean(), ((greys > 0) & (greys < 1)).double().mean()]
    standard_error = (1 / 3 * 2 / 3 / greys.numel()) ** 0.5
    assert all(abs(share.item() - 1 / 3) < 6 * standard_error for share in shares)


def test_a_size_of_nothing_is_a_scalar():
    assert normal(seeded()).shape == () and uniform(seeded()).shape == ()

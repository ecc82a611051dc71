"""Scale, mask, seed and scope."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Normal

from helpers.experiments.two_languages import t
from helpers.programs import mask, plate, sample, scale, scope, seed, trace


def program():
    z = sample("z", Normal(t(0), t(1)))
    with plate("data", 3):
        sample("x", Normal(z, t(1)), obs=t(1, 2, 3))


def test_scales_multiply():
    plain = trace(seed(program, 0)).get_trace().log_joint()
    assert trace(scale(scale(seed(program, 0), 2.0), 1.5)).get_trace().log_joint() == pytest.approx(3 * plain.item())
    weights = trace(scale(seed(program, 0), t(1, 0.5, 2))).get_trace()
    x = weights["x"]
    assert torch.equal(x.log_prob, x.unscaled_log_prob * t(1, 0.5, 2))


def test_masks_meet():
    where, also = torch.tensor([True, True, False]), torch.tensor([False, True, True])

    def masked():
        with mask(where=where), mask(where=also):
            program()

    recorded = trace(masked).get_trace()
    assert (recorded["x"].log_prob != 0).tolist() == [False, True, False]
    for closed in (mask(mask(program, False), where), mask(mask(program, where), False)):
        assert trace(closed).get_trace().log_joint() == 0
    assert (
        trace(mask(seed(program, 0), True)).get_trace().log_joint() == trace(seed(program, 0)).get_trace().log_joint()
    )


def test_a_masked_impossible_value_counts_nothing():
    def impossible():
        with plate("data", 2), mask(where=torch.tensor([True, False])):
            sample("x", Normal(t(0), t(1)), obs=t(0.0, torch.inf))

    assert trace(impossible).get_trace().log_joint().isfinite()


def test_a_seed_gives_the_same_draws_and_leaves_the_generator():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, again = (trace(seed(program, 3)).get_trace()["z"].value for _ in range(2))
    assert first == again != trace(seed(program, 4)).get_trace()["z"].value
    assert torch.equal(before, torch.get_rng_state())
    with pytest.raises(ZeroDivisionError), seed(seed=1):
        torch.rand(3)
        raise ZeroDivisionError
    assert torch.equal(before, torch.get_rng_state())


def test_a_scope_prefixes_names():
    assert list(trace(scope(scope(program, "b"), "a")).get_trace()) == ["a/b/z", "a/b/data", "a/b/x"]

    def two():
        scope(program, "left")()
        scope(program, "right")()

    assert len(trace(two).get_trace()) == 6


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: scale(program, -1.0), "above 0 was expected"),
        (lambda: scale(program, 0), "mask.program, False. counts nothing"),
        (lambda: mask(program, torch.ones(3)), "given a torch.float32; booleans were expected"),
        (lambda: mask(program, 1), "given a int; booleans"),
        (lambda: scope(program), "given the prefix ''"),
    ],
)
def test_what_they_refuse(call, message):
    with pytest.raises(ValueError, match=message):
        call()

"""Plates: sizes, scales, dimensions, subsamples, and errors that name the site and the dimension."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Bernoulli, Independent, Normal

from helpers.experiments.two_languages import t
from helpers.programs import plate, replay, sample, seed, trace

STANDARD = Normal(t(0), t(1))


def test_a_subsample_counts_for_the_whole():
    x = torch.arange(10.0, dtype=torch.float64)

    def program():
        with plate("data", 10, subsample_size=4) as index:
            assert len(index) == 4 == len(set(index.tolist()))
            sample("x", STANDARD, obs=x[index])

    recorded = trace(program).get_trace()
    index = recorded["data"].value
    assert recorded.log_joint().item() == pytest.approx((2.5 * STANDARD.log_prob(x[index]).sum()).item())
    mean = torch.stack([trace(seed(program, n)).get_trace().log_joint() for n in range(400)])
    assert abs(mean.mean() - STANDARD.log_prob(x).sum()) < 5 * mean.std() / 20


def test_a_loop_over_a_plate_is_the_same_model():
    x = t(0.3, -1.2, 0.8)

    def looped():
        for i in plate("data", 3):
            sample(f"x{i}", STANDARD, obs=x[i])

    def at_once():
        with plate("data", 3):
            sample("x", STANDARD, obs=x)

    assert trace(looped).get_trace().log_joint().item() == pytest.approx(trace(at_once).get_trace().log_joint().item())

    def some():
        for i in plate("data", 3, subsample=torch.tensor([2, 0])):
            sample(f"x{i}", STANDARD, obs=x[i])

    recorded = trace(some).get_trace()
    assert list(recorded) == ["data", "x2", "x0"] and recorded["x2"].scale == 1.5
    assert [frame.member for frame in recorded["x0"].plates] == [0]


def test_members_are_drawn_independently():
    def program():
        with plate("rows", 3), plate("columns", 4):
            return sample("z", STANDARD)

    value = trace(program).get_trace().returned
    assert value.shape == (4, 3) and len(value.unique()) == 12  # the first plate takes the rightmost dimension


def test_dimensions_are_taken_from_the_right_or_as_given():
    def program():
        with plate("a", 2, dim=-3), plate("b", 3), plate("c", 4):
            z = sample("z", STANDARD)
        with plate("d", 5):
            return z, sample("w", STANDARD)

    z, w = trace(program).get_trace().returned
    assert z.shape == (2, 4, 3) and w.shape == (5,)


def test_model_and_guide_take_the_same_members():
    def guide():
        with plate("data", 10, subsample_size=3):
            sample("z", STANDARD)

    chosen = trace(guide).get_trace()
    again = trace(replay(guide, chosen)).get_trace()
    assert torch.equal(again["data"].value, chosen["data"].value)

    def twice():
        with plate("data", 10, subsample_size=3) as first:
            sample("z", STANDARD)
        with plate("data", 10, subsample_size=3) as second:
            sample("w", STANDARD)
        return first, second

    first, second = trace(twice).get_trace().returned
    assert torch.equal(first, second)


def test_without_handlers_a_plate_still_gives_its_members():
    with plate("data", 3) as index:
        assert index.tolist() == [0, 1, 2] and sample("z", STANDARD).shape == (3,)
    assert list(plate("data", 3)) == [0, 1, 2]


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (
            lambda: sample("z", Normal(torch.zeros(7), 1.0)),
            r"plate 'data' \(line .*\) has 3 members in dimension -1, and the distribution of site 'z' \(line .*\) has 7 there",
        ),
        (lambda: sample("z", Normal(torch.zeros(3, 2), 1.0)), r"batch_shape \[3, 2\].*Independent"),
    ],
)
def test_a_site_that_disagrees(program, message):
    def run():
        with plate("data", 3):
            program()

    with pytest.raises(ValueError, match=message):
        trace(run).get_trace()


def other_subsample():
    with plate("data", 10, subsample_size=3):
        sample("z", STANDARD)
    with plate("data", 10, subsample_size=4):
        sample("w", STANDARD)


def same_dimension():
    with plate("a", 2, dim=-1), plate("b", 3, dim=-1):
        sample("z", STANDARD)


def inside_itself():
    members = plate("a", 2)
    with members, members:
        sample("z", STANDARD)


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (lambda: plate("data", 0), "takes 0 of 0 members"),
        (lambda: plate("data", 3, 4), "takes 4 of 3 members"),
        (lambda: plate("data", 3.0), "whole numbers"),
        (lambda: plate("data", 3, 2, subsample=torch.tensor([0])), "give one of them"),
        (lambda: plate("data", 3, dim=0), "counted from the right"),
        (other_subsample, "takes 4 members, and this execution already has a plate of that name with 3"),
        (same_dimension, r"plate 'b' .* and plate 'a' .* both occupy dimension -1"),
        (inside_itself, "One plate handler was entered inside itself"),
    ],
)
def test_what_they_refuse(program, message):
    with pytest.raises(ValueError, match=message):
        trace(program).get_trace()


def test_events_are_no_members():
    def program():
        with plate("data", 3):
            return sample("z", Independent(Bernoulli(torch.full((3, 5), 0.5)), 1))

    recorded = trace(program).get_trace()
    assert recorded["z"].log_prob.shape == (3,) and recorded.returned.shape == (3, 5)

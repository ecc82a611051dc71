"""The variance laboratory: exact moments against the exact harness on the real estimators."""

from __future__ import annotations

import itertools

import pytest
import torch

from helpers.estimators import exact_gradient, exact_moments, for_logistic_noise, gauss_legendre
from helpers.experiments.variance import ESTIMATORS, NAMES, Laboratory
from tests.experiments.laboratory import problem


def harness(name: str, bits: int, sharpness: float, offset: float, samples: int):
    """Mean and variance of the real estimator, by summing or integrating over all its draws."""
    f, q, logits = problem(bits, sharpness, offset)
    p = q.mean.detach()
    uniform = {
        "ARM": gauss_legendre(2, torch.stack([p, 1 - p])), "DisARM": gauss_legendre(1, torch.stack([p, 1 - p])),
        "REBAR": for_logistic_noise(24), "Gumbel-softmax": for_logistic_noise(50),
    }.get(name)  # fmt: skip
    found = exact_moments(
        ESTIMATORS[name].build(), f, q, samples, parameters=[logits], uniform=uniform, max_outcomes=2**18
    )
    return found.mean[0].numpy(), found.variance[0].numpy()


BIASED = ("straight-through", "ReinMax", "Gumbel-softmax")
FEW = {  # evaluations to try: enough of them to see what more of them do, few enough to enumerate
    "score function": {1: (1, 2, 5), 2: (1, 3), 3: (1, 2)},
    "leave-one-out": {1: (2, 3, 6), 2: (2, 3, 4), 3: (2, 3)},
    "ARM": {1: (2, 4), 2: (2,), 3: (2,)},
    "DisARM": {1: (2, 4), 2: (2, 4), 3: (2,)},
    "MuProp": {1: (2, 4), 2: (2, 3), 3: (2, 3)},
    "local enumeration": {1: (2, 4), 2: (3, 6), 3: (4, 8), 4: (5,)},
    "enumeration": {1: (2,), 2: (4,), 3: (8,), 4: (16,)},
    "straight-through": {1: (1, 3), 2: (1, 2), 4: (1,)},
    "ReinMax": {1: (1, 3), 2: (1, 2), 4: (1,)},
    "Gumbel-softmax": {1: (1, 2), 2: (1,)},
    "REBAR": {1: (3,)},
}


@pytest.mark.parametrize("name", NAMES)
def test_moments_are_those_of_the_real_estimator(name: str):
    for bits, counts in FEW[name].items():
        for samples, (sharpness, offset) in itertools.product(counts, ((0.5, 0.0), (4.0, 2.5))):
            laboratory = Laboratory(bits, sharpness, offset)
            ours, (mean, variance) = laboratory.moments(name, samples), harness(name, bits, sharpness, offset, samples)
            assert ours.evaluations == samples
            rough = 1e-4 if name in ("REBAR", "Gumbel-softmax") else 1e-9  # what quadrature leaves
            assert ours.mean == pytest.approx(mean, rel=rough, abs=rough / 10), (bits, samples, sharpness)
            assert ours.variance == pytest.approx(variance, rel=rough, abs=rough / 10), (bits, samples, sharpness)


@pytest.mark.parametrize(("bits", "sharpness"), [(1, 0.5), (2, 3.0), (3, 6.0), (4, 2.0)])
def test_the_exact_gradient_is_the_harness_and_no_unbiased_estimator_misses_it(bits: int, sharpness: float):
    f, q, logits = problem(bits, sharpness, 1.5)
    exact = exact_gradient(f, q, parameters=[logits]).gradient[0].numpy()
    laboratory = Laboratory(bits, sharpness, 1.5)
    assert laboratory.exact == pytest.approx(exact, rel=1e-12)
    for name in NAMES:
        bias = laboratory.moments(name, 24).bias
        assert (bias > 0.01) == (name in BIASED), name
        if name not in BIASED:
            assert bias < (2e-4 if name == "REBAR" else 1e-12), name


def test_an_estimator_takes_as_many_evaluations_as_it_can_use():
    laboratory = Laboratory(3, 2.0, 1.0)
    used = {
        name: [one and one.evaluations for one in (laboratory.moments(name, n) for n in (1, 2, 3, 7, 8, 24))]
        for name in NAMES
    }
    assert used == {
        "score function": [1, 2, 3, 7, 8, 24], "straight-through": [1, 2, 3, 7, 8, 24], "Gumbel-softmax": [1, 2, 3, 7, 8, 24],
        "ReinMax": [1, 2, 3, 7, 8, 24],
        "leave-one-out": [None, 2, 3, 7, 8, 24], "MuProp": [None, 2, 3, 7, 8, 24],
        "ARM": [None, 2, 2, 6, 8, 24], "DisARM": [None, 2, 2, 6, 8, 24],
        "REBAR": [None, None, 3, 6, 6, 24], "local enumeration": [None, None, None, 4, 8, 24],
        "enumeration": [None, None, None, None, 8, 8],
    }  # fmt: skip
    for name in NAMES:  # and the real ones take what is said
        f, q, logits = problem(3, 2.0, 1.0)
        for evaluations in filter(None, used[name]):
            assert ESTIMATORS[name].build()(f, q, evaluations).value.shape == ()


def test_what_the_lesson_says_of_it():
    """Leave-one-out loses to doing nothing where f has no offset; MuProp is calmest on a nearly straight f and not on a step."""
    assert (
        Laboratory(3, 2.0, 0.0).moments("leave-one-out", 12).noise
        > Laboratory(3, 2.0, 0.0).moments("score function", 12).noise
    )
    assert (
        Laboratory(3, 2.0, 2.0).moments("leave-one-out", 12).noise
        < Laboratory(3, 2.0, 2.0).moments("score function", 12).noise
    )
    for sharpness, better in ((0.5, True), (6.0, False)):
        laboratory = Laboratory(3, sharpness, 2.0)
        assert (laboratory.moments("MuProp", 12).noise < laboratory.moments("leave-one-out", 12).noise) == better


@pytest.mark.parametrize(("bits", "sharpness"), [(0, 1.0), (5, 1.0), (2, 0.0)])
def test_refuses_a_target_without_bits_or_without_sharpness(bits: int, sharpness: float):
    with pytest.raises(ValueError, match="expected 1 to 4 bits and a sharpness above 0"):
        Laboratory(bits, sharpness, 0.0)


def test_refuses_an_unknown_estimator():
    with pytest.raises(KeyError, match="score"):
        Laboratory(2, 1.0, 0.0).moments("score", 2)

"""The variance laboratory: every number against the exact harness on the real estimators, and the picture's numbers."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Bernoulli, Independent

from helpers.estimators import exact_gradient, exact_moments, for_logistic_noise, gauss_legendre, sampled_moments
from helpers.experiments.step_price import CLASSES, Price, measured_prices
from helpers.experiments.variance import LOGITS, NAMES, TEMPERATURE, WEIGHT, Laboratory
from helpers.widgets.variance_laboratory import variance_laboratory
from tests.widgets.legible import unreadable

PRICES = {name: Price(1e-4 * (place + 1), 1e-5 * (place + 2)) for place, name in enumerate(NAMES)}
EXPLORER = variance_laboratory(PRICES)
STATES = list(EXPLORER.states())


def problem(bits: int, sharpness: float, offset: float):
    """The laboratory's f and q, in torch: f, q, logits."""
    logits = torch.tensor(LOGITS[:bits], requires_grad=True)
    weight = torch.tensor(WEIGHT[:bits])

    def f(z: Tensor) -> Tensor:
        return offset + (sharpness * ((z - 0.5) @ weight)).tanh()

    return f, Independent(Bernoulli(logits=logits, validate_args=False), 1), logits


def harness(name: str, bits: int, sharpness: float, offset: float, samples: int):
    """Mean and variance of the real estimator, by summing or integrating over all its draws."""
    f, q, logits = problem(bits, sharpness, offset)
    p = q.mean.detach()
    uniform = {
        "ARM": gauss_legendre(2, torch.stack([p, 1 - p])), "DisARM": gauss_legendre(1, torch.stack([p, 1 - p])),
        "REBAR": for_logistic_noise(24), "Gumbel-softmax": for_logistic_noise(50),
    }.get(name)  # fmt: skip
    found = exact_moments(CLASSES[name](), f, q, samples, parameters=[logits], uniform=uniform, max_outcomes=2**18)
    return found.mean[0].numpy(), found.variance[0].numpy()


SUMMED = (
    "score function",
    "leave-one-out",
    "ARM",
    "DisARM",
    "MuProp",
    "local enumeration",
    "enumeration",
    "straight-through",
)
FEW = {  # evaluations to try: enough to see their effect, few enough to enumerate
    "score function": {1: (1, 2, 5), 2: (1, 3), 3: (1, 2)},
    "leave-one-out": {1: (2, 3, 6), 2: (2, 3, 4), 3: (2, 3)},
    "ARM": {1: (2, 4), 2: (2,), 3: (2,)},
    "DisARM": {1: (2, 4), 2: (2, 4), 3: (2,)},
    "MuProp": {1: (2, 4), 2: (2, 3), 3: (2, 3)},
    "local enumeration": {1: (2, 4), 2: (3, 6), 3: (4, 8), 4: (5,)},
    "enumeration": {1: (2,), 2: (4,), 3: (8,), 4: (16,)},
    "straight-through": {1: (1, 3), 2: (1, 2), 4: (1,)},
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
            rough = 1e-4 if name in ("REBAR", "Gumbel-softmax") else 1e-9  # the error of quadrature
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
        assert (bias > 0.01) == (name in ("straight-through", "Gumbel-softmax")), name
        if name not in ("straight-through", "Gumbel-softmax"):
            assert bias < (2e-4 if name == "REBAR" else 1e-12), name


@pytest.mark.parametrize(("name", "samples"), [("REBAR", 3), ("REBAR", 6), ("Gumbel-softmax", 2)])
def test_integrals_over_many_bits_agree_with_draws(name: str, samples: int):
    f, q, logits = problem(3, 2.0, 1.0)
    torch.manual_seed(0)
    drawn = sampled_moments(CLASSES[name](), f, q, samples, parameters=[logits], repeats=1_500)
    ours = Laboratory(3, 2.0, 1.0).moments(name, samples)
    assert np.all(np.abs(ours.mean - drawn.mean[0].numpy()) < 5.5 * drawn.mean_error[0].numpy())
    assert np.all(np.abs(ours.variance - drawn.variance[0].numpy()) < 5.5 * drawn.variance_error[0].numpy())


@pytest.mark.parametrize("bits", [1, 2, 3, 4])
def test_quadrature_is_fine_enough_for_the_digits_shown(bits: int, monkeypatch: pytest.MonkeyPatch):
    """Three digits of noise and bias, at the sharpest f."""
    from helpers.experiments import variance as laboratory

    at = Laboratory(bits, 6.0, 0.0)
    ours = [at.moments(name, 3) for name in ("REBAR", "Gumbel-softmax")]
    finer = [({1: 90, 2: 60, 3: 30, 4: 16}, "REBAR_NODES"), ({1: 200, 2: 180, 3: 80, 4: 36}, "RELAXED_NODES")]
    for nodes, attribute in finer:
        monkeypatch.setattr(laboratory, attribute, nodes)
    for one, compute in zip(ours, (laboratory._rebar_of_one, laboratory._relaxed), strict=True):
        mean, variance = compute.__wrapped__(bits, 6.0)
        scale = 1 if compute is laboratory._rebar_of_one else 3
        assert one.mean == pytest.approx(mean, rel=2e-3)
        assert np.sqrt(one.variance.sum() * scale) == pytest.approx(np.sqrt(variance.sum()), rel=2e-3)


def test_an_estimator_takes_as_many_evaluations_as_it_can_use():
    laboratory = Laboratory(3, 2.0, 1.0)
    used = {
        name: [one and one.evaluations for one in (laboratory.moments(name, n) for n in (1, 2, 3, 7, 8, 24))]
        for name in NAMES
    }
    assert used == {
        "score function": [1, 2, 3, 7, 8, 24], "straight-through": [1, 2, 3, 7, 8, 24], "Gumbel-softmax": [1, 2, 3, 7, 8, 24],
        "leave-one-out": [None, 2, 3, 7, 8, 24], "MuProp": [None, 2, 3, 7, 8, 24],
        "ARM": [None, 2, 2, 6, 8, 24], "DisARM": [None, 2, 2, 6, 8, 24],
        "REBAR": [None, None, 3, 6, 6, 24], "local enumeration": [None, None, None, 4, 8, 24],
        "enumeration": [None, None, None, None, 8, 8],
    }  # fmt: skip
    for name in NAMES:  # and the real estimators accept this number
        f, q, logits = problem(3, 2.0, 1.0)
        for evaluations in filter(None, used[name]):
            assert CLASSES[name]()(f, q, evaluations).value.shape == ()


def test_every_state_has_its_words():
    """All estimators in turn, over states in steps that are coprime to the grids' sizes."""
    for state in STATES[::37]:
        picture = EXPLORER.picture(**state)
        laboratory = Laboratory(state["bits"], state["sharpness"], state["offset"])
        chosen = laboratory.moments(state["estimator"], state["samples"])
        for words in (f"{state['bits']} bit", f"sharpness {state['sharpness']:g}", f"offset {state['offset']:g}"):
            assert words in picture.alt
        shown = {text.get_text().replace("\u2007", "") for text in picture.figure.axes[0].texts}
        for name in NAMES:
            moments = laboratory.moments(name, state["samples"])
            if moments is None:
                needed = int(re.search(rf"[;:] {name} needs (\d+) evaluations", picture.alt).group(1))
                assert laboratory.moments(name, needed) and not laboratory.moments(name, needed - 1)
                assert f"{name} needs {needed} evaluations" in shown
                continue
            milliseconds = 1000 * (PRICES[name].fixed + moments.evaluations * PRICES[name].per_evaluation)
            bias = f"{moments.bias:.3f}" if name in ("straight-through", "Gumbel-softmax") else ""
            assert f"{name}  {moments.noise:.3f}" + (bias and f"  {bias}") in shown
            assert f"{name} noise {moments.noise:.3f}, bias {bias or '0'}, {milliseconds:.2f} ms" in picture.alt
        if chosen is None:
            assert "cannot be had" in picture.caption
        else:
            assert f"noise {chosen.noise:.3f}" in picture.caption
            assert (", of which it uses" in picture.caption) == (chosen.evaluations != state["samples"])


def test_the_calmest_is_the_calmest():
    for state in STATES[::97]:
        caption = EXPLORER.picture(**state).caption
        if "cannot be had" in caption:
            continue
        laboratory = Laboratory(state["bits"], state["sharpness"], state["offset"])
        biased = ("straight-through", "Gumbel-softmax", "enumeration")
        noise = {
            name: one.noise
            for name in NAMES
            if name not in biased and (one := laboratory.moments(name, state["samples"]))
        }
        named = re.search(r"that samples: (.+)\.$", caption).group(1).split(", ")
        assert min(noise, key=noise.get) in named
        assert all(noise[name] <= 1.005 * min(noise.values()) + 1e-9 for name in named)


def test_marks_lie_where_the_numbers_say():
    state = {**EXPLORER.start, "estimator": "straight-through", "bits": 4}
    laboratory = Laboratory(4, state["sharpness"], state["offset"])
    axes = EXPLORER.picture(**state).figure.axes[0]
    marks = {(line.get_marker(), len(line.get_xdata())): line for line in axes.lines if line.get_linestyle() == "None"}
    noise, bias = marks["o", 9], marks["D", 2]  # enumeration of four bits needs more evaluations than there are
    found = [laboratory.moments(name, state["samples"]) for name in NAMES if name != "enumeration"]
    expected = np.log10([max(one.noise, 0.01) for one in found])
    slope, start = np.polyfit(expected, noise.get_xdata(), 1)
    assert slope == pytest.approx(126 / 3) and start + slope * -2 == pytest.approx(290)
    biases = np.log10([laboratory.moments(name, 12).bias for name in ("straight-through", "Gumbel-softmax")])
    np.testing.assert_allclose(bias.get_xdata(), start + slope * biases)
    # Left: one standard deviation to either side of the mean, on the scale of the exact gradient's marks.
    left = {lines.get_linewidth()[0]: np.array(lines.get_segments()) for lines in axes.collections}
    exact, bars = left[2.4][:, 0, 0], left[2.0][:, :, 0]
    assert exact.shape == (4,) and bars.shape == (4, 2)
    scale, zero = np.polyfit(laboratory.exact, exact, 1)
    chosen = laboratory.moments("straight-through", state["samples"])
    np.testing.assert_allclose(np.mean(bars, axis=1), zero + scale * chosen.mean)
    np.testing.assert_allclose(np.ptp(bars, axis=1) / 2, scale * np.sqrt(chosen.variance))


def test_words_can_be_read():
    complaints = {str(state): unreadable(EXPLORER.picture(**state).figure) for state in STATES[::173]}
    assert not {state: bad for state, bad in complaints.items() if bad}


def test_what_the_lesson_says_of_it():
    """Leave-one-out has more noise than no baseline if f has no offset; MuProp has the least on a nearly linear f, but not on a step."""
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


def test_stills_are_pictures_and_the_same_state_gives_the_same_bytes():
    assert EXPLORER.still_html().count("<img ") == 2
    first, second = (EXPLORER.picture(**EXPLORER.start).to_png(1.0) for _ in range(2))
    assert first == second


def test_prices_are_measured_for_all_and_leave_the_random_state_alone():
    before = torch.get_rng_state()
    prices = measured_prices(rounds=2)
    assert set(prices) == set(NAMES) and torch.equal(before, torch.get_rng_state())
    assert all(1e-5 < price.seconds(12) < 1 for price in prices.values())
    line = Price.through((6, 0.004), (24, 0.010))
    assert (line.seconds(6), line.seconds(24), line.seconds(12)) == pytest.approx((0.004, 0.010, 0.006))
    assert Price.through((6, 0.004), (24, 0.003)).per_evaluation == 0
    assert Price.through((6, 0.001), (24, 0.010)).fixed == 0


def test_refuses_what_it_cannot_show():
    with pytest.raises(ValueError, match="No price for REBAR"):
        variance_laboratory({name: price for name, price in PRICES.items() if name != "REBAR"})
    for bits, sharpness in ((0, 1.0), (5, 1.0), (2, 0.0)):
        with pytest.raises(ValueError, match="expected 1 to 4 bits and a sharpness above 0"):
            Laboratory(bits, sharpness, 0.0)
    with pytest.raises(ValueError, match="one round or more"):
        measured_prices(rounds=0)


def test_gumbel_and_rebar_are_those_of_the_stated_temperature():
    assert CLASSES["Gumbel-softmax"]().temperature == TEMPERATURE
    assert CLASSES["REBAR"]().log_temperature.exp().item() == pytest.approx(TEMPERATURE)

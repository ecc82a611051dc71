"""The baseline explorer: its variance against the exact harness, its optimum against every other constant, and the picture's numbers."""

import re

import pytest
import torch
from torch.distributions import Bernoulli, Independent

from helpers.estimators import CentredReward, ScoreFunction, exact_gradient, exact_moments
from helpers.widgets.baseline import BITS, HIGHEST, LOGITS, LOWEST, MOST, baseline, baseline_picture, baselines, rewards
from tests.widgets.legible import unreadable

EXPLORER = baseline()
STATES = list(EXPLORER.states())
REWARDS = rewards()
CONFIDENCES = EXPLORER.controls["confidence"].grid()


def problem(confidence):
    """f and q by torch's distributions, and q's logits: f looks a code up in the table, the first bit the highest."""
    logits = (confidence * LOGITS).clone().requires_grad_()
    powers = torch.tensor([2.0 ** (BITS - 1 - k) for k in range(BITS)], dtype=torch.float64)
    return lambda z: REWARDS[(z @ powers).long()], Independent(Bernoulli(logits=logits), 1), logits


@pytest.mark.parametrize("confidence", CONFIDENCES)
@pytest.mark.parametrize("b", [LOWEST, -9.5, 0.0])
def test_variance_is_that_of_the_exact_harness(confidence, b):
    f, q, logits = problem(confidence)
    centred = CentredReward().double()
    centred.past.mean.fill_(b)
    harness = exact_moments(ScoreFunction(centred), f, q, 1, parameters=logits)
    found = baselines(REWARDS, confidence)
    assert found.variance(b).item() == pytest.approx(harness.total_variance, rel=1e-10)
    torch.testing.assert_close(found.gradient, harness.mean[0])
    exact = exact_gradient(f, q, parameters=logits)
    torch.testing.assert_close(found.gradient, exact.gradient[0])
    assert found.mean_reward == pytest.approx(exact.value.item())


@pytest.mark.parametrize("confidence", CONFIDENCES)
def test_no_constant_beats_the_optimal_one(confidence):
    found = baselines(REWARDS, confidence)
    others = torch.linspace(LOWEST, HIGHEST, 2_401, dtype=torch.float64)
    least = found.variance(found.best)
    assert (found.variance(others) >= least - 1e-12).all()
    assert found.variance(found.best + 1e-3) > least < found.variance(found.best - 1e-3)
    assert LOWEST < found.best < HIGHEST and LOWEST < found.mean_reward < HIGHEST


def test_fair_coins_make_the_mean_reward_optimal_and_confidence_parts_them():
    distances, ratios = [], []
    for confidence in CONFIDENCES:
        found = baselines(REWARDS, confidence)
        distances.append(found.mean_reward - found.best)
        ratios.append((found.variance(found.mean_reward) / found.variance(found.best)).item())
    assert distances[0] == pytest.approx(0, abs=1e-12) and ratios[0] == pytest.approx(1)
    assert distances == sorted(distances) and ratios == sorted(ratios)
    assert ratios[-1] > 1.6


def test_alt_text_and_figure_carry_the_numbers():
    for state in STATES:
        found, picture = baselines(REWARDS, state["confidence"]), EXPLORER.picture(**state)
        numbers = [float(n.replace("−", "-").replace(",", "")) for n in re.findall(r"it is ([\d.,]*\d)", picture.alt)]
        assert numbers == pytest.approx(
            [found.variance(b).item() for b in (state["b"], found.mean_reward)], rel=0.005, abs=0.005
        )
        words = {text.get_text() for text in picture.figure.axes[0].texts}
        assert f"E[f] {found.mean_reward:.2f}".replace("-", "−") in words
        if not state["reveal"]:
            continue
        assert f"b* = {found.best:.2f}.".replace("-", "−") in picture.alt
        assert f"b* {found.best:.2f}".replace("-", "−") in words
        ratio = float(re.search(r"([\d.]+) times the least", picture.caption)[1])
        assert ratio == pytest.approx((found.variance(state["b"]) / found.variance(found.best)).item(), abs=0.0051)
        assert ("fair coin" in picture.caption) == (state["confidence"] == 0)


def test_nothing_tells_the_best_b_before_the_learner_asks():
    assert EXPLORER.start["reveal"] is False
    for state in STATES:
        picture = EXPLORER.picture(**state)
        lines = picture.figure.axes[0].lines
        words = " ".join([picture.alt, picture.caption, *(text.get_text() for text in picture.figure.axes[0].texts)])
        best = f"{baselines(REWARDS, state['confidence']).best:.2f}".replace("-", "−")
        curve = any(len(line.get_xdata()) == 97 for line in lines)
        star = any(line.get_marker() == "*" and line.get_ydata()[0] < 300 for line in lines)
        assert curve == star == ("times the least" in picture.caption) == state["reveal"], state
        if state["confidence"]:  # with fair coins the best b is the mean reward, which is shown
            assert (best in words) == state["reveal"], state


def marks(state):
    """Places of the picture's markers in pixels, by marker."""
    lines = baseline_picture(REWARDS, **state).figure.axes[0].lines
    return {line.get_marker(): line for line in lines if len(line.get_xdata()) == 1 and line.get_ydata()[0] < 300}


def test_marks_lie_on_the_parabola():
    for state in STATES:
        found, seen = baselines(REWARDS, state["confidence"]), marks(state)
        shown = [("D", state["b"]), ("s", found.mean_reward)] + [("*", found.best)] * state["reveal"]
        for marker, b in shown:
            assert seen[marker].get_xdata()[0] == pytest.approx(46 + 270 * (b - LOWEST) / (HIGHEST - LOWEST))
            assert seen[marker].get_ydata()[0] == pytest.approx(48 + 236 * found.variance(b).item() / MOST)


def test_everything_lies_inside_its_panel():
    for confidence in CONFIDENCES:
        found = baselines(REWARDS, confidence)
        assert found.variance(torch.tensor([LOWEST, HIGHEST], dtype=torch.float64)).max() < MOST
        assert found.probability.max() < 0.6
        for b in (LOWEST, HIGHEST):
            assert ((found.f - b) * found.score[:, 0]).abs().max() < 20


def test_words_can_be_read():
    complaints = {str(state): unreadable(EXPLORER.picture(**state).figure) for state in STATES}
    assert not {state: bad for state, bad in complaints.items() if bad}


def test_stills_show_no_baseline_and_one_near_the_best():
    none, near = (baselines(REWARDS, still["confidence"]) for still in EXPLORER.stills)
    ratios = [
        (one.variance(still["b"]) / one.variance(one.best)).item()
        for one, still in zip((none, near), EXPLORER.stills, strict=True)
    ]
    assert ratios[0] > 5 and ratios[1] < 1.01
    assert EXPLORER.still_html().count("<img ") == 2

"""Noise of a gradient against its exact moments, and seconds per step."""

from __future__ import annotations

import math
import time

import pytest
import torch
from torch import nn

from helpers.estimators import LearnedBaseline, LeaveOneOut, LocalEnumeration, ScoreFunction, exact_moments_of
from helpers.experiments.gradient_noise import gradient_noise, seconds_per_step
from helpers.models import Elbo, sigmoid_belief_network
from helpers.networks import FeedForward


def test_gradient_noise_agrees_with_the_exact_moments():
    model, guide = small_network()
    x = torch.randint(2, (3, 1, 2, 2), generator=torch.Generator().manual_seed(1)).double()
    objective = Elbo(model, guide, LeaveOneOut(), 2)
    noise = gradient_noise(objective, [x], x, groups=10, repeats=100)
    parameters = list(guide.parameters())
    one_by_one = [exact_moments_of(lambda i=i: objective(x[i : i + 1]), parameters=parameters) for i in range(3)]
    exact = sum(moments.total_variance for moments in one_by_one) / 3**2  # images are independent
    assert noise["standard_error"] < exact / 10
    assert abs(noise["variance"] - exact) < 4 * noise["standard_error"]
    mean = [sum(parts) / 3 for parts in zip(*(moments.mean for moments in one_by_one), strict=True)]
    norm = math.sqrt(sum(part.square().sum().item() for part in mean))
    assert noise["norm"] == pytest.approx(norm, rel=0.1)


def test_the_norm_is_free_of_the_noise_of_few_repeats():
    model, guide = small_network()
    x = torch.ones(1, 1, 2, 2).double()
    objective = Elbo(model, guide, ScoreFunction(), 1)
    exact = exact_moments_of(lambda: objective(x), parameters=list(guide.parameters()))
    squared = sum(part.square().sum().item() for part in exact.mean)
    added = exact.total_variance / 4  # by the noise of a mean of four draws
    assert added > squared / 2
    found = [gradient_noise(objective, [x], x, groups=2, repeats=2)["norm"] ** 2 for _ in range(100)]
    assert squared - added / 2 < sum(found) / 100 < squared + added / 2


def test_a_control_variate_settles_before_its_noise_is_measured_and_the_model_stays():
    model, guide = sigmoid_belief_network((4,), (1, 28, 28))
    x = torch.randint(2, (20, 1, 28, 28)).float()
    before = [parameter.clone() for parameter in (*model.parameters(), *guide.parameters())]
    variances = {}
    for settle in (1, 500):
        torch.manual_seed(0)
        baseline = LearnedBaseline((1, 28, 28), FeedForward((100,), nn.Tanh))
        objective = Elbo(model, guide, ScoreFunction(baseline), 2)
        variances[settle] = gradient_noise(objective, [x], x, settle=settle, groups=3, repeats=10)["variance"]
    assert variances[500] < variances[1] / 10
    for parameter, old in zip((*model.parameters(), *guide.parameters()), before, strict=True):
        assert torch.equal(parameter, old)


def test_seconds_per_step_tells_dear_from_cheap():
    model, guide = small_network()
    x = torch.randint(2, (400, 1, 2, 2)).double()
    objectives = {
        "cheap": Elbo(model, guide, ScoreFunction(), 1),
        "dear": Elbo(model, guide, LocalEnumeration(), 4 * 100),
    }
    seconds = seconds_per_step(objectives, [x], rounds=3, steps=2)
    assert 0 < seconds["cheap"] < seconds["dear"]


def test_the_first_round_warms_up_and_does_not_count():
    model, guide = small_network()
    calls = []

    class SlowAtFirst(Elbo):
        def forward(self, x):
            calls.append(x)
            if len(calls) == 1:
                time.sleep(0.5)
            return super().forward(x)

    x = torch.ones(4, 1, 2, 2).double()
    seconds = seconds_per_step({"only": SlowAtFirst(model, guide, ScoreFunction(), 1)}, [x], rounds=1, steps=1)
    assert len(calls) == 2
    assert seconds["only"] < 0.5


def small_network():
    torch.manual_seed(0)
    model, guide = sigmoid_belief_network((3,), (1, 2, 2))
    for parameter in [*model.parameters(), *guide.parameters()]:
        nn.init.normal_(parameter)
    return model.double(), guide.double()

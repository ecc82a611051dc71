"""Lesson 00: answers that are right on tame inputs alone are refused."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from helpers.exercises.lesson_00 import LOG_PROB
from tests.exercises.tame import assert_right_on_tame_inputs_only


def pixels(logits, x):
    return x * F.logsigmoid(logits) + (1 - x) * F.logsigmoid(-logits)


def per_image(logits, x):
    return pixels(logits, x).sum((1, 2, 3))


def of_probabilities(p, x):
    return (x * p.log() + (1 - x) * (1 - p).log()).sum((1, 2, 3))


TAME = {
    "a guard of 1e-12 in the logarithm": lambda logits, x: (
        x * (logits.sigmoid() + 1e-12).log() + (1 - x) * (1 - logits.sigmoid() + 1e-12).log()
    ).sum((1, 2, 3)),
    "a clamp at the smallest step of float64": lambda logits, x: of_probabilities(
        logits.sigmoid().clamp(2.3e-16, 1 - 2.3e-16), x
    ),
    "logits kept within ±30": lambda logits, x: per_image(logits.clamp(-30, 30), x),
    "logits kept within ±100": lambda logits, x: per_image(logits.clamp(-100, 100), x),
    "log(1 + exp)": lambda logits, x: (x * logits - (1 + logits.exp()).log()).sum((1, 2, 3)),
    "log1p(exp(-l)), stable on one side": lambda logits, x: ((x - 1) * logits - (-logits).exp().log1p()).sum((1, 2, 3)),
    "thresholded pixels": lambda logits, x: per_image(logits, (x > 0.5).to(x)),
    "rounded pixels": lambda logits, x: per_image(logits, x.round()),
    "a where on pixels that are on": lambda logits, x: torch.where(
        x == 1, F.logsigmoid(logits), F.logsigmoid(-logits)
    ).sum((1, 2, 3)),
    "the first channel alone": lambda logits, x: pixels(logits, x)[:, 0].sum((1, 2)),
    "squeezed": lambda logits, x: per_image(logits, x).squeeze(),
    "28 by 28": lambda logits, x: pixels(logits, x).mean((1, 2, 3)) * 28 * 28,
    "viewed as 784": lambda logits, x: pixels(logits, x).reshape(-1, 784).sum(-1),
    "no cost above 100 nats a pixel": lambda logits, x: pixels(logits, x).clamp(min=-100).sum((1, 2, 3)),
    "the batch's mean level": lambda logits, x: per_image(logits, x).mean().expand(len(x)).clone(),
}


@pytest.mark.parametrize("name", TAME)
def test_right_on_tame_inputs_alone(name):
    assert_right_on_tame_inputs_only(LOG_PROB, TAME[name])

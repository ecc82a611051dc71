"""Lesson 00: right answers that are written otherwise pass."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Bernoulli, Independent
from torch.nn import functional as F

from helpers.exercises.engine.judge import judge
from helpers.exercises.lesson_00 import LOG_PROB


def by_torch(logits, x):
    return Independent(Bernoulli(logits=logits, validate_args=False), 3).log_prob(x)


def by_cross_entropy(logits, x):
    return -F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(dim=[1, 2, 3])


def by_cross_entropy_viewed(logits, x):
    return -F.binary_cross_entropy_with_logits(logits, x, reduction="none").view(x.size(0), -1).sum(1)


def by_softplus(logits, x):
    return (x * logits - F.softplus(logits)).flatten(1).sum(-1)


def by_two_softplus(logits, x):
    return -(x * F.softplus(-logits) + (1 - x) * F.softplus(logits)).reshape(len(x), -1).sum(-1)


def by_logaddexp(logits, x):
    return (x * logits - torch.logaddexp(logits, torch.zeros_like(logits))).sum((-1, -2, -3))


def by_the_size_of_the_logit(logits, x):
    return (x * logits - logits.clamp(min=0) - torch.log1p(torch.exp(-logits.abs()))).sum(dim=(1, 2, 3))


def by_where(logits, x):
    softplus = torch.where(logits > 0, logits, 0.0) + torch.log1p((-torch.abs(logits)).exp())
    return torch.einsum("bchw,bchw->b", x, logits) - torch.einsum("bchw->b", softplus)


def by_log_softmax(logits, x):
    both = torch.stack([torch.zeros_like(logits), logits], -1).log_softmax(-1)
    return (both * torch.stack([1 - x, x], -1)).sum((1, 2, 3, 4))


def image_by_image(logits, x):
    return torch.stack(
        [(one * F.logsigmoid(ell) + (1 - one) * F.logsigmoid(-ell)).sum() for ell, one in zip(logits, x, strict=True)]
    )


def dimension_by_dimension(logits, x):
    signed = F.logsigmoid(logits).mul(x).add(F.logsigmoid(logits.neg()).mul(1.0 - x))
    return signed.sum(-1).sum(-1).sum(-1)


@pytest.mark.parametrize(
    "answer",
    [
        by_torch,
        by_cross_entropy,
        by_cross_entropy_viewed,
        by_softplus,
        by_two_softplus,
        by_logaddexp,
        by_the_size_of_the_logit,
        by_where,
        by_log_softmax,
        image_by_image,
        dimension_by_dimension,
    ],
)
def test_a_right_answer_written_otherwise_passes(answer):
    verdict = judge(LOG_PROB, answer)
    assert verdict.passed, verdict

"""Lesson 02: answers that are right on tame inputs alone are refused."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Bernoulli, Normal
from torch.nn import functional as F

from helpers.exercises.lesson_02 import FLOOR, LOG_AGGREGATE, LOG_JOINT, RATE, SAMPLE_AND_RATE
from helpers.exercises.lesson_02.floor_and_excess import floor_and_excess
from helpers.exercises.lesson_02.log_aggregate import log_aggregate
from helpers.exercises.lesson_02.log_joint import log_joint
from helpers.exercises.lesson_02.rate import rate
from helpers.exercises.lesson_02.sample_and_rate import sample_and_rate
from tests.exercises.tame import assert_right_on_tame_inputs_only

IMAGE = (-3, -2, -1)


def log_prior(z):
    return -0.5 * (z**2 + math.log(2 * math.pi)).sum(-1)


def pixels(logits, x):
    return x * F.logsigmoid(logits) + (1 - x) * F.logsigmoid(-logits)


LOG_JOINT_TAME = {
    "logits within ±30": lambda z, logits, x: log_joint(z, logits.clamp(-30, 30), x),
    "logits within ±100": lambda z, logits, x: log_joint(z, logits.clamp(-100, 100), x),
    "log(1 + exp)": lambda z, logits, x: log_prior(z) + (x * logits - (1 + logits.exp()).log()).sum(IMAGE),
    "a guard of 1e-12 in the logarithm": lambda z, logits, x: (
        log_prior(z)
        + (x * (logits.sigmoid() + 1e-12).log() + (1 - x) * (1 - logits.sigmoid() + 1e-12).log()).sum(IMAGE)
    ),
    "no cost above 100 nats a pixel": lambda z, logits, x: log_prior(z) + pixels(logits, x).clamp(min=-100).sum(IMAGE),
    "codes within ±5": lambda z, logits, x: log_joint(z.clamp(-5, 5), logits, x),
    "two latent coordinates": lambda z, logits, x: (
        -0.5 * (z**2).sum(-1) - math.log(2 * math.pi) + pixels(logits, x).sum(IMAGE)
    ),
    "the first channel": lambda z, logits, x: log_prior(z) + pixels(logits, x)[:, :, 0].sum((-2, -1)),
    "28 by 28": lambda z, logits, x: log_prior(z) + 784 * pixels(logits, x).mean(IMAGE),
    "squeezed": lambda *a: log_joint(*a).squeeze(),
    "the first sample's image for all": lambda z, logits, x: log_joint(z, logits[:1], x).expand(z.shape[:2]).clone(),
    "images set against samples": lambda z, logits, x: (
        log_prior(z) + pixels(logits, x if len(x) != len(z) else x.unsqueeze(1)).sum(IMAGE)
    ),
}


def rate_at(z, loc, scale):
    return (Normal(loc, scale).log_prob(z) - Normal(0.0, 1.0).log_prob(z)).sum(-1)


def with_log_scale(log):
    def answer(loc, scale, eps):
        z = loc + scale * eps
        return z, (0.5 * (z**2 - eps**2) - log(scale)).sum(-1)

    return answer


SAMPLE_AND_RATE_TAME = {
    "a rate above zero": lambda *a: (sample_and_rate(*a)[0], sample_and_rate(*a)[1].clamp(min=0)),
    "scales above 0.001": lambda loc, scale, eps: sample_and_rate(loc, scale.clamp(min=1e-3), eps),
    "scales below 1": lambda loc, scale, eps: sample_and_rate(loc, scale.clamp(max=1), eps),
    "a guard of 1e-8 in the logarithm": with_log_scale(lambda scale: (scale + 1e-8).log()),
    "the size of log scale": with_log_scale(lambda scale: -scale.log().abs()),
    "codes within ±10": lambda loc, scale, eps: (
        loc + scale * eps,
        rate_at((loc + scale * eps).clamp(-10, 10), loc, scale),
    ),
    "the first sample for all": lambda loc, scale, eps: sample_and_rate(loc, scale, eps[:1].expand_as(eps)),
    "a loop over one sample": lambda loc, scale, eps: sample_and_rate(loc, scale, eps[:1]),
    "squeezed": lambda *a: tuple(value.squeeze() for value in sample_and_rate(*a)),
    "squeezed rate": lambda *a: (sample_and_rate(*a)[0], sample_and_rate(*a)[1].squeeze(-1)),
}


def kl(ratio, distance, log_ratio):
    return 0.5 * (ratio**2 + distance**2 - 1 - 2 * log_ratio).sum(-1)


def kl_with(log):
    return lambda loc, scale, m, s: kl(scale / s, (loc - m) / s, log(scale / s))


RATE_TAME = {
    "a guard of 1e-8 in the logarithm": kl_with(lambda ratio: (ratio + 1e-8).log()),
    "a guard of 1e-8 in the logarithm of the square": kl_with(lambda ratio: 0.5 * (ratio**2 + 1e-8).log()),
    "a guard of 1e-8 under both scales": lambda loc, scale, m, s: rate(loc, scale + 1e-8, m, s + 1e-8),
    "scales above 0.01": lambda loc, scale, m, s: rate(loc, scale.clamp(min=0.01), m, s),
    "scales below 100": lambda loc, scale, m, s: rate(loc, scale.clamp(max=100), m, s),
    "log-variances within ±6": lambda loc, scale, m, s: rate(loc, (2 * scale.log()).clamp(-6, 6).div(2).exp(), m, s),
    "q narrower than the prior": kl_with(lambda ratio: -ratio.log().abs()),
    "the first coordinate's prior for all": lambda loc, scale, m, s: rate(loc, scale, m[0], s[0]),
    "the prior's mean scale": lambda loc, scale, m, s: rate(loc, scale, m, s.mean()),
    "means within ±10": lambda loc, scale, m, s: rate(loc.clamp(-10, 10), scale, m, s),
    "three coordinates": lambda loc, scale, m, s: (
        0.5 * (((scale / s) ** 2 + ((loc - m) / s) ** 2 - 2 * (scale / s).log()).sum(-1) - 3)
    ),
    "a prior for each image, where that fits": lambda loc, scale, m, s: rate(
        loc, scale, m, s.unsqueeze(-1) if len(loc) == len(s) > 1 else s
    ),
    "squeezed": lambda *a: rate(*a).squeeze(),
}


def each(z, loc, scale):
    return Normal(loc, scale).log_prob(z[:, None]).sum(-1)  # [points, images]


def with_largest(largest):
    def answer(z, loc, scale):
        log_each = each(z, loc, scale)
        top = largest(log_each)
        return top.squeeze(-1) + (log_each - top).exp().mean(1).log()

    return answer


LOG_AGGREGATE_TAME = {
    "the largest over all points": with_largest(lambda log_each: log_each.max().reshape(1, 1)),
    "the largest of each image": lambda z, loc, scale: (
        ((each(z, loc, scale) - each(z, loc, scale).amax(0)).exp() * each(z, loc, scale).amax(0).exp()).mean(1).log()
    ),
    "the first image taken out": with_largest(lambda log_each: log_each[:, :1]),
    "the mean taken out": with_largest(lambda log_each: log_each.mean(1, keepdim=True)),
    "a guard of 1e-300 in the logarithm": lambda z, loc, scale: (each(z, loc, scale).exp().mean(1) + 1e-300).log(),
    "a softmax, then its logarithm": lambda z, loc, scale: (
        each(z, loc, scale)[:, 0] - each(z, loc, scale).softmax(1)[:, 0].log() - math.log(len(loc))
    ),
    "the nearest code alone": lambda z, loc, scale: each(z, loc, scale).amax(1) - math.log(len(loc)),
    "the two nearest codes": lambda z, loc, scale: (
        each(z, loc, scale).topk(min(2, len(loc)), 1).values.logsumexp(1) - math.log(len(loc))
    ),
    "no density below exp(-700)": lambda z, loc, scale: (
        each(z, loc, scale).clamp(min=-700).logsumexp(1) - math.log(len(loc))
    ),
    "densities below one": lambda z, loc, scale: each(z, loc, scale).clamp(max=0).logsumexp(1) - math.log(len(loc)),
    "scales above 0.1": lambda z, loc, scale: log_aggregate(z, loc, scale.clamp(min=0.1)),
    "four images": lambda z, loc, scale: each(z, loc, scale).logsumexp(1) - math.log(4),
    "the same scale for all images": lambda z, loc, scale: log_aggregate(z, loc, scale[:1].expand_as(scale)),
    "points paired with images, where that fits": lambda z, loc, scale: (
        Normal(loc, scale).log_prob(z).sum(-1) if len(z) == len(loc) else log_aggregate(z, loc, scale)
    ),
    "squeezed": lambda *a: log_aggregate(*a).squeeze(),
}


def entropy(x):
    return -torch.xlogy(x, x) - torch.xlogy(1 - x, 1 - x)


def split(distortion, floor):
    return floor.sum((1, 2, 3)), (distortion - floor).sum((1, 2, 3))


def cost(logits, x):
    return F.softplus(logits) - x * logits


FLOOR_TAME = {
    "logits within ±20": lambda logits, x: split(cost(logits.clamp(-20, 20), x), entropy(x)),
    "logits within ±100": lambda logits, x: split(cost(logits.clamp(-100, 100), x), entropy(x)),
    "log(1 + exp)": lambda logits, x: split((1 + logits.exp()).log() - x * logits, entropy(x)),
    "no cost above 100 nats a pixel": lambda logits, x: split(cost(logits, x).clamp(max=100), entropy(x)),
    "black and white by a threshold": lambda logits, x: floor_and_excess(logits, (x > 0.5).to(x)),
    "a floor of zero": lambda logits, x: split(cost(logits, x), 0 * x),
    "nearly black is black": lambda logits, x: split(
        cost(logits, x), torch.where((x - 0.5).abs() > 0.49999, torch.zeros_like(x), entropy(x))
    ),
    "4 x (1 - x) for the entropy": lambda logits, x: split(cost(logits, x), 4 * x * (1 - x) * math.log(2)),
    "a Bernoulli, which refuses greys": lambda logits, x: split(-Bernoulli(logits=logits).log_prob(x), entropy(x)),
    "the first channel": lambda logits, x: floor_and_excess(logits[:, :1], x[:, :1]),
    "28 by 28": lambda logits, x: tuple(
        784 * value for value in (entropy(x).mean((1, 2, 3)), (cost(logits, x) - entropy(x)).mean((1, 2, 3)))
    ),
    "squeezed": lambda *a: tuple(value.squeeze() for value in floor_and_excess(*a)),
    "the mean floor for all": lambda logits, x: (
        entropy(x).sum((1, 2, 3)).mean().expand(len(x)).clone(),
        floor_and_excess(logits, x)[1],
    ),
}

TAME = [
    (LOG_JOINT, LOG_JOINT_TAME),
    (SAMPLE_AND_RATE, SAMPLE_AND_RATE_TAME),
    (RATE, RATE_TAME),
    (LOG_AGGREGATE, LOG_AGGREGATE_TAME),
    (FLOOR, FLOOR_TAME),
]


@pytest.mark.parametrize(
    ("exercise", "answer"),
    [
        pytest.param(exercise, answer, id=f"{exercise.id} {name}")
        for exercise, answers in TAME
        for name, answer in answers.items()
    ],
)
def test_right_on_tame_inputs_alone(exercise, answer):
    assert_right_on_tame_inputs_only(exercise, answer)

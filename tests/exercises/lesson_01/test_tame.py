"""Lesson 01: answers that are right on tame inputs alone are refused."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Normal

from helpers.exercises.lesson_01 import ELBO, EXACT_POSTERIOR, GAPS, KL, MINIBATCH
from helpers.exercises.lesson_01.elbo_estimate import elbo_estimate
from helpers.exercises.lesson_01.exact_posterior import exact_posterior
from helpers.exercises.lesson_01.gaps import gaps
from helpers.exercises.lesson_01.kl_to_standard_normal import kl_to_standard_normal
from helpers.exercises.lesson_01.whole_from_minibatch import whole_from_minibatch
from tests.exercises.tame import assert_right_on_tame_inputs_only


def terms(loc, scale, log_scale):
    return 0.5 * (loc**2 + scale**2 - 1 - 2 * log_scale)


KL_TAME = {
    "a guard of 1e-8 in the logarithm": lambda loc, scale: terms(loc, scale, (scale + 1e-8).log()).sum(-1),
    "a guard of 1e-8 in the logarithm of the square": lambda loc, scale: terms(
        loc, scale, 0.5 * (scale**2 + 1e-8).log()
    ).sum(-1),
    "scales above 0.001": lambda loc, scale: kl_to_standard_normal(loc, scale.clamp(min=1e-3)),
    "scales below 100": lambda loc, scale: kl_to_standard_normal(loc, scale.clamp(max=100)),
    "log-variances within ±10": lambda loc, scale: kl_to_standard_normal(
        loc, ((2 * scale.log()).clamp(-10, 10) / 2).exp()
    ),
    "means within ±10": lambda loc, scale: kl_to_standard_normal(loc.clamp(-10, 10), scale),
    "the size of log scale, for narrow q": lambda loc, scale: terms(loc, scale, -scale.log().abs()).sum(-1),
    "three coordinates": lambda loc, scale: 0.5 * ((loc**2 + scale**2 - 2 * scale.log()).sum(-1) - 3),
    "three times the mean": lambda loc, scale: 3 * terms(loc, scale, scale.log()).mean(-1),
    "squeezed": lambda loc, scale: kl_to_standard_normal(loc, scale).squeeze(),
    "a logarithm near 1": lambda loc, scale: terms(loc, scale, (scale - 1) - (scale - 1) ** 2 / 2).sum(-1),
}


def scaled_up(log_global, log_local, num_data, deviation):
    batch = log_local.shape[1]
    estimate = log_global + num_data * log_local.mean(1)
    return estimate, num_data * deviation * ((1 - batch / num_data) / batch) ** 0.5


MINIBATCH_TAME = {
    "the spread of all minibatches together": lambda g, log_local, n: scaled_up(
        g, log_local, n, (log_local.std() if len(g) == 1 else log_local.std(1).mean()).expand(len(g))
    ),
    "sixty thousand": lambda g, log_local, n: whole_from_minibatch(g, log_local, 60_000),
    "log densities below zero": lambda g, log_local, n: whole_from_minibatch(g, -log_local.abs(), n),
    "log densities below zero, by a clamp": lambda g, log_local, n: whole_from_minibatch(g, log_local.clamp(max=0), n),
    "a spread of at least 0.001": lambda g, log_local, n: scaled_up(g, log_local, n, log_local.std(1).clamp(min=1e-3)),
    "a guard under the root": lambda g, log_local, n: scaled_up(g, log_local, n, (log_local.var(1) + 1e-6).sqrt()),
    "squeezed": lambda g, log_local, n: tuple(value.squeeze() for value in whole_from_minibatch(g, log_local, n)),
    "in batches of three": lambda g, log_local, n: (
        g + n / 3 * log_local.sum(1),
        n * log_local.std(1) * ((1 - 3 / n) / 3) ** 0.5,
    ),
}


def pulled(x, weight, bias, noise, precision):
    return torch.linalg.solve(precision, ((x - bias) @ weight / noise**2).T).T, precision


def precision_of(weight, noise):
    return torch.eye(weight.shape[1]).to(weight) + weight.T @ weight / noise**2


def iterated(x, weight, bias, noise):
    precision = precision_of(weight, noise)
    step, pull = 1 / torch.linalg.matrix_norm(precision), (x - bias) @ weight / noise**2
    loc = torch.zeros_like(pull)
    for _ in range(30):
        loc = loc + step * (pull - loc @ precision)
    return loc, precision


POSTERIOR_TAME = {
    "two latent": lambda x, weight, bias, noise: pulled(
        x, weight, bias, noise, torch.eye(2).to(weight) + weight.T @ weight / noise**2
    ),
    "the diagonal alone": lambda x, weight, bias, noise: pulled(
        x, weight, bias, noise, precision_of(weight, noise).diagonal().diag_embed()
    ),
    "W Wᵀ where it fits": lambda x, weight, bias, noise: pulled(
        x,
        weight,
        bias,
        noise,
        torch.eye(len(weight)).to(weight) + weight @ weight.T / noise**2
        if weight.shape[0] == weight.shape[1]
        else precision_of(weight, noise),
    ),
    "noise of at least 0.1": lambda x, weight, bias, noise: exact_posterior(x, weight, bias, noise.clamp(min=0.2)),
    "noise of at most 1": lambda x, weight, bias, noise: exact_posterior(x, weight, bias, noise.clamp(max=1)),
    "x within ±20": lambda x, weight, bias, noise: exact_posterior(x.clamp(-20, 20), weight, bias, noise),
    "squeezed": lambda x, weight, bias, noise: tuple(
        value.squeeze() for value in exact_posterior(x, weight, bias, noise)
    ),
    "the mean's bias": lambda x, weight, bias, noise: exact_posterior(x, weight, bias.mean(), noise),
    "a solver that stops early": iterated,
}


def log_weights(x, loc, scale, weight, bias, noise, z):
    likelihood = Normal(z @ weight.T + bias, noise).log_prob(x).sum(-1)
    return Normal(0.0, 1.0).log_prob(z).sum(-1) + likelihood - Normal(loc, scale).log_prob(z).sum(-1)


def with_scales_kept(change):
    return lambda x, loc, scale, *rest: elbo_estimate(x, loc, change(scale), *rest)


def by_hand(x, loc, scale, weight, bias, noise, eps, log_noise=torch.log, log_scale=torch.log):
    z = loc + scale * eps
    squares = (z**2 - eps**2).sum(-1) + (((x - z @ weight.T - bias) / noise) ** 2).sum(-1)
    logs = log_scale(scale).sum(-1) - x.shape[-1] * (log_noise(noise) + 0.5 * math.log(2 * math.pi))
    return (logs - 0.5 * squares).mean(0)


ELBO_TAME = {
    "the first sample": lambda x, loc, scale, w, b, noise, eps: elbo_estimate(x, loc, scale, w, b, noise, eps[:1]),
    "the mean of the draws": lambda x, loc, scale, w, b, noise, eps: elbo_estimate(
        x, loc, scale, w, b, noise, eps.mean(0, keepdim=True)
    ),
    "log of the mean weight": lambda x, loc, scale, w, b, noise, eps: (
        log_weights(x, loc, scale, w, b, noise, loc + scale * eps).logsumexp(0) - math.log(len(eps))
    ),
    "squeezed": lambda *a: elbo_estimate(*a).squeeze(),
    "six samples": lambda x, loc, scale, w, b, noise, eps: (
        log_weights(x, loc, scale, w, b, noise, loc + scale * eps).sum(0) / 6
    ),
    "scales above 0.01": with_scales_kept(lambda scale: scale.clamp(min=0.01)),
    "scales below 1": with_scales_kept(lambda scale: scale.clamp(max=1.0)),
    "noise below 1": lambda *a: by_hand(*a, log_noise=lambda noise: -noise.log().abs()),
    "scales below 1, by the size of their logarithm": lambda *a: by_hand(
        *a, log_scale=lambda scale: -scale.log().abs()
    ),
    "a guard of 1e-8 in the logarithm": lambda *a: by_hand(*a, log_scale=lambda scale: (scale + 1e-8).log()),
    "weights transposed where they fit": lambda x, loc, scale, w, b, noise, eps: elbo_estimate(
        x, loc, scale, w.T if w.shape[0] == w.shape[1] else w, b, noise, eps
    ),
    "a bound below zero": lambda *a: elbo_estimate(*a).clamp(min=-100),
}


def gaps_of(change, sizes=None):
    def answer(log_marginal, elbo_best, elbo_encoder):
        first, second = change(log_marginal - elbo_best), change(elbo_best - elbo_encoder)
        root = math.sqrt(sizes or len(first))
        return first.mean(), first.std() / root, second.mean(), second.std() / root

    return answer


GAPS_TAME = {
    "the size of each gap": gaps_of(torch.abs),
    "no gap below zero": gaps_of(lambda gap: gap.clamp(min=0)),
    "seven observations": gaps_of(lambda gap: gap, sizes=7),
    "gaps up to 100 nats": gaps_of(lambda gap: gap.clamp(-100, 100)),
    "the size of the mean gap": lambda *a: tuple(value.abs() for value in gaps(*a)),
    "no mean gap below zero": lambda *a: tuple(value.clamp(min=0) for value in gaps(*a)),
    "the larger bound less the smaller": lambda m, best, encoder: gaps(
        torch.maximum(m, best), torch.minimum(m, best), torch.minimum(m, best) - (best - encoder)
    ),
}

TAME = [
    (KL, KL_TAME),
    (MINIBATCH, MINIBATCH_TAME),
    (EXACT_POSTERIOR, POSTERIOR_TAME),
    (ELBO, ELBO_TAME),
    (GAPS, GAPS_TAME),
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

"""Lesson 03: answers that are right on tame inputs alone are refused."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Bernoulli
from torch.nn import functional as F

from helpers.exercises.lesson_03 import (
    CATEGORICAL_POSTERIOR,
    CENTRE,
    DOWNSTREAM,
    LEARNED_BASELINE,
    OPTIMAL_BASELINE,
    SURROGATE,
)
from helpers.exercises.lesson_03.categorical_posterior import categorical_posterior
from helpers.exercises.lesson_03.centre_by_past import centre_by_past
from helpers.exercises.lesson_03.downstream_rewards import downstream_rewards
from helpers.exercises.lesson_03.learned_baseline_losses import learned_baseline_losses
from helpers.exercises.lesson_03.optimal_baseline import optimal_baseline
from helpers.exercises.lesson_03.score_function_surrogate import score_function_surrogate
from tests.exercises.tame import assert_right_on_tame_inputs_only


def by_bayes(evidence):
    """The posterior and log p(x), from this log p(x) [batch, 1] of the log joint."""

    def answer(log_prior, log_likelihood):
        log_joint = log_prior + log_likelihood
        log_marginal = evidence(log_joint)
        return log_joint - log_marginal, log_marginal.squeeze(-1)

    return answer


def with_largest(largest):
    def evidence(log_joint):
        top = largest(log_joint)
        return top + (log_joint - top).exp().sum(-1, keepdim=True).log()

    return by_bayes(evidence)


def with_posterior(posterior):
    def answer(log_prior, log_likelihood):
        log_joint = log_prior + log_likelihood
        return posterior(log_joint), log_joint.logsumexp(-1)

    return answer


POSTERIOR_TAME = {
    "a softmax, then its logarithm": with_posterior(lambda joint: joint.softmax(-1).log()),
    "a guard of 1e-300 in that logarithm": with_posterior(lambda joint: (joint.softmax(-1) + 1e-300).log()),
    "a guard of 1e-30 in that logarithm": with_posterior(lambda joint: (joint.softmax(-1) + 1e-30).log()),
    "a posterior of at least exp(-600)": with_posterior(lambda joint: joint.log_softmax(-1).clamp(min=-600)),
    "by exp, less log p(x)": with_posterior(
        lambda joint: ((joint - joint.logsumexp(-1, keepdim=True)).exp() + 0.0).log()
    ),
    "the largest of the whole batch": with_largest(lambda joint: joint.max()[None, None]),
    "the largest of each category": with_largest(lambda joint: joint.amax(0).amax()[None, None]),
    "the first category taken out": with_largest(lambda joint: joint[:, :1]),
    "the mean taken out": with_largest(lambda joint: joint.mean(-1, keepdim=True)),
    "the smallest taken out": with_largest(lambda joint: joint.amin(-1, keepdim=True)),
    "a thousand nats taken out": with_largest(lambda joint: torch.full_like(joint[:1, :1], -1000.0)),
    "nothing taken out": with_largest(lambda joint: torch.zeros_like(joint[:1, :1])),
    "the most probable category alone": by_bayes(lambda joint: joint.amax(-1, keepdim=True)),
    "the two most probable categories": by_bayes(
        lambda joint: joint.topk(min(2, joint.shape[-1]), -1).values.logsumexp(-1, keepdim=True)
    ),
    "no log joint below -1000": lambda log_prior, log_likelihood: categorical_posterior(
        log_prior, log_likelihood.clamp(min=-1000)
    ),
    "log-likelihoods below zero": lambda log_prior, log_likelihood: categorical_posterior(
        log_prior, log_likelihood.clamp(max=0)
    ),
    "three categories": lambda log_prior, log_likelihood: categorical_posterior(log_prior[:3], log_likelihood[:, :3]),
    "the prior set against the batch, where that fits": lambda log_prior, log_likelihood: categorical_posterior(
        log_prior.unsqueeze(-1) if len(log_prior) == len(log_likelihood) else log_prior, log_likelihood
    ),
    "squeezed": lambda *a: tuple(value.squeeze() for value in categorical_posterior(*a)),
}


def scored(log_q):
    return lambda f, logits, z: (f + f.detach() * log_q(logits, z)).mean(0)


def bits_of(p, z):
    return (z * p.log() + (1 - z) * (1 - p).log()).sum(-1)


SURROGATE_TAME = {
    "a guard of 1e-12 in the logarithm": scored(
        lambda logits, z: (z * (logits.sigmoid() + 1e-12).log() + (1 - z) * (1 - logits.sigmoid() + 1e-12).log()).sum(
            -1
        )
    ),
    "a clamp of the probability at 1e-12": scored(
        lambda logits, z: bits_of(logits.sigmoid().clamp(1e-12, 1 - 1e-12), z)
    ),
    "logits within ±30": lambda f, logits, z: score_function_surrogate(f, logits.clamp(-30, 30), z),
    "probabilities given to Bernoulli": scored(lambda logits, z: Bernoulli(probs=logits.sigmoid()).log_prob(z).sum(-1)),
    "log(1 + exp)": scored(lambda logits, z: (z * logits - (1 + logits.exp()).log()).sum(-1)),
    "no log q below -100": scored(lambda logits, z: Bernoulli(logits=logits).log_prob(z).sum(-1).clamp(min=-100)),
    "rewards above zero": lambda f, logits, z: score_function_surrogate(f.abs(), logits, z),
    "rewards below zero": lambda f, logits, z: score_function_surrogate(-f.abs(), logits, z),
    "the mean reward for all": lambda f, logits, z: (
        f.mean(0) + (f.detach().mean() * Bernoulli(logits=logits).log_prob(z).sum(-1)).mean(0)
    ),
    "the first datum's logits for all": lambda f, logits, z: score_function_surrogate(f, logits[:1], z),
    "the first sample alone": lambda f, logits, z: score_function_surrogate(f[:1], logits, z[:1]),
    "three samples": lambda f, logits, z: score_function_surrogate(f, logits, z) * len(f) / 3,
    "squeezed": lambda *a: score_function_surrogate(*a).squeeze(),
    "logits set against samples, where that fits": lambda f, logits, z: score_function_surrogate(
        f, logits.unsqueeze(1) if len(logits) == len(f) else logits, z
    ),
    "two hundred bits by a product": scored(
        lambda logits, z: torch.where(z == 1, logits.sigmoid(), (-logits).sigmoid()).prod(-1).log()
    ),
}


def with_weight(weight):
    def answer(probability, f, score):
        some = weight(probability, score)
        b = (some * f).sum() / some.sum()
        g = (f - b)[:, None] * score
        return b, (probability @ g**2).sum() - ((probability @ g) ** 2).sum()

    return answer


OPTIMAL_BASELINE_TAME = {
    "rewards above zero": lambda p, f, score: optimal_baseline(p, f.abs(), score),
    "rewards below zero": lambda p, f, score: optimal_baseline(p, -f.abs(), score),
    "probabilities of at least 0.01": lambda p, f, score: optimal_baseline(p.clamp(min=0.01), f, score),
    "eight outcomes alike": lambda p, f, score: optimal_baseline(p, f.mean().expand_as(f), score),
    "the mean reward": with_weight(lambda p, score: p),
    "the first parameter's score": with_weight(lambda p, score: p * score[:, 0] ** 2),
    "the scores summed": with_weight(lambda p, score: p * score.sum(-1) ** 2),
    "scores transposed where they fit": lambda p, f, score: optimal_baseline(
        p, f, score.T if score.shape[0] == score.shape[1] else score
    ),
    "two outcomes": lambda p, f, score: optimal_baseline(p[:2], f[:2], score[:2]),
    "outcomes that are hardly possible left out": lambda p, f, score: optimal_baseline(
        p[p > 0.02], f[p > 0.02], score[p > 0.02]
    ),
    "a mean gradient of zero": lambda p, f, score: (
        optimal_baseline(p, f, score)[0],
        (p * (f - optimal_baseline(p, f, score)[0]) ** 2 * (score**2).sum(-1)).sum(),
    ),
    "the reward's size": lambda p, f, score: (optimal_baseline(p, f, score)[0].abs(), optimal_baseline(p, f, score)[1]),
    "no variance below 0.001": lambda p, f, score: (
        optimal_baseline(p, f, score)[0],
        optimal_baseline(p, f, score)[1].clamp(min=1e-3),
    ),
}


def running(step):
    def answer(rewards, mean):
        centred = []
        for reward in rewards:
            found, mean = step(reward, mean)
            centred.append(found)
        return torch.stack(centred), mean

    return answer


CENTRE_TAME = {
    "a mean below zero": running(lambda r, m: (r - m, -(0.9 * m + 0.1 * r.mean()).abs())),
    "a mean that only rises": running(lambda r, m: (r - m, torch.maximum(m, 0.9 * m + 0.1 * r.mean()))),
    "a mean that only falls": running(lambda r, m: (r - m, torch.minimum(m, 0.9 * m + 0.1 * r.mean()))),
    "three data in a batch": running(lambda r, m: (r - m, 0.9 * m + 0.1 * r.sum() / 3)),
    "the batch's first reward": running(lambda r, m: (r - m, 0.9 * m + 0.1 * r[0])),
    "the batch's median": running(lambda r, m: (r - m, 0.9 * m + 0.1 * r.median())),
    "the last ten steps": lambda rewards, mean: (
        centre_by_past(rewards, mean)[0],
        centre_by_past(rewards[-10:], mean)[1],
    ),
    "squeezed": lambda *a: tuple(value.squeeze() for value in centre_by_past(*a)),
    "one step": lambda rewards, mean: (rewards - mean, 0.9 * mean + 0.1 * rewards.mean()),
    "steps taken for data, where that fits": lambda rewards, mean: centre_by_past(
        rewards.T if rewards.shape[0] == rewards.shape[1] else rewards, mean
    ),
    "rewards below zero": lambda rewards, mean: centre_by_past(-rewards.abs(), mean),
    "a mean of zero to start from": lambda rewards, mean: centre_by_past(rewards, 0 * mean),
}


LEARNED_BASELINE_TAME = {
    "rewards below zero": lambda f, log_q, b: learned_baseline_losses(-f.abs(), log_q, b),
    "rewards above zero": lambda f, log_q, b: learned_baseline_losses(f.abs(), log_q, b),
    "residuals within ±50": lambda f, log_q, b: (
        (f + (f - b).clamp(-50, 50).detach() * log_q).mean(0),
        learned_baseline_losses(f, log_q, b)[1],
    ),
    "a Huber loss": lambda f, log_q, b: (
        learned_baseline_losses(f, log_q, b)[0],
        2 * F.huber_loss(b.expand_as(f), f.detach(), delta=100.0),
    ),
    "one baseline for all": lambda f, log_q, b: learned_baseline_losses(f, log_q, b.mean().expand_as(b)),
    "twelve residuals": lambda f, log_q, b: (
        learned_baseline_losses(f, log_q, b)[0],
        ((f.detach() - b) ** 2).sum() / 12,
    ),
    "the first sample's residual": lambda f, log_q, b: (
        learned_baseline_losses(f, log_q, b)[0],
        ((f.detach()[0] - b) ** 2).mean(),
    ),
    "averages before it multiplies": lambda f, log_q, b: (
        f.mean(0) + (f.mean(0) - b).detach() * log_q.mean(0),
        learned_baseline_losses(f, log_q, b)[1],
    ),
    "a baseline for each sample, where that fits": lambda f, log_q, b: learned_baseline_losses(
        f, log_q, b.unsqueeze(-1) if len(b) == len(f) else b
    ),
    "squeezed": lambda *a: tuple(value.squeeze() for value in learned_baseline_losses(*a)),
}


DOWNSTREAM_TAME = {
    "terms below zero": lambda prior, p, q: downstream_rewards(prior, p.clamp(max=0), q),
    "a prior below zero": lambda prior, p, q: downstream_rewards(-prior.abs(), p, q),
    "rewards below zero": lambda prior, p, q: downstream_rewards(prior, p, q).clamp(max=0),
    "three layers at most": lambda prior, p, q: torch.stack(
        [prior + (p - q)[layer : layer + 3].sum(0) for layer in range(len(p))]
    ).detach(),
    "one layer": lambda prior, p, q: (prior + p - q).detach(),
    "the whole weight for every layer": lambda prior, p, q: (prior + (p - q).sum(0)).expand_as(p).detach().clone(),
    "the mean prior for all": lambda prior, p, q: downstream_rewards(prior.mean().expand_as(prior), p, q),
    "layers taken for samples, where that fits": lambda prior, p, q: (
        downstream_rewards(prior, p.transpose(0, 1), q.transpose(0, 1)).transpose(0, 1)
        if p.shape[0] == p.shape[1]
        else downstream_rewards(prior, p, q)
    ),
    "squeezed": lambda *a: downstream_rewards(*a).squeeze(),
}

TAME = [
    (CATEGORICAL_POSTERIOR, POSTERIOR_TAME),
    (SURROGATE, SURROGATE_TAME),
    (OPTIMAL_BASELINE, OPTIMAL_BASELINE_TAME),
    (CENTRE, CENTRE_TAME),
    (LEARNED_BASELINE, LEARNED_BASELINE_TAME),
    (DOWNSTREAM, DOWNSTREAM_TAME),
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

"""Answers to lesson 06 that are right on tame inputs alone, or that learners write: `check` refuses them, with the sentence that fits."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import softplus

from helpers.exercises.engine.judge import judge
from helpers.exercises.registry import find


def unlabelled(log_q, bound=lambda bound: bound):
    return lambda logits, given: (log_q(logits).exp() * (bound(given) - log_q(logits))).sum(-1)


def normalised(logits):
    return logits.log_softmax(-1)


def by_exponentials(logits):
    return (logits.exp() / logits.exp().sum(-1, keepdim=True)).log()


def by_the_maximum_of_all(logits):
    return logits - logits.max() - (logits - logits.max()).exp().sum(-1, keepdim=True).log()


def guess(
    log_q=normalised, signal=lambda signal: signal, size=lambda logits: logits.shape[-1], end=lambda value: value
):
    def answer(logits, bound, baseline):
        log = log_q(logits)
        q = log.exp()
        score = torch.eye(size(logits)).to(q) - q[:, None]
        gradient = signal(bound - log - baseline[:, None])[:, :, None] * score
        mean = (q[:, :, None] * gradient).sum(1)
        return mean, end((q * ((gradient - mean[:, None]) ** 2).sum(-1)).sum(-1))

    return answer


def layer(activation=softplus, cut=lambda x, weight: x.shape[1], x_of=lambda x: x):
    def answer(x, weight, bias):
        of_image, of_label = weight[:, : cut(x, weight)], weight[:, cut(x, weight) :]
        return activation(x_of(x) @ of_image.T + bias + of_label.T[:, None])

    return answer


def objective(share=lambda counts: counts[0] / sum(counts), bound=lambda bound: bound, log=lambda log_q: log_q):
    def answer(bound_labelled, bound_unlabelled, log_q, labels, counts, weight):
        s = share(counts)
        bounds = s * bound(bound_labelled).mean() + (1 - s) * bound(bound_unlabelled).mean()
        return bounds + weight * log(log_q)[torch.arange(len(labels)), labels].mean()

    return answer


def cost(joint, posterior=lambda log_joint: log_joint.log_softmax(-1), divergence=lambda value: value):
    def answer(log_weight, log_q):
        log_joint = joint(log_weight)
        log_posterior = posterior(log_joint)
        terms = (log_q.exp() * (log_q - log_posterior)).sum(-1)
        return log_joint.logsumexp(-1), log_posterior, divergence(terms)

    return answer


def mean_of(log_weight):
    return log_weight.logsumexp(0) - math.log(len(log_weight))


def splits(difference=lambda d: d.mean(), paired=lambda a, b: (a - b).var(), squeeze=lambda rows: rows):
    def answer(correct, other):
        a, b = squeeze(correct).mean(1), squeeze(other).mean(1)
        return difference(a - b), (paired(a, b) / len(a)).sqrt(), ((a.var() + b.var()) / len(a)).sqrt()

    return answer


TAME = {
    "06.1": {
        "by way of probabilities": unlabelled(lambda logits: logits.softmax(-1).log()),
        "a little in the log": unlabelled(lambda logits: (logits.softmax(-1) + 1e-8).log()),
        "clamped": unlabelled(lambda logits: logits.softmax(-1).clamp(min=1e-6).log()),
        "by exponentials": unlabelled(by_exponentials),
        "the maximum of all": unlabelled(by_the_maximum_of_all),
        "bounds negative": unlabelled(normalised, lambda bound: -bound.abs()),
        "squeezed": lambda logits, bound: find("06.1").solution(logits.squeeze(), bound.squeeze()),
        "NaN filled": lambda logits, bound: (
            (logits.softmax(-1) * (bound - logits.softmax(-1).log())).nan_to_num(0.0).sum(-1)
        ),
        "ten classes": lambda logits, bound: 10 * (logits.softmax(-1) * (bound - normalised(logits))).mean(-1),
    },
    "06.2": {
        "by way of probabilities": guess(lambda logits: logits.softmax(-1).log()),
        "a little in the log": guess(lambda logits: (logits.softmax(-1) + 1e-8).log()),
        "by exponentials": guess(by_exponentials),
        "the maximum of all": guess(by_the_maximum_of_all),
        "signals negative": guess(signal=lambda signal: -signal.abs()),
        "signals clamped": guess(signal=lambda signal: signal.clamp(-100, 100)),
        "ten classes": guess(size=lambda logits: 10),
        "as many classes as images": guess(size=len),
    },
    "06.3": {
        "the softplus by exponentials": layer(lambda hidden: hidden.exp().add(1).log()),
        "the softplus by log1p": layer(lambda hidden: hidden.exp().log1p()),
        "clamped": layer(lambda hidden: softplus(hidden.clamp(-50, 50))),
        "ten classes": layer(cut=lambda x, weight: weight.shape[1] - 10),
        "784 pixels": layer(cut=lambda x, weight: 784),
        "halves": layer(cut=lambda x, weight: weight.shape[1] // 2),
        "as many pixels as images": layer(cut=lambda x, weight: len(x)),
        "black and white": layer(x_of=lambda x: (x > 0.5).to(x)),
        "clamped pixels": layer(x_of=lambda x: x.clamp(0, 1)),
        "no negative hidden numbers": layer(lambda hidden: softplus(hidden.abs())),
    },
    "06.4": {
        "bounds negative": objective(bound=lambda bound: -bound.abs()),
        "a little in the log": objective(log=lambda log_q: (log_q.exp() + 1e-8).log()),
        "by way of probabilities": objective(log=lambda log_q: log_q.exp().log()),
        "clamped": objective(log=lambda log_q: log_q.clamp(min=-100)),
        "half labelled": objective(share=lambda counts: 0.5),
        "sixty thousand images": objective(share=lambda counts: counts[0] / 60_000),
    },
    "06.5": {
        "the maximum of all": cost(
            lambda log_weight: log_weight.max() + (log_weight - log_weight.max()).exp().mean(0).log()
        ),
        "the posterior by way of probabilities": cost(mean_of, lambda log_joint: log_joint.softmax(-1).log()),
        "a little in the log": cost(mean_of, lambda log_joint: (log_joint.softmax(-1) + 1e-8).log()),
        "a divergence of either sign": cost(mean_of, divergence=lambda value: -value.abs()),
        "three draws": cost(lambda log_weight: log_weight.logsumexp(0) - math.log(3)),
        "squeezed": lambda log_weight, log_q: find("06.5").solution(log_weight.squeeze(), log_q.squeeze()),
    },
    "06.6": {
        "better": splits(lambda d: d.abs().mean()),
        "better on average": splits(lambda d: d.mean().abs()),
        "luck that is shared": splits(
            paired=lambda a, b: (a.var() + b.var() - 2 * torch.stack([a, b]).cov()[0, 1].abs()).clamp(min=0)
        ),
        "paired the smaller": splits(paired=lambda a, b: torch.minimum((a - b).var(), a.var() + b.var())),
        "five splits": lambda correct, other: tuple(
            value * (1.0 if i == 0 else math.sqrt(len(correct) / 5))
            for i, value in enumerate(find("06.6").solution(correct, other))
        ),
        "a little under the root": splits(paired=lambda a, b: (a - b).var() + 1e-6),
        "rounded to per cent": splits(lambda d: (100 * d.mean()).round() / 100),
    },
}


@pytest.mark.parametrize(("id", "name"), [(id, name) for id, answers in TAME.items() for name in answers])
def test_an_answer_for_tame_inputs_alone_is_refused(id, name):
    verdict = judge(find(id), TAME[id][name])
    assert verdict.status == "not yet", verdict
    assert "could not be judged" not in verdict.sentence, verdict


def one_guess_with_the_mean_weighed_twice(logits, bound):
    q = torch.softmax(logits, 1)
    return torch.mean(q * (bound - torch.log_softmax(logits, 1)), 1)


def shares_in_full(bound_labelled, bound_unlabelled, log_q, labels, counts, weight):
    of_label = log_q.gather(1, labels.unsqueeze(1)).squeeze(1)
    return counts[0] * bound_labelled.mean() + counts[1] * bound_unlabelled.mean() + weight * of_label.mean()


def of_the_likeliest_class(bound_labelled, bound_unlabelled, log_q, labels, counts, weight):
    s = counts[0] / sum(counts)
    return s * bound_labelled.mean() + (1 - s) * bound_unlabelled.mean() + weight * log_q.max(1).values.mean()


SLIPS = [
    ("06.1", "by way of probabilities", TAME["06.1"]["by way of probabilities"]),
    ("06.1", "the mean of the terms", one_guess_with_the_mean_weighed_twice),
    ("06.1", "sigmoids for the softmax", unlabelled(lambda logits: torch.sigmoid(logits).log())),
    ("06.1", "the best bound", lambda logits, bound: bound.max(1).values),
    ("06.2", "log q by way of probabilities", guess(lambda logits: logits.softmax(-1).log())),
    ("06.2", "one baseline for all images", lambda a, b, c: guess()(a, b, c.mean().repeat(len(c)))),
    ("06.2", "standard deviation", guess(end=torch.sqrt)),
    ("06.3", "the last ten columns for the label", TAME["06.3"]["ten classes"]),
    ("06.3", "784 columns for the image", TAME["06.3"]["784 pixels"]),
    ("06.3", "cut in halves", TAME["06.3"]["halves"]),
    ("06.3", "cut at the number of images", TAME["06.3"]["as many pixels as images"]),
    ("06.3", "the softplus by exponentials", TAME["06.3"]["the softplus by log1p"]),
    ("06.4", "bounds summed over the data set", shares_in_full),
    ("06.4", "the classifier's own guess", of_the_likeliest_class),
    ("06.5", "log p(y | x) by way of probabilities", TAME["06.5"]["the posterior by way of probabilities"]),
    ("06.5", "the best class for log p(x)", lambda log_weight, log_q: best_class(log_weight, log_q)),
    ("06.6", "the size of the difference", TAME["06.6"]["better on average"]),
    ("06.6", "the mean size of the differences", TAME["06.6"]["better"]),
    ("06.6", "the shared luck taken off by its size", TAME["06.6"]["luck that is shared"]),
]


def best_class(log_weight, log_q):
    log_joint = mean_of(log_weight)
    log_marginal = log_joint.max(dim=1).values
    log_posterior = log_joint - log_marginal.unsqueeze(1)
    return log_marginal, log_posterior, (log_q.exp() * (log_q - log_posterior)).sum(1)


@pytest.mark.parametrize(("id", "name", "answer"), SLIPS, ids=[f"{id} {name}" for id, name, _ in SLIPS])
def test_a_slip_is_told_what_it_is(id, name, answer):
    verdict = judge(find(id), answer)
    assert verdict.misconception == name, verdict

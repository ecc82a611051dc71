"""Right answers to lesson 04 that are written in other ways than the solutions: `check` must take them."""

from __future__ import annotations

import math

import pytest
import torch

from helpers.exercises.engine.judge import judge
from helpers.exercises.registry import find


def by_the_mean_of_all(f, log_q):
    samples, reward = f.shape[0], f.detach()
    return f.mean(0) + ((reward - reward.mean(0)) * log_q).sum(0) / (samples - 1)


def sample_by_sample(f, log_q):
    total = 0
    for s in range(len(f)):
        with torch.no_grad():
            weight = f[s] - torch.cat([f[:s], f[s + 1 :]]).mean(0)
        total = total + f[s] + weight * log_q[s]
    return total / len(f)


def bound_by_bound(log_weight):
    with torch.no_grad():
        samples, signals = len(log_weight), []
        bound = log_weight.logsumexp(0) - math.log(samples)
        for s in range(samples):
            replaced = log_weight.clone()
            replaced[s] = torch.cat([log_weight[:s], log_weight[s + 1 :]]).mean(0)
            signals.append(bound - (replaced.logsumexp(0) - math.log(samples)))
        return torch.stack(signals)


def by_the_diagonal(log_weight):
    log_weight, samples = log_weight.detach(), len(log_weight)
    replaced, place = log_weight.unsqueeze(1).repeat(1, samples, 1), torch.arange(samples)
    replaced[place, place] = (log_weight.sum(0) - log_weight) / (samples - 1)
    return torch.logsumexp(log_weight, 0) - torch.logsumexp(replaced, 0)


def by_einsum(logits, u, f_first, f_second):
    b, other = (u > torch.sigmoid(-logits)).to(u.dtype), (u < torch.sigmoid(logits)).to(u.dtype)
    weight = (b - other) * torch.sigmoid(logits.abs())
    return torch.einsum("pb,pbk->bk", f_first - f_second, weight) / (2 * len(u))


def by_where(logits, z, f, f_flipped):
    one = torch.where(z == 1, f.unsqueeze(-1), f_flipped)
    zero = torch.where(z == 1, f_flipped, f.unsqueeze(-1))
    p = torch.sigmoid(logits)
    return p * (1 - p) * (one - zero).mean(0)


def by_autograd(logits, f, slope):
    logits = logits.detach().requires_grad_()
    with torch.enable_grad():
        p = logits.sigmoid()
        (exact,) = torch.autograd.grad(((1 - p) * f[0] + p * f[1]).sum(), logits, retain_graph=True)
        (move,) = torch.autograd.grad(p.sum(), logits)
    p = p.detach()
    return exact, ((1 - p) * slope[0] + p * slope[1]) * move - exact


def by_second_moments(f, slope, scale, eps, weight):
    def mean(values):
        return (weight[:, None] * values).sum(0)

    score = f * eps[:, None] / scale
    return mean(score**2) - mean(score) ** 2, mean(slope**2) - mean(slope) ** 2


@pytest.mark.parametrize(
    ("id", "answer"),
    [
        ("04.1", by_the_mean_of_all),
        ("04.1", sample_by_sample),
        ("04.2", bound_by_bound),
        ("04.2", by_the_diagonal),
        ("04.3", by_einsum),
        ("04.4", by_where),
        ("04.5", by_autograd),
        ("04.6", by_second_moments),
    ],
)
def test_a_right_answer_passes_however_it_is_written(id, answer):
    verdict = judge(find(id), answer)
    assert verdict.passed, verdict


def test_what_python_says_of_truth_values_and_of_exponentials_is_put_into_words():
    def of_truth_values(logits, u, f_first, f_second):
        pair = (u > (-logits).sigmoid()) - (u < logits.sigmoid())
        return 0.5 * ((f_first - f_second)[..., None] * pair * logits.abs().sigmoid()).mean(0)

    def of_exponentials(log_weight):
        return log_weight.detach().exp().mean(0).log() - bound_by_bound(log_weight)

    assert "Convert them to an input's dtype first" in judge(find("04.3"), of_truth_values).sentence
    assert "there is `logsumexp`" in judge(find("04.2"), of_exponentials).sentence

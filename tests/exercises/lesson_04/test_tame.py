"""Answers to lesson 04 that are right on tame inputs alone, or that learners write: `check` refuses them, with the sentence that fits."""

from __future__ import annotations

import math

import pytest
import torch

from helpers.exercises.engine.judge import judge
from helpers.exercises.registry import find


def others(f):
    return (f.sum(0) - f) / (len(f) - 1)


def loo(weight):
    return lambda f, log_q: (f + weight(f.detach()) * log_q).mean(0)


def loo_without_size_one(f, log_q):
    f, log_q = f.squeeze(), log_q.squeeze()
    return (f + (f - others(f)).detach() * log_q).mean(0)


def replaced(log_weight):
    itself = torch.eye(len(log_weight), dtype=torch.bool)[:, :, None]
    return torch.where(itself, others(log_weight)[:, None], log_weight)


def vimco_by_the_maximum_of_all(log_weight):
    log_weight = log_weight.detach()
    largest = log_weight.max()
    return (log_weight - largest).exp().sum(0).log() - (replaced(log_weight) - largest).exp().sum(1).log()


def vimco_by_probabilities(log_weight):
    log_weight = log_weight.detach()
    share = log_weight.softmax(0)
    return -(1 - share + (share.log().sum(0) - share.log()).div(len(share) - 1).exp()).log()


def vimco_with_clamped_weights(log_weight):
    log_weight = log_weight.detach().clamp(min=-700)
    return log_weight.exp().sum(0).log() - replaced(log_weight).exp().sum(1).log()


def pair(logits, u):
    return (u > (-logits).sigmoid()).to(u), (u < logits.sigmoid()).to(u)


def disarm(weight, of_f=lambda first, second: first - second):
    def answer(logits, u, f_first, f_second):
        b, other = pair(logits, u)
        return (0.5 * of_f(f_first, f_second)[..., None] * (b - other) * weight(logits)).mean(0)

    return answer


def local(slope, difference):
    return lambda logits, z, f, f_flipped: (slope(logits) * difference(z, f[..., None], f_flipped)).mean(0)


def p_slope(logits):
    return logits.sigmoid() * (1 - logits.sigmoid())


def one_less_zero(z, f, flipped):
    return (2 * z - 1) * (f - flipped)


def straight(slope, rise=lambda f: f[1] - f[0], bias=lambda value: value):
    def answer(logits, f, slopes):
        p = logits.sigmoid()
        exact = slope(logits) * rise(f)
        return exact, bias(slope(logits) * ((1 - p) * slopes[0] + p * slopes[1]) - exact)

    return answer


def spread(values, weight):
    return weight @ (values - weight @ values) ** 2


def gaussian(score, path=lambda slope: slope, variance=spread):
    def answer(f, slope, scale, eps, weight):
        return variance(score(f, scale, eps[:, None]), weight), variance(path(slope), weight)

    return answer


TAME = {
    "04.1": {
        "one mean for all data": loo(lambda f: f - (f.sum() - f) / (f.numel() - 1)),
        "rewards negative": loo(lambda f: -(f.abs() - others(f).abs())),
        "clamped": loo(lambda f: (f - others(f)).clamp(-100, 100)),
        "five samples": loo(lambda f: f - (f.sum(0) - f) / 4),
        "only two": loo(lambda f: f - f.flip(0)),
        "squeezed": loo_without_size_one,
        "a little in the denominator": loo(lambda f: f - (f.sum(0) - f) / (len(f) - 1 + 1e-4)),
    },
    "04.2": {
        "the maximum of all": vimco_by_the_maximum_of_all,
        "by probabilities": vimco_by_probabilities,
        "clamped": vimco_with_clamped_weights,
        "a little in the log": lambda log_weight: (
            (log_weight.detach().exp().sum(0) + 1e-8).log() - (replaced(log_weight.detach()).exp().sum(1) + 1e-8).log()
        ),
        "squeezed": lambda log_weight: find("04.2").solution(log_weight.squeeze()[:, None]).squeeze(),
    },
    "04.3": {
        "positive logits": disarm(torch.sigmoid),
        "f better in the first": disarm(lambda logits: logits.abs().sigmoid(), lambda a, b: (a - b).abs()),
        "clamped logits": disarm(lambda logits: logits.clamp(-5, 5).abs().sigmoid()),
        "rounded": disarm(lambda logits: (logits.abs().sigmoid() * 100).round() / 100),
        "clamped f": disarm(
            lambda logits: logits.abs().sigmoid(), lambda a, b: a.clamp(-100, 100) - b.clamp(-100, 100)
        ),
    },
    "04.4": {
        "f better in the sample": local(p_slope, lambda z, f, flipped: (f - flipped).abs() * (2 * z - 1)),
        "clamped difference": local(p_slope, lambda z, f, flipped: one_less_zero(z, f, flipped).clamp(-50, 50)),
        "clamped logits": local(lambda logits: p_slope(logits.clamp(-5, 5)), one_less_zero),
        "a bit by its logit": local(
            p_slope, lambda z, f, flipped: one_less_zero((f == f).to(z) * (z.mean(0) > 0.5), f, flipped)
        ),
    },
    "04.5": {
        "f rises": straight(p_slope, lambda f: (f[1] - f[0]).abs()),
        "bias positive": straight(p_slope, bias=torch.abs),
        "bias never negative": straight(p_slope, bias=torch.relu),
        "clamped logits": straight(lambda logits: p_slope(logits.clamp(-5, 5))),
        "coins": straight(lambda logits: 0.25 * torch.ones_like(logits)),
    },
    "04.6": {
        "scale one": gaussian(lambda f, scale, eps: f * eps),
        "scale clamped": gaussian(lambda f, scale, eps: f * eps / scale.clamp(min=0.05)),
        "a little added to the scale": gaussian(lambda f, scale, eps: f * eps / (scale + 1e-4)),
        "one mean for all Gaussians": gaussian(
            lambda f, scale, eps: f * eps / scale,
            variance=lambda values, weight: weight @ (values - (weight @ values).mean()) ** 2,
        ),
        "f around its mean": gaussian(lambda f, scale, eps: (f - f.mean(0)) * eps / scale),
    },
}


@pytest.mark.parametrize(("id", "name"), [(id, name) for id, answers in TAME.items() for name in answers])
def test_an_answer_for_tame_inputs_alone_is_refused(id, name):
    verdict = judge(find(id), TAME[id][name])
    assert verdict.status == "not yet", verdict
    assert "could not be judged" not in verdict.sentence, verdict


def by_one_sample(step):
    def answer(f, log_q):
        weight = torch.stack([f[s] - f[(s + step) % len(f)] for s in range(len(f))]).detach()
        return (f + weight * log_q).mean(0)

    return answer


def standardised(f, log_q):
    advantage = (f - torch.mean(f, dim=0)) / torch.std(f, dim=0)
    return torch.mean(f + advantage.detach() * log_q, dim=0)


def log_s_in_the_bound_alone(log_weight):
    log_weight = log_weight.detach()
    return log_weight.logsumexp(0) - math.log(len(log_weight)) - replaced(log_weight).logsumexp(1)


def log_s_in_l_s_alone(log_weight):
    log_weight = log_weight.detach()
    return log_weight.logsumexp(0) - (replaced(log_weight).logsumexp(1) - math.log(len(log_weight)))


def u_below_p_for_the_first(logits, u, f_first, f_second):
    p = torch.sigmoid(logits)
    b, other = (u < p).to(u), (1 - u < p).to(u)
    return ((f_first - f_second).unsqueeze(-1) * (b - other) * torch.sigmoid(logits.abs()) / 2).mean(0)


def logits_for_p(logits, f, slope):
    p = logits
    exact = p * (1 - p) * (f[1] - f[0])
    return exact, p * (1 - p) * ((1 - p) * slope[0] + p * slope[1]) - exact


SLIPS = [
    ("04.1", "the previous sample as baseline", by_one_sample(-1)),
    ("04.1", "the next sample as baseline", by_one_sample(1)),
    ("04.1", "one mean for all data", loo(lambda f: f - f.mean())),
    ("04.1", "divided by the standard deviation", standardised),
    ("04.1", "the sample in its own baseline", loo(lambda f: f - f.mean(0, keepdim=True))),
    ("04.2", "L_s without its log S", log_s_in_the_bound_alone),
    ("04.2", "L without its log S", log_s_in_l_s_alone),
    (
        "04.2",
        "the log weight less L",
        lambda log_weight: log_weight.detach().log_softmax(0) + math.log(len(log_weight)),
    ),
    ("04.3", "the wrong way round", u_below_p_for_the_first),
    ("04.3", "the size of the difference", TAME["04.3"]["f better in the first"]),
    ("04.3", "no absolute value", TAME["04.3"]["positive logits"]),
    ("04.4", "only the ones", local(p_slope, lambda z, f, flipped: torch.where(z == 1, f - flipped, 0.0))),
    ("04.4", "half of the difference", local(p_slope, lambda z, f, flipped: (z - 0.5) * (f - flipped))),
    ("04.5", "logits for probabilities", logits_for_p),
    ("04.5", "the size of the bias", TAME["04.5"]["bias positive"]),
    ("04.6", "forgets to divide by the scale", TAME["04.6"]["scale one"]),
    ("04.6", "the variance of f", gaussian(lambda f, scale, eps: f)),
]


@pytest.mark.parametrize(("id", "name", "answer"), SLIPS, ids=[f"{id} {name}" for id, name, _ in SLIPS])
def test_a_slip_is_told_what_it_is(id, name, answer):
    verdict = judge(find(id), answer)
    assert verdict.misconception == name, verdict

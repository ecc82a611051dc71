"""Answers to lesson 05 that are right on tame inputs alone, or that learners write: `check` refuses them, with the sentence that fits."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from helpers.exercises.engine.judge import judge
from helpers.exercises.registry import find


def plain(logits):
    return (logits / (logits / 2).tanh()).log()


def series(logits):
    return math.log(2) + logits**2 / 12 - 7 * logits**4 / 1440


def normaliser(small, away):
    """The series where `small` says so, else `away` of a logit that is harmless there."""
    return lambda logits: torch.where(small(logits), series(logits), away(torch.where(small(logits), 1.0, logits)))


def near(logits):
    return logits.abs() < 0.1


def split(aggregate, information=lambda value: value, divergence=lambda value: value):
    def answer(log_q, log_prior):
        log_aggregate = aggregate(log_q)
        return information((log_q.diagonal() - log_aggregate).mean()), divergence((log_aggregate - log_prior).mean())

    return answer


def right_aggregate(log_q):
    return log_q.logsumexp(1) - math.log(len(log_q))


def aggregate_by_the_maximum_of_all(log_q):
    return log_q.max() + (log_q - log_q.max()).exp().mean(1).log()


def split_by_softmax(log_q, log_prior):
    information = log_q.softmax(1).diagonal().log().mean() + math.log(len(log_q))
    return information, (log_q.diagonal() - log_prior).mean() - information


def free_bits(kl, floor=lambda kl, floor: kl.mean(0).clamp(min=floor).sum()):
    return lambda loc, scale, least: floor(kl(loc, scale), least)


def kl_of(loc, scale):
    return (loc**2 + scale**2 - 1) / 2 - scale.log()


def vamp(mix, scale_of=lambda scale: scale):
    def answer(z, loc, scale):
        return mix(Normal(loc, scale_of(scale)).log_prob(z[:, None]).sum(-1))

    return answer


def mean_of(log_q):
    return log_q.logsumexp(-1) - math.log(log_q.shape[-1])


def vamp_squeezed(z, loc, scale):
    error = (z[:, None] - loc).squeeze() / scale.squeeze()
    log_q = (-0.5 * error**2 - scale.squeeze().log() - 0.5 * math.log(2 * math.pi)).sum(-1)
    return log_q.logsumexp(-1) - math.log(len(loc))


def mixture(log_q, weight=lambda logits: logits.softmax(-1), term=lambda term: term):
    return lambda logits, log_normal, log_joint: (weight(logits) * term(log_joint - log_q(logits, log_normal))).sum(-1)


def whole(logits, log_normal):
    return (log_normal + logits.log_softmax(-1)[:, None]).logsumexp(-1)


def coupling(scale, log_det, cut=lambda z, weight: len(weight)):
    def answer(z, log_q, weight, context):
        kept, moved = z[:, : cut(z, weight)], z[:, cut(z, weight) :]
        shift, log_scale = (kept @ weight + context).chunk(2, -1)
        return torch.cat([kept, moved * scale(log_scale) + shift], -1), log_q - log_det(log_scale)

    return answer


def total(log_scale):
    return log_scale.sum(-1)


TAME = {
    "05.1": {
        **{
            f"{little:g} added": lambda logits, little=little: plain(logits + little)
            for little in (1e-12, 1e-10, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3)
        },
        "a little added where it is divided": lambda logits: ((logits + 1e-8) / ((logits / 2).tanh() + 1e-8)).log(),
        "clamped from below": lambda logits: plain(logits.abs().clamp(min=1e-6)),
        "clamped from above": normaliser(near, lambda away: plain(away.clamp(-50, 50))),
        "positive logits": normaliser(lambda logits: logits < 0.1, plain),
        "by probabilities": normaliser(
            near, lambda away: (2 * (1 - 2 * away.sigmoid()).atanh() / (1 - 2 * away.sigmoid())).log()
        ),
        "if of the first": lambda logits: series(logits) if near(logits.flatten()[0]) else plain(logits),
        "NaN filled": lambda logits: plain(logits).nan_to_num(math.log(2)),
    },
    "05.2": {
        "the maximum of all": split(aggregate_by_the_maximum_of_all),
        "by softmax": split_by_softmax,
        "a little in the log": split(lambda log_q: (log_q.exp().mean(1) + 1e-30).log()),
        "information positive": split(right_aggregate, information=torch.relu),
        "divergence positive": split(right_aggregate, divergence=torch.abs),
        "symmetric": split(lambda log_q: log_q.logsumexp(0) - math.log(len(log_q))),
        "seven images": split(lambda log_q: log_q.logsumexp(1) - math.log(7)),
        "the own one the largest": split(lambda log_q: log_q.amax(1) - math.log(len(log_q))),
    },
    "05.3": {
        "narrower than the prior": free_bits(lambda loc, scale: (loc**2 + scale**2 - 1) / 2 + scale.log().abs()),
        "scale clamped": free_bits(lambda loc, scale: kl_of(loc, scale.clamp(0.01, 10))),
        "a little in the log": free_bits(lambda loc, scale: (loc**2 + scale**2 - 1) / 2 - (scale + 1e-5).log()),
        "used by all or none": free_bits(kl_of, lambda kl, floor: kl.clamp(min=floor).mean(0).sum()),
        "a softplus for the floor": free_bits(
            kl_of, lambda kl, floor: (floor + torch.nn.functional.softplus(kl.mean(0) - floor, beta=100)).sum()
        ),
        "squeezed": free_bits(kl_of, lambda kl, floor: kl.squeeze().mean(0).clamp(min=floor).sum()),
        "six coordinates": free_bits(kl_of, lambda kl, floor: 6 * kl.mean(0).clamp(min=floor).mean()),
    },
    "05.4": {
        "the maximum of all": vamp(lambda log_q: log_q.max() + (log_q - log_q.max()).exp().mean(-1).log()),
        "a little in the log": vamp(lambda log_q: (log_q.exp().mean(-1) + 1e-8).log()),
        "clamped": vamp(lambda log_q: mean_of(log_q.clamp(min=-100))),
        "clamped scale": vamp(mean_of, lambda scale: scale.clamp(min=0.1)),
        "a little added to the scale": vamp(mean_of, lambda scale: scale + 1e-4),
        "the nearest": vamp(lambda log_q: log_q.amax(-1) - math.log(log_q.shape[-1])),
        "squeezed": vamp_squeezed,
        "three components": vamp(lambda log_q: log_q.logsumexp(-1) - math.log(3)),
    },
    "05.5": {
        "the maximum of all": mixture(
            lambda logits, log_normal: (
                log_normal.max() + ((log_normal - log_normal.max()).exp() * logits.softmax(-1)[:, None]).sum(-1).log()
            )
        ),
        "weights by way of probabilities": mixture(
            lambda logits, log_normal: (log_normal + logits.softmax(-1).log()[:, None]).logsumexp(-1)
        ),
        "a little in the log": mixture(
            lambda logits, log_normal: (log_normal + (logits.softmax(-1) + 1e-8).log()[:, None]).logsumexp(-1)
        ),
        "weights by exponentials": mixture(whole, lambda logits: logits.exp() / logits.exp().sum(-1, keepdim=True)),
        "bounds negative": mixture(whole, term=lambda term: -term.abs()),
        "clamped": mixture(whole, term=lambda term: term.clamp(-100, 100)),
        "the nearest component": mixture(
            lambda logits, log_normal: (log_normal + logits.log_softmax(-1)[:, None]).amax(-1)
        ),
    },
    "05.6": {
        "halves": coupling(torch.exp, total, lambda z, weight: z.shape[1] // 2),
        "two stay": coupling(torch.exp, total, lambda z, weight: 2),
        "small scales": coupling(lambda s: 1 + s, total),
        "small scales, to second order": coupling(lambda s: 1 + s + s**2 / 2, total),
        "clamped": coupling(lambda s: s.clamp(-5, 5).exp(), lambda s: s.clamp(-5, 5).sum(-1)),
        "stretched only": coupling(torch.exp, lambda s: s.abs().sum(-1)),
        "a little in the log": coupling(torch.exp, lambda s: (s.exp() + 1e-4).log().sum(-1)),
    },
}


@pytest.mark.parametrize(("id", "name"), [(id, name) for id, answers in TAME.items() for name in answers])
def test_an_answer_for_tame_inputs_alone_is_refused(id, name):
    verdict = judge(find(id), TAME[id][name])
    assert verdict.status == "not yet", verdict
    assert "could not be judged" not in verdict.sentence, verdict


def by_the_sum_of_two_logs(logits):
    return torch.where(near(logits), series(logits), torch.log(logits) - torch.log(torch.tanh(logits / 2)))


def all_pairs(log_q, log_prior):
    log_aggregate = torch.logsumexp(log_q, dim=1) - math.log(log_q.shape[0])
    return (log_q - log_aggregate[:, None]).mean(), (log_aggregate - log_prior).mean()


def floor_of_each_image(loc, scale, floor):
    return torch.maximum(kl_divergence(Normal(loc, scale), Normal(0.0, 1.0)), torch.tensor(floor)).mean(0).sum()


def in_each_coordinate(z, loc, scale):
    densities = Normal(loc, scale).log_prob(z.unsqueeze(1))
    return (torch.logsumexp(densities, 1) - math.log(loc.shape[0])).sum(1)


def pairs_of_point_and_component(logits, log_normal, log_joint):
    own = torch.stack([log_normal[:, k, k] for k in range(logits.shape[1])], 1)
    return (logits.softmax(1) * (log_joint - logits.log_softmax(1) - own)).sum(1)


SLIPS = [
    *(
        ("05.1", "a little added to the logit" if little == 1e-6 else f"{little:g} added to the logit", answer)
        for little in (1e-12, 1e-10, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4)
        for answer in [TAME["05.1"][f"{little:g} added"]]
    ),
    ("05.1", "negative logits taken for small", TAME["05.1"]["positive logits"]),
    ("05.1", "no series", lambda logits: torch.log(logits / torch.tanh(0.5 * logits))),
    ("05.2", "all pairs for the own ones", all_pairs),
    ("05.2", "over the draws", TAME["05.2"]["symmetric"]),
    ("05.2", "the size of the divergence", TAME["05.2"]["divergence positive"]),
    ("05.2", "the information never negative", TAME["05.2"]["information positive"]),
    ("05.3", "a floor for every image", floor_of_each_image),
    ("05.3", "the size of log scale", TAME["05.3"]["narrower than the prior"]),
    ("05.3", "scale is the variance", free_bits(lambda loc, scale: (loc**2 + scale - 1 - scale.log()) / 2)),
    ("05.4", "a mixture in each coordinate", in_each_coordinate),
    ("05.4", "the nearest component", TAME["05.4"]["the nearest"]),
    ("05.5", "its own component's weighted density", pairs_of_point_and_component),
    ("05.5", "log weights by way of probabilities", TAME["05.5"]["weights by way of probabilities"]),
    ("05.6", "z cut in halves, the smaller first", TAME["05.6"]["halves"]),
    ("05.6", "z cut at the number that moves", coupling(torch.exp, total, lambda z, weight: weight.shape[1] // 2)),
    ("05.6", "shrunk in place of stretched", coupling(lambda s: torch.exp(-s), total)),
]


@pytest.mark.parametrize(("id", "name", "answer"), SLIPS, ids=[f"{id} {name}" for id, name, _ in SLIPS])
def test_a_slip_is_told_what_it_is(id, name, answer):
    verdict = judge(find(id), answer)
    assert verdict.misconception == name, verdict

"""Right answers to lesson 08 that are written in other ways than the solutions: `check` must take them."""

from __future__ import annotations

import math

import pytest
import torch

from helpers import programs
from helpers.exercises.engine.judge import judge
from helpers.exercises.registry import find


def two_lists(program, x, values):
    latent, observed = [x.new_zeros(())], [x.new_zeros(())]

    def sample(name, distribution, obs=None):
        value = values[name] if obs is None else obs
        (latent if obs is None else observed).append(distribution.log_prob(value).sum())
        return value

    program(sample, x)
    return torch.stack(latent).sum(), torch.stack(observed).sum()


def by_a_class(program, x, values):
    class Recorder:
        def __init__(self):
            self.log_prior = self.log_likelihood = 0.0 * x.sum()

        def __call__(self, name, distribution, obs=None):
            if obs is not None:
                self.log_likelihood = self.log_likelihood + torch.sum(distribution.log_prob(obs))
                return obs
            self.log_prior = self.log_prior + torch.sum(distribution.log_prob(values[name]))
            return values[name]

    recorder = Recorder()
    program(recorder, x)
    return recorder.log_prior, recorder.log_likelihood


def by_the_package(program, x, values):
    recorded = programs.trace(programs.replay(program, values)).get_trace(programs.sample, x)
    return recorded.log_prior() + x.new_zeros(()), recorded.log_likelihood() + x.new_zeros(())


def replay_by_merging(program, x, earlier, fresh):
    values, terms = {**fresh, **earlier}, []

    def sample(name, distribution, obs=None):
        if obs is None and name not in earlier:
            terms.append(distribution.log_prob(values[name]).sum())
        return values[name] if obs is None else obs

    returned = program(sample, x)
    return returned, torch.stack([x.new_zeros(()), *terms]).sum()


def replay_with_setdefault(program, x, earlier, fresh):
    total = [x.new_zeros(())]

    def sample(name, distribution, obs=None):
        if obs is not None:
            return obs
        drawn = name not in earlier
        value = fresh[name] if drawn else earlier[name]
        total.append(drawn * distribution.log_prob(value).sum())
        return value

    return program(sample, x), sum(total)


def by_a_loop_over_sites(log_p, log_q, is_scored):
    log_weight = log_p
    for one in log_q:
        log_weight = log_weight - one
    surrogate = log_weight
    for scored, one in zip(is_scored, log_q, strict=True):
        if scored:
            surrogate = surrogate + log_weight.detach() * one
    return surrogate


def by_indexing(log_p, log_q, is_scored):
    log_weight = log_p - torch.sum(log_q, dim=0)
    return log_weight + log_weight.data * log_q[is_scored].sum(0)


def by_a_product_with_the_mask(log_p, log_q, is_scored):
    log_weight = log_p - log_q.sum(0)
    with torch.no_grad():
        reward = log_weight.clone()
    return log_weight + reward * (is_scored.to(log_q.dtype) @ log_q)


def by_prod(log_probs, masks, plates, sizes):
    return sum(
        math.prod(sizes[plate][0] / sizes[plate][1] for plate in plates[name]) * log_probs[name][masks[name]].sum()
        for name in log_probs
    )


def by_masked_fill(log_probs, masks, plates, sizes):
    terms = []
    for name in log_probs:
        term = log_probs[name].masked_fill(~masks[name], 0).sum()
        for plate in plates[name]:
            term = term * sizes[plate][0] / sizes[plate][1]
        terms.append(term)
    return torch.stack(terms).sum()


def joint_less_proposal(model, guide, x, values):
    log_p, log_proposal, proposed = x.new_zeros(()), x.new_zeros(()), []

    def in_guide(name, distribution, obs=None):
        nonlocal log_proposal
        proposed.append(name)
        log_proposal = log_proposal + distribution.log_prob(values[name]).sum()
        return values[name]

    def in_model(name, distribution, obs=None):
        nonlocal log_p, log_proposal
        value = values[name] if obs is None else obs
        term = distribution.log_prob(value).sum()
        log_p = log_p + term
        if obs is None and name not in proposed:
            log_proposal = log_proposal + term
        return value

    guide(in_guide, x)
    model(in_model, x)
    return log_p - log_proposal


def the_full_ratio(current, proposed, name, log_likelihoods):
    before, after = set(current), set(proposed)
    log_joint = sum(proposed.values()) + log_likelihoods[1] - sum(current.values()) - log_likelihoods[0]
    forward = -math.log(len(current)) + sum(proposed[site] for site in (after - before) | {name})
    backward = -math.log(len(proposed)) + sum(current[site] for site in (before - after) | {name})
    return torch.minimum(torch.ones_like(log_joint), torch.exp(log_joint + backward - forward))


def by_a_python_number(current, proposed, name, log_likelihoods):
    log_ratio = (log_likelihoods[1] - log_likelihoods[0]).item() + math.log(len(current)) - math.log(len(proposed))
    log_ratio += sum((proposed[s] - current[s]).item() for s in current.keys() & proposed.keys() if s != name)
    return torch.tensor(min(1.0, math.exp(min(log_ratio, 700.0))), dtype=log_likelihoods.dtype)


@pytest.mark.parametrize(
    ("id", "answer"),
    [
        ("08.1", two_lists),
        ("08.1", by_a_class),
        ("08.1", by_the_package),
        ("08.2", replay_by_merging),
        ("08.2", replay_with_setdefault),
        ("08.3", by_a_loop_over_sites),
        ("08.3", by_indexing),
        ("08.3", by_a_product_with_the_mask),
        ("08.4", by_prod),
        ("08.4", by_masked_fill),
        ("08.5", joint_less_proposal),
        ("08.6", the_full_ratio),
        ("08.6", by_a_python_number),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_other_right_answers_pass(id, answer):
    verdict = judge(find(id), answer)
    assert verdict.passed, verdict.sentence

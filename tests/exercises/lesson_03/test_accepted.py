"""Lesson 03: right answers that are written otherwise pass, and wrong ones that readers write hear what helps."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.distributions import Bernoulli, Categorical, Independent

from helpers.exercises.engine.judge import judge
from helpers.exercises.lesson_03 import (
    CATEGORICAL_POSTERIOR,
    CENTRE,
    DOWNSTREAM,
    LEARNED_BASELINE,
    OPTIMAL_BASELINE,
    SURROGATE,
)
from tests.exercises.assertions import assert_verdict

# --- 03.1 ---


def by_softmax(log_prior, log_likelihood):
    log_joint = log_likelihood + log_prior
    return torch.log_softmax(log_joint, dim=-1), torch.logsumexp(log_joint, dim=-1)


def by_torch_categorical(log_prior, log_likelihood):
    log_joint = Categorical(logits=log_prior).logits + log_likelihood
    return Categorical(logits=log_joint).logits, log_joint.logsumexp(1)


def with_the_largest_taken_out(log_prior, log_likelihood):
    log_joint = log_prior + log_likelihood
    largest = log_joint.amax(-1, keepdim=True)
    log_marginal = largest + (log_joint - largest).exp().sum(-1, keepdim=True).log()
    return log_joint - log_marginal, log_marginal.squeeze(-1)


def datum_by_datum(log_prior, log_likelihood):
    posteriors, evidences = [], []
    for one in log_likelihood:
        evidences.append(torch.logsumexp(log_prior + one, 0))
        posteriors.append(log_prior + one - evidences[-1])
    return torch.stack(posteriors), torch.stack(evidences)


def by_logaddexp(log_prior, log_likelihood):
    joint = log_prior[None] + log_likelihood
    log_marginal = joint[:, 0]
    for category in range(1, joint.shape[1]):
        log_marginal = torch.logaddexp(log_marginal, joint[:, category])
    return joint - log_marginal[:, None], log_marginal


def from_the_posterior_back(log_prior, log_likelihood):
    """log p(x) = log p(x, z) - log p(z | x) at the most probable z, whose log-probability is far from the small ones."""
    joint = log_prior + log_likelihood
    posterior = joint.log_softmax(dim=1)
    best = joint.argmax(1, keepdim=True)
    return posterior, (joint - posterior).gather(1, best).squeeze(1)


# --- 03.2 ---


def with_independent(f, logits, z):
    log_q = Independent(Bernoulli(logits=logits), 1).log_prob(z)
    return f.mean(0) + (f.detach() * log_q).mean(0)


def with_logsigmoid(f, logits, z):
    each = z * nn.functional.logsigmoid(logits) + (1 - z) * nn.functional.logsigmoid(-logits)
    return torch.sum(f + f.data * each.sum(dim=2), dim=0) / f.shape[0]


def with_cross_entropy(f, logits, z):
    cost = nn.functional.binary_cross_entropy_with_logits(logits.expand_as(z), z, reduction="none").sum(-1)
    with torch.no_grad():
        reward = f.clone()
    return (f - reward * cost).mean(0)


def with_sign_of_the_bits(f, logits, z):
    log_q = nn.functional.logsigmoid((2 * z - 1) * logits).sum(-1)
    return torch.mean(f + f.detach() * log_q, dim=0)


def sample_by_sample(f, logits, z):
    total = torch.zeros(f.shape[1], dtype=f.dtype)
    for reward, bits in zip(f, z, strict=True):
        total = total + reward + reward.detach() * Bernoulli(logits=logits).log_prob(bits).sum(1)
    return total / len(f)


def with_softplus_and_einsum(f, logits, z):
    log_q = torch.einsum("sbd,bd->sb", z, logits) - nn.functional.softplus(logits).sum(-1)
    return (f + log_q * f.detach()).sum(0).div(f.size(0))


# --- 03.3 ---


def with_variance_from_its_definition(probability, f, score):
    squares = (score * score).sum(1)
    b = torch.sum(probability * f * squares) / torch.sum(probability * squares)
    g = (f - b)[:, None] * score
    mean = torch.sum(probability[:, None] * g, 0)
    return b, torch.sum(probability[:, None] * (g - mean) ** 2)


def from_the_parabola(probability, f, score):
    """E|g|² = a b² - 2 c b + d."""
    weight = probability * torch.linalg.vector_norm(score, dim=1) ** 2
    a, c, d = weight.sum(), weight @ f, weight @ (f * f)
    mean = torch.einsum("o,o,op->p", probability, f, score)
    return c / a, d - c**2 / a - mean @ mean


def from_covariances(probability, f, score):
    """b = sum_i Cov(f s_i, s_i) / sum_i Var(s_i), with E[s] not taken for granted."""
    mean = probability @ score
    both = probability @ (f[:, None] * score * score) - (probability @ (f[:, None] * score)) * mean
    b = both.sum() / (probability @ (score - mean) ** 2).sum()
    g = (f - b)[:, None] * score
    return b, (probability @ g**2 - (probability @ g) ** 2).sum()


def with_loops(probability, f, score):
    above, below = 0.0, 0.0
    for p, reward, s in zip(probability, f, score, strict=True):
        above, below = above + p * s.dot(s) * reward, below + p * s.dot(s)
    b = above / below
    gradients = torch.stack([(reward - b) * s for reward, s in zip(f, score, strict=True)])
    mean = (probability[:, None] * gradients).sum(0)
    return b, sum(p * (g - mean).square().sum() for p, g in zip(probability, gradients, strict=True))


def with_norms(probability, f, score):
    weights = probability * score.norm(dim=1).square()
    weights = weights / weights.sum()
    b = weights.dot(f)
    g = score * (f - b).unsqueeze(1)
    return b, torch.dot(probability, g.square().sum(1)) - torch.linalg.vector_norm(probability @ g) ** 2


# --- 03.4 ---


def filled_in(rewards, mean):
    centred = torch.empty_like(rewards)
    for step in range(len(rewards)):
        centred[step] = rewards[step] - mean
        mean = mean + 0.1 * (rewards[step].mean() - mean)
    return centred, mean


def with_lerp(rewards, mean):
    means = [mean]
    for reward in rewards:
        means.append(torch.lerp(means[-1], reward.mean(), 0.1))
    return rewards - torch.stack(means[:-1])[:, None], means[-1]


def without_a_loop(rewards, mean):
    steps = torch.arange(len(rewards) + 1).to(rewards)
    weights = 0.1 * torch.tril(0.9 ** (steps[:, None] - 1 - steps[None, :-1]), diagonal=-1)
    means = 0.9**steps * mean + weights @ rewards.mean(1)
    return rewards - means[:-1, None], means[-1]


def with_a_list_of_means(rewards, mean):
    before = []
    for average in rewards.mean(dim=1):
        before.append(mean)
        mean = mean * 0.9 + average * 0.1
    return rewards - torch.stack(before).unsqueeze(1), mean


def from_the_first_on(rewards, mean):
    running = mean.clone()
    centred = torch.zeros_like(rewards)
    for step, reward in enumerate(rewards):
        centred[step] = reward - running
        running -= 0.1 * (running - reward.mean())
    return centred, running


# --- 03.5 ---


def in_two_blocks(f, log_q, baseline):
    with torch.no_grad():
        reward = f - baseline
    return f.mean(0) + (reward * log_q).mean(0), nn.functional.mse_loss(baseline.expand_as(f), f.detach())


def detached_one_by_one(f, log_q, baseline):
    surrogate = f + (f.detach() - baseline.detach()) * log_q
    return surrogate.mean(dim=0), torch.square(baseline - f.detach()).mean()


def with_sums_and_counts(f, log_q, baseline):
    reward = (f - baseline).detach()
    samples, batch = f.shape
    return (f + reward * log_q).sum(0) / samples, (f.detach() - baseline).pow(2).sum() / (samples * batch)


def sample_by_sample_with_baseline(f, log_q, baseline):
    surrogates = [one + (one - baseline).detach() * score for one, score in zip(f, log_q, strict=True)]
    losses = [(one.detach() - baseline) ** 2 for one in f]
    return torch.stack(surrogates).mean(0), torch.stack(losses).mean()


def with_einsum(f, log_q, baseline):
    residual = f.detach() - baseline[None]
    surrogate = f.mean(0) + torch.einsum("sb,sb->b", residual.detach(), log_q) / f.shape[0]
    return [surrogate, torch.einsum("sb,sb->", residual, residual) / f.numel()]


# --- 03.6 ---


def from_the_top(log_prior, log_p, log_q):
    reward, rewards = log_prior.detach(), []
    for layer in reversed(range(len(log_p))):
        reward = reward + (log_p[layer] - log_q[layer]).detach()
        rewards.insert(0, reward)
    return torch.stack(rewards)


def less_what_lies_below(log_prior, log_p, log_q):
    terms = (log_p - log_q).detach()
    return log_prior.detach() + terms.sum(0) - (terms.cumsum(0) - terms)


def layer_by_layer(log_prior, log_p, log_q):
    with torch.no_grad():
        return torch.stack([log_prior + (log_p - log_q)[layer:].sum(0) for layer in range(len(log_p))])


def with_a_triangular_matrix(log_prior, log_p, log_q):
    layers = len(log_p)
    above = torch.ones(layers, layers).triu().to(log_p)
    return log_prior.detach() + torch.einsum("kl,lsb->ksb", above, (log_p - log_q).detach())


def filled_from_the_top(log_prior, log_p, log_q):
    rewards, total = torch.empty_like(log_p), log_prior.data.clone()
    for layer in range(log_p.shape[0] - 1, -1, -1):
        total = total + log_p.data[layer] - log_q.data[layer]
        rewards[layer] = total
    return rewards.detach()


@pytest.mark.parametrize(
    ("exercise", "answer"),
    [
        *(
            (CATEGORICAL_POSTERIOR, answer)
            for answer in (
                by_softmax,
                by_torch_categorical,
                with_the_largest_taken_out,
                datum_by_datum,
                by_logaddexp,
                from_the_posterior_back,
            )
        ),
        *(
            (SURROGATE, answer)
            for answer in (
                with_independent,
                with_logsigmoid,
                with_cross_entropy,
                with_sign_of_the_bits,
                sample_by_sample,
                with_softplus_and_einsum,
            )
        ),
        *(
            (OPTIMAL_BASELINE, answer)
            for answer in (
                with_variance_from_its_definition,
                from_the_parabola,
                from_covariances,
                with_loops,
                with_norms,
            )
        ),
        *(
            (CENTRE, answer)
            for answer in (filled_in, with_lerp, without_a_loop, with_a_list_of_means, from_the_first_on)
        ),
        *(
            (LEARNED_BASELINE, answer)
            for answer in (
                in_two_blocks,
                detached_one_by_one,
                with_sums_and_counts,
                sample_by_sample_with_baseline,
                with_einsum,
            )
        ),
        *(
            (DOWNSTREAM, answer)
            for answer in (
                from_the_top,
                less_what_lies_below,
                layer_by_layer,
                with_a_triangular_matrix,
                filled_from_the_top,
            )
        ),
    ],
    ids=lambda value: getattr(value, "__name__", getattr(value, "id", None)),
)
def test_a_right_answer_written_otherwise_passes(exercise, answer):
    verdict = judge(exercise, answer)
    assert verdict.passed, verdict


# --- wrong answers that readers write ---


def test_bits_drawn_anew_are_told_of():
    def draws(f, logits, z):
        z = Bernoulli(logits=logits).sample(f.shape[:1])
        return (f + f.detach() * Bernoulli(logits=logits).log_prob(z).sum(-1)).mean(0)

    assert_verdict(draws, "draws random numbers of its own", "Use `z`", exercise=SURROGATE)


def test_a_log_q_that_was_not_summed_hears_of_the_bits():
    def unsummed(f, logits, z):
        return (f.unsqueeze(-1) + f.detach().unsqueeze(-1) * Bernoulli(logits=logits).log_prob(z)).mean(0)

    assert_verdict(unsummed, "`bits`", exercise=SURROGATE)


def test_a_log_q_that_does_not_fit_the_rewards_hears_of_the_bits():
    def unsummed(f, logits, z):
        log_q = z * nn.functional.logsigmoid(logits) + (1 - z) * nn.functional.logsigmoid(-logits)
        return (f + f.detach() * log_q).mean(0)

    assert_verdict(unsummed, "Sum log q over the bits", exercise=SURROGATE)


def test_logarithms_of_probabilities_hear_of_large_logits():
    def with_probabilities(f, logits, z):
        p = torch.sigmoid(logits)
        each = torch.where(z == 1, p, 1 - p).log()
        return (f + f.detach() * each.sum(-1)).mean(0)

    def with_products(f, logits, z):
        p = torch.sigmoid(logits)
        return (f + f.detach() * (z * p.log() + (1 - z) * (1 - p).log()).sum(-1)).mean(0)

    assert_verdict(with_products, "1 − sigmoid(50) rounds to 0", exercise=SURROGATE)
    assert_verdict(with_probabilities, "1 − sigmoid(50) rounds to 0", exercise=SURROGATE)


def test_a_running_mean_without_a_loop_hears_that_the_mean_moves():
    def at_once(rewards, mean):
        return rewards - mean, mean + 0.1 * (rewards.mean() - mean)

    assert_verdict(at_once, "go through them one by one", exercise=CENTRE)


def test_a_running_mean_updated_in_place_hears_that_it_changes_its_argument():
    def in_place(rewards, mean):
        centred = []
        for reward in rewards:
            centred.append(reward - mean)
            mean.mul_(0.9).add_(0.1 * reward.mean())
        return torch.stack(centred), mean

    assert_verdict(in_place, "`mean`", exercise=CENTRE)


def test_by_hand_rewards_that_keep_their_graph_and_are_wrong_hear_of_the_values_first():
    """Two faults at once: the sentence is about the numbers, which come first."""

    def both(log_prior, log_p, log_q):
        return log_prior + (log_p - log_q).cumsum(0)

    assert_verdict(both, "sum from the layer to the top", exercise=DOWNSTREAM)


def test_a_surrogate_that_is_right_but_summed_over_a_mean_baseline_loss_keeps_to_its_own_part():
    """A surrogate with two faults gets no misconception's sentence by accident."""

    def twice_wrong(f, log_q, baseline):
        return (f + 2 * (f + baseline).detach() * log_q).mean(0), ((f.detach() - baseline) ** 2).mean()

    verdict = assert_verdict(twice_wrong, exercise=LEARNED_BASELINE)
    assert verdict.misconception is None

"""Slips of learners in lessons 00 to 03, written as learners write them, hear the sentence of the slip."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Bernoulli, Independent, MultivariateNormal, Normal, kl_divergence
from torch.nn import functional as F

from helpers.exercises import registry
from helpers.exercises.engine.judge import judge


def kl_of_the_papers_code(loc, scale):
    mu, logvar = loc, scale
    return -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp(), dim=1)


def kl_of_log_scale(loc, scale):
    return kl_divergence(Normal(loc, torch.exp(scale)), Normal(torch.zeros_like(loc), torch.ones_like(loc))).sum(-1)


def kl_of_the_variance(loc, scale):
    return kl_divergence(Normal(loc, scale.pow(2)), Normal(0.0, 1.0)).sum(1)


def rate_of_the_papers_code(loc, scale, prior_loc, prior_scale):
    difference = (loc - prior_loc).pow(2)
    return 0.5 * torch.sum(prior_scale - scale + (scale.exp() + difference) / prior_scale.exp() - 1, dim=-1)


def minibatch_twice_divided(log_global, log_local, num_data):
    batch = log_local.size(1)
    error = num_data * log_local.std(1) * math.sqrt((1 - batch / num_data) / batch)
    return log_global + num_data / batch * log_local.mean(dim=1), error


def minibatch_with_the_global_term_inside(log_global, log_local, num_data):
    batch = log_local.size(1)
    error = num_data * log_local.std(1) * math.sqrt((1 - batch / num_data) / batch)
    return num_data * (log_local + log_global[:, None]).mean(1), error


def posterior_for_every_row(x, weight, bias, noise):
    precision = (torch.eye(weight.shape[1]).to(weight) + weight.T @ weight / noise**2).expand(len(x), -1, -1)
    return torch.linalg.solve(precision, (x - bias) @ weight / noise**2), precision


def elbo_with_a_variance(x, loc, scale, weight, bias, noise, eps):
    z = loc + eps * scale
    log_p = Independent(Normal(0.0 * z, 1.0), 1).log_prob(z)
    log_p = log_p + Independent(Normal(z @ weight.T + bias, noise.square()), 1).log_prob(x)
    return (log_p - Independent(Normal(loc, scale), 1).log_prob(z)).mean(0)


def elbo_of_the_likelihood(x, loc, scale, weight, bias, noise, eps):
    z = loc + eps * scale
    return Normal(torch.einsum("ol,sbl->sbo", weight, z) + bias, noise).log_prob(x).sum(2).mean(0)


def elbo_without_a_bias(x, loc, scale, weight, bias, noise, eps):
    z = loc + eps * scale
    log_joint = Normal(0.0, 1.0).log_prob(z).sum(-1) + Normal(z.matmul(weight.t()), noise).log_prob(x).sum(-1)
    return (log_joint - MultivariateNormal(loc, torch.diag_embed(scale**2)).log_prob(z)).mean(0)


def gaps_in_absolute_value(log_marginal, elbo_best, elbo_encoder):
    both = torch.stack([(log_marginal - elbo_best).abs(), (elbo_best - elbo_encoder).abs()])
    means, errors = both.mean(1), both.std(1) / both.shape[1] ** 0.5
    return means[0], errors[0], means[1], errors[1]


def aggregate_with_a_variance(z, loc, scale):
    each = Normal(loc.unsqueeze(0), scale.unsqueeze(0) ** 2).log_prob(z.unsqueeze(1)).sum(-1)
    return torch.logsumexp(each, dim=1) - math.log(loc.shape[0])


def posterior_over_the_data(log_prior, log_likelihood):
    log_joint = log_prior + log_likelihood
    return torch.log_softmax(log_joint, 0), torch.logsumexp(log_joint, 1)


def evidence_without_the_prior(log_prior, log_likelihood):
    log_joint = log_prior + log_likelihood
    return log_joint.log_softmax(-1), torch.log(log_likelihood.exp().sum(-1) / log_likelihood.shape[-1])


def posterior_by_softmax_and_log(log_prior, log_likelihood):
    log_joint = log_prior + log_likelihood
    return torch.log(torch.softmax(log_joint, dim=-1)), torch.logsumexp(log_joint, dim=-1)


def surrogate_with_a_clamp(f, logits, z):
    p = torch.sigmoid(logits).clamp(min=1e-6, max=1 - 1e-6)
    return (f + f.detach() * (z * p.log() + (1 - z) * (1 - p).log()).sum(-1)).mean(0)


def images_by_a_threshold(logits, x):
    return -F.binary_cross_entropy_with_logits(logits, x.round(), reduction="none").flatten(1).sum(1)


def images_by_bernoulli(logits, x):
    return Independent(Bernoulli(logits=logits), 3).log_prob(x)


def joint_with_one_constant(z, logits, x):
    log_prior = -0.5 * (z.square().sum(-1) + math.log(2 * math.pi))
    return log_prior + Bernoulli(logits=logits).log_prob(x).flatten(2).sum(-1)


def sample_with_a_log_variance(loc, scale, eps):
    q = Normal(loc, torch.exp(0.5 * scale))
    z = q.mean + q.stddev * eps
    return z, q.log_prob(z).sum(-1) - Normal(0.0, 1.0).log_prob(z).sum(-1)


def floor_and_distortion_exchanged(logits, x):
    distortion = F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum((1, 2, 3))
    floor = (torch.special.entr(x) + torch.special.entr(1 - x)).sum((1, 2, 3))
    return distortion - floor, floor


def baseline_with_the_probability_once(probability, f, score):
    squares = score.square().sum(1)
    b = (f * squares).sum() / (probability * squares).sum()
    g = (f - b)[:, None] * score
    return b, (probability @ g**2).sum() - ((probability @ g) ** 2).sum()


def mean_that_grows(rewards, mean):
    centred = torch.zeros_like(rewards)
    for step in range(len(rewards)):
        centred[step] = rewards[step] - mean
        mean = mean + 0.1 * rewards[step].mean()
    return centred, mean


def surrogate_with_the_loss(f, log_q, baseline):
    residual = f.detach() - baseline
    return (f + residual.detach() * log_q - residual**2).mean(0), (residual**2).mean()


def rewards_with_the_prior_in_every_term(log_prior, log_p, log_q):
    terms = (log_p - log_q + log_prior).detach()
    return torch.stack([terms[layer:].sum(0) for layer in range(len(terms))])


@pytest.mark.parametrize(
    ("id", "answer", "name"),
    [
        ("00.1", images_by_a_threshold, "rounds the pixels"),
        ("00.1", images_by_bernoulli, "greys refused by Bernoulli"),
        ("01.1", kl_of_the_papers_code, "scale taken for a log-variance"),
        ("01.1", kl_of_log_scale, "scale taken for a logarithm"),
        ("01.1", kl_of_the_variance, "scale squared twice"),
        ("01.2", minibatch_twice_divided, "N/B times the mean"),
        ("01.2", minibatch_with_the_global_term_inside, "the global term for all observations"),
        ("01.3", posterior_for_every_row, "a precision for every row"),
        ("01.4", elbo_with_a_variance, "variance given to the likelihood"),
        ("01.4", elbo_of_the_likelihood, "the likelihood alone"),
        ("01.4", elbo_without_a_bias, "bias forgotten"),
        ("01.5", gaps_in_absolute_value, "size of each gap"),
        ("02.1", joint_with_one_constant, "the prior's constant once"),
        ("02.2", sample_with_a_log_variance, "scale taken for a log-variance"),
        ("02.3", rate_of_the_papers_code, "scales taken for log-variances"),
        ("02.4", aggregate_with_a_variance, "variance given to Normal"),
        ("02.5", floor_and_distortion_exchanged, "excess first"),
        ("03.1", posterior_over_the_data, "normalised over the data"),
        ("03.1", evidence_without_the_prior, "average of the likelihoods, in probabilities"),
        ("03.1", posterior_by_softmax_and_log, "softmax, then its logarithm"),
        ("03.2", surrogate_with_a_clamp, "clamps the probability at 1e-06"),
        ("03.3", baseline_with_the_probability_once, "the probability missing above"),
        ("03.4", mean_that_grows, "the old mean not faded"),
        ("03.5", surrogate_with_the_loss, "the auxiliary loss subtracted"),
        ("03.6", rewards_with_the_prior_in_every_term, "the prior for every layer above"),
    ],
)
def test_a_slip_hears_what_it_is(id, answer, name):
    verdict = judge(registry.find(id), answer)
    assert verdict.misconception == name, verdict

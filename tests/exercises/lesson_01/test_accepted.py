"""Lesson 01: right answers that are written otherwise pass, and wrong ones that readers wrote hear what helps."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

from helpers.evaluation import Measured
from helpers.exercises.engine.judge import judge
from helpers.exercises.lesson_01 import ELBO, EXACT_POSTERIOR, GAPS, KL, MINIBATCH
from tests.exercises.assertions import assert_verdict

# --- 01.1 ---


def kl_by_torch(loc, scale):
    return kl_divergence(Normal(loc, scale), Normal(0.0, 1.0)).sum(-1)


def kl_with_log_variance(loc, scale):
    log_variance = scale.pow(2).log()
    return -0.5 * (1 + log_variance - loc.pow(2) - log_variance.exp()).sum(dim=1)


def kl_term_by_term(loc, scale):
    return ((loc * loc + scale * scale) / 2 - scale.log() - 0.5).sum(-1)


def kl_with_float_constants(loc, scale):
    variance = torch.square(scale)
    return 0.5 * torch.sum(variance - torch.log(variance) + loc.square() - torch.ones_like(loc), dim=-1)


def kl_by_einsum(loc, scale):
    return 0.5 * (torch.einsum("bl,bl->b", loc, loc) + scale.pow(2).sum(1) - loc.shape[1]) - scale.log().sum(1)


def kl_coordinate_by_coordinate(loc, scale):
    total = 0.0
    for mean, deviation in zip(loc.unbind(-1), scale.unbind(-1), strict=True):
        total = total + 0.5 * (mean**2 + deviation**2 - 1) - torch.log(deviation)
    return total


def kl_by_independent(loc, scale):
    prior = Independent(Normal(torch.zeros_like(loc), torch.ones_like(scale)), 1)
    return kl_divergence(Independent(Normal(loc, scale), 1), prior)


def kl_by_expectations(loc, scale):
    """Cross-entropy less entropy."""
    cross_entropy = 0.5 * (math.log(2 * math.pi) + loc**2 + scale**2)
    return (cross_entropy - Normal(loc, scale).entropy()).sum(-1)


def kl_by_multivariate(loc, scale):
    prior = MultivariateNormal(torch.zeros_like(loc), torch.diag_embed(torch.ones_like(scale)))
    return kl_divergence(MultivariateNormal(loc, scale_tril=torch.diag_embed(scale)), prior)


# --- 01.2 ---


def with_variance_and_root(log_global, log_local, num_data):
    """If the batch is the whole, its root of 0 has no gradient, and the exercise asks for none."""
    batch = log_local.shape[1]
    error = num_data * (log_local.var(1) / batch * (1 - batch / num_data)).sqrt()
    return log_global + num_data * log_local.mean(1), error


def with_variance_of_the_estimate(log_global, log_local, num_data):
    batch = log_local.size(-1)
    centred = log_local - log_local.mean(-1, keepdim=True)
    variance = (centred**2).sum(-1) / (batch - 1)
    return log_global + num_data / batch * log_local.sum(-1), torch.sqrt(
        num_data * (num_data - batch) * variance / batch
    )


def with_math(log_global, log_local, num_data):
    batch = log_local.shape[1]
    error = num_data * log_local.std(dim=1) * math.sqrt((1 - batch / num_data) / batch)
    return log_global + log_local.sum(dim=1) * (num_data / batch), error


def minibatch_by_minibatch(log_global, log_local, num_data):
    estimates, errors = [], []
    for whole, terms in zip(log_global, log_local, strict=True):
        count = len(terms)
        estimates.append(whole + num_data * terms.sum() / count)
        errors.append(num_data * torch.std(terms) * math.sqrt(1 / count - 1 / num_data))
    return torch.stack(estimates), torch.stack(errors)


def with_std_mean(log_global, log_local, num_data):
    deviation, mean = torch.std_mean(log_local, dim=-1)
    count = log_local.size(1)
    return torch.add(log_global, mean, alpha=num_data), deviation * num_data * (1 / count - 1 / num_data) ** 0.5


def with_second_moments(log_global, log_local, num_data):
    batch = log_local.shape[1]
    centred = log_local - log_local[:, :1]
    variance = (centred.square().mean(1) - centred.mean(1) ** 2).clamp(min=0) * batch / (batch - 1)
    finite = (num_data - batch) / num_data
    return log_global + num_data / batch * torch.einsum("rb->r", log_local), num_data * (
        variance * finite / batch
    ).sqrt()


# --- 01.3 ---


def by_inverse(x, weight, bias, noise):
    precision = torch.eye(weight.shape[1], dtype=weight.dtype) + weight.T @ weight / noise**2
    return ((x - bias) @ weight / noise**2) @ torch.linalg.inv(precision), precision


def by_conditioning(x, weight, bias, noise):
    covariance = weight @ weight.T + noise**2 * torch.eye(len(bias)).to(weight)
    gain = torch.linalg.solve(covariance, weight).T
    posterior = torch.eye(weight.shape[1]).to(weight) - gain @ weight
    return (x - bias) @ gain.T, torch.linalg.inv(posterior)


def by_cholesky(x, weight, bias, noise):
    scaled = weight / noise
    precision = scaled.T @ scaled + torch.eye(weight.shape[1]).to(weight)
    pull = torch.einsum("ol,bo->lb", scaled, (x - bias) / noise)
    return torch.cholesky_solve(pull, torch.linalg.cholesky(precision)).T, precision


def datum_by_datum(x, weight, bias, noise):
    variance = noise.square()
    precision = torch.eye(weight.size(1), dtype=x.dtype, device=x.device) + torch.mm(weight.t(), weight) / variance
    means = [torch.linalg.solve(precision, weight.t() @ (one - bias) / variance) for one in x]
    return torch.stack(means), precision


def from_least_squares(x, weight, bias, noise):
    """The prior as further observations of zero."""
    latent = weight.shape[1]
    stacked = torch.cat([weight / noise, torch.eye(latent).to(weight)])
    targets = torch.cat([((x - bias) / noise).T, torch.zeros(latent, len(x)).to(x)])
    return torch.linalg.lstsq(stacked, targets).solution.T, stacked.T @ stacked


def with_einsum(x, weight, bias, noise):
    precision = torch.einsum("oi,oj->ij", weight, weight) * noise**-2 + torch.diag(torch.ones_like(weight[0]))
    covariance = torch.linalg.inv(precision)
    return torch.einsum("ij,oj,bo->bi", covariance, weight, x - bias) / noise**2, precision


# --- 01.4 ---


def in_one_go(x, loc, scale, weight, bias, noise, eps):
    z = loc + scale * eps
    joint = Independent(Normal(torch.zeros_like(z), 1.0), 1).log_prob(z)
    joint = joint + Independent(Normal(z @ weight.T + bias, noise), 1).log_prob(x)
    return (joint - Independent(Normal(loc, scale), 1).log_prob(z)).mean(dim=0)


def with_log_q_of_eps(x, loc, scale, weight, bias, noise, eps):
    z = eps * scale + loc
    log_q = (Normal(0.0, 1.0).log_prob(eps) - scale.log()).sum(-1)
    log_likelihood = Normal(torch.einsum("ol,sbl->sbo", weight, z) + bias, noise).log_prob(x).sum(-1)
    return (Normal(0.0, 1.0).log_prob(z).sum(-1) + log_likelihood - log_q).mean(0)


def sample_by_sample(x, loc, scale, weight, bias, noise, eps):
    q, total = MultivariateNormal(loc, torch.diag_embed(scale**2)), 0.0
    for one in eps:
        z = loc + one * scale
        squares = (x - z @ weight.T - bias) ** 2 / noise**2
        log_likelihood = -0.5 * (squares + 2 * noise.log() + math.log(2 * math.pi)).sum(-1)
        total = total + Normal(0.0, 1.0).log_prob(z).sum(-1) + log_likelihood - q.log_prob(z)
    return total / len(eps)


def with_densities_written_out(x, loc, scale, weight, bias, noise, eps):
    log_2_pi = 1.8378770664093453
    z = torch.addcmul(loc, scale, eps)
    error = (x - torch.nn.functional.linear(z, weight, bias)) / noise
    log_prior = -0.5 * (z.square() + log_2_pi).sum(2)
    log_likelihood = -0.5 * (error.square() + log_2_pi).sum(2) - x.shape[1] * noise.log()
    log_q = -0.5 * (eps.square() + log_2_pi).sum(2) - scale.log().sum(1)
    return torch.mean(log_prior + log_likelihood - log_q, dim=0)


def with_the_joint_as_one_gaussian(x, loc, scale, weight, bias, noise, eps):
    latent = loc.shape[1]
    z = loc + scale * eps
    prior = MultivariateNormal(torch.zeros(latent).to(loc), torch.eye(latent).to(loc))
    likelihood = MultivariateNormal(z @ weight.mT + bias, noise**2 * torch.eye(len(bias)).to(loc))
    q = Independent(Normal(loc, scale), 1)
    return (prior.log_prob(z) + likelihood.log_prob(x) - q.log_prob(z)).mean(0)


def term_by_term(x, loc, scale, weight, bias, noise, eps):
    z = loc[None] + scale[None] * eps
    total = Normal(0.0, 1.0).log_prob(z).sum(-1).mean(0)
    total = total + Normal(z.matmul(weight.transpose(0, 1)) + bias, noise).log_prob(x[None]).sum(-1).mean(0)
    return total - Normal(loc, scale).log_prob(z).sum(-1).mean(0)


# --- 01.5 ---


def error_of(difference):
    return (difference.var() / difference.numel()).sqrt()


def by_variance(log_marginal, elbo_best, elbo_encoder):
    first, second = log_marginal - elbo_best, elbo_best - elbo_encoder
    return first.mean(), error_of(first), second.mean(), error_of(second)


def as_a_list(log_marginal, elbo_best, elbo_encoder):
    both = torch.stack([log_marginal - elbo_best, elbo_best - elbo_encoder])
    means, errors = both.mean(1), both.std(1) / both.shape[1] ** 0.5
    return [means[0], errors[0], means[1], errors[1]]


def by_hand(log_marginal, elbo_best, elbo_encoder):
    result = []
    for gap in (log_marginal - elbo_best, elbo_best - elbo_encoder):
        count = len(gap)
        mean = gap.sum() / count
        result += [mean, torch.sqrt(((gap - mean) ** 2).sum() / (count - 1) / count)]
    return tuple(result)


def with_std_mean_of_gaps(log_marginal, elbo_best, elbo_encoder):
    first, first_mean = torch.std_mean(log_marginal - elbo_best)
    second, second_mean = torch.std_mean(elbo_best - elbo_encoder)
    root = torch.tensor(log_marginal.numel()).to(log_marginal).sqrt()
    return first_mean, first / root, second_mean, second / root


def with_gaps_from_differences_of_means(log_marginal, elbo_best, elbo_encoder):
    first, second = log_marginal - elbo_best, elbo_best - elbo_encoder
    size = log_marginal.shape[0]
    errors = [(torch.cov(gap) / size) ** 0.5 for gap in (first, second)]
    return log_marginal.mean() - elbo_best.mean(), errors[0], elbo_best.mean() - elbo_encoder.mean(), errors[1]


@pytest.mark.parametrize(
    ("exercise", "answer"),
    [
        *(
            (KL, answer)
            for answer in (
                kl_by_torch,
                kl_with_log_variance,
                kl_term_by_term,
                kl_with_float_constants,
                kl_by_einsum,
                kl_coordinate_by_coordinate,
                kl_by_independent,
                kl_by_expectations,
                kl_by_multivariate,
            )
        ),
        *(
            (MINIBATCH, answer)
            for answer in (
                with_variance_and_root,
                with_variance_of_the_estimate,
                with_math,
                minibatch_by_minibatch,
                with_std_mean,
                with_second_moments,
            )
        ),
        *(
            (EXACT_POSTERIOR, answer)
            for answer in (by_inverse, by_conditioning, by_cholesky, datum_by_datum, from_least_squares, with_einsum)
        ),
        *(
            (ELBO, answer)
            for answer in (
                in_one_go,
                with_log_q_of_eps,
                sample_by_sample,
                with_densities_written_out,
                with_the_joint_as_one_gaussian,
                term_by_term,
            )
        ),
        *(
            (GAPS, answer)
            for answer in (by_variance, as_a_list, by_hand, with_std_mean_of_gaps, with_gaps_from_differences_of_means)
        ),
    ],
    ids=lambda value: getattr(value, "__name__", getattr(value, "id", None)),
)
def test_a_right_answer_written_otherwise_passes(exercise, answer):
    verdict = judge(exercise, answer)
    assert verdict.passed, verdict


# --- wrong answers that readers wrote ---


def draws_its_own(x, loc, scale, weight, bias, noise, eps):
    z = Normal(loc, scale).sample(eps.shape[:1])
    log_joint = Normal(0.0, 1.0).log_prob(z).sum(-1) + Normal(z @ weight.T + bias, noise).log_prob(x).sum(-1)
    return (log_joint - Normal(loc, scale).log_prob(z).sum(-1)).mean(0)


def test_an_elbo_with_draws_of_its_own_is_told_to_use_eps_not_the_noise_of_the_instruments():
    assert_verdict(draws_its_own, "draws random numbers of its own", "Use `eps`, which is given", exercise=ELBO)


def with_three(x, weight, bias, noise):
    precision = torch.eye(3) + weight.T @ weight / noise**2
    return torch.linalg.solve(precision, ((x - bias) @ weight / noise**2).T).T, precision


def with_the_lessons_two(x, weight, bias, noise):
    identity = torch.eye(2).to(weight)
    return torch.linalg.solve(identity + weight.T @ weight / noise**2, ((x - bias) @ weight / noise**2).T).T, identity


@pytest.mark.parametrize(("answer", "size"), [(with_three, 3), (with_the_lessons_two, 2)])
def test_a_size_written_as_a_number_is_asked_about(answer, size):
    assert_verdict(answer, f"`torch.eye({size})` has a fixed size", exercise=EXACT_POSTERIOR)


def test_a_mismatch_without_a_written_size_hears_the_usual_words():
    def crossed(x, weight, bias, noise):
        precision = torch.eye(len(bias)).to(weight) + weight.T @ weight / noise**2
        return x, precision

    assert "fixed size" not in assert_verdict(crossed, "sizes do not fit", exercise=EXACT_POSTERIOR).sentence


def test_gaps_as_python_numbers_and_as_measured_hear_what_to_return():
    def numbers(log_marginal, elbo_best, elbo_encoder):
        return tuple(value.item() for value in by_variance(log_marginal, elbo_best, elbo_encoder))

    def measured(log_marginal, elbo_best, elbo_encoder):
        return Measured.over(log_marginal - elbo_best), Measured.over(elbo_best - elbo_encoder)

    assert_verdict(
        numbers,
        "the approximation gap, is a Python number",
        "a tensor without dimensions, as `x.mean()` gives",
        exercise=GAPS,
    )
    assert_verdict(measured, "returns a `Measured`", "the amortization gap's standard error", exercise=GAPS)

"""Lesson 02: right answers that are written otherwise pass."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import (
    Bernoulli,
    Categorical,
    Independent,
    MixtureSameFamily,
    MultivariateNormal,
    Normal,
    kl_divergence,
)
from torch.nn import functional as F

from helpers.exercises.engine.judge import judge
from helpers.exercises.lesson_02 import (
    FLOOR,
    GAUSSIAN_HEAD,
    LOG_AGGREGATE,
    LOG_JOINT,
    RATE,
    SAMPLE_AND_RATE,
    TRAINING_STEP,
)

LOG_2_PI = 1.8378770664093453

# --- 02.1 ---


def joint_by_torch(z, logits, x):
    return Independent(Normal(0.0, 1.0).expand(z.shape[-1:]), 1).log_prob(z) + Independent(
        Bernoulli(logits=logits), 3
    ).log_prob(x)


def joint_by_cross_entropy(z, logits, x):
    x = x.expand_as(logits)
    log_likelihood = -F.binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(2).sum(-1)
    return log_likelihood + Normal(torch.zeros_like(z), torch.ones_like(z)).log_prob(z).sum(dim=2)


def joint_sample_by_sample(z, logits, x):
    result = []
    for code, ell in zip(z, logits, strict=True):
        likelihood = (x * ell - F.softplus(ell)).reshape(len(x), -1).sum(1)
        result.append(likelihood - 0.5 * (code * code).sum(1) - 0.5 * code.shape[1] * LOG_2_PI)
    return torch.stack(result)


def joint_by_einsum(z, logits, x):
    log_likelihood = torch.einsum("sbchw,bchw->sb", logits, x) - torch.logaddexp(
        logits, torch.zeros((), dtype=logits.dtype)
    ).sum((2, 3, 4))
    return log_likelihood - torch.einsum("sbl,sbl->sb", z, z) / 2 - z.shape[-1] / 2 * math.log(2 * math.pi)


def joint_viewed(z, logits, x):
    samples, batch = z.shape[:2]
    each = F.logsigmoid(torch.where(x == 1, logits, -logits)).view(samples, batch, -1)
    latent = z.shape[-1]
    prior = MultivariateNormal(torch.zeros(latent).to(z), torch.eye(latent).to(z))
    return prior.log_prob(z) + each.sum(-1)


def joint_with_signs(z, logits, x):
    sign = 2 * x[None] - 1
    return -F.softplus(-sign * logits).sum((-1, -2, -3)) - (z.pow(2) + LOG_2_PI).sum(-1) / 2


# --- 02.2 ---


def sampled_by_torch(loc, scale, eps):
    z = torch.addcmul(loc, scale, eps)
    q = Independent(Normal(loc, scale), 1)
    return z, q.log_prob(z) - Independent(Normal(torch.zeros_like(loc), torch.ones_like(scale)), 1).log_prob(z)


def sampled_in_closed_form(loc, scale, eps):
    z = scale[None] * eps + loc[None]
    return z, 0.5 * (z.square() - eps.square()).sum(-1) - torch.log(scale).sum(-1)


def sampled_with_log_variance(loc, scale, eps):
    log_variance = 2 * scale.log()
    z = loc + (0.5 * log_variance).exp() * eps
    log_q = -0.5 * (LOG_2_PI + log_variance + (z - loc) ** 2 / log_variance.exp()).sum(dim=-1)
    return z, log_q + 0.5 * (LOG_2_PI + z**2).sum(dim=-1)


def sampled_one_by_one(loc, scale, eps):
    z = [loc + scale * one for one in eps]
    rate = [(Normal(loc, scale).log_prob(one) - Normal(0, 1).log_prob(one)).sum(1) for one in z]
    return torch.stack(z), torch.stack(rate)


def sampled_by_matrices(loc, scale, eps):
    z = loc + torch.einsum("bij,sbj->sbi", torch.diag_embed(scale), eps)
    q = MultivariateNormal(loc, scale_tril=torch.diag_embed(scale))
    prior = MultivariateNormal(torch.zeros_like(loc), torch.diag_embed(torch.ones_like(scale)))
    return [z, q.log_prob(z) - prior.log_prob(z)]


# --- 02.3 ---


def rate_by_torch(loc, scale, prior_loc, prior_scale):
    return kl_divergence(Normal(loc, scale), Normal(prior_loc, prior_scale)).sum(-1)


def rate_by_independent(loc, scale, prior_loc, prior_scale):
    prior = Independent(Normal(prior_loc.expand_as(loc), prior_scale.expand_as(scale)), 1)
    return kl_divergence(Independent(Normal(loc, scale), 1), prior)


def rate_term_by_term(loc, scale, prior_loc, prior_scale):
    first = torch.log(prior_scale).sum() - torch.log(scale).sum(1)
    second = ((scale.square() + (loc - prior_loc).square()) / (2 * prior_scale.square())).sum(1)
    return first + second - loc.shape[1] / 2


def rate_with_log_variances(loc, scale, prior_loc, prior_scale):
    ours, theirs = scale.pow(2).log(), prior_scale.pow(2).log()
    return -0.5 * (1 + ours - theirs - ((loc - prior_loc) ** 2 + ours.exp()) / theirs.exp()).sum(-1)


def rate_in_units_of_the_prior(loc, scale, prior_loc, prior_scale):
    loc, scale = (loc - prior_loc) / prior_scale, scale / prior_scale
    return 0.5 * torch.sum(loc**2 + scale**2 - 1 - 2 * torch.log(scale), dim=1)


def rate_by_einsum(loc, scale, prior_loc, prior_scale):
    precision = prior_scale**-2
    squares = torch.einsum("bl,l->b", (loc - prior_loc) ** 2 + scale**2, precision)
    return 0.5 * squares - 0.5 * len(prior_loc) + prior_scale.log().sum() - scale.log().sum(-1)


def rate_coordinate_by_coordinate(loc, scale, prior_loc, prior_scale):
    total = torch.zeros(len(loc), dtype=loc.dtype)
    for d in range(loc.shape[1]):
        total = total + kl_divergence(Normal(loc[:, d], scale[:, d]), Normal(prior_loc[d], prior_scale[d]))
    return total


# --- 02.4 ---


def aggregate_by_mixture(z, loc, scale):
    weights = Categorical(torch.ones(len(loc)).to(loc))
    return MixtureSameFamily(weights, Independent(Normal(loc, scale), 1)).log_prob(z)


def aggregate_point_by_point(z, loc, scale):
    return torch.stack([torch.logsumexp(Normal(loc, scale).log_prob(one).sum(-1), 0) for one in z]) - math.log(
        loc.shape[0]
    )


def aggregate_image_by_image(z, loc, scale):
    each = torch.stack([Normal(m, s).log_prob(z).sum(-1) for m, s in zip(loc, scale, strict=True)])  # [images, points]
    return each.logsumexp(dim=0) - math.log(len(each))


def aggregate_with_the_largest_taken_out(z, loc, scale):
    each = Independent(Normal(loc[:, None], scale[:, None]), 1).log_prob(z)  # [images, points]
    largest = each.max(0).values
    return largest + (each - largest).exp().mean(0).log()


def aggregate_with_weights_inside(z, loc, scale):
    standard = (z.unsqueeze(1) - loc.unsqueeze(0)) / scale.unsqueeze(0)
    log_each = -0.5 * standard.pow(2).sum(2) - scale.log().sum(1) - 0.5 * z.shape[1] * LOG_2_PI
    return torch.logsumexp(log_each + torch.full((len(loc),), 1 / len(loc)).to(z).log(), dim=1)


def aggregate_by_multivariate(z, loc, scale):
    each = MultivariateNormal(loc, scale_tril=torch.diag_embed(scale)).log_prob(z[:, None])
    return torch.logsumexp(each, -1) - torch.tensor(len(loc)).to(z).log()


# --- 02.5 ---


def floor_by_entr(logits, x):
    floor = (torch.special.entr(x) + torch.special.entr(1 - x)).sum((-1, -2, -3))
    return floor, F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum((-1, -2, -3)) - floor


def floor_by_where(logits, x):
    inside = (x > 0) & (x < 1)
    safe = torch.where(inside, x, torch.full_like(x, 0.5))
    floor = torch.where(inside, -safe * safe.log() - (1 - safe) * (1 - safe).log(), torch.zeros_like(x)).sum((1, 2, 3))
    distortion = -Bernoulli(logits=logits, validate_args=False).log_prob(x).sum((1, 2, 3))
    return floor, distortion - floor


def floor_by_binary_entropy(logits, x):
    floor = Bernoulli(probs=x).entropy().flatten(1).sum(1)
    return floor, (-x * F.logsigmoid(logits) - (1 - x) * F.logsigmoid(-logits)).flatten(1).sum(1) - floor


def floor_by_cross_entropy_with_itself(logits, x):
    floor = F.binary_cross_entropy(x, x, reduction="none").view(len(x), -1).sum(1)
    return floor, (F.softplus(logits) - x * logits).view(len(x), -1).sum(1) - floor


def floor_of_logarithms_that_are_kept_finite(logits, x):
    """x log x with log x kept finite at 0: 0 times a finite number is 0."""
    tiny = torch.finfo(x.dtype).tiny
    floor = -(x * x.clamp(min=tiny).log() + (1 - x) * (1 - x).clamp(min=tiny).log())
    return floor.sum((1, 2, 3)), (torch.logaddexp(logits, torch.zeros_like(logits)) - x * logits - floor).sum((1, 2, 3))


def floor_without_nan(logits, x):
    floor = -((x * x.log()).nan_to_num(nan=0.0) + ((1 - x) * (1 - x).log()).nan_to_num(nan=0.0)).sum(dim=(1, 2, 3))
    distortion = (logits.clamp(min=0) - x * logits + (-logits.abs()).exp().log1p()).sum(dim=(1, 2, 3))
    return floor, distortion - floor


def floor_image_by_image(logits, x):
    floors, excesses = [], []
    for ell, image in zip(logits, x, strict=True):
        floor = -(torch.xlogy(image, image) + torch.xlogy(1 - image, 1 - image)).sum()
        floors.append(floor)
        excesses.append(F.binary_cross_entropy_with_logits(ell, image, reduction="sum") - floor)
    return torch.stack(floors), torch.stack(excesses)


# --- 02.6 ---


def head_by_linear(features, weight, bias):
    out = F.linear(features, weight, bias)
    latent = out.shape[-1] // 2
    return out[:, :latent], F.softplus(out[:, latent:]) + 1e-5


def head_by_two_layers(features, weight, bias):
    latent = len(bias) // 2
    loc = features @ weight[:latent].T + bias[:latent]
    return loc, torch.logaddexp(features @ weight[latent:].T + bias[latent:], torch.zeros(())) + 0.00001


def head_by_einsum(features, weight, bias):
    loc, raw = (torch.einsum("bh,oh->bo", features, weight) + bias).tensor_split(2, dim=1)
    return loc, 1e-5 + raw - F.logsigmoid(raw)


def head_by_reshape(features, weight, bias):
    both = (features @ weight.mT + bias).reshape(len(features), 2, -1)
    return both[:, 0], torch.nn.Softplus()(both[:, 1]) + 1e-5


def head_image_by_image(features, weight, bias):
    rows = [(weight @ row + bias).chunk(2) for row in features]
    return torch.stack([loc for loc, _ in rows]), torch.stack([F.softplus(raw) + 1e-5 for _, raw in rows])


# --- 02.7 ---


def _loss_by_torch(x, eps, encoder, decoder):
    loc, raw = (x @ encoder.T).chunk(2, -1)
    q = Normal(loc, F.softplus(raw))
    z = q.mean + q.stddev * eps
    log_likelihood = Bernoulli(logits=z @ decoder.T, validate_args=False).log_prob(x).sum(-1)
    return -(log_likelihood - kl_divergence(q, Normal(torch.zeros_like(loc), 1.0)).sum(-1)).mean()


def step_by_backward(x, eps, encoder, decoder, learning_rate):
    phi, theta = encoder.detach().clone().requires_grad_(), decoder.detach().clone().requires_grad_()
    with torch.enable_grad():
        _loss_by_torch(x, eps, phi, theta).backward()
    return (phi - learning_rate * phi.grad).detach(), (theta - learning_rate * theta.grad).detach()


def step_by_sgd(x, eps, encoder, decoder, learning_rate):
    phi, theta = torch.nn.Parameter(encoder.detach().clone()), torch.nn.Parameter(decoder.detach().clone())
    optimizer = torch.optim.SGD([phi, theta], lr=float(learning_rate))
    with torch.enable_grad():
        loss = _loss_by_torch(x, eps, phi, theta)
        optimizer.zero_grad()
        loss.backward()
    optimizer.step()
    return phi.data, theta.data


def step_uphill(x, eps, encoder, decoder, learning_rate):
    with torch.enable_grad():
        phi, theta = (w.detach().clone().requires_grad_() for w in (encoder, decoder))
        up = torch.autograd.grad(-_loss_by_torch(x, eps, phi, theta), [phi, theta])
    return tuple(w.detach() + learning_rate * g for w, g in zip((encoder, decoder), up, strict=True))


def step_by_func(x, eps, encoder, decoder, learning_rate):
    gradients = torch.func.grad(lambda pair: _loss_by_torch(x, eps, *pair))((encoder.detach(), decoder.detach()))
    return encoder.detach() - learning_rate * gradients[0], decoder.detach() - learning_rate * gradients[1]


def step_under_no_grad(x, eps, encoder, decoder, learning_rate):
    phi, theta = encoder.detach().clone().requires_grad_(), decoder.detach().clone().requires_grad_()
    with torch.enable_grad():
        _loss_by_torch(x, eps, phi, theta).backward()
    with torch.no_grad():
        phi -= learning_rate * phi.grad
        theta -= learning_rate * theta.grad
    return phi.detach(), theta.detach()


@pytest.mark.parametrize(
    ("exercise", "answer"),
    [
        *(
            (LOG_JOINT, answer)
            for answer in (
                joint_by_torch,
                joint_by_cross_entropy,
                joint_sample_by_sample,
                joint_by_einsum,
                joint_viewed,
                joint_with_signs,
            )
        ),
        *(
            (SAMPLE_AND_RATE, answer)
            for answer in (
                sampled_by_torch,
                sampled_in_closed_form,
                sampled_with_log_variance,
                sampled_one_by_one,
                sampled_by_matrices,
            )
        ),
        *(
            (RATE, answer)
            for answer in (
                rate_by_torch,
                rate_by_independent,
                rate_term_by_term,
                rate_with_log_variances,
                rate_in_units_of_the_prior,
                rate_by_einsum,
                rate_coordinate_by_coordinate,
            )
        ),
        *(
            (LOG_AGGREGATE, answer)
            for answer in (
                aggregate_by_mixture,
                aggregate_point_by_point,
                aggregate_image_by_image,
                aggregate_with_the_largest_taken_out,
                aggregate_with_weights_inside,
                aggregate_by_multivariate,
            )
        ),
        *(
            (FLOOR, answer)
            for answer in (
                floor_by_entr,
                floor_by_where,
                floor_by_binary_entropy,
                floor_by_cross_entropy_with_itself,
                floor_of_logarithms_that_are_kept_finite,
                floor_without_nan,
                floor_image_by_image,
            )
        ),
        *(
            (GAUSSIAN_HEAD, answer)
            for answer in (head_by_linear, head_by_two_layers, head_by_einsum, head_by_reshape, head_image_by_image)
        ),
        *(
            (TRAINING_STEP, answer)
            for answer in (step_by_backward, step_by_sgd, step_uphill, step_by_func, step_under_no_grad)
        ),
    ],
    ids=lambda value: getattr(value, "__name__", getattr(value, "id", None)),
)
def test_a_right_answer_written_otherwise_passes(exercise, answer):
    verdict = judge(exercise, answer)
    assert verdict.passed, verdict

"""Right answers to lesson 05 that are written in other ways than the solutions: `check` must take them."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal, kl_divergence

from helpers.distributions import continuous_bernoulli
from helpers.exercises.engine.judge import judge
from helpers.exercises.registry import find


def by_exponentials_of_minus_the_size(logits):
    size = logits.abs()
    small = size < 0.05  # another edge than the statement's
    away = torch.where(small, torch.ones_like(size), size)
    direct = away.log() + torch.log1p((-away).exp()) - torch.log(-torch.expm1(-away))
    return torch.where(small, math.log(2) + size**2 / 12 - 7 * size**4 / 1440, direct)


def by_places(logits):
    result = 0.6931471805599453 + logits * logits / 12 - 7 / 1440 * logits**4
    far = logits.abs() >= 0.03
    return result.masked_scatter(far, torch.log(logits[far] / torch.tanh(logits[far] / 2)))


def by_one_more_term(logits):
    small = logits.abs() < 0.02
    away = logits.masked_fill(small, 3.0)
    series = math.log(2) + logits.square() / 12 - 7 * logits**4 / 1440
    return torch.where(small, series, away.div((away / 2).tanh()).log())


def by_rows(log_q, log_prior):
    count, information, divergence = len(log_q), 0, 0
    for i in range(count):
        mixed = torch.logsumexp(log_q[i], 0) - math.log(count)
        information = information + (log_q[i, i] - mixed) / count
        divergence = divergence + (mixed - log_prior[i]) / count
    return information, divergence


def by_the_difference_from_the_rate(log_q, log_prior):
    own = torch.diagonal(log_q)
    information = torch.log_softmax(log_q, 1).diagonal().mean() + math.log(log_q.shape[0])
    return information, (own - log_prior).mean() - information


def by_torch_distributions(loc, scale, floor):
    kl = kl_divergence(Normal(loc, scale), Normal(torch.zeros_like(loc), torch.ones_like(scale)))
    kl = kl.mean(dim=0)
    return torch.where(kl > floor, kl, floor * torch.ones_like(kl)).sum()


def by_the_excess(loc, scale, floor):
    kl = 0.5 * (loc.square() + scale.square() - 1 - scale.square().log()).mean(0)
    return (floor + torch.relu(kl - floor)).sum()


def by_a_mixture(z, loc, scale):
    components = Independent(Normal(loc, scale), 1)
    return MixtureSameFamily(Categorical(torch.ones(len(loc), dtype=loc.dtype)), components).log_prob(z)


def component_by_component(z, loc, scale):
    each = [Normal(m, s).log_prob(z).sum(-1) for m, s in zip(loc, scale, strict=True)]
    return torch.stack(each).logsumexp(0) - math.log(len(each))


def point_by_point(logits, log_normal, log_joint):
    weight, total = torch.softmax(logits, -1), 0
    for k in range(logits.shape[-1]):
        log_q = torch.logsumexp(torch.log_softmax(logits, -1) + log_normal[:, k], -1)
        total = total + weight[:, k] * (log_joint[:, k] - log_q)
    return total


def by_einsum(logits, log_normal, log_joint):
    log_weight = logits - logits.logsumexp(-1, keepdim=True)
    log_q = torch.logsumexp(log_normal + log_weight.unsqueeze(1), dim=2)
    return torch.einsum("bk,bk->b", log_weight.exp(), log_joint - log_q)


def by_two_products(z, log_q, weight, context):
    stays, size = weight.shape[0], weight.shape[1] // 2
    t = z[..., :stays] @ weight[:, :size] + context[..., :size]
    s = z[..., :stays] @ weight[:, size:] + context[..., size:]
    return torch.cat((z[..., :stays], torch.exp(s) * z[..., stays:] + t), dim=-1), log_q - s.sum(dim=-1)


def by_hyperbolic_functions(logits):
    near = torch.abs(logits) < 0.1
    half = torch.where(near, torch.ones_like(logits), logits.abs() / 2)
    log_tanh = torch.log1p(-torch.exp(-2 * half)) - torch.log1p(torch.exp(-2 * half))
    square = torch.pow(logits, 2)
    return torch.where(near, math.log(2.0) + square * (1 / 12 - square * 7 / 1440), torch.log(2 * half) - log_tanh)


def logit_by_logit(logits):
    values = []
    for eta in logits.reshape(-1):
        if abs(eta) < 0.1:
            values.append(math.log(2) + eta**2 / 12 - 7 * eta**4 / 1440)
        else:
            values.append(torch.log(eta / torch.tanh(eta / 2)))
    return torch.stack(values).reshape(logits.shape)


def by_two_logs(logits):
    small = logits.abs() < 1e-1
    size = logits.abs().clamp(min=0.1)
    return torch.where(small, math.log(2) + logits**2 / 12 - 7 * logits**4 / 1440, size.log() - (size / 2).tanh().log())


def by_the_largest_of_each_row(log_q, log_prior):
    largest = log_q.max(dim=1, keepdim=True).values
    mixed = (largest + (log_q - largest).exp().mean(1, keepdim=True).log()).squeeze(1)
    own = log_q[torch.arange(len(log_q)), torch.arange(len(log_q))]
    return torch.mean(own - mixed), torch.mean(mixed - log_prior)


def by_a_mean_of_every_term(log_q, log_prior):
    n = log_q.size(0)
    mixed = torch.logsumexp(log_q - math.log(n), dim=-1)
    return torch.trace(log_q) / n - mixed.mean(), mixed.mean() - log_prior.mean()


def by_einsum_of_the_diagonal(log_q, log_prior):
    own = torch.einsum("ii->i", log_q)
    mixed = torch.logsumexp(log_q, -1) - torch.tensor(float(log_q.shape[-1])).log().to(log_q)
    return (own - mixed).sum() / own.numel(), (mixed - log_prior).sum() / own.numel()


def by_maximum(loc, scale, floor):
    kl = -torch.log(scale) - 0.5 + 0.5 * (loc * loc + scale * scale)
    return torch.maximum(kl.mean(0), torch.full_like(kl[0], floor)).sum()


def coordinate_by_coordinate(loc, scale, floor):
    total = 0
    for m, s in zip(loc.unbind(1), scale.unbind(1), strict=True):
        mean = ((m**2 + s**2 - 1) / 2 - s.log()).mean()
        total = total + (mean if mean > floor else torch.full_like(mean, floor))
    return total


def by_relu(loc, scale, floor):
    var = scale.pow(2)
    kl = (0.5 * (loc.pow(2) + var - 1.0 - var.log())).sum(0) / loc.shape[0]
    return floor * loc.shape[1] + torch.nn.functional.relu(kl - floor).sum()


def by_the_diagonal_gaussian(z, loc, scale):
    return torch.logsumexp(
        torch.stack([Independent(Normal(m, s), 1).log_prob(z) for m, s in zip(loc, scale, strict=True)], dim=1), dim=1
    ) - math.log(loc.shape[0])


def by_repeating(z, loc, scale):
    count, latent = loc.shape
    every = z.repeat_interleave(count, 0)
    log_q = -((every - loc.repeat(len(z), 1)) ** 2) / (2 * scale.repeat(len(z), 1) ** 2) - scale.log().repeat(len(z), 1)
    log_q = log_q.sum(-1).view(len(z), count) - latent / 2 * math.log(2 * math.pi)
    return torch.logsumexp(log_q + math.log(1 / count), 1)


def by_the_largest_component(z, loc, scale):
    log_q = Normal(loc[None], scale[None]).log_prob(z[:, None]).sum(2)
    largest = log_q.max(1, keepdim=True)[0]
    return (log_q - largest).exp().mean(1).log() + largest[:, 0]


def by_splitting_the_bound(logits, log_normal, log_joint):
    q = Categorical(logits=logits)
    log_q = torch.logsumexp(log_normal + q.logits[:, None, :], dim=2)
    return (q.probs * log_joint).sum(1) - (q.probs * log_q).sum(1)


def datum_by_datum(logits, log_normal, log_joint):
    bounds = []
    for phi, normals, joint in zip(logits, log_normal, log_joint, strict=True):
        log_weight = torch.log_softmax(phi, 0)
        log_q = torch.stack([torch.logsumexp(log_weight + row, 0) for row in normals])
        bounds.append(log_weight.exp() @ (joint - log_q))
    return torch.stack(bounds)


def by_products_of_matrices(logits, log_normal, log_joint):
    log_weight = logits - torch.logsumexp(logits, 1, keepdim=True)
    log_q = torch.logsumexp(log_normal.transpose(1, 2) + log_weight.unsqueeze(2), 1)
    return torch.bmm(log_weight.exp().unsqueeze(1), (log_joint - log_q).unsqueeze(2)).squeeze(2).squeeze(1)


def by_tensor_split(z, log_q, weight, context):
    kept, moved = z.split([weight.shape[0], z.shape[1] - weight.shape[0]], dim=1)
    shift, log_scale = torch.tensor_split(torch.addmm(context, kept, weight), 2, dim=1)
    return torch.hstack([kept, torch.addcmul(shift, moved, log_scale.exp())]), torch.sub(log_q, log_scale.sum(1))


def row_by_row(z, log_q, weight, context):
    stays, rows, densities = len(weight), [], []
    for one, density, told in zip(z, log_q, context, strict=True):
        parameters = one[:stays] @ weight + told
        size = len(parameters) // 2
        rows.append(torch.cat([one[:stays], one[stays:] * parameters[size:].exp() + parameters[:size]]))
        densities.append(density - parameters[size:].sum())
    return torch.stack(rows), torch.stack(densities)


def by_the_log_of_the_scale(z, log_q, weight, context):
    parameters = torch.einsum("bk,km->bm", z[:, : len(weight)], weight) + context
    shift, log_scale = parameters[:, : parameters.shape[1] // 2], parameters[:, parameters.shape[1] // 2 :]
    scale = torch.exp(log_scale)
    y = z.clone()
    y[:, len(weight) :] = scale * z[:, len(weight) :] + shift
    return y, log_q - torch.log(torch.prod(scale, -1))


def by_padding(z, log_q, weight, context):
    stays = len(weight)
    shift, log_scale = (z[:, :stays] @ weight + context).chunk(2, 1)
    shift, log_scale = (torch.nn.functional.pad(part, (stays, 0)) for part in (shift, log_scale))
    return z * log_scale.exp() + shift, log_q - log_scale.sum(1)


def by_autograd(z, log_q, weight, context):
    stays = len(weight)

    def layer(one, told):
        shift, log_scale = (one[:stays] @ weight + told).chunk(2)
        return torch.cat([one[:stays], one[stays:] * log_scale.exp() + shift])

    y = torch.stack([layer(one, told) for one, told in zip(z, context, strict=True)])
    jacobians = [
        torch.autograd.functional.jacobian(layer, (one, told), create_graph=True)[0]
        for one, told in zip(z, context, strict=True)
    ]
    return y, log_q - torch.stack([torch.linalg.slogdet(jacobian)[1] for jacobian in jacobians])


@pytest.mark.parametrize(
    ("id", "answer"),
    [
        ("05.1", by_exponentials_of_minus_the_size),
        ("05.1", by_places),
        ("05.1", by_one_more_term),
        ("05.1", continuous_bernoulli.log_normaliser),
        ("05.2", by_rows),
        ("05.2", by_the_difference_from_the_rate),
        ("05.3", by_torch_distributions),
        ("05.3", by_the_excess),
        ("05.4", by_a_mixture),
        ("05.4", component_by_component),
        ("05.5", point_by_point),
        ("05.5", by_einsum),
        ("05.6", by_two_products),
        ("05.1", by_hyperbolic_functions),
        ("05.1", logit_by_logit),
        ("05.1", by_two_logs),
        ("05.2", by_the_largest_of_each_row),
        ("05.2", by_a_mean_of_every_term),
        ("05.2", by_einsum_of_the_diagonal),
        ("05.3", by_maximum),
        ("05.3", coordinate_by_coordinate),
        ("05.3", by_relu),
        ("05.4", by_the_diagonal_gaussian),
        ("05.4", by_repeating),
        ("05.4", by_the_largest_component),
        ("05.5", by_splitting_the_bound),
        ("05.5", datum_by_datum),
        ("05.5", by_products_of_matrices),
        ("05.6", by_tensor_split),
        ("05.6", row_by_row),
        ("05.6", by_the_log_of_the_scale),
        ("05.6", by_padding),
    ],
)
def test_a_right_answer_passes_however_it_is_written(id, answer):
    verdict = judge(find(id), answer)
    assert verdict.passed, verdict


def test_the_coupling_is_what_its_jacobian_says():
    """With gradients on or off: the Jacobian by autograd needs them on, so it is compared with the solution here."""
    exercise = find("05.6")
    for name, factory in exercise.cases.items():
        arguments = factory(torch.Generator().manual_seed(3))
        for ours, theirs in zip(exercise.solution(**arguments), by_autograd(**arguments), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12, msg=name)


def test_the_normaliser_keeps_its_digits_in_single_precision():
    """By the lesson's own measure: the gradient's relative error near 0, where the formula as it stands loses all digits."""
    solution = find("05.1").solution
    etas = torch.logspace(-3, 1, 400, dtype=torch.float64)
    slope = 1 / etas - 1 / etas.sinh()
    eta = etas.float().requires_grad_()
    (gradient,) = torch.autograd.grad(solution(eta).sum(), eta)
    assert ((gradient - slope) / slope).abs().max() < 3e-4


def test_other_ways_of_nan_near_zero_are_told_what_they_are():
    exercise = find("05.1")

    def clamped(logits):
        logits = torch.where(logits.abs() < 1e-3, torch.full_like(logits, 1e-3), logits)
        return (logits / (logits / 2).tanh()).log()

    def overflowing(logits):
        small = logits.abs() < 0.1
        away = torch.where(small, 1.0, logits)
        direct = (away * (away.exp() + 1) / away.expm1()).log()
        return torch.where(small, math.log(2) + logits**2 / 12 - 7 * logits**4 / 1440, direct)

    assert "near 0 the gradient is lost" in judge(exercise, clamped).sentence
    assert "overflows" in judge(exercise, overflowing).sentence

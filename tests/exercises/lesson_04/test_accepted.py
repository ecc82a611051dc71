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


def by_squeezed_noise(logits, u, v):
    p, z = logits.sigmoid(), logits + torch.logit(u)
    squeezed = torch.where(z > 0, (1 - p) + p * v, (1 - p) * v)
    return z, logits + torch.logit(squeezed)


def by_ends_of_the_interval(logits, u, v):
    q = torch.sigmoid(-logits)
    b = (u > q).to(logits)
    low, high = b * q, b + (1 - b) * q
    squeezed = low + (high - low) * v
    return logits + (u / (1 - u)).log(), logits + squeezed.log() - (1 - squeezed).log()


def by_exponentials_of_the_logit(logits, u, v):
    z = logits + u.log() - torch.log1p(-u)
    above = torch.log1p(v * logits.exp()) - torch.log1p(-v)
    below = v.log() - torch.log1p((1 - v) * (-logits).exp())
    return z, torch.where(z > 0, above, below)


def by_masked_sum(logits, u, v):
    p, z = torch.sigmoid(logits), logits - (1 / u - 1).log()
    b = z.gt(0).to(z)
    squeezed = b * (1 - p + p * v) + (1 - b) * (1 - p) * v
    return z, logits - (1 / squeezed - 1).log()


def sample_by_sample_of_noise(logits, u, v):
    pairs = [by_squeezed_noise(logits, one, other) for one, other in zip(u, v, strict=True)]
    return torch.stack([z for z, _ in pairs]), torch.stack([z for _, z in pairs])


def by_masks(f, log_q):
    weight = f.detach() - torch.stack([f.detach()[torch.arange(len(f)) != s].mean(0) for s in range(len(f))])
    return torch.mean(f, 0) + torch.mean(weight * log_q, 0)


def by_a_matrix_of_ones(f, log_q):
    samples = f.shape[0]
    leave_out = (torch.ones(samples, samples, dtype=f.dtype) - torch.eye(samples, dtype=f.dtype)) / (samples - 1)
    weight = (f - torch.einsum("st,tb->sb", leave_out, f)).detach()
    return (f + weight * log_q).sum(dim=0) / samples


def with_no_grad(f, log_q):
    with torch.no_grad():
        reward = f.clone()
        weight = reward * len(f) / (len(f) - 1) - reward.sum(0, keepdim=True) / (len(f) - 1)
    return torch.add(f, weight * log_q).mean(dim=0)


def by_the_largest_of_each(log_weight):
    log_weight = log_weight.detach()
    samples, largest = len(log_weight), log_weight.max(0).values
    share = (log_weight - largest).exp()
    place = (log_weight.sum(0) - log_weight) / (samples - 1)
    replaced = torch.logaddexp(without_one(log_weight), place)
    return share.sum(0).log() + largest - replaced


def without_one(log_weight):
    """log sum of the others' w, sample by sample."""
    keep = [[t for t in range(len(log_weight)) if t != s] for s in range(len(log_weight))]
    return torch.stack([torch.logsumexp(log_weight[rest], dim=0) for rest in keep])


def by_columns(log_weight):
    signals = torch.zeros_like(log_weight).detach()
    for b in range(log_weight.shape[1]):
        column = log_weight[:, b].detach()
        for s in range(len(column)):
            other = column.clone()
            other[s] = (column.sum() - column[s]) / (len(column) - 1)
            signals[s, b] = torch.logsumexp(column, 0) - torch.logsumexp(other, 0)
    return signals


def by_arithmetic_on_the_diagonal(log_weight):
    with torch.no_grad():
        samples = log_weight.shape[0]
        mean = (log_weight.sum(dim=0, keepdim=True) - log_weight) / (samples - 1)
        diagonal = torch.eye(samples).to(log_weight)[..., None]
        swapped = log_weight * (1 - diagonal) + mean[:, None, :] * diagonal
        bound = torch.logsumexp(log_weight, dim=0) - math.log(samples)
        return bound - (torch.logsumexp(swapped, dim=1) - math.log(samples))


def pair_by_pair(logits, u, f_first, f_second):
    p, total = torch.sigmoid(logits), torch.zeros_like(logits)
    for one, first, second in zip(u, f_first, f_second, strict=True):
        b, other = (one > 1 - p).to(p.dtype), (one < p).to(p.dtype)
        total = total + 0.5 * (first - second).unsqueeze(1) * (b - other) * torch.maximum(p, 1 - p)
    return total / u.shape[0]


def by_where_of_the_pair(logits, u, f_first, f_second):
    up = (u > torch.sigmoid(-logits)) & ~(u < torch.sigmoid(logits))
    down = ~(u > torch.sigmoid(-logits)) & (u < torch.sigmoid(logits))
    sign = torch.where(up, 1.0, torch.where(down, -1.0, 0.0)).to(logits.dtype)
    weight = 1 / (1 + torch.exp(-logits.abs()))
    return torch.mean(sign * weight * (f_first / 2 - f_second / 2)[:, :, None], dim=0)


def by_float(logits, u, f_first, f_second):
    b = (u > torch.sigmoid(-logits)).type_as(u)
    other = (u < torch.sigmoid(logits)).type_as(u)
    scale = torch.sigmoid(torch.where(logits < 0, -logits, logits))
    difference = torch.subtract(f_first, f_second).view(*f_first.shape, 1)
    return (difference * (b - other)).sum(0) * scale / (2.0 * u.size(0))


def by_matrix_products(logits, u, f_first, f_second):
    sign = (u > torch.sigmoid(-logits)).to(u) - (u < torch.sigmoid(logits)).to(u)
    difference = (f_first - f_second).transpose(0, 1).unsqueeze(1)  # [batch, 1, pairs]
    return 0.5 * torch.bmm(difference, sign.transpose(0, 1))[:, 0] / len(u) * logits.abs().sigmoid()


def sample_for_sample(logits, z, f, f_flipped):
    p = 1 / (1 + torch.exp(-logits))
    terms = []
    for bit, value, flipped in zip(z, f, f_flipped, strict=True):
        high = bit * value[:, None] + (1 - bit) * flipped
        low = (1 - bit) * value[:, None] + bit * flipped
        terms.append((high - low) * p * (1 - p))
    return torch.stack(terms).mean(0)


def by_both_probabilities(logits, z, f, f_flipped):
    slope = torch.sigmoid(logits) * torch.sigmoid(-logits)
    sign = torch.where(z > 0.5, torch.ones_like(z), -torch.ones_like(z))
    return torch.einsum("bk,sbk->bk", slope, sign * (f.unsqueeze(2) - f_flipped)) / z.shape[0]


def by_powers(logits, z, f, f_flipped):
    p = logits.sigmoid()
    difference = (f[..., None] - f_flipped).mul(z.mul(2).sub(1)).mean(dim=0)
    return (p - p**2) * difference


def by_the_score_of_each_outcome(logits, z, f, f_flipped):
    """The sum over both outcomes of probability, score and f."""
    p = logits.sigmoid()
    own = (z * p + (1 - z) * (1 - p)) * (z - p) * f[..., None]
    flip = ((1 - z) * p + z * (1 - p)) * ((1 - z) - p) * f_flipped
    return (own + flip).mean(0)


def by_bernoulli(logits, f, slope):
    q = torch.distributions.Bernoulli(logits=logits)
    exact = q.variance * (f[1] - f[0])
    return exact, q.variance * torch.lerp(slope[0], slope[1], q.probs) - exact


def by_weights_of_outcomes(logits, f, slope):
    p = torch.stack([torch.sigmoid(-logits), torch.sigmoid(logits)])
    move = p[0] * p[1]
    exact = (torch.tensor([-1.0, 1.0]).to(f)[:, None] * f).sum(0) * move
    return exact, (p * slope).sum(0) * move - exact


def datum_by_datum(logits, f, slope):
    exact, bias = [], []
    for phi, (f0, f1), (s0, s1) in zip(logits, f.T, slope.T, strict=True):
        p = 1 / (1 + (-phi).exp())
        exact.append(p * (1 - p) * (f1 - f0))
        bias.append(p * (1 - p) * ((1 - p) * s0 + p * s1 - (f1 - f0)))
    return torch.stack(exact), torch.stack(bias)


def by_einsum_over_outcomes(logits, f, slope):
    p = logits.sigmoid()
    weights = torch.stack((1 - p, p), dim=0)
    dp = p - p.square()
    exact = dp * f.diff(dim=0).squeeze(0)
    return exact, dp * torch.einsum("ob,ob->b", weights, slope) - exact


def with_either_mean(f, slope, scale, eps, weight):
    """E[f eps / scale] = E[f'], so one mean serves both."""
    mean = weight @ slope
    return weight @ (f * eps[:, None] / scale - mean) ** 2, weight @ (slope - mean) ** 2


def with_the_other_mean(f, slope, scale, eps, weight):
    mean = weight @ (f * eps[:, None] / scale)
    return weight @ (f * eps[:, None] / scale - mean) ** 2, weight @ (slope - mean) ** 2


def by_einsum_over_nodes(f, slope, scale, eps, weight):
    score = torch.einsum("nb,n,b->nb", f, eps, 1 / scale)
    both = torch.stack([score, slope])
    mean = torch.einsum("n,enb->eb", weight, both)
    return tuple(torch.einsum("n,enb->eb", weight, (both - mean[:, None]) ** 2))


def gaussian_by_gaussian(f, slope, scale, eps, weight):
    found = []
    for b in range(f.shape[1]):
        pair = []
        for g in (f[:, b] * eps / scale[b], slope[:, b]):
            mean = (weight * g).sum()
            pair.append((weight * (g - mean) ** 2).sum())
        found.append(torch.stack(pair))
    return torch.stack(found, 1)[0], torch.stack(found, 1)[1]


def by_the_variance_of_a_scaled_gradient(f, slope, scale, eps, weight):
    unscaled = f * eps.unsqueeze(-1)
    deviation = unscaled - torch.matmul(weight, unscaled)
    return torch.matmul(weight, deviation.pow(2)) / scale.pow(2), torch.matmul(
        weight, (slope - torch.matmul(weight, slope)).pow(2)
    )


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
        ("04.1", by_masks),
        ("04.1", by_a_matrix_of_ones),
        ("04.1", with_no_grad),
        ("04.2", by_the_largest_of_each),
        ("04.2", by_columns),
        ("04.2", by_arithmetic_on_the_diagonal),
        ("04.3", pair_by_pair),
        ("04.3", by_where_of_the_pair),
        ("04.3", by_float),
        ("04.3", by_matrix_products),
        ("04.4", sample_for_sample),
        ("04.4", by_both_probabilities),
        ("04.4", by_powers),
        ("04.4", by_the_score_of_each_outcome),
        ("04.5", by_bernoulli),
        ("04.5", by_weights_of_outcomes),
        ("04.5", datum_by_datum),
        ("04.5", by_einsum_over_outcomes),
        ("04.6", with_either_mean),
        ("04.6", with_the_other_mean),
        ("04.6", by_einsum_over_nodes),
        ("04.6", gaussian_by_gaussian),
        ("04.6", by_the_variance_of_a_scaled_gradient),
        ("04.7", by_squeezed_noise),
        ("04.7", by_ends_of_the_interval),
        ("04.7", by_exponentials_of_the_logit),
        ("04.7", by_masked_sum),
        ("04.7", sample_by_sample_of_noise),
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

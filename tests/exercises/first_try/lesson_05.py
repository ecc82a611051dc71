"""Answers of readers to the exercises of lesson 05, from its text alone."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch.distributions import (
    AffineTransform,
    Categorical,
    Independent,
    MixtureSameFamily,
    MultivariateNormal,
    Normal,
    kl_divergence,
)

from tests.exercises.first_try.tries import right, wrong

num_images = 64  # of a notebook
floor_in_nats = 0.25
latent = 4


# 05.1


@wrong("05.1", "no series near zero: 0/0 at a logit of 0")
def formula_as_it_stands(logits):
    return torch.log(logits / torch.tanh(logits / 2))


@wrong("05.1", "torch.where differentiates both branches: the gradient at 0 is no number")
def where_of_both_branches(logits):
    series = math.log(2) + logits**2 / 12 - 7 * logits**4 / 1440
    formula = torch.log(logits / torch.tanh(logits / 2))
    return torch.where(logits.abs() < 0.1, series, formula)


@wrong("05.1", "tanh as a quotient of exponentials, which overflow at 800")
def tanh_by_exponentials(logits):
    small = logits.abs() < 0.1
    safe = torch.where(small, torch.ones_like(logits), logits)
    c = safe * (safe.exp() + 1) / (safe.exp() - 1)
    return torch.where(small, math.log(2) + logits**2 / 12 - 7 * logits**4 / 1440, c.log())


@wrong("05.1", "tanh of the logit, not of its half")
def tanh_without_half(logits):
    small = logits.abs() < 0.1
    safe = torch.where(small, torch.ones_like(logits), logits)
    return torch.where(small, math.log(2) + logits**2 / 12 - 7 * logits**4 / 1440, (safe / safe.tanh()).log())


@wrong("05.1", "log of the integral in place of log C: the sign is turned")
def log_of_the_integral(logits):
    small = logits.abs() < 0.1
    safe = torch.where(small, torch.ones_like(logits), logits)
    integral = torch.tanh(safe / 2) / safe
    series = math.log(2) + logits**2 / 12 - 7 * logits**4 / 1440
    return torch.where(small, -series, integral.log())


@wrong("05.1", "forgets the logarithm in the formula: C, not log C")
def c_without_log(logits):
    small = logits.abs() < 0.1
    safe = torch.where(small, torch.ones_like(logits), logits)
    return torch.where(small, math.log(2) + logits**2 / 12 - 7 * logits**4 / 1440, safe / torch.tanh(safe / 2))


@wrong("05.1", "plus for minus in the last term of the series, and no 7")
def series_misremembered(logits):
    small = logits.abs() < 0.1
    safe = torch.where(small, torch.ones_like(logits), logits)
    series = math.log(2) + logits**2 / 6 + logits**4 / 1440
    return torch.where(small, series, torch.log(safe / torch.tanh(safe / 2)))


@wrong("05.1", "only the constant of the series: no gradient near zero")
def constant_near_zero(logits):
    small = logits.abs() < 0.1
    safe = torch.where(small, torch.ones_like(logits), logits)
    return torch.where(small, torch.full_like(logits, math.log(2)), torch.log(safe / torch.tanh(safe / 2)))


@wrong("05.1", "series wherever logit < 0.1, so for all negative logits too")
def small_without_abs(logits):
    small = logits < 0.1
    safe = torch.where(small, torch.ones_like(logits), logits)
    series = math.log(2) + logits**2 / 12 - 7 * logits**4 / 1440
    return torch.where(small, series, torch.log(safe / torch.tanh(safe / 2)))


@wrong("05.1", "the formula's argument clamped from below at 0.1: negative logits are lost")
def clamped_at_a_tenth(logits):
    safe = logits.clamp_min(0.1)
    series = math.log(2) + logits**2 / 12 - 7 * logits**4 / 1440
    return torch.where(logits.abs() < 0.1, series, torch.log(safe / torch.tanh(safe / 2)))


@wrong("05.1", "adds 1e-8 to the logit in place of a series: no digits in the gradient near zero")
def nudged_off_zero(logits):
    eta = logits + 1e-8
    return torch.log(eta / torch.tanh(eta / 2))


@wrong("05.1", "clamps large logits for stability: no gradient there, and a wrong value")
def clamped_to_twenty(logits):
    logits = logits.clamp(-20, 20)
    small = logits.abs() < 0.1
    safe = torch.where(small, torch.ones_like(logits), logits)
    series = math.log(2) + logits**2 / 12 - 7 * logits**4 / 1440
    return torch.where(small, series, torch.log(safe / torch.tanh(safe / 2)))


@wrong("05.1", "by p = sigmoid(logit), which rounds to 0 and 1: infinite at large logits")
def by_the_papers_formula(logits):
    p = torch.sigmoid(logits)
    small = logits.abs() < 0.1
    safe = torch.where(small, torch.full_like(p, 0.3), p)
    formula = torch.log(2 * torch.atanh(1 - 2 * safe) / (1 - 2 * safe))
    return torch.where(small, math.log(2) + logits**2 / 12 - 7 * logits**4 / 1440, formula)


@wrong("05.1", "in bits: logarithms to base 2")
def in_bits(logits):
    small = logits.abs() < 0.1
    safe = torch.where(small, torch.ones_like(logits), logits)
    series = 1 + (logits**2 / 12 - 7 * logits**4 / 1440) / math.log(2)
    return torch.where(small, series, torch.log2(safe / torch.tanh(safe / 2)))


@wrong("05.1", "sums over the pixels")
def of_the_whole_image(logits):
    small = logits.abs() < 0.1
    safe = torch.where(small, torch.ones_like(logits), logits)
    series = math.log(2) + logits**2 / 12 - 7 * logits**4 / 1440
    return torch.where(small, series, torch.log(safe / torch.tanh(safe / 2))).sum(-1)


@wrong("05.1", "makes the argument harmless in place: changes the caller's logits")
def harmless_in_place(logits):
    small = logits.abs() < 0.1
    series = math.log(2) + logits**2 / 12 - 7 * logits**4 / 1440
    logits[small] = 1.0
    return torch.where(small, series, torch.log(logits / torch.tanh(logits / 2)))


@right("05.1", "torch.where, the formula fed with a harmless 1 where the series is taken")
def harmless_one(logits):
    small = logits.abs() < 0.1
    safe = torch.where(small, torch.ones_like(logits), logits)
    series = math.log(2) + logits**2 / 12 - 7 * logits**4 / 1440
    return torch.where(small, series, torch.log(safe / torch.tanh(safe / 2)))


@right("05.1", "log tanh by log1p and expm1 of minus the size")
def by_log1p_and_expm1(logits):
    near = logits.abs() < 0.1
    size = logits.masked_fill(near, 1.0).abs()
    far_value = size.log() + torch.log1p(torch.exp(-size)) - torch.log(-torch.expm1(-size))
    square = logits.masked_fill(~near, 0.0).square()
    return torch.where(near, math.log(2) + square * (1 / 12 - 7 * square / 1440), far_value)


@right("05.1", "each branch on its own elements, written into a new tensor")
def written_into_a_new_tensor(logits):
    near = logits.abs() < 0.1
    out = torch.empty_like(logits)
    eta = logits[near]
    out[near] = np.log(2) + eta.pow(2) / 12 - 7 * eta.pow(4) / 1440
    eta = logits[~near]
    out[~near] = eta.abs().log() - (eta.abs() / 2).tanh().log()
    return out


@right("05.1", "explicit loop over the elements")
def element_by_element(logits):
    values = []
    for eta in logits.flatten():
        if abs(eta.item()) < 0.1:
            values.append(math.log(2) + eta**2 / 12 - 7 * eta**4 / 1440)
        else:
            values.append(torch.log(eta / torch.tanh(eta / 2)))
    return torch.stack(values).reshape(logits.shape)


@right("05.1", "log C is the log size, plus softplus of minus the size, minus log(1 - exp(-size))")
def by_softplus(logits):
    near = logits.abs() < 0.1
    size = torch.where(near, 2.0, logits).abs()
    far = torch.log(size / -torch.expm1(-size)) + F.softplus(-size)
    eta = torch.where(near, logits, 0.0)
    return torch.where(near, math.log(2) + eta**2 / 12 - 7 / 1440 * eta**4, far)


@right("05.1", "the tanh as a quotient of exponentials of minus the size, which cannot overflow")
def by_exponentials_of_minus_the_size(logits):
    far = logits.abs() >= 0.1
    size = torch.where(far, logits.abs(), torch.ones_like(logits))
    c = size * (1 + torch.exp(-size)) / -torch.expm1(-size)
    return torch.where(far, c.log(), math.log(2) + logits**2 / 12 - 7 * logits**4 / 1440)


# 05.2


@wrong("05.2", "sums over the points z_i, not over the images j that might have made one")
def aggregate_over_rows(log_q, log_prior):
    n = log_q.shape[0]
    log_aggregate = torch.logsumexp(log_q, 0) - math.log(n)
    return (log_q.diagonal() - log_aggregate).mean(), (log_aggregate - log_prior).mean()


@wrong("05.2", "forgets the 1/N of the aggregate")
def sum_without_one_over_n(log_q, log_prior):
    log_aggregate = torch.logsumexp(log_q, 1)
    return (log_q.diagonal() - log_aggregate).mean(), (log_aggregate - log_prior).mean()


@wrong("05.2", "mean of the logs in place of the log of the mean")
def mean_of_logs(log_q, log_prior):
    log_aggregate = log_q.mean(1)
    return (log_q.diagonal() - log_aggregate).mean(), (log_aggregate - log_prior).mean()


@wrong("05.2", "exponentials that underflow")
def mean_of_exponentials(log_q, log_prior):
    log_aggregate = log_q.exp().mean(1).log()
    return (log_q.diag() - log_aggregate).mean(), (log_aggregate - log_prior).mean()


@wrong("05.2", "log(q + 1e-8): a floor under the aggregate")
def aggregate_with_a_floor(log_q, log_prior):
    log_aggregate = torch.log(log_q.exp().mean(1) + 1e-8)
    return (log_q.diag() - log_aggregate).mean(), (log_aggregate - log_prior).mean()


@wrong("05.2", "one maximum for the whole table in the log-sum-exp: other rows underflow")
def one_maximum_for_all(log_q, log_prior):
    top = log_q.max()
    log_aggregate = (log_q - top).exp().mean(1).log() + top
    return (log_q.diag() - log_aggregate).mean(), (log_aggregate - log_prior).mean()


@wrong("05.2", "averages the whole table in place of the diagonal")
def whole_table_for_the_diagonal(log_q, log_prior):
    log_aggregate = torch.logsumexp(log_q, 1) - math.log(len(log_q))
    return (log_q - log_aggregate[:, None]).mean(), (log_aggregate - log_prior).mean()


@wrong("05.2", "sums over the images in place of means")
def summed_over_images(log_q, log_prior):
    log_aggregate = torch.logsumexp(log_q, 1) - math.log(len(log_q))
    return (log_q.diagonal() - log_aggregate).sum(), (log_aggregate - log_prior).sum()


@wrong("05.2", "the two parts in the wrong order")
def divergence_first(log_q, log_prior):
    log_aggregate = torch.logsumexp(log_q, 1) - math.log(len(log_q))
    return (log_aggregate - log_prior).mean(), (log_q.diagonal() - log_aggregate).mean()


@wrong("05.2", "an image is left out of its own aggregate")
def without_its_own_image(log_q, log_prior):
    n = len(log_q)
    others = log_q.masked_fill(torch.eye(n, dtype=torch.bool), -torch.inf)
    log_aggregate = torch.logsumexp(others, 1) - math.log(n - 1)
    return (log_q.diagonal() - log_aggregate).mean(), (log_aggregate - log_prior).mean()


@wrong("05.2", "sign of the marginal divergence")
def divergence_upside_down(log_q, log_prior):
    log_aggregate = torch.logsumexp(log_q, 1) - math.log(len(log_q))
    return (log_q.diagonal() - log_aggregate).mean(), (log_prior - log_aggregate).mean()


@wrong("05.2", "the whole rate in place of the marginal divergence")
def whole_rate_for_the_divergence(log_q, log_prior):
    log_aggregate = torch.logsumexp(log_q, 1) - math.log(len(log_q))
    own = log_q.diagonal()
    return (own - log_aggregate).mean(), (own - log_prior).mean()


@wrong("05.2", "weights by q once more, though the points were drawn from it")
def weighted_by_q_again(log_q, log_prior):
    log_aggregate = torch.logsumexp(log_q, 1) - math.log(len(log_q))
    own = log_q.diagonal()
    information = (own.exp() * (own - log_aggregate)).mean()
    return information, (log_aggregate.exp() * (log_aggregate - log_prior)).mean()


@wrong("05.2", "plus log N for minus log N")
def plus_log_n(log_q, log_prior):
    log_aggregate = torch.logsumexp(log_q, 1) + math.log(len(log_q))
    return (log_q.diagonal() - log_aggregate).mean(), (log_aggregate - log_prior).mean()


@wrong("05.2", "the number of images is a notebook's variable")
def number_from_the_notebook(log_q, log_prior):
    log_aggregate = torch.logsumexp(log_q, 1) - math.log(num_images)
    return (log_q.diagonal() - log_aggregate).mean(), (log_aggregate - log_prior).mean()


@wrong("05.2", "keeps the image dimension, of size 1")
def with_a_dimension_left(log_q, log_prior):
    log_aggregate = torch.logsumexp(log_q, dim=1) - np.log(log_q.shape[1])
    information = (torch.diagonal(log_q) - log_aggregate).mean(0, keepdim=True)
    return information, (log_aggregate - log_prior).mean(0, keepdim=True)


@right("05.2", "logsumexp along the columns, and the diagonal")
def along_the_columns(log_q, log_prior):
    log_aggregate = torch.logsumexp(log_q, dim=1) - math.log(log_q.shape[1])
    return (log_q.diagonal() - log_aggregate).mean(), (log_aggregate - log_prior).mean()


@right("05.2", "cross-entropy of guessing the image: the information is log N less it")
def by_cross_entropy(log_q, log_prior):
    n = len(log_q)
    information = math.log(n) - F.cross_entropy(log_q, torch.arange(n))
    return information, (log_q.diagonal() - log_prior).mean() - information


@right("05.2", "explicit loop over the points, with logaddexp")
def point_by_point(log_q, log_prior):
    n = len(log_q)
    information, divergence = 0.0, 0.0
    for i in range(n):
        total = log_q[i, 0]
        for j in range(1, n):
            total = torch.logaddexp(total, log_q[i, j])
        total = total - math.log(n)
        information = information + (log_q[i, i] - total) / n
        divergence = divergence + (total - log_prior[i]) / n
    return information, divergence


@right("05.2", "exponentials less each row's maximum")
def maximum_of_each_row(log_q, log_prior):
    top = log_q.amax(1, keepdim=True).detach()
    log_aggregate = (log_q - top).exp().mean(1).log() + top.squeeze(1)
    n = log_q.shape[0]
    return (torch.trace(log_q) - log_aggregate.sum()) / n, (log_aggregate - log_prior).sum() / n


@right("05.2", "log_softmax of the rows, read off the diagonal")
def by_log_softmax(log_q, log_prior):
    n = log_q.size(0)
    own_share = torch.log_softmax(log_q, dim=1)[range(n), range(n)] + math.log(n)
    return own_share.mean(), torch.mean(log_q.diag() - own_share - log_prior)


@right("05.2", "einsum of the diagonal and a Categorical's log normaliser")
def by_categorical(log_q, log_prior):
    rows = Categorical(logits=log_q)
    share = rows.log_prob(torch.arange(len(log_q)))
    log_aggregate = torch.einsum("ii->i", log_q) - share - math.log(len(log_q))
    return share.mean() + math.log(len(log_q)), log_aggregate.mean() - log_prior.mean()


# 05.3


@wrong("05.3", "a floor for each image, before the mean over the batch")
def floor_for_each_image(loc, scale, floor):
    kl = (loc**2 + scale**2 - 1) / 2 - scale.log()
    return kl.clamp_min(floor).mean(0).sum()


@wrong("05.3", "one floor for the sum over coordinates")
def floor_for_the_sum(loc, scale, floor):
    kl = (loc**2 + scale**2 - 1) / 2 - scale.log()
    return kl.sum(-1).mean().clamp(min=floor)


@wrong("05.3", "a ceiling: the minimum in place of the maximum")
def ceiling_for_floor(loc, scale, floor):
    kl = ((loc**2 + scale**2 - 1) / 2 - scale.log()).mean(0)
    return kl.clamp(max=floor).sum()


@wrong("05.3", "below the floor nothing is charged, in place of the floor")
def nothing_below_the_floor(loc, scale, floor):
    kl = ((loc**2 + scale**2 - 1) / 2 - scale.log()).mean(0)
    return (kl * (kl > floor)).sum()


@wrong("05.3", "charges only what is above the floor")
def only_above_the_floor(loc, scale, floor):
    kl = ((loc**2 + scale**2 - 1) / 2 - scale.log()).mean(0)
    return torch.relu(kl - floor).sum()


@wrong("05.3", "takes the scale for a variance")
def scale_as_variance(loc, scale, floor):
    kl = ((loc**2 + scale - 1 - scale.log()) / 2).mean(0)
    return kl.clamp_min(floor).sum()


@wrong("05.3", "log of the variance without the half")
def log_variance_without_half(loc, scale, floor):
    kl = ((loc**2 + scale**2 - 1) / 2 - (scale**2).log()).mean(0)
    return kl.clamp_min(floor).sum()


@wrong("05.3", "the divergence the other way round, KL(p || q)")
def divergence_reversed(loc, scale, floor):
    kl = kl_divergence(Normal(torch.zeros_like(loc), torch.ones_like(scale)), Normal(loc, scale))
    return kl.mean(0).clamp_min(floor).sum()


@wrong("05.3", "sum over the batch in place of the mean")
def batch_summed(loc, scale, floor):
    kl = ((loc**2 + scale**2 - 1) / 2 - scale.log()).sum(0)
    return kl.clamp_min(floor).sum()


@wrong("05.3", "mean over coordinates in place of the sum")
def coordinates_averaged(loc, scale, floor):
    kl = ((loc**2 + scale**2 - 1) / 2 - scale.log()).mean(0)
    return kl.clamp_min(floor).mean()


@wrong("05.3", "the floor is added as a constant: the gradient below it is that of the KL")
def gradient_below_the_floor(loc, scale, floor):
    kl = ((loc**2 + scale**2 - 1) / 2 - scale.log()).mean(0)
    return (kl + (floor - kl).clamp_min(0).detach()).sum()


@wrong("05.3", "exchanges batch and coordinates: a floor for each image's mean")
def floor_for_images_not_units(loc, scale, floor):
    kl = ((loc**2 + scale**2 - 1) / 2 - scale.log()).mean(1)
    return kl.clamp_min(floor).sum()


@wrong("05.3", "forgets the minus one")
def without_minus_one(loc, scale, floor):
    kl = ((loc**2 + scale**2) / 2 - scale.log()).mean(0)
    return kl.clamp_min(floor).sum()


@wrong("05.3", "averages mean and scale over the batch, then takes one KL")
def kl_of_the_averages(loc, scale, floor):
    m, s = loc.mean(0), scale.mean(0)
    return ((m**2 + s**2 - 1) / 2 - s.log()).clamp_min(floor).sum()


@wrong("05.3", "the floor is a notebook's variable")
def floor_of_the_notebook(loc, scale, floor):
    kl = ((loc**2 + scale**2 - 1) / 2 - scale.log()).mean(0)
    return kl.clamp_min(floor_in_nats).sum()


@wrong("05.3", "returns a float, which has no gradient")
def rate_as_a_float(loc, scale, floor):
    kl = ((loc**2 + scale**2 - 1) / 2 - scale.log()).mean(0)
    return kl.clamp_min(floor).sum().item()


@wrong("05.3", "adds the floor to every coordinate")
def floor_added(loc, scale, floor):
    kl = ((loc**2 + scale**2 - 1) / 2 - scale.log()).mean(dim=0)
    return (floor + kl).sum()


@right("05.3", "the formula, clamped after the mean")
def clamped_after_the_mean(loc, scale, floor):
    kl = ((loc**2 + scale**2 - 1) / 2 - scale.log()).mean(0)
    return kl.clamp_min(floor).sum()


@right("05.3", "by torch.distributions.kl_divergence")
def kl_by_distributions(loc, scale, floor):
    prior = Normal(torch.zeros_like(loc), torch.ones_like(scale))
    each = kl_divergence(Normal(loc, scale), prior).mean(dim=0)
    return torch.clamp(each, min=floor).sum()


@right("05.3", "explicit loop over coordinates")
def unit_by_unit(loc, scale, floor):
    total = loc.new_zeros(())
    for d in range(loc.shape[1]):
        m, s = loc[:, d], scale[:, d]
        kl = (0.5 * (m * m + s * s - 1) - torch.log(s)).mean()
        total = total + torch.clamp(kl, min=floor)
    return total


@right("05.3", "by moments over the batch, and torch.where")
def by_moments(loc, scale, floor):
    n = len(loc)
    squares = torch.einsum("bd,bd->d", loc, loc) + torch.einsum("bd,bd->d", scale, scale)
    kl = (squares / n - 1) / 2 - scale.log().sum(0) / n
    return torch.where(kl > floor, kl, torch.full_like(kl, floor)).sum()


@right("05.3", "what is above the floor, plus the floors")
def above_plus_floors(loc, scale, floor):
    kl = torch.mean(0.5 * (loc.square() + torch.expm1(2 * scale.log())) - scale.log(), 0)
    return F.relu(kl - floor).sum() + floor * loc.shape[-1]


@right("05.3", "torch.maximum with a tensor of floors")
def by_maximum(loc, scale, floor):
    variance = scale**2
    kl = -0.5 * (1 + variance.log() - loc**2 - variance)
    return torch.maximum(kl.mean(0), kl.new_tensor(floor)).sum()


# 05.4


@wrong("05.4", "a mixture in each coordinate: logsumexp before the sum over coordinates")
def mixture_in_each_coordinate(z, loc, scale):
    each = Normal(loc, scale).log_prob(z[:, None])
    return (each.logsumexp(1) - math.log(len(loc))).sum(-1)


@wrong("05.4", "forgets the 1/K")
def without_one_over_k(z, loc, scale):
    return Normal(loc, scale).log_prob(z[:, None]).sum(-1).logsumexp(1)


@wrong("05.4", "exponentials that underflow far away")
def mean_of_densities(z, loc, scale):
    return Normal(loc, scale).log_prob(z[:, None]).sum(-1).exp().mean(1).log()


@wrong("05.4", "log(p + 1e-8): a floor far away")
def density_with_a_floor(z, loc, scale):
    density = Normal(loc, scale).log_prob(z[:, None]).sum(-1).exp().mean(1)
    return torch.log(density + 1e-8)


@wrong("05.4", "takes the scale for a variance")
def vamp_scale_as_variance(z, loc, scale):
    each = Normal(loc, scale.sqrt()).log_prob(z[:, None]).sum(-1)
    return each.logsumexp(1) - math.log(len(loc))


@wrong("05.4", "passes the variance where Normal wants the scale")
def vamp_variance_as_scale(z, loc, scale):
    each = Normal(loc, scale**2).log_prob(z[:, None]).sum(-1)
    return each.logsumexp(1) - math.log(len(loc))


@wrong("05.4", "mean of the components' log densities in place of the log of their mean")
def mean_of_log_densities(z, loc, scale):
    return Normal(loc, scale).log_prob(z[:, None]).sum(-1).mean(1)


@wrong("05.4", "the nearest component only")
def nearest_component(z, loc, scale):
    return Normal(loc, scale).log_prob(z[:, None]).sum(-1).amax(1) - math.log(len(loc))


@wrong("05.4", "no log scale in the Gaussian's density")
def without_log_scale(z, loc, scale):
    d = z.shape[1]
    each = -0.5 * (((z[:, None] - loc) / scale) ** 2).sum(-1) - d / 2 * math.log(2 * math.pi)
    return each.logsumexp(1) - math.log(len(loc))


@wrong("05.4", "log 2 pi once, not once a coordinate")
def two_pi_once(z, loc, scale):
    each = (-0.5 * ((z[:, None] - loc) / scale) ** 2 - scale.log()).sum(-1) - 0.5 * math.log(2 * math.pi)
    return each.logsumexp(1) - math.log(len(loc))


@wrong("05.4", "log of the batch's size in place of K")
def divided_by_the_batch(z, loc, scale):
    return Normal(loc, scale).log_prob(z[:, None]).sum(-1).logsumexp(1) - math.log(len(z))


@wrong("05.4", "one Gaussian with the average mean and scale")
def average_of_parameters(z, loc, scale):
    return Normal(loc.mean(0), scale.mean(0)).log_prob(z).sum(-1)


@wrong("05.4", "mean over coordinates in place of the sum")
def mean_over_coordinates(z, loc, scale):
    return Normal(loc, scale).log_prob(z[:, None]).mean(-1).logsumexp(1) - math.log(len(loc))


@wrong("05.4", "one maximum for the whole batch: other points underflow")
def maximum_of_the_batch(z, loc, scale):
    each = Normal(loc, scale).log_prob(z[:, None]).sum(-1)
    top = each.max()
    return (each - top).exp().mean(1).log() + top


@wrong("05.4", "keeps the component dimension")
def components_kept(z, loc, scale):
    each = Normal(loc, scale).log_prob(z[:, None]).sum(-1)
    return each.logsumexp(1, keepdim=True) - math.log(len(loc))


@wrong("05.4", "sums over the batch in place of the components")
def logsumexp_over_the_batch(z, loc, scale):
    return Normal(loc, scale).log_prob(z[:, None]).sum(-1).logsumexp(0) - math.log(len(loc))


@right("05.4", "Normal by broadcasting, sum, logsumexp, less log K")
def sum_then_logsumexp(z, loc, scale):
    each = Normal(loc, scale).log_prob(z[:, None]).sum(-1)
    return each.logsumexp(1) - math.log(len(loc))


@right("05.4", "by MixtureSameFamily")
def by_mixture_same_family(z, loc, scale):
    weights = Categorical(probs=torch.ones_like(loc[:, 0]))
    return MixtureSameFamily(weights, Independent(Normal(loc, scale), 1)).log_prob(z)


@right("05.4", "explicit loop over components, with logaddexp")
def component_by_component(z, loc, scale):
    total = None
    for m, s in zip(loc, scale, strict=True):
        log_density = (-0.5 * ((z - m) / s) ** 2 - torch.log(s) - 0.5 * math.log(2 * math.pi)).sum(dim=1)
        total = log_density if total is None else torch.logaddexp(total, log_density)
    return total - math.log(loc.shape[0])


@right("05.4", "by hand, einsum of the standardised squares, each row's maximum taken off")
def by_einsum_of_squares(z, loc, scale):
    u = (z.unsqueeze(1) - loc) / scale
    each = -0.5 * torch.einsum("bkd,bkd->bk", u, u) - scale.log().sum(-1)
    top = each.max(dim=1, keepdim=True).values.detach()
    log_mean = (each - top).exp().mean(1).log() + top[:, 0]
    return log_mean - z.shape[1] * math.log(2 * math.pi) / 2


@right("05.4", "MultivariateNormal with diagonal factors, components in front")
def by_multivariate_normal(z, loc, scale):
    components = MultivariateNormal(loc[:, None], scale_tril=torch.diag_embed(scale)[:, None])
    return torch.logsumexp(components.log_prob(z) - np.log(len(loc)), dim=0)


@right("05.4", "one point at a time")
def one_point_at_a_time(z, loc, scale):
    rows = []
    for point in z:
        log_weights = Independent(Normal(loc, scale), 1).log_prob(point)
        rows.append(torch.logsumexp(log_weights, 0) - math.log(log_weights.numel()))
    return torch.stack(rows)


# 05.5


@wrong("05.5", "each point scored by its own component only")
def scored_by_its_own(logits, log_normal, log_joint):
    weights = logits.softmax(-1)
    return (weights * (log_joint - log_normal.diagonal(dim1=-2, dim2=-1))).sum(-1)


@wrong("05.5", "joint density of component and point, log w_k + log N_k(z_k), in place of the mixture's")
def joint_with_the_component(logits, log_normal, log_joint):
    log_w = logits.log_softmax(-1)
    log_q = log_w + log_normal.diagonal(dim1=1, dim2=2)
    return (log_w.exp() * (log_joint - log_q)).sum(-1)


@wrong("05.5", "log-sum-exp over the points, not over the components that score a point")
def summed_over_points(logits, log_normal, log_joint):
    log_w = logits.log_softmax(-1)
    log_q = (log_w[:, None] + log_normal).logsumexp(1)
    return (log_w.exp() * (log_joint - log_q)).sum(-1)


@wrong("05.5", "the weights in log q belong to the row: w_k in place of w_j")
def weights_on_the_wrong_axis(logits, log_normal, log_joint):
    log_w = logits.log_softmax(-1)
    log_q = (log_w[:, :, None] + log_normal).logsumexp(-1)
    return (log_w.exp() * (log_joint - log_q)).sum(-1)


@wrong("05.5", "equal weights in log q")
def equal_weights_in_log_q(logits, log_normal, log_joint):
    log_q = log_normal.logsumexp(-1) - math.log(log_normal.shape[-1])
    return (logits.softmax(-1) * (log_joint - log_q)).sum(-1)


@wrong("05.5", "mean over the components in place of their weights")
def components_averaged(logits, log_normal, log_joint):
    log_q = (logits.log_softmax(-1)[:, None] + log_normal).logsumexp(-1)
    return (log_joint - log_q).mean(-1)


@wrong("05.5", "the weights outside are detached: the logits miss their score")
def weights_detached(logits, log_normal, log_joint):
    log_w = logits.log_softmax(-1)
    log_q = (log_w[:, None] + log_normal).logsumexp(-1)
    return (log_w.exp().detach() * (log_joint - log_q)).sum(-1)


@wrong("05.5", "log q detached, as in sticking the landing")
def log_q_detached(logits, log_normal, log_joint):
    log_w = logits.log_softmax(-1)
    log_q = (log_w[:, None] + log_normal).logsumexp(-1)
    return (log_w.exp() * (log_joint - log_q.detach())).sum(-1)


@wrong("05.5", "densities that underflow")
def mixture_by_exponentials(logits, log_normal, log_joint):
    weights = logits.softmax(-1)
    log_q = (weights[:, None] * log_normal.exp()).sum(-1).log()
    return (weights * (log_joint - log_q)).sum(-1)


@wrong("05.5", "log(w) of a softmax that rounds to 0: a gradient that is no number")
def log_of_softmax(logits, log_normal, log_joint):
    weights = torch.softmax(logits, -1)
    log_q = torch.logsumexp(weights.log()[:, None, :] + log_normal, -1)
    return (weights * (log_joint - log_q)).sum(-1)


@wrong("05.5", "log(q + 1e-8): a floor under the mixture's density")
def mixture_with_a_floor(logits, log_normal, log_joint):
    weights = torch.softmax(logits, -1)
    log_q = torch.log((weights[:, None] * log_normal.exp()).sum(-1) + 1e-8)
    return (weights * (log_joint - log_q)).sum(-1)


@wrong("05.5", "logits for log weights inside log q: not normalised")
def unnormalised_log_weights(logits, log_normal, log_joint):
    log_q = (logits[:, None] + log_normal).logsumexp(-1)
    return (logits.softmax(-1) * (log_joint - log_q)).sum(-1)


@wrong("05.5", "plus log q")
def log_q_added(logits, log_normal, log_joint):
    log_w = logits.log_softmax(-1)
    log_q = (log_w[:, None] + log_normal).logsumexp(-1)
    return (log_w.exp() * (log_joint + log_q)).sum(-1)


@wrong("05.5", "log of the weighted sum of ratios, as in an importance-weighted bound")
def importance_weighted(logits, log_normal, log_joint):
    log_w = logits.log_softmax(-1)
    log_q = (log_w[:, None] + log_normal).logsumexp(-1)
    return (log_w + log_joint - log_q).logsumexp(-1)


@wrong("05.5", "softmax over the batch")
def softmax_over_the_batch(logits, log_normal, log_joint):
    log_w = logits.log_softmax(0)
    log_q = (log_w[:, None] + log_normal).logsumexp(-1)
    return (log_w.exp() * (log_joint - log_q)).sum(-1)


@wrong("05.5", "mean over the batch")
def averaged_over_the_batch(logits, log_normal, log_joint):
    log_w = logits.log_softmax(-1)
    log_q = (log_w[:, None] + log_normal).logsumexp(-1)
    return (log_w.exp() * (log_joint - log_q)).sum(-1).mean()


@wrong("05.5", "forgets log q: the entropy of the guide is missing")
def without_log_q(logits, log_normal, log_joint):
    return (logits.softmax(-1) * log_joint).sum(-1)


@right("05.5", "log_softmax inside a logsumexp along the row")
def logsumexp_along_the_row(logits, log_normal, log_joint):
    log_w = logits.log_softmax(-1)
    log_q = (log_w[:, None] + log_normal).logsumexp(-1)
    return (log_w.exp() * (log_joint - log_q)).sum(-1)


@right("05.5", "explicit loops over points and components")
def loops_over_k_and_j(logits, log_normal, log_joint):
    log_w = torch.log_softmax(logits, dim=1)
    total = 0
    for k in range(logits.shape[1]):
        log_q = log_w[:, 0] + log_normal[:, k, 0]
        for j in range(1, logits.shape[1]):
            log_q = torch.logaddexp(log_q, log_w[:, j] + log_normal[:, k, j])
        total = total + log_w[:, k].exp() * (log_joint[:, k] - log_q)
    return total


@right("05.5", "normaliser of the weights taken off at the end, einsum for the sum")
def normaliser_taken_off(logits, log_normal, log_joint):
    log_total = torch.logsumexp(logits, -1, keepdim=True)
    log_q = torch.logsumexp(logits.unsqueeze(-2) + log_normal, dim=-1) - log_total
    return torch.einsum("bk,bk->b", torch.exp(logits - log_total), log_joint - log_q)


@right("05.5", "by Categorical, and a batched product")
def by_categorical_weights(logits, log_normal, log_joint):
    mixing = Categorical(logits=logits)
    log_q = torch.logsumexp(mixing.logits[:, None, :] + log_normal, 2)
    return torch.bmm(mixing.probs[:, None], (log_joint - log_q)[..., None]).flatten()


@right("05.5", "energy and entropy apart, each row's maximum taken off by hand")
def energy_and_entropy(logits, log_normal, log_joint):
    weights = F.softmax(logits, dim=-1)
    scores = F.log_softmax(logits, dim=-1)[:, None, :] + log_normal
    top = scores.amax(-1, keepdim=True).detach()
    log_q = (scores - top).exp().sum(-1).log() + top.squeeze(-1)
    return (weights * log_joint).sum(-1) - (weights * log_q).sum(-1)


# 05.6


@wrong("05.6", "sign: the log scales are added to log q")
def log_scales_added(z, log_q, weight, context):
    kept, moved = z.split([weight.shape[0], z.shape[1] - weight.shape[0]], -1)
    shift, log_scale = (kept @ weight + context).chunk(2, -1)
    return torch.cat([kept, log_scale.exp() * moved + shift], -1), log_q + log_scale.sum(-1)


@wrong("05.6", "shift and log scale exchanged")
def halves_exchanged(z, log_q, weight, context):
    kept, moved = z[:, : len(weight)], z[:, len(weight) :]
    log_scale, shift = (kept @ weight + context).chunk(2, -1)
    return torch.cat([kept, log_scale.exp() * moved + shift], -1), log_q - log_scale.sum(-1)


@wrong("05.6", "multiplies by the log scale, not by the scale")
def scaled_by_the_log(z, log_q, weight, context):
    kept, moved = z[:, : len(weight)], z[:, len(weight) :]
    shift, log_scale = (kept @ weight + context).chunk(2, -1)
    return torch.cat([kept, log_scale * moved + shift], -1), log_q - log_scale.sum(-1)


@wrong("05.6", "takes the second half for a scale: log q less its log size")
def second_half_as_scale(z, log_q, weight, context):
    kept, moved = z[:, : len(weight)], z[:, len(weight) :]
    shift, scale = (kept @ weight + context).chunk(2, -1)
    return torch.cat([kept, scale * moved + shift], -1), log_q - scale.abs().log().sum(-1)


@wrong("05.6", "shifts before it scales")
def shifted_first(z, log_q, weight, context):
    kept, moved = z[:, : len(weight)], z[:, len(weight) :]
    shift, log_scale = (kept @ weight + context).chunk(2, -1)
    return torch.cat([kept, log_scale.exp() * (moved + shift)], -1), log_q - log_scale.sum(-1)


@wrong("05.6", "forgets the context")
def without_context(z, log_q, weight, context):
    kept, moved = z[:, : len(weight)], z[:, len(weight) :]
    shift, log_scale = (kept @ weight).chunk(2, -1)
    return torch.cat([kept, log_scale.exp() * moved + shift], -1), log_q - log_scale.sum(-1)


@wrong("05.6", "log q is left as it was")
def volume_forgotten(z, log_q, weight, context):
    kept, moved = z[:, : len(weight)], z[:, len(weight) :]
    shift, log_scale = (kept @ weight + context).chunk(2, -1)
    return torch.cat([kept, log_scale.exp() * moved + shift], -1), log_q


@wrong("05.6", "the last coordinates stay, the first move")
def last_ones_stay(z, log_q, weight, context):
    moved, kept = z[:, : -len(weight)], z[:, -len(weight) :]
    shift, log_scale = (kept @ weight + context).chunk(2, -1)
    return torch.cat([log_scale.exp() * moved + shift, kept], -1), log_q - log_scale.sum(-1)


@wrong("05.6", "splits z in halves, whatever the weight's rows: its sizes need not be equal")
def splits_in_halves(z, log_q, weight, context):
    kept, moved = z.chunk(2, -1)
    shift, log_scale = (kept @ weight + context).chunk(2, -1)
    return torch.cat([kept, log_scale.exp() * moved + shift], -1), log_q - log_scale.sum(-1)


@wrong("05.6", "shift and log scale interleaved, not side by side")
def interleaved(z, log_q, weight, context):
    kept, moved = z[:, : len(weight)], z[:, len(weight) :]
    h = kept @ weight + context
    shift, log_scale = h[:, ::2], h[:, 1::2]
    return torch.cat([kept, log_scale.exp() * moved + shift], -1), log_q - log_scale.sum(-1)


@wrong("05.6", "mean of the log scales in place of their sum")
def log_scales_averaged(z, log_q, weight, context):
    kept, moved = z[:, : len(weight)], z[:, len(weight) :]
    shift, log_scale = (kept @ weight + context).chunk(2, -1)
    return torch.cat([kept, log_scale.exp() * moved + shift], -1), log_q - log_scale.mean(-1)


@wrong("05.6", "the scales, not their logs, taken off log q")
def scales_taken_off(z, log_q, weight, context):
    kept, moved = z[:, : len(weight)], z[:, len(weight) :]
    shift, log_scale = (kept @ weight + context).chunk(2, -1)
    scale = log_scale.exp()
    return torch.cat([kept, scale * moved + shift], -1), log_q - scale.sum(-1)


@wrong("05.6", "log scales summed over the batch too")
def summed_over_the_batch(z, log_q, weight, context):
    kept, moved = z[:, : len(weight)], z[:, len(weight) :]
    shift, log_scale = (kept @ weight + context).chunk(2, -1)
    return torch.cat([kept, log_scale.exp() * moved + shift], -1), log_q - log_scale.sum()


@wrong("05.6", "softplus for the scale in place of exp, its log taken off")
def scale_by_softplus(z, log_q, weight, context):
    kept, moved = z[:, : len(weight)], z[:, len(weight) :]
    shift, raw = (kept @ weight + context).chunk(2, -1)
    scale = F.softplus(raw)
    return torch.cat([kept, scale * moved + shift], -1), log_q - scale.log().sum(-1)


@wrong("05.6", "the inverse layer")
def the_inverse_layer(z, log_q, weight, context):
    kept, moved = z[:, : len(weight)], z[:, len(weight) :]
    shift, log_scale = (kept @ weight + context).chunk(2, -1)
    return torch.cat([kept, (moved - shift) * (-log_scale).exp()], -1), log_q + log_scale.sum(-1)


@wrong("05.6", "the log scale in log q is detached")
def volume_detached(z, log_q, weight, context):
    kept, moved = z[:, : len(weight)], z[:, len(weight) :]
    shift, log_scale = (kept @ weight + context).chunk(2, -1)
    return torch.cat([kept, log_scale.exp() * moved + shift], -1), log_q - log_scale.detach().sum(-1)


@wrong("05.6", "moved in front of kept")
def moved_in_front(z, log_q, weight, context):
    kept, moved = z[:, : len(weight)], z[:, len(weight) :]
    shift, log_scale = (kept @ weight + context).chunk(2, -1)
    return torch.cat([log_scale.exp() * moved + shift, kept], -1), log_q - log_scale.sum(-1)


@wrong("05.6", "writes into z")
def writes_into_z(z, log_q, weight, context):
    k = weight.shape[0]
    shift, log_scale = (z[:, :k] @ weight + context).chunk(2, -1)
    with torch.no_grad():
        z[:, k:] = log_scale.exp() * z[:, k:] + shift
    return z, log_q - log_scale.sum(-1)


@wrong("05.6", "number of kept coordinates from the notebook's latent")
def kept_from_the_notebook(z, log_q, weight, context):
    kept, moved = z[:, : latent // 2], z[:, latent // 2 :]
    shift, log_scale = (kept @ weight + context).chunk(2, -1)
    return torch.cat([kept, log_scale.exp() * moved + shift], -1), log_q - log_scale.sum(-1)


@right("05.6", "split, chunk, cat")
def split_chunk_cat(z, log_q, weight, context):
    kept, moved = z.split([weight.shape[0], z.shape[1] - weight.shape[0]], -1)
    shift, log_scale = (kept @ weight + context).chunk(2, -1)
    return torch.cat([kept, log_scale.exp() * moved + shift], -1), log_q - log_scale.sum(-1)


@right("05.6", "addmm, and slices by the number of rows")
def by_addmm(z, log_q, weight, context):
    k = weight.size(0)
    h = torch.addmm(context, z[:, :k], weight)
    m = h.size(1) // 2
    y = torch.hstack((z[:, :k], torch.addcmul(h[:, :m], torch.exp(h[:, m:]), z[:, k:])))
    return y, log_q - h[:, m:].sum(dim=1)


@right("05.6", "by AffineTransform and its log determinant")
def by_affine_transform(z, log_q, weight, context):
    k = len(weight)
    shift, log_scale = torch.tensor_split(torch.einsum("bk,km->bm", z[:, :k], weight) + context, 2, dim=1)
    layer = AffineTransform(shift, log_scale.exp(), event_dim=1)
    moved = layer(z[:, k:])
    return torch.cat((z[:, :k], moved), 1), log_q - layer.log_abs_det_jacobian(z[:, k:], moved)


@right("05.6", "one affine map of all coordinates, with shift 0 and log scale 0 for those that stay")
def padded_with_zeros(z, log_q, weight, context):
    k = weight.shape[0]
    shift, log_scale = (z[:, :k] @ weight + context).unflatten(-1, (2, -1)).unbind(-2)
    log_scale = F.pad(log_scale, (k, 0))
    return z * log_scale.exp() + F.pad(shift, (k, 0)), log_q - log_scale.sum(-1)


@right("05.6", "one datum at a time")
def one_datum_at_a_time(z, log_q, weight, context):
    k, m = weight.shape[0], weight.shape[1] // 2
    ys, logs = [], []
    for i in range(len(z)):
        h = z[i, :k] @ weight + context[i]
        ys.append(torch.cat([z[i, :k], h[m:].exp() * z[i, k:] + h[:m]]))
        logs.append(log_q[i] - h[m:].sum())
    return torch.stack(ys), torch.stack(logs)


@right("05.6", "two weight matrices, and a clone to write into")
def into_a_clone(z, log_q, weight, context):
    k = weight.shape[0]
    to_shift, to_log_scale = weight.chunk(2, 1)
    context_shift, context_scale = context.chunk(2, 1)
    log_scale = z[:, :k].matmul(to_log_scale) + context_scale
    y = z.clone()
    y[:, k:] = z[:, k:] * log_scale.exp() + z[:, :k].matmul(to_shift) + context_shift
    return y, log_q - torch.einsum("bm->b", log_scale)

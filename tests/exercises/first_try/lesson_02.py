"""Answers to the exercises of lesson 02, by readers who knew only the notebooks."""

import math

import torch
from torch import nn
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

from tests.exercises.first_try.tries import right, wrong

LOG_2PI = math.log(2 * math.pi)

# a name of the notebook, for those who use it in place of an argument
latent = 50


# 02.1


@right("02.1", "two Independent distributions of torch")
def joint_by_torch(z, logits, x):
    prior = Independent(Normal(torch.zeros_like(z), torch.ones_like(z)), 1)
    return prior.log_prob(z) + Independent(Bernoulli(logits=logits), 3).log_prob(x)


@right("02.1", "binary cross-entropy with logits, the prior by formula")
def joint_by_cross_entropy(z, logits, x):
    cost = F.binary_cross_entropy_with_logits(logits, x.expand_as(logits), reduction="none").sum((-3, -2, -1))
    log_prior = -0.5 * (z**2 + LOG_2PI).sum(-1)
    return log_prior - cost


@right("02.1", "logsigmoid of plus and minus the logit")
def joint_by_logsigmoid(z, logits, x):
    log_pixels = x * F.logsigmoid(logits) + (1 - x) * F.logsigmoid(-logits)
    return Normal(0.0, 1.0).log_prob(z).sum(-1) + log_pixels.flatten(2).sum(2)


@right("02.1", "exponential-family form: x l - log(1 + e^l) by logaddexp, einsum for the squares")
def joint_by_exponential_family(z, logits, x):
    log_normaliser = torch.logaddexp(logits, torch.zeros_like(logits))
    log_likelihood = torch.einsum("sbchw,bchw->sb", logits, x) - log_normaliser.sum(dim=(2, 3, 4))
    return log_likelihood - 0.5 * torch.einsum("sbk,sbk->sb", z, z) - 0.5 * z.shape[-1] * LOG_2PI


@right("02.1", "the logit's sign turned by the pixel, in a loop over the samples")
def joint_by_loop(z, logits, x):
    rows = []
    for z_s, logits_s in zip(z, logits, strict=True):
        log_prior = (-z_s.square() / 2 - math.log(math.sqrt(2 * math.pi))).sum(1)
        rows.append(log_prior + F.logsigmoid((2 * x - 1) * logits_s).sum((1, 2, 3)))
    return torch.stack(rows)


@wrong("02.1", "the prior without its log(2 pi)")
def joint_without_two_pi(z, logits, x):
    return -0.5 * (z**2).sum(-1) + Independent(Bernoulli(logits=logits), 3).log_prob(x)


@wrong("02.1", "forgets the prior: log p(x | z) only")
def joint_likelihood_only(z, logits, x):
    return Independent(Bernoulli(logits=logits), 3).log_prob(x)


@wrong("02.1", "averages the log-likelihood over the pixels")
def joint_mean_over_pixels(z, logits, x):
    log_pixels = x * F.logsigmoid(logits) + (1 - x) * F.logsigmoid(-logits)
    return Normal(0.0, 1.0).log_prob(z).sum(-1) + log_pixels.mean((-3, -2, -1))


@wrong("02.1", "log(p + 1e-8) against infinities")
def joint_with_epsilon(z, logits, x):
    p = torch.sigmoid(logits)
    log_pixels = x * torch.log(p + 1e-8) + (1 - x) * torch.log(1 - p + 1e-8)
    return Normal(0.0, 1.0).log_prob(z).sum(-1) + log_pixels.sum((-3, -2, -1))


@wrong("02.1", "binary_cross_entropy of the sigmoid, which stops at 100 nats a pixel")
def joint_clipped_at_hundred(z, logits, x):
    cost = F.binary_cross_entropy(torch.sigmoid(logits), x.expand_as(logits), reduction="none")
    return Normal(0.0, 1.0).log_prob(z).sum(-1) - cost.sum((-3, -2, -1))


@wrong("02.1", "sigmoid twice: probabilities given as logits")
def joint_double_sigmoid(z, logits, x):
    p = torch.sigmoid(logits)
    return Normal(0.0, 1.0).log_prob(z).sum(-1) + Independent(Bernoulli(logits=p), 3).log_prob(x)


@wrong("02.1", "counts only pixels that are 1")
def joint_white_pixels_only(z, logits, x):
    log_prior = -0.5 * (z**2 + LOG_2PI).sum(-1)
    return log_prior + (x * F.logsigmoid(logits)).sum((-3, -2, -1))


@wrong("02.1", "adds the cross-entropy, a cost, to the log-prior")
def joint_cost_added(z, logits, x):
    cost = F.binary_cross_entropy_with_logits(logits, x.expand_as(logits), reduction="none").sum((-3, -2, -1))
    return -0.5 * (z**2 + LOG_2PI).sum(-1) + cost


@wrong("02.1", "averages the log-prior over the latents")
def joint_mean_over_latents(z, logits, x):
    return Normal(0.0, 1.0).log_prob(z).mean(-1) + Independent(Bernoulli(logits=logits), 3).log_prob(x)


@wrong("02.1", "the square of z without the half")
def joint_without_half(z, logits, x):
    log_prior = -(z**2).sum(-1) - 0.5 * z.shape[-1] * LOG_2PI
    return log_prior + Independent(Bernoulli(logits=logits), 3).log_prob(x)


@wrong("02.1", "clamps the logits to ±15 for safety")
def joint_clamped_logits(z, logits, x):
    logits = logits.clamp(-15, 15)
    return Normal(0.0, 1.0).log_prob(z).sum(-1) + (x * logits - F.softplus(logits)).sum((-3, -2, -1))


@wrong("02.1", "the constant of 50 latents, the notebook's, instead of z's own number")
def joint_fifty_latents(z, logits, x):
    log_prior = -0.5 * (z**2).sum(-1) - 0.5 * latent * LOG_2PI
    return log_prior + Independent(Bernoulli(logits=logits), 3).log_prob(x)


@wrong("02.1", "flatten(1) as if there were no sample dimension: sums over the batch too")
def joint_flattened_too_early(z, logits, x):
    log_pixels = x * logits - F.softplus(logits)
    return Normal(0.0, 1.0).log_prob(z).flatten(1).sum(1) + log_pixels.flatten(1).sum(1)


@wrong("02.1", "averages over the samples at the end")
def joint_averaged_over_samples(z, logits, x):
    log_joint = Normal(0.0, 1.0).log_prob(z).sum(-1) + Independent(Bernoulli(logits=logits), 3).log_prob(x)
    return log_joint.mean(0)


# 02.6


@right("02.6", "linear, chunk, softplus of torch")
def head_by_chunk(features, weight, bias):
    loc, raw = F.linear(features, weight, bias).chunk(2, dim=-1)
    return loc, F.softplus(raw) + 1e-5


@right("02.6", "two layers, each with half of the weights")
def head_by_two_layers(features, weight, bias):
    half = len(bias) // 2
    loc = features @ weight[:half].T + bias[:half]
    raw = features @ weight[half:].T + bias[half:]
    return loc, nn.Softplus()(raw) + 1e-5


@right("02.6", "einsum, and softplus by logaddexp")
def head_by_logaddexp(features, weight, bias):
    out = torch.einsum("bh,oh->bo", features, weight) + bias
    loc, raw = torch.split(out, out.shape[1] // 2, dim=1)
    return loc, torch.logaddexp(raw, torch.zeros_like(raw)) + 1e-5


@right("02.6", "reshapes to [batch, 2, latent]; softplus as minus logsigmoid of minus")
def head_by_reshape(features, weight, bias):
    out = torch.addmm(bias, features, weight.T)
    loc, raw = out.reshape(len(features), 2, -1).unbind(1)
    return loc, 1e-5 - F.logsigmoid(-raw)


@right("02.6", "image by image")
def head_by_loop(features, weight, bias):
    n = bias.numel() // 2
    locs, scales = [], []
    for h in features:
        out = torch.mv(weight, h) + bias
        locs.append(out[:n])
        scales.append(F.softplus(out[n:]) + 1e-5)
    return torch.stack(locs), torch.stack(scales)


@wrong("02.6", "every other number is a mean")
def head_interleaved(features, weight, bias):
    out = F.linear(features, weight, bias)
    return out[:, 0::2], F.softplus(out[:, 1::2]) + 1e-5


@wrong("02.6", "first half taken for the raw scales, second for the means")
def head_halves_swapped(features, weight, bias):
    raw, loc = F.linear(features, weight, bias).chunk(2, dim=-1)
    return loc, F.softplus(raw) + 1e-5


@wrong("02.6", "an exponential in place of softplus")
def head_exponential(features, weight, bias):
    loc, raw = F.linear(features, weight, bias).chunk(2, dim=-1)
    return loc, raw.exp() + 1e-5


@wrong("02.6", "takes the raw number for a log-variance")
def head_log_variance(features, weight, bias):
    loc, log_var = F.linear(features, weight, bias).chunk(2, dim=-1)
    return loc, torch.exp(0.5 * log_var)


@wrong("02.6", "no positive function")
def head_no_positive_function(features, weight, bias):
    loc, raw = F.linear(features, weight, bias).chunk(2, dim=-1)
    return loc, raw + 1e-5


@wrong("02.6", "forgets the bias")
def head_without_bias(features, weight, bias):
    loc, raw = (features @ weight.T).chunk(2, dim=-1)
    return loc, F.softplus(raw) + 1e-5


@wrong("02.6", "takes softplus for the variance and returns its root")
def head_root(features, weight, bias):
    loc, raw = F.linear(features, weight, bias).chunk(2, dim=-1)
    return loc, torch.sqrt(F.softplus(raw) + 1e-5)


@wrong("02.6", "returns the variance, the square of the scale")
def head_variance(features, weight, bias):
    loc, raw = F.linear(features, weight, bias).chunk(2, dim=-1)
    return loc, (F.softplus(raw) + 1e-5) ** 2


@wrong("02.6", "softplus on the whole layer, means too")
def head_softplus_on_both(features, weight, bias):
    loc, scale = F.softplus(F.linear(features, weight, bias)).chunk(2, dim=-1)
    return loc, scale + 1e-5


@wrong("02.6", "without the 1e-5")
def head_without_floor(features, weight, bias):
    loc, raw = F.linear(features, weight, bias).chunk(2, dim=-1)
    return loc, F.softplus(raw)


@wrong("02.6", "1e-5 inside the softplus")
def head_floor_inside(features, weight, bias):
    loc, raw = F.linear(features, weight, bias).chunk(2, dim=-1)
    return loc, F.softplus(raw + 1e-5)


@wrong("02.6", "1e-5 as a clamp, not added")
def head_clamped(features, weight, bias):
    loc, raw = F.linear(features, weight, bias).chunk(2, dim=-1)
    return loc, F.softplus(raw).clamp(min=1e-5)


@wrong("02.6", "softplus as log(1 + exp(raw)), which overflows")
def head_overflows(features, weight, bias):
    loc, raw = F.linear(features, weight, bias).chunk(2, dim=-1)
    return loc, torch.log(1 + torch.exp(raw)) + 1e-5


@wrong("02.6", "chunks along the batch")
def head_chunks_the_batch(features, weight, bias):
    loc, raw = F.linear(features, weight, bias).chunk(2)
    return loc, F.softplus(raw) + 1e-5


@wrong("02.6", "returns a distribution in place of the pair")
def head_as_distribution(features, weight, bias):
    loc, raw = F.linear(features, weight, bias).chunk(2, dim=-1)
    return Normal(loc, F.softplus(raw) + 1e-5)


@wrong("02.6", "a new linear layer with weights of its own")
def head_new_layer(features, weight, bias):
    layer = nn.Linear(weight.shape[1], weight.shape[0]).to(features)
    loc, raw = layer(features).chunk(2, dim=-1)
    return loc, F.softplus(raw) + 1e-5


# 02.2


@right("02.2", "two Normals, densities of z summed")
def sample_by_normals(loc, scale, eps):
    z = loc + scale * eps
    log_q = Normal(loc, scale).log_prob(z).sum(-1)
    log_p = Normal(torch.zeros_like(loc), torch.ones_like(scale)).log_prob(z).sum(-1)
    return z, log_q - log_p


@right("02.2", "algebra: half of z² - eps², less log scale")
def sample_by_algebra(loc, scale, eps):
    z = torch.addcmul(loc, scale, eps)
    return z, (0.5 * (z**2 - eps**2) - scale.log()).sum(-1)


@right("02.2", "formulas of both densities with all constants")
def sample_by_formulas(loc, scale, eps):
    z = eps * scale + loc
    log_q = -0.5 * (((z - loc) / scale) ** 2).sum(-1) - torch.log(scale).sum(-1) - 0.5 * loc.shape[-1] * LOG_2PI
    log_p = -0.5 * z.pow(2).sum(-1) - 0.5 * loc.shape[-1] * LOG_2PI
    return z, log_q - log_p


@right("02.2", "a multivariate Gaussian with a diagonal factor")
def sample_by_multivariate(loc, scale, eps):
    factor = torch.diag_embed(scale)
    z = loc + torch.einsum("bij,sbj->sbi", factor, eps)
    p = MultivariateNormal(torch.zeros_like(loc), torch.eye(loc.shape[-1], dtype=loc.dtype, device=loc.device))
    return z, MultivariateNormal(loc, scale_tril=factor).log_prob(z) - p.log_prob(z)


@right("02.2", "a loop over samples, Independent")
def sample_by_loop(loc, scale, eps):
    q = Independent(Normal(loc, scale), 1)
    p = Independent(Normal(torch.zeros_like(loc), 1.0), 1)
    draws = [loc + scale * e for e in eps]
    return torch.stack(draws), torch.stack([q.log_prob(z) - p.log_prob(z) for z in draws])


@wrong("02.2", "z detached in both densities")
def sample_detached_in_densities(loc, scale, eps):
    z = loc + scale * eps
    fixed = z.detach()
    return z, (Normal(loc, scale).log_prob(fixed) - Normal(0.0, 1.0).log_prob(fixed)).sum(-1)


@wrong("02.2", "loc and scale detached in log q: the path through the density is cut")
def sample_parameters_detached(loc, scale, eps):
    z = loc + scale * eps
    return z, (Normal(loc.detach(), scale.detach()).log_prob(z) - Normal(0.0, 1.0).log_prob(z)).sum(-1)


@wrong("02.2", "returns z detached, only the rate has gradients")
def sample_returned_detached(loc, scale, eps):
    z = loc + scale * eps
    rate = (Normal(loc, scale).log_prob(z) - Normal(0.0, 1.0).log_prob(z)).sum(-1)
    return z.detach(), rate


@wrong("02.2", "the variance times the noise")
def sample_by_variance(loc, scale, eps):
    z = loc + scale**2 * eps
    return z, (Normal(loc, scale).log_prob(z) - Normal(0.0, 1.0).log_prob(z)).sum(-1)


@wrong("02.2", "takes scale for a variance, everywhere")
def sample_scale_as_variance(loc, scale, eps):
    z = loc + scale.sqrt() * eps
    return z, (Normal(loc, scale.sqrt()).log_prob(z) - Normal(0.0, 1.0).log_prob(z)).sum(-1)


@wrong("02.2", "log p - log q: the sign of the rate turned")
def sample_rate_negative(loc, scale, eps):
    z = loc + scale * eps
    return z, (Normal(0.0, 1.0).log_prob(z) - Normal(loc, scale).log_prob(z)).sum(-1)


@wrong("02.2", "the KL in closed form in place of the one-sample rate")
def sample_closed_form(loc, scale, eps):
    z = loc + scale * eps
    kl = 0.5 * (loc**2 + scale**2 - 1 - 2 * scale.log()).sum(-1)
    return z, kl.expand(eps.shape[:2])


@wrong("02.2", "draws noise of its own, by rsample")
def sample_own_noise(loc, scale, eps):
    q = Normal(loc, scale)
    z = q.rsample(eps.shape[:1])
    return z, (q.log_prob(z) - Normal(0.0, 1.0).log_prob(z)).sum(-1)


@wrong("02.2", "averages over the latents")
def sample_mean_over_latents(loc, scale, eps):
    z = loc + scale * eps
    return z, (Normal(loc, scale).log_prob(z) - Normal(0.0, 1.0).log_prob(z)).mean(-1)


@wrong("02.2", "log q without log scale")
def sample_without_log_scale(loc, scale, eps):
    z = loc + scale * eps
    return z, 0.5 * (z**2 - ((z - loc) / scale) ** 2).sum(-1)


@wrong("02.2", "log p at the noise, not at z")
def sample_prior_at_noise(loc, scale, eps):
    z = loc + scale * eps
    return z, (Normal(loc, scale).log_prob(z) - Normal(0.0, 1.0).log_prob(eps)).sum(-1)


@wrong("02.2", "log q at the noise, not at z")
def sample_guide_at_noise(loc, scale, eps):
    z = loc + scale * eps
    return z, (Normal(loc, scale).log_prob(eps) - Normal(0.0, 1.0).log_prob(z)).sum(-1)


@wrong("02.2", "log(scale + 1e-6)")
def sample_log_with_epsilon(loc, scale, eps):
    z = loc + scale * eps
    return z, (0.5 * z**2 - 0.5 * eps**2 - torch.log(scale + 1e-6)).sum(-1)


@wrong("02.2", "averages the rate over the samples")
def sample_averaged_rate(loc, scale, eps):
    z = loc + scale * eps
    return z, (Normal(loc, scale).log_prob(z) - Normal(0.0, 1.0).log_prob(z)).sum(-1).mean(0)


@wrong("02.2", "makes z in place, in the memory of eps")
def sample_in_place(loc, scale, eps):
    noise = eps.clone()
    z = eps.mul_(scale.detach()).add_(loc.detach())
    z = z + scale * noise - scale.detach() * noise + loc - loc.detach()
    return z, (0.5 * z**2 - 0.5 * noise**2 - scale.log()).sum(-1)


@wrong("02.2", "squeezes: a single sample or image loses its dimension")
def sample_squeezed(loc, scale, eps):
    z = loc + scale * eps
    return z.squeeze(), (Normal(loc, scale).log_prob(z) - Normal(0.0, 1.0).log_prob(z)).sum(-1).squeeze()


# 02.3


@right("02.3", "the closed form, on a line")
def rate_closed_form(loc, scale, prior_loc, prior_scale):
    ratio = scale / prior_scale
    return (0.5 * (ratio**2 + ((loc - prior_loc) / prior_scale) ** 2 - 1) - ratio.log()).sum(-1)


@right("02.3", "kl_divergence of torch")
def rate_by_torch(loc, scale, prior_loc, prior_scale):
    p = Independent(Normal(prior_loc.expand_as(loc), prior_scale.expand_as(scale)), 1)
    return kl_divergence(Independent(Normal(loc, scale), 1), p)


@right("02.3", "the prior's units, then the KL to N(0, 1)")
def rate_in_units_of_the_prior(loc, scale, prior_loc, prior_scale):
    loc, scale = (loc - prior_loc) / prior_scale, scale / prior_scale
    return 0.5 * (loc**2 + scale**2 - 1 - 2 * torch.log(scale)).sum(dim=1)


@right("02.3", "cross-entropy minus entropy")
def rate_by_entropies(loc, scale, prior_loc, prior_scale):
    spread = (scale.square() + (loc - prior_loc).square()) / prior_scale.square()
    cross = 0.5 * LOG_2PI + prior_scale.log() + 0.5 * spread
    return (cross - Normal(loc, scale).entropy()).sum(-1)


@right("02.3", "the formula of matrices: trace, Mahalanobis, log-determinants")
def rate_by_matrices(loc, scale, prior_loc, prior_scale):
    precision = torch.diag(prior_scale**-2)
    difference = prior_loc - loc
    trace = torch.einsum("bi,ii->b", scale**2, precision)
    far = torch.einsum("bi,ij,bj->b", difference, precision, difference)
    log_dets = 2 * prior_scale.log().sum() - 2 * scale.log().sum(-1)
    return (trace + far - loc.shape[1] + log_dets) / 2


@right("02.3", "a loop over latents")
def rate_by_loop(loc, scale, prior_loc, prior_scale):
    total = torch.zeros_like(loc[:, 0])
    for k in range(loc.shape[1]):
        m, s = prior_loc[k], prior_scale[k]
        total = total + torch.log(s / scale[:, k]) + (scale[:, k] ** 2 + (loc[:, k] - m) ** 2) / (2 * s**2) - 0.5
    return total


@wrong("02.3", "KL(p || q): the arguments turned round")
def rate_reversed(loc, scale, prior_loc, prior_scale):
    return kl_divergence(Normal(prior_loc, prior_scale), Normal(loc, scale)).sum(-1)


@wrong("02.3", "forgets log s, the prior's log-scale")
def rate_without_log_prior_scale(loc, scale, prior_loc, prior_scale):
    return (0.5 * ((scale**2 + (loc - prior_loc) ** 2) / prior_scale**2 - 1) - scale.log()).sum(-1)


@wrong("02.3", "the squared distance of the means not divided by s²")
def rate_distance_undivided(loc, scale, prior_loc, prior_scale):
    return (0.5 * ((scale / prior_scale) ** 2 + (loc - prior_loc) ** 2 - 1) + prior_scale.log() - scale.log()).sum(-1)


@wrong("02.3", "divides by s where s² is needed")
def rate_divided_by_scale(loc, scale, prior_loc, prior_scale):
    return (0.5 * ((scale**2 + (loc - prior_loc) ** 2) / prior_scale - 1) + torch.log(prior_scale / scale)).sum(-1)


@wrong("02.3", "without the one half, logarithm included twice")
def rate_without_half(loc, scale, prior_loc, prior_scale):
    ratio = (scale / prior_scale) ** 2
    return (ratio + ((loc - prior_loc) / prior_scale) ** 2 - 1 - ratio.log()).sum(-1)


@wrong("02.3", "forgets the -1")
def rate_without_one(loc, scale, prior_loc, prior_scale):
    return (torch.log(prior_scale / scale) + (scale**2 + (loc - prior_loc) ** 2) / (2 * prior_scale**2)).sum(-1)


@wrong("02.3", "averages over the latents")
def rate_mean_over_latents(loc, scale, prior_loc, prior_scale):
    return kl_divergence(Normal(loc, scale), Normal(prior_loc, prior_scale)).mean(-1)


@wrong("02.3", "lesson 01's KL to N(0, 1), the prior's parameters unused")
def rate_to_standard_normal(loc, scale, prior_loc, prior_scale):
    return 0.5 * (loc**2 + scale**2 - 1 - 2 * scale.log()).sum(-1)


@wrong("02.3", "the logarithm of the ratio the wrong way round")
def rate_log_ratio_turned(loc, scale, prior_loc, prior_scale):
    spread = (scale**2 + (loc - prior_loc) ** 2) / (2 * prior_scale**2)
    return (torch.log(scale / prior_scale) + spread - 0.5).sum(-1)


@wrong("02.3", "variances given to Normal in place of scales")
def rate_by_variances(loc, scale, prior_loc, prior_scale):
    return kl_divergence(Normal(loc, scale**2), Normal(prior_loc, prior_scale**2)).sum(-1)


@wrong("02.3", "log of the ratio of variances not halved")
def rate_log_not_halved(loc, scale, prior_loc, prior_scale):
    spread = (scale**2 + (loc - prior_loc) ** 2) / (2 * prior_scale**2)
    return (torch.log(prior_scale**2 / scale**2) + spread - 0.5).sum(-1)


@wrong("02.3", "an average of samples in place of the closed form")
def rate_by_sampling(loc, scale, prior_loc, prior_scale):
    q, p = Normal(loc, scale), Normal(prior_loc, prior_scale)
    z = q.rsample((1000,))
    return (q.log_prob(z) - p.log_prob(z)).sum(-1).mean(0)


@wrong("02.3", "the prior's variance plus 1e-6, against division by zero")
def rate_with_epsilon(loc, scale, prior_loc, prior_scale):
    variance = prior_scale**2 + 1e-6
    return 0.5 * ((scale**2 + (loc - prior_loc) ** 2) / variance - 1 + variance.log() - 2 * scale.log()).sum(-1)


@wrong("02.3", "the prior detached, as if it were never learned")
def rate_prior_detached(loc, scale, prior_loc, prior_scale):
    return kl_divergence(Normal(loc, scale), Normal(prior_loc.detach(), prior_scale.detach())).sum(-1)


@wrong("02.3", "less the number of images in place of the number of latents")
def rate_minus_images(loc, scale, prior_loc, prior_scale):
    spread = ((scale**2 + (loc - prior_loc) ** 2) / prior_scale**2).sum(-1)
    return 0.5 * (spread - len(loc) - 2 * torch.log(scale / prior_scale).sum(-1))


@wrong("02.3", "averages over the batch at the end")
def rate_batch_mean(loc, scale, prior_loc, prior_scale):
    return kl_divergence(Normal(loc, scale), Normal(prior_loc, prior_scale)).sum(-1).mean()


# 02.7


def small_elbo(x, eps, encoder, decoder):
    """The ELBO of each image, for several of the right answers."""
    loc, raw = (x @ encoder.T).chunk(2, dim=-1)
    scale = F.softplus(raw)
    logits = (loc + scale * eps) @ decoder.T
    log_likelihood = -F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(-1)
    return log_likelihood - 0.5 * (loc**2 + scale**2 - 1 - 2 * scale.log()).sum(-1)


@right("02.7", "copies, backward, a step")
def step_by_backward(x, eps, encoder, decoder, learning_rate):
    encoder = encoder.detach().clone().requires_grad_()
    decoder = decoder.detach().clone().requires_grad_()
    loc, raw = (x @ encoder.T).chunk(2, dim=-1)
    scale = F.softplus(raw)
    z = loc + scale * eps
    logits = z @ decoder.T
    log_likelihood = (x * F.logsigmoid(logits) + (1 - x) * F.logsigmoid(-logits)).sum(-1)
    kl = 0.5 * (loc**2 + scale**2 - 1 - 2 * torch.log(scale)).sum(-1)
    loss = -(log_likelihood - kl).mean()
    loss.backward()
    with torch.no_grad():
        return encoder - learning_rate * encoder.grad, decoder - learning_rate * decoder.grad


@right("02.7", "autograd.grad of the ELBO, uphill, by torch.distributions")
def step_by_distributions(x, eps, encoder, decoder, learning_rate):
    w, v = (one.detach().clone().requires_grad_() for one in (encoder, decoder))
    hidden = F.linear(x, w)
    half = hidden.shape[1] // 2
    q = Independent(Normal(hidden[:, :half], F.softplus(hidden[:, half:])), 1)
    z = q.base_dist.loc + q.base_dist.scale * eps
    p = Independent(Bernoulli(logits=F.linear(z, v), validate_args=False), 1)
    prior = Independent(Normal(torch.zeros_like(z), torch.ones_like(z)), 1)
    elbo = (p.log_prob(x) - kl_divergence(q, prior)).mean()
    up_w, up_v = torch.autograd.grad(elbo, (w, v))
    return (w + learning_rate * up_w).detach(), (v + learning_rate * up_v).detach()


@right("02.7", "SGD of torch.optim, with maximize")
def step_by_optimizer(x, eps, encoder, decoder, learning_rate):
    new = [nn.Parameter(encoder.detach().clone()), nn.Parameter(decoder.detach().clone())]
    optimizer = torch.optim.SGD(new, lr=float(learning_rate), maximize=True)
    optimizer.zero_grad()
    small_elbo(x, eps, *new).mean().backward()
    optimizer.step()
    return new[0].detach(), new[1].detach()


@right("02.7", "torch.func.grad over both")
def step_by_func(x, eps, encoder, decoder, learning_rate):
    def objective(w, v):
        return small_elbo(x, eps, w, v).sum() / len(x)

    ups = torch.func.grad(objective, argnums=(0, 1))(encoder.detach(), decoder.detach())
    return encoder.detach() + learning_rate * ups[0], decoder.detach() + learning_rate * ups[1]


@right("02.7", "derivatives by hand, no autograd")
def step_by_hand(x, eps, encoder, decoder, learning_rate):
    with torch.no_grad():
        loc, raw = (x @ encoder.T).chunk(2, dim=-1)
        scale = F.softplus(raw)
        z = loc + scale * eps
        surprise = (x - torch.sigmoid(z @ decoder.T)) / len(x)  # d ELBO / d logits
        to_z = surprise @ decoder
        to_loc = to_z - loc / len(x)
        to_scale = to_z * eps - (scale - 1 / scale) / len(x)
        to_hidden = torch.cat([to_loc, to_scale * torch.sigmoid(raw)], dim=-1)
        return encoder + learning_rate * to_hidden.T @ x, decoder + learning_rate * surprise.T @ z


@right("02.7", "image by image, gradients added up")
def step_by_images(x, eps, encoder, decoder, learning_rate):
    encoder = encoder.detach().clone().requires_grad_()
    decoder = decoder.detach().clone().requires_grad_()
    for i in range(len(x)):
        (-small_elbo(x[i : i + 1], eps[i : i + 1], encoder, decoder).sum() / len(x)).backward()
    new_encoder = encoder.detach() - learning_rate * encoder.grad
    new_decoder = decoder.detach() - learning_rate * decoder.grad
    return new_encoder, new_decoder


def stepped(objective, encoder, decoder, learning_rate):
    """One step of ascent of the mean of `objective(encoder, decoder)`, for the wrong answers whose slip is in the ELBO."""
    w = encoder.detach().clone().requires_grad_()
    v = decoder.detach().clone().requires_grad_()
    ups = torch.autograd.grad(objective(w, v).mean(), (w, v))
    return (w + learning_rate * ups[0]).detach(), (v + learning_rate * ups[1]).detach()


def gauss_kl(loc, scale):
    return 0.5 * (loc**2 + scale**2 - 1 - 2 * scale.log()).sum(-1)


def pixels_log_prob(logits, x):
    return -F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(-1)


@wrong("02.7", "steps against the gradient of the ELBO: downhill")
def step_downhill(x, eps, encoder, decoder, learning_rate):
    w = encoder.detach().clone().requires_grad_()
    v = decoder.detach().clone().requires_grad_()
    small_elbo(x, eps, w, v).mean().backward()
    return (w - learning_rate * w.grad).detach(), (v - learning_rate * v.grad).detach()


@wrong("02.7", "the ELBO summed over the batch, not averaged")
def step_summed_batch(x, eps, encoder, decoder, learning_rate):
    w = encoder.detach().clone().requires_grad_()
    v = decoder.detach().clone().requires_grad_()
    (-small_elbo(x, eps, w, v).sum()).backward()
    return (w - learning_rate * w.grad).detach(), (v - learning_rate * v.grad).detach()


@wrong("02.7", "cross-entropy averaged over the pixels, its default")
def step_mean_over_pixels(x, eps, encoder, decoder, learning_rate):
    def elbo(w, v):
        loc, raw = (x @ w.T).chunk(2, dim=-1)
        scale = F.softplus(raw)
        logits = (loc + scale * eps) @ v.T
        return -F.binary_cross_entropy_with_logits(logits, x) - gauss_kl(loc, scale).mean()

    return stepped(elbo, encoder, decoder, learning_rate)


@wrong("02.7", "z detached: the distortion never reaches the encoder")
def step_z_detached(x, eps, encoder, decoder, learning_rate):
    def elbo(w, v):
        loc, raw = (x @ w.T).chunk(2, dim=-1)
        scale = F.softplus(raw)
        z = (loc + scale * eps).detach()
        return pixels_log_prob(z @ v.T, x) - gauss_kl(loc, scale)

    return stepped(elbo, encoder, decoder, learning_rate)


@wrong("02.7", "forgets the rate: an autoencoder")
def step_without_rate(x, eps, encoder, decoder, learning_rate):
    def elbo(w, v):
        loc, raw = (x @ w.T).chunk(2, dim=-1)
        return pixels_log_prob((loc + F.softplus(raw) * eps) @ v.T, x)

    return stepped(elbo, encoder, decoder, learning_rate)


@wrong("02.7", "adds the rate to the log-likelihood")
def step_rate_added(x, eps, encoder, decoder, learning_rate):
    def elbo(w, v):
        loc, raw = (x @ w.T).chunk(2, dim=-1)
        scale = F.softplus(raw)
        return pixels_log_prob((loc + scale * eps) @ v.T, x) + gauss_kl(loc, scale)

    return stepped(elbo, encoder, decoder, learning_rate)


@wrong("02.7", "the scale as exp(raw)")
def step_exponential_scale(x, eps, encoder, decoder, learning_rate):
    def elbo(w, v):
        loc, raw = (x @ w.T).chunk(2, dim=-1)
        scale = raw.exp()
        return pixels_log_prob((loc + scale * eps) @ v.T, x) - gauss_kl(loc, scale)

    return stepped(elbo, encoder, decoder, learning_rate)


@wrong("02.7", "the encoder's halves exchanged")
def step_halves_swapped(x, eps, encoder, decoder, learning_rate):
    def elbo(w, v):
        raw, loc = (x @ w.T).chunk(2, dim=-1)
        scale = F.softplus(raw)
        return pixels_log_prob((loc + scale * eps) @ v.T, x) - gauss_kl(loc, scale)

    return stepped(elbo, encoder, decoder, learning_rate)


@wrong("02.7", "noise of its own")
def step_own_noise(x, eps, encoder, decoder, learning_rate):
    def elbo(w, v):
        return small_elbo(x, torch.randn_like(eps), w, v)

    return stepped(elbo, encoder, decoder, learning_rate)


@wrong("02.7", "one after the other: the encoder's gradient taken at the new decoder")
def step_one_after_the_other(x, eps, encoder, decoder, learning_rate):
    w = encoder.detach().clone().requires_grad_()
    v = decoder.detach().clone().requires_grad_()
    (up,) = torch.autograd.grad(small_elbo(x, eps, w, v).mean(), v)
    v = (v + learning_rate * up).detach()
    (up,) = torch.autograd.grad(small_elbo(x, eps, w, v).mean(), w)
    return (w + learning_rate * up).detach(), v


@wrong("02.7", "the rate from the sample, not in closed form")
def step_sampled_rate(x, eps, encoder, decoder, learning_rate):
    def elbo(w, v):
        loc, raw = (x @ w.T).chunk(2, dim=-1)
        scale = F.softplus(raw)
        z = loc + scale * eps
        log_p = Normal(0.0, 1.0).log_prob(z).sum(-1)
        return pixels_log_prob(z @ v.T, x) + log_p - Normal(loc, scale).log_prob(z).sum(-1)

    return stepped(elbo, encoder, decoder, learning_rate)


@wrong("02.7", "the rate without its one half")
def step_rate_doubled(x, eps, encoder, decoder, learning_rate):
    def elbo(w, v):
        loc, raw = (x @ w.T).chunk(2, dim=-1)
        scale = F.softplus(raw)
        return pixels_log_prob((loc + scale * eps) @ v.T, x) - 2 * gauss_kl(loc, scale)

    return stepped(elbo, encoder, decoder, learning_rate)


@wrong("02.7", "scale in place of scale² in the rate")
def step_rate_of_variance(x, eps, encoder, decoder, learning_rate):
    def elbo(w, v):
        loc, raw = (x @ w.T).chunk(2, dim=-1)
        scale = F.softplus(raw)
        rate = 0.5 * (loc**2 + scale - 1 - scale.log()).sum(-1)
        return pixels_log_prob((loc + scale * eps) @ v.T, x) - rate

    return stepped(elbo, encoder, decoder, learning_rate)


@wrong("02.7", "log(sigmoid + 1e-8): no gradient where a logit is large")
def step_with_epsilon(x, eps, encoder, decoder, learning_rate):
    def elbo(w, v):
        loc, raw = (x @ w.T).chunk(2, dim=-1)
        scale = F.softplus(raw)
        p = torch.sigmoid((loc + scale * eps) @ v.T)
        log_pixels = x * torch.log(p + 1e-8) + (1 - x) * torch.log(1 - p + 1e-8)
        return log_pixels.sum(-1) - gauss_kl(loc, scale)

    return stepped(elbo, encoder, decoder, learning_rate)


@wrong("02.7", "no noise: decodes the mean")
def step_without_noise(x, eps, encoder, decoder, learning_rate):
    def elbo(w, v):
        loc, raw = (x @ w.T).chunk(2, dim=-1)
        return pixels_log_prob(loc @ v.T, x) - gauss_kl(loc, F.softplus(raw))

    return stepped(elbo, encoder, decoder, learning_rate)


@wrong("02.7", "a step of Adam")
def step_of_adam(x, eps, encoder, decoder, learning_rate):
    new = [nn.Parameter(encoder.detach().clone()), nn.Parameter(decoder.detach().clone())]
    optimizer = torch.optim.Adam(new, lr=float(learning_rate))
    (-small_elbo(x, eps, *new).mean()).backward()
    optimizer.step()
    return new[0].detach(), new[1].detach()


@wrong("02.7", "steps only the decoder, and returns the encoder as it was")
def step_decoder_only(x, eps, encoder, decoder, learning_rate):
    v = decoder.detach().clone().requires_grad_()
    (-small_elbo(x, eps, encoder.detach(), v).mean()).backward()
    return encoder.detach().clone(), (v - learning_rate * v.grad).detach()


@wrong("02.7", "1e-3, the lesson's rate, in place of learning_rate")
def step_hard_coded_rate(x, eps, encoder, decoder, learning_rate):
    return stepped(lambda w, v: small_elbo(x, eps, w, v), encoder, decoder, 1e-3)


@wrong("02.7", "changes the given encoder and decoder in place")
def step_in_place(x, eps, encoder, decoder, learning_rate):
    new_encoder, new_decoder = stepped(lambda w, v: small_elbo(x, eps, w, v), encoder, decoder, learning_rate)
    encoder.data.copy_(new_encoder)
    decoder.data.copy_(new_decoder)
    return encoder, decoder


# 02.4


@right("02.4", "logsumexp over images of sums over coordinates")
def aggregate_by_logsumexp(z, loc, scale):
    each = Normal(loc, scale).log_prob(z[:, None]).sum(-1)  # [points, images]
    return each.logsumexp(1) - math.log(len(loc))


@right("02.4", "MixtureSameFamily of torch")
def aggregate_by_mixture(z, loc, scale):
    weights = Categorical(logits=torch.zeros_like(loc[:, 0]))
    return MixtureSameFamily(weights, Independent(Normal(loc, scale), 1)).log_prob(z)


@right("02.4", "formula, and the row's maximum taken out by hand")
def aggregate_by_maximum(z, loc, scale):
    standardised = (z.unsqueeze(1) - loc) / scale
    squares = torch.einsum("pnk,pnk->pn", standardised, standardised)
    each = -0.5 * squares - scale.log().sum(-1) - 0.5 * loc.shape[-1] * LOG_2PI
    top = each.max(dim=1, keepdim=True).values.detach()
    return top.squeeze(1) + (each - top).exp().mean(1).log()


@right("02.4", "adds images one after the other by logaddexp")
def aggregate_by_logaddexp(z, loc, scale):
    total = None
    for m, s in zip(loc, scale, strict=True):
        term = Normal(m, s).log_prob(z).sum(-1) - math.log(loc.shape[0])
        total = term if total is None else torch.logaddexp(total, term)
    return total


@right("02.4", "point by point, weights log(1/N) inside")
def aggregate_by_points(z, loc, scale):
    q = Independent(Normal(loc, scale), 1)
    log_weight = torch.full_like(loc[:, 0], 1 / len(loc)).log()
    return torch.stack([torch.logsumexp(log_weight + q.log_prob(point), dim=0) for point in z])


@wrong("02.4", "forgets the 1/N")
def aggregate_without_count(z, loc, scale):
    return Normal(loc, scale).log_prob(z[:, None]).sum(-1).logsumexp(1)


@wrong("02.4", "log of the mean of densities: -inf far from all codes")
def aggregate_underflows(z, loc, scale):
    each = Normal(loc, scale).log_prob(z[:, None]).sum(-1)
    return each.exp().mean(1).log()


@wrong("02.4", "images first, coordinates second: the density of shuffled codes")
def aggregate_of_shuffled(z, loc, scale):
    each = Normal(loc, scale).log_prob(z[:, None])  # [points, images, latent]
    return (each.logsumexp(1) - math.log(len(loc))).sum(-1)


@wrong("02.4", "the mean of log-densities")
def aggregate_mean_of_logs(z, loc, scale):
    return Normal(loc, scale).log_prob(z[:, None]).sum(-1).mean(1)


@wrong("02.4", "log(density + 1e-8)")
def aggregate_with_epsilon(z, loc, scale):
    each = Normal(loc, scale).log_prob(z[:, None]).sum(-1)
    return torch.log(each.exp().mean(1) + 1e-8)


@wrong("02.4", "sums over points in place of images")
def aggregate_over_points(z, loc, scale):
    each = Normal(loc, scale).log_prob(z[:, None]).sum(-1)
    return each.logsumexp(0) - math.log(len(loc))


@wrong("02.4", "divides by the number of points")
def aggregate_count_of_points(z, loc, scale):
    each = Normal(loc, scale).log_prob(z[:, None]).sum(-1)
    return each.logsumexp(1) - math.log(len(z))


@wrong("02.4", "one Gaussian with the average loc and the average scale")
def aggregate_average_gaussian(z, loc, scale):
    return Normal(loc.mean(0), scale.mean(0)).log_prob(z).sum(-1)


@wrong("02.4", "one Gaussian with the mixture's mean and variance")
def aggregate_moment_matched(z, loc, scale):
    variance = (scale**2).mean(0) + loc.var(0, unbiased=False)
    return Normal(loc.mean(0), variance.sqrt()).log_prob(z).sum(-1)


@wrong("02.4", "the nearest image only: a maximum in place of the sum")
def aggregate_nearest(z, loc, scale):
    each = Normal(loc, scale).log_prob(z[:, None]).sum(-1)
    return each.max(1).values - math.log(len(loc))


@wrong("02.4", "the variance given to Normal for the scale")
def aggregate_by_variance(z, loc, scale):
    each = Normal(loc, scale**2).log_prob(z[:, None]).sum(-1)
    return each.logsumexp(1) - math.log(len(loc))


@wrong("02.4", "forgets log scale in the Gaussian")
def aggregate_without_log_scale(z, loc, scale):
    each = (-0.5 * ((z[:, None] - loc) / scale) ** 2 - 0.5 * LOG_2PI).sum(-1)
    return each.logsumexp(1) - math.log(len(loc))


@wrong("02.4", "one maximum for all points in the log-sum-exp")
def aggregate_global_maximum(z, loc, scale):
    each = Normal(loc, scale).log_prob(z[:, None]).sum(-1)
    top = each.max()
    return top + (each - top).exp().mean(1).log()


@wrong("02.4", "log-densities clamped at -80 before the exponential")
def aggregate_clamped(z, loc, scale):
    each = Normal(loc, scale).log_prob(z[:, None]).sum(-1).clamp(min=-80)
    return each.exp().mean(1).log()


@wrong("02.4", "divides the logarithm by N")
def aggregate_divides_the_log(z, loc, scale):
    each = Normal(loc, scale).log_prob(z[:, None]).sum(-1)
    return each.logsumexp(1) / len(loc)


@wrong("02.4", "averages over the coordinates")
def aggregate_mean_over_latents(z, loc, scale):
    each = Normal(loc, scale).log_prob(z[:, None]).mean(-1)
    return each.logsumexp(1) - math.log(len(loc))


@wrong("02.4", "each point under the q of the same row only")
def aggregate_own_row(z, loc, scale):
    return Normal(loc, scale).log_prob(z).sum(-1) - math.log(len(loc))


@wrong("02.4", "keeps the image dimension, of size 1")
def aggregate_keepdim(z, loc, scale):
    each = Normal(loc, scale).log_prob(z[:, None]).sum(-1)
    return each.logsumexp(1, keepdim=True) - math.log(len(loc))


# 02.5


def cross_entropy(logits, x):
    return F.binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(1).sum(1)


def coin_entropy(x):
    return -(torch.xlogy(x, x) + torch.xlogy(1 - x, 1 - x)).flatten(1).sum(1)


@right("02.5", "xlogy, and cross-entropy less the floor")
def split_by_xlogy(logits, x):
    floor = -(torch.xlogy(x, x) + torch.xlogy(1 - x, 1 - x)).sum((1, 2, 3))
    distortion = F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum((1, 2, 3))
    return floor, distortion - floor


@right("02.5", "torch.special.entr, softplus")
def split_by_entr(logits, x):
    floor = (torch.special.entr(x) + torch.special.entr(1 - x)).flatten(1).sum(-1)
    distortion = (F.softplus(logits) - x * logits).flatten(1).sum(-1)
    return floor, distortion - floor


@right("02.5", "the lesson's Bernoulli(probs).entropy, and log_prob of Bernoulli(logits)")
def split_by_bernoulli(logits, x):
    floor = Bernoulli(probs=x).entropy().flatten(1).sum(1)
    log_likelihood = Independent(Bernoulli(logits=logits, validate_args=False), 3).log_prob(x)
    return floor, -log_likelihood - floor


@right("02.5", "the excess as a KL between coins, pixel by pixel")
def split_by_kl(logits, x):
    y = 1 - x
    white = torch.xlogy(x, x) - x * F.logsigmoid(logits)
    black = torch.xlogy(y, y) - y * F.logsigmoid(-logits)
    floor = -torch.einsum("bchw->b", torch.xlogy(x, x) + torch.xlogy(y, y))
    return floor, torch.einsum("bchw->b", white + black)


@right("02.5", "0 and 1 kept out of the logarithm by where, in a loop over images")
def split_by_where(logits, x):
    floors, excesses = [], []
    for ell, grey in zip(logits, x, strict=True):
        inside = (grey > 0) & (grey < 1)
        safe = torch.where(inside, grey, torch.full_like(grey, 0.5))
        entropy = -(safe * safe.log() + (1 - safe) * torch.log1p(-safe))
        floor = torch.where(inside, entropy, torch.zeros_like(grey)).sum()
        cost = torch.logaddexp(ell, torch.zeros_like(ell)) - grey * ell
        floors.append(floor)
        excesses.append(cost.sum() - floor)
    return torch.stack(floors), torch.stack(excesses)


@wrong("02.5", "x log x as it stands: NaN at 0 and 1")
def split_nan(logits, x):
    floor = -(x * torch.log(x) + (1 - x) * torch.log(1 - x)).flatten(1).sum(1)
    return floor, cross_entropy(logits, x) - floor


@wrong("02.5", "log(x + 1e-4) against the NaN")
def split_with_epsilon(logits, x):
    floor = -(x * torch.log(x + 1e-4) + (1 - x) * torch.log(1 - x + 1e-4)).flatten(1).sum(1)
    return floor, cross_entropy(logits, x) - floor


@wrong("02.5", "greys clamped to [0.001, 0.999] in the floor")
def split_clamped_greys(logits, x):
    floor = Bernoulli(probs=x.clamp(1e-3, 1 - 1e-3)).entropy().flatten(1).sum(1)
    return floor, cross_entropy(logits, x) - floor


@wrong("02.5", "half of the entropy: -x log x only")
def split_half_entropy(logits, x):
    floor = -torch.xlogy(x, x).flatten(1).sum(1)
    return floor, cross_entropy(logits, x) - floor


@wrong("02.5", "returns the whole distortion for the excess")
def split_whole_distortion(logits, x):
    return coin_entropy(x), cross_entropy(logits, x)


@wrong("02.5", "floor less distortion: the excess negative")
def split_excess_negative(logits, x):
    floor = coin_entropy(x)
    return floor, floor - cross_entropy(logits, x)


@wrong("02.5", "the sign of the entropy: a negative floor")
def split_floor_negative(logits, x):
    floor = -coin_entropy(x)
    return floor, cross_entropy(logits, x) - floor


@wrong("02.5", "averages over pixels")
def split_mean_over_pixels(logits, x):
    floor = -(torch.xlogy(x, x) + torch.xlogy(1 - x, 1 - x)).flatten(1).mean(1)
    distortion = F.binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(1).mean(1)
    return floor, distortion - floor


@wrong("02.5", "logarithms of base 2: bits")
def split_in_bits(logits, x):
    return coin_entropy(x) / math.log(2), (cross_entropy(logits, x) - coin_entropy(x)) / math.log(2)


@wrong("02.5", "the entropy of the model's probability in place of the grey's")
def split_model_entropy(logits, x):
    floor = Bernoulli(logits=logits).entropy().flatten(1).sum(1)
    return floor, cross_entropy(logits, x) - floor


@wrong("02.5", "log of the sigmoid: infinite where a logit is large")
def split_naive_log(logits, x):
    p = torch.sigmoid(logits)
    distortion = -(torch.xlogy(x, p) + torch.xlogy(1 - x, 1 - p)).flatten(1).sum(1)
    return coin_entropy(x), distortion - coin_entropy(x)


@wrong("02.5", "binary_cross_entropy of the sigmoid, which stops at 100 nats a pixel")
def split_clipped_at_hundred(logits, x):
    distortion = F.binary_cross_entropy(torch.sigmoid(logits), x, reduction="none").flatten(1).sum(1)
    return coin_entropy(x), distortion - coin_entropy(x)


@wrong("02.5", "kl_divergence of torch's Bernoullis: infinite where the sigmoid rounds to 1")
def split_kl_of_torch(logits, x):
    excess = kl_divergence(Bernoulli(probs=x), Bernoulli(logits=logits)).flatten(1).sum(1)
    return coin_entropy(x), excess


@wrong("02.5", "the KL from the model's coin to the grey's: turned round")
def split_kl_reversed(logits, x):
    p = torch.sigmoid(logits)
    safe = x.clamp(1e-6, 1 - 1e-6)
    excess = p * (F.logsigmoid(logits) - safe.log()) + (1 - p) * (F.logsigmoid(-logits) - torch.log(1 - safe))
    return coin_entropy(x), excess.flatten(1).sum(1)


@wrong("02.5", "thresholds the greys: the floor is 0")
def split_thresholded(logits, x):
    bits = (x > 0.5).to(x.dtype)
    return torch.zeros_like(x[:, 0, 0, 0]), cross_entropy(logits, bits)


@wrong("02.5", "the two in the wrong order")
def split_wrong_order(logits, x):
    floor = coin_entropy(x)
    return cross_entropy(logits, x) - floor, floor


@wrong("02.5", "sums over height and width only")
def split_channels_left(logits, x):
    floor = -(torch.xlogy(x, x) + torch.xlogy(1 - x, 1 - x)).sum((2, 3))
    distortion = F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum((2, 3))
    return floor, distortion - floor


@wrong("02.5", "averages over the batch: two numbers")
def split_batch_mean(logits, x):
    floor = coin_entropy(x)
    return floor.mean(), (cross_entropy(logits, x) - floor).mean()

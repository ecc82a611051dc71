"""Further wrong answers to exercise 01.4: terms left out or scored elsewhere, standard deviations taken for something else."""

from __future__ import annotations

import math

from torch.distributions import Normal, kl_divergence

from helpers.exercises.exercise import Misconception


def _with(likelihood=Normal, q=Normal, z=lambda loc, scale, eps: loc + scale * eps, bias=1.0, combine=None):
    """An answer made of these parts; with the defaults, a right one. `combine` takes log p(z), log p(x | z), log q(z) and q."""

    def answer(x, loc, scale, weight, bias_, noise, eps):
        sample = z(loc, scale, eps)
        log_prior = Normal(0.0, 1.0).log_prob(sample).sum(-1)
        log_likelihood = likelihood(sample @ weight.T + bias * bias_, noise).log_prob(x).sum(-1)
        log_q = q(loc, scale).log_prob(sample).sum(-1)
        if combine is not None:
            return combine(log_prior, log_likelihood, log_q, Normal(loc, scale))
        return (log_prior + log_likelihood - log_q).mean(0)

    return answer


def _squared_error(per_variance):
    """The likelihood without its normaliser: half the squared error, by the noise's variance or not."""

    def answer(x, loc, scale, weight, bias, noise, eps):
        z = loc + scale * eps
        error = ((x - z @ weight.T - bias) ** 2).sum(-1) / (noise**2 if per_variance else 1.0)
        log_ratio = (Normal(0.0, 1.0).log_prob(z) - Normal(loc, scale).log_prob(z)).sum(-1)
        return (log_ratio - 0.5 * error).mean(0)

    return answer


def _scored_at_eps(log_prior, log_q):
    """log p(z), log q(z), or both, scored at the standard normal draws."""

    def answer(x, loc, scale, weight, bias, noise, eps):
        z = loc + scale * eps
        log_likelihood = Normal(z @ weight.T + bias, noise).log_prob(x).sum(-1)
        prior = Normal(0.0, 1.0).log_prob(eps if log_prior else z).sum(-1)
        q = (Normal(0.0, 1.0).log_prob(eps) if log_q else Normal(loc, scale).log_prob(z)).sum(-1)
        return (prior + log_likelihood - q).mean(0)

    return answer


def _averaged_first(x, loc, scale, weight, bias, noise, eps):
    return _with()(x, loc, scale, weight, bias, noise, eps.mean(0, keepdim=True))


def _mean_over(latent):
    """Log densities of z averaged over the latent dimension, or that of x over the observed one."""

    def answer(x, loc, scale, weight, bias, noise, eps):
        z = loc + scale * eps
        each = Normal(0.0, 1.0).log_prob(z) - Normal(loc, scale).log_prob(z)
        pixels = Normal(z @ weight.T + bias, noise).log_prob(x)
        return ((each.mean(-1) + pixels.sum(-1)) if latent else (each.sum(-1) + pixels.mean(-1))).mean(0)

    return answer


SLIPS = (
    Misconception(
        "variance given to the likelihood",
        _with(likelihood=lambda mean, noise: Normal(mean, noise**2)),
        "Your log p(x | z) squares noise. The second argument of `Normal` is the standard deviation, and noise is that already.",
    ),
    Misconception(
        "square root of noise",
        _with(likelihood=lambda mean, noise: Normal(mean, noise.sqrt())),
        "Your log p(x | z) takes the square root of noise. noise is a standard deviation, which `Normal` takes as it is.",
    ),
    Misconception(
        "noise of one",
        _with(likelihood=lambda mean, noise: Normal(mean, 1.0)),
        "Your likelihood does not use `noise`: its standard deviation is 1. Give noise to `Normal` as its second argument.",
    ),
    Misconception(
        "squared error without the normaliser",
        _squared_error(per_variance=True),
        "Your log p(x | z) is the squared error divided by 2 noise². The normaliser of the Gaussian is missing: −log noise − ½ "
        "log 2π "
        "for each observed coordinate.",
    ),
    Misconception(
        "squared error for the likelihood",
        _squared_error(per_variance=False),
        "Your log p(x | z) is minus half the squared error, that of noise 1 without a normaliser. Use the density: "
        "`Normal(mean, noise).log_prob(x)`.",
    ),
    Misconception(
        "the likelihood alone",
        _with(combine=lambda log_prior, log_likelihood, log_q, q: log_likelihood.mean(0)),
        "That is E_q[log p(x | z)] alone. The ELBO has log p(z) − log q(z) as well, whose expectation is −KL(q || p).",
    ),
    Misconception(
        "the likelihood left out",
        _with(combine=lambda log_prior, log_likelihood, log_q, q: (log_prior - log_q).mean(0)),
        "That is log p(z) − log q(z) alone, an estimate of −KL(q || p). log p(x | z) is missing: without it x plays no part.",
    ),
    Misconception(
        "bias forgotten",
        _with(bias=0.0),
        "The mean of x given z lacks its bias: it is weight z + bias.",
    ),
    Misconception(
        "bias subtracted",
        _with(bias=-1.0),
        "You subtract the bias from weight z. The mean of x given z is weight z + bias.",
    ),
    Misconception(
        "variance given to q",
        _with(q=lambda loc, scale: Normal(loc, scale**2)),
        "Your log q(z) squares scale. The second argument of `Normal` is the standard deviation, and scale is that already.",
    ),
    Misconception(
        "square root of scale in q",
        _with(q=lambda loc, scale: Normal(loc, scale.sqrt())),
        "Your log q(z) takes the square root of scale. scale is a standard deviation, which `Normal` takes as it is.",
    ),
    Misconception(
        "scale taken for a log-variance",
        _with(
            q=lambda loc, scale: Normal(loc, (0.5 * scale).exp()),
            z=lambda loc, scale, eps: loc + (0.5 * scale).exp() * eps,
        ),
        "You use exp(scale / 2) as q's standard deviation, as if scale were a log-variance. scale is the standard deviation "
        "itself.",
    ),
    Misconception(
        "scale taken for a logarithm",
        _with(q=lambda loc, scale: Normal(loc, scale.exp()), z=lambda loc, scale, eps: loc + scale.exp() * eps),
        "You use exp(scale) as q's standard deviation, as if scale were its logarithm. scale is the standard deviation itself.",
    ),
    Misconception(
        "noise not scaled",
        _with(z=lambda loc, scale, eps: loc + eps),
        "Your z is loc + eps, with standard deviation 1 around loc. Multiply eps by scale.",
    ),
    Misconception(
        "draws of the prior",
        _with(z=lambda loc, scale, eps: eps),
        "Your z is eps itself: draws of the prior. The expectation is under q: z = loc + scale * eps.",
    ),
    Misconception(
        "the mean for a sample",
        _with(z=lambda loc, scale, eps: loc + 0 * eps),
        "Your z is the mean of q, whatever eps says. Draw: z = loc + scale * eps.",
    ),
    Misconception(
        "log q of the noise",
        _scored_at_eps(log_prior=False, log_q=True),
        "Your log q(z) is log N(eps; 0, 1). The density of z = loc + scale * eps is smaller by the factor scale: −log scale is "
        "missing for "
        "each latent coordinate.",
    ),
    Misconception(
        "prior of the noise",
        _scored_at_eps(log_prior=True, log_q=False),
        "You score eps under the prior. The prior is a density of z: log N(z; 0, 1).",
    ),
    Misconception(
        "averages the draws first",
        _averaged_first,
        "You average eps over the samples, and then score one z. The ELBO is the mean of the log densities: score every sample, "
        "then "
        "average.",
    ),
    Misconception(
        "log of the mean weight",
        _with(combine=lambda p, likelihood, q, _: (p + likelihood - q).logsumexp(0) - math.log(len(p))),
        "That is the importance-weighted bound: the logarithm of the mean weight. The ELBO is the mean of the log weights.",
    ),
    Misconception(
        "mean over the latent dimension",
        _mean_over(latent=True),
        "You average log p(z) and log q(z) over the latent dimension. Log densities of independent coordinates add: sum them.",
    ),
    Misconception(
        "mean over the observed dimension",
        _mean_over(latent=False),
        "You average log p(x | z) over the observed dimension. Log densities of independent coordinates add: sum them.",
    ),
    Misconception(
        "KL in closed form, added",
        _with(combine=lambda p, likelihood, log_q, q: likelihood.mean(0) + kl_divergence(q, Normal(0.0, 1.0)).sum(-1)),
        "You add the KL to the log-likelihood. The ELBO subtracts it. And here the KL is to be estimated from the same samples.",
    ),
    Misconception(
        "entropy in closed form",
        _with(combine=lambda p, likelihood, log_q, q: (p + likelihood).mean(0) + q.entropy().sum(-1)),
        "A good estimate of the same bound: you took the entropy of q, E[−log q(z)], in closed form. Here, estimate −log q(z) "
        "from the same "
        "samples too.",
    ),
)

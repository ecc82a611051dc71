"""Further wrong answers to exercise 02.2: scale taken for something else, densities scored at the noise, parts of the rate."""

from __future__ import annotations

from torch.distributions import Normal, kl_divergence
from torch.nn import functional as F

from helpers.exercises.exercise import Misconception


def _with_scale(transformed):
    """A wrong answer that uses this function of scale in its place, in the sample and in the density."""

    def answer(loc, scale, eps):
        scale = transformed(scale)
        z = loc + scale * eps
        return z, (Normal(loc, scale).log_prob(z) - Normal(0.0, 1.0).log_prob(z)).sum(-1)

    return answer


def _with_sample(sample):
    """A wrong answer with this z, and the rate at it."""

    def answer(loc, scale, eps):
        z = sample(loc, scale, eps)
        return z, (Normal(loc, scale).log_prob(z) - Normal(0.0, 1.0).log_prob(z)).sum(-1)

    return answer


def _with_rate(rate):
    """A wrong answer with the right z and this rate, a function of z, loc, scale and eps."""

    def answer(loc, scale, eps):
        z = loc + scale * eps
        return z, rate(z, loc, scale, eps)

    return answer


def _prior(z):
    return Normal(0.0, 1.0).log_prob(z).sum(-1)


SLIPS = (
    Misconception(
        "scale taken for a log-variance",
        _with_scale(lambda scale: (0.5 * scale).exp()),
        "You use exp(scale / 2) as q's standard deviation, as if scale were a log-variance. scale is the standard deviation "
        "itself.",
    ),
    Misconception(
        "scale taken for a logarithm",
        _with_scale(lambda scale: scale.exp()),
        "You use exp(scale) as q's standard deviation, as if scale were its logarithm. scale is the standard deviation itself.",
    ),
    Misconception(
        "scale taken for a network's raw output",
        _with_scale(F.softplus),
        "You use softplus(scale) as q's standard deviation, as if scale were a network's raw output. It is positive already: use "
        "it as "
        "it is.",
    ),
    Misconception(
        "scale squared",
        _with_scale(lambda scale: scale**2),
        "You use scale² as q's standard deviation, in the sample and in the density. scale is the standard deviation itself.",
    ),
    Misconception(
        "square of scale in the sample",
        _with_sample(lambda loc, scale, eps: loc + scale**2 * eps),
        "Your sample multiplies the noise by scale². Its standard deviation is scale: z = loc + scale * eps.",
    ),
    Misconception(
        "the mean for a sample",
        _with_sample(lambda loc, scale, eps: loc + 0 * scale * eps),
        "Your z is the mean of q, whatever eps says. Add the noise: z = loc + scale * eps.",
    ),
    Misconception(
        "loc and scale exchanged in the sample",
        _with_sample(lambda loc, scale, eps: loc * eps + scale),
        "You multiply the noise by loc and add scale. The other way round: z = loc + scale * eps.",
    ),
    Misconception(
        "loc scaled too",
        _with_sample(lambda loc, scale, eps: scale * (loc + eps)),
        "You multiply loc by scale as well. Only the noise is scaled: z = loc + scale * eps.",
    ),
    Misconception(
        "log p(z) alone",
        _with_rate(lambda z, loc, scale, eps: _prior(z)),
        "Your rate is log p(z) alone. It is log q(z) − log p(z).",
    ),
    Misconception(
        "minus log p(z) alone",
        _with_rate(lambda z, loc, scale, eps: -_prior(z)),
        "Your rate is −log p(z) alone. log q(z) is missing: the rate is log q(z) − log p(z).",
    ),
    Misconception(
        "both log densities added",
        _with_rate(lambda z, loc, scale, eps: Normal(loc, scale).log_prob(z).sum(-1) + _prior(z)),
        "You add log p(z) to log q(z). The rate is their difference, log q(z) − log p(z).",
    ),
    Misconception(
        "prior scored at the noise",
        _with_rate(lambda z, loc, scale, eps: Normal(loc, scale).log_prob(z).sum(-1) - _prior(eps)),
        "You score eps under the prior. The prior is a density of z: log N(z; 0, 1).",
    ),
    Misconception(
        "q scored at the noise",
        _with_rate(lambda z, loc, scale, eps: Normal(loc, scale).log_prob(eps).sum(-1) - _prior(z)),
        "You score eps under q. q is the density of z = loc + scale * eps: score z.",
    ),
    Misconception(
        "log scale with the wrong sign",
        _with_rate(lambda z, loc, scale, eps: (0.5 * (z**2 - eps**2) + scale.log()).sum(-1)),
        "log scale has the wrong sign in your log q(z): a narrow q has a high density, so −log scale belongs in it.",
    ),
    Misconception(
        "the KL of the prior from q",
        _with_rate(
            lambda z, loc, scale, eps: kl_divergence(Normal(0.0, 1.0), Normal(loc, scale)).sum(-1) + 0 * z.sum(-1)
        ),
        "Your rate is KL(p || q) in closed form. The exercise asks for log q(z) − log p(z) at each z, whose mean over many "
        "samples is "
        "KL(q || p).",
    ),
)

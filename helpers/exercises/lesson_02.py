"""The exercises of lesson 02, the variational autoencoder.

Beside what they are given, the solutions use `math`, `torch`, `nn` of `torch` and `Normal` of `torch.distributions`; the lesson imports
these four. Images are [..., channels, height, width]; where greys are allowed they lie in [0, 1], both ends included.
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor, nn
from torch.distributions import Bernoulli, Normal, kl_divergence

from helpers.exercises.exercise import Exercise, Misconception

IMAGE = ("channels", "height", "width")


def _normal(generator: Generator, *size: int, scale: float = 1.0) -> Tensor:
    return (scale * torch.randn(size, generator=generator, dtype=torch.float64)).requires_grad_()


def _between(generator: Generator, low: float, high: float, *size: int) -> Tensor:
    return (low + (high - low) * torch.rand(size, generator=generator, dtype=torch.float64)).requires_grad_()


def _bits(generator: Generator, *size: int) -> Tensor:
    return (torch.rand(size, generator=generator, dtype=torch.float64) < 0.4).double()


def _greys(generator: Generator, *size: int) -> Tensor:
    """Pixels as MNIST has them: about a third exactly 0, a third exactly 1, the others between."""
    return (3 * torch.rand(size, generator=generator, dtype=torch.float64) - 1).clamp(0, 1)


# 02.1


def log_joint(z, logits, x):
    """log p(x, z) in nats: z ~ N(0, I); given z, bits x, each 1 with probability sigmoid(logit).

    z: [samples, batch, latent], and what the decoder made of it,
    logits: [samples, batch, channels, height, width].
    x: [batch, channels, height, width], pixels 0 or 1 → [samples, batch].
    """
    log_prior = -0.5 * (z**2 + math.log(2 * math.pi)).sum(-1)  # [samples, batch]
    log_one, log_zero = nn.functional.logsigmoid(logits), nn.functional.logsigmoid(-logits)
    log_likelihood = (x * log_one + (1 - x) * log_zero).sum((-3, -2, -1))  # [samples, batch]
    return log_prior + log_likelihood


def _log_joint_inputs(
    generator: Generator, samples: int, batch: int, latent: int, image: tuple[int, int, int], scale: float = 2.0
) -> dict[str, Tensor]:
    return {
        "z": _normal(generator, samples, batch, latent),
        "logits": _normal(generator, samples, batch, *image, scale=scale),
        "x": _bits(generator, batch, *image),
    }


def _log_joint_with(log_likelihood):
    """A wrong answer with the right prior and this log p(x | z) [samples, batch], a function of logits and x."""

    def answer(z, logits, x):
        return -0.5 * (z**2 + math.log(2 * math.pi)).sum(-1) + log_likelihood(logits, x)

    return answer


def _cross_entropy(logits, x):
    """log p(x | z), pixel by pixel: [samples, batch, channels, height, width]."""
    return x * logits - nn.functional.softplus(logits, threshold=100)


def _clamped(logits, x):
    p = logits.sigmoid().clamp(1e-6, 1 - 1e-6)
    return (x * p.log() + (1 - x) * (1 - p).log()).sum((-3, -2, -1))


def _rounded(logits, x):
    p = logits.sigmoid()
    return (x * p.log() + (1 - x) * (1 - p).log()).sum((-3, -2, -1))


LOG_JOINT = Exercise(
    id="02.1",
    title="A model is a joint density",
    minutes=6,
    difficulty=1,
    statement=r"Write $\log p(x, z) = \log p(z) + \log p_\theta(x \mid z)$ in nats, for $z \sim \mathcal N(0, I)$ "
    r"and pixels $x_d \in \{0, 1\}$ that are 1 with probability "
    r"$\mathrm{sigmoid}(\ell_d)$, where $\ell$ is `logits`. It must stay exact where a "
    r"logit is 40 and its pixel is 0.",
    solution=log_joint,
    why="z's coordinates are independent, and the pixels are independent given z, so log-probabilities add; "
    "and log sigmoid, taken in one step, has no "
    "probability that could round to 0 or 1.",
    cases={
        "three samples of four small images": lambda g: _log_joint_inputs(g, 3, 4, 2, (1, 5, 6)),
        "confident logits": lambda g: _log_joint_inputs(g, 2, 3, 5, (1, 4, 7), scale=40.0),
        "one image in colour": lambda g: _log_joint_inputs(g, 5, 1, 4, (3, 2, 6)),
    },
    dimensions={
        "z": ("samples", "batch", "latent"), "logits": ("samples", "batch", *IMAGE), "x": ("batch", *IMAGE),
        "return": ("samples", "batch"),
    },  # fmt: skip
    returns=("the log joint",),
    hints=(
        "Two densities, each a product over independent parts: over latent coordinates, and over pixels. Which "
        "dimensions does each sum over?",
        "log p(z) = −½ Σ (z² + log 2π),   log p(x | z) = Σ [x log sigmoid(ℓ) + (1 − x) log sigmoid(−ℓ)]; "
        "`nn.functional.logsigmoid` is stable.",
        "log_prior = -0.5 * (z**2 + math.log(2 * math.pi)).sum(-1)  # [samples, batch]",
    ),
    misconceptions=(
        Misconception(
            "leaves the prior out",
            lambda z, logits, x: _cross_entropy(logits, x).sum((-3, -2, -1)) + 0 * z.sum(-1),
            "That is log p(x | z) alone, that is, the negative of what section 4 calls distortion. The joint density has the prior's "
            "log p(z) as well.",
        ),
        Misconception(
            "prior without its constant",
            lambda z, logits, x: -0.5 * (z**2).sum(-1) + _cross_entropy(logits, x).sum((-3, -2, -1)),
            "The normaliser of the prior is missing: −½ log 2π for each latent coordinate. It moves no gradient, but "
            "it is part of every number you report.",
        ),
        Misconception(
            "minus the log-likelihood",
            _log_joint_with(lambda logits, x: -_cross_entropy(logits, x).sum((-3, -2, -1))),
            "You add the cross-entropy, which is minus log p(x | z). As a log-probability it comes with the other "
            "sign, and is never positive.",
        ),
        Misconception(
            "scores only the ones",
            _log_joint_with(lambda logits, x: (x * nn.functional.logsigmoid(logits)).sum((-3, -2, -1))),
            "Only pixels that are 1 count in your sum. A pixel that is 0 has probability sigmoid(−logit), and its "
            "logarithm belongs in it too.",
        ),
        Misconception(
            "averages over pixels",
            _log_joint_with(lambda logits, x: _cross_entropy(logits, x).mean((-3, -2, -1))),
            "You average over the pixels. The image is one event: the log-probabilities of its pixels add, and the "
            "prior then has its right weight beside them.",
        ),
        Misconception(
            "logarithm of a rounded probability",
            _log_joint_with(_rounded),
            "Right where the model is unsure, and infinite or NaN where it is confident: sigmoid(40) rounds to 1, and "
            "log(1 − 1) is −∞. Take log sigmoid in one step: `nn.functional.logsigmoid`.",
        ),
        Misconception(
            "clamps the probabilities",
            _log_joint_with(_clamped),
            "You keep the probabilities away from 0 and 1, so a pixel that is surely wrong costs 14 nats at most, "
            "and its gradient is gone. "
            "Stay with the logits: log(1 − sigmoid(ℓ)) = logsigmoid(−ℓ).",
        ),
        Misconception(
            "probabilities given to Bernoulli",
            _log_joint_with(lambda logits, x: Bernoulli(probs=logits.sigmoid()).log_prob(x).sum((-3, -2, -1))),
            "Right where the model is unsure. sigmoid(40) rounds to 1, and `Bernoulli(probs=…)` clamps what it is given away from 0 and "
            "1, so that a pixel that is surely wrong costs 36 nats at most in float64, and 16 in float32. Stay with the logits: "
            "`Bernoulli(logits=logits)`.",
        ),
        Misconception(
            "probabilities given to binary_cross_entropy",
            _log_joint_with(
                lambda logits, x: -nn.functional.binary_cross_entropy(
                    logits.sigmoid(), x.expand_as(logits), reduction="none"
                ).sum((-3, -2, -1))
            ),
            "Right where the model is unsure. sigmoid(40) rounds to 1, and `binary_cross_entropy` then puts −100 in place of log 0. Stay "
            "with the logits: `binary_cross_entropy_with_logits`.",
        ),
        Misconception(
            "ones and zeros exchanged",
            _log_joint_with(lambda logits, x: _cross_entropy(-logits, x).sum((-3, -2, -1))),
            "You score ones as zeros and zeros as ones. sigmoid(logit) is the probability of a 1, sigmoid(−logit) "
            "that of a 0.",
        ),
    ),
)


# 02.2


def sample_and_rate(loc, scale, eps):
    """A sample z of q = N(loc, scale²), and its rate log q(z) - log p(z) in nats; p = N(0, I).

    loc, scale: [batch, latent], eps: standard normal draws, [samples, batch, latent]
    → z [samples, batch, latent], rate [samples, batch].
    """
    z = loc + scale * eps  # [samples, batch, latent]
    log_q = Normal(loc, scale).log_prob(z).sum(-1)  # [samples, batch]
    log_p = Normal(0.0, 1.0).log_prob(z).sum(-1)
    return z, log_q - log_p


def _sample_inputs(
    generator: Generator, samples: int, batch: int, latent: int, spread: float = 1.5, low: float = 0.2, high: float = 0.9
) -> dict[str, Tensor]:
    return {
        "loc": _normal(generator, batch, latent, scale=spread),
        "scale": _between(generator, low, high, batch, latent),
        "eps": _normal(generator, samples, batch, latent).detach(),
    }


def _log_ratio(z, loc, scale):
    return (Normal(loc, scale).log_prob(z) - Normal(0.0, 1.0).log_prob(z)).sum(-1)


def _detached_sample(loc, scale, eps):
    z = (loc + scale * eps).detach()
    return z, _log_ratio(z, loc, scale)


def _detached_in_rate(loc, scale, eps):
    z = loc + scale * eps
    return z, _log_ratio(z.detach(), loc, scale)


def _detached_parameters(loc, scale, eps):
    z = loc + scale * eps
    return z, _log_ratio(z, loc.detach(), scale.detach())


def _unscaled_noise(loc, scale, eps):
    z = loc + eps
    return z, _log_ratio(z, loc, scale)


def _scale_as_variance(loc, scale, eps):
    return sample_and_rate(loc, scale.sqrt(), eps)


def _root_in_sample(loc, scale, eps):
    z = loc + scale.sqrt() * eps
    return z, _log_ratio(z, loc, scale)


def _root_in_density(loc, scale, eps):
    z = loc + scale * eps
    return z, _log_ratio(z, loc, scale.sqrt())


def _square_in_density(loc, scale, eps):
    z = loc + scale * eps
    return z, _log_ratio(z, loc, scale**2)


def _closed_form(loc, scale, eps):
    kl = kl_divergence(Normal(loc, scale), Normal(torch.zeros_like(loc), 1.0)).sum(-1)  # [batch]
    return loc + scale * eps, kl


def _closed_form_repeated(loc, scale, eps):
    z, kl = _closed_form(loc, scale, eps)
    return z, kl + torch.zeros_like(z[..., 0])


def _density_of_noise(loc, scale, eps):
    z = loc + scale * eps
    return z, (Normal(0.0, 1.0).log_prob(eps) - Normal(0.0, 1.0).log_prob(z)).sum(-1)


def _rate_with(change):
    """A wrong answer with the right sample and this function of the right rate, coordinate by coordinate."""

    def answer(loc, scale, eps):
        z = loc + scale * eps
        return z, change(Normal(loc, scale).log_prob(z), Normal(0.0, 1.0).log_prob(z))

    return answer


SAMPLE_AND_RATE = Exercise(
    id="02.2",
    title="A sample that lets gradients through",
    minutes=8,
    difficulty=2,
    statement=r"Turn the noise `eps` into samples $z$ of $q = \mathcal N(\mu, \mathrm{diag}\,\sigma^2)$, and return "
    r"them with the one-sample rate "
    r"$\log q(z) - \log p(z)$, in nats, where $p = \mathcal N(0, I)$. Gradients must reach `loc` and `scale` "
    r"through every path.",
    solution=sample_and_rate,
    why="The noise knows nothing of q's parameters, so z is a differentiable function of them, and they enter the "
    "rate twice: through z, and through the density q itself.",
    cases={
        "five samples of three": lambda g: _sample_inputs(g, 5, 3, 2),
        "one sample": lambda g: _sample_inputs(g, 1, 4, 6),
        "one image": lambda g: _sample_inputs(g, 3, 1, 4),
        "a q that is wider than the prior": lambda g: _sample_inputs(g, 6, 3, 2, 0.3, 1.1, 1.9),
    },
    dimensions={
        "loc": ("batch", "latent"), "scale": ("batch", "latent"), "eps": ("samples", "batch", "latent"),
        "return": (("samples", "batch", "latent"), ("samples", "batch")),
    },  # fmt: skip
    returns=("the sample", "the rate"),
    hints=(
        "What must be done to a standard normal number to give it mean μ and standard deviation σ? Then ask two "
        "densities about the result.",
        "z = μ + σ ε,   rate = Σ [log N(z; μ, σ²) − log N(z; 0, 1)], summed over the latent coordinates.",
        "z = loc + scale * eps  # [samples, batch, latent]",
    ),
    misconceptions=(
        Misconception(
            "detached sample",
            _detached_sample,
            "The values are right and the gradients are not: your sample is cut off from loc and scale, as if it "
            "were data. Leave out `detach`, `no_grad` or `.sample()`.",
        ),
        Misconception(
            "sample detached in the rate",
            _detached_in_rate,
            "The values are right, and your z carries gradients; the rate sees a detached copy of it. Let both "
            "densities score the z that depends on loc and scale.",
        ),
        Misconception(
            "detached parameters of q",
            _detached_parameters,
            "The values are right, and your gradient has the right average, but it is not the gradient of your rate: "
            "log q depends on loc and scale directly too.",
        ),
        Misconception(
            "noise not scaled",
            _unscaled_noise,
            "Your z has standard deviation 1 around the mean, whatever q says. Stretch the noise: z = loc + scale * "
            "eps.",
        ),
        Misconception(
            "takes scale for the variance",
            _scale_as_variance,
            "You use scale as a variance. It is the standard deviation of q, in the sample and in the density.",
        ),
        Misconception(
            "square root of scale in the sample",
            _root_in_sample,
            "Your sample takes scale for a variance: z = loc + sqrt(scale) * eps. It is the standard deviation, which the noise is "
            "multiplied by as it is.",
        ),
        Misconception(
            "square root of scale in the density",
            _root_in_density,
            "Your sample is right; your log q(z) takes the square root of scale. `Normal` wants the standard deviation, and scale is "
            "that already.",
        ),
        Misconception(
            "variance given to Normal",
            _square_in_density,
            "Your sample is right; your log q(z) squares scale. The second argument of `Normal` is the standard deviation, not the "
            "variance.",
        ),
        Misconception(
            "the KL in closed form",
            _closed_form,
            "You return the KL in closed form, one number per image. Asked is what *this sample* says: log q(z) − log p(z) at your z, "
            "[samples, batch]. Its average over many samples is your KL.",
        ),
        Misconception(
            "the KL in closed form, for every sample",
            _closed_form_repeated,
            "Your rate is the KL in closed form, the same for every sample. Asked is log q(z) − log p(z) at the z that you drew, which "
            "differs from sample to sample; the KL is its average.",
        ),
        Misconception(
            "density of the noise",
            _density_of_noise,
            "You scored the noise in place of z: log q(z) is not log N(eps; 0, 1). Stretching by scale thins a "
            "density out, which costs log scale for each coordinate.",
        ),
        Misconception(
            "the rate's sign",
            _rate_with(lambda log_q, log_p: (log_p - log_q).sum(-1)),
            "Your rate has the wrong sign. It is log q(z) − log p(z): what it costs beyond the prior to say where z "
            "is.",
        ),
        Misconception(
            "forgets the prior",
            _rate_with(lambda log_q, log_p: log_q.sum(-1)),
            "That is log q(z) alone. The rate is counted from what the prior already knows: subtract log p(z).",
        ),
        Misconception(
            "mean over the latent dimension",
            _rate_with(lambda log_q, log_p: (log_q - log_p).mean(-1)),
            "You average over the latent coordinates. They are independent under q and under p, so their log ratios "
            "add.",
        ),
        Misconception(
            "absolute value of the rate",
            _rate_with(lambda log_q, log_p: (log_q - log_p).sum(-1).abs()),
            "You made the rate positive. A single sample's log q(z) − log p(z) may well be negative; only its "
            "expectation, the KL, may not.",
        ),
    ),
)


# 02.3


def rate(loc, scale, prior_loc, prior_scale):
    """KL(N(loc, scale²) || N(prior_loc, prior_scale²)) in nats, summed over the latents.

    loc, scale: [batch, latent], prior_loc, prior_scale: [latent] → [batch].
    """
    variance_ratio = (scale / prior_scale) ** 2
    distance = ((loc - prior_loc) / prior_scale) ** 2
    return 0.5 * (variance_ratio + distance - 1 - variance_ratio.log()).sum(-1)


def _rate_inputs(generator: Generator, batch: int, latent: int, low: float = 0.2, high: float = 2.5) -> dict[str, Tensor]:
    return {
        "loc": _normal(generator, batch, latent, scale=2.0),
        "scale": _between(generator, low, high, batch, latent),
        "prior_loc": _normal(generator, latent),
        "prior_scale": _between(generator, 0.4, 3.0, latent),
    }


def _kl_with(terms, reduce=lambda total: total.sum(-1)):
    """A wrong answer made of these terms: functions of the ratio of scales, the difference of means and both scales."""

    def answer(loc, scale, prior_loc, prior_scale):
        return 0.5 * reduce(terms(scale / prior_scale, loc - prior_loc, scale, prior_scale))

    return answer


RATE = Exercise(
    id="02.3",
    title="The rate for any Gaussian prior",
    minutes=6,
    difficulty=2,
    statement=r"Lesson 01 had the prior $\mathcal N(0, 1)$; lesson 05 learns it. Write the rate "
    r"$\mathrm{KL}\big(\mathcal N(\mu, \mathrm{diag}\,\sigma^2) \,\|\, \mathcal N(m, "
    r"\mathrm{diag}\,s^2)\big)$ "
    r"in closed form, in nats, one number per image. `prior_loc` is $m$, `prior_scale` is $s$.",
    solution=rate,
    why="Measured in units of the prior, centred on its mean and divided by its scale, q becomes the case of lesson "
    "01: a KL does not depend on units.",
    cases={
        "four images": lambda g: _rate_inputs(g, 4, 3),
        "one image, narrow q": lambda g: _rate_inputs(g, 1, 5, 0.01, 0.1),
        "the prior itself": lambda g: {
            "loc": torch.full((3, 2), 0.7, dtype=torch.float64, requires_grad=True),
            "scale": torch.full((3, 2), 1.6, dtype=torch.float64, requires_grad=True),
            "prior_loc": torch.full((2,), 0.7, dtype=torch.float64, requires_grad=True),
            "prior_scale": torch.full((2,), 1.6, dtype=torch.float64, requires_grad=True),
        },
    },
    dimensions={
        "loc": ("batch", "latent"), "scale": ("batch", "latent"), "prior_loc": ("latent",), "prior_scale": ("latent",),
        "return": ("batch",),
    },  # fmt: skip
    returns=("the rate",),
    hints=(
        "Change units so that the prior becomes N(0, 1): what are the mean and the scale of q then? A KL does not "
        "change with units.",
        "KL = ½ Σ [σ²/s² + (μ − m)²/s² − 1 − log(σ²/s²)].",
        "variance_ratio = (scale / prior_scale) ** 2",
    ),
    misconceptions=(
        Misconception(
            "as if the prior were N(0, 1)",
            lambda loc, scale, prior_loc, prior_scale: 0.5 * (loc**2 + scale**2 - 1 - 2 * scale.log()).sum(-1),
            "That is the rate for the prior N(0, 1). Here the prior has a mean and a scale of its own: measure from "
            "prior_loc, in units of prior_scale.",
        ),
        Misconception(
            "the divergence the other way round",
            _kl_with(lambda ratio, shift, scale, prior_scale: ratio**-2 + (shift / scale) ** 2 - 1 + 2 * ratio.log()),
            "That is KL(prior || q). The rate takes its expectation under q, so q comes first, and the prior's "
            "variance is what divides.",
        ),
        Misconception(
            "distance in units of q",
            _kl_with(lambda ratio, shift, scale, prior_scale: ratio**2 + (shift / scale) ** 2 - 1 - 2 * ratio.log()),
            "You measure the distance of the means in units of q's scale. How unexpected a mean is, the prior "
            "decides: divide by prior_scale.",
        ),
        Misconception(
            "distance not in units of the prior",
            _kl_with(lambda ratio, shift, scale, prior_scale: ratio**2 + shift**2 - 1 - 2 * ratio.log()),
            "The squared distance of the means has no unit yet. A wide prior forgives it, a narrow one does not: "
            "divide by prior_scale².",
        ),
        Misconception(
            "forgets the factor one half",
            _kl_with(lambda ratio, shift, scale, prior_scale: 2 * (ratio**2 + (shift / prior_scale) ** 2 - 1 - 2 * ratio.log())),
            "Your rate is twice the right one: the ½ in the exponent of a Gaussian stands before every term here.",
        ),
        Misconception(
            "adds the log ratio",
            _kl_with(lambda ratio, shift, scale, prior_scale: ratio**2 + (shift / prior_scale) ** 2 - 1 + 2 * ratio.log()),
            "The logarithm has the wrong sign: the narrower q is beside the prior, the more its place costs to name, "
            "so log(σ²/s²) comes with a minus.",
        ),
        Misconception(
            "scales taken for variances",
            lambda loc, scale, prior_loc, prior_scale: rate(loc, scale.sqrt(), prior_loc, prior_scale.sqrt()),
            "You use both scales as if they were variances. They are standard deviations: square them.",
        ),
        Misconception(
            "forgets log s",
            _kl_with(lambda ratio, shift, scale, prior_scale: ratio**2 + (shift / prior_scale) ** 2 - 1 - 2 * scale.log()),
            "The logarithm has q's scale only. It compares two scales, log(σ²/s²): the log of prior_scale is missing.",
        ),
        Misconception(
            "prior scale not squared",
            _kl_with(lambda ratio, shift, scale, prior_scale: (scale**2 + shift**2) / prior_scale - 1 - 2 * ratio.log()),
            "You divide by prior_scale. Squares are measured in squares: divide σ² and (μ − m)² by prior_scale².",
        ),
        Misconception(
            "prior scale taken for a variance",
            lambda loc, scale, prior_loc, prior_scale: rate(loc, scale, prior_loc, prior_scale.sqrt()),
            "You use prior_scale as a variance, everywhere, the logarithm included. It is the standard deviation s: square it.",
        ),
        Misconception(
            "minus one half once",
            _kl_with(
                lambda ratio, shift, scale, prior_scale: ratio**2 + (shift / prior_scale) ** 2 - 2 * ratio.log(),
                lambda total: total.sum(-1) - 1,
            ),
            "You subtract ½ once per image. Each latent coordinate is a Gaussian with a −½ of its own: put the −1 inside the sum.",
        ),
        Misconception(
            "leaves out minus one",
            _kl_with(lambda ratio, shift, scale, prior_scale: ratio**2 + (shift / prior_scale) ** 2 - 2 * ratio.log()),
            "Half a nat too much for each coordinate: the −1 is missing, and without it the rate of the prior itself "
            "would not be zero.",
        ),
        Misconception(
            "mean over the latent dimension",
            _kl_with(
                lambda ratio, shift, scale, prior_scale: ratio**2 + (shift / prior_scale) ** 2 - 1 - 2 * ratio.log(),
                lambda total: total.mean(-1),
            ),
            "You average over the latent dimension. Divergences of independent coordinates add, so take the sum.",
        ),
    ),
)


# 02.4


def log_aggregate(z, loc, scale):
    """log q(z) in nats, for q(z) = 1/N sum_i q(z | x_i) and q(z | x_i) = N(loc_i, scale_i²).

    z: [points, latent], loc, scale: [images, latent], a row for each of N images → [points].
    """
    standard = (z[:, None] - loc) / scale  # [points, images, latent]
    log_each = -(0.5 * standard**2 + scale.log() + 0.5 * math.log(2 * math.pi)).sum(-1)  # [points, images]
    return log_each.logsumexp(1) - math.log(len(loc))


def _aggregate_inputs(generator: Generator, points: int, images: int, latent: int, spread: float = 1.0) -> dict[str, Tensor]:
    return {
        "z": _normal(generator, points, latent, scale=1.3 * spread),
        "loc": _normal(generator, images, latent, scale=spread),
        "scale": _between(generator, 0.2, 0.9, images, latent),
    }


def _each(z, loc, scale):
    """log q(z | x_i), coordinate by coordinate: [points, images, latent]."""
    return Normal(loc, scale).log_prob(z[:, None])


def _matched_gaussian(z, loc, scale):
    mean = loc.mean(0)
    variance = (scale**2 + (loc - mean) ** 2).mean(0)
    return Normal(mean, variance.sqrt()).log_prob(z).sum(-1)


LOG_AGGREGATE = Exercise(
    id="02.4",
    title="The density of all codes",
    minutes=9,
    difficulty=3,
    statement=r"Write $\log q(z)$ of the aggregate posterior $q(z) = \frac1N \sum_i q_\phi(z \mid x_i)$, in nats, at "
    r"every row of `z`, where $q_\phi(z \mid x_i)$ is the Gaussian of "
    r"row $i$ of `loc` and `scale`. It must stay finite at a $z$ far from all codes.",
    solution=log_aggregate,
    why="One image explains all coordinates of z at once, so first the sum over coordinates, then the mean over "
    "images, both of them in logarithms: "
    "the dependence between coordinates lives in this order.",
    cases={
        "five points, four images": lambda g: _aggregate_inputs(g, 5, 4, 3),
        "far from all codes": lambda g: _aggregate_inputs(g, 3, 6, 2, spread=30.0),
        "one coordinate": lambda g: _aggregate_inputs(g, 3, 5, 1),
        "more images than points": lambda g: _aggregate_inputs(g, 2, 7, 4),
    },
    dimensions={"z": ("points", "latent"), "loc": ("images", "latent"), "scale": ("images", "latent"), "return": ("points",)},
    returns=("the log density",),
    hints=(
        "Every point meets every image: give z a new dimension. Then think about which dimension is summed in "
        "logarithms, and which is averaged outside them.",
        "log q(z) = logsumexp_i [Σ_d log N(z_d; μ_id, σ_id²)] − log N.",
        "standard = (z[:, None] - loc) / scale  # [points, images, latent]",
    ),
    misconceptions=(
        Misconception(
            "points paired with images",
            lambda z, loc, scale: ((z - loc) / scale).sum(-1),  # raises
            "`z - loc` sets row against row, and there are more or fewer points than images. Every point meets every image: give z a new "
            "dimension, `z[:, None]`, [points, 1, latent].",
        ),
        Misconception(
            "points paired with images in log_prob",
            lambda z, loc, scale: Normal(loc, scale).log_prob(z).sum(-1),  # raises
            "`Normal(loc, scale).log_prob(z)` sets row i of z against image i. Every point meets every image: give z a new dimension, "
            "`log_prob(z[:, None])`, which is [points, images, latent].",
        ),
        Misconception(
            "multiplies the coordinates' histograms",
            lambda z, loc, scale: (_each(z, loc, scale).logsumexp(1) - math.log(len(loc))).sum(-1),
            "You average over the images coordinate by coordinate, and multiply afterwards. That is the density of "
            "*shuffled* codes, with coordinates that no longer depend on "
            "each other. Sum over the coordinates first: one image explains them all.",
        ),
        Misconception(
            "densities before their logarithm",
            lambda z, loc, scale: _each(z, loc, scale).sum(-1).exp().mean(1).log(),
            "Right near the codes, and −∞ far from them, where every density rounds to 0 before you take the logarithm. Stay in "
            "logarithms: `logsumexp`.",
        ),
        Misconception(
            "mean of the log densities",
            lambda z, loc, scale: _each(z, loc, scale).sum(-1).mean(1),
            "You average the logarithms. q(z) is a mean of densities, and the logarithm of a mean is more than the "
            "mean of the logarithms.",
        ),
        Misconception(
            "forgets log N",
            lambda z, loc, scale: _each(z, loc, scale).sum(-1).logsumexp(1),
            "Your density sums over the images, so it integrates to N. Each image has weight 1/N: subtract log N.",
        ),
        Misconception(
            "adds log N",
            lambda z, loc, scale: _each(z, loc, scale).sum(-1).logsumexp(1) + math.log(len(loc)),
            "log N has the wrong sign: a mean divides by N, so its logarithm subtracts log N.",
        ),
        Misconception(
            "subtracts log of the number of points",
            lambda z, loc, scale: _each(z, loc, scale).sum(-1).logsumexp(1) - math.log(len(z)),
            "You divide by the number of points. The mean is over the images: N is the number of rows of loc.",
        ),
        Misconception(
            "one Gaussian with the same mean and variance",
            _matched_gaussian,
            "You replaced the mixture by the one Gaussian with its mean and variance. Every coordinate's spread is "
            "right, and everything else that the codes know is gone.",
        ),
        Misconception(
            "a small number inside the logarithm",
            lambda z, loc, scale: (_each(z, loc, scale).sum(-1).exp().mean(1) + 1e-8).log(),
            "You add a small number before the logarithm, so that far from all codes every density looks the same, "
            "and has no gradient. `logsumexp` needs no such help.",
        ),
        Misconception(
            "log of the normaliser forgotten",
            lambda z, loc, scale: (-0.5 * ((z[:, None] - loc) / scale) ** 2).sum(-1).logsumexp(1) - math.log(len(loc)),
            "Your Gaussians are not normalised: −log σ − ½ log 2π is missing for each coordinate. In a mixture it "
            "changes more than a constant: it weighs narrow against wide.",
        ),
    ),
)


# 02.5


def floor_and_excess(logits, x):
    """Distortion of grey images in nats, split: its floor sum_d H(x_d), and the excess.

    logits: [batch, channels, height, width], x: greys in [0, 1], of the same shape
    → floor [batch], excess [batch].
    """
    distortion = nn.functional.softplus(logits) - x * logits  # -[x log p + (1 - x) log(1 - p)], p = sigmoid(logits)
    floor = -torch.xlogy(x, x) - torch.xlogy(1 - x, 1 - x)  # xlogy(0, 0) = 0
    return floor.sum((1, 2, 3)), (distortion - floor).sum((1, 2, 3))


def _grey_inputs(generator: Generator, batch: int, image: tuple[int, int, int], scale: float = 2.0) -> dict[str, Tensor]:
    return {"logits": _normal(generator, batch, *image, scale=scale), "x": _greys(generator, batch, *image)}


def _exact_model(x: Tensor) -> dict[str, Tensor]:
    return {"logits": x.logit().requires_grad_(), "x": x}


def _floor(x):
    return -torch.xlogy(x, x) - torch.xlogy(1 - x, 1 - x)


def _split_with(change):
    """A wrong answer: `change` of the distortion and the floor, pixel by pixel, and of x → floor [batch], excess [batch]."""

    def answer(logits, x):
        return change(nn.functional.softplus(logits) - x * logits, _floor(x), x)

    return answer


def _total(values):
    return values.sum((1, 2, 3))


def _floor_with(nudge):
    """The right distortion, and a floor that survives log 0 by this nudge of its argument."""

    def answer(distortion, floor, x):
        floor = -(x * nudge(x).log() + (1 - x) * nudge(1 - x).log())
        return _total(floor), _total(distortion - floor)

    return _split_with(answer)


def _floor_of_clamped(small):
    """The right distortion, and the floor of greys that were kept this far from 0 and 1."""

    def answer(distortion, floor, x):
        x = x.clamp(small, 1 - small)
        floor = -(x * x.log() + (1 - x) * (1 - x).log())
        return _total(floor), _total(distortion - floor)

    return _split_with(answer)


def _excess_from(distortion):
    """The right floor, and the excess by this distortion [batch, channels, height, width], a function of logits and x."""

    def answer(logits, x):
        return _total(_floor(x)), _total(distortion(logits, x) - _floor(x))

    return answer


def _by_log(logits, x):
    p = logits.sigmoid()
    return -(x * p.log() + (1 - x) * (1 - p).log())


def _floor_by_log(distortion, floor, x):
    floor = -(x * x.log() + (1 - x) * (1 - x).log())
    return _total(floor), _total(distortion - floor)


def _half_floor(distortion, floor, x):
    floor = -torch.xlogy(x, x)
    return _total(floor), _total(distortion - floor)


FLOOR = Exercise(
    id="02.5",
    title="What no model gets below",
    minutes=9,
    difficulty=2,
    statement=r"Split the distortion $-\sum_d [x_d \log \pi_d + (1 - x_d) \log(1 - \pi_d)]$ of grey images, with "
    r"$\pi = \mathrm{sigmoid}(\ell)$ and $\ell$ `logits`, in two: "
    r"the **floor** $\sum_d H(x_d)$, and the **excess** above it. Both in nats, one number per image. Pixels of "
    r"exactly 0 and 1 are frequent.",
    solution=floor_and_excess,
    why="The excess is a sum of KL(Bernoulli(x) || Bernoulli(π)), zero where the model says the grey itself; the "
    "floor has no model in it, so only the excess compares models.",
    cases={
        "four small images": lambda g: _grey_inputs(g, 4, (1, 5, 6)),
        "one image in colour": lambda g: _grey_inputs(g, 1, (3, 4, 2), scale=6.0),
        "confident logits": lambda g: _grey_inputs(g, 2, (1, 4, 7), scale=60.0),
        "black and white": lambda g: {"logits": _normal(g, 2, 1, 3, 7), "x": _bits(g, 2, 1, 3, 7)},
        "a model that says the grey itself": lambda g: _exact_model(_between(g, 0.05, 0.95, 3, 1, 4, 5).detach()),
    },
    dimensions={"logits": ("batch", *IMAGE), "x": ("batch", *IMAGE), "return": (("batch",), ("batch",))},
    returns=("the floor", "the excess"),
    hints=(
        "What does the best prediction for a grey pixel cost? And what is 0 · log 0 here? PyTorch has a function for "
        "x log y that knows.",
        "H(x) = −x log x − (1 − x) log(1 − x), by `torch.xlogy`;   excess = distortion − floor, and per pixel the "
        "distortion is softplus(ℓ) − x ℓ.",
        "distortion = nn.functional.softplus(logits) - x * logits",
    ),
    misconceptions=(
        Misconception(
            "half of the entropy",
            _split_with(_half_floor),
            "Your floor has only −x log x. The coin also shows 0, with probability 1 − x: add −(1 − x) log(1 − x).",
        ),
        Misconception(
            "zero times log zero",
            _split_with(_floor_by_log),
            "Your floor is NaN wherever a pixel is 0 or 1: there PyTorch multiplies 0 by log 0 = −∞. In an entropy this product is 0; "
            "`torch.xlogy` knows.",
        ),
        *(
            Misconception(
                f"{small:g} inside the logarithm",
                _floor_with(lambda share, small=small: share + small),
                f"You add {small:g} inside the logarithms to survive log 0, and it moves the floor. 0 · log 0 is 0, "
                "exactly: `torch.xlogy` says so.",
            )
            for small in (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8)
        ),
        *(
            Misconception(
                f"greys kept {small:g} from 0 and 1",
                _floor_of_clamped(small),
                f"You nudged the greys 0 and 1 by {small:g} to survive log 0, and it moves the floor. Leave them as they are: 0 · log 0 "
                "is 0, and `torch.xlogy` knows it.",
            )
            for small in (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8)
        ),
        Misconception(
            "greys given to Bernoulli",
            _excess_from(lambda logits, x: -Bernoulli(logits=logits).log_prob(x)),
            "`Bernoulli` refuses greys: its outcomes are 0 and 1. The distortion's formula takes them: per pixel it is "
            "softplus(ℓ) − x ℓ, which `nn.functional.binary_cross_entropy_with_logits` computes with `reduction='none'`.",
        ),
        Misconception(
            "greys given to Bernoulli of probabilities",
            _excess_from(lambda logits, x: -Bernoulli(probs=logits.sigmoid()).log_prob(x)),
            "`Bernoulli` refuses greys, because its outcomes are 0 and 1; and from `probs` it would lose confident logits. Per pixel "
            "the distortion is softplus(ℓ) − x ℓ, for greys too.",
        ),
        Misconception(
            "probabilities given to Bernoulli",
            _excess_from(lambda logits, x: -Bernoulli(probs=logits.sigmoid(), validate_args=False).log_prob(x)),
            "Your floor is right, and your excess is right only where the model is unsure: sigmoid(40) rounds to 1, and "
            "`Bernoulli(probs=…)` clamps what it is given away from 0 and 1. Stay with the logits: softplus(ℓ) − x ℓ.",
        ),
        Misconception(
            "probabilities given to binary_cross_entropy",
            _excess_from(lambda logits, x: nn.functional.binary_cross_entropy(logits.sigmoid(), x, reduction="none")),
            "Your floor is right, and your excess is right only where the model is unsure: sigmoid(40) rounds to 1, and "
            "`binary_cross_entropy` then puts −100 in place of log 0. Stay with the logits: softplus(ℓ) − x ℓ.",
        ),
        Misconception(
            "logarithm of a rounded probability",
            _excess_from(_by_log),
            "Your floor is right, and your excess is infinite or NaN where the model is confident: sigmoid(40) rounds to 1, and log(1 − 1) "
            "is −∞. Stay with the logits: softplus(ℓ) − x ℓ.",
        ),
        Misconception(
            "floor in bits",
            _split_with(lambda distortion, floor, x: (_total(floor) / math.log(2), _total(distortion - floor))),
            "Your excess is right, and your floor is in bits. Everything here is in nats: take the natural logarithm.",
        ),
        Misconception(
            "excess is the whole distortion",
            _split_with(lambda distortion, floor, x: (_total(floor), _total(distortion))),
            "Your floor is right. Your excess is the whole distortion: subtract the floor from it.",
        ),
        Misconception(
            "excess below zero",
            _split_with(lambda distortion, floor, x: (_total(floor), _total(floor - distortion))),
            "Your floor is right, and your excess has the wrong sign. No distortion is below the floor, so what is "
            "above it is never negative.",
        ),
        Misconception(
            "floor with the wrong sign",
            _split_with(lambda distortion, floor, x: (-_total(floor), _total(distortion + floor))),
            "Your floor is negative. log x is negative for a grey, so an entropy, −x log x − (1 − x) log(1 − x), is "
            "positive.",
        ),
        Misconception(
            "mean over the pixels",
            _split_with(lambda distortion, floor, x: (floor.mean((1, 2, 3)), (distortion - floor).mean((1, 2, 3)))),
            "You average over the pixels. The bound counts nats per image: sum over channels, height and width.",
        ),
        Misconception(
            "floor of the model's own coins",
            lambda logits, x: (
                _total(_floor(logits.sigmoid())),
                _total(nn.functional.softplus(logits) - x * logits - _floor(logits.sigmoid())),
            ),
            "Your floor is the entropy of the model's coins, H(π), and moves with the model. The floor is a property "
            "of the data: H(x).",
        ),
        Misconception(
            "greys thresholded",
            lambda logits, x: (
                torch.zeros(len(x)).to(x),
                _total(nn.functional.softplus(logits) - (x > 0.5) * logits),
            ),
            "You thresholded the pixels, which sets the floor to zero and changes the data set. Keep the greys: a "
            "grey is the probability of a coin.",
        ),
    ),
)

EXERCISES: tuple[Exercise, ...] = (LOG_JOINT, SAMPLE_AND_RATE, RATE, LOG_AGGREGATE, FLOOR)

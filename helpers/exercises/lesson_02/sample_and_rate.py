"""Exercise 02.2: a sample that lets gradients through."""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.distributions import Normal, kl_divergence

from helpers.exercises.engine.inputs import log_uniform_leaf, normal, normal_leaf
from helpers.exercises.exercise import Exercise, Misconception
from helpers.exercises.lesson_02.sample_and_rate_slips import SLIPS


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
    generator: Generator,
    samples: int,
    batch: int,
    latent: int,
    spread: float = 1.5,
    low: float = 0.2,
    high: float = 0.9,
) -> dict[str, Tensor]:
    return {
        "loc": normal_leaf(generator, batch, latent, scale=spread),
        "scale": log_uniform_leaf(generator, low, high, batch, latent),
        "eps": normal(generator, samples, batch, latent),
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
        "scales from 0.0001 to 100": lambda g: _sample_inputs(g, 3, 5, 7, 20.0, 1e-4, 100.0),
        "one latent coordinate": lambda g: _sample_inputs(g, 4, 3, 1),
        "all sizes alike": lambda g: _sample_inputs(g, 3, 3, 3),
        "q is the prior": lambda g: {
            "loc": torch.zeros(4, 2, dtype=torch.float64, requires_grad=True),
            "scale": torch.ones(4, 2, dtype=torch.float64, requires_grad=True),
            "eps": normal(g, 3, 4, 2),
        },
    },
    dimensions={
        "loc": ("batch", "latent"),
        "scale": ("batch", "latent"),
        "eps": ("samples", "batch", "latent"),
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
            "Your sample is right; your log q(z) takes the square root of scale. `Normal` takes the standard deviation, and "
            "scale is "
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
            "You return the KL in closed form, one number per image. Asked is what *this sample* says: log q(z) − log p(z) at "
            "your z, "
            "[samples, batch]. Its average over many samples is your KL.",
        ),
        Misconception(
            "the KL in closed form, for every sample",
            _closed_form_repeated,
            "Your rate is the KL in closed form, the same for every sample. Asked is log q(z) − log p(z) at the z that you drew, "
            "which "
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
        *SLIPS,
    ),
)

"""Exercise 01.4: a bound you can climb."""

from __future__ import annotations

from typing import Any

from torch import Generator
from torch.distributions import Normal

from helpers.exercises.engine.inputs import log_uniform_leaf, normal, normal_leaf, uniform_leaf
from helpers.exercises.exercise import Exercise, Misconception
from helpers.exercises.lesson_01.elbo_estimate_slips import SLIPS
from helpers.exercises.lesson_01.kl_to_standard_normal import kl_to_standard_normal


def elbo_estimate(x, loc, scale, weight, bias, noise, eps):
    """Monte Carlo ELBO in nats of q = N(loc, scale²), differentiable in loc and scale.

    Model: z ~ N(0, I), x | z ~ N(weight z + bias, noise² I). x: [batch, observed],
    weight: [observed, latent], bias: [observed], noise: the instruments' standard
    deviation, []. loc, scale: [batch, latent]. eps: standard normal draws, given,
    [samples, batch, latent] → [batch].
    """
    z = loc + scale * eps  # [samples, batch, latent]
    log_prior = Normal(0.0, 1.0).log_prob(z).sum(-1)  # [samples, batch]
    log_likelihood = Normal(z @ weight.T + bias, noise).log_prob(x).sum(-1)
    log_q = Normal(loc, scale).log_prob(z).sum(-1)
    return (log_prior + log_likelihood - log_q).mean(0)


def _elbo_inputs(
    generator: Generator,
    samples: int,
    batch: int,
    observed: int,
    latent: int,
    scale: tuple[float, float] = (0.3, 0.8),
    noise: float = 0.4,
    x: float = 2.0,
) -> dict[str, Any]:
    """`scale`: the least and the largest of q; `noise`: its least value; `x`: how far the observations spread."""
    return {
        "x": normal(generator, batch, observed, scale=x),
        "loc": normal_leaf(generator, batch, latent),
        "scale": log_uniform_leaf(generator, *scale, batch, latent),
        "weight": normal_leaf(generator, observed, latent),
        "bias": normal_leaf(generator, observed),
        "noise": uniform_leaf(generator, noise, 2.2 * noise),
        "eps": normal(generator, samples, batch, latent),
    }


def _log_weights(x, q, z, weight, bias, noise):
    """log p(z), log p(x | z), log q(z), [samples, batch] each."""
    likelihood = Normal(z @ weight.T + bias, noise)
    return Normal(0.0, 1.0).log_prob(z).sum(-1), likelihood.log_prob(x).sum(-1), q.log_prob(z).sum(-1)


def _elbo_of(z, q_parameters):
    """A wrong answer with this z (loc, scale, eps) and these parameters of q (loc, scale)."""

    def answer(x, loc, scale, weight, bias, noise, eps):
        terms = _log_weights(x, Normal(*q_parameters(loc, scale)), z(loc, scale, eps), weight, bias, noise)
        return (terms[0] + terms[1] - terms[2]).mean(0)

    return answer


def _elbo_with(combine):
    """A wrong answer that combines the right log p(z), log p(x | z), log q(z) in its own way."""

    def answer(x, loc, scale, weight, bias, noise, eps):
        return combine(*_log_weights(x, Normal(loc, scale), loc + scale * eps, weight, bias, noise))

    return answer


def _elbo_with_closed_kl(x, loc, scale, weight, bias, noise, eps):
    log_likelihood = Normal((loc + scale * eps) @ weight.T + bias, noise).log_prob(x).sum(-1)
    return log_likelihood.mean(0) - kl_to_standard_normal(loc, scale)


ELBO = Exercise(
    id="01.4",
    title="A bound you can climb",
    minutes=11,
    difficulty=3,
    statement=r"Estimate the ELBO $\mathbb E_{q}[\log p(z) + \log p(x \mid z) - \log q(z)]$ of "
    r"$q = \mathcal N(\mu, \mathrm{diag}\,\sigma^2)$ from the given standard normal draws `eps`: "
    r"one number for every row of `x`, the mean over the samples. Gradients must reach `loc` and `scale`, through the "
    r"sample too.",
    solution=elbo_estimate,
    why="With the draws `eps` held fixed, z = loc + scale * eps is a differentiable function of q's parameters, so the mean "
    "over samples is one too.",
    cases={
        "six samples of four": lambda g: _elbo_inputs(g, 6, 4, 3, 2),
        "one sample": lambda g: _elbo_inputs(g, 1, 2, 5, 3),
        "one observation, more latent than observed": lambda g: _elbo_inputs(g, 5, 1, 2, 4),
        "scales from 0.001 to 30": lambda g: _elbo_inputs(g, 3, 6, 4, 5, scale=(1e-3, 30.0)),
        "noise above one, observations far away": lambda g: _elbo_inputs(g, 4, 3, 6, 2, noise=2.0, x=60.0),
        "one latent, one observed": lambda g: _elbo_inputs(g, 3, 2, 1, 1),
        "all sizes alike": lambda g: _elbo_inputs(g, 3, 3, 3, 3),
    },
    dimensions={
        "x": ("batch", "observed"),
        "loc": ("batch", "latent"),
        "scale": ("batch", "latent"),
        "weight": ("observed", "latent"),
        "bias": ("observed",),
        "noise": (),
        "eps": ("samples", "batch", "latent"),
        "return": ("batch",),
    },  # fmt: skip
    returns=("the ELBO",),
    hints=(
        "Turn the draws `eps` into samples of q first. Then take three log densities of each sample, summed over their last "
        "dimension.",
        "z = μ + σ ε,   ELBO ≈ 1/S Σ_s [log N(z_s; 0, I) + log N(x; W z_s + b, σ²_noise I) − log N(z_s; μ, σ²)].",
        "z = loc + scale * eps  # [samples, batch, latent]",
    ),
    misconceptions=(
        Misconception(
            "forgets log q",
            _elbo_with(lambda log_prior, log_likelihood, log_q: (log_prior + log_likelihood).mean(0)),
            "− log q(z) is missing. Without it nothing keeps q from shrinking to a point at the mode.",
        ),
        Misconception(
            "forgets log p(z)",
            _elbo_with(lambda log_prior, log_likelihood, log_q: (log_likelihood - log_q).mean(0)),
            "log p(z) is missing: the joint density is log p(z) + log p(x | z). Without the prior nothing holds q back where x "
            "says "
            "little.",
        ),
        Misconception(
            "adds log q",
            _elbo_with(lambda log_prior, log_likelihood, log_q: (log_prior + log_likelihood + log_q).mean(0)),
            "log q(z) has the wrong sign: the bound is E_q[log p(x, z) − log q(z)], and − log q rewards a wide q.",
        ),
        Misconception(
            "returns the loss",
            _elbo_with(lambda log_prior, log_likelihood, log_q: (log_q - log_prior - log_likelihood).mean(0)),
            "That is minus the ELBO, the loss that an optimiser minimises. Return the bound itself.",
        ),
        Misconception(
            "detached sample",
            _elbo_of(lambda loc, scale, eps: (loc + scale * eps).detach(), lambda loc, scale: (loc, scale)),
            "The value is right and the gradient is not: the sample is cut off from loc and scale. Leave out `detach`, "
            "`no_grad` or `.sample()`.",
        ),
        Misconception(
            "detached parameters of q",
            _elbo_of(lambda loc, scale, eps: loc + scale * eps, lambda loc, scale: (loc.detach(), scale.detach())),
            "The value is right, but its gradient is not the whole one: log q depends on loc and scale directly, not only "
            "through z. What you left out is zero only on average.",
        ),
        Misconception(
            "sum over the samples",
            _elbo_with(lambda log_prior, log_likelihood, log_q: (log_prior + log_likelihood - log_q).sum(0)),
            "You summed over the samples. An expectation is estimated by their mean.",
        ),
        Misconception(
            "takes scale for the variance",
            _elbo_of(lambda loc, scale, eps: loc + scale.sqrt() * eps, lambda loc, scale: (loc, scale.sqrt())),
            "You use scale as a variance. It is the standard deviation of q: z = loc + scale * eps.",
        ),
        Misconception(
            "draws with the square of scale",
            _elbo_of(lambda loc, scale, eps: loc + scale**2 * eps, lambda loc, scale: (loc, scale)),
            "You stretch eps by scale². A draw of q deviates by scale, the standard deviation: z = loc + scale * eps.",
        ),
        Misconception(
            "KL in closed form",
            _elbo_with_closed_kl,
            "A good estimate of the same bound, and less noisy than the one asked for: you took the KL in closed form. "
            "Here, estimate it from the same samples too.",
        ),
        *SLIPS,
    ),
)

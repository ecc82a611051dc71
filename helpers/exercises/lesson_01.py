"""The exercises of lesson 01, amortized inference.

Beside what they are given, the solutions use `math`, `torch` and `Normal` of `torch.distributions`, all imported by the lesson.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Generator, Tensor
from torch.distributions import Normal

from helpers.exercises.exercise import Exercise, Misconception


def _normal(generator: Generator, *size: int, scale: float = 1.0) -> Tensor:
    return (scale * torch.randn(size, generator=generator, dtype=torch.float64)).requires_grad_()


def _between(generator: Generator, low: float, high: float, *size: int) -> Tensor:
    return (low + (high - low) * torch.rand(size, generator=generator, dtype=torch.float64)).requires_grad_()


# 01.1


def kl_to_standard_normal(loc, scale):
    """KL(N(loc, scale²) || N(0, 1)) in nats, summed over the last dimension.

    loc, scale: [batch, latent] → [batch].
    """
    return 0.5 * (loc**2 + scale**2 - 1 - 2 * scale.log()).sum(-1)


KL = Exercise(
    id="01.1",
    title="A divergence in closed form",
    minutes=5,
    difficulty=1,
    statement=r"Write $\mathrm{KL}\big(\mathcal N(\mu, \sigma^2) \,\|\, \mathcal N(0, 1)\big)$ in closed form, in "
    r"nats, summed over the last dimension. "
    r"`loc` is $\mu$, `scale` is the standard deviation $\sigma$.",
    solution=kl_to_standard_normal,
    why="Coordinates are independent under both densities, so their divergences add; each is zero only at mean 0 and "
    "scale 1.",
    cases={
        "four codes": lambda g: {"loc": _normal(g, 4, 3), "scale": _between(g, 0.3, 2.5, 4, 3)},
        "one code": lambda g: {"loc": _normal(g, 1, 5, scale=3.0), "scale": _between(g, 0.01, 0.2, 1, 5)},
        "the prior itself": lambda g: {
            "loc": torch.zeros(3, 2, dtype=torch.float64, requires_grad=True),
            "scale": torch.ones(3, 2, dtype=torch.float64, requires_grad=True),
        },
    },
    dimensions={"loc": ("batch", "latent"), "scale": ("batch", "latent"), "return": ("batch",)},
    returns=("the KL",),
    hints=(
        "Take E_q[log q(z) − log p(z)] for one coordinate. You need only E_q[z²] and E_q[(z − μ)²].",
        "KL = ½ Σ (μ² + σ² − 1 − log σ²), and log σ² = 2 log σ.",
        "return 0.5 * (loc**2 + ...).sum(-1)",
    ),
    misconceptions=(
        Misconception(
            "forgets the factor one half",
            lambda loc, scale: (loc**2 + scale**2 - 1 - 2 * scale.log()).sum(-1),
            "Your KL is twice the right one: the ½ in the exponent of a Gaussian stands before every term here.",
        ),
        Misconception(
            "adds log sigma",
            lambda loc, scale: 0.5 * (loc**2 + scale**2 - 1 + 2 * scale.log()).sum(-1),
            "The logarithm has the wrong sign: a narrower q lies further from the prior, so log σ must come with a "
            "minus.",
        ),
        Misconception(
            "log sigma for log sigma squared",
            lambda loc, scale: 0.5 * (loc**2 + scale**2 - 1 - scale.log()).sum(-1),
            "The formula has log σ², and log σ² = 2 log σ: your logarithm counts half.",
        ),
        Misconception(
            "takes scale for the variance",
            lambda loc, scale: 0.5 * (loc**2 + scale - 1 - scale.log()).sum(-1),
            "You use scale as if it were the variance. It is the standard deviation: square it.",
        ),
        Misconception(
            "the divergence the other way round",
            lambda loc, scale: 0.5 * ((loc**2 + 1) / scale**2 - 1 + 2 * scale.log()).sum(-1),
            "That is KL(N(0, 1) || N(loc, scale²)). The divergence is not symmetric: here the expectation is under "
            "N(loc, scale²).",
        ),
        Misconception(
            "mean over the latent dimension",
            lambda loc, scale: 0.5 * (loc**2 + scale**2 - 1 - 2 * scale.log()).mean(-1),
            "You average over the latent dimension. Divergences of independent coordinates add, so take the sum.",
        ),
        Misconception(
            "sum over the batch",
            lambda loc, scale: 0.5 * (loc**2 + scale**2 - 1 - 2 * scale.log()).sum(0),
            "You summed over the batch. Every observation keeps its own KL; sum over the last dimension, the latent "
            "one.",
        ),
    ),
)


# 01.2


def whole_from_minibatch(log_global, log_local, num_data):
    """Estimate log p(w) + sum over num_data observations of log p(x_n, z_n | w).

    log_global: log p(w), [repeats]. log_local: log p(x_n, z_n | w), in batches drawn
    without replacement, [repeats, batch], 2 <= batch <= num_data. In nats
    → the estimate [repeats], its standard error [repeats].
    """
    batch = log_local.shape[1]
    estimate = log_global + num_data / batch * log_local.sum(1)
    unseen = 1 - batch / num_data
    standard_error = num_data * log_local.std(1) * (unseen / batch) ** 0.5
    return estimate, standard_error


def _minibatches(generator: Generator, repeats: int, batch: int, num_data: int) -> dict[str, Any]:
    """Without gradients: an error bar is read, not climbed, and the root of a variance of 0 has none."""
    return {
        "log_global": _normal(generator, repeats, scale=5.0).detach(),
        "log_local": (_normal(generator, repeats, batch, scale=2.0) - 3.0).detach(),
        "num_data": num_data,
    }


MINIBATCH = Exercise(
    id="01.2",
    title="A minibatch for the whole",
    minutes=8,
    difficulty=2,
    statement=r"Estimate $\log p(w) + \sum_{n=1}^{N} \log p(x_n, z_n \mid w)$ from a minibatch of $B$ "
    r"observations, and give the estimate's standard error. "
    r"The batch is drawn without replacement, so the mean of its terms has variance "
    r"$\frac{s^2}{B}\big(1 - \frac{B}{N}\big)$, with $s^2$ their sample variance.",
    solution=whole_from_minibatch,
    why="Every local term stands for N/B of its kind and the global term for itself alone; a batch that holds all the "
    "data leaves no error.",
    cases={
        "four minibatches of three": lambda g: _minibatches(g, 4, 3, 50),
        "a large data set": lambda g: _minibatches(g, 2, 5, 60_000),
        "the batch is the whole": lambda g: _minibatches(g, 3, 4, 4),
    },
    dimensions={"log_global": ("repeats",), "log_local": ("repeats", "batch"), "return": (("repeats",), ("repeats",))},
    returns=("the estimate", "the standard error"),
    hints=(
        "Which term belongs to one observation, and which to all of them at once? Only the first kind is scaled up.",
        "estimate = log p(w) + (N / B) Σ log p(x_n, z_n | w);   standard error = N s √((1 − B/N) / B).",
        "batch = log_local.shape[1]",
    ),
    misconceptions=(
        Misconception(
            "forgets N/B",
            lambda log_global, log_local, num_data: (
                log_global + log_local.sum(1),
                whole_from_minibatch(log_global, log_local, num_data)[1],
            ),
            "Your sum counts only the observations in the batch. Each of them stands for N/B observations: scale the "
            "sum up.",
        ),
        Misconception(
            "N times the sum",
            lambda log_global, log_local, num_data: (
                log_global + num_data * log_local.sum(1),
                whole_from_minibatch(log_global, log_local, num_data)[1],
            ),
            "You multiply the sum over the batch by N. Multiply the batch's mean by N, or its sum by N/B.",
        ),
        Misconception(
            "leaves the global term out",
            lambda log_global, log_local, num_data: (
                num_data * log_local.mean(1),
                whole_from_minibatch(log_global, log_local, num_data)[1],
            ),
            "log p(w) is missing: the global latent is part of the joint density, once.",
        ),
        Misconception(
            "scales the global term too",
            lambda log_global, log_local, num_data: (
                num_data / log_local.shape[1] * (log_global + log_local.sum(1)),
                whole_from_minibatch(log_global, log_local, num_data)[1],
            ),
            "You scale log p(w) as well. There is one w for the whole data set, so its term counts once.",
        ),
        Misconception(
            "standard error without the factor N",
            lambda log_global, log_local, num_data: (
                log_global + num_data * log_local.mean(1),
                log_local.std(1) * ((1 - log_local.shape[1] / num_data) / log_local.shape[1]) ** 0.5,
            ),
            "Your estimate is right. Your standard error is that of the batch's mean; the estimate is N times this "
            "mean, and so is its error.",
        ),
        Misconception(
            "standard error as if drawn with replacement",
            lambda log_global, log_local, num_data: (
                log_global + num_data * log_local.mean(1),
                num_data * log_local.std(1) / log_local.shape[1] ** 0.5,
            ),
            "Your estimate is right, and your error would be for draws with replacement. Without it, the factor √(1 − "
            "B/N) comes in: "
            "a batch that is the whole data set leaves no error.",
        ),
        Misconception(
            "population standard deviation",
            lambda log_global, log_local, num_data: (
                log_global + num_data * log_local.mean(1),
                num_data
                * log_local.std(1, unbiased=False)
                * ((1 - log_local.shape[1] / num_data) / log_local.shape[1]) ** 0.5,
            ),
            "Your estimate is right. For the error you divide the squared deviations by B; a sample's variance divides "
            "by B − 1.",
        ),
    ),
)


# 01.3


def exact_posterior(x, weight, bias, noise):
    """p(z | x) where z ~ N(0, I) and x | z ~ N(weight z + bias, noise² I).

    x: [batch, observed], weight: [observed, latent], bias: [observed], noise: []
    → its mean [batch, latent], its precision matrix [latent, latent].
    """
    identity = torch.eye(weight.shape[1]).to(weight)
    precision = identity + weight.T @ weight / noise**2
    pull = (x - bias) @ weight / noise**2  # [batch, latent]
    loc = torch.linalg.solve(precision, pull.T).T
    return loc, precision


def _linear_gaussian(generator: Generator, batch: int, observed: int, latent: int) -> dict[str, Any]:
    return {
        "x": _normal(generator, batch, observed, scale=2.0),
        "weight": _normal(generator, observed, latent),
        "bias": _normal(generator, observed),
        "noise": _between(generator, 0.4, 0.9),
    }


def _with_covariance(x, weight, bias, noise):
    loc, precision = exact_posterior(x, weight, bias, noise)
    return loc, torch.linalg.inv(precision)


def _without_prior(x, weight, bias, noise):
    precision = weight.T @ weight / noise**2
    # Not positive definite where there are fewer observed than latent dimensions: the pseudo-inverse answers there too.
    return (x - bias) @ weight / noise**2 @ torch.linalg.pinv(precision, hermitian=True), precision


EXACT_POSTERIOR = Exercise(
    id="01.3",
    title="The posterior, exactly",
    minutes=9,
    difficulty=2,
    statement=r"Let $z \sim \mathcal N(0, I)$ and $x \mid z \sim \mathcal N(Wz + b, \sigma^2 I)$, where $\sigma$ is "
    r"`noise`. "
    r"Return the mean of $p(z \mid x)$ for every row of `x`, and its precision matrix, the inverse of the covariance, "
    r"which all rows share.",
    solution=exact_posterior,
    why="Multiplying Gaussians adds their precisions, I from the prior and WᵀW/σ² from the likelihood, and averages "
    "their means in these proportions.",
    cases={
        "three observed, two latent": lambda g: _linear_gaussian(g, 4, 3, 2),
        "more latent than observed": lambda g: _linear_gaussian(g, 5, 2, 3),
        "one observation, one latent": lambda g: _linear_gaussian(g, 1, 2, 1),
    },
    dimensions={
        "x": ("batch", "observed"),
        "weight": ("observed", "latent"),
        "bias": ("observed",),
        "noise": (),
        "return": (("batch", "latent"), ("latent", "latent")),
    },  # fmt: skip
    returns=("the mean", "the precision"),
    hints=(
        "log p(z) + log p(x | z) is quadratic in z. Read the precision off the quadratic term, then set the gradient "
        "to zero.",
        "Λ = I + WᵀW / σ²,   Λ μ = Wᵀ(x − b) / σ². Solve for μ; `torch.linalg.solve` wants the right-hand sides as "
        "columns.",
        "precision = torch.eye(weight.shape[1]) + weight.T @ weight / noise**2",
    ),
    misconceptions=(
        Misconception(
            "covariance for precision",
            _with_covariance,
            "Your mean is right, and your matrix is the covariance. The precision is its inverse; return it as it is "
            "before you invert.",
        ),
        Misconception(
            "forgets the prior",
            _without_prior,
            "The prior is missing: it adds the identity to the precision. What you have is the least-squares fit, "
            "which trusts x alone.",
        ),
        Misconception(
            "does not centre by the bias",
            lambda x, weight, bias, noise: exact_posterior(x, weight, torch.zeros_like(bias), noise),
            "You use x where x − bias belongs: z explains only how x differs from the bias.",
        ),
        Misconception(
            "takes noise for the variance",
            lambda x, weight, bias, noise: exact_posterior(x, weight, bias, noise.sqrt()),
            "You divide by noise. It is a standard deviation, and the likelihood's precision is 1 / noise².",
        ),
        Misconception(
            "leaves the mean unsolved",
            lambda x, weight, bias, noise: (
                (x - bias) @ weight / noise**2,
                exact_posterior(x, weight, bias, noise)[1],
            ),
            "Your precision is right. Your mean is still precision @ mean, the right-hand side of the equation: solve "
            "it.",
        ),
        Misconception(
            "noise left out of the mean",
            lambda x, weight, bias, noise: (
                torch.linalg.solve(exact_posterior(x, weight, bias, noise)[1], ((x - bias) @ weight).T).T,
                exact_posterior(x, weight, bias, noise)[1],
            ),
            "Your precision is right. In the mean, Wᵀ(x − b) must be divided by noise² as well.",
        ),
    ),
)


# 01.4


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


def _elbo_inputs(generator: Generator, samples: int, batch: int, observed: int, latent: int) -> dict[str, Any]:
    return {
        "x": _normal(generator, batch, observed, scale=2.0).detach(),
        "loc": _normal(generator, batch, latent),
        "scale": _between(generator, 0.3, 0.8, batch, latent),
        "weight": _normal(generator, observed, latent),
        "bias": _normal(generator, observed),
        "noise": _between(generator, 0.4, 0.9),
        "eps": _normal(generator, samples, batch, latent).detach(),
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
            "log p(z) is missing: the joint density is log p(z) + log p(x | z). Without the prior nothing holds q back where x says "
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
    ),
)


# 01.5


def gaps(log_evidence, elbo_best, elbo_encoder):
    """The approximation gap and the amortization gap in nats, with standard errors.

    log_evidence: log p(x); elbo_best: the ELBO of the family's best q for each x;
    elbo_encoder: that of the encoder's q. [batch] each, batch >= 2 → mean approximation
    gap, its standard error, mean amortization gap, its standard error: four tensors
    without dimensions, [] each.
    """
    approximation = log_evidence - elbo_best  # [batch]
    amortization = elbo_best - elbo_encoder
    root = math.sqrt(len(log_evidence))
    return approximation.mean(), approximation.std() / root, amortization.mean(), amortization.std() / root


def _bounds(generator: Generator, batch: int, gap: float | None = None) -> dict[str, Tensor]:
    """Bounds below log evidences that vary much; with `gap`, an approximation gap that does not vary at all."""
    log_evidence = (_normal(generator, batch, scale=8.0) - 20.0).detach()
    best = log_evidence - (_between(generator, 0.1, 1.0, batch).detach() if gap is None else gap)
    encoder = best - _normal(generator, batch).detach() ** 2
    return {"log_evidence": log_evidence, "elbo_best": best, "elbo_encoder": encoder}


def _unpaired(log_evidence, elbo_best, elbo_encoder):
    errors = [bound.std() / math.sqrt(len(bound)) for bound in (log_evidence, elbo_best, elbo_encoder)]
    approximation, _, amortization, _ = gaps(log_evidence, elbo_best, elbo_encoder)
    return approximation, torch.hypot(*errors[:2]), amortization, torch.hypot(*errors[1:])


def _with_errors(error):
    """A wrong answer with the right gaps and this error of a difference [batch]."""

    def answer(log_evidence, elbo_best, elbo_encoder):
        first, second = log_evidence - elbo_best, elbo_best - elbo_encoder
        return first.mean(), error(first), second.mean(), error(second)

    return answer


GAPS = Exercise(
    id="01.5",
    title="Two gaps, measured",
    minutes=7,
    difficulty=2,
    statement=r"From $\log p(x)$, the ELBO of the best $q$ of the family, and the ELBO of the encoder's $q$, all for "
    r"the same observations, return the mean **approximation gap** "
    r"with its standard error and the mean **amortization gap** with its standard error.",
    solution=gaps,
    why="All three numbers belong to the same x, so what they share cancels in the difference, and only the "
    "difference's spread is left as error.",
    cases={
        "seven observations": lambda g: _bounds(g, 7),
        "the same approximation gap everywhere": lambda g: _bounds(g, 5, gap=0.75),
        "two observations": lambda g: _bounds(g, 2),
    },
    dimensions={
        "log_evidence": ("batch",),
        "elbo_best": ("batch",),
        "elbo_encoder": ("batch",),
        "return": ((), (), (), ()),
    },  # fmt: skip
    returns=(
        "the approximation gap",
        "the approximation gap's standard error",
        "the amortization gap",
        "the amortization gap's standard error",
    ),  # fmt: skip
    hints=(
        "What does the family cost, even with the best q in it? And what does the encoder lose on top of that? Both, "
        "observation by observation.",
        "approximation = log p(x) − ELBO(best), amortization = ELBO(best) − ELBO(encoder); the standard error of a "
        "mean of B differences is s / √B.",
        "approximation = log_evidence - elbo_best  # [batch]",
    ),
    misconceptions=(
        Misconception(
            "unpaired errors",
            _unpaired,
            "Your gaps are right, your errors too large: you combined the errors of two averages as if they came from "
            "different observations. "
            "Subtract first, observation by observation, and take the spread of the differences.",
        ),
        Misconception(
            "the whole gap for the amortization gap",
            lambda log_evidence, elbo_best, elbo_encoder: (
                *gaps(log_evidence, elbo_best, elbo_encoder)[:2],
                *gaps(log_evidence, elbo_encoder, elbo_best)[:2],
            ),
            "Your amortization gap starts at log p(x), so it holds the approximation gap as well. Start at the best "
            "ELBO of the family.",
        ),
        Misconception(
            "gaps below zero",
            lambda log_evidence, elbo_best, elbo_encoder: tuple(
                sign * value
                for sign, value in zip((-1, 1, -1, 1), gaps(log_evidence, elbo_best, elbo_encoder), strict=True)
            ),
            "Your gaps have the wrong sign. The ELBO is the lower of the two: subtract it from what it bounds.",
        ),
        Misconception(
            "standard deviation for standard error",
            _with_errors(lambda difference: difference.std()),
            "Your gaps are right. Your errors are the spread of single observations; the error of their mean is "
            "smaller by √batch.",
        ),
        Misconception(
            "population standard deviation",
            _with_errors(lambda difference: difference.std(unbiased=False) / math.sqrt(len(difference))),
            "Your gaps are right. For the errors you divide the squared deviations by the batch size; a sample's "
            "variance divides by one less.",
        ),
        Misconception(
            "variance of the mean for its root",
            _with_errors(lambda difference: difference.var() / len(difference)),
            "Your gaps are right. Your errors are in nats²: take the square root of the variance of the mean.",
        ),
    ),
)

EXERCISES: tuple[Exercise, ...] = (KL, MINIBATCH, EXACT_POSTERIOR, ELBO, GAPS)

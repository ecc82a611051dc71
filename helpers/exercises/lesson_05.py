"""The exercises of lesson 05, richer priors and posteriors.

Beside what they are given, the solutions use `math` and `torch`; the lesson imports both. Log densities are in nats.
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from helpers.exercises.exercise import Exercise, Misconception


def _normal(generator: Generator, *size: int, scale: float = 1.0, loc: float = 0.0) -> Tensor:
    return loc + scale * torch.randn(size, generator=generator, dtype=torch.float64)


def _leaf(generator: Generator, *size: int, scale: float = 1.0, loc: float = 0.0) -> Tensor:
    return _normal(generator, *size, scale=scale, loc=loc).requires_grad_()


def _scale(generator: Generator, *size: int, low: float = 0.3, high: float = 2.0) -> Tensor:
    return (low + (high - low) * torch.rand(size, generator=generator, dtype=torch.float64)).requires_grad_()


# 05.1


def log_normaliser(logits):
    """log C in nats of the density C exp(x log p + (1 - x) log(1 - p)) on [0, 1], p = sigmoid(logit).

    log C = log(logit / tanh(logit / 2)); where |logit| < 0.1, log 2 + logit² / 12 - 7 logit⁴ / 1440.
    Value and gradient are right at 0 exactly. logits: [batch, pixels] → [batch, pixels].
    """
    small = logits.abs() < 0.1
    series = math.log(2) + logits**2 / 12 - 7 * logits**4 / 1440
    away = torch.where(small, 1.0, logits)  # no 0 / 0, not even where it is thrown away
    return torch.where(small, series, (away / (away / 2).tanh()).log())


_PLACES = (0.0, 2e-5, -5e-4, 0.15, -0.3, 0.9, -2.5, 6.0, -14.0, 45.0, 800.0)


def _logits(generator: Generator, batch: int, pixels: int, *places: float) -> dict[str, Tensor]:
    """These logits first, then random ones that keep away from 0."""
    value = _normal(generator, batch, pixels, scale=3.0)
    value = value.sign() * (value.abs() + 0.1)
    value.view(-1)[: len(places)] = torch.tensor(places, dtype=torch.float64)
    return {"logits": value.requires_grad_()}


def _series(logits):
    return math.log(2) + logits**2 / 12 - 7 * logits**4 / 1440


def _near_zero(value, wide=0.1):
    """A wrong answer: right away from 0, and this function of the logits where they are smaller than `wide`."""

    def answer(logits):
        small = logits.abs() < wide
        away = torch.where(small, 1.0, logits)
        return torch.where(small, value(logits), (away / (away / 2).tanh()).log())

    return answer


def _away_from_zero(value):
    """A wrong answer: this function of the logits away from 0, and the right series near 0."""

    def answer(logits):
        small = logits.abs() < 0.1
        return torch.where(small, _series(logits), value(torch.where(small, 1.0, logits)))

    return answer


def _by_probabilities(logits):
    p = logits.sigmoid()
    return (2 * torch.atanh(1 - 2 * p) / (1 - 2 * p)).log()


LOG_NORMALISER = Exercise(
    id="05.1",
    title="What a grey pixel's density lacks",
    minutes=11,
    difficulty=2,
    statement=r"Write the continuous Bernoulli's log-normaliser, $\log C = \log \dfrac{\eta}{\tanh(\eta / 2)}$ in nats, from the logit "
    r"$\eta$. "
    r"At $\eta = 0$ that is $0/0$: where $|\eta| < 0.1$ take its series, $\log 2 + \eta^2 / 12 - 7 \eta^4 / 1440$. Value *and gradient* "
    r"must be right everywhere, at $\eta = 0$ and at $\eta = 800$ too.",
    solution=log_normaliser,
    why="`torch.where` picks values, but its gradient visits both branches, and 0 times NaN is NaN. So the branch that is thrown away "
    "must be "
    "finite too: it is given a harmless logit.",
    cases={
        "from 0 to 800": lambda g: _logits(g, 3, 5, *_PLACES),
        "all near 0": lambda g: _logits(g, 2, 5, 0.0, 1e-7, -1e-7, 9e-4, -9e-4, -3e-4, 0.03, -0.06, 0.095, 0.099),
        "ordinary ones": lambda g: _logits(g, 4, 3),
        "one pixel, black": lambda g: _logits(g, 1, 1, -60.0),
    },
    dimensions={"logits": ("batch", "pixels"), "return": ("batch", "pixels")},
    returns=("the log-normaliser",),
    hints=(
        "Which values of η make numerator and denominator both 0? `torch.where(condition, here, there)` chooses place by place. Then ask "
        "what the gradient of the branch that was not chosen is at η = 0.",
        "log C = where(|η| < 0.1, log 2 + η²/12 − 7η⁴/1440, log(η′ / tanh(η′/2))), with η′ = η, but 1 where |η| < 0.1.",
        "small = logits.abs() < 0.1;   away = torch.where(small, 1.0, logits)",
    ),
    misconceptions=(
        Misconception(
            "no series",
            lambda logits: (logits / (logits / 2).tanh()).log(),
            "Right wherever it is a number, and NaN at a logit of exactly 0, a pixel that is as dark as bright: 0 / 0. Take the series "
            "near 0.",
        ),
        Misconception(
            "NaN from the branch not chosen",
            lambda logits: torch.where(logits.abs() < 0.1, _series(logits), (logits / (logits / 2).tanh()).log()),
            "Every value is right, and the gradient at 0 is NaN: `torch.where` sends a zero gradient into the branch that it did not "
            "choose, and zero "
            "times NaN is NaN. Give that branch a harmless logit there.",
        ),
        Misconception(
            "a constant near 0",
            _near_zero(lambda logits: torch.full_like(logits, math.log(2)), wide=1e-3),
            "The values are right to the digits asked, and near 0 the gradient is lost: log 2 alone (or a clamp) is constant. It is "
            "η/6 there, from η²/12.",
        ),
        Misconception(
            "a constant up to 0.1",
            _near_zero(lambda logits: torch.full_like(logits, math.log(2))),
            "Near 0 your log C is constant. Its series goes on after log 2: + η²/12 − 7η⁴/1440.",
        ),
        Misconception(
            "a little added to the logit",
            lambda logits: ((logits + 1e-6) / ((logits + 1e-6) / 2).tanh()).log(),
            "The values are right to the digits asked. A little added to the logit moves the place where the slope is 0, and leaves a "
            "difference of large numbers there. Near 0 the slope should be η/6: take the series.",
        ),
        Misconception(
            "the first term of the series alone",
            _near_zero(lambda logits: math.log(2) + logits**2 / 12),
            "Near 0 it is right to three digits. Up to a logit of 0.1 the next term of the series counts too: − 7η⁴/1440.",
        ),
        Misconception(
            "the series with a sixth",
            _near_zero(lambda logits: math.log(2) + logits**2 / 6 - 7 * logits**4 / 1440),
            "Near 0 the value is too large and the slope twice too steep: it should be η/6, from η²/12.",
        ),
        Misconception(
            "the fourth order added",
            _near_zero(lambda logits: math.log(2) + logits**2 / 12 + 7 * logits**4 / 1440),
            "Away from 0 it is right. In the series the term of fourth order is subtracted: η²/12 − 7η⁴/1440.",
        ),
        Misconception(
            "the series too far out",
            _near_zero(_series, wide=0.3),
            "Your series is used farther out than a logit of 0.1, where the terms that it leaves out begin to count.",
        ),
        Misconception(
            "log 2 missing near 0",
            _near_zero(lambda logits: _series(logits) - math.log(2)),
            "Away from 0 it is right. Near 0 the constant of the series is missing: log C tends to log 2, for η / tanh(η/2) tends to 2.",
        ),
        Misconception(
            "the series of C near 0",
            _near_zero(lambda logits: _series(logits).exp()),
            "Away from 0 it is right. Near 0 that is C itself; asked is log C.",
        ),
        Misconception(
            "the series everywhere",
            _series,
            "That is the series, everywhere. It holds near 0 only; far away log C grows like log |η|.",
        ),
        Misconception(
            "half of the logit forgotten",
            _away_from_zero(lambda away: (away / away.tanh()).log()),
            "The tanh takes half of the logit: η / tanh(η / 2).",
        ),
        Misconception(
            "C for log C",
            _away_from_zero(lambda away: away / (away / 2).tanh()),
            "Near 0 it is right. Farther out that is C; asked is its logarithm.",
        ),
        Misconception(
            "the integral for the normaliser",
            lambda logits: -log_normaliser(logits),
            "That is the logarithm of the integral without normaliser, so the sign is wrong: C is one over the integral.",
        ),
        Misconception(
            "by way of probabilities",
            _by_probabilities,
            "You go by way of p = sigmoid(η), which loses what counts at both places: at p = 1/2 there is 0 / 0, and a large logit's p "
            "rounds to 1. "
            "Stay with the logit.",
        ),
        Misconception(
            "by exponentials",
            _away_from_zero(lambda away: (away * (away.exp() + 1) / (away.exp() - 1)).log()),
            "At a logit of 800 your exponential overflows, and infinity / infinity is NaN. (e^η + 1) / (e^η − 1) is 1 / tanh(η/2), which "
            "does not.",
        ),
        Misconception(
            "a Bernoulli needs none",
            torch.zeros_like,
            "Zero is the log-normaliser of bits. A grey pixel can be any number between 0 and 1, and over all of them the Bernoulli's "
            "formula does not "
            "integrate to 1.",
        ),
    ),
)


# 05.2


def split_rate(log_q, log_prior):
    """The rate in two parts, in nats: I(x; z) under q, and KL(q(z) || p(z)), q(z) = 1/N sum_j q(z | x_j).

    log_q[i, j] = log q(z_i | x_j), where z_i was drawn from q(z | x_i): [images, images].
    log_prior: log p(z_i), [images] → the two parts, each a mean over the z_i, [] and [].
    """
    log_aggregate = log_q.logsumexp(1) - math.log(log_q.shape[1])  # log q(z_i): [images]
    information = (log_q.diagonal() - log_aggregate).mean()
    return information, (log_aggregate - log_prior).mean()


def _rate_inputs(generator: Generator, images: int, distance: float, loc: float = 0.0) -> dict[str, Tensor]:
    """log q from codes that lie `distance` apart, in five dimensions, each with a scale of its own."""
    code, scale = _normal(generator, images, 5, scale=distance), _scale(generator, images, 5, high=0.9).detach()
    z = code + scale * _normal(generator, images, 5)
    log_q = (-0.5 * ((z[:, None] - code) / scale) ** 2 - scale.log()).sum(-1) - 2.5 * math.log(2 * math.pi)
    return {"log_q": log_q + loc, "log_prior": -0.5 * (z**2).sum(-1) - 2.0 + loc}


def _split_with(aggregate, own=lambda log_q: log_q.diagonal()):
    """A wrong answer with this log q(z_i) and this log q(z_i | x_i), functions of log q."""
    return lambda log_q, log_prior: ((own(log_q) - aggregate(log_q)).mean(), (aggregate(log_q) - log_prior).mean())


def _aggregate(log_q):
    return log_q.logsumexp(1) - math.log(log_q.shape[1])


def _others_aggregate(log_q):
    itself = torch.eye(len(log_q), dtype=torch.bool)
    return log_q.masked_fill(itself, -torch.inf).logsumexp(1) - math.log(len(log_q) - 1)


SPLIT_RATE = Exercise(
    id="05.2",
    title="What the rate pays for",
    minutes=8,
    difficulty=2,
    statement=r"Split the rate: return the mutual information $\frac 1 N \sum_i \big[\log q(z_i \mid x_i) - \log q(z_i)\big]$ and the "
    r"marginal "
    r"divergence $\frac 1 N \sum_i \big[\log q(z_i) - \log p(z_i)\big]$, where $q(z) = \frac 1 N \sum_j q(z \mid x_j)$ is the "
    r"aggregate posterior. "
    r"`log_q[i, j]` is $\log q(z_i \mid x_j)$, and may be far too small for its exponential.",
    solution=split_rate,
    why="log q(z) is added and taken off again, so the two parts sum to the rate, whatever q(z) is. The first is what z tells of x; "
    "only the "
    "second can be won by a better prior, and it vanishes where p(z) = q(z).",
    cases={
        "seven images, far apart": lambda g: _rate_inputs(g, 7, 2.0),
        "five images, close together": lambda g: _rate_inputs(g, 5, 0.3),
        "very small densities": lambda g: _rate_inputs(g, 4, 0.8, loc=-900.0),
        "two images": lambda g: _rate_inputs(g, 2, 0.5),
    },
    dimensions={"log_q": ("images", "images"), "log_prior": ("images",), "return": ((), ())},
    returns=("the mutual information", "the marginal divergence"),
    hints=(
        "log q(z_i | x_i) stands on the diagonal. log q(z_i) needs the whole row i: all the images that might have made z_i.",
        "log q(z_i) = logsumexp_j log_q[i, j] − log N;   then two means of differences.",
        "log_aggregate = log_q.logsumexp(1) - math.log(log_q.shape[1])",
    ),
    misconceptions=(
        Misconception(
            "over the draws",
            _split_with(lambda log_q: log_q.logsumexp(0) - math.log(len(log_q))),
            "You sum over z, the rows. log q(z_i) mixes the densities that all images x_j give to one z_i: sum along row i, dimension 1.",
        ),
        Misconception(
            "a sum for the aggregate",
            _split_with(lambda log_q: log_q.logsumexp(1)),
            "Your aggregate posterior is the sum of the q(z | x_j). It is their mean: subtract log N.",
        ),
        Misconception(
            "log N added",
            _split_with(lambda log_q: log_q.logsumexp(1) + math.log(len(log_q))),
            "You add log N. A mean divides by N, so its log subtracts log N.",
        ),
        Misconception(
            "the mean of the logs",
            _split_with(lambda log_q: log_q.mean(1)),
            "You average log densities. q(z) averages densities: log of the mean, by `logsumexp`.",
        ),
        Misconception(
            "its own image left out",
            _split_with(_others_aggregate),
            "You leave image i out of q(z_i). The aggregate posterior is of all N images, the one that z_i came from among them.",
        ),
        Misconception(
            "by exponentials",
            _split_with(lambda log_q: log_q.exp().mean(1).log()),
            "Right while the densities are not too small for a floating-point number; at −900 they are all 0, and their log is −∞. "
            "`logsumexp` takes the "
            "largest out first.",
        ),
        Misconception(
            "all pairs for the own ones",
            _split_with(_aggregate, own=lambda log_q: log_q.mean(1)),
            "The second part is right. The first takes log q(z_i | x_j) of all pairs; z_i was drawn for x_i, so it is the diagonal.",
        ),
        Misconception(
            "the rate for the information",
            lambda log_q, log_prior: ((log_q.diagonal() - log_prior).mean(), (_aggregate(log_q) - log_prior).mean()),
            "The second part is right. The first is the whole rate, log q(z | x) − log p(z); the mutual information has q(z) in place of "
            "p(z).",
        ),
        Misconception(
            "the rate for the divergence",
            lambda log_q, log_prior: (split_rate(log_q, log_prior)[0], (log_q.diagonal() - log_prior).mean()),
            "The first part is right. The second is the whole rate; the marginal divergence has q(z) in place of q(z | x).",
        ),
        Misconception(
            "the divergence the other way",
            lambda log_q, log_prior: (split_rate(log_q, log_prior)[0], -split_rate(log_q, log_prior)[1]),
            "The first part is right. The second has the wrong sign: log q(z) less log p(z), for the z came from q.",
        ),
        Misconception(
            "the information negative",
            lambda log_q, log_prior: (-split_rate(log_q, log_prior)[0], split_rate(log_q, log_prior)[1]),
            "The second part is right. The first has the wrong sign: a mutual information is not negative.",
        ),
        Misconception(
            "sums for means",
            lambda log_q, log_prior: tuple(len(log_q) * part for part in split_rate(log_q, log_prior)),
            "Both parts are summed over the images. They are asked per image: take means.",
        ),
        Misconception(
            "the two exchanged",
            lambda log_q, log_prior: split_rate(log_q, log_prior)[::-1],
            "Both numbers are right, in the wrong order: the mutual information first.",
        ),
    ),
)


# 05.3


def free_bits_rate(loc, scale, floor):
    """The rate with free bits in nats: a coordinate's mean KL to N(0, 1), or `floor` if less, summed.

    q(z | x) = N(loc, scale²), loc and scale: [batch, latent]; floor: nats per coordinate, a float.
    KL(N(m, s²) || N(0, 1)) = (m² + s² - 1) / 2 - log s; its mean is over the batch → [].
    """
    kl = (loc**2 + scale**2 - 1) / 2 - scale.log()  # [batch, latent]
    return kl.mean(0).clamp(min=floor).sum()


def _codes(generator: Generator, batch: int, latent: int, floor: float) -> dict[str, Tensor | float]:
    """Coordinates that are used by turns much, and next to not at all."""
    use = torch.tensor([0.5, 0.1, 1.5], dtype=torch.float64)[torch.arange(latent) % 3]
    loc = _normal(generator, batch, latent) * use
    scale = (1 - 0.6 * use.clamp(max=1.0)) * (0.9 + 0.2 * torch.rand(batch, latent, generator=generator, dtype=torch.float64))
    return {"loc": loc.requires_grad_(), "scale": scale.requires_grad_(), "floor": floor}


def _kl(loc, scale):
    return (loc**2 + scale**2 - 1) / 2 - scale.log()


def _floored(kl, floor):
    return kl.mean(0).clamp(min=floor).sum()


def _straight_floor(loc, scale, floor):
    kl = _kl(loc, scale).mean(0)
    return (kl + (kl.clamp(min=floor) - kl).detach()).sum()


FREE_BITS = Exercise(
    id="05.3",
    title="Free bits",
    minutes=4,
    difficulty=1,
    statement=r"Write the rate with free bits: the KL of each coordinate, $\mathrm{KL}(\mathcal N(\mu, \sigma^2) \,\|\, \mathcal N(0, 1)) "
    r"= (\mu^2 + \sigma^2 - 1)/2 - \log \sigma$, averaged over the batch, counted as `floor` nats where it is less, and summed over "
    r"coordinates. "
    r"A coordinate below the floor gets no gradient.",
    solution=free_bits_rate,
    why="Below the floor the objective pays the same for a coordinate however little it is used, so nothing pushes it to the prior. The "
    "mean comes first: the floor is for a coordinate, and one image may use it less than another.",
    cases={
        "some below, some above": lambda g: _codes(g, 4, 6, 0.3),
        "a floor of zero": lambda g: _codes(g, 5, 3, 0.0),
        "nearly all below": lambda g: _codes(g, 3, 4, 0.8),
        "one image": lambda g: _codes(g, 1, 5, 0.2),
        "two that are little used": lambda g: _codes(g, 6, 2, 0.25),
    },
    dimensions={"loc": ("batch", "latent"), "scale": ("batch", "latent"), "return": ()},
    returns=("the rate",),
    hints=(
        "Three steps, and their order matters: one number for each coordinate of each image; one for each coordinate; one.",
        "Σ_d max(floor, mean_b KL[b, d]). `clamp(min=...)` has gradient 0 where it acts.",
        "kl = (loc**2 + scale**2 - 1) / 2 - scale.log()  # [batch, latent]",
    ),
    misconceptions=(
        Misconception(
            "a floor for every image",
            lambda loc, scale, floor: _kl(loc, scale).clamp(min=floor).mean(0).sum(),
            "You apply the floor to every image's KL, and average then. Average over the batch first: a coordinate may be little used for "
            "one image and much for another.",
        ),
        Misconception(
            "one floor for the sum",
            lambda loc, scale, floor: _kl(loc, scale).mean(0).sum().clamp(min=floor),
            "You apply one floor to the whole rate: a single busy coordinate satisfies it, and the others collapse as before. Each "
            "coordinate has a floor of its own.",
        ),
        Misconception(
            "a floor for every image's sum",
            lambda loc, scale, floor: _kl(loc, scale).sum(-1).clamp(min=floor).mean(),
            "You apply the floor to each image's whole rate. Each coordinate has a floor of its own, for its mean over the batch.",
        ),
        Misconception(
            "the gradient goes through",
            _straight_floor,
            "The value is right, and coordinates below the floor still get a gradient, which goes on pushing them to the prior: they must "
            "get none.",
        ),
        Misconception(
            "no floor",
            lambda loc, scale, floor: _kl(loc, scale).mean(0).sum(),
            "That is the plain rate. Where a coordinate's mean KL is less than `floor`, `floor` counts in its place.",
        ),
        Misconception(
            "only the excess",
            lambda loc, scale, floor: (_kl(loc, scale).mean(0) - floor).clamp(min=0).sum(),
            "The gradient is right; the value is too small by the floor of every coordinate. Free bits are charged in any case, so that "
            "using them costs nothing extra: max(floor, KL).",
        ),
        Misconception(
            "the floor added",
            lambda loc, scale, floor: (_kl(loc, scale).mean(0) + floor).sum(),
            "You add the floor to every coordinate. It takes the place of a KL that is smaller.",
        ),
        Misconception(
            "a ceiling",
            lambda loc, scale, floor: _kl(loc, scale).mean(0).clamp(max=floor).sum(),
            "That is a ceiling: it spares the coordinates that carry much, and pushes those that carry little. `clamp(min=floor)`.",
        ),
        Misconception(
            "zero below the floor",
            lambda loc, scale, floor: torch.where(_kl(loc, scale).mean(0) > floor, _kl(loc, scale).mean(0), 0.0).sum(),
            "Below the floor you count nothing. Count the floor: then the value has no step where a coordinate crosses it.",
        ),
        Misconception(
            "the mean over the coordinates",
            lambda loc, scale, floor: _kl(loc, scale).mean(0).clamp(min=floor).mean(),
            "You average over the coordinates. The rate is their sum.",
        ),
        Misconception(
            "one mean over images and coordinates",
            lambda loc, scale, floor: _kl(loc, scale).mean().clamp(min=floor),
            "You average over images and coordinates at once. Average over the batch, apply the floor to each coordinate, then sum over "
            "the coordinates.",
        ),
        Misconception(
            "all floors at once",
            lambda loc, scale, floor: _kl(loc, scale).mean(0).sum().clamp(min=floor * loc.shape[1]),
            "You compare the whole rate with the sum of the floors: a busy coordinate then pays for an unused one. Compare coordinate by "
            "coordinate.",
        ),
        Misconception(
            "the sum over the batch",
            lambda loc, scale, floor: _kl(loc, scale).sum(0).clamp(min=floor).sum(),
            "You sum over the batch before the floor. The floor is in nats per image: take the mean.",
        ),
        Misconception(
            "scale for variance",
            lambda loc, scale, floor: _floored((loc**2 + scale - 1) / 2 - scale.log(), floor),
            "In the KL it is the variance σ² that stands beside μ²; you have σ.",
        ),
        Misconception(
            "scale is the variance",
            lambda loc, scale, floor: _floored((loc**2 + scale - 1 - scale.log()) / 2, floor),
            "You take `scale` for the variance. It is the standard deviation σ: (μ² + σ² − 1)/2 − log σ.",
        ),
        Misconception(
            "log variance",
            lambda loc, scale, floor: _floored((loc**2 + scale**2 - 1) / 2 - (scale**2).log(), floor),
            "log σ² is twice log σ. In the KL it stands within the half, or log σ outside of it.",
        ),
        Misconception(
            "the half on the squares alone",
            lambda loc, scale, floor: _floored((loc**2 + scale**2 - 1 - scale.log()) / 2, floor),
            "The half belongs to μ² + σ² − 1; log σ is not halved.",
        ),
        Misconception(
            "a half forgotten",
            lambda loc, scale, floor: _floored(loc**2 + scale**2 - 1 - scale.log(), floor),
            "μ² + σ² − 1 is halved in the KL.",
        ),
    ),
)


# 05.4


def vamp_log_prob(z, loc, scale):
    """log p(z) in nats of a VampPrior: p(z) = 1/K sum_k q(z | u_k), q(z | u_k) = N(loc_k, scale_k²).

    z: [batch, latent]. loc, scale: what the encoder makes of the K pseudo-inputs u_k,
    [components, latent] → [batch].
    """
    error = (z[:, None] - loc) / scale  # [batch, components, latent]
    log_q = (-0.5 * error**2 - scale.log() - 0.5 * math.log(2 * math.pi)).sum(-1)  # [batch, components]
    return log_q.logsumexp(-1) - math.log(len(loc))


def _vamp_inputs(generator: Generator, batch: int, components: int, latent: int, spread: float = 1.5) -> dict[str, Tensor]:
    return {
        "z": _leaf(generator, batch, latent, scale=spread),
        "loc": _leaf(generator, components, latent, scale=spread),
        "scale": _scale(generator, components, latent),
    }


def _log_normals(z, loc, scale):
    """[batch, components, latent]"""
    return -0.5 * ((z[:, None] - loc) / scale) ** 2 - scale.log() - 0.5 * math.log(2 * math.pi)


def _vamp_with(log_normals, mix=lambda log_q: log_q.logsumexp(-1) - math.log(log_q.shape[-1])):
    """A wrong answer with these log densities per coordinate [batch, components, latent], or with this mixture of the components."""
    return lambda z, loc, scale: mix(log_normals(z, loc, scale).sum(-1))


def _one_gaussian(z, loc, scale):
    return _log_normals(z, loc.mean(0, keepdim=True), scale.mean(0, keepdim=True)).sum(-1)[:, 0]


VAMP = Exercise(
    id="05.4",
    title="The density of a VampPrior",
    minutes=6,
    difficulty=2,
    statement=r"Write $\log p(z)$ in nats for the prior $p(z) = \frac 1 K \sum_k q(z \mid u_k)$, where "
    r"$q(z \mid u_k) = \prod_d \mathcal N(z_d \mid \mu_{kd}, \sigma_{kd}^2)$ is what the encoder makes of the pseudo-input $u_k$: `loc` "
    r"and `scale`. It must be right far away from all of them, where every $q(z \mid u_k)$ is too small for a floating-point number.",
    solution=vamp_log_prob,
    why="Within a component the coordinates multiply, so their logs are summed; the components are averaged, so that is a logsumexp. The "
    "gradient reaches loc and scale, and through them the encoder and the pseudo-inputs.",
    cases={
        "four of three components": lambda g: _vamp_inputs(g, 4, 3, 2),
        "far away": lambda g: _vamp_inputs(g, 2, 5, 3, spread=60.0),
        "many components in one dimension": lambda g: _vamp_inputs(g, 3, 8, 1),
        "one component": lambda g: _vamp_inputs(g, 5, 1, 4),
    },
    dimensions={"z": ("batch", "latent"), "loc": ("components", "latent"), "scale": ("components", "latent"), "return": ("batch",)},
    returns=("the log-density",),
    hints=(
        "Every z meets every component: which shape has z[:, None] − loc? Of its three dimensions one is a product of densities, and one a "
        "mean of densities.",
        "log q(z|u_k) = Σ_d [−½ ((z_d − μ_kd)/σ_kd)² − log σ_kd − ½ log 2π];   log p(z) = logsumexp_k log q(z|u_k) − log K.",
        "error = (z[:, None] - loc) / scale  # [batch, components, latent]",
    ),
    misconceptions=(
        Misconception(
            "a mixture in each coordinate",
            lambda z, loc, scale: (_log_normals(z, loc, scale).logsumexp(1) - math.log(len(loc))).sum(-1),
            "You mix in each coordinate by itself, which lets z take one coordinate from one component and the next from another. A z "
            "belongs to one component as a whole: sum over the coordinates first, then mix.",
        ),
        Misconception(
            "a mixture in each coordinate, divided once",
            lambda z, loc, scale: _log_normals(z, loc, scale).logsumexp(1).sum(-1) - math.log(len(loc)),
            "You mix before you sum over the coordinates, so z may take each coordinate from another component. The order is: sum over "
            "the coordinates, then logsumexp over the components, then − log K.",
        ),
        Misconception(
            "no dimension for the components",
            lambda z, loc, scale: (-0.5 * ((z - loc) / scale) ** 2 - scale.log() - 0.5 * math.log(2 * math.pi)).sum(-1).logsumexp(-1)
            - math.log(len(loc)),
            "z has shape [batch, latent], and loc [components, latent]: they do not fit each other. Every z meets every component, so give "
            "z a dimension for the components: `z[:, None]`.",
        ),
        Misconception(
            "the mean of the logs",
            _vamp_with(_log_normals, lambda log_q: log_q.mean(-1)),
            "You average log densities: that is the log of their geometric mean, and no density. Average the densities: `logsumexp`.",
        ),
        Misconception(
            "the sum of the components",
            _vamp_with(_log_normals, lambda log_q: log_q.logsumexp(-1)),
            "You sum the K components, so your density integrates to K. Each has the weight 1/K: subtract log K.",
        ),
        Misconception(
            "log K added",
            _vamp_with(_log_normals, lambda log_q: log_q.logsumexp(-1) + math.log(log_q.shape[-1])),
            "You add log K. The weight 1/K divides, so log K is subtracted.",
        ),
        Misconception(
            "the nearest component",
            _vamp_with(_log_normals, lambda log_q: log_q.amax(-1) - math.log(log_q.shape[-1])),
            "You take the largest component alone. The others count too: `logsumexp`.",
        ),
        Misconception(
            "by exponentials",
            _vamp_with(_log_normals, lambda log_q: log_q.exp().mean(-1).log()),
            "Right near the components. Far away each density is 0 as a floating-point number, and you return log 0. `logsumexp` takes the "
            "largest out first.",
        ),
        Misconception(
            "log scale forgotten",
            _vamp_with(lambda z, loc, scale: _log_normals(z, loc, scale) + scale.log()),
            "The − log σ of each coordinate is missing: a narrow Gaussian is a tall one.",
        ),
        Misconception(
            "log scale added",
            _vamp_with(lambda z, loc, scale: _log_normals(z, loc, scale) + 2 * scale.log()),
            "You add log σ. A narrow Gaussian is a tall one: subtract it.",
        ),
        Misconception(
            "log 2π forgotten",
            _vamp_with(lambda z, loc, scale: _log_normals(z, loc, scale) + 0.5 * math.log(2 * math.pi)),
            "The constant −½ log 2π of each coordinate is missing.",
        ),
        Misconception(
            "log 2π once for all coordinates",
            lambda z, loc, scale: vamp_log_prob(z, loc, scale) + 0.5 * (z.shape[-1] - 1) * math.log(2 * math.pi),
            "You subtract ½ log 2π once. Each coordinate's Gaussian has it.",
        ),
        Misconception(
            "the half forgotten",
            _vamp_with(lambda z, loc, scale: _log_normals(z, loc, scale) - 0.5 * ((z[:, None] - loc) / scale) ** 2),
            "The half before the squared error is missing.",
        ),
        Misconception(
            "scale for variance",
            _vamp_with(
                lambda z, loc, scale: (
                    -0.5 * (z[:, None] - loc) ** 2 / scale - 0.5 * scale.log() - 0.5 * math.log(2 * math.pi)
                )
            ),
            "You take `scale` for the variance. It is the standard deviation σ: divide by σ, then square.",
        ),
        Misconception(
            "one Gaussian in the middle",
            _one_gaussian,
            "You average means and scales, and score one Gaussian: it has one mode, in the middle of nowhere. Average the densities.",
        ),
        Misconception(
            "the mean over the coordinates",
            lambda z, loc, scale: _log_normals(z, loc, scale).mean(-1).logsumexp(-1) - math.log(len(loc)),
            "You average over the coordinates. Their densities multiply: sum the logs.",
        ),
        Misconception(
            "the components detached",
            lambda z, loc, scale: vamp_log_prob(z, loc.detach(), scale.detach()),
            "The value is right, and the prior learns nothing: its gradient passes through loc and scale to the encoder and the "
            "pseudo-inputs.",
        ),
        Misconception(
            "the point detached",
            lambda z, loc, scale: vamp_log_prob(z.detach(), loc, scale),
            "The value is right, and z gets no gradient: the posterior must feel where the prior is high.",
        ),
    ),
)


# 05.5


def mixture_surrogate(logits, log_normal, log_joint):
    """sum_k w_k [log p(x, z_k) - log q(z_k)]: the component enumerated, its point z_k reparameterised.

    w = softmax(logits), [batch, components]; q(z) = sum_j w_j N_j(z), the whole mixture.
    log_normal[b, k, j] = log N_j(z_k), z_k drawn from component k: [batch, components, components].
    log_joint[b, k] = log p(x, z_k): [batch, components] → [batch]. Gradients flow everywhere.
    """
    log_weight = logits.log_softmax(-1)  # [batch, components]
    log_q = (log_normal + log_weight[:, None]).logsumexp(-1)  # of each point: [batch, components]
    return (log_weight.exp() * (log_joint - log_q)).sum(-1)


def _mixture_inputs(generator: Generator, batch: int, components: int, loc: float = -3.0, spread: float = 2.0) -> dict[str, Tensor]:
    return {
        "logits": _leaf(generator, batch, components, scale=1.2),
        "log_normal": _leaf(generator, batch, components, components, loc=loc, scale=spread),
        "log_joint": _leaf(generator, batch, components, loc=-8.0, scale=3.0),
    }


def _log_q(logits, log_normal):
    return (log_normal + logits.log_softmax(-1)[:, None]).logsumexp(-1)


def _surrogate_with(log_q, weight=lambda logits: logits.softmax(-1)):
    """A wrong answer with this log q [batch, components], a function of logits and log_normal, or these weights."""
    return lambda logits, log_normal, log_joint: (weight(logits) * (log_joint - log_q(logits, log_normal))).sum(-1)


def _own(log_normal):
    return log_normal.diagonal(dim1=-2, dim2=-1)


MIXTURE = Exercise(
    id="05.5",
    title="Every component, one point each",
    minutes=11,
    difficulty=3,
    statement=r"For $q(z) = \sum_j w_j\, \mathcal N_j(z)$ with $w = \mathrm{softmax}(\text{logits})$, and a point $z_k$ drawn from each "
    r"component by reparameterisation, write the surrogate $\sum_k w_k \big[\log p(x, z_k) - \log q(z_k)\big]$, where $\log q$ is that of "
    r"the *whole* mixture. `log_normal[b, k, j]` is $\log \mathcal N_j(z_k)$ for datum $b$, `log_joint[b, k]` is $\log p(x, z_k)$. "
    r"Nothing is detached.",
    solution=mixture_surrogate,
    why="The sum over components is the exact mean over them, so the weights get their gradient as ordinary numbers, without a score "
    "function; the points carry the gradient of means and scales.",
    cases={
        "three of four components": lambda g: _mixture_inputs(g, 3, 4),
        "densities too small for a float": lambda g: _mixture_inputs(g, 2, 3, loc=-900.0, spread=5.0),
        "two components": lambda g: _mixture_inputs(g, 5, 2),
        "a mixture of one": lambda g: _mixture_inputs(g, 4, 1),
    },
    dimensions={
        "logits": ("batch", "components"), "log_normal": ("batch", "points", "components"), "log_joint": ("batch", "components"),
        "return": ("batch",),
    },  # fmt: skip
    returns=("the surrogate",),
    hints=(
        "Every point has its density under every component: that is why log_normal has two dimensions of one size. Which of them does "
        "q(z_k) sum over, and where do the weights of the components stand?",
        "log q(z_k) = logsumexp_j [log w_j + log_normal[b, k, j]];   surrogate = Σ_k w_k [log_joint[b, k] − log q(z_k)].",
        "log_weight = logits.log_softmax(-1);   log_weight[:, None] is [batch, 1, components], and fits log_normal's last dimension.",
    ),
    misconceptions=(
        Misconception(
            "its own component's density",
            _surrogate_with(lambda logits, log_normal: _own(log_normal)),
            "You score z_k by its own component's density alone, which makes a looser bound. A point may lie in several components, and "
            "forgets which it came from: log q(z_k) is that of the whole mixture.",
        ),
        Misconception(
            "its own component's weighted density",
            _surrogate_with(lambda logits, log_normal: logits.log_softmax(-1) + _own(log_normal)),
            "You score the pair (k, z_k), log w_k + log N_k(z_k), while log p(x, z) knows of no k: the number is then too high, by how "
            "unsure k is given z, and no bound. Asked is log q(z_k), summed over all components.",
        ),
        Misconception(
            "the weights at the points",
            _surrogate_with(lambda logits, log_normal: (log_normal + logits.log_softmax(-1)[:, :, None]).logsumexp(-1)),
            "Within log q(z_k) you weigh every term with w_k, the weight of the component that made the point. The term of component j has "
            "w_j: `[:, None]`, not `[:, :, None]`.",
        ),
        Misconception(
            "reduced over the points",
            _surrogate_with(lambda logits, log_normal: (log_normal + logits.log_softmax(-1)[:, :, None]).logsumexp(1)),
            "You sum over the points, dimension 1. log q(z_k) sums over the components j that might have made z_k: the last dimension.",
        ),
        Misconception(
            "along the points",
            _surrogate_with(lambda logits, log_normal: (log_normal + logits.log_softmax(-1)[:, None]).logsumexp(1)),
            "The weights stand where they should. Sum along the row j, the last dimension, and not over the points k.",
        ),
        Misconception(
            "over points and components at once",
            _surrogate_with(
                lambda logits, log_normal: (log_normal + logits.log_softmax(-1)[:, None]).logsumexp((1, 2))[:, None]
            ),
            "Your log q is one number for all points of a datum. Every point z_k has a log q of its own: sum along the row j, the last "
            "dimension, alone.",
        ),
        Misconception(
            "no weights in log q",
            _surrogate_with(lambda logits, log_normal: log_normal.logsumexp(-1)),
            "In log q(z_k) the components are not weighed. Add log w_j to log N_j(z_k) before the logsumexp.",
        ),
        Misconception(
            "all components alike in log q",
            _surrogate_with(lambda logits, log_normal: log_normal.logsumexp(-1) - math.log(log_normal.shape[-1])),
            "In log q(z_k) you give all components the weight 1/K. They have the weights w_j.",
        ),
        Misconception(
            "logits for log weights",
            _surrogate_with(lambda logits, log_normal: (log_normal + logits[:, None]).logsumexp(-1)),
            "In log q(z_k) you use the logits as they are. The log weights are `logits.log_softmax(-1)`.",
        ),
        Misconception(
            "the weights detached",
            _surrogate_with(_log_q, weight=lambda logits: logits.softmax(-1).detach()),
            "The value is right, and the weights lose the gradient that says which component is good: do not detach them.",
        ),
        Misconception(
            "log q detached",
            _surrogate_with(lambda logits, log_normal: _log_q(logits, log_normal).detach()),
            "The value is right. With log q detached, the points no longer feel that they crowd where q is high already: nothing is to be "
            "detached.",
        ),
        Misconception(
            "all components alike",
            _surrogate_with(_log_q, weight=lambda logits: torch.full_like(logits, 1 / logits.shape[-1])),
            "You average over the components as if each were drawn equally often. Component k has probability w_k.",
        ),
        Misconception(
            "the sum over the components",
            _surrogate_with(_log_q, weight=torch.ones_like),
            "You sum over the components without their weights. It is an expectation: Σ_k w_k […].",
        ),
        Misconception(
            "log weights for weights",
            _surrogate_with(_log_q, weight=lambda logits: logits.log_softmax(-1)),
            "You weigh with log w_k. The expectation weighs with w_k: exponentiate.",
        ),
        Misconception(
            "by exponentials",
            _surrogate_with(lambda logits, log_normal: (log_normal.exp() * logits.softmax(-1)[:, None]).sum(-1).log()),
            "Right while the densities are not too small for a floating-point number; at −900 they are 0, and their log is −∞. Use "
            "`logsumexp`.",
        ),
        Misconception(
            "log q added",
            _surrogate_with(lambda logits, log_normal: -_log_q(logits, log_normal)),
            "You add log q. The bound is E[log p(x, z) − log q(z)].",
        ),
        Misconception(
            "a loss",
            lambda logits, log_normal, log_joint: -mixture_surrogate(logits, log_normal, log_joint),
            "That is the surrogate with its sign turned, a loss. Asked is the bound, which is climbed.",
        ),
        Misconception(
            "a score function for the component",
            lambda logits, log_normal, log_joint: (
                logits.softmax(-1).detach()
                * (
                    log_joint
                    - _log_q(logits, log_normal)
                    + (log_joint - _log_q(logits, log_normal)).detach() * logits.log_softmax(-1)
                )
            ).sum(-1),
            "The gradient is right, by way of log w and a score function, and the value is not the bound. Where you sum over all "
            "components, w_k itself carries the gradient: Σ_k w_k […].",
        ),
    ),
)


# 05.6


def affine_coupling(z, log_q, weight, context):
    """One affine coupling layer: y and log q(y) in nats. The first coordinates stay, the others move.

    z_kept @ weight + context: shift and log scale, side by side; y_moved = scale z_moved + shift.
    z: [batch, kept + moved], log_q = log q(z): [batch]; weight: [kept, 2 moved];
    context, what the encoder says of x: [batch, 2 moved] → y [batch, kept + moved], [batch].
    """
    kept, moved = z[:, : len(weight)], z[:, len(weight) :]
    shift, log_scale = (kept @ weight + context).chunk(2, -1)  # each [batch, moved]
    y = torch.cat([kept, moved * log_scale.exp() + shift], -1)
    return y, log_q - log_scale.sum(-1)


def _coupling_inputs(generator: Generator, batch: int, kept: int, moved: int) -> dict[str, Tensor]:
    return {
        "z": _leaf(generator, batch, kept + moved),
        "log_q": _leaf(generator, batch, loc=-4.0),
        "weight": _leaf(generator, kept, 2 * moved, scale=0.4),
        "context": _leaf(generator, batch, 2 * moved, scale=0.6),
    }


def _coupling_with(move, log_det):
    """A wrong answer with this y_moved, a function of z_moved, shift, log scale, and this log |det|, a function of shift and log scale."""

    def answer(z, log_q, weight, context):
        kept, moved = z[:, : len(weight)], z[:, len(weight) :]
        shift, log_scale = (kept @ weight + context).chunk(2, -1)
        return torch.cat([kept, move(moved, shift, log_scale)], -1), log_q - log_det(shift, log_scale)

    return answer


def _moved(moved, shift, log_scale):
    return moved * log_scale.exp() + shift


def _log_det(shift, log_scale):
    return log_scale.sum(-1)


def _exchanged(z, log_q, weight, context):
    kept, moved = z[:, : len(weight)], z[:, len(weight) :]
    log_scale, shift = (kept @ weight + context).chunk(2, -1)
    return torch.cat([kept, _moved(moved, shift, log_scale)], -1), log_q - log_scale.sum(-1)


def _other_order(z, log_q, weight, context):
    y, log_density = affine_coupling(z, log_q, weight, context)
    return torch.cat([y[:, len(weight) :], y[:, : len(weight)]], -1), log_density


def _interleaved(z, log_q, weight, context):
    kept, moved = z[:, : len(weight)], z[:, len(weight) :]
    parameters = kept @ weight + context
    shift, log_scale = parameters[:, ::2], parameters[:, 1::2]
    return torch.cat([kept, _moved(moved, shift, log_scale)], -1), log_q - log_scale.sum(-1)


COUPLING = Exercise(
    id="05.6",
    title="An affine coupling layer",
    minutes=7,
    difficulty=2,
    statement=r"Write one affine coupling layer. The first coordinates of $z$, as many as `weight` has rows, stay; shift $t$ and log scale "
    r"$s$ of the others are the two halves of `kept @ weight + context`, and $y_\text{moved} = e^{s} z_\text{moved} + t$. Return $y$ and "
    r"$\log q(y) = \log q(z) - \sum s$, with gradients to everything.",
    solution=affine_coupling,
    why="The coordinates that stay decide how the others move, so the Jacobian is triangular, with 1 and e^s on its diagonal: its log "
    "determinant is the sum of s. And y_kept = z_kept tells the inverse all it needs.",
    cases={
        "two stay, three move": lambda g: _coupling_inputs(g, 4, 2, 3),
        "four stay, one moves": lambda g: _coupling_inputs(g, 3, 4, 1),
        "one stays, two move": lambda g: _coupling_inputs(g, 5, 1, 2),
        "one datum": lambda g: _coupling_inputs(g, 1, 3, 4),
    },
    dimensions={
        "z": ("batch", "kept + moved"), "log_q": ("batch",), "weight": ("kept", "2 moved"), "context": ("batch", "2 moved"),
        "return": (("batch", "kept + moved"), ("batch",)),
    },  # fmt: skip
    returns=("y", "log q(y)"),
    hints=(
        "`len(weight)` says where to cut z, and `.chunk(2, -1)` cuts in halves. Where space is stretched, is the density higher or lower?",
        "y = [z_kept, e^s z_moved + t];   log q(y) = log q(z) − Σ s.",
        "kept, moved = z[:, : len(weight)], z[:, len(weight) :]",
    ),
    misconceptions=(
        Misconception(
            "the wrong sign of the determinant",
            _coupling_with(_moved, lambda shift, log_scale: -log_scale.sum(-1)),
            "y is right. Where a layer stretches space, the density thins out: log |det| is subtracted.",
        ),
        Misconception(
            "no determinant",
            _coupling_with(_moved, lambda shift, log_scale: 0.0),
            "y is right. The log density is still that of z: stretching changes it by −Σ s.",
        ),
        Misconception(
            "the scales summed",
            _coupling_with(_moved, lambda shift, log_scale: log_scale.exp().sum(-1)),
            "y is right. The determinant is the product of the scales, so its log is the sum of their logs, s; you sum e^s.",
        ),
        Misconception(
            "the determinant without its log",
            _coupling_with(_moved, lambda shift, log_scale: log_scale.sum(-1).exp()),
            "y is right. You subtract the determinant. Among logs its log is subtracted: Σ s.",
        ),
        Misconception(
            "the mean of the log scales",
            _coupling_with(_moved, lambda shift, log_scale: log_scale.mean(-1)),
            "y is right. The log determinant is the sum of the s, and not their mean.",
        ),
        Misconception(
            "the shift in the determinant",
            _coupling_with(_moved, lambda shift, log_scale: (log_scale + shift).sum(-1)),
            "y is right. A shift moves the density and does not change its height: only s enters the determinant.",
        ),
        Misconception(
            "the determinant detached",
            _coupling_with(_moved, lambda shift, log_scale: log_scale.sum(-1).detach()),
            "The values are right, and the determinant's gradient is lost: without it nothing keeps the scales from shrinking.",
        ),
        Misconception(
            "shift and scale exchanged",
            _exchanged,
            "You take the first half for the log scale. The first half is the shift t, the second the log scale s.",
        ),
        Misconception(
            "shift and scale interleaved",
            _interleaved,
            "You take every other number for the shift. The first half is the shift, the second the log scale: `.chunk(2, -1)`.",
        ),
        Misconception(
            "the log scale as scale",
            _coupling_with(lambda moved, shift, log_scale: moved * log_scale + shift, _log_det),
            "log q(y) is right. You multiply by s, which may be negative or 0; the scale is e^s.",
        ),
        Misconception(
            "the shift is stretched too",
            _coupling_with(lambda moved, shift, log_scale: (moved + shift) * log_scale.exp(), _log_det),
            "log q(y) is right. You shift before you stretch. Asked is e^s z + t.",
        ),
        Misconception(
            "the inverse",
            _coupling_with(
                lambda moved, shift, log_scale: (moved - shift) * (-log_scale).exp(), lambda shift, log_scale: -log_scale.sum(-1)
            ),
            "That is the inverse, from y to z. Asked is the way from z to y: stretch, then shift.",
        ),
        Misconception(
            "the context left out",
            lambda z, log_q, weight, context: affine_coupling(z, log_q, weight, torch.zeros_like(context)),
            "The context is left out: your layer is the same for every x.",
        ),
        Misconception(
            "the context alone",
            lambda z, log_q, weight, context: affine_coupling(z, log_q, torch.zeros_like(weight), context),
            "The coordinates that stay have no say in your layer, which then only shifts and scales: a Gaussian stays a Gaussian. Add "
            "kept @ weight.",
        ),
        Misconception(
            "the parts in the other order",
            _other_order,
            "log q(y) is right. y holds the moved part first; the part that stays keeps its place at the front.",
        ),
        Misconception(
            "z detached where it decides",
            lambda z, log_q, weight, context: affine_coupling(
                torch.cat([z[:, : len(weight)].detach(), z[:, len(weight) :]], -1), log_q, weight, context
            ),
            "The values are right. The coordinates that stay are detached, so no gradient reaches what made them.",
        ),
    ),
)

EXERCISES: tuple[Exercise, ...] = (LOG_NORMALISER, SPLIT_RATE, FREE_BITS, VAMP, MIXTURE, COUPLING)

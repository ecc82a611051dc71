"""Further wrong answers to exercise 02.4: other Gaussians, sums in the wrong order, log N in the wrong place."""

from __future__ import annotations

import math

from torch.distributions import Normal

from helpers.exercises.exercise import Misconception


def _each(z, loc, scale):
    """log q(z | x_i), coordinate by coordinate: [points, images, latent]."""
    return Normal(loc, scale).log_prob(z[:, None])


def _with_scale(scale_of):
    """A wrong answer: the mixture with this function of scale in its place."""
    return lambda z, loc, scale: _each(z, loc, scale_of(scale)).sum(-1).logsumexp(1) - math.log(len(loc))


def _with_density(log_density):
    """A wrong answer: the mixture with this log density of a coordinate, a function of the standardised one and scale."""
    return lambda z, loc, scale: (
        log_density((z[:, None] - loc) / scale, scale).sum(-1).logsumexp(1) - math.log(len(loc))
    )


SLIPS = (
    Misconception(
        "variance given to Normal",
        _with_scale(lambda scale: scale**2),
        "You square scale. The second argument of `Normal` is the standard deviation, and scale is that already.",
    ),
    Misconception(
        "square root of scale",
        _with_scale(lambda scale: scale.sqrt()),
        "You take the square root of scale. scale is a standard deviation, which `Normal` takes as it is.",
    ),
    Misconception(
        "scale taken for a log-variance",
        _with_scale(lambda scale: (0.5 * scale).exp()),
        "You use exp(scale / 2) as the standard deviation, as if scale were a log-variance. scale is the standard deviation "
        "itself.",
    ),
    Misconception(
        "log scale left out",
        _with_density(lambda u, scale: -0.5 * (u**2 + math.log(2 * math.pi)) + 0 * scale),
        "−log scale is missing in your log densities, for each coordinate. In a mixture it weighs narrow against wide.",
    ),
    Misconception(
        "log scale added",
        _with_density(lambda u, scale: -0.5 * (u**2 + math.log(2 * math.pi)) + scale.log()),
        "log scale has the wrong sign in your log densities: a narrow Gaussian is high, so −log scale belongs in it.",
    ),
    Misconception(
        "no half before the square",
        _with_density(lambda u, scale: -(u**2) - 0.5 * math.log(2 * math.pi) - scale.log()),
        "The ½ before the square is missing in your log densities.",
    ),
    Misconception(
        "images summed before coordinates",
        lambda z, loc, scale: _each(z, loc, scale).logsumexp((1, 2)) - math.log(len(loc)),
        "You sum densities over images and coordinates alike. The coordinates of one image multiply: sum their logarithms "
        "first, then `logsumexp` over the images.",
    ),
    Misconception(
        "coordinates and images exchanged",
        lambda z, loc, scale: _each(z, loc, scale).logsumexp(-1).sum(1),
        "You take `logsumexp` over the coordinates and the sum over the images. It is the other way round.",
    ),
    Misconception(
        "averages over the coordinates",
        lambda z, loc, scale: _each(z, loc, scale).mean(-1).logsumexp(1) - math.log(len(loc)),
        "You average the log densities over the coordinates. The coordinates of one image are independent: their log "
        "densities add.",
    ),
    Misconception(
        "the nearest image for all",
        lambda z, loc, scale: _each(z, loc, scale).sum(-1).amax(1) - math.log(len(loc)),
        "You take the image with the highest density for all of them. That is a lower bound: the others add to it. Use "
        "`logsumexp`.",
    ),
    Misconception(
        "the nearest image alone",
        lambda z, loc, scale: _each(z, loc, scale).sum(-1).amax(1),
        "You take the highest density among the images. q(z) is the mean over all of them: `logsumexp`, less log N.",
    ),
    Misconception(
        "one Gaussian with the average parameters",
        lambda z, loc, scale: Normal(loc.mean(0), scale.mean(0)).log_prob(z).sum(-1),
        "You average the parameters and use one Gaussian. q(z) averages the densities: one Gaussian for each image.",
    ),
    Misconception(
        "divided by N after the logarithm",
        lambda z, loc, scale: _each(z, loc, scale).sum(-1).logsumexp(1) / len(loc),
        "You divide the logarithm by N. A mean divides the density by N, so subtract log N from its logarithm.",
    ),
    Misconception(
        "log N in each coordinate",
        lambda z, loc, scale: (_each(z, loc, scale) - math.log(len(loc))).sum(-1).logsumexp(1),
        "You subtract log N in every coordinate. Each image has weight 1/N once: subtract log N after the sum over "
        "coordinates.",
    ),
    Misconception(
        "normaliser once for each image",
        lambda z, loc, scale: (
            ((_each(z, loc, scale) + 0.5 * math.log(2 * math.pi)).sum(-1) - 0.5 * math.log(2 * math.pi)).logsumexp(1)
            - math.log(len(loc))
        ),
        "You subtract ½ log 2π once for each image. Each coordinate has a normaliser of its own: put it inside the sum.",
    ),
    Misconception(
        "log of the number of latents",
        lambda z, loc, scale: _each(z, loc, scale).sum(-1).logsumexp(1) - math.log(loc.shape[1]),
        "You divide by the number of latent coordinates. The mean is over the images: N is the number of rows of loc.",
    ),
    *(
        Misconception(
            f"adds {small:g} before the logarithm",
            lambda z, loc, scale, small=small: (_each(z, loc, scale).sum(-1).exp().mean(1) + small).log(),
            f"You add {small:g} before the logarithm, so far from all codes every density looks the same. `logsumexp` needs "
            "no such help.",
        )
        for small in (1e-6, 1e-10, 1e-12, 1e-20, 1e-30, 1e-40)
    ),
)

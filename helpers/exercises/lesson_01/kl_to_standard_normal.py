"""Exercise 01.1: a divergence in closed form."""

from __future__ import annotations

import math

import torch

from helpers.exercises.engine.inputs import log_uniform_leaf, normal_leaf, uniform_leaf
from helpers.exercises.exercise import Exercise, Misconception


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
        "four codes": lambda g: {"loc": normal_leaf(g, 4, 3), "scale": uniform_leaf(g, 0.3, 2.5, 4, 3)},
        "one code": lambda g: {"loc": normal_leaf(g, 1, 5, scale=3.0), "scale": uniform_leaf(g, 0.01, 0.2, 1, 5)},
        "scales from 0.0001 to 300": lambda g: {
            "loc": normal_leaf(g, 6, 7, scale=30.0),
            "scale": log_uniform_leaf(g, 1e-4, 300.0, 6, 7),
        },
        "one latent coordinate": lambda g: {
            "loc": normal_leaf(g, 5, 1),
            "scale": log_uniform_leaf(g, 0.1, 10.0, 5, 1),
        },
        "as many codes as coordinates": lambda g: {
            "loc": normal_leaf(g, 3, 3),
            "scale": log_uniform_leaf(g, 0.2, 5.0, 3, 3),
        },
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
        Misconception(
            "scale taken for a log-variance",
            lambda loc, scale: 0.5 * (loc**2 + scale.exp() - 1 - scale).sum(-1),
            "You use scale as if it were the log-variance log σ², as many encoders return it: exp(scale) stands for σ², and "
            "scale for its logarithm. Here scale is σ itself.",
        ),
        Misconception(
            "scale taken for a logarithm",
            lambda loc, scale: 0.5 * (loc**2 + (2 * scale).exp() - 1 - 2 * scale).sum(-1),
            "You use scale as if it were log σ: exp(2 · scale) stands for σ². Here scale is σ itself.",
        ),
        Misconception(
            "scale squared twice",
            lambda loc, scale: 0.5 * (loc**2 + scale**4 - 1 - 4 * scale.log()).sum(-1),
            "You use scale² as the standard deviation. scale is the standard deviation itself: its square is the variance. "
            "`Normal` takes it as it is.",
        ),
        Misconception(
            "scale not squared",
            lambda loc, scale: 0.5 * (loc**2 + scale - 1 - 2 * scale.log()).sum(-1),
            "One square is missing: the formula has σ², scale², beside μ².",
        ),
        Misconception(
            "mean not squared",
            lambda loc, scale: 0.5 * (loc + scale**2 - 1 - 2 * scale.log()).sum(-1),
            "One square is missing: the formula has μ². A mean below zero is as far from the prior as one above.",
        ),
        Misconception(
            "size of the mean",
            lambda loc, scale: 0.5 * (loc.abs() + scale**2 - 1 - 2 * scale.log()).sum(-1),
            "You use |μ|; the formula has μ².",
        ),
        Misconception(
            "means added before squaring",
            lambda loc, scale: 0.5 * (loc.sum(-1) ** 2 + (scale**2 - 1 - 2 * scale.log()).sum(-1)),
            "You add the means of the coordinates and square the sum. Square each mean, then add.",
        ),
        Misconception(
            "minus one once",
            lambda loc, scale: 0.5 * ((loc**2 + scale**2 - 2 * scale.log()).sum(-1) - 1),
            "You subtract 1 once for each code. Each latent coordinate has a −1 of its own: put it inside the sum.",
        ),
        Misconception(
            "leaves out minus one",
            lambda loc, scale: 0.5 * (loc**2 + scale**2 - 2 * scale.log()).sum(-1),
            "The −1 is missing: half a nat too much for each latent coordinate. The KL of the prior from itself is 0.",
        ),
        Misconception(
            "half of the squares alone",
            lambda loc, scale: (0.5 * (loc**2 + scale**2 - 1) - 2 * scale.log()).sum(-1),
            "The logarithm counts twice: ½ log σ² is log σ, so subtract log σ, or put 2 log σ inside the factor ½.",
        ),
        Misconception(
            "logarithm to base two",
            lambda loc, scale: 0.5 * (loc**2 + scale**2 - 1 - 2 * scale.log2()).sum(-1),
            "Your logarithm is to base 2, the rest is in nats: use the natural logarithm, `log`.",
        ),
        Misconception(
            "the mean left out",
            lambda loc, scale: 0.5 * (scale**2 - 1 - 2 * scale.log()).sum(-1) + 0 * loc.sum(-1),
            "μ² is missing: the KL also counts how far the mean is from the prior's, 0.",
        ),
        Misconception(
            "minus the entropy",
            lambda loc, scale: -(0.5 * math.log(2 * math.pi * math.e) + scale.log()).sum(-1) + 0 * loc.sum(-1),
            "That is E_q[log q(z)], minus the entropy of q. −E_q[log p(z)] = ½ (log 2π + μ² + σ²) is missing for each coordinate.",
        ),
        Misconception(
            "the cross-entropy",
            lambda loc, scale: 0.5 * (math.log(2 * math.pi) + loc**2 + scale**2).sum(-1),
            "That is −E_q[log p(z)], the cross-entropy. E_q[log q(z)] = −½ (log 2π + 1) − log σ is missing for each coordinate.",
        ),
        *(
            Misconception(
                f"adds {small:g} inside the logarithm of scale",
                lambda loc, scale, small=small: 0.5 * (loc**2 + scale**2 - 1 - 2 * (scale + small).log()).sum(-1),
                f"You add {small:g} to scale inside the logarithm. It moves the KL of a narrow q, and its gradient. A standard "
                "deviation is "
                "above 0: take its logarithm as it is.",
            )
            for small in (1e-4, 1e-5, 1e-6, 1e-7, 1e-8)
        ),
        *(
            Misconception(
                f"adds {small:g} inside the logarithm of the variance",
                lambda loc, scale, small=small: 0.5 * (loc**2 + scale**2 - 1 - (scale**2 + small).log()).sum(-1),
                f"You add {small:g} to σ² inside the logarithm. It moves the KL of a narrow q, and its gradient. A variance is "
                "above 0: take "
                "its logarithm as it is.",
            )
            for small in (1e-4, 1e-5, 1e-6, 1e-7, 1e-8)
        ),
    ),
)

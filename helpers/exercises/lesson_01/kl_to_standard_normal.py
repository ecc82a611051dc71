"""Exercise 01.1: a divergence in closed form."""

from __future__ import annotations

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
        "scales from 0.0001 to 1000": lambda g: {
            "loc": normal_leaf(g, 6, 7, scale=30.0),
            "scale": log_uniform_leaf(g, 1e-4, 1e3, 6, 7),
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
    ),
)

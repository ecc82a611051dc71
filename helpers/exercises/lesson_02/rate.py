"""Exercise 02.3: the rate for any Gaussian prior."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from helpers.exercises.engine.inputs import log_uniform_leaf, normal_leaf
from helpers.exercises.exercise import Exercise, Misconception
from helpers.exercises.lesson_02.rate_slips import SLIPS


def rate(loc, scale, prior_loc, prior_scale):
    """KL(N(loc, scale²) || N(prior_loc, prior_scale²)) in nats, summed over the latents.

    loc, scale: [batch, latent], prior_loc, prior_scale: [latent] → [batch].
    """
    variance_ratio = (scale / prior_scale) ** 2
    distance = ((loc - prior_loc) / prior_scale) ** 2
    return 0.5 * (variance_ratio + distance - 1 - variance_ratio.log()).sum(-1)


def _rate_inputs(
    generator: Generator,
    batch: int,
    latent: int,
    low: float = 0.2,
    high: float = 2.5,
    prior: tuple[float, float] = (0.4, 3.0),
    spread: float = 2.0,
) -> dict[str, Tensor]:
    """`low`, `high`: ends of q's scales; `prior`: of the prior's; `spread`: of q's means."""
    return {
        "loc": normal_leaf(generator, batch, latent, scale=spread),
        "scale": log_uniform_leaf(generator, low, high, batch, latent),
        "prior_loc": normal_leaf(generator, latent),
        "prior_scale": log_uniform_leaf(generator, *prior, latent),
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
        "scales from 0.001 to 300": lambda g: _rate_inputs(g, 6, 8, 1e-3, 300.0, prior=(0.3, 30.0), spread=20.0),
        "one latent coordinate": lambda g: _rate_inputs(g, 4, 1),
        "as many images as coordinates": lambda g: _rate_inputs(g, 3, 3),
        "the prior itself": lambda g: {
            "loc": torch.full((3, 2), 0.7, dtype=torch.float64, requires_grad=True),
            "scale": torch.full((3, 2), 1.6, dtype=torch.float64, requires_grad=True),
            "prior_loc": torch.full((2,), 0.7, dtype=torch.float64, requires_grad=True),
            "prior_scale": torch.full((2,), 1.6, dtype=torch.float64, requires_grad=True),
        },
    },
    dimensions={
        "loc": ("batch", "latent"),
        "scale": ("batch", "latent"),
        "prior_loc": ("latent",),
        "prior_scale": ("latent",),
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
            _kl_with(
                lambda ratio, shift, scale, prior_scale: (
                    2 * (ratio**2 + (shift / prior_scale) ** 2 - 1 - 2 * ratio.log())
                )
            ),
            "Your rate is twice the right one: the ½ in the exponent of a Gaussian stands before every term here.",
        ),
        Misconception(
            "adds the log ratio",
            _kl_with(
                lambda ratio, shift, scale, prior_scale: ratio**2 + (shift / prior_scale) ** 2 - 1 + 2 * ratio.log()
            ),
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
            _kl_with(
                lambda ratio, shift, scale, prior_scale: ratio**2 + (shift / prior_scale) ** 2 - 1 - 2 * scale.log()
            ),
            "The logarithm has q's scale only. It compares two scales, log(σ²/s²): the log of prior_scale is missing.",
        ),
        Misconception(
            "prior scale not squared",
            _kl_with(
                lambda ratio, shift, scale, prior_scale: (scale**2 + shift**2) / prior_scale - 1 - 2 * ratio.log()
            ),
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
        *SLIPS,
    ),
)

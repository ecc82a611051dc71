"""Further wrong answers to exercise 02.3: scales taken for something else, units and squares forgotten."""

from __future__ import annotations

import torch

from helpers.exercises.exercise import Misconception


def _right(loc, scale, prior_loc, prior_scale):
    variance_ratio, distance = (scale / prior_scale) ** 2, ((loc - prior_loc) / prior_scale) ** 2
    return 0.5 * (variance_ratio + distance - 1 - variance_ratio.log()).sum(-1)


def _kl_with(terms):
    """A wrong answer made of these terms: a function of the ratio of scales, the difference of means and both scales."""
    return lambda loc, scale, prior_loc, prior_scale: (
        0.5 * terms(scale / prior_scale, loc - prior_loc, scale, prior_scale).sum(-1)
    )


SLIPS = (
    Misconception(
        "scales taken for log-variances",
        lambda loc, scale, m, s: _right(loc, (0.5 * scale).exp(), m, (0.5 * s).exp()),
        "You use both scales as if they were log-variances: exp(scale) stands for σ², and scale for its logarithm. They are "
        "standard deviations.",
    ),
    Misconception(
        "scale taken for a log-variance",
        lambda loc, scale, m, s: _right(loc, (0.5 * scale).exp(), m, s),
        "You use q's scale as if it were the log-variance: exp(scale) stands for σ², and scale for its logarithm. It is σ "
        "itself, as prior_scale is s.",
    ),
    Misconception(
        "scales taken for logarithms",
        lambda loc, scale, m, s: _right(loc, scale.exp(), m, s.exp()),
        "You use exp(scale) and exp(prior_scale) as standard deviations. scale and prior_scale are the standard deviations "
        "themselves.",
    ),
    Misconception(
        "scale taken for the variance",
        lambda loc, scale, m, s: _right(loc, scale.sqrt(), m, s),
        "You use q's scale as a variance, everywhere, the logarithm included. It is the standard deviation σ: square it.",
    ),
    Misconception(
        "the prior's mean left out",
        lambda loc, scale, m, s: _right(loc, scale, 0 * m, s),
        "You measure from 0. The distance is that of the means, loc − prior_loc.",
    ),
    Misconception(
        "means added",
        lambda loc, scale, m, s: _right(loc, scale, -m, s),
        "You use loc + prior_loc. The distance of the means is their difference.",
    ),
    Misconception(
        "the prior's scale left out",
        lambda loc, scale, m, s: _right(loc, scale, m, torch.ones_like(s)) + 0 * s.sum(),
        "You do not use prior_scale, as if it were 1. Measure in units of the prior: divide σ² and (μ − m)² by s².",
    ),
    Misconception(
        "log ratio counted half",
        _kl_with(lambda r, shift, scale, s: r**2 + (shift / s) ** 2 - 1 - r.log()),
        "The formula has log(σ²/s²), which is 2 log(σ/s): your logarithm counts half.",
    ),
    Misconception(
        "ratio not squared",
        _kl_with(lambda r, shift, scale, s: r + (shift / s) ** 2 - 1 - 2 * r.log()),
        "The first term is the ratio of the variances, σ²/s²: yours is σ/s.",
    ),
    Misconception(
        "distance not squared",
        _kl_with(lambda r, shift, scale, s: r**2 + shift / s - 1 - 2 * r.log()),
        "The distance of the means is squared: (μ − m)²/s².",
    ),
    Misconception(
        "squares subtracted",
        lambda loc, scale, m, s: 0.5 * (((scale**2 + loc**2 - m**2) / s**2 - 1 - 2 * (scale / s).log()).sum(-1)),
        "You use μ² − m². Subtract the means first, then square: (μ − m)².",
    ),
    Misconception(
        "no distance",
        _kl_with(lambda r, shift, scale, s: r**2 - 1 - 2 * r.log() + 0 * shift),
        "The distance of the means is missing: (μ − m)²/s².",
    ),
    Misconception(
        "variance not in units of the prior",
        _kl_with(lambda r, shift, scale, s: scale**2 + (shift / s) ** 2 - 1 - 2 * r.log()),
        "σ² has no unit yet: divide it by prior_scale², as you do with the distance.",
    ),
    Misconception(
        "multiplies by the prior's variance",
        _kl_with(lambda r, shift, scale, s: (scale**2 + shift**2) * s**2 - 1 - 2 * r.log()),
        "You multiply by prior_scale². A wide prior makes q cheaper: divide σ² and (μ − m)² by it.",
    ),
    Misconception(
        "logarithm of the product",
        _kl_with(lambda r, shift, scale, s: r**2 + (shift / s) ** 2 - 1 - 2 * (scale * s).log()),
        "The logarithm of prior_scale has the wrong sign: log(σ²/s²) = 2 log σ − 2 log s.",
    ),
    Misconception(
        "difference of two rates",
        lambda loc, scale, m, s: (
            0.5 * ((loc**2 + scale**2 - 2 * scale.log()).sum(-1) - (m**2 + s**2 - 2 * s.log()).sum(-1))
        ),
        "You subtract KL(prior || N(0, 1)) from KL(q || N(0, 1)). Divergences do not subtract like that: use the formula "
        "with both Gaussians in it.",
    ),
)

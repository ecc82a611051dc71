"""Further wrong answers to exercise 02.1: averages for sums, the prior's constants, guards against log 0."""

from __future__ import annotations

import math

from torch import nn
from torch.distributions import Normal

from helpers.exercises.exercise import Misconception


def _cross_entropy(logits, x):
    """log p(x | z), pixel by pixel: [samples, batch, channels, height, width]."""
    return x * nn.functional.logsigmoid(logits) + (1 - x) * nn.functional.logsigmoid(-logits)


def _log_joint_with(log_likelihood):
    """A wrong answer with the right prior and this log p(x | z) [samples, batch], a function of logits and x."""
    return lambda z, logits, x: -0.5 * (z**2 + math.log(2 * math.pi)).sum(-1) + log_likelihood(logits, x)


def _guarded(logits, x, guard):
    p = logits.sigmoid()
    return (x * guard(p).log() + (1 - x) * guard(1 - p).log()).sum((-3, -2, -1))


SLIPS = (
    Misconception(
        "the prior subtracted",
        lambda z, logits, x: _cross_entropy(logits, x).sum((-3, -2, -1)) + 0.5 * (z**2 + math.log(2 * math.pi)).sum(-1),
        "You subtract log p(z). In the joint density, log p(z) and log p(x | z) are added.",
    ),
    Misconception(
        "averages over the latents",
        lambda z, logits, x: (
            _cross_entropy(logits, x).sum((-3, -2, -1)) - 0.5 * (z**2 + math.log(2 * math.pi)).mean(-1)
        ),
        "You average log p(z) over the latent coordinates. They are independent: their log densities add.",
    ),
    Misconception(
        "averages over both",
        lambda z, logits, x: (
            _cross_entropy(logits, x).mean((-3, -2, -1)) - 0.5 * (z**2 + math.log(2 * math.pi)).mean(-1)
        ),
        "You average over latents and over pixels. Log-probabilities of independent parts add: take sums.",
    ),
    Misconception(
        "the prior's constant once",
        lambda z, logits, x: (
            _cross_entropy(logits, x).sum((-3, -2, -1)) - 0.5 * (z**2).sum(-1) - 0.5 * math.log(2 * math.pi)
        ),
        "You subtract ½ log 2π once. Each latent coordinate has a normaliser of its own: put it inside the sum.",
    ),
    Misconception(
        "no half in the prior",
        lambda z, logits, x: _cross_entropy(logits, x).sum((-3, -2, -1)) - (z**2 + 0.5 * math.log(2 * math.pi)).sum(-1),
        "The ½ before z² is missing: log p(z) = −½ Σ (z² + log 2π).",
    ),
    Misconception(
        "sigmoid taken twice",
        _log_joint_with(lambda logits, x: _cross_entropy(logits.sigmoid(), x).sum((-3, -2, -1))),
        "The logits pass through the sigmoid twice: `logsigmoid` and `Bernoulli(logits=…)` take it themselves.",
    ),
    Misconception(
        "a Gaussian for the pixels",
        _log_joint_with(lambda logits, x: Normal(logits.sigmoid(), 1.0).log_prob(x).sum((-3, -2, -1))),
        "Your likelihood is a Gaussian around sigmoid(logit), with scale 1. The pixels are bits: log p(x | z) is that of a "
        "Bernoulli.",
    ),
    Misconception(
        "the prior alone",
        _log_joint_with(lambda logits, x: 0 * logits.sum((-3, -2, -1))),
        "That is log p(z) alone. log p(x | z) is missing: add the log-probabilities of all pixels.",
    ),
    *(
        Misconception(
            f"adds {small:g} inside the logarithm",
            _log_joint_with(lambda logits, x, small=small: _guarded(logits, x, lambda p: p + small)),
            f"You add {small:g} inside the logarithms. It moves every value a little, and limits what a confident pixel can "
            "cost. Stay "
            "with the logits: `nn.functional.logsigmoid`.",
        )
        for small in (1e-6, 1e-7, 1e-8, 1e-10, 1e-12)
    ),
    *(
        Misconception(
            f"clamps the probabilities at {small:g}",
            _log_joint_with(lambda logits, x, small=small: _guarded(logits, x, lambda p: p.clamp(small, 1 - small))),
            f"You clamp the probabilities at {small:g}, so a pixel that is surely wrong costs too little, and its gradient is "
            "gone. Stay "
            "with the logits: `nn.functional.logsigmoid`.",
        )
        for small in (1e-3, 1e-4, 1e-5, 1e-7, 1e-8)
    ),
)

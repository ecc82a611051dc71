"""Exercise 02.1: a model is a joint density."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor, nn
from torch.distributions import Bernoulli

from helpers.exercises.engine.inputs import IMAGE_DIMENSIONS, normal_leaf, random_bits
from helpers.exercises.exercise import Exercise, Misconception
from helpers.exercises.lesson_02.log_joint_slips import SLIPS


def log_joint(z, logits, x):
    """log p(x, z) in nats: z ~ N(0, I); given z, bits x, each 1 with probability sigmoid(logit).

    z: [samples, batch, latent], and what the decoder made of it,
    logits: [samples, batch, channels, height, width].
    x: [batch, channels, height, width], pixels 0 or 1 → [samples, batch].
    """
    log_prior = -0.5 * (z**2 + math.log(2 * math.pi)).sum(-1)  # [samples, batch]
    log_one, log_zero = nn.functional.logsigmoid(logits), nn.functional.logsigmoid(-logits)
    log_likelihood = (x * log_one + (1 - x) * log_zero).sum((-3, -2, -1))  # [samples, batch]
    return log_prior + log_likelihood


def _log_joint_inputs(
    generator: Generator,
    samples: int,
    batch: int,
    latent: int,
    image: tuple[int, int, int],
    scale: float = 2.0,
    z: float = 1.0,
) -> dict[str, Tensor]:
    """`scale`, `z`: how far logits and codes spread."""
    return {
        "z": normal_leaf(generator, samples, batch, latent, scale=z),
        "logits": normal_leaf(generator, samples, batch, *image, scale=scale),
        "x": random_bits(generator, batch, *image),
    }


def _log_joint_with(log_likelihood):
    """A wrong answer with the right prior and this log p(x | z) [samples, batch], a function of logits and x."""

    def answer(z, logits, x):
        return -0.5 * (z**2 + math.log(2 * math.pi)).sum(-1) + log_likelihood(logits, x)

    return answer


def _cross_entropy(logits, x):
    """log p(x | z), pixel by pixel: [samples, batch, channels, height, width]."""
    return x * logits - nn.functional.softplus(logits, threshold=100)


def _clamped(logits, x):
    p = logits.sigmoid().clamp(1e-6, 1 - 1e-6)
    return (x * p.log() + (1 - x) * (1 - p).log()).sum((-3, -2, -1))


def _rounded(logits, x):
    p = logits.sigmoid()
    return (x * p.log() + (1 - x) * (1 - p).log()).sum((-3, -2, -1))


def _even_odds(generator: Generator) -> dict[str, Tensor]:
    """Blank and full images. No logit is exactly 0, where the `relu` and `abs` of a stable cross-entropy have a corner."""
    inputs = _log_joint_inputs(generator, 1, 3, 2, (2, 4, 5), scale=1e-6)
    inputs["x"] = torch.ones_like(inputs["x"])
    inputs["x"][0] = 0.0
    return inputs


LOG_JOINT = Exercise(
    id="02.1",
    title="A model is a joint density",
    minutes=6,
    difficulty=1,
    statement=r"Write $\log p(x, z) = \log p(z) + \log p_\theta(x \mid z)$ in nats, for $z \sim \mathcal N(0, I)$ "
    r"and pixels $x_d \in \{0, 1\}$ that are 1 with probability "
    r"$\mathrm{sigmoid}(\ell_d)$, where $\ell$ is `logits`. It must stay exact where a "
    r"logit is 40 and its pixel is 0.",
    solution=log_joint,
    why="z's coordinates are independent, and the pixels are independent given z, so log-probabilities add; "
    "and log sigmoid, taken in one step, has no "
    "probability that could round to 0 or 1.",
    cases={
        "three samples of four small images": lambda g: _log_joint_inputs(g, 3, 4, 2, (1, 5, 6)),
        "confident logits": lambda g: _log_joint_inputs(g, 2, 3, 5, (1, 4, 7), scale=40.0),
        "one image in colour": lambda g: _log_joint_inputs(g, 5, 1, 4, (3, 2, 6)),
        "digits of MNIST's size, codes far out": lambda g: _log_joint_inputs(
            g, 2, 6, 20, (1, 28, 28), scale=4.0, z=10.0
        ),
        "logits in the thousands": lambda g: _log_joint_inputs(g, 1, 3, 2, (2, 4, 5), scale=1000.0),
        "all sizes alike": lambda g: _log_joint_inputs(g, 3, 3, 3, (3, 3, 3)),
        "one pixel, one latent": lambda g: _log_joint_inputs(g, 4, 2, 1, (1, 1, 1)),
        "blank and full images, even odds": _even_odds,
    },
    dimensions={
        "z": ("samples", "batch", "latent"),
        "logits": ("samples", "batch", *IMAGE_DIMENSIONS),
        "x": ("batch", *IMAGE_DIMENSIONS),
        "return": ("samples", "batch"),
    },  # fmt: skip
    returns=("the log joint",),
    hints=(
        "Two densities, each a product over independent parts: over latent coordinates, and over pixels. Which "
        "dimensions does each sum over?",
        "log p(z) = −½ Σ (z² + log 2π),   log p(x | z) = Σ [x log sigmoid(ℓ) + (1 − x) log sigmoid(−ℓ)]; "
        "`nn.functional.logsigmoid` is stable.",
        "log_prior = -0.5 * (z**2 + math.log(2 * math.pi)).sum(-1)  # [samples, batch]",
    ),
    misconceptions=(
        Misconception(
            "leaves the prior out",
            lambda z, logits, x: _cross_entropy(logits, x).sum((-3, -2, -1)) + 0 * z.sum(-1),
            "That is log p(x | z) alone, that is, the negative of what section 4 calls distortion. The joint density has the "
            "prior's "
            "log p(z) as well.",
        ),
        Misconception(
            "prior without its constant",
            lambda z, logits, x: -0.5 * (z**2).sum(-1) + _cross_entropy(logits, x).sum((-3, -2, -1)),
            "The normaliser of the prior is missing: −½ log 2π for each latent coordinate. It moves no gradient, but "
            "it is part of every number you report.",
        ),
        Misconception(
            "minus the log-likelihood",
            _log_joint_with(lambda logits, x: -_cross_entropy(logits, x).sum((-3, -2, -1))),
            "You add the cross-entropy, which is minus log p(x | z). As a log-probability it comes with the other "
            "sign, and is never positive.",
        ),
        Misconception(
            "scores only the ones",
            _log_joint_with(lambda logits, x: (x * nn.functional.logsigmoid(logits)).sum((-3, -2, -1))),
            "Only pixels that are 1 count in your sum. A pixel that is 0 has probability sigmoid(−logit), and its "
            "logarithm belongs in it too.",
        ),
        Misconception(
            "averages over pixels",
            _log_joint_with(lambda logits, x: _cross_entropy(logits, x).mean((-3, -2, -1))),
            "You average over the pixels. The image is one event: the log-probabilities of its pixels add, and the "
            "prior then has its right weight beside them.",
        ),
        Misconception(
            "logarithm of a rounded probability",
            _log_joint_with(_rounded),
            "Right where the model is unsure, and infinite or NaN where it is confident: sigmoid(40) rounds to 1, and "
            "log(1 − 1) is −∞. Take log sigmoid in one step: `nn.functional.logsigmoid`.",
        ),
        Misconception(
            "clamps the probabilities",
            _log_joint_with(_clamped),
            "You keep the probabilities away from 0 and 1, so a pixel that is surely wrong costs 14 nats at most, "
            "and its gradient is gone. "
            "Stay with the logits: log(1 − sigmoid(ℓ)) = logsigmoid(−ℓ).",
        ),
        Misconception(
            "probabilities given to Bernoulli",
            _log_joint_with(lambda logits, x: Bernoulli(probs=logits.sigmoid()).log_prob(x).sum((-3, -2, -1))),
            "Right where the model is unsure. sigmoid(40) rounds to 1, and `Bernoulli(probs=…)` clamps what it is given away "
            "from 0 and "
            "1, so that a pixel that is surely wrong costs 36 nats at most in float64, and 16 in float32. Stay with the logits: "
            "`Bernoulli(logits=logits)`.",
        ),
        Misconception(
            "probabilities given to binary_cross_entropy",
            _log_joint_with(
                lambda logits, x: (
                    -nn.functional.binary_cross_entropy(logits.sigmoid(), x.expand_as(logits), reduction="none").sum(
                        (-3, -2, -1)
                    )
                )
            ),
            "Right where the model is unsure. sigmoid(40) rounds to 1, and `binary_cross_entropy` then puts −100 in place of log "
            "0. Stay "
            "with the logits: `binary_cross_entropy_with_logits`.",
        ),
        Misconception(
            "ones and zeros exchanged",
            _log_joint_with(lambda logits, x: _cross_entropy(-logits, x).sum((-3, -2, -1))),
            "You score ones as zeros and zeros as ones. sigmoid(logit) is the probability of a 1, sigmoid(−logit) "
            "that of a 0.",
        ),
        *SLIPS,
    ),
)

"""Exercise 04.4: one bit at a time."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from helpers.exercises.engine.inputs import normal, random_bits
from helpers.exercises.exercise import Exercise, Misconception


def local_gradient(logits, z, f, f_flipped):
    """Gradient of E_q[f] on the logits of bits, each bit summed out given a sample of the others.

    logits: [batch, bits], z: samples, [samples, batch, bits]; f = f(z): [samples, batch];
    f_flipped: f at z with this one bit flipped, [samples, batch, bits] → [batch, bits].
    """
    p = logits.sigmoid()  # [batch, bits]
    one_less_zero = (2 * z - 1) * (f[:, :, None] - f_flipped)  # f with the bit at 1, less f with it at 0
    return (p * (1 - p) * one_less_zero).mean(0)


def _local_inputs(
    generator: Generator,
    samples: int,
    batch: int,
    bits: int,
    scale: float = 1.5,
    loc: float = -4.0,
    spread: float = 2.0,
) -> dict[str, Tensor]:
    return {
        "logits": normal(generator, batch, bits, scale=scale),
        "z": random_bits(generator, samples, batch, bits),
        "f": normal(generator, samples, batch, loc=loc, scale=spread),
        "f_flipped": normal(generator, samples, batch, bits, loc=loc - 0.5 * spread, scale=spread),
    }


def _local_with(terms, reduce=lambda terms: terms.mean(0)):
    """A wrong answer made of these terms: functions of p, z, f [samples, batch, 1] and f_flipped."""
    return lambda logits, z, f, f_flipped: reduce(terms(logits.sigmoid(), z, f[..., None], f_flipped))


LOCAL = Exercise(
    id="04.4",
    title="One bit at a time",
    minutes=8,
    difficulty=2,
    statement=r"Sum each bit $i$ out, given a sample of the others: the gradient on its logit is "
    r"$\mathbb E\big[p_i (1 - p_i)\,\big(f(z \text{ with } z_i = 1) - f(z \text{ with } z_i = 0)\big)\big]$. You are given $f$ at each "
    r"sample and, in `f_flipped`, $f$ with one bit flipped. Average over the samples.",
    solution=local_gradient,
    why="d/dφ of p f₁ + (1 − p) f₀ is p (1 − p) (f₁ − f₀), an exact sum over one bit; the sample only says where the other bits are.",
    cases={
        "five samples of three, four bits": lambda g: _local_inputs(g, 5, 3, 4),
        "one sample": lambda g: _local_inputs(g, 1, 4, 6),
        "decided bits, one datum": lambda g: _local_inputs(g, 7, 1, 5, scale=3.0),
        "all sizes alike, f of both signs": lambda g: _local_inputs(g, 3, 3, 3, loc=0.0),
        "f between 0 and a thousandth": lambda g: _local_inputs(g, 6, 2, 3, loc=4e-4, spread=2e-4),
        "coins and saturated bits, data far apart": lambda g: {
            **_local_inputs(g, 6, 3, 5, loc=-400.0, spread=150.0),
            "logits": torch.tensor([[0.0, 800.0, -800.0, 40.0, -1.0]], dtype=torch.float64) * torch.ones(3, 1).double(),
        },
    },
    dimensions={
        "logits": ("batch", "bits"),
        "z": ("samples", "batch", "bits"),
        "f": ("samples", "batch"),
        "f_flipped": ("samples", "batch", "bits"),
        "return": ("batch", "bits"),
    },  # fmt: skip
    returns=("the gradient",),
    hints=(
        "Take one bit. Where the sample has it at 1, which of f and f_flipped is f₁, and which is f₀? And where it has it at 0? One "
        "factor of "
        "±1 covers both.",
        "f₁ − f₀ = (2 z − 1) (f − f_flipped);   gradient = mean over samples of p (1 − p) (f₁ − f₀), with p = sigmoid(φ).",
        "p = logits.sigmoid();   f[:, :, None] - f_flipped is [samples, batch, bits], and 2 * z - 1 gives it its sign.",
    ),
    misconceptions=(
        Misconception(
            "the sample less its flip",
            _local_with(lambda p, z, f, flipped: p * (1 - p) * (f - flipped)),
            "Right where the sampled bit is 1. Where it is 0, f is f₀ and f_flipped is f₁: the difference changes its sign.",
        ),
        Misconception(
            "the flip less the sample",
            _local_with(lambda p, z, f, flipped: p * (1 - p) * (flipped - f)),
            "Right where the sampled bit is 0. Where it is 1, f is f₁ and f_flipped is f₀: the difference changes its sign.",
        ),
        Misconception(
            "zero less one",
            _local_with(lambda p, z, f, flipped: p * (1 - p) * (1 - 2 * z) * (f - flipped)),
            "Your gradient has the wrong sign: a larger logit makes ones more frequent, so it is f₁ − f₀.",
        ),
        Misconception(
            "forgets the slope of the sigmoid",
            _local_with(lambda p, z, f, flipped: (2 * z - 1) * (f - flipped)),
            "That is f₁ − f₀ alone: by how much p f₁ + (1 − p) f₀ changes with p. The logit moves p by p (1 − p).",
        ),
        Misconception(
            "gradient on the probability, weighed with it",
            _local_with(lambda p, z, f, flipped: p * (2 * z - 1) * (f - flipped)),
            "You multiply with p. The slope of the sigmoid is p (1 − p): it vanishes at both ends.",
        ),
        Misconception(
            "the score of the sample",
            _local_with(lambda p, z, f, flipped: (z - p) * (f - flipped)),
            "You multiply f − f_flipped with the score z − p, of a sampled bit. Here both outcomes are summed, each with the slope of "
            "its own "
            "probability: ± p (1 − p).",
        ),
        Misconception(
            "the score function",
            _local_with(lambda p, z, f, flipped: (z - p) * f),
            "That is the score function: unbiased, but it leaves f_flipped unused, and with it what you know about the other outcome.",
        ),
        Misconception(
            "f in place of the difference",
            _local_with(lambda p, z, f, flipped: p * (1 - p) * (2 * z - 1) * f),
            "f_flipped is not used. p (1 − p) goes with the difference of both outcomes.",
        ),
        Misconception(
            "half of the difference",
            _local_with(lambda p, z, f, flipped: 0.5 * p * (1 - p) * (2 * z - 1) * (f - flipped)),
            "Your gradient is half of the right one. Both outcomes are in the sum; there is nothing left to average but the samples.",
        ),
        Misconception(
            "sum over the samples",
            _local_with(lambda p, z, f, flipped: p * (1 - p) * (2 * z - 1) * (f - flipped), lambda terms: terms.sum(0)),
            "You sum over the samples. Every sample alone estimates the gradient; take the mean.",
        ),
        Misconception(
            "summed over the bits",
            _local_with(lambda p, z, f, flipped: (p * (1 - p) * (2 * z - 1) * (f - flipped)).sum(-1)),
            "You sum over the bits. Every bit has a logit of its own, and the gradient one number for each.",
        ),
        Misconception(
            "logits for probabilities",
            lambda logits, z, f, f_flipped: (logits * (1 - logits) * (2 * z - 1) * (f[..., None] - f_flipped)).mean(0),
            "You multiply with φ (1 − φ), the logit in place of the probability. p is sigmoid(φ).",
        ),
        Misconception(
            "the slope of the sigmoid is 1 − p",
            _local_with(lambda p, z, f, flipped: (1 - p) * (2 * z - 1) * (f - flipped)),
            "You multiply with 1 − p. The slope of the sigmoid is p (1 − p): it vanishes at both ends.",
        ),
        Misconception(
            "only the ones",
            _local_with(lambda p, z, f, flipped: p * (1 - p) * z * (f - flipped)),
            "Samples in which the bit is 0 count nothing in your sum. They tell f₁ − f₀ as well, with f_flipped in the place of f₁.",
        ),
        Misconception(
            "the size of the difference",
            _local_with(lambda p, z, f, flipped: p * (1 - p) * (f - flipped).abs()),
            "You take the absolute value of the difference. f₁ − f₀ may be negative, and then the logit must fall.",
        ),
        Misconception(
            "the probability of the sampled bit",
            _local_with(lambda p, z, f, flipped: (z * p + (1 - z) * (1 - p)) * (2 * z - 1) * (f - flipped)),
            "You multiply with the probability of the sampled bit. The slope of the sigmoid is p (1 − p), whatever was sampled.",
        ),
    ),
)

"""Exercise 04.3: a gradient from a pair."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from helpers.exercises.engine.inputs import normal, uniform
from helpers.exercises.exercise import Exercise, Misconception


def disarm_gradient(logits, u, f_first, f_second):
    """1/2 (f(b) - f(b')) (b - b') sigmoid(|logit|), averaged over the pairs: DisARM.

    b = 1[u > sigmoid(-logit)], b' = 1[u < sigmoid(logit)], bit by bit, numbers of u's dtype.
    logits: [batch, bits], u: uniform draws, [pairs, batch, bits]; f_first = f(b),
    f_second = f(b'): [pairs, batch] → [batch, bits].
    """
    b = (u > (-logits).sigmoid()).to(u)  # [pairs, batch, bits]
    other = (u < logits.sigmoid()).to(u)
    difference = (f_first - f_second)[:, :, None]  # [pairs, batch, 1]
    return (0.5 * difference * (b - other) * logits.abs().sigmoid()).mean(0)


def _pair_inputs(
    generator: Generator,
    pairs: int,
    batch: int,
    bits: int,
    scale: float = 1.5,
    loc: float = -4.0,
    spread: float = 2.0,
) -> dict[str, Tensor]:
    return {
        "logits": normal(generator, batch, bits, scale=scale),
        "u": uniform(generator, pairs, batch, bits),
        "f_first": normal(generator, pairs, batch, loc=loc, scale=spread),
        "f_second": normal(generator, pairs, batch, loc=loc, scale=spread),
    }


def _pair(logits, u):
    return (u > (-logits).sigmoid()).to(u), (u < logits.sigmoid()).to(u)


def _disarm_with(terms, reduce=lambda terms: terms.mean(0)):
    """A wrong answer made of these terms: functions of f(b) - f(b') [pairs, batch, 1], b, b', u and the logits."""

    def answer(logits, u, f_first, f_second):
        return reduce(terms((f_first - f_second)[..., None], *_pair(logits, u), u, logits))

    return answer


def _two_scores(logits, u, f_first, f_second):
    b, other = _pair(logits, u)
    p = logits.sigmoid()
    return 0.5 * (f_first[..., None] * (b - p) + f_second[..., None] * (other - p)).mean(0)


def _flipped(logits, u, f_first, f_second):
    b, _ = _pair(logits, u)
    return (0.5 * (f_first - f_second)[..., None] * (2 * b - 1) * logits.abs().sigmoid()).mean(0)


DISARM = Exercise(
    id="04.3",
    title="A gradient from a pair",
    minutes=8,
    difficulty=2,
    statement=r"One uniform number makes two bits, $b = 1[u > \mathrm{sigmoid}(-\phi)]$ and $b' = 1[u < \mathrm{sigmoid}(\phi)]$, where "
    r"$\phi$ is a logit. Write DisARM's estimate of the gradient on the logits, $\frac 1 2 \big(f(b) - f(b')\big)(b - b')\,"
    r"\mathrm{sigmoid}(|\phi|)$, averaged over the pairs. `f_first` is $f(b)$, `f_second` is $f(b')$: one number for all bits of a "
    r"datum.",
    solution=disarm_gradient,
    why="Where the pair agrees in a bit, its difference in f says nothing about that bit, and DisARM takes it for nothing; where it "
    "differs, "
    "sigmoid(|φ|) is what ARM's noise averages to, given the pair.",
    cases={
        "five pairs of three, four bits": lambda g: _pair_inputs(g, 5, 3, 4),
        "one pair": lambda g: _pair_inputs(g, 1, 4, 6),
        "decided bits, one datum": lambda g: _pair_inputs(g, 12, 1, 5, scale=3.0),
        "all sizes alike, f of both signs": lambda g: _pair_inputs(g, 3, 3, 3, loc=0.0),
        "f between 0 and a thousandth": lambda g: _pair_inputs(g, 6, 2, 3, loc=4e-4, spread=2e-4),
        "coins and saturated bits, data far apart": lambda g: {
            **_pair_inputs(g, 8, 3, 5, loc=-400.0, spread=150.0),
            "logits": torch.tensor([[0.0, 40.0, -40.0, 6.0, -6.0]], dtype=torch.float64) * torch.ones(3, 1).double(),
            "u": 1e-4
            + 0.9998
            * (3 * uniform(g, 8, 3, 5) - 1).clamp(0, 1),  # a third so low and a third so high that logits of ±6 differ
        },
    },
    dimensions={
        "logits": ("batch", "bits"),
        "u": ("pairs", "batch", "bits"),
        "f_first": ("pairs", "batch"),
        "f_second": ("pairs", "batch"),
        "return": ("batch", "bits"),
    },  # fmt: skip
    returns=("the gradient",),
    hints=(
        "Make both bits from the same u first. In which coordinates do they differ? Then give the difference in f a last dimension, "
        "so that "
        "it meets every bit.",
        "b = (u > (−φ).sigmoid()), b′ = (u < φ.sigmoid()), as numbers;   ½ (f(b) − f(b′)) (b − b′) sigmoid(|φ|), mean over dimension 0.",
        "b = (u > (-logits).sigmoid()).to(u)  # [pairs, batch, bits]",
    ),
    misconceptions=(
        Misconception(
            "ARM",
            _disarm_with(lambda difference, b, other, u, logits: difference * (u - 0.5)),
            "That is ARM: unbiased, and noisier, for it keeps the noise that u has once the pair is known. DisARM puts the mean of u − ½ "
            "given the pair in its place.",
        ),
        Misconception(
            "forgets the half",
            _disarm_with(lambda difference, b, other, u, logits: difference * (b - other) * logits.abs().sigmoid()),
            "Your gradient is twice the right one: the ½ is missing. A pair holds two evaluations of f.",
        ),
        Misconception(
            "no absolute value",
            _disarm_with(lambda difference, b, other, u, logits: 0.5 * difference * (b - other) * logits.sigmoid()),
            "Right where logits are positive. The weight is sigmoid(|φ|), never below ½: a bit that is mostly 0 needs it as much as "
            "one that "
            "is mostly 1.",
        ),
        Misconception(
            "the variance of the bit as weight",
            _disarm_with(
                lambda difference, b, other, u, logits: (
                    0.5 * difference * (b - other) * logits.sigmoid() * (-logits).sigmoid()
                )
            ),
            "You weigh with p (1 − p). That is the slope of sigmoid, which belongs to a sum over both outcomes; here the pair was "
            "drawn, and "
            "the weight is sigmoid(|φ|).",
        ),
        Misconception(
            "no weight",
            _disarm_with(lambda difference, b, other, u, logits: 0.5 * difference * (b - other)),
            "The factor sigmoid(|φ|) is missing. Without it the estimate is biased towards steps that are too long.",
        ),
        Misconception(
            "the second bit is the first one flipped",
            _flipped,
            "You take b′ for 1 − b. Both bits have the distribution q, so where q is decided they mostly agree: b′ = 1[u < sigmoid(φ)].",
        ),
        Misconception(
            "two score functions",
            _two_scores,
            "You average two score functions, f(b) (b − p) and f(b′) (b′ − p). That is unbiased, and a constant in f still makes "
            "noise: use "
            "the difference of the pair.",
        ),
        Misconception(
            "sum over the pairs",
            _disarm_with(
                lambda difference, b, other, u, logits: 0.5 * difference * (b - other) * logits.abs().sigmoid(),
                lambda terms: terms.sum(0),
            ),
            "You sum over the pairs. Every pair alone estimates the gradient; take the mean.",
        ),
        Misconception(
            "the wrong way round",
            _disarm_with(
                lambda difference, b, other, u, logits: 0.5 * difference * (other - b) * logits.abs().sigmoid()
            ),
            "Your gradient has the wrong sign. Either f(b) − f(b′) or b − b′ is the wrong way round, or the two comparisons with u are.",
        ),
        Misconception(
            "the difference without its sign",
            _disarm_with(
                lambda difference, b, other, u, logits: 0.5 * difference * (b - other).abs() * logits.abs().sigmoid()
            ),
            "You only ask whether the bits differ. b − b′ also says which of the two was 1, and with it the sign of the gradient.",
        ),
        Misconception(
            "the weight of the less likely outcome",
            _disarm_with(
                lambda difference, b, other, u, logits: 0.5 * difference * (b - other) * (-logits.abs()).sigmoid()
            ),
            "Your weight is sigmoid(−|φ|), the smaller of p and 1 − p. It is the larger one: sigmoid(|φ|).",
        ),
        Misconception(
            "f of the first alone",
            lambda logits, u, f_first, f_second: (
                0.5 * f_first[..., None] * (_pair(logits, u)[0] - _pair(logits, u)[1]) * logits.abs().sigmoid()
            ).mean(0),
            "f(b′) is not used. The estimate has the difference f(b) − f(b′): what both share must cancel.",
        ),
        Misconception(
            "the sum of the pair's f",
            lambda logits, u, f_first, f_second: _disarm_with(
                lambda difference, b, other, u, logits: 0.5 * difference * (b - other) * logits.abs().sigmoid()
            )(logits, u, f_first, -f_second),
            "You add f(b) and f(b′). The estimate has their difference.",
        ),
        Misconception(
            "the score of the first bit",
            _disarm_with(lambda difference, b, other, u, logits: 0.5 * difference * (b - logits.sigmoid())),
            "You multiply the difference with ½ (b − p), half the score of b alone. DisARM has ½ (b − b′) sigmoid(|φ|), which is 0 "
            "where the pair agrees.",
        ),
        Misconception(
            "the score of the first bit, in full",
            _disarm_with(lambda difference, b, other, u, logits: difference * (b - logits.sigmoid())),
            "You multiply the difference with b − p, the score of b alone. DisARM has ½ (b − b′) sigmoid(|φ|), which is 0 where the "
            "pair agrees.",
        ),
        Misconception(
            "the size of the difference",
            _disarm_with(
                lambda difference, b, other, u, logits: 0.5 * difference.abs() * (b - other) * logits.abs().sigmoid()
            ),
            "You take the absolute value of f(b) − f(b′). Its sign says which of the two is better; keep it.",
        ),
        Misconception(
            "half of ARM",
            _disarm_with(lambda difference, b, other, u, logits: 0.5 * difference * (u - 0.5)),
            "That is half of ARM's estimate, (f(b) − f(b′)) (u − ½). DisARM has ½ (b − b′) sigmoid(|φ|) in the place of u − ½, and no "
            "other half.",
        ),
    ),
)

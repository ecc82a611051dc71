"""Exercise 05.1: what a grey pixel's density lacks."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from helpers.exercises.engine.inputs import normal
from helpers.exercises.exercise import Exercise, Misconception


def log_normaliser(logits):
    """log C in nats of the density C exp(x log p + (1 - x) log(1 - p)) on [0, 1], p = sigmoid(logit).

    log C = log(logit / tanh(logit / 2)); where |logit| < 0.1, log 2 + logit² / 12 - 7 logit⁴ / 1440.
    Value and gradient are right at 0 exactly. logits: [batch, pixels] → [batch, pixels].
    """
    small = logits.abs() < 0.1
    series = math.log(2) + logits**2 / 12 - 7 * logits**4 / 1440
    away = torch.where(small, 1.0, logits)  # no 0 / 0, not even where it is thrown away
    return torch.where(small, series, (away / (away / 2).tanh()).log())


_PLACES = (0.0, 2e-5, -5e-4, 0.15, -0.3, 0.9, -2.5, 6.0, -14.0, 45.0, 800.0, -800.0)
_ADDED = (1e-12, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4)  # what is often added so that nothing is divided by 0
_NEAR = (1.2e-4, -1.2e-4, 2e-3, -2e-3, 5e-3, -0.01, 0.02)  # where digits of the slope are lost, in float32 above all


def _logits(generator: Generator, batch: int, pixels: int, *places: float) -> dict[str, Tensor]:
    """These logits first, then random ones that keep away from 0."""
    value = normal(generator, batch, pixels, scale=3.0)
    value = value.sign() * (value.abs() + 0.1)
    value.view(-1)[: len(places)] = torch.tensor(places, dtype=torch.float64)
    return {"logits": value.requires_grad_()}


def _series(logits):
    return math.log(2) + logits**2 / 12 - 7 * logits**4 / 1440


def _near_zero(value, wide=0.1):
    """A wrong answer: right for logits beyond ±`wide`, and this function of the logits nearer to 0."""

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


def _a_little_added(name, little):
    return Misconception(
        name,
        lambda logits: ((logits + little) / ((logits + little) / 2).tanh()).log(),
        f"A little added to the logit moves the place of 0 / 0 to −{little:g}, where the result is NaN, and near 0 the slope is lost: it "
        "should be η/6, and is a difference of large numbers. Take the series there.",
    )


_LITTLE = (
    ("a little added to the logit", 1e-6),
    *((f"{little:g} added to the logit", little) for little in _ADDED if little != 1e-6),
)


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
        "just beside 0": lambda g: _logits(g, 3, 5, *(-little for little in _ADDED), *_NEAR),
        "as many pixels as images": lambda g: _logits(g, 2, 2),
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
            "The values are right to the digits asked for, but near 0 the gradient is lost: log 2 alone (or a clamp) is constant. It is "
            "η/6 there, from η²/12.",
        ),
        Misconception(
            "a constant up to 0.1",
            _near_zero(lambda logits: torch.full_like(logits, math.log(2))),
            "Near 0 your log C is constant. Its series goes on after log 2: + η²/12 − 7η⁴/1440.",
        ),
        *(_a_little_added(name, little) for name, little in _LITTLE),
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
            "Away from 0 it is right. Near 0 that is C itself; return log C.",
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
            "Near 0 it is right. Farther out that is C; return its logarithm.",
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
        Misconception(
            "negative logits taken for small",
            lambda logits: torch.where(
                logits < 0.1, _series(logits), (logits.clamp(min=0.1) / (logits.clamp(min=0.1) / 2).tanh()).log()
            ),
            "Right for logits that are positive or near 0. A logit of −14 is not near 0 either: the series is for |η| < 0.1.",
        ),
        Misconception(
            "the second order subtracted",
            _near_zero(lambda logits: math.log(2) - logits**2 / 12 - 7 * logits**4 / 1440),
            "Away from 0 it is right. In the series the term of second order is added: + η²/12.",
        ),
        Misconception(
            "the series of half the logit",
            _near_zero(lambda logits: _series(logits / 2)),
            "Away from 0 it is right. The series takes η itself, and not η/2.",
        ),
        Misconception(
            "the tanh left out",
            _away_from_zero(lambda away: away.abs().log()),
            "Near 0 it is right. Farther out that is log |η|: the division by tanh(η/2) is missing.",
        ),
    ),
)

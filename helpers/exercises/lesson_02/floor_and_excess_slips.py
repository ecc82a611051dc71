"""Further wrong answers to exercise 02.5: other results, other entropies, and distortions that are not stable."""

from __future__ import annotations

import math

import torch
from torch.distributions import Bernoulli
from torch.nn import functional as F

from helpers.exercises.exercise import Misconception


def _floor(x):
    return -torch.xlogy(x, x) - torch.xlogy(1 - x, 1 - x)


def _with(floor=_floor, distortion=lambda logits, x: F.softplus(logits) - x * logits, results=None):
    """An answer made of these, pixel by pixel; with the defaults, a right one. `results`: of both, summed."""

    def answer(logits, x):
        lower, whole = floor(x).sum((1, 2, 3)), distortion(logits, x).sum((1, 2, 3))
        return (lower, whole - lower) if results is None else results(lower, whole)

    return answer


def _guarded(guard):
    """The distortion by logarithms of probabilities after this guard against 0."""

    def distortion(logits, x):
        p = logits.sigmoid()
        return -x * guard(p).log() - (1 - x) * guard(1 - p).log()

    return distortion


SLIPS = (
    Misconception(
        "floor in bits",
        _with(results=lambda lower, whole: (lower / math.log(2), whole - lower)),
        "Your excess is right, and your floor is in bits. Everything here is in nats: take the natural logarithm.",
    ),
    Misconception(
        "excess first",
        _with(results=lambda lower, whole: (whole - lower, lower)),
        "Both results are right, in the wrong order: the floor comes first, then the excess.",
    ),
    Misconception(
        "distortion and floor",
        _with(results=lambda lower, whole: (whole, lower)),
        "You return the distortion and the floor. The exercise asks for the floor, then the excess, which is distortion − floor.",
    ),
    Misconception(
        "floor added to the distortion",
        _with(results=lambda lower, whole: (lower, whole + lower)),
        "Your floor is right. You add it to the distortion; the excess is what is left when you subtract it.",
    ),
    Misconception(
        "excess relative to the floor",
        _with(results=lambda lower, whole: (lower, whole / lower)),
        "Your floor is right. You divide the distortion by it. The excess is a difference in nats: distortion − floor.",
    ),
    Misconception(
        "distortion of the ones alone",
        _with(distortion=lambda logits, x: -x * F.logsigmoid(logits)),
        "Your floor is right. Your distortion has only −x log π: add −(1 − x) log(1 − π).",
    ),
    Misconception(
        "sigmoid taken twice",
        _with(distortion=lambda logits, x: F.softplus(logits.sigmoid()) - x * logits.sigmoid()),
        "Your floor is right. In your distortion the logits pass through the sigmoid twice: softplus(ℓ) − x ℓ takes them as they "
        "are.",
    ),
    Misconception(
        "logit with the wrong sign",
        _with(distortion=lambda logits, x: F.softplus(logits) + x * logits),
        "Your floor is right. In your distortion x ℓ has the wrong sign: per pixel it is softplus(ℓ) − x ℓ.",
    ),
    Misconception(
        "xlogy of rounded probabilities",
        _with(
            distortion=lambda logits, x: -torch.xlogy(x, logits.sigmoid()) - torch.xlogy(1 - x, 1 - logits.sigmoid())
        ),
        "Your floor is right. `xlogy` helps where x is 0, and not where sigmoid(ℓ) rounds to 0 or 1: your excess is infinite "
        "there. Stay "
        "with the logits: softplus(ℓ) − x ℓ.",
    ),
    Misconception(
        "greys taken for logits",
        _with(floor=lambda x: Bernoulli(logits=x).entropy()),
        "Your floor takes the greys for logits: it is the entropy of a coin with probability sigmoid(x). The grey x is the "
        "probability "
        "itself.",
    ),
    Misconception(
        "variance for entropy",
        _with(floor=lambda x: x * (1 - x)),
        "Your floor is the variance x (1 − x) of the coin. The floor is its entropy, −x log x − (1 − x) log(1 − x).",
    ),
    Misconception(
        "log 2 for every pixel",
        _with(floor=lambda x: torch.full_like(x, math.log(2))),
        "Your floor is log 2 for every pixel, the entropy of a fair coin. A pixel that is 0 or 1 has entropy 0: use H(x).",
    ),
    Misconception(
        "entropy of the zeros alone",
        _with(floor=lambda x: -torch.xlogy(1 - x, 1 - x)),
        "Your floor has only −(1 − x) log(1 − x). The coin also shows 1, with probability x: add −x log x.",
    ),
    Misconception(
        "0.01 inside the logarithm",
        _with(floor=lambda x: -(x * (x + 1e-2).log() + (1 - x) * (1 - x + 1e-2).log())),
        "You add 0.01 inside the logarithms to survive log 0, and it moves the floor. 0 · log 0 is 0, exactly: use `torch.xlogy`.",
    ),
    *(
        Misconception(
            f"adds {small:g} to the model's probability",
            _with(distortion=_guarded(lambda p, small=small: p + small)),
            f"Your floor is right. You add {small:g} inside the logarithms of the distortion, which limits what a confident pixel "
            "can "
            "cost. Stay with the logits: softplus(ℓ) − x ℓ.",
        )
        for small in (1e-6, 1e-7, 1e-8, 1e-10, 1e-12)
    ),
    *(
        Misconception(
            f"clamps the model's probability at {small:g}",
            _with(distortion=_guarded(lambda p, small=small: p.clamp(small, 1 - small))),
            f"Your floor is right. You clamp the model's probability at {small:g}, which limits what a confident pixel can cost. "
            "Stay with "
            "the logits: softplus(ℓ) − x ℓ.",
        )
        for small in (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8)
    ),
)

"""Further wrong answers to exercise 00.1: pixels rounded or refused, guards against log 0, and sums of what does not add."""

from __future__ import annotations

from torch import Tensor
from torch.distributions import Bernoulli
from torch.nn import functional as F

from helpers.exercises.exercise import Misconception

IMAGE = (-3, -2, -1)


def _score(logits: Tensor, x: Tensor) -> Tensor:
    """The right answer."""
    return (x * F.logsigmoid(logits) + (1 - x) * F.logsigmoid(-logits)).sum(IMAGE)


def _guarded(guard):
    """A wrong answer that takes logarithms of probabilities after this guard against 0."""

    def answer(logits, x):
        p = logits.sigmoid()
        return (x * guard(p).log() + (1 - x) * guard(1 - p).log()).sum(IMAGE)

    return answer


SLIPS = (
    Misconception(
        "ones and zeros exchanged",
        lambda logits, x: _score(-logits, x),
        "You score ones as zeros and zeros as ones. sigmoid(l) is the probability of a 1, so a pixel that is 1 costs "
        "−logsigmoid(l).",
    ),
    Misconception(
        "rounds the pixels",
        lambda logits, x: _score(logits, (x > 0.5).to(x)),
        "Right for pixels that are 0 or 1. You score grey pixels as if they were rounded. The formula takes them as they are: a "
        "grey x weighs log p(1) by x and log p(0) by 1 − x.",
    ),
    Misconception(
        "greys refused by Bernoulli",
        lambda logits, x: Bernoulli(logits=logits).log_prob(x).sum(IMAGE),
        "`Bernoulli` refuses greys: its outcomes are 0 and 1. Write the formula with `logsigmoid`, which takes any x from 0 to "
        "1, or "
        "use `binary_cross_entropy_with_logits`.",
    ),
    Misconception(
        "logarithm of the average of both probabilities",
        lambda logits, x: (x * logits.sigmoid() + (1 - x) * (1 - logits.sigmoid())).log().sum(IMAGE),
        "You average the two probabilities by x and take one logarithm. For a grey pixel the formula averages the logarithms; "
        "and for a "
        "sure decoder a probability rounds to 0 before its logarithm is taken.",
    ),
    Misconception(
        "probabilities added",
        lambda logits, x: (x * logits.sigmoid() + (1 - x) * (1 - logits.sigmoid())).sum(IMAGE),
        "You add up the pixels' probabilities. Probabilities of independent pixels multiply: add up their logarithms.",
    ),
    Misconception(
        "the log-probability of zeros subtracted",
        lambda logits, x: (x * F.logsigmoid(logits) - (1 - x) * F.logsigmoid(-logits)).sum(IMAGE),
        "You subtract the term of the pixels that are 0. Both terms are log-probabilities, and both are added.",
    ),
    Misconception(
        "normaliser left out",
        lambda logits, x: (x * logits).sum(IMAGE),
        "You sum x · l alone. The logit is log p(1) − log p(0): subtract softplus(l), which is −log p(0), from each pixel.",
    ),
    Misconception(
        "Bernoulli of probabilities",
        lambda logits, x: Bernoulli(probs=logits.sigmoid(), validate_args=False).log_prob(x).sum(IMAGE),
        "Right for mild logits. `Bernoulli(probs=…)` clamps the probabilities away from 0 and 1, so a sure decoder that is wrong "
        "pays "
        "36 nats a pixel at most. Give it the logits: `Bernoulli(logits=…)`.",
    ),
    *(
        Misconception(
            f"adds {small:g} inside the logarithm",
            _guarded(lambda p, small=small: p + small),
            f"You add {small:g} inside the logarithm. This limits what a pixel can cost and moves the other values a little. Stay "
            "in logits: `logsigmoid(l)` and `logsigmoid(-l)` need no such guard.",
        )
        for small in (1e-4, 1e-5, 1e-6, 1e-7, 1e-9, 1e-10, 1e-12)
    ),
    *(
        Misconception(
            f"clamps the probability at {small:g}",
            _guarded(lambda p, small=small: p.clamp(small, 1 - small)),
            f"You clamp the probability to at least {small:g}. This limits what a pixel can cost, and no gradient comes back from "
            "beyond. "
            "`logsigmoid(l)` and `logsigmoid(-l)` need no clamp.",
        )
        for small in (1e-3, 1e-4, 1e-5, 1e-7, 1e-8, 1e-10, 1e-12)
    ),
)

"""Further wrong answers to exercise 03.5: what else stands in the surrogate, other losses."""

from __future__ import annotations

from torch import nn

from helpers.exercises.exercise import Misconception


def _right(f, log_q, baseline):
    surrogate = f + (f - baseline).detach() * log_q
    return surrogate.mean(0), ((f.detach() - baseline) ** 2).mean()


def _losses_with(surrogate=None, loss=None):
    """A wrong answer: this surrogate [samples, batch] or this loss, functions of f, log q and baseline, in place of the right "
    "one."""

    def answer(f, log_q, baseline):
        ours, right = _right(f, log_q, baseline)
        if surrogate is not None:
            ours = surrogate(f, log_q, baseline).mean(0)
        return ours, right if loss is None else loss(f, log_q, baseline)

    return answer


SLIPS = (
    Misconception(
        "the auxiliary loss subtracted",
        lambda f, log_q, b: (
            _right(f, log_q, b)[0] - ((f.detach() - b) ** 2).mean(0),
            _right(f, log_q, b)[1],
        ),
        "Your auxiliary loss is right. You subtract it from the surrogate as well: keep the two apart.",
    ),
    Misconception(
        "the baseline added back",
        _losses_with(lambda f, log_q, b: f + (f - b).detach() * log_q + b.detach()),
        "Your auxiliary loss is right. You add b to the surrogate. Its first term is f alone; b stands only in the reward f "
        "− b.",
    ),
    Misconception(
        "the baseline added back with its graph",
        _losses_with(lambda f, log_q, b: f + (f - b).detach() * log_q + b),
        "Your auxiliary loss is right. You add b to the surrogate, so its gradient reaches the baseline. b stands only in "
        "the reward f − b, detached.",
    ),
    Misconception(
        "averages before it multiplies",
        lambda f, log_q, b: (
            f.mean(0) + (f.mean(0) - b).detach() * log_q.mean(0),
            _right(f, log_q, b)[1],
        ),
        "Your auxiliary loss is right. You average f and log q before you multiply them, so every sample gets the same "
        "reward. Multiply sample by sample, then average.",
    ),
    Misconception(
        "q for log q",
        _losses_with(lambda f, log_q, b: f + (f - b).detach() * log_q.exp()),
        "Your auxiliary loss is right. You multiply the reward by q(z); multiply it by log q(z).",
    ),
    Misconception(
        "log q added, not multiplied",
        _losses_with(lambda f, log_q, b: f + (f - b).detach() + log_q),
        "Your auxiliary loss is right. You add log q to the reward; the score term is their product.",
    ),
    Misconception(
        "loss weighed by log q",
        _losses_with(loss=lambda f, log_q, b: ((f.detach() - b) ** 2 * log_q).mean()),
        "Your surrogate is right. You multiply the squared residuals by log q; the auxiliary loss is their plain mean.",
    ),
    Misconception(
        "spread of the residuals",
        _losses_with(loss=lambda f, log_q, b: (f.detach() - b).var(correction=0)),
        "Your surrogate is right. Your auxiliary loss is the variance of f − b, which a constant offset of b does not "
        "change. Take the mean of (f − b)².",
    ),
    Misconception(
        "a smooth absolute loss",
        _losses_with(loss=lambda f, log_q, b: nn.functional.smooth_l1_loss(b.expand_as(f), f.detach())),
        "Your surrogate is right. Your auxiliary loss is `smooth_l1_loss`, which is linear for large residuals. Take the "
        "mean of (f − b)².",
    ),
)

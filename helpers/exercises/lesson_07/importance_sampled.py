"""Exercise 07.4: the likelihood of a sequence."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from helpers.exercises.engine.inputs import normal
from helpers.exercises.exercise import Exercise, Misconception


def importance_sampled(log_joint, log_q):
    """log p(x) from S whole paths z_s ~ q(z | x), in nats, and how many of them count.

    log_joint: log p(x, z_s), log_q: log q(z_s | x), summed over time: [samples, batch]
    → log of the mean weight [batch]; effective sample size (sum w)² / sum w² [batch].
    """
    log_weight = log_joint - log_q
    log_total = log_weight.logsumexp(0)  # [batch]
    effective = (2 * log_total - (2 * log_weight).logsumexp(0)).exp()
    return log_total - math.log(len(log_weight)), effective


def _path_inputs(
    generator: Generator, samples: int, batch: int, loc: Tensor | float = -12.0, spread: float = 1.4
) -> dict[str, Tensor]:
    log_q = normal(generator, samples, batch, scale=2.0, loc=-5.0)
    centre = normal(generator, batch, scale=3.0) + loc
    log_joint = log_q + centre + normal(generator, samples, batch, scale=spread)
    return {"log_joint": log_joint.requires_grad_(), "log_q": log_q.requires_grad_()}


def _importance_with(
    weight=lambda log_joint, log_q: log_joint - log_q,
    estimate=lambda log_weight: log_weight.logsumexp(0) - math.log(len(log_weight)),
    effective=lambda log_weight: 1 / log_weight.softmax(0).square().sum(0),
):
    """A wrong answer with this log weight, estimate, or effective sample size."""

    def answer(log_joint, log_q):
        log_weight = weight(log_joint, log_q)
        return estimate(log_weight), effective(log_weight)

    return answer


IMPORTANCE = Exercise(
    id="07.4",
    title="The likelihood of a sequence",
    minutes=7,
    difficulty=2,
    statement=r"Estimate $\log p(x)$ from $S$ whole paths $z_s \sim q(z \mid x)$ with the weights $w_s = p(x, z_s) / q(z_s \mid x)$: "
    r"return $\log \frac 1 S \sum_s w_s$ for each sequence, and the effective sample size $\big(\sum_s w_s\big)^2 / \sum_s w_s^2$. A "
    r"sequence has hundreds of nats: weights themselves are 0 in floating point. Gradients must reach both arguments.",
    solution=importance_sampled,
    why="The mean weight has p(x) for its expectation; its log lies below log p(x) on average, and above the bound, the mean of the logs. "
    "Where one path in a thousand carries all the weight, the effective size is near 1, and the estimate is not to be trusted.",
    cases={
        "four paths": lambda g: _path_inputs(g, 4, 3),
        "weights too small for a float": lambda g: _path_inputs(g, 3, 5, loc=-900.0),
        "one path": lambda g: _path_inputs(g, 1, 4),
        "one path carries all": lambda g: _path_inputs(g, 6, 2, spread=25.0),
        "weights nearly alike": lambda g: _path_inputs(g, 5, 4, spread=0.1),
        "as many paths as sequences": lambda g: _path_inputs(g, 3, 3, loc=0.0),
        "sequences far apart": lambda g: _path_inputs(
            g, 7, 4, loc=torch.tensor([-2500.0, 300.0, -400.0, -30.0], dtype=torch.float64), spread=3.0
        ),
        "paths that differ by hundreds of nats": lambda g: _path_inputs(g, 8, 2, loc=-400.0, spread=150.0),
        "one sequence": lambda g: _path_inputs(g, 6, 1),
    },
    dimensions={"log_joint": ("samples", "batch"), "log_q": ("samples", "batch"), "return": (("batch",), ("batch",))},
    returns=("the estimate of log p(x)", "the effective sample size"),
    hints=(
        "Stay in logs. What is the log of a sum whose terms you know by their logs?",
        "log w = log_joint − log_q;   logsumexp_s(log w) − log S;   size = exp(2 logsumexp_s(log w) − logsumexp_s(2 log w)).",
        "log_weight = log_joint - log_q",
    ),
    misconceptions=(
        Misconception(
            "the bound",
            _importance_with(estimate=lambda log_weight: log_weight.mean(0)),
            "The size is right. You average the log weights: that is the bound. Average the weights, then take the log: `logsumexp`.",
        ),
        Misconception(
            "the sum for the mean",
            _importance_with(estimate=lambda log_weight: log_weight.logsumexp(0)),
            "The size is right. The estimate is too large by log S: the weights are averaged, not summed.",
        ),
        Misconception(
            "log S added",
            _importance_with(estimate=lambda log_weight: log_weight.logsumexp(0) + math.log(len(log_weight))),
            "The size is right. You add log S, and a mean divides by S: subtract it.",
        ),
        Misconception(
            "the best path",
            _importance_with(estimate=lambda log_weight: log_weight.amax(0)),
            "The size is right. You take the largest weight; the estimate is the mean of all.",
        ),
        Misconception(
            "by exponentials",
            _importance_with(
                estimate=lambda log_weight: log_weight.exp().mean(0).log(),
                effective=lambda log_weight: log_weight.exp().sum(0).square() / log_weight.exp().square().sum(0),
            ),
            "Right for short sequences. At −900 nats all weights are 0, and so is what you divide by. Stay in logs: `logsumexp`.",
        ),
        Misconception(
            "the size by exponentials",
            _importance_with(
                effective=lambda log_weight: log_weight.exp().sum(0).square() / log_weight.exp().square().sum(0)
            ),
            "The estimate is right. The size still uses the weights themselves, which at −900 nats are all 0: 0/0. A factor common to all "
            "weights cancels in it, so normalise them first, or stay in logs.",
        ),
        Misconception(
            "no q",
            _importance_with(weight=lambda log_joint, log_q: log_joint),
            "You average p(x, z) over paths that q drew. Each is to be divided by q(z | x).",
        ),
        Misconception(
            "q multiplied",
            _importance_with(weight=lambda log_joint, log_q: log_joint + log_q),
            "You multiply by q(z | x). What q draws too often must weigh less: divide, log w = log p − log q.",
        ),
        Misconception(
            "upside down",
            _importance_with(weight=lambda log_joint, log_q: log_q - log_joint),
            "Your weights are upside down: w = p(x, z) / q(z | x).",
        ),
        Misconception(
            "the size upside down",
            _importance_with(effective=lambda log_weight: log_weight.softmax(0).square().sum(0)),
            "The estimate is right. The size is upside down: (Σ w)² / Σ w², between 1 and S.",
        ),
        Misconception(
            "the share that counts",
            _importance_with(effective=lambda log_weight: 1 / log_weight.softmax(0).square().sum(0) / len(log_weight)),
            "The estimate is right. You return the share of paths that count; return their number, between 1 and S.",
        ),
        Misconception(
            "one over the largest",
            _importance_with(effective=lambda log_weight: 1 / log_weight.softmax(0).amax(0)),
            "The estimate is right. You divide by the largest normalised weight; divide by the sum of their squares.",
        ),
        Misconception(
            "by the entropy",
            _importance_with(
                effective=lambda log_weight: (-(log_weight.softmax(0) * log_weight.log_softmax(0)).sum(0)).exp()
            ),
            "The estimate is right. You return the exponential of the weights' entropy, another measure. Return (Σ w)² / Σ w².",
        ),
        Misconception(
            "the size of log weights",
            _importance_with(effective=lambda log_weight: log_weight.sum(0).square() / log_weight.square().sum(0)),
            "The estimate is right. In the size you put log weights for weights.",
        ),
        Misconception(
            "the number of paths",
            _importance_with(effective=lambda log_weight: torch.full_like(log_weight[0], len(log_weight))),
            "The estimate is right. You return S. Weights that differ count for fewer: (Σ w)² / Σ w².",
        ),
        Misconception(
            "the log of the size",
            _importance_with(effective=lambda log_weight: -log_weight.softmax(0).square().sum(0).log()),
            "The estimate is right. The size is still a logarithm.",
        ),
        Misconception(
            "no square above",
            _importance_with(
                effective=lambda log_weight: (log_weight.logsumexp(0) - (2 * log_weight).logsumexp(0)).exp()
            ),
            "The estimate is right. In the size the sum above the line is squared: a factor common to all weights must cancel.",
        ),
        Misconception(
            "the mean over the sequences",
            _importance_with(estimate=lambda log_weight: (log_weight.logsumexp(0) - math.log(len(log_weight))).mean()),
            "You average over the sequences. Return one estimate for each.",
        ),
        Misconception(
            "the log of the number of sequences",
            _importance_with(estimate=lambda log_weight: log_weight.logsumexp(0) - math.log(log_weight.shape[1])),
            "The size is right. You subtract the log of the number of sequences. The mean is over the S paths: subtract log S.",
        ),
        Misconception(
            "the joint for the weights in the size",
            lambda log_joint, log_q: (
                (log_joint - log_q).logsumexp(0) - math.log(len(log_q)),
                1 / log_joint.softmax(0).square().sum(0),
            ),
            "The estimate is right. The size is that of p(x, z) without q. Its weights too are p(x, z) / q(z | x).",
        ),
        Misconception(
            "the variance of a sample in the size",
            _importance_with(
                effective=lambda log_weight: len(log_weight) / (1 + (len(log_weight) * log_weight.softmax(0)).var(0))
            ),
            "The estimate is right. Your size is S / (1 + variance of the normalised weights), with a variance that divides by S − 1; "
            "(Σ w)² / Σ w² has one that divides by S.",
        ),
        Misconception(
            "a loss",
            _importance_with(estimate=lambda log_weight: math.log(len(log_weight)) - log_weight.logsumexp(0)),
            "The size is right. The estimate has its sign turned. Return log p(x).",
        ),
    ),
)

"""Exercise 06.5: what the guess costs."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from helpers.exercises.engine.inputs import normal
from helpers.exercises.exercise import Exercise, Misconception


def what_the_guess_costs(log_weight, log_q):
    """log p(x), log p(y | x) by importance weights, and KL(q(y | x) || p(y | x)), in nats.

    log_weight[s, b, k] = log p(x_b, y = k, z) - log q(z | x_b, k), z ~ q(z | x_b, k), a draw for
    each: [samples, batch, classes]. log_q: log q(y | x), [batch, classes]
    → log p(x) [batch], log p(y | x) [batch, classes], the divergence [batch].
    """
    log_joint = log_weight.logsumexp(0) - math.log(len(log_weight))  # log p(x, y): [batch, classes]
    log_marginal = log_joint.logsumexp(-1)
    log_posterior = log_joint - log_marginal[:, None]
    return log_marginal, log_posterior, (log_q.exp() * (log_q - log_posterior)).sum(-1)


def _weight_inputs(
    generator: Generator, samples: int, batch: int, classes: int, loc: float = -6.0, spread: float = 1.3
) -> dict[str, Tensor]:
    return {
        "log_weight": normal(generator, samples, batch, classes, scale=1.1)
        + normal(generator, batch, classes, scale=spread, loc=loc),
        "log_q": normal(generator, batch, classes, scale=1.4).log_softmax(-1),
    }


def _both_sure(generator: Generator) -> dict[str, Tensor]:
    """One class for each image to which both give all probability: that of the others rounds to 0."""
    others = -900.0 * (1 - torch.eye(4, 5, dtype=torch.float64))
    return {
        "log_weight": normal(generator, 2, 4, 5, scale=15.0, loc=-400.0) + others,
        "log_q": (normal(generator, 4, 5) + others).log_softmax(-1),
    }


def _cost_with(
    joint=lambda log_weight: log_weight.logsumexp(0) - math.log(len(log_weight)),
    evidence=lambda log_joint: log_joint.logsumexp(-1),
    divergence=lambda log_q, log_posterior: (log_q.exp() * (log_q - log_posterior)).sum(-1),
):
    """A wrong answer with this log p(x, y), log p(x), or divergence; what follows from it follows."""

    def answer(log_weight, log_q):
        log_joint = joint(log_weight)
        log_marginal = evidence(log_joint)
        log_posterior = log_joint - log_marginal[:, None]
        return log_marginal, log_posterior, divergence(log_q, log_posterior)

    return answer


def _joint_for_posterior(log_weight, log_q):
    log_marginal, log_posterior, divergence = what_the_guess_costs(log_weight, log_q)
    return log_marginal, log_posterior + log_marginal[:, None], divergence


def _probabilities(log_weight, log_q):
    log_marginal, log_posterior, divergence = what_the_guess_costs(log_weight, log_q)
    return log_marginal, log_posterior.exp(), divergence


def _bound_for_evidence(log_weight, log_q):
    log_marginal, log_posterior, divergence = what_the_guess_costs(log_weight, log_q)
    return log_marginal - divergence, log_posterior, divergence


def _posterior_and_divergence(log_posterior, log_q):
    return log_posterior, (log_q.exp() * (log_q - log_posterior)).sum(-1)


def _evidence_by_the_mean(log_weight, log_q):
    log_marginal, log_posterior, divergence = what_the_guess_costs(log_weight, log_q)
    return log_marginal - math.log(log_q.shape[-1]), log_posterior, divergence


COST = Exercise(
    id="06.5",
    title="What the guess costs",
    minutes=11,
    difficulty=3,
    statement=r"The model has an opinion on the class too: $p(y \mid x) \propto p(x, y)$. Estimate $p(x, y) \approx \frac 1 S \sum_s w_s$ "
    r"from draws $z_s \sim q(z \mid x, y)$, where `log_weight` is $\log w_s$ for every class. Return $\log p(x)$, $\log p(y \mid x)$, "
    r"and what the classifier's guess costs the bound, $\mathrm{KL}(q(y \mid x) \,\|\, p(y \mid x))$, in nats. Log weights may lie near "
    r"$-900$: their exponentials are 0 in floating point.",
    solution=what_the_guess_costs,
    why="Draws are averaged within a class; classes are summed, since their prior p(y) is in the weights. log p(x) − KL is the highest "
    "U(x) that this classifier can have: if KL is large, the model knows better than its classifier, or the other way about.",
    cases={
        "three draws of five classes": lambda g: _weight_inputs(g, 3, 2, 5),
        "weights too small for a float": lambda g: _weight_inputs(g, 4, 3, 2, loc=-900.0),
        "one draw": lambda g: _weight_inputs(g, 1, 4, 3),
        "far from sure": lambda g: _weight_inputs(g, 5, 1, 4, spread=0.2),
        "all sizes alike, densities above one": lambda g: _weight_inputs(g, 3, 3, 3, loc=90.0),
        "images far apart": lambda g: {
            "log_weight": normal(g, 5, 6, 3, scale=8.0)
            + torch.tensor([-100.0, -400.0, -900.0, 50.0, -1500.0, -600.0], dtype=torch.float64)[:, None],
            "log_q": normal(g, 6, 3, scale=8.0).log_softmax(-1),
        },
        "model and classifier sure": _both_sure,
    },
    dimensions={
        "log_weight": ("samples", "batch", "classes"),
        "log_q": ("batch", "classes"),
        "return": (("batch",), ("batch", "classes"), ("batch",)),
    },  # fmt: skip
    returns=("log p(x)", "log p(y | x)", "the divergence"),
    hints=(
        "Two dimensions are to go, draws and classes. One of them is a mean of weights, the other a sum of probabilities.",
        "log p(x, k) = logsumexp_s log w[s, k] − log S;   log p(x) = logsumexp_k log p(x, k);   log p(k | x) = log p(x, k) − log p(x).",
        "log_joint = log_weight.logsumexp(0) - math.log(len(log_weight))  # [batch, classes]",
    ),
    misconceptions=(
        Misconception(
            "the sum of the draws",
            _cost_with(joint=lambda log_weight: log_weight.logsumexp(0)),
            "log p(y | x) and the divergence are right, for a factor common to all classes cancels. log p(x) is too large by log S: the "
            "weights of the draws are averaged.",
        ),
        Misconception(
            "the mean of the logs",
            _cost_with(joint=lambda log_weight: log_weight.mean(0)),
            "You average the log weights: that is L(x, k), a bound on log p(x, k). Average the weights: `logsumexp`.",
        ),
        Misconception(
            "the first draw",
            _cost_with(joint=lambda log_weight: log_weight[0]),
            "You use the first draw of each class. Average the weights of all S draws.",
        ),
        Misconception(
            "the best draw",
            _cost_with(joint=lambda log_weight: log_weight.amax(0)),
            "You take the largest weight of the draws. Their mean is the estimate: `logsumexp`, less log S.",
        ),
        Misconception(
            "the mean over the classes",
            _cost_with(evidence=lambda log_joint: log_joint.logsumexp(-1) - math.log(log_joint.shape[-1])),
            "You average over the classes. Their prior p(y) is in the weights already: p(x) is the sum over y of p(x, y).",
        ),
        Misconception(
            "the mean over the classes in log p(x) alone",
            _evidence_by_the_mean,
            "log p(y | x) and the divergence are right. log p(x) is too small by the log of the number of classes: their prior p(y) is in "
            "the weights already, so p(x) is the sum over y of p(x, y).",
        ),
        Misconception(
            "by exponentials",
            _cost_with(joint=lambda log_weight: log_weight.exp().mean(0).log()),
            "Right while the weights are not too small for a floating-point number; at −900 they are 0, and their log is −∞. `logsumexp` "
            "takes the largest out first.",
        ),
        Misconception(
            "draws and classes exchanged",
            lambda log_weight, log_q: (
                (log_weight.logsumexp((0, 2)) - math.log(len(log_weight))),
                log_weight.log_softmax(-1).logsumexp(0) - math.log(len(log_weight)),
                (log_q.exp() * (log_q - (log_weight.log_softmax(-1).logsumexp(0) - math.log(len(log_weight))))).sum(-1),
            ),
            "log p(x) is right. You normalise over the classes draw by draw, and average then. The draws of different classes have nothing "
            "to do with each other: average the weights of a class first, then normalise.",
        ),
        Misconception(
            "the joint for the posterior",
            _joint_for_posterior,
            "The second is log p(x, y). For log p(y | x), subtract log p(x): its exponentials sum to 1.",
        ),
        Misconception(
            "probabilities",
            _probabilities,
            "The second is p(y | x). Asked is its logarithm, which survives where p(y | x) rounds to 0.",
        ),
        Misconception(
            "the other divergence",
            _cost_with(divergence=lambda log_q, log_p: (log_p.exp() * (log_p - log_q)).sum(-1)),
            "log p(x) and log p(y | x) are right. The divergence goes the other way: what the bound loses is KL(q ‖ p), a mean under q.",
        ),
        Misconception(
            "the divergence's sign",
            _cost_with(divergence=lambda log_q, log_p: (log_q.exp() * (log_p - log_q)).sum(-1)),
            "log p(x) and log p(y | x) are right. The divergence has the wrong sign: a divergence is never negative.",
        ),
        Misconception(
            "the cross-entropy",
            _cost_with(divergence=lambda log_q, log_p: -(log_q.exp() * log_p).sum(-1)),
            "log p(x) and log p(y | x) are right. The third is the cross-entropy, −Σ q log p; q's own log is missing.",
        ),
        Misconception(
            "the mean over the classes in the divergence",
            _cost_with(divergence=lambda log_q, log_p: (log_q.exp() * (log_q - log_p)).mean(-1)),
            "log p(x) and log p(y | x) are right. In the divergence you average over the classes; q weighs them already: sum.",
        ),
        Misconception(
            "no weights in the divergence",
            _cost_with(divergence=lambda log_q, log_p: (log_q - log_p).sum(-1)),
            "log p(x) and log p(y | x) are right. In the divergence the classes count with their probability q_k.",
        ),
        Misconception(
            "the bound for the evidence",
            _bound_for_evidence,
            "log p(y | x) and the divergence are right. The first is log p(x) − KL, a bound; log p(x) itself asks no classifier.",
        ),
        Misconception(
            "log p(y | x) by way of probabilities",
            lambda log_weight, log_q: (
                _cost_with()(log_weight, log_q)[:1]
                + _posterior_and_divergence(log_weight.logsumexp(0).softmax(-1).log(), log_q)
            ),
            "log p(x) is right. log p(y | x) is −∞ where p(y | x) rounds to 0: take `log_softmax`, or log p(x, y) − log p(x).",
        ),
        Misconception(
            "log S added",
            _cost_with(joint=lambda log_weight: log_weight.logsumexp(0) + math.log(len(log_weight))),
            "log p(y | x) and the divergence are right. You add log S to log p(x); a mean divides by S, so log S is subtracted.",
        ),
        Misconception(
            "the best class for log p(x)",
            _cost_with(evidence=lambda log_joint: log_joint.amax(-1)),
            "Your log p(x) is the largest log p(x, y). p(x) is the sum over all classes: `logsumexp`.",
        ),
    ),
)

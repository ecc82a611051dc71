"""Exercise 06.1: the bound without a label."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from helpers.exercises.engine.inputs import normal, normal_leaf
from helpers.exercises.exercise import Exercise, Misconception


def unlabelled_bound(logits, bound):
    """U(x) = sum_k q_k [L(x, k) - log q_k] in nats: the bound on log p(x) without a label.

    q = q(y | x), the classifier's softmax(logits): [batch, classes].
    bound: L(x, k) of every class, log p(y = k) in it, [batch, classes] → [batch].
    """
    log_q = logits.log_softmax(-1)
    return (log_q.exp() * (bound - log_q)).sum(-1)


def _unlabelled_inputs(
    generator: Generator, batch: int, classes: int, spread: float = 1.5, loc: float = -9.0
) -> dict[str, Tensor]:
    return {
        "logits": normal_leaf(generator, batch, classes, scale=spread, loc=0.7),
        "bound": normal_leaf(generator, batch, classes, scale=4.0, loc=loc),
    }


def _unlabelled_with(value, log_q=lambda logits: logits.log_softmax(-1)):
    """A wrong answer: this function of log q and the bounds, both [batch, classes]."""
    return lambda logits, bound: value(log_q(logits), bound)


UNLABELLED = Exercise(
    id="06.1",
    title="The bound without a label",
    minutes=6,
    difficulty=1,
    statement=r"Write the bound of an image without a label, $U(x) = \sum_k q_k \big[L(x, k) - \log q_k\big]$ in nats, with "
    r"$q = \mathrm{softmax}(\text{logits})$ the classifier's $q(y \mid x)$. `bound` holds $L(x, k)$ for every class. Gradients "
    r"must reach both arguments, and stay finite where a probability rounds to 0.",
    solution=unlabelled_bound,
    why="The mean bound over the classes, and the entropy of q on top: a guess that stays open is paid for staying open. Where one class "
    "has all of q, U(x) is that class's L.",
    cases={
        "four classes": lambda g: _unlabelled_inputs(g, 3, 4),
        "a classifier that is sure": lambda g: _unlabelled_inputs(g, 4, 5, spread=700.0),
        "two classes": lambda g: _unlabelled_inputs(g, 5, 2),
        "one image, ten classes": lambda g: _unlabelled_inputs(g, 1, 10, spread=3.0),
        "as many images as classes, bounds of both signs": lambda g: _unlabelled_inputs(g, 3, 3, loc=0.0),
        "images far apart": lambda g: {
            "logits": (normal(g, 6, 10) + 300.0 * normal(g, 6, 1)).requires_grad_(),
            "bound": (normal(g, 6, 10, scale=15.0) + normal(g, 6, 1, loc=-400.0, scale=150.0)).requires_grad_(),
        },
    },
    dimensions={"logits": ("batch", "classes"), "bound": ("batch", "classes"), "return": ("batch",)},
    returns=("the bound",),
    hints=(
        "An expectation over ten outcomes is a sum of ten terms: each with its probability, and each with two things in the bracket.",
        "log q = log_softmax(logits);   U = Σ_k exp(log q_k) · (L_k − log q_k).",
        "log_q = logits.log_softmax(-1)",
    ),
    misconceptions=(
        Misconception(
            "no entropy",
            _unlabelled_with(lambda log_q, bound: (log_q.exp() * bound).sum(-1)),
            "That is the mean of L under q. The guess's own −log q_k is missing: without it the classifier is paid for being sure of the "
            "best class, and the number is no longer the tightest that q gives.",
        ),
        Misconception(
            "the entropy's sign",
            _unlabelled_with(lambda log_q, bound: (log_q.exp() * (bound + log_q)).sum(-1)),
            "You add log q_k. In a bound q's own log density is subtracted, as log q(z | x) is: L − log q_k.",
        ),
        Misconception(
            "all classes alike",
            _unlabelled_with(lambda log_q, bound: (bound - log_q).mean(-1)),
            "You average over the classes as if each were equally likely. Class k has the probability q_k.",
        ),
        Misconception(
            "the sum without weights",
            _unlabelled_with(lambda log_q, bound: (bound - log_q).sum(-1)),
            "You sum over the classes without their probabilities. It is an expectation under q: Σ_k q_k […].",
        ),
        Misconception(
            "logits for log probabilities",
            _unlabelled_with(lambda log_q, bound: (log_q.softmax(-1) * (bound - log_q)).sum(-1), lambda logits: logits),
            "Your weights are right. Inside the bracket you use the raw logits; log q_k is `logits.log_softmax(-1)`.",
        ),
        Misconception(
            "by way of probabilities",
            lambda logits, bound: (logits.softmax(-1) * (bound - logits.softmax(-1).log())).sum(-1),
            "Right while no probability rounds to 0. Where the classifier is sure, log 0 is −∞, and 0 times infinity is NaN. "
            "`log_softmax` gives the log without the detour.",
        ),
        Misconception(
            "the softmax over the batch",
            lambda logits, bound: (logits.softmax(0) * (bound - logits.log_softmax(0))).sum(-1),
            "Your softmax runs over the images. The classes are the last dimension.",
        ),
        Misconception(
            "log weights for weights",
            _unlabelled_with(lambda log_q, bound: (log_q * (bound - log_q)).sum(-1)),
            "You weigh with log q_k. An expectation weighs with q_k: exponentiate.",
        ),
        Misconception(
            "the best class alone",
            _unlabelled_with(lambda log_q, bound: bound.gather(-1, log_q.argmax(-1, keepdim=True))[..., 0]),
            "You take the most likely class for the truth. U(x) is the mean over all classes, each with its probability.",
        ),
        Misconception(
            "the marginal",
            lambda logits, bound: bound.logsumexp(-1) + 0 * logits.sum(-1),
            "That is log Σ_k exp L(x, k), which asks no classifier at all. U(x) is what q reaches of it, and is less, by "
            "KL(q ‖ softmax L).",
        ),
        Misconception(
            "the classifier detached",
            lambda logits, bound: unlabelled_bound(logits.detach(), bound),
            "The value is right, and the classifier gets no gradient: it flows through the weights q_k (what comes by −log q_k alone "
            "sums to zero). Nothing is to be detached.",
        ),
        Misconception(
            "the bounds detached",
            lambda logits, bound: unlabelled_bound(logits, bound.detach()),
            "The value is right, and decoder and style encoder get no gradient: they learn through L(x, k).",
        ),
        Misconception(
            "a loss",
            lambda logits, bound: -unlabelled_bound(logits, bound),
            "That is U(x) with its sign turned, a loss. Asked is the bound, which is maximised.",
        ),
        Misconception(
            "the mean over the batch",
            lambda logits, bound: unlabelled_bound(logits, bound).mean(),
            "You average over the images. Asked is one number for each image.",
        ),
        Misconception(
            "the mean of the terms",
            _unlabelled_with(lambda log_q, bound: (log_q.exp() * (bound - log_q)).mean(-1)),
            "You average over the classes. Their probabilities q_k weigh them already: sum.",
        ),
        Misconception(
            "the entropy alone",
            _unlabelled_with(lambda log_q, bound: -(log_q.exp() * log_q).sum(-1)),
            "That is the entropy of q alone. The mean of L(x, k) under q is missing.",
        ),
        Misconception(
            "the entropy once for each class",
            _unlabelled_with(lambda log_q, bound: (log_q.exp() * bound - log_q).sum(-1)),
            "q_k weighs L(x, k) alone, and −log q_k counts in full. q_k weighs the whole bracket.",
        ),
        Misconception(
            "the best bound",
            lambda logits, bound: bound.amax(-1) + 0 * logits.sum(-1),
            "You take the largest L(x, k), which asks no classifier. U(x) is the mean over all classes, each with its probability q_k.",
        ),
        Misconception(
            "sigmoids for the softmax",
            _unlabelled_with(
                lambda log_q, bound: (log_q.exp() * (bound - log_q)).sum(-1),
                lambda logits: torch.nn.functional.logsigmoid(logits),
            ),
            "Your probabilities are sigmoids, one for each class by itself. q(y | x) is one distribution over the classes: the softmax.",
        ),
    ),
)

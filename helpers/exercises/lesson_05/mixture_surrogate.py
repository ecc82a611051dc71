"""Exercise 05.5: every component, one point each."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from helpers.exercises.engine.inputs import normal, normal_leaf
from helpers.exercises.exercise import Exercise, Misconception


def mixture_surrogate(logits, log_normal, log_joint):
    """sum_k w_k [log p(x, z_k) - log q(z_k)]: the component enumerated, its point z_k reparameterised.

    w = softmax(logits), [batch, components]; q(z) = sum_j w_j N_j(z), the whole mixture.
    log_normal[b, k, j] = log N_j(z_k), z_k drawn from component k: [batch, components, components].
    log_joint[b, k] = log p(x, z_k): [batch, components] → [batch]. Gradients flow everywhere.
    """
    log_weight = logits.log_softmax(-1)  # [batch, components]
    log_q = (log_normal + log_weight[:, None]).logsumexp(-1)  # of each point: [batch, components]
    return (log_weight.exp() * (log_joint - log_q)).sum(-1)


def _mixture_inputs(
    generator: Generator, batch: int, components: int, loc: float = -3.0, spread: float = 2.0, joint: float = -8.0
) -> dict[str, Tensor]:
    return {
        "logits": normal_leaf(generator, batch, components, scale=1.2),
        "log_normal": normal_leaf(generator, batch, components, components, loc=loc, scale=spread),
        "log_joint": normal_leaf(generator, batch, components, loc=joint, scale=3.0),
    }


def _log_q(logits, log_normal):
    return (log_normal + logits.log_softmax(-1)[:, None]).logsumexp(-1)


def _surrogate_with(log_q, weight=lambda logits: logits.softmax(-1)):
    """A wrong answer with this log q [batch, components], a function of logits and log_normal, or these weights."""
    return lambda logits, log_normal, log_joint: (weight(logits) * (log_joint - log_q(logits, log_normal))).sum(-1)


def _own(log_normal):
    return log_normal.diagonal(dim1=-2, dim2=-1)


MIXTURE = Exercise(
    id="05.5",
    title="Every component, one point each",
    minutes=11,
    difficulty=3,
    statement=r"For $q(z) = \sum_j w_j\, \mathcal N_j(z)$ with $w = \mathrm{softmax}(\text{logits})$, and a point $z_k$ drawn from each "
    r"component by reparameterisation, write the surrogate $\sum_k w_k \big[\log p(x, z_k) - \log q(z_k)\big]$, where $\log q$ is that of "
    r"the *whole* mixture. `log_normal[b, k, j]` is $\log \mathcal N_j(z_k)$ for datum $b$, `log_joint[b, k]` is $\log p(x, z_k)$. "
    r"Nothing is detached.",
    solution=mixture_surrogate,
    why="The sum over components is the exact mean over them, so the weights get their gradient as ordinary numbers, without a score "
    "function; the points carry the gradient of means and scales.",
    cases={
        "three of four components": lambda g: _mixture_inputs(g, 3, 4),
        "densities too small for a float": lambda g: _mixture_inputs(g, 2, 3, loc=-900.0, spread=5.0),
        "two components": lambda g: _mixture_inputs(g, 5, 2),
        "a mixture of one": lambda g: _mixture_inputs(g, 4, 1),
        "all sizes alike, bounds of both signs": lambda g: _mixture_inputs(g, 3, 3, joint=-3.0),
        "components without weight, log-likelihoods of images": lambda g: {
            "logits": (normal(g, 4, 5) - 800.0 * torch.eye(4, 5, dtype=torch.float64)).requires_grad_(),
            "log_normal": normal_leaf(g, 4, 5, 5, loc=-50.0, scale=30.0),
            "log_joint": normal_leaf(g, 4, 5, loc=-400.0, scale=100.0),
        },
        # The weights stay, and the exponentials of the logits are infinite, or all 0.
        "logits moved by a constant": lambda g: {
            **_mixture_inputs(g, 2, 3),
            "logits": (normal(g, 2, 3) + torch.tensor([[800.0], [-800.0]], dtype=torch.float64)).requires_grad_(),
        },
        "data far apart": lambda g: {
            **_mixture_inputs(g, 2, 6),
            "log_normal": (
                normal(g, 2, 6, 6, scale=3.0) + torch.tensor([900.0, -900.0], dtype=torch.float64)[:, None, None]
            ).requires_grad_(),
        },
    },
    dimensions={
        "logits": ("batch", "components"),
        "log_normal": ("batch", "points", "components"),
        "log_joint": ("batch", "components"),
        "return": ("batch",),
    },  # fmt: skip
    returns=("the surrogate",),
    hints=(
        "Every point has its density under every component: that is why log_normal has two dimensions of one size. Which of them does "
        "q(z_k) sum over, and where do the weights of the components stand?",
        "log q(z_k) = logsumexp_j [log w_j + log_normal[b, k, j]];   surrogate = Σ_k w_k [log_joint[b, k] − log q(z_k)].",
        "log_weight = logits.log_softmax(-1);   log_weight[:, None] is [batch, 1, components], and fits log_normal's last dimension.",
    ),
    misconceptions=(
        Misconception(
            "its own component's density",
            _surrogate_with(lambda logits, log_normal: _own(log_normal)),
            "You score z_k by its own component's density alone, which makes a looser bound. A point may lie in several components, and "
            "forgets which it came from: log q(z_k) is that of the whole mixture.",
        ),
        Misconception(
            "its own component's weighted density",
            _surrogate_with(lambda logits, log_normal: logits.log_softmax(-1) + _own(log_normal)),
            "You score the pair (k, z_k), log w_k + log N_k(z_k), while log p(x, z) knows of no k: the number is then too high, by how "
            "unsure k is given z, and no bound. Asked is log q(z_k), summed over all components.",
        ),
        Misconception(
            "its own component's density, weighted by way of probabilities",
            _surrogate_with(lambda logits, log_normal: logits.softmax(-1).log() + _own(log_normal)),
            "You score the pair (k, z_k), log w_k + log N_k(z_k); asked is log q(z_k), summed over all components. And `log_softmax` has "
            "no NaN where a weight rounds to 0.",
        ),
        Misconception(
            "log q summed without the outer weights",
            lambda logits, log_normal, log_joint: (
                (logits.softmax(-1) * log_joint).sum(-1) - _log_q(logits, log_normal).sum(-1)
            ),
            "log p(x, z_k) is weighed with w_k, and log q(z_k) is not. Both stand in the bracket: Σ_k w_k [… − …].",
        ),
        Misconception(
            "the weights at the points",
            _surrogate_with(lambda logits, log_normal: (log_normal + logits.log_softmax(-1)[:, :, None]).logsumexp(-1)),
            "Within log q(z_k) you weigh every term with w_k, the weight of the component that made the point. The term of component j has "
            "w_j: `[:, None]`, not `[:, :, None]`.",
        ),
        Misconception(
            "reduced over the points",
            _surrogate_with(lambda logits, log_normal: (log_normal + logits.log_softmax(-1)[:, :, None]).logsumexp(1)),
            "You sum over the points, dimension 1. log q(z_k) sums over the components j that might have made z_k: the last dimension.",
        ),
        Misconception(
            "along the points",
            _surrogate_with(lambda logits, log_normal: (log_normal + logits.log_softmax(-1)[:, None]).logsumexp(1)),
            "The weights stand where they should. Sum along the row j, the last dimension, and not over the points k.",
        ),
        Misconception(
            "over points and components at once",
            _surrogate_with(
                lambda logits, log_normal: (log_normal + logits.log_softmax(-1)[:, None]).logsumexp((1, 2))[:, None]
            ),
            "Your log q is one number for all points of a datum. Every point z_k has a log q of its own: sum along the row j, the last "
            "dimension, alone.",
        ),
        Misconception(
            "no weights in log q",
            _surrogate_with(lambda logits, log_normal: log_normal.logsumexp(-1)),
            "In log q(z_k) the components are not weighed. Add log w_j to log N_j(z_k) before the logsumexp.",
        ),
        Misconception(
            "all components alike in log q",
            _surrogate_with(lambda logits, log_normal: log_normal.logsumexp(-1) - math.log(log_normal.shape[-1])),
            "In log q(z_k) you give all components the weight 1/K. They have the weights w_j.",
        ),
        Misconception(
            "logits for log weights",
            _surrogate_with(lambda logits, log_normal: (log_normal + logits[:, None]).logsumexp(-1)),
            "In log q(z_k) you use the logits as they are. The log weights are `logits.log_softmax(-1)`.",
        ),
        Misconception(
            "the weights detached",
            _surrogate_with(_log_q, weight=lambda logits: logits.softmax(-1).detach()),
            "The value is right, and the weights lose the gradient that says which component is good: do not detach them.",
        ),
        Misconception(
            "log q detached",
            _surrogate_with(lambda logits, log_normal: _log_q(logits, log_normal).detach()),
            "The value is right. With log q detached, the points no longer feel that they crowd where q is high already: nothing is to be "
            "detached.",
        ),
        Misconception(
            "all components alike",
            _surrogate_with(_log_q, weight=lambda logits: torch.full_like(logits, 1 / logits.shape[-1])),
            "You average over the components as if each were drawn equally often. Component k has probability w_k.",
        ),
        Misconception(
            "the sum over the components",
            _surrogate_with(_log_q, weight=torch.ones_like),
            "You sum over the components without their weights. It is an expectation: Σ_k w_k […].",
        ),
        Misconception(
            "log weights for weights",
            _surrogate_with(_log_q, weight=lambda logits: logits.log_softmax(-1)),
            "You weigh with log w_k. The expectation weighs with w_k: exponentiate.",
        ),
        Misconception(
            "by exponentials",
            _surrogate_with(lambda logits, log_normal: (log_normal.exp() * logits.softmax(-1)[:, None]).sum(-1).log()),
            "Right while the densities are not too small for a floating-point number; at −900 they are 0, and their log is −∞. Use "
            "`logsumexp`.",
        ),
        Misconception(
            "log q added",
            _surrogate_with(lambda logits, log_normal: -_log_q(logits, log_normal)),
            "You add log q. The bound is E[log p(x, z) − log q(z)].",
        ),
        Misconception(
            "a loss",
            lambda logits, log_normal, log_joint: -mixture_surrogate(logits, log_normal, log_joint),
            "That is the surrogate with its sign turned, a loss. Asked is the bound, which is climbed.",
        ),
        Misconception(
            "a score function for the component",
            lambda logits, log_normal, log_joint: (
                logits.softmax(-1).detach()
                * (
                    log_joint
                    - _log_q(logits, log_normal)
                    + (log_joint - _log_q(logits, log_normal)).detach() * logits.log_softmax(-1)
                )
            ).sum(-1),
            "The gradient is right, by way of log w and a score function, and the value is not the bound. Where you sum over all "
            "components, w_k itself carries the gradient: Σ_k w_k […].",
        ),
        Misconception(
            "log q left out",
            _surrogate_with(lambda logits, log_normal: torch.zeros_like(logits)),
            "log q(z_k) is missing. Without it the mixture would shrink to the best point: the bound is E[log p(x, z) − log q(z)].",
        ),
        Misconception(
            "log weights for log q",
            _surrogate_with(lambda logits, log_normal: logits.log_softmax(-1)),
            "You subtract log w_k, the log probability of the component alone. log q(z_k) is the density of the point under the mixture.",
        ),
        Misconception(
            "log weights by way of probabilities",
            _surrogate_with(lambda logits, log_normal: (log_normal + logits.softmax(-1).log()[:, None]).logsumexp(-1)),
            "The values are right, and the gradient is NaN where a weight rounds to 0: log 0 is −∞. `log_softmax` gives the log without "
            "the detour.",
        ),
    ),
)

"""Exercise 03.6: what a layer has a say in."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from helpers.exercises.engine.inputs import normal_leaf
from helpers.exercises.exercise import Exercise, Misconception


def downstream_rewards(log_prior, log_p, log_q):
    """The reward of each layer: the terms of the log weight that its draw has a say in.

    log_prior: log p(h_L), [samples, batch].
    log_p: log p(x | h_1), log p(h_1 | h_2), ...   [layers, samples, batch].
    log_q: log q(h_1 | x), log q(h_2 | h_1), ...   [layers, samples, batch]
    → rewards, numbers without a graph, [layers, samples, batch].
    """
    terms = log_p - log_q  # [layers, samples, batch]
    upwards = terms.flip(0).cumsum(0).flip(0)  # the layer's own and those above it
    return (log_prior + upwards).detach()


def _layers(
    generator: Generator, layers: int, samples: int, batch: int, loc: float = -5.0, scale: float = 2.0
) -> dict[str, Tensor]:
    return {
        "log_prior": normal_leaf(generator, samples, batch, loc=0.8 * loc, scale=scale / 2),
        "log_p": normal_leaf(generator, layers, samples, batch, loc=loc, scale=scale),
        "log_q": normal_leaf(generator, layers, samples, batch, loc=0.4 * loc, scale=scale / 2),
    }


def _rewards_with(rewards):
    """A wrong answer: this function of all three, [layers, samples, batch], detached."""
    return lambda log_prior, log_p, log_q: rewards(log_prior, log_p, log_q).detach()


def _upwards(terms):
    return terms.flip(0).cumsum(0).flip(0)


def _prior_at_the_top(log_prior, log_p, log_q):
    top = torch.zeros_like(log_p)
    top[-1] = log_prior
    return _upwards(log_p - log_q) + top


DOWNSTREAM = Exercise(
    id="03.6",
    title="What a layer has a say in",
    minutes=8,
    difficulty=3,
    statement=r"A network of $L$ layers of bits draws $h_1 \sim q(\cdot \mid x)$, then $h_2 \sim q(\cdot \mid h_1)$, up to $h_L$. "
    r"The log "
    r"weight is $\log p(h_L) + \sum_l \log p(h_{l-1} \mid h_l) - \log q(h_l \mid h_{l-1})$, with $h_0 = x$. Write each layer's reward: "
    r"from the log weight, leave out the terms that were settled before the layer was drawn. A reward is a number, without a graph.",
    solution=downstream_rewards,
    why="Given h_{l−1}, the terms below layer l are constants to its draw, so they would add noise to its gradient and nothing to the "
    "mean.",
    cases={
        "three layers": lambda g: _layers(g, 3, 4, 2),
        "two layers, images": lambda g: _layers(g, 2, 3, 5, loc=-90.0),
        "one layer": lambda g: _layers(g, 1, 2, 3),
        "four layers, one sample": lambda g: _layers(g, 4, 1, 2),
        "terms of both signs": lambda g: _layers(g, 5, 2, 3, loc=0.0, scale=40.0),
        "all sizes alike": lambda g: _layers(g, 3, 3, 3),
        "one datum, one sample": lambda g: _layers(g, 2, 1, 1),
    },
    dimensions={
        "log_prior": ("samples", "batch"),
        "log_p": ("layers", "samples", "batch"),
        "log_q": ("layers", "samples", "batch"),
        "return": ("layers", "samples", "batch"),
    },  # fmt: skip
    returns=("the rewards",),
    hints=(
        "Take two layers. h_2 is drawn when x and h_1 stand already: which of the five terms contain h_2 or come after it?",
        "reward_l = log p(h_L) + Σ_{k ≥ l} [log p(h_{k−1} | h_k) − log q(h_k | h_{k−1})]: a cumulative sum from the top down.",
        "terms = log_p - log_q  # [layers, samples, batch]",
    ),
    misconceptions=(
        Misconception(
            "the whole log weight for every layer",
            _rewards_with(lambda prior, p, q: (prior + (p - q).sum(0)).expand_as(p).clone()),
            "Every layer gets the whole log weight. The gradient's mean is right and its noise is not: leave out what was settled "
            "before the layer was drawn.",
        ),
        Misconception(
            "summed from the data upwards",
            _rewards_with(lambda prior, p, q: prior + (p - q).cumsum(0)),
            "Your sums run from the data up to the layer. A layer has a say in its own term and in those above it: sum from the "
            "layer to "
            "the top.",
        ),
        Misconception(
            "its own term alone, and no prior",
            _rewards_with(lambda log_prior, log_p, log_q: log_p - log_q),
            "Each layer gets its own term alone. Add those of the layers above it, and log p(h_L).",
        ),
        Misconception(
            "its own term alone, the prior at the top",
            _rewards_with(
                lambda log_prior, log_p, log_q: (
                    (log_p - log_q) + torch.cat([torch.zeros_like(log_p[:-1]), log_prior.unsqueeze(0)])
                )
            ),
            "Each layer gets its own term alone, the top one log p(h_L) too. Every layer has a say in the terms above it, and in "
            "log p(h_L).",
        ),
        Misconception(
            "its own term alone",
            _rewards_with(lambda prior, p, q: prior + p - q),
            "Each layer is rewarded by its own term and the prior. The layers above are drawn from it, so their terms depend on "
            "it too.",
        ),
        Misconception(
            "its own term left out",
            _rewards_with(lambda prior, p, q: prior + _upwards(p - q) - (p - q)),
            "You leave the layer's own term out. log p(h_{l−1} | h_l) and log q(h_l | h_{l−1}) contain h_l: they belong to its "
            "reward.",
        ),
        Misconception(
            "the prior left out",
            _rewards_with(lambda prior, p, q: _upwards(p - q)),
            "log p(h_L) is missing. The top layer is drawn last, so every layer has a say in it.",
        ),
        Misconception(
            "the prior for the top layer alone",
            _rewards_with(_prior_at_the_top),
            "log p(h_L) reaches the top layer alone. The layers under it have a say in h_L as well: add it to every reward.",
        ),
        Misconception(
            "without log q",
            _rewards_with(lambda prior, p, q: prior + _upwards(p)),
            "−log q is missing: your rewards are those of the log joint, and q would collapse on its best guess.",
        ),
        Misconception(
            "plus log q",
            _rewards_with(lambda prior, p, q: prior + _upwards(p + q)),
            "log q has the wrong sign: in the log weight it is subtracted.",
        ),
        Misconception(
            "its own log q left out",
            _rewards_with(lambda prior, p, q: prior + _upwards(p - q) + q),
            "The layer's own −log q(h_l | h_{l−1}) is missing. It contains h_l, so it belongs to its reward.",
        ),
        Misconception(
            "its own log p left out",
            _rewards_with(lambda prior, p, q: prior + _upwards(p - q) - p),
            "log p(h_{l−1} | h_l) is missing from the reward of layer l: it is how well h_l explains the layer under it.",
        ),
        Misconception(
            "a loss",
            _rewards_with(lambda prior, p, q: -(prior + _upwards(p - q))),
            "Your rewards have the wrong sign: a reward is large where the log weight is.",
        ),
        Misconception(
            "rewards keep their graph",
            lambda log_prior, log_p, log_q: log_prior + _upwards(log_p - log_q),
            "The values are right, and gradients pass through your rewards. What multiplies ∇log q is a number: detach it.",
        ),
        Misconception(
            "mean over the layers above",
            _rewards_with(
                lambda prior, p, q: (
                    prior
                    + _upwards(p - q) / torch.arange(len(p), 0, -1, dtype=p.dtype, device=p.device).reshape(-1, 1, 1)
                )
            ),
            "You average over the layers. Log-probabilities of a chain add: take the sum.",
        ),
        Misconception(
            "layers in the wrong order",
            _rewards_with(lambda prior, p, q: prior + (p - q).flip(0).cumsum(0)),
            "Your sums are right, and stand upside down: the reward of h_1, next to the data, comes first.",
        ),
        Misconception(
            "the prior subtracted",
            _rewards_with(lambda prior, p, q: _upwards(p - q) - prior),
            "log p(h_L) has the wrong sign: it is added in the log weight.",
        ),
        Misconception(
            "log q less log p",
            _rewards_with(lambda prior, p, q: prior + _upwards(q - p)),
            "Your terms are log q − log p. The log weight has log p − log q.",
        ),
        Misconception(
            "the prior for every layer above",
            _rewards_with(lambda prior, p, q: _upwards(p - q + prior)),
            "log p(h_L) counts once for each layer from yours to the top. It is one term: add it once, after the sum.",
        ),
        Misconception(
            "the prior divided among the layers",
            _rewards_with(lambda prior, p, q: prior / len(p) + _upwards(p - q)),
            "You divide log p(h_L) by the number of layers. Every layer has a say in all of it.",
        ),
        Misconception(
            "the terms below",
            _rewards_with(lambda prior, p, q: prior + (p - q).cumsum(0) - (p - q)),
            "You sum the terms below the layer. They were settled before it was drawn: sum its own term and those above.",
        ),
        Misconception(
            "log p of its own term alone",
            _rewards_with(lambda prior, p, q: prior + p - _upwards(q)),
            "Your reward has log p of the layer's own term alone. The layers above are drawn from it: sum their log p too.",
        ),
        Misconception(
            "log q of its own term alone",
            _rewards_with(lambda prior, p, q: prior + _upwards(p) - q),
            "Your reward has log q of the layer's own draw alone. The layers above are drawn from it: subtract their log q too.",
        ),
        Misconception(
            "the prior alone",
            _rewards_with(lambda prior, p, q: prior.expand_as(p).clone()),
            "Your rewards are log p(h_L) alone. Add log p − log q of the layer and of those above.",
        ),
    ),
)

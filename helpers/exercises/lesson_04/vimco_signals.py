"""Exercise 04.2: what one sample adds to a bound of many."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from helpers.exercises.engine.inputs import normal
from helpers.exercises.exercise import Exercise, Misconception
from helpers.exercises.lesson_04.leave_one_out_surrogate import _others


def vimco_signals(log_weight):
    """L - L_s in nats, without gradient. L = log 1/S sum_t w_t, from log_weight = log w.

    L_s is L with log w_s replaced by the mean of the other samples' log w.
    log_weight: [samples, batch] → [samples, batch].
    """
    log_weight = log_weight.detach()
    others = (log_weight.sum(0) - log_weight) / (len(log_weight) - 1)  # [samples, batch]
    itself = torch.eye(len(log_weight), dtype=torch.bool, device=log_weight.device)
    replaced = torch.where(itself[:, :, None], others[:, None], log_weight)  # [left out, samples, batch]
    return log_weight.logsumexp(0) - replaced.logsumexp(1)


def _weights(
    generator: Generator, samples: int, batch: int, loc: float = -3.0, scale: float = 2.0
) -> dict[str, Tensor]:
    return {"log_weight": normal(generator, samples, batch, loc=loc, scale=scale).requires_grad_()}


def _signals_with(without):
    """A wrong answer: log 1/S sum_t w_t less `without` [samples, batch], a function of log w, no gradient."""

    def answer(log_weight):
        log_weight = log_weight.detach()
        return log_weight.logsumexp(0) - math.log(len(log_weight)) - without(log_weight)

    return answer


def _sum_of_the_others(log_weight):
    """log sum_{t ≠ s} w_t: [samples, batch]."""
    itself = torch.eye(len(log_weight), dtype=torch.bool)[:, :, None]
    return torch.where(itself, -torch.inf, log_weight).logsumexp(1)


def _replaced_by(others):
    """log 1/S sum_t w_t with log w_s replaced by `others` [samples, batch], a function of log w."""

    def without(log_weight):
        itself = torch.eye(len(log_weight), dtype=torch.bool)[:, :, None]
        replaced = torch.where(itself, others(log_weight)[:, None], log_weight)
        return replaced.logsumexp(1) - math.log(len(log_weight))

    return without


def _reduced_over_the_copies(log_weight):
    log_weight = log_weight.detach()
    itself = torch.eye(len(log_weight), dtype=torch.bool)[:, :, None]
    replaced = torch.where(itself, _others(log_weight)[:, None], log_weight)
    return log_weight.logsumexp(0) - replaced.logsumexp(0)


def _by_exponentials(log_weight):
    weight = log_weight.detach().exp()
    replaced = weight.sum(0) - weight + _others(log_weight.detach()).exp()
    return weight.mean(0).log() - (replaced / len(weight)).log()


def _with_gradient(log_weight):
    return log_weight.logsumexp(0) - math.log(len(log_weight)) - _replaced_by(_others)(log_weight)


VIMCO = Exercise(
    id="04.2",
    title="What one sample adds to a bound of many",
    minutes=15,
    difficulty=3,
    statement=r"Credit each of $S$ samples with what it adds to $L = \log \frac 1 S \sum_t w_t$: return $L - L_s$, where $L_s$ is $L$ "
    r"with "
    r"$\log w_s$ replaced by the mean of the other samples' $\log w$. In nats, without a gradient, and right where $w$ is far too "
    r"small for a "
    r"floating-point number.",
    solution=vimco_signals,
    why="L_s knows nothing of z_s, so it is a baseline without bias; unlike L, which every sample shares, L − L_s tells a sample that "
    "helped from one that did not.",
    cases={
        "five samples of three": lambda g: _weights(g, 5, 3),
        "two samples": lambda g: _weights(g, 2, 4),
        "very small weights": lambda g: _weights(g, 4, 2, loc=-800.0, scale=12.0),
        "six samples of one": lambda g: _weights(g, 6, 1, loc=1.0, scale=0.5),
        "as many samples as data": lambda g: _weights(g, 3, 3, loc=40.0),
        "nearly equal weights": lambda g: _weights(g, 4, 3, loc=0.0, scale=1e-3),
        "data far apart, weights that differ by hundreds of nats": lambda g: {
            "log_weight": (
                normal(g, 5, 4, scale=150.0) + torch.tensor([-400.0, 300.0, -900.0, 0.0], dtype=torch.float64)
            ).requires_grad_()
        },
    },
    dimensions={"log_weight": ("samples", "batch"), "return": ("samples", "batch")},
    returns=("the learning signals",),
    hints=(
        "Make S copies of the S log weights, one for each sample that is replaced: [left out, samples, batch]. The copies differ "
        "from the original on a diagonal.",
        "L_s = log 1/S [exp(mean_{t≠s} log w_t) + Σ_{t≠s} w_t];   every log of a sum by `logsumexp`. `torch.eye` and `torch.where` set "
        "the diagonal.",
        "itself = torch.eye(len(log_weight), dtype=torch.bool)[:, :, None];   torch.where(itself, others[:, None], log_weight) "
        "is [left out, samples, batch]: reduce dimension 1.",
    ),
    misconceptions=(
        Misconception(
            "the same signal for all",
            lambda log_weight: (
                (log_weight.detach().logsumexp(0) - math.log(len(log_weight))).expand_as(log_weight).clone()
            ),
            "That is L itself, for every sample alike: the good ones are praised for nothing and the bad ones with them. Subtract L_s.",
        ),
        Misconception(
            "the gradient is left in",
            _with_gradient,
            "The values are right. They weigh log q(z_s) as numbers, and a gradient through them would pull at f: detach them.",
        ),
        Misconception(
            "the arithmetic mean of the others",
            _signals_with(lambda log_weight: _sum_of_the_others(log_weight) - math.log(len(log_weight) - 1)),
            "You leave sample s out, or put the mean of the others' w in its place, which is the same. That has no bias either, but "
            "the exercise uses the mean of their log w, that is, the geometric mean.",
        ),
        Misconception(
            "reduced over the copies",
            _reduced_over_the_copies,
            "You have S copies of S log weights, and sum over the copies. Each copy gives one L_s: sum over the samples within it, the "
            "second of the two dimensions of size S.",
        ),
        Misconception(
            "nothing in its place",
            _signals_with(lambda log_weight: _sum_of_the_others(log_weight) - math.log(len(log_weight))),
            "You leave w_s out and still divide by S, as if that sample had weight zero. Put the others' mean log w in its place.",
        ),
        Misconception(
            "the sample in the mean",
            _signals_with(_replaced_by(lambda log_weight: log_weight.mean(0).expand_as(log_weight))),
            "The mean that replaces log w_s contains log w_s, so the baseline knows z_s, and a bias follows. Take the mean of the "
            "others.",
        ),
        Misconception(
            "the others' sum",
            _signals_with(_replaced_by(lambda log_weight: log_weight.sum(0) - log_weight)),
            "You replace log w_s by the sum of the others' log w. Divide it by their number, S − 1.",
        ),
        Misconception(
            "only the others' mean",
            _signals_with(_others),
            "You subtract the mean of the others' log w from L. L_s is a bound of S samples as L is: the others stay as they are, and "
            "the "
            "mean stands in for sample s alone.",
        ),
        Misconception(
            "signals of the average log weight",
            lambda log_weight: log_weight.detach() - _others(log_weight.detach()),
            "That is leave-one-out for the mean of log w, the ordinary bound. Here the target is the log of the mean.",
        ),
        Misconception(
            "L_s less L",
            lambda log_weight: -vimco_signals(log_weight),
            "Your signals have the wrong sign: a sample that raises the bound must become more probable, so it is L less L_s.",
        ),
        Misconception(
            "L without its log S",
            lambda log_weight: vimco_signals(log_weight) + math.log(len(log_weight)),
            "Your signals are all too large by log S: L and L_s are both means of S weights. Subtract log S from both, or from neither.",
        ),
        Misconception(
            "weights in place of their logarithms",
            _by_exponentials,
            "Right where weights are near 1. exp(−800) rounds to 0, and its logarithm is −∞. Stay with log weights: `logsumexp`.",
        ),
        Misconception(
            "normalised weights",
            lambda log_weight: log_weight.detach().softmax(0),
            "Those are the normalised weights, which f's own gradient is weighed with. The signal for log q is L − L_s.",
        ),
        Misconception(
            "L_s without its log S",
            lambda log_weight: vimco_signals(log_weight) - math.log(len(log_weight)),
            "Your signals are all too small by log S: L and L_s are both means of S weights. Subtract log S from both, or from neither.",
        ),
        Misconception(
            "L_s divided by S − 1",
            lambda log_weight: vimco_signals(log_weight) + math.log((len(log_weight) - 1) / len(log_weight)),
            "In L_s you divide by S − 1. The others' mean stands in for sample s, so L_s too is a mean of S weights: subtract log S.",
        ),
        Misconception(
            "the previous sample in its place",
            _signals_with(_replaced_by(lambda log_weight: log_weight.roll(1, 0))),
            "You replace log w_s by that of one sample, the previous one. Replace it by the mean of all the others.",
        ),
        Misconception(
            "L_s itself",
            lambda log_weight: _replaced_by(_others)(log_weight.detach()),
            "That is L_s, the baseline. The signal is what remains when it is subtracted: L − L_s.",
        ),
        Misconception(
            "L less the log weight",
            lambda log_weight: (log_weight.logsumexp(0) - math.log(len(log_weight)) - log_weight).detach(),
            "You subtract log w_s from L. Subtract L_s, the bound with log w_s replaced by the mean of the others' log w.",
        ),
        Misconception(
            "the log weight less L",
            lambda log_weight: (log_weight - log_weight.logsumexp(0) + math.log(len(log_weight))).detach(),
            "You subtract L from log w_s. The signal is L − L_s: how much the whole bound would lose with sample s replaced.",
        ),
        Misconception(
            "the mean of the logs for L",
            lambda log_weight: log_weight.detach().mean(0) - _replaced_by(_others)(log_weight.detach()),
            "Your L is the mean of log w, the bound of one sample; L_s is right. L is the log of the mean of w.",
        ),
    ),
)

"""The exercises of lesson 04, the estimator laboratory.

Beside what they are given, the solutions use `torch`; the lesson imports it. f is what an estimator scores, in nats where it is a
log weight; bits are 0 and 1, and 1 with probability sigmoid(logit).
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from helpers.exercises.exercise import Exercise, Misconception


def _normal(generator: Generator, *size: int, scale: float = 1.0, loc: float = 0.0) -> Tensor:
    return loc + scale * torch.randn(size, generator=generator, dtype=torch.float64)


def _uniform(generator: Generator, *size: int) -> Tensor:
    return torch.rand(size, generator=generator, dtype=torch.float64)


def _bits(generator: Generator, *size: int) -> Tensor:
    return (_uniform(generator, *size) < 0.4).double()


# 04.1


def leave_one_out_surrogate(f, log_q):
    """1/S sum_s [f(z_s) + (f(z_s) - b_s) log q(z_s)], b_s: the mean f of the other samples.

    Gradients flow as the estimator wants them: through f(z_s) and log q(z_s), and not
    through the bracket that weighs log q. f, log_q: [samples, batch] → [batch].
    """
    reward = f.detach()
    baseline = (reward.sum(0) - reward) / (len(reward) - 1)  # [samples, batch]
    return (f + (reward - baseline) * log_q).mean(0)


def _loo_inputs(generator: Generator, samples: int, batch: int, loc: float = -3.0, scale: float = 2.0) -> dict[str, Tensor]:
    return {
        "f": _normal(generator, samples, batch, loc=loc, scale=scale).requires_grad_(),
        "log_q": _normal(generator, samples, batch, loc=-2.0).requires_grad_(),
    }


def _others(f):
    """The mean over the other samples: [samples, batch]."""
    return (f.sum(0) - f) / (len(f) - 1)


def _surrogate_with(weight, reduce=lambda terms: terms.mean(0)):
    """A wrong answer with f's own route as it should be, and this weight [samples, batch] of log q, a function of f without gradient."""
    return lambda f, log_q: reduce(f + weight(f.detach()) * log_q)


LEAVE_ONE_OUT = Exercise(
    id="04.1",
    title="A baseline for free",
    minutes=8,
    difficulty=2,
    statement=r"Write the leave-one-out surrogate, $\frac 1 S \sum_s \big[f(z_s) + (f(z_s) - b_s) \log q(z_s)\big]$, where $b_s$ is the "
    r"mean of the *other* samples' $f$. Gradients go through $f(z_s)$ and $\log q(z_s)$; the bracket that weighs $\log q$ is a number. "
    r"There are two samples or more.",
    solution=leave_one_out_surrogate,
    why="The others' mean knows nothing of z_s, so the gradient of log q(z_s), whose mean is zero, is multiplied by a constant: no bias. "
    "The first term is the gradient of what f itself holds.",
    cases={
        "five samples of three": lambda g: _loo_inputs(g, 5, 3),
        "two samples": lambda g: _loo_inputs(g, 2, 4),
        "four samples of one": lambda g: _loo_inputs(g, 4, 1, loc=-90.0, scale=10.0),
    },
    dimensions={"f": ("samples", "batch"), "log_q": ("samples", "batch"), "return": ("batch",)},
    returns=("the surrogate",),
    hints=(
        "All samples' sum is at hand. What must you take from it to get the sum of the others, and how many others are there? Then ask "
        "of each factor whether a gradient may pass.",
        "b_s = (Σ_t f(z_t) − f(z_s)) / (S − 1), detached;   surrogate = mean over s of [f + (f.detach() − b) log q].",
        "reward = f.detach();   baseline = (reward.sum(0) - reward) / (len(reward) - 1);   then the formula, its bracket from these two.",
    ),
    misconceptions=(
        Misconception(
            "the sample in its own baseline",
            _surrogate_with(lambda f: f - f.mean(0)),
            "Your baseline contains the sample that it is compared with, so it knows z_s, and the score's gradient comes out too "
            "small by "
            "(S − 1)/S. Leave the sample out of its own mean.",
        ),
        Misconception(
            "the bracket is not detached",
            lambda f, log_q: (f + (f - _others(f)) * log_q).mean(0),
            "The value is right and the gradient is not: it also flows into f through the bracket that weighs log q. That bracket is a "
            "number: detach it.",
        ),
        Misconception(
            "the reward is not detached",
            lambda f, log_q: (f + (f - _others(f.detach())) * log_q).mean(0),
            "The value is right and the gradient is not: you detached the baseline, and the reward it is taken from still lets a "
            "gradient "
            "into f. Detach both.",
        ),
        Misconception(
            "the baseline is not detached",
            lambda f, log_q: (f + (f.detach() - _others(f)) * log_q).mean(0),
            "The value is right and the gradient is not: you detached the reward, and its baseline still lets a gradient into f. Detach "
            "both.",
        ),
        Misconception(
            "f detached altogether",
            lambda f, log_q: (f.detach() + (f.detach() - _others(f.detach())) * log_q).mean(0),
            "The value is right, and f's own parameters learn nothing: the first f must let its gradient through. Detach it only "
            "where it "
            "weighs log q.",
        ),
        Misconception(
            "f's own route left out",
            lambda f, log_q: ((f - _others(f)).detach() * log_q).mean(0),
            "That trains q alone. f has parameters too, the model's: the surrogate holds f itself beside the weighed log q.",
        ),
        Misconception(
            "log q detached",
            lambda f, log_q: (f + ((f - _others(f)) * log_q).detach()).mean(0),
            "The value is right, and q learns nothing: log q is detached. It is the only way by which a gradient reaches q.",
        ),
        Misconception(
            "no baseline",
            _surrogate_with(lambda f: f),
            "That is the plain score function: the right mean, and all of its noise. Subtract from each reward the mean of the others.",
        ),
        Misconception(
            "the others' sum",
            _surrogate_with(lambda f: f - (f.sum(0) - f)),
            "Your baseline is the others' sum. Divide it by their number, S − 1.",
        ),
        Misconception(
            "divides the others by S",
            _surrogate_with(lambda f: f - (f.sum(0) - f) / len(f)),
            "You divide the sum of the others by S. The others are S − 1. (No bias comes of it, but adding a constant to f now adds "
            "noise.)",
        ),
        Misconception(
            "baseline added",
            _surrogate_with(lambda f: f + _others(f)),
            "You add the baseline. What counts is by how much a sample is better than the others: subtract it.",
        ),
        Misconception(
            "the others less the sample",
            _surrogate_with(lambda f: _others(f) - f),
            "Your bracket has the wrong sign: a sample that is better than the others must become more probable, so it is f less the "
            "baseline.",
        ),
        Misconception(
            "sum over the samples",
            lambda f, log_q: (f + (f - _others(f)).detach() * log_q).sum(0),
            "You sum over the samples. Each of them alone estimates the gradient; take the mean.",
        ),
        Misconception(
            "divides the score by S − 1",
            lambda f, log_q: f.mean(0) + ((f - _others(f)).detach() * log_q).sum(0) / (len(f) - 1),
            "You divide by S − 1 twice: in the baseline, and in the mean of the weighed scores. S − 1 belongs to the second one only "
            "where "
            "the baseline is the mean of all S samples.",
        ),
        Misconception(
            "mean over the batch as baseline",
            _surrogate_with(lambda f: f - f.mean(1, keepdim=True)),
            "You compare a datum with the other data of the batch. Compare it with the other samples of the same datum: that is "
            "dimension 0.",
        ),
    ),
)


# 04.2


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


def _weights(generator: Generator, samples: int, batch: int, loc: float = -3.0, scale: float = 2.0) -> dict[str, Tensor]:
    return {"log_weight": _normal(generator, samples, batch, loc=loc, scale=scale).requires_grad_()}


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
            lambda log_weight: (log_weight.detach().logsumexp(0) - math.log(len(log_weight))).expand_as(log_weight).clone(),
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
            "asked "
            "is the mean of their log w, that is, the geometric mean.",
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
    ),
)


# 04.3


def disarm_gradient(logits, u, f_first, f_second):
    """1/2 (f(b) - f(b')) (b - b') sigmoid(|logit|), averaged over the pairs: DisARM.

    b = 1[u > sigmoid(-logit)], b' = 1[u < sigmoid(logit)], bit by bit, numbers of u's dtype.
    logits: [batch, bits], u: uniform draws, [pairs, batch, bits]; f_first = f(b),
    f_second = f(b'): [pairs, batch] → [batch, bits].
    """
    b = (u > (-logits).sigmoid()).to(u)  # [pairs, batch, bits]
    other = (u < logits.sigmoid()).to(u)
    difference = (f_first - f_second)[:, :, None]  # [pairs, batch, 1]
    return (0.5 * difference * (b - other) * logits.abs().sigmoid()).mean(0)


def _pair_inputs(generator: Generator, pairs: int, batch: int, bits: int, scale: float = 1.5) -> dict[str, Tensor]:
    return {
        "logits": _normal(generator, batch, bits, scale=scale),
        "u": _uniform(generator, pairs, batch, bits),
        "f_first": _normal(generator, pairs, batch, loc=-4.0, scale=2.0),
        "f_second": _normal(generator, pairs, batch, loc=-4.0, scale=2.0),
    }


def _pair(logits, u):
    return (u > (-logits).sigmoid()).to(u), (u < logits.sigmoid()).to(u)


def _disarm_with(terms, reduce=lambda terms: terms.mean(0)):
    """A wrong answer made of these terms: functions of f(b) - f(b') [pairs, batch, 1], b, b', u and the logits."""

    def answer(logits, u, f_first, f_second):
        return reduce(terms((f_first - f_second)[..., None], *_pair(logits, u), u, logits))

    return answer


def _two_scores(logits, u, f_first, f_second):
    b, other = _pair(logits, u)
    p = logits.sigmoid()
    return 0.5 * (f_first[..., None] * (b - p) + f_second[..., None] * (other - p)).mean(0)


def _flipped(logits, u, f_first, f_second):
    b, _ = _pair(logits, u)
    return (0.5 * (f_first - f_second)[..., None] * (2 * b - 1) * logits.abs().sigmoid()).mean(0)


DISARM = Exercise(
    id="04.3",
    title="A gradient from a pair",
    minutes=8,
    difficulty=2,
    statement=r"One uniform number makes two bits, $b = 1[u > \mathrm{sigmoid}(-\phi)]$ and $b' = 1[u < \mathrm{sigmoid}(\phi)]$, where "
    r"$\phi$ is a logit. Write DisARM's estimate of the gradient on the logits, $\frac 1 2 \big(f(b) - f(b')\big)(b - b')\,"
    r"\mathrm{sigmoid}(|\phi|)$, averaged over the pairs. `f_first` is $f(b)$, `f_second` is $f(b')$: one number for all bits of a "
    r"datum.",
    solution=disarm_gradient,
    why="Where the pair agrees in a bit, its difference in f says nothing about that bit, and DisARM takes it for nothing; where it "
    "differs, "
    "sigmoid(|φ|) is what ARM's noise averages to, given the pair.",
    cases={
        "five pairs of three, four bits": lambda g: _pair_inputs(g, 5, 3, 4),
        "one pair": lambda g: _pair_inputs(g, 1, 4, 6),
        "decided bits, one datum": lambda g: _pair_inputs(g, 12, 1, 5, scale=3.0),
    },
    dimensions={
        "logits": ("batch", "bits"), "u": ("pairs", "batch", "bits"), "f_first": ("pairs", "batch"), "f_second": ("pairs", "batch"),
        "return": ("batch", "bits"),
    },  # fmt: skip
    returns=("the gradient",),
    hints=(
        "Make both bits from the same u first. In which coordinates do they differ? Then give the difference in f a last dimension, "
        "so that "
        "it meets every bit.",
        "b = (u > (−φ).sigmoid()), b′ = (u < φ.sigmoid()), as numbers;   ½ (f(b) − f(b′)) (b − b′) sigmoid(|φ|), mean over dimension 0.",
        "b = (u > (-logits).sigmoid()).to(u)  # [pairs, batch, bits]",
    ),
    misconceptions=(
        Misconception(
            "ARM",
            _disarm_with(lambda difference, b, other, u, logits: difference * (u - 0.5)),
            "That is ARM: unbiased, and noisier, for it keeps the noise that u has once the pair is known. DisARM puts the mean of u − ½ "
            "given the pair in its place.",
        ),
        Misconception(
            "forgets the half",
            _disarm_with(lambda difference, b, other, u, logits: difference * (b - other) * logits.abs().sigmoid()),
            "Your gradient is twice the right one: the ½ is missing. A pair holds two evaluations of f.",
        ),
        Misconception(
            "no absolute value",
            _disarm_with(lambda difference, b, other, u, logits: 0.5 * difference * (b - other) * logits.sigmoid()),
            "Right where logits are positive. The weight is sigmoid(|φ|), never below ½: a bit that is mostly 0 needs it as much as "
            "one that "
            "is mostly 1.",
        ),
        Misconception(
            "the variance of the bit as weight",
            _disarm_with(
                lambda difference, b, other, u, logits: 0.5 * difference * (b - other) * logits.sigmoid() * (-logits).sigmoid()
            ),
            "You weigh with p (1 − p). That is the slope of sigmoid, which belongs to a sum over both outcomes; here the pair was "
            "drawn, and "
            "the weight is sigmoid(|φ|).",
        ),
        Misconception(
            "no weight",
            _disarm_with(lambda difference, b, other, u, logits: 0.5 * difference * (b - other)),
            "The factor sigmoid(|φ|) is missing. Without it the estimate is biased towards steps that are too long.",
        ),
        Misconception(
            "the second bit is the first one flipped",
            _flipped,
            "You take b′ for 1 − b. Both bits have the distribution q, so where q is decided they mostly agree: b′ = 1[u < sigmoid(φ)].",
        ),
        Misconception(
            "two score functions",
            _two_scores,
            "You average two score functions, f(b) (b − p) and f(b′) (b′ − p). That is unbiased, and a constant in f still makes "
            "noise: use "
            "the difference of the pair.",
        ),
        Misconception(
            "sum over the pairs",
            _disarm_with(
                lambda difference, b, other, u, logits: 0.5 * difference * (b - other) * logits.abs().sigmoid(),
                lambda terms: terms.sum(0),
            ),
            "You sum over the pairs. Every pair alone estimates the gradient; take the mean.",
        ),
        Misconception(
            "the wrong way round",
            _disarm_with(lambda difference, b, other, u, logits: 0.5 * difference * (other - b) * logits.abs().sigmoid()),
            "Your gradient has the wrong sign. Either f(b) − f(b′) or b − b′ is the wrong way round, or the two comparisons with u are.",
        ),
        Misconception(
            "the difference without its sign",
            _disarm_with(lambda difference, b, other, u, logits: 0.5 * difference * (b - other).abs() * logits.abs().sigmoid()),
            "You only ask whether the bits differ. b − b′ also says which of the two was 1, and with it the sign of the gradient.",
        ),
    ),
)


# 04.4


def local_gradient(logits, z, f, f_flipped):
    """Gradient of E_q[f] on the logits of bits, each bit summed out given a sample of the others.

    logits: [batch, bits], z: samples, [samples, batch, bits]; f = f(z): [samples, batch];
    f_flipped: f at z with this one bit flipped, [samples, batch, bits] → [batch, bits].
    """
    p = logits.sigmoid()  # [batch, bits]
    one_less_zero = (2 * z - 1) * (f[:, :, None] - f_flipped)  # f with the bit at 1, less f with it at 0
    return (p * (1 - p) * one_less_zero).mean(0)


def _local_inputs(generator: Generator, samples: int, batch: int, bits: int, scale: float = 1.5) -> dict[str, Tensor]:
    return {
        "logits": _normal(generator, batch, bits, scale=scale),
        "z": _bits(generator, samples, batch, bits),
        "f": _normal(generator, samples, batch, loc=-4.0, scale=2.0),
        "f_flipped": _normal(generator, samples, batch, bits, loc=-5.0, scale=2.0),
    }


def _local_with(terms, reduce=lambda terms: terms.mean(0)):
    """A wrong answer made of these terms: functions of p, z, f [samples, batch, 1] and f_flipped."""
    return lambda logits, z, f, f_flipped: reduce(terms(logits.sigmoid(), z, f[..., None], f_flipped))


LOCAL = Exercise(
    id="04.4",
    title="One bit at a time",
    minutes=8,
    difficulty=2,
    statement=r"Sum each bit $i$ out, given a sample of the others: the gradient on its logit is "
    r"$\mathbb E\big[p_i (1 - p_i)\,\big(f(z \text{ with } z_i = 1) - f(z \text{ with } z_i = 0)\big)\big]$. You are given $f$ at each "
    r"sample and, in `f_flipped`, $f$ with one bit flipped. Average over the samples.",
    solution=local_gradient,
    why="d/dφ of p f₁ + (1 − p) f₀ is p (1 − p) (f₁ − f₀), an exact sum over one bit; the sample only says where the other bits are.",
    cases={
        "five samples of three, four bits": lambda g: _local_inputs(g, 5, 3, 4),
        "one sample": lambda g: _local_inputs(g, 1, 4, 6),
        "decided bits, one datum": lambda g: _local_inputs(g, 7, 1, 5, scale=3.0),
    },
    dimensions={
        "logits": ("batch", "bits"), "z": ("samples", "batch", "bits"), "f": ("samples", "batch"),
        "f_flipped": ("samples", "batch", "bits"), "return": ("batch", "bits"),
    },  # fmt: skip
    returns=("the gradient",),
    hints=(
        "Take one bit. Where the sample has it at 1, which of f and f_flipped is f₁, and which is f₀? And where it has it at 0? One "
        "factor of "
        "±1 covers both.",
        "f₁ − f₀ = (2 z − 1) (f − f_flipped);   gradient = mean over samples of p (1 − p) (f₁ − f₀), with p = sigmoid(φ).",
        "p = logits.sigmoid();   f[:, :, None] - f_flipped is [samples, batch, bits], and 2 * z - 1 gives it its sign.",
    ),
    misconceptions=(
        Misconception(
            "the sample less its flip",
            _local_with(lambda p, z, f, flipped: p * (1 - p) * (f - flipped)),
            "Right where the sampled bit is 1. Where it is 0, f is f₀ and f_flipped is f₁: the difference changes its sign.",
        ),
        Misconception(
            "the flip less the sample",
            _local_with(lambda p, z, f, flipped: p * (1 - p) * (flipped - f)),
            "Right where the sampled bit is 0. Where it is 1, f is f₁ and f_flipped is f₀: the difference changes its sign.",
        ),
        Misconception(
            "zero less one",
            _local_with(lambda p, z, f, flipped: p * (1 - p) * (1 - 2 * z) * (f - flipped)),
            "Your gradient has the wrong sign: a larger logit makes ones more frequent, so it is f₁ − f₀.",
        ),
        Misconception(
            "forgets the slope of the sigmoid",
            _local_with(lambda p, z, f, flipped: (2 * z - 1) * (f - flipped)),
            "That is f₁ − f₀ alone: by how much p f₁ + (1 − p) f₀ changes with p. The logit moves p by p (1 − p).",
        ),
        Misconception(
            "gradient on the probability, weighed with it",
            _local_with(lambda p, z, f, flipped: p * (2 * z - 1) * (f - flipped)),
            "You multiply with p. The slope of the sigmoid is p (1 − p): it vanishes at both ends.",
        ),
        Misconception(
            "the score of the sample",
            _local_with(lambda p, z, f, flipped: (z - p) * (f - flipped)),
            "You multiply f − f_flipped with the score z − p, of a sampled bit. Here both outcomes are summed, each with the slope of "
            "its own "
            "probability: ± p (1 − p).",
        ),
        Misconception(
            "the score function",
            _local_with(lambda p, z, f, flipped: (z - p) * f),
            "That is the score function: unbiased, but it leaves f_flipped unused, and with it what you know about the other outcome.",
        ),
        Misconception(
            "f in place of the difference",
            _local_with(lambda p, z, f, flipped: p * (1 - p) * (2 * z - 1) * f),
            "f_flipped is not used. p (1 − p) goes with the difference of both outcomes.",
        ),
        Misconception(
            "half of the difference",
            _local_with(lambda p, z, f, flipped: 0.5 * p * (1 - p) * (2 * z - 1) * (f - flipped)),
            "Your gradient is half of the right one. Both outcomes are in the sum; there is nothing left to average but the samples.",
        ),
        Misconception(
            "sum over the samples",
            _local_with(lambda p, z, f, flipped: p * (1 - p) * (2 * z - 1) * (f - flipped), lambda terms: terms.sum(0)),
            "You sum over the samples. Every sample alone estimates the gradient; take the mean.",
        ),
        Misconception(
            "summed over the bits",
            _local_with(lambda p, z, f, flipped: (p * (1 - p) * (2 * z - 1) * (f - flipped)).sum(-1)),
            "You sum over the bits. Every bit has a logit of its own, and the gradient one number for each.",
        ),
    ),
)


# 04.5


def straight_through_bias(logits, f, slope):
    """Exact gradient of E[f(b)] on the logit of one bit, and the bias of straight-through there.

    Straight-through draws b, and takes f'(b) times the slope of b's mean for the gradient.
    logits: [batch]; f, slope: f and f' at b = 0 and at b = 1, [2, batch]
    → exact gradient, straight-through's mean less the exact gradient: [batch] each.
    """
    p = logits.sigmoid()  # [batch]
    exact = p * (1 - p) * (f[1] - f[0])
    expected = p * (1 - p) * ((1 - p) * slope[0] + p * slope[1])
    return exact, expected - exact


def _one_bit_inputs(generator: Generator, batch: int, scale: float = 1.5) -> dict[str, Tensor]:
    return {
        "logits": _normal(generator, batch, scale=scale),
        "f": _normal(generator, 2, batch, loc=-1.0, scale=2.0),
        "slope": _normal(generator, 2, batch, loc=0.5),
    }


def _square(generator: Generator, batch: int) -> dict[str, Tensor]:
    """f(b) = (b - t)², whose bias on the logit is (2p - 1) p (1 - p), whatever t is."""
    t, b = _normal(generator, batch), torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    return {"logits": _normal(generator, batch), "f": (b - t) ** 2, "slope": 2 * (b - t)}


def _bias_with(answer):
    """A wrong answer: a function of p, f_1 - f_0 and the slopes at 0 and at 1."""
    return lambda logits, f, slope: answer(logits.sigmoid(), f[1] - f[0], slope[0], slope[1])


def _slope_at(p, low, high):
    return (1 - p) * low + p * high


STRAIGHT_THROUGH = Exercise(
    id="04.5",
    title="How wrong straight-through is",
    minutes=6,
    difficulty=2,
    statement=r"One bit $b$ is 1 with probability $p = \mathrm{sigmoid}(\phi)$. Return the exact gradient of $\mathbb E[f(b)]$ on "
    r"$\phi$, and "
    r"the bias of straight-through: the mean of $f'(b)\,\frac{\mathrm d p}{\mathrm d \phi}$ over $b$, less the exact gradient. `f` and "
    r"`slope` hold $f$ and $f'$ at 0 and at 1.",
    solution=straight_through_bias,
    why="What counts is the difference f(1) − f(0); straight-through puts the mean of two slopes in its place, which is the same for "
    "a straight "
    "line, and else only by luck.",
    cases={
        "four bits": lambda g: _one_bit_inputs(g, 4),
        "one bit": lambda g: _one_bit_inputs(g, 1),
        "decided bits": lambda g: _one_bit_inputs(g, 5, scale=4.0),
        "a square": lambda g: _square(g, 3),
    },
    dimensions={
        "logits": ("batch",), "f": ("outcomes", "batch"), "slope": ("outcomes", "batch"), "return": (("batch",), ("batch",)),
    },  # fmt: skip
    returns=("the exact gradient", "the bias"),
    hints=(
        "E[f(b)] has two terms: write them down, and differentiate p by φ. Then take the mean of straight-through's gradient over the "
        "same two "
        "outcomes.",
        "exact = p (1 − p) (f(1) − f(0));   straight-through's mean = p (1 − p) [(1 − p) f′(0) + p f′(1)];   the bias is the second "
        "less the "
        "first.",
        "p = logits.sigmoid();   exact = p * (1 - p) * (f[1] - f[0]);   for straight-through, put a mean of "
        "`slope` in place of the last bracket.",
    ),
    misconceptions=(
        Misconception(
            "the slopes weigh the same",
            _bias_with(lambda p, rise, low, high: (p * (1 - p) * rise, p * (1 - p) * (0.5 * (low + high) - rise))),
            "Your exact gradient is right. In the mean of straight-through the slopes at 0 and at 1 do not weigh ½ each: b is 1 with "
            "probability p.",
        ),
        Misconception(
            "the slopes exchanged",
            _bias_with(lambda p, rise, low, high: (p * (1 - p) * rise, p * (1 - p) * (_slope_at(1 - p, low, high) - rise))),
            "Your exact gradient is right. The slopes are weighed the wrong way round: slope[1] is met with probability p, slope[0] "
            "with 1 − p.",
        ),
        Misconception(
            "exact less biased",
            _bias_with(lambda p, rise, low, high: (p * (1 - p) * rise, p * (1 - p) * (rise - _slope_at(p, low, high)))),
            "Your exact gradient is right, and the bias has the wrong sign: it is what the estimator says on average, less the truth.",
        ),
        Misconception(
            "straight-through's mean for its bias",
            _bias_with(lambda p, rise, low, high: (p * (1 - p) * rise, p * (1 - p) * _slope_at(p, low, high))),
            "Your second number is the mean of straight-through itself. The bias is how far it is from the exact gradient: subtract "
            "that.",
        ),
        Misconception(
            "gradients on the probability",
            _bias_with(lambda p, rise, low, high: (rise, _slope_at(p, low, high) - rise)),
            "Those are gradient and bias on p. The logit moves p by p (1 − p): multiply both.",
        ),
        Misconception(
            "the slope of the sigmoid is p",
            _bias_with(lambda p, rise, low, high: (p * rise, p * (_slope_at(p, low, high) - rise))),
            "You multiply with p. The slope of the sigmoid is p (1 − p): it vanishes at both ends.",
        ),
        Misconception(
            "slope of the mean forgotten in straight-through",
            _bias_with(lambda p, rise, low, high: (p * (1 - p) * rise, _slope_at(p, low, high) - p * (1 - p) * rise)),
            "Your exact gradient is right. Straight-through too goes on from b to the logit: f′(b) times dp/dφ = p (1 − p).",
        ),
        Misconception(
            "zero less one",
            _bias_with(lambda p, rise, low, high: (-p * (1 - p) * rise, p * (1 - p) * (_slope_at(p, low, high) + rise))),
            "Your exact gradient has the wrong sign, and your bias follows it: a larger logit makes ones more frequent, so it is f(1) "
            "− f(0).",
        ),
        Misconception(
            "the expectation for its gradient",
            lambda logits, f, slope: (
                _slope_at(logits.sigmoid(), f[0], f[1]),
                logits.sigmoid() * (-logits).sigmoid() * _slope_at(logits.sigmoid(), slope[0], slope[1])
                - _slope_at(logits.sigmoid(), f[0], f[1]),
            ),
            "Your first number is E[f(b)] = (1 − p) f(0) + p f(1). Asked is its derivative by the logit.",
        ),
    ),
)


# 04.6


def gaussian_variances(f, slope, scale, eps, weight):
    """Variance of two gradients of E_q[f] on loc, one sample each, z = loc + scale eps.

    The score function f(z) eps / scale, and the pathwise gradient f'(z). f, slope: f and f' at z,
    [nodes, batch]; scale: [batch]; eps, weight: nodes of a standard normal and their weights,
    which sum to 1: [nodes] → variances of the score function and of the pathwise gradient, [batch].
    """
    score = f * eps[:, None] / scale  # [nodes, batch]
    score_variance = weight @ (score - weight @ score) ** 2  # [batch]
    return score_variance, weight @ (slope - weight @ slope) ** 2


def _quadrature_inputs(
    generator: Generator, nodes: int, batch: int, frequency: float, offset: float = 0.0, low: float = 0.3
) -> dict[str, Tensor]:
    """A wave on a parabola, at places and with scales of its own for each datum."""
    eps = torch.linspace(-4.0, 4.0, nodes, dtype=torch.float64)
    scale = low + 1.2 * _uniform(generator, batch)
    z = _normal(generator, batch) + scale * eps[:, None]  # [nodes, batch]
    return {
        "f": offset + (frequency * z).sin() - 0.3 * z**2,
        "slope": frequency * (frequency * z).cos() - 0.6 * z,
        "scale": scale,
        "eps": eps,
        "weight": (-0.5 * eps**2).softmax(0),
    }


def _variance(values, weight):
    return weight @ (values - weight @ values) ** 2


def _variances_with(score, path=lambda slope, scale, eps: slope, spread=_variance):
    """A wrong answer: gradients per node [nodes, batch] as functions of f or f', scale and eps [nodes, 1], and what their spread is."""
    return lambda f, slope, scale, eps, weight: (
        spread(score(f, scale, eps[:, None]), weight),
        spread(path(slope, scale, eps[:, None]), weight),
    )


def _score(f, scale, eps):
    return f * eps / scale


GAUSSIAN = Exercise(
    id="04.6",
    title="Two gradients of a Gaussian",
    minutes=7,
    difficulty=2,
    statement=r"For $z = \mu + \sigma\epsilon$, both $f(z)\,\epsilon / \sigma$ (score function) and $f'(z)$ (pathwise) estimate the "
    r"gradient of "
    r"$\mathbb E[f(z)]$ on $\mu$. Return the exact variance of each, one sample, from quadrature: the mean of any $g(\epsilon)$ is "
    r"`weight @ g(eps)`.",
    solution=gaussian_variances,
    why="A variance is a mean too, of squared distances from the mean, so the same weights give it. The score function's grows with "
    "the height of "
    "f, the pathwise gradient's with the steepness of f; which is larger, f decides.",
    cases={
        "a slow wave": lambda g: _quadrature_inputs(g, 41, 3, 1.0),
        "a fast wave, far from zero": lambda g: _quadrature_inputs(g, 61, 2, 6.0, offset=-5.0),
        "one narrow Gaussian": lambda g: _quadrature_inputs(g, 31, 1, 2.0, low=0.05),
        "as many nodes as Gaussians": lambda g: _quadrature_inputs(g, 7, 7, 1.5, offset=1.0),
    },
    dimensions={
        "f": ("nodes", "batch"), "slope": ("nodes", "batch"), "scale": ("batch",), "eps": ("nodes",), "weight": ("nodes",),
        "return": (("batch",), ("batch",)),
    },  # fmt: skip
    returns=("the variance of the score function", "the variance of the pathwise gradient"),
    hints=(
        "First the gradient that each node would give, for both estimators: [nodes, batch]. Then its weighted mean, then the weighted "
        "mean of "
        "the squared distance from it.",
        "g = f ε/σ, or g = f′;   variance = Σ_n w_n (g_n − Σ_m w_m g_m)².",
        "score = f * eps[:, None] / scale  # [nodes, batch]",
    ),
    misconceptions=(
        Misconception(
            "the second moment",
            _variances_with(_score, spread=lambda values, weight: weight @ values**2),
            "Those are second moments: the mean is not taken off. Variance = E[g²] − E[g]².",
        ),
        Misconception(
            "nodes weighed alike",
            _variances_with(_score, spread=lambda values, weight: values.var(0, unbiased=False)),
            "You weigh all nodes alike, as if they were draws. They are places on a grid: `weight` says how probable each of them is.",
        ),
        Misconception(
            "nodes weighed alike, as a sample",
            _variances_with(_score, spread=lambda values, weight: values.var(0)),
            "`var` takes the nodes for draws, all alike. They are places on a grid: `weight` says how probable each of them is.",
        ),
        Misconception(
            "forgets to divide by the scale",
            _variances_with(lambda f, scale, eps: f * eps),
            "The pathwise one is right. The score on μ is (z − μ)/σ² = ε/σ: divide by the scale.",
        ),
        Misconception(
            "divides by the variance",
            _variances_with(lambda f, scale, eps: f * eps / scale**2),
            "The pathwise one is right. The score on μ is (z − μ)/σ², and z − μ is σ ε, so one σ cancels: f ε/σ.",
        ),
        Misconception(
            "a baseline that nobody asked for",
            lambda f, slope, scale, eps, weight: (
                _variance((f - weight @ f) * eps[:, None] / scale, weight),
                _variance(slope, weight),
            ),
            "The pathwise one is right. You subtracted the mean of f from f first: that is the score function with a baseline.",
        ),
        Misconception(
            "the variance of f",
            _variances_with(lambda f, scale, eps: f),
            "The pathwise one is right. The first is the variance of f itself. The gradient that one sample gives is f times the "
            "score, ε/σ.",
        ),
        Misconception(
            "the gradient on the scale, pathwise",
            _variances_with(_score, lambda slope, scale, eps: slope * eps),
            "The score function's is right. f′(z) ε is the pathwise gradient on the scale; z moves with μ one to one, so on μ it is "
            "f′(z).",
        ),
        Misconception(
            "slope by the noise",
            _variances_with(_score, lambda slope, scale, eps: slope * scale),
            "The score function's is right. f′(z) σ is the slope by ε. z moves with μ one to one, so the gradient on μ is f′(z).",
        ),
        Misconception(
            "standard deviations",
            _variances_with(_score, spread=lambda values, weight: _variance(values, weight).sqrt()),
            "Those are standard deviations. Leave out the square root.",
        ),
        Misconception(
            "mean in place of sum",
            _variances_with(_score, spread=lambda values, weight: _variance(values, weight) / len(weight)),
            "Both are too small by the number of nodes. The weights sum to 1, so the weighted sum is the mean already.",
        ),
        Misconception(
            "the two exchanged",
            lambda f, slope, scale, eps, weight: gaussian_variances(f, slope, scale, eps, weight)[::-1],
            "Both numbers are right, and stand in the wrong order: the score function's first, then the pathwise gradient's.",
        ),
    ),
)

EXERCISES: tuple[Exercise, ...] = (LEAVE_ONE_OUT, VIMCO, DISARM, LOCAL, STRAIGHT_THROUGH, GAUSSIAN)

"""Exercise 04.1: a baseline for free."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from helpers.exercises.engine.inputs import normal
from helpers.exercises.exercise import Exercise, Misconception


def leave_one_out_surrogate(f, log_q):
    """1/S sum_s [f(z_s) + (f(z_s) - b_s) log q(z_s)], b_s: the mean f of the other samples.

    Gradients flow as the estimator wants them: through f(z_s) and log q(z_s), and not
    through the bracket that weighs log q. f, log_q: [samples, batch] → [batch].
    """
    reward = f.detach()
    baseline = (reward.sum(0) - reward) / (len(reward) - 1)  # [samples, batch]
    return (f + (reward - baseline) * log_q).mean(0)


def _loo_inputs(
    generator: Generator, samples: int, batch: int, loc: float = -3.0, scale: float = 2.0
) -> dict[str, Tensor]:
    return {
        "f": normal(generator, samples, batch, loc=loc, scale=scale).requires_grad_(),
        "log_q": normal(generator, samples, batch, loc=-2.0).requires_grad_(),
    }


def _far_apart(generator: Generator, samples: int, batch: int) -> dict[str, Tensor]:
    """Log-likelihoods as of images: each datum lies elsewhere, and its samples differ by hundreds of nats."""
    f = normal(generator, samples, batch, scale=150.0) + normal(generator, batch, loc=-400.0, scale=150.0)
    return {"f": f.requires_grad_(), "log_q": normal(generator, samples, batch, loc=-60.0, scale=15.0).requires_grad_()}


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
        "as many samples as data, f of both signs": lambda g: _loo_inputs(g, 3, 3, loc=0.3),
        "f between 0 and a thousandth": lambda g: _loo_inputs(g, 6, 2, loc=4e-4, scale=2e-4),
        "data far apart": lambda g: _far_apart(g, 4, 3),
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
        Misconception(
            "the previous sample as baseline",
            _surrogate_with(lambda f: f - f.roll(1, 0)),
            "Your baseline is a single sample, the previous one (for the first, the last). No bias comes of it, and more noise: "
            "take the mean of all other samples.",
        ),
        Misconception(
            "the next sample as baseline",
            _surrogate_with(lambda f: f - f.roll(-1, 0)),
            "Your baseline is a single sample, the next one (for the last, the first). No bias comes of it, and more noise: "
            "take the mean of all other samples.",
        ),
        Misconception(
            "one mean for all data",
            _surrogate_with(lambda f: f - f.mean()),
            "Your baseline is one number, the mean f of all samples of all data. Each datum needs its own: the mean over the other "
            "samples of the same datum, along dimension 0.",
        ),
        Misconception(
            "the other data as baseline",
            _surrogate_with(lambda f: f - (f.sum(1, keepdim=True) - f) / (f.shape[1] - 1)),
            "Your baseline is the mean of the other data, for the same sample number. The other samples of the same datum stand "
            "along dimension 0.",
        ),
        Misconception(
            "divides the sum of all by S − 1",
            _surrogate_with(lambda f: f - f.sum(0) / (len(f) - 1)),
            "Your baseline is the sum of all samples over S − 1. Take f(z_s) from that sum first: S − 1 is the number of the others.",
        ),
        Misconception(
            "divided by the standard deviation",
            _surrogate_with(lambda f: (f - f.mean(0)) / f.std(0)),
            "You standardise f: the sample stands in its own mean, and dividing by the standard deviation changes the gradient's "
            "length. Subtract the others' mean, and divide by nothing.",
        ),
        Misconception(
            "the baseline taken from f itself too",
            lambda f, log_q: (f - _others(f.detach()) + (f - _others(f)).detach() * log_q).mean(0),
            "The gradient is right. The value is too small by the baseline: it belongs to the bracket that weighs log q, and f itself "
            "is added as it is.",
        ),
        Misconception(
            "the probability for its logarithm",
            lambda f, log_q: (f + (f - _others(f)).detach() * log_q.exp()).mean(0),
            "You weigh q(z_s). The surrogate weighs log q(z_s): the score is the gradient of the log.",
        ),
        Misconception(
            "a loss",
            lambda f, log_q: -(f + (f - _others(f)).detach() * log_q).mean(0),
            "That is the surrogate with its sign turned, a loss. The exercise asks for the surrogate of E[f] itself.",
        ),
        Misconception(
            "the mean of the samples so far",
            _surrogate_with(lambda f: f - torch.cat([0 * f[:1], (f.cumsum(0)[:-1].T / torch.arange(1, len(f))).T])),
            "Your baseline is the mean of the previous samples, 0 for the first. No bias comes of it, and more noise: take the mean of "
            "all other samples, before and after.",
        ),
        Misconception(
            "f times log q alone",
            lambda f, log_q: (f.detach() * log_q).mean(0),
            "Your surrogate is the mean of f log q. f's own term is missing, and so is the baseline: add f, and subtract the others' mean "
            "from the weight of log q.",
        ),
    ),
)

"""Exercise 06.2: how noisy is one guess?."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from helpers.exercises.engine.inputs import normal
from helpers.exercises.exercise import Exercise, Misconception


def noise_of_a_guess(logits, bound, baseline):
    """The gradient of U(x) with respect to the logits, and how noisy one guess y ~ q(y | x) makes it.

    From one guess: (L(x, y) - log q(y | x) - baseline) times the gradient of log q(y | x).
    logits of q(y | x), bound: L(x, k) of every class, [batch, classes]; baseline: [batch]
    → its mean [batch, classes] and its variance, summed over the logits [batch]: both exact.
    """
    log_q = logits.log_softmax(-1)
    q = log_q.exp()
    score = torch.eye(q.shape[-1]).to(q) - q[:, None]  # [batch, guess, logit]
    gradient = (bound - log_q - baseline[:, None])[:, :, None] * score  # of each guess
    mean = (q[:, :, None] * gradient).sum(1)  # [batch, logit]
    return mean, (q * ((gradient - mean[:, None]) ** 2).sum(-1)).sum(-1)


def _guess_inputs(
    generator: Generator, batch: int, classes: int, spread: float = 1.0, baseline: float = 1.0, loc: float = -6.0
) -> dict[str, Tensor]:
    return {
        "logits": normal(generator, batch, classes, scale=spread, loc=0.4),
        "bound": normal(generator, batch, classes, scale=3.0, loc=loc),
        "baseline": baseline * normal(generator, batch, loc=-4.0, scale=2.0),
    }


def _guess_with(
    signal=lambda log_q, bound, baseline: bound - log_q - baseline[:, None],
    score=lambda q: torch.eye(q.shape[-1]).to(q) - q[:, None],
    weight=lambda q: q,
    variance=lambda q, gradient, mean: (q * ((gradient - mean[:, None]) ** 2).sum(-1)).sum(-1),
):
    """A wrong answer with this learning signal, score, probabilities of the guesses, or variance."""

    def answer(logits, bound, baseline):
        log_q = logits.log_softmax(-1)
        q = log_q.exp()
        gradient = signal(log_q, bound, baseline)[:, :, None] * score(q)
        mean = (weight(q)[:, :, None] * gradient).sum(1)
        return mean, variance(weight(q), gradient, mean)

    return answer


def _as_if_independent(logits, bound, baseline):
    mean, variance = noise_of_a_guess(logits, bound, baseline)
    return mean, variance + (mean**2).sum(-1)


def _variance_of_the_signal(log_q, bound, baseline):
    q, signal = log_q.exp(), bound - log_q - baseline[:, None]
    return (q * (signal - (q * signal).sum(-1, keepdim=True)) ** 2).sum(-1)


def _mean_of_all_alike(logits, bound, baseline):
    log_q = logits.log_softmax(-1)
    q = log_q.exp()
    gradient = (bound - log_q - baseline[:, None])[:, :, None] * (torch.eye(q.shape[-1]).to(q) - q[:, None])
    mean = gradient.mean(1)
    return mean, (q * ((gradient - mean[:, None]) ** 2).sum(-1)).sum(-1)


NOISE = Exercise(
    id="06.2",
    title="How noisy is one guess?",
    minutes=12,
    difficulty=2,
    statement=r"With ten classes the noise of a sampled label can be computed, and need not be sampled. One guess $y \sim q(y \mid x)$ "
    r"gives the gradient $\big[L(x, y) - \log q(y \mid x) - b\big]\, \nabla \log q(y \mid x)$ with respect to the logits, where "
    r"$\partial \log q_y / \partial \text{logit}_j = 1[j = y] - q_j$. Return its mean, and its variance summed over the logits, both "
    r"computed exactly, by summing over all guesses.",
    solution=noise_of_a_guess,
    why="The mean is the gradient of the exact U(x), whatever the baseline: a baseline moves only the variance. The bound of an image is "
    "large and nearly the same for all classes; without a baseline that common part is noise.",
    cases={
        "four classes": lambda g: _guess_inputs(g, 3, 4),
        "no baseline": lambda g: _guess_inputs(g, 5, 3, baseline=0.0),
        "unsure": lambda g: _guess_inputs(g, 2, 6, spread=0.2, baseline=0.5),
        "one image, ten classes": lambda g: _guess_inputs(g, 1, 10, spread=2.0),
        "as many images as classes, signals of both signs": lambda g: _guess_inputs(g, 3, 3, loc=-4.0),
        "a sure classifier, images far apart": lambda g: {
            "logits": normal(g, 6, 5, scale=700.0),
            "bound": normal(g, 6, 5, scale=15.0) + normal(g, 6, 1, loc=-400.0, scale=150.0),
            "baseline": normal(g, 6, loc=-400.0, scale=150.0),
        },
    },
    dimensions={
        "logits": ("batch", "classes"),
        "bound": ("batch", "classes"),
        "baseline": ("batch",),
        "return": (("batch", "classes"), ("batch",)),
    },  # fmt: skip
    returns=("the mean gradient", "the variance"),
    hints=(
        "There are as many gradients as guesses, and each is a vector with as many numbers as logits: an array [batch, guess, logit]. "
        "Which of its dimensions does a mean over guesses sum over, and with what weight?",
        "g[y, j] = (L_y − log q_y − b)(1[j = y] − q_j);   mean[j] = Σ_y q_y g[y, j];   variance = Σ_y q_y Σ_j (g[y, j] − mean[j])².",
        "score = torch.eye(q.shape[-1]).to(q) - q[:, None]  # [batch, guess, logit]",
    ),
    misconceptions=(
        Misconception(
            "log q forgotten in the signal",
            _guess_with(signal=lambda log_q, bound, baseline: bound - baseline[:, None]),
            "Your learning signal is L(x, y) − b. What is averaged in U(x) is L(x, y) − log q(y | x): the guess's own log probability "
            "belongs to the signal.",
        ),
        Misconception(
            "log q added to the signal",
            _guess_with(signal=lambda log_q, bound, baseline: bound + log_q - baseline[:, None]),
            "You add log q(y | x) to the signal. In U(x) it is subtracted: L(x, y) − log q(y | x).",
        ),
        Misconception(
            "no baseline",
            _guess_with(signal=lambda log_q, bound, baseline: bound - log_q),
            "The mean is right, as with every baseline. The variance is that without a baseline: subtract b from the signal.",
        ),
        Misconception(
            "the baseline added",
            _guess_with(signal=lambda log_q, bound, baseline: bound - log_q + baseline[:, None]),
            "The mean is right, as with every baseline. In the variance you add b to the signal; it is subtracted.",
        ),
        Misconception(
            "the mean variance of a logit",
            lambda logits, bound, baseline: (
                noise_of_a_guess(logits, bound, baseline)[0],
                noise_of_a_guess(logits, bound, baseline)[1] / logits.shape[-1],
            ),
            "The mean is right. The variance is averaged over the logits. Asked is its sum over them.",
        ),
        Misconception(
            "the second moment",
            _as_if_independent,
            "The mean is right. That is the mean of the squared gradient; the variance is about the mean: subtract the mean before you "
            "square.",
        ),
        Misconception(
            "all guesses alike",
            _guess_with(weight=lambda q: torch.full_like(q, 1 / q.shape[-1])),
            "You average over the guesses as if each were equally likely. y is drawn from q: guess k has the weight q_k.",
        ),
        Misconception(
            "the mean weighs all guesses alike",
            _mean_of_all_alike,
            "Your mean counts every guess the same. y is drawn from q: in the mean too, guess y has the weight q_y.",
        ),
        Misconception(
            "torch's mean and variance over the guesses",
            _guess_with(
                weight=lambda q: torch.full_like(q, 1 / q.shape[-1]),
                variance=lambda q, gradient, mean: gradient.var(1).sum(-1),
            ),
            "`mean` and `var` over the guesses treat them as equally likely. y is drawn from q: weigh both with q_y.",
        ),
        Misconception(
            "the guesses summed without weights",
            _guess_with(weight=torch.ones_like),
            "You sum over the guesses without their probabilities q_y.",
        ),
        Misconception(
            "the variance weighs all guesses alike",
            _guess_with(variance=lambda q, gradient, mean: ((gradient - mean[:, None]) ** 2).sum(-1).mean(-1)),
            "The mean is right. In the variance too, guess y counts with its probability q_y.",
        ),
        Misconception(
            "the gradient of q for that of log q",
            _guess_with(score=lambda q: q[:, :, None] * (torch.eye(q.shape[-1]).to(q) - q[:, None])),
            "You take the gradient of q_y. That of log q_y is 1[j = y] − q_j, without the factor q_y; the weight of the guess comes with "
            "the mean.",
        ),
        Misconception(
            "the score is one-hot",
            _guess_with(score=lambda q: torch.eye(q.shape[-1]).to(q).expand(len(q), -1, -1)),
            "Your gradient of log q_y touches the guessed class's logit alone. A softmax takes from all the others: −q_j on every logit.",
        ),
        Misconception(
            "q of the guess and not of the logit",
            _guess_with(score=lambda q: torch.eye(q.shape[-1]).to(q) - q[:, :, None]),
            "In the score you subtract q of the guess, q_y. It is q of the logit, q_j: `q[:, None]`, not `q[:, :, None]`.",
        ),
        Misconception(
            "the score's sign",
            _guess_with(score=lambda q: q[:, None] - torch.eye(q.shape[-1]).to(q)),
            "The variance is right. The mean has the wrong sign: the gradient of log q_y is 1[j = y] − q_j.",
        ),
        Misconception(
            "standard deviation",
            lambda logits, bound, baseline: (
                noise_of_a_guess(logits, bound, baseline)[0],
                noise_of_a_guess(logits, bound, baseline)[1].sqrt(),
            ),
            "The mean is right. The second is the standard deviation; return the variance.",
        ),
        Misconception(
            "the variance of every logit",
            _guess_with(variance=lambda q, gradient, mean: (q[:, :, None] * (gradient - mean[:, None]) ** 2).sum(1)),
            "The mean is right. You return the variance of each logit; return their sum, one number per image.",
        ),
        Misconception(
            "log q by way of probabilities",
            lambda logits, bound, baseline: _guess_with(
                signal=lambda log_q, bound, baseline: bound - logits.softmax(-1).log() - baseline[:, None]
            )(logits, bound, baseline),
            "Right while no probability rounds to 0. Where the classifier is sure, log 0 is −∞, and 0 times infinity is NaN. "
            "`log_softmax` gives the log without the detour.",
        ),
        Misconception(
            "the variance of the signal",
            lambda logits, bound, baseline: (
                noise_of_a_guess(logits, bound, baseline)[0],
                _variance_of_the_signal(logits.log_softmax(-1), bound, baseline),
            ),
            "The mean is right. You return the variance of the learning signal, a number. The gradient is the signal times the score, and "
            "its variance is that of this vector.",
        ),
        Misconception(
            "one baseline for all images",
            lambda logits, bound, baseline: noise_of_a_guess(logits, bound, baseline.mean().expand_as(baseline)),
            "The mean is right, as with every baseline. In the variance you use the average baseline; each image has its own: "
            "`baseline[:, None]`.",
        ),
        Misconception(
            "weights squared with the deviations",
            _guess_with(
                variance=lambda q, gradient, mean: ((q[:, :, None] * (gradient - mean[:, None])) ** 2).sum((1, 2))
            ),
            "The mean is right. In the variance the probabilities are squared along with the distances; weigh the squares with q_y itself.",
        ),
    ),
)

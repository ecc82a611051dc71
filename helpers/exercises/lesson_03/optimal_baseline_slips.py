"""Further wrong answers to exercise 03.3: other weights for b, other second results."""

from __future__ import annotations

import torch

from helpers.exercises.exercise import Misconception


def _best(probability, f, score):
    weight = probability * (score**2).sum(-1)
    return (weight * f).sum() / weight.sum()


def _second_moment(probability, f, score, b):
    return (probability * (f - b) ** 2 * (score**2).sum(-1)).sum()


def _mean(probability, f, score):
    return (probability * f) @ score


def _spread(probability, f, score, b):
    gradient = (f - b)[:, None] * score
    return (probability @ (gradient - probability @ gradient) ** 2).sum()


def _with_b(baseline):
    """A wrong answer with this baseline, and the variance that it leaves."""

    def answer(probability, f, score):
        b = baseline(probability, f, score)
        return b, _spread(probability, f, score, b)

    return answer


def _with_second(second):
    """A wrong answer with the right b and this second result, a function of all three and b."""

    def answer(probability, f, score):
        b = _best(probability, f, score)
        return b, second(probability, f, score, b)

    return answer


SLIPS = (
    Misconception(
        "the second moment without probabilities",
        lambda probability, f, score: (
            (b := (probability * score.square().sum(-1)) @ f / (probability * score.square().sum(-1)).sum()),
            (score.square().sum(-1) * (f - b) ** 2).sum() - ((probability * f) @ score).square().sum(),
        ),
        "Your b is right. In the variance, E|g|² is a mean over outcomes: weigh each with its probability.",
    ),
    Misconception(
        "the probability missing above",
        _with_b(lambda p, f, score: (f * (score**2).sum(-1)).sum() / (p * (score**2).sum(-1)).sum()),
        "The probability is missing in the numerator of your b: it is E[f |s|²], each outcome weighed by q(z).",
    ),
    Misconception(
        "the probability missing below",
        _with_b(lambda p, f, score: (p * f * (score**2).sum(-1)).sum() / (score**2).sum()),
        "The probability is missing in the denominator of your b: it is E[|s|²], each outcome weighed by q(z).",
    ),
    Misconception(
        "the rewards left out",
        _with_b(lambda p, f, score: (p * (score**2).sum(-1)).sum()),
        "Your b is E[|s|²], without f. It is E[f |s|²] / E[|s|²].",
    ),
    Misconception(
        "rewards squared",
        _with_b(lambda p, f, score: (p * f**2 * (score**2).sum(-1)).sum() / (p * (score**2).sum(-1)).sum()),
        "You weigh f². The derivative of (f − b)² is linear in f: b = E[f |s|²] / E[|s|²].",
    ),
    Misconception(
        "one factor of the score above",
        _with_b(lambda p, f, score: _mean(p, f, score).sum() / (p @ score**2).sum()),
        "Your numerator is E[f s], summed over the parameters. b has |s|² in both places: E[f |s|²] / E[|s|²].",
    ),
    Misconception(
        "average of one baseline for each parameter",
        _with_b(lambda p, f, score: (((p * f) @ score**2) / (p @ score**2)).mean()),
        "You find the best baseline for each parameter and average these. One b for all: sum |s|² over the parameters before you "
        "divide.",
    ),
    Misconception(
        "the median",
        _with_b(lambda p, f, score: f.median()),
        "Your b is the median of f over the outcomes. It is a mean: E[f |s|²] / E[|s|²].",
    ),
    Misconception(
        "variance first",
        lambda p, f, score: (_spread(p, f, score, _best(p, f, score)), _best(p, f, score)),
        "Both results are right, in the wrong order: b comes first, then the variance.",
    ),
    Misconception(
        "outcomes alike in the variance",
        _with_second(lambda p, f, score, b: ((f - b)[:, None] * score).var(0, correction=0).sum()),
        "Your b is right. Your variance counts all outcomes alike: weigh them by `probability`.",
    ),
    Misconception(
        "outcomes taken for samples",
        _with_second(lambda p, f, score, b: ((f - b)[:, None] * score).var(0).sum()),
        "Your b is right. Your variance is that of a sample of outcomes, all counted alike. It is exact over all outcomes: weigh "
        "them by "
        "`probability`.",
    ),
    Misconception(
        "parameters added before squaring the mean",
        _with_second(lambda p, f, score, b: _second_moment(p, f, score, b) - _mean(p, f, score).sum() ** 2),
        "Your b is right. In |E g|² you add the parameters before you square: square each mean, then add.",
    ),
    Misconception(
        "mean added",
        _with_second(lambda p, f, score, b: _second_moment(p, f, score, b) + (_mean(p, f, score) ** 2).sum()),
        "Your b is right. You add |E g|²; the variance is E|g|² − |E g|².",
    ),
    Misconception(
        "mean not squared",
        _with_second(lambda p, f, score, b: _second_moment(p, f, score, b) - _mean(p, f, score).sum()),
        "Your b is right. You subtract E g, summed over the parameters; subtract its square, |E g|².",
    ),
    Misconception(
        "norm of the mean, not squared",
        _with_second(lambda p, f, score, b: _second_moment(p, f, score, b) - _mean(p, f, score).norm()),
        "Your b is right. You subtract |E g|; subtract its square.",
    ),
    Misconception(
        "what the baseline saves",
        _with_second(lambda p, f, score, b: _spread(p, f, score, torch.zeros_like(b)) - _spread(p, f, score, b)),
        "Your b is right. Your second result is how much variance the baseline saves; return the variance that is left with it.",
    ),
    Misconception(
        "the share that is left",
        _with_second(lambda p, f, score, b: _spread(p, f, score, b) / _spread(p, f, score, torch.zeros_like(b))),
        "Your b is right. Your second result is the share of the variance that is left; return the variance itself.",
    ),
    Misconception(
        "the probability squared in the variance",
        _with_second(lambda p, f, score, b: _second_moment(p**2, f, score, b) - (_mean(p, f, score) ** 2).sum()),
        "Your b is right. In E|g|² the probability stands twice; it belongs there once.",
    ),
    Misconception(
        "second moment without a baseline",
        _with_second(lambda p, f, score, b: _second_moment(p, f, score, 0.0)),
        "Your b is right. Your second result is E|f s|²: put f − b in place of f, and subtract |E g|².",
    ),
)

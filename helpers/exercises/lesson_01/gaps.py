"""Exercise 01.5: two gaps, measured."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from helpers.exercises.engine.inputs import normal, normal_leaf, uniform_leaf
from helpers.exercises.exercise import Exercise, Misconception


def gaps(log_marginal, elbo_best, elbo_encoder):
    """The approximation gap and the amortization gap in nats, with standard errors.

    log_marginal: log p(x); elbo_best: the ELBO of the family's best q for each x;
    elbo_encoder: that of the encoder's q. [batch] each, batch >= 2 → mean approximation
    gap, its standard error, mean amortization gap, its standard error: four tensors
    without dimensions, [] each.
    """
    approximation = log_marginal - elbo_best  # [batch]
    amortization = elbo_best - elbo_encoder
    root = math.sqrt(len(log_marginal))
    return approximation.mean(), approximation.std() / root, amortization.mean(), amortization.std() / root


def _bounds(generator: Generator, batch: int, gap: float | None = None) -> dict[str, Tensor]:
    """Bounds below log evidences that vary much; with `gap`, an approximation gap that does not vary at all."""
    log_marginal = (normal_leaf(generator, batch, scale=8.0) - 20.0).detach()
    best = log_marginal - (uniform_leaf(generator, 0.1, 1.0, batch).detach() if gap is None else gap)
    encoder = best - normal_leaf(generator, batch).detach() ** 2
    return {"log_marginal": log_marginal, "elbo_best": best, "elbo_encoder": encoder}


def _noisy_bounds(generator: Generator, batch: int, scale: float, lower: float = 0.0) -> dict[str, Tensor]:
    """Estimated bounds: noise of this scale can put the lower bound above the higher one, and the mean gap below zero."""
    log_marginal = normal(generator, batch, scale=15.0, loc=-400.0)
    best = log_marginal - normal(generator, batch, scale=scale, loc=lower)
    return {
        "log_marginal": log_marginal,
        "elbo_best": best,
        "elbo_encoder": best - normal(generator, batch, scale=scale),
    }


def _unpaired(log_marginal, elbo_best, elbo_encoder):
    errors = [bound.std() / math.sqrt(len(bound)) for bound in (log_marginal, elbo_best, elbo_encoder)]
    approximation, _, amortization, _ = gaps(log_marginal, elbo_best, elbo_encoder)
    return approximation, torch.hypot(*errors[:2]), amortization, torch.hypot(*errors[1:])


def _with_errors(error):
    """A wrong answer with the right gaps and this error of a difference [batch]."""

    def answer(log_marginal, elbo_best, elbo_encoder):
        first, second = log_marginal - elbo_best, elbo_best - elbo_encoder
        return first.mean(), error(first), second.mean(), error(second)

    return answer


def _with_gaps(change):
    """A wrong answer that changes each observation's gap like this before it averages."""

    def answer(log_marginal, elbo_best, elbo_encoder):
        first, second = change(log_marginal - elbo_best), change(elbo_best - elbo_encoder)
        root = math.sqrt(len(first))
        return first.mean(), first.std() / root, second.mean(), second.std() / root

    return answer


def _reordered(*order):
    """The right results in this order."""
    return lambda *bounds: tuple(gaps(*bounds)[place] for place in order)


GAPS = Exercise(
    id="01.5",
    title="Two gaps, measured",
    minutes=7,
    difficulty=2,
    statement=r"From $\log p(x)$, the ELBO of the best $q$ of the family, and the ELBO of the encoder's $q$, all for "
    r"the same observations, return the mean **approximation gap** "
    r"with its standard error and the mean **amortization gap** with its standard error.",
    solution=gaps,
    why="All three numbers belong to the same x, so what they share cancels in the difference, and only the "
    "difference's spread is left as error.",
    cases={
        "seven observations": lambda g: _bounds(g, 7),
        "the same approximation gap everywhere": lambda g: _bounds(g, 5, gap=0.75),
        "two observations": lambda g: _bounds(g, 2),
        "estimated bounds, some of them in the wrong order": lambda g: _noisy_bounds(g, 9, 2.0),
        "estimates so noisy that a mean gap is below zero": lambda g: _noisy_bounds(g, 6, 3.0, lower=-4.0),
        "large gaps": lambda g: _noisy_bounds(g, 12, 200.0, lower=500.0),
        "large gaps that nearly agree": lambda g: _noisy_bounds(g, 6, 0.02, lower=300.0),
    },
    dimensions={
        "log_marginal": ("batch",),
        "elbo_best": ("batch",),
        "elbo_encoder": ("batch",),
        "return": ((), (), (), ()),
    },  # fmt: skip
    returns=(
        "the approximation gap",
        "the approximation gap's standard error",
        "the amortization gap",
        "the amortization gap's standard error",
    ),  # fmt: skip
    hints=(
        "What does the family cost, even with the best q in it? And what does the encoder lose on top of that? Both, "
        "observation by observation.",
        "approximation = log p(x) − ELBO(best), amortization = ELBO(best) − ELBO(encoder); the standard error of a "
        "mean of B differences is s / √B.",
        "approximation = log_marginal - elbo_best  # [batch]",
    ),
    misconceptions=(
        Misconception(
            "unpaired errors",
            _unpaired,
            "Your gaps are right, your errors too large: you combined the errors of two averages as if they came from "
            "different observations. "
            "Subtract first, observation by observation, and take the spread of the differences.",
        ),
        Misconception(
            "the whole gap for the amortization gap",
            lambda log_marginal, elbo_best, elbo_encoder: (
                *gaps(log_marginal, elbo_best, elbo_encoder)[:2],
                *gaps(log_marginal, elbo_encoder, elbo_best)[:2],
            ),
            "Your amortization gap starts at log p(x), so it holds the approximation gap as well. Start at the best "
            "ELBO of the family.",
        ),
        Misconception(
            "gaps below zero",
            lambda log_marginal, elbo_best, elbo_encoder: tuple(
                sign * value
                for sign, value in zip((-1, 1, -1, 1), gaps(log_marginal, elbo_best, elbo_encoder), strict=True)
            ),
            "Your gaps have the wrong sign. The ELBO is the lower of the two: subtract it from what it bounds.",
        ),
        Misconception(
            "standard deviation for standard error",
            _with_errors(lambda difference: difference.std()),
            "Your gaps are right. Your errors are the spread of single observations; the error of their mean is "
            "smaller by √batch.",
        ),
        Misconception(
            "population standard deviation",
            _with_errors(lambda difference: difference.std(unbiased=False) / math.sqrt(len(difference))),
            "Your gaps are right. For the errors you divide the squared deviations by the batch size; a sample's "
            "variance divides by one less.",
        ),
        Misconception(
            "variance of the mean for its root",
            _with_errors(lambda difference: difference.var() / len(difference)),
            "Your gaps are right. Your errors are in nats²: take the square root of the variance of the mean.",
        ),
        Misconception(
            "size of each gap",
            _with_gaps(torch.abs),
            "You take the absolute value of every gap. Estimated bounds are noisy, so the difference of one observation may be "
            "below zero; its sign belongs in the mean.",
        ),
        Misconception(
            "no gap below zero",
            _with_gaps(lambda gap: gap.clamp(min=0)),
            "You set differences below zero to zero. Estimated bounds are noisy, so one difference may be below zero; without "
            "these the mean is too large.",
        ),
        Misconception(
            "size of the mean gap",
            lambda *bounds: tuple(value.abs() for value in gaps(*bounds)),
            "You take the absolute value of the mean gap. Estimated from noisy bounds, a mean gap may come out below zero: "
            "return it as it is.",
        ),
        Misconception(
            "no mean gap below zero",
            lambda *bounds: tuple(value.clamp(min=0) for value in gaps(*bounds)),
            "You set a mean gap below zero to zero. Estimated from noisy bounds, it may come out below zero: return it as it is.",
        ),
        Misconception(
            "gaps exchanged",
            _reordered(2, 3, 0, 1),
            "All four results are right, in the wrong order: the approximation gap, log p(x) − ELBO(best), comes first.",
        ),
        Misconception(
            "both means first",
            _reordered(0, 2, 1, 3),
            "All four results are right, in the wrong order: each gap is followed by its own standard error.",
        ),
        Misconception(
            "divided by the batch size",
            _with_errors(lambda difference: difference.std() / len(difference)),
            "Your gaps are right. You divide the standard deviation by B; the error of a mean is s / √B.",
        ),
        Misconception(
            "divided by the root of B − 1",
            _with_errors(lambda difference: difference.std() / math.sqrt(len(difference) - 1)),
            "Your gaps are right. For the errors you use B − 1 twice: `std` has it already, then divide by √B.",
        ),
        Misconception(
            "errors added",
            lambda m, best, encoder: (
                (m - best).mean(),
                (m.std() + best.std()) / math.sqrt(len(m)),
                (best - encoder).mean(),
                (best.std() + encoder.std()) / math.sqrt(len(m)),
            ),
            "Your gaps are right. You add the errors of two averages. Both are of the same observations: subtract first, then "
            "take the spread of the differences.",
        ),
        Misconception(
            "errors of the bounds",
            lambda m, best, encoder: (
                (m - best).mean(),
                best.std() / math.sqrt(len(m)),
                (best - encoder).mean(),
                encoder.std() / math.sqrt(len(m)),
            ),
            "Your gaps are right. Your errors are those of the bounds themselves; take the spread of the differences, which "
            "share most of it.",
        ),
        Misconception(
            "the whole gap for the approximation gap",
            lambda m, best, encoder: (*gaps(m, encoder, encoder)[:2], *gaps(m, best, encoder)[2:]),
            "Your amortization gap is right. Your approximation gap ends at the encoder's ELBO, so it holds the amortization gap "
            "as well. End it at the best ELBO.",
        ),
        Misconception(
            "95 % intervals",
            _with_errors(lambda difference: 1.96 * difference.std() / math.sqrt(len(difference))),
            "Your gaps are right. Your errors are half a 95 % interval, 1.96 standard errors; return one standard error.",
        ),
    ),
)

"""Exercise 07.2: nats per step."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from helpers.exercises.engine.inputs import normal
from helpers.exercises.exercise import Exercise, Misconception


def bound_per_step(log_likelihood, rate, lengths):
    """The bound of each sequence of a padded batch, and that of the batch per time step, in nats.

    log_likelihood: log p(x_t | z_t), rate: KL(q(z_t | z_{t-1}, x) || p(z_t | z_{t-1})), one number
    a step, [batch, steps]. lengths: int64 [batch]; beyond them anything may stand, NaN too.
    → bound of each sequence [batch]; all of them over all their steps [].
    """
    within = torch.arange(log_likelihood.shape[1], device=lengths.device) < lengths[:, None]
    bound = torch.where(within, log_likelihood - rate, 0.0).sum(1)  # [batch]
    return bound, bound.sum() / lengths.sum()


def _step_inputs(
    generator: Generator, lengths: list[int], steps: int, beyond: float | None = None, loc: Tensor | float = -7.0
) -> dict[str, Tensor]:
    """Per-step terms; beyond the ends random numbers as well, or `beyond`."""
    ends = torch.tensor(lengths)
    terms = {
        "log_likelihood": normal(generator, len(lengths), steps, scale=2.0) + loc,
        "rate": normal(generator, len(lengths), steps, loc=2.0).abs() + 0.1,
    }
    if beyond is not None:
        outside = torch.arange(steps) >= ends[:, None]
        terms = {name: term.masked_fill(outside, beyond) for name, term in terms.items()}
    return {**{name: term.requires_grad_() for name, term in terms.items()}, "lengths": ends}


def _within(values, lengths):
    return torch.arange(values.shape[1]) < lengths[:, None]


def _bound_with(
    step=lambda log_likelihood, rate: log_likelihood - rate,
    masked=lambda step, lengths: torch.where(_within(step, lengths), step, 0.0),
    whole=lambda bound, lengths, steps: bound.sum() / lengths.sum(),
    each=lambda bound, lengths: bound,
):
    """A wrong answer with this step's term, mask, number of the batch, or of a sequence."""

    def answer(log_likelihood, rate, lengths):
        bound = masked(step(log_likelihood, rate), lengths).sum(1)
        return each(bound, lengths), whole(bound, lengths, log_likelihood.shape[1])

    return answer


def _rate_unmasked(log_likelihood, rate, lengths):
    bound = torch.where(_within(rate, lengths), log_likelihood, 0.0).sum(1) - rate.sum(1)
    return bound, bound.sum() / lengths.sum()


def _likelihood_unmasked(log_likelihood, rate, lengths):
    bound = log_likelihood.sum(1) - torch.where(_within(rate, lengths), rate, 0.0).sum(1)
    return bound, bound.sum() / lengths.sum()


PER_STEP = Exercise(
    id="07.2",
    title="Nats per step",
    minutes=7,
    difficulty=2,
    statement=r"Sequences of different lengths stand in one padded batch. From the terms of each step, $\log p(x_t \mid z_t)$ and "
    r"$\mathrm{KL}_t$, return the bound of each sequence, $\sum_{t \le T_n} [\log p(x_t \mid z_t) - \mathrm{KL}_t]$ with $T_n$ "
    r"the length of sequence $n$, and the batch's bound per step: the sum of the sequences' bounds divided by the sum of their lengths "
    r"(papers report minus this number). What stands beyond an end is no data: no number there, not even NaN, may change a value or a "
    r"gradient.",
    solution=bound_per_step,
    why="A long sequence counts for as many steps as it has. A mean of the sequences' means would count each step of a short one more. "
    "`torch.where` drops what it does not choose; multiplying by a mask keeps NaN, for 0 times NaN is NaN.",
    cases={
        "three sequences": lambda g: _step_inputs(g, [4, 2, 5], 7),
        "all of one length": lambda g: _step_inputs(g, [3, 3, 3, 3], 3),
        "NaN beyond the ends": lambda g: _step_inputs(g, [1, 6, 3, 2], 6, math.nan),
        "one short sequence": lambda g: _step_inputs(g, [2], 5),
        "large numbers beyond the ends": lambda g: _step_inputs(g, [5, 1], 8, 1e6),
        "minus infinity beyond the ends": lambda g: _step_inputs(g, [1, 4, 2], 5, -math.inf),
        "densities above one": lambda g: _step_inputs(g, [3, 5, 1, 4], 6, loc=9.0),
        "as many sequences as steps, terms of both signs": lambda g: _step_inputs(g, [4, 1, 3, 2], 4, loc=2.0),
        "sequences far apart": lambda g: _step_inputs(
            g, [7, 3, 9], 10, loc=torch.tensor([[-400.0], [150.0], [-0.5]], dtype=torch.float64)
        ),
        "one step each": lambda g: _step_inputs(g, [1, 1, 1], 1),
    },
    dimensions={
        "log_likelihood": ("batch", "steps"),
        "rate": ("batch", "steps"),
        "lengths": ("batch",),
        "return": (("batch",), ()),
    },  # fmt: skip
    returns=("the bound of each sequence", "the bound per step"),
    hints=(
        "First a table [batch, steps] of True and False: does step t of sequence n exist? Steps are counted from 0.",
        "bound_n = Σ_{t < T_n} (log p_t − KL_t);   per step: Σ_n bound_n / Σ_n T_n.",
        "within = torch.arange(log_likelihood.shape[1]) < lengths[:, None]",
    ),
    misconceptions=(
        Misconception(
            "the padding counted",
            _bound_with(masked=lambda step, lengths: step),
            "You sum over the padding too. Step t of sequence n counts where t < lengths[n].",
        ),
        Misconception(
            "a mask by multiplication",
            _bound_with(masked=lambda step, lengths: step * _within(step, lengths)),
            "Right while the padding is finite. 0 times NaN is NaN: choose with `torch.where`, do not multiply.",
        ),
        Misconception(
            "the rate of the padding",
            _rate_unmasked,
            "The likelihood's terms are cut at the ends, the KL's are not. A step that does not exist has no KL.",
        ),
        Misconception(
            "the likelihood of the padding",
            _likelihood_unmasked,
            "The KL's terms are cut at the ends, the likelihood's are not. Silence beyond the end is no data, and easily predicted: it "
            "would flatter the model.",
        ),
        Misconception(
            "one step too many",
            _bound_with(masked=lambda step, lengths: torch.where(_within(step, lengths + 1), step, 0.0)),
            "You count one step beyond each end. From 0, the last step of a sequence is lengths − 1: `<`, and not `<=`.",
        ),
        Misconception(
            "one step too few",
            _bound_with(masked=lambda step, lengths: torch.where(_within(step, lengths - 1), step, 0.0)),
            "The last step of each sequence is missing.",
        ),
        Misconception(
            "the mean of means",
            _bound_with(whole=lambda bound, lengths, steps: (bound / lengths).mean()),
            "The sequences' bounds are right. The batch's number is a mean of the sequences' means, in which a step of a short sequence "
            "counts more. Sum over sequences, over the sum of lengths.",
        ),
        Misconception(
            "over the padded steps",
            _bound_with(whole=lambda bound, lengths, steps: bound.sum() / (len(lengths) * steps)),
            "The sequences' bounds are right. You divide by all places of the table, padding and all; divide by the sum of the lengths.",
        ),
        Misconception(
            "per sequence",
            _bound_with(whole=lambda bound, lengths, steps: bound.mean()),
            "The sequences' bounds are right. The batch's number is per sequence; return it per step.",
        ),
        Misconception(
            "over the longest",
            _bound_with(whole=lambda bound, lengths, steps: bound.mean() / lengths.max()),
            "The sequences' bounds are right. You divide as if all sequences were as long as the longest.",
        ),
        Misconception(
            "all nats of the batch",
            _bound_with(whole=lambda bound, lengths, steps: bound.sum()),
            "The sequences' bounds are right. Their sum is still to be divided by the sum of the lengths.",
        ),
        Misconception(
            "each per step",
            _bound_with(each=lambda bound, lengths: bound / lengths),
            "The batch's number is right. The first is per step; return each sequence's bound, summed over its steps.",
        ),
        Misconception(
            "the KL added",
            _bound_with(step=lambda log_likelihood, rate: log_likelihood + rate),
            "You add the KL. A code that leaves its prior costs: it is subtracted.",
        ),
        Misconception(
            "no KL",
            _bound_with(step=lambda log_likelihood, rate: log_likelihood),
            "The KL is missing. Without it that is the reconstruction alone, no bound on log p(x).",
        ),
        Misconception(
            "a loss",
            _bound_with(step=lambda log_likelihood, rate: rate - log_likelihood),
            "That is the loss. Return the bound, which is maximised; papers print it with its sign turned.",
        ),
        Misconception(
            "the rate detached",
            _bound_with(step=lambda log_likelihood, rate: log_likelihood - rate.detach()),
            "The values are right, and no gradient reaches the KL: nothing is to be detached.",
        ),
        Misconception(
            "the likelihood detached",
            _bound_with(step=lambda log_likelihood, rate: log_likelihood.detach() - rate),
            "The values are right, and no gradient reaches the likelihood: nothing is to be detached.",
        ),
        Misconception(
            "the size of each term",
            _bound_with(step=lambda log_likelihood, rate: (log_likelihood - rate).abs()),
            "You take the absolute value of each step's term. Terms keep their signs: a density may be below 1 or above.",
        ),
        Misconception(
            "the size of the log-likelihood",
            _bound_with(step=lambda log_likelihood, rate: -log_likelihood.abs() - rate),
            "Right where log p(x_t | z_t) is negative. A density may be above 1, and its log positive: keep the sign.",
        ),
        Misconception(
            "the bounds never positive",
            _bound_with(
                each=lambda bound, lengths: -bound.abs(),
                whole=lambda bound, lengths, steps: -bound.abs().sum() / lengths.sum(),
            ),
            "Right where a bound is negative. With densities above 1 it may be positive: keep its sign.",
        ),
        Misconception(
            "over the steps of the table",
            _bound_with(whole=lambda bound, lengths, steps: bound.sum() / steps),
            "The sequences' bounds are right. You divide their sum by the steps of the table; divide by the sum of the lengths.",
        ),
        Misconception(
            "over the mean length",
            _bound_with(whole=lambda bound, lengths, steps: bound.sum() / lengths.to(bound).mean()),
            "The sequences' bounds are right. You divide their sum by the mean length; divide by the sum of the lengths.",
        ),
        Misconception(
            "steps counted from one",
            _bound_with(
                masked=lambda step, lengths: torch.where(
                    (torch.arange(step.shape[1]) > 0) & (torch.arange(step.shape[1]) <= lengths[:, None]), step, 0.0
                )
            ),
            "You leave out the first step and count one beyond the end: steps are counted from 0, so t runs from 0 to lengths − 1.",
        ),
    ),
)

"""Exercise 03.3: the best constant."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from helpers.exercises.engine.inputs import normal
from helpers.exercises.exercise import Exercise, Misconception
from helpers.exercises.lesson_03.optimal_baseline_slips import SLIPS


def optimal_baseline(probability, f, score):
    """The b that makes (f(z) - b) score(z), z ~ q, least noisy, and the variance left.

    probability: q(z) of every outcome, [outcomes]. f: f(z), [outcomes].
    score: the gradient of log q(z), [outcomes, parameters]
    → b, and the variance with it, summed over the parameters: two scalars.
    """
    weight = probability * (score**2).sum(-1)  # [outcomes]
    b = (weight * f).sum() / weight.sum()
    mean = (probability * f) @ score  # [parameters], with any b
    return b, (weight * (f - b) ** 2).sum() - (mean**2).sum()


def _outcomes(
    generator: Generator, bits: int, inputs: int = 0, loc: float = 0.0, scale: float = 2.0
) -> dict[str, Tensor]:
    """Every outcome of some bits, with the score of their logits; if `inputs` > 0, of a linear encoder with that many inputs."""
    z = torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=torch.float64)] * bits).reshape(
        -1, bits
    )  # [outcomes, bits]
    p = normal(generator, bits).sigmoid()
    score = z - p
    if inputs:
        score = (score.unsqueeze(-1) * normal(generator, inputs)).flatten(1)
    return {
        "probability": (z * p + (1 - z) * (1 - p)).prod(-1),
        "f": normal(generator, len(z), loc=loc, scale=scale),
        "score": score,
    }


def _categories(
    generator: Generator, categories: int, logits: float = 1.0, loc: float = 0.0, scale: float = 2.0
) -> dict[str, Tensor]:
    """One category: the score of its logits is the one-hot vector less the probabilities. `logits`: how unequal these are."""
    probability = normal(generator, categories, scale=logits).softmax(-1)
    return {
        "probability": probability,
        "f": normal(generator, categories, loc=loc, scale=scale),
        "score": torch.eye(categories, dtype=torch.float64) - probability,
    }


def _variance(probability, f, score, b):
    gradient = (f - b).unsqueeze(-1) * score  # [outcomes, parameters]
    mean = probability @ gradient
    return (probability @ (gradient - mean) ** 2).sum()


def _baseline_with(baseline):
    """A wrong answer with this baseline, a function of all three, and the variance that it leaves."""

    def answer(probability, f, score):
        b = baseline(probability, f, score)
        return b, _variance(probability, f, score, b)

    return answer


def _variance_with(variance):
    """A wrong answer with the right baseline and this function of all three and it."""

    def answer(probability, f, score):
        b, _ = optimal_baseline(probability, f, score)
        return b, variance(probability, f, score, b)

    return answer


def _one_each(probability, f, score):
    b = probability @ (f.unsqueeze(-1) * score**2) / (probability @ score**2)  # [parameters]
    gradient = (f.unsqueeze(-1) - b) * score
    mean = probability @ gradient
    return b, (probability @ (gradient - mean) ** 2).sum()


def _each_variance(probability, f, score, b):
    gradient = (f - b).unsqueeze(-1) * score
    return probability @ (gradient - probability @ gradient) ** 2


def _weighed_by(weight):
    """The mean of f, each outcome weighed by this function of probability and score, [outcomes]."""
    return _baseline_with(lambda p, f, score: (weight(p, score) * f).sum() / weight(p, score).sum())


OPTIMAL_BASELINE = Exercise(
    id="03.3",
    title="The best constant",
    minutes=11,
    difficulty=2,
    statement=r"A baseline $b$ makes the gradient of one sample $g = (f(z) - b)\, s(z)$ with the score $s = \nabla_\phi \log q$. Its mean "
    r"is the same for every $b$. Find the one $b$ with the least variance, summed over the parameters, and that variance, "
    r"$\mathbb E\,|g|^2 - |\mathbb E\, g|^2$: both exact, over all outcomes.",
    solution=optimal_baseline,
    why="Only E|g|² moves with b, and it is a parabola: its minimum is the mean of f under weights q(z) |s(z)|², so outcomes with a "
    "large score count more than in E[f].",
    cases={
        "three bits": lambda g: _outcomes(g, 3),
        "one bit, where no variance is left": lambda g: _outcomes(g, 1),
        "rewards near −50, a linear encoder": lambda g: _outcomes(g, 2, inputs=3, loc=-50.0, scale=6.0),
        "four bits": lambda g: _outcomes(g, 4, loc=3.0),
        "as many outcomes as parameters: a category of five": lambda g: _categories(g, 5),
        "rewards near −400 ± 150, some outcomes hardly possible": lambda g: _categories(g, 6, 3.0, -400.0, 150.0),
        "the same reward for all": lambda g: {**_outcomes(g, 2), "f": torch.full((4,), 2.5, dtype=torch.float64)},
    },
    dimensions={
        "probability": ("outcomes",),
        "f": ("outcomes",),
        "score": ("outcomes", "parameters"),
        "return": ((), ()),
    },
    returns=("b", "the variance"),
    hints=(
        "|E g|² does not depend on b, so make E|g|² small: a parabola in b. Where is its derivative zero?",
        "E|g|² = E[(f − b)² |s|²], with |s|² the sum over the parameters. At its minimum E[(f − b) |s|²] = 0: solve for b.",
        "weight = probability * (score**2).sum(-1)  # [outcomes]",
    ),
    misconceptions=(
        Misconception(
            "the mean reward",
            _baseline_with(lambda p, f, score: p @ f),
            "Your b is the mean reward E[f]: a good baseline, and not the best one. An outcome makes noise in proportion to "
            "|s|², and b "
            "must predict f there.",
        ),
        Misconception(
            "zero",
            _baseline_with(lambda p, f, score: 0 * f.sum()),
            "Your b is 0, which is no baseline. Set the derivative of E[(f − b)² |s|²] with respect to b to zero.",
        ),
        Misconception(
            "outcomes not weighed by their probability",
            _weighed_by(lambda p, score: (score**2).sum(-1)),
            "You weigh all outcomes alike. The expectations are under q: multiply by `probability`.",
        ),
        Misconception(
            "plain mean over outcomes",
            _baseline_with(lambda p, f, score: f.mean()),
            "Your b is the plain mean of f over the outcomes, as if all were equally probable and equally noisy: weigh each by "
            "q(z) "
            "|s(z)|².",
        ),
        Misconception(
            "norm of the score, not squared",
            _weighed_by(lambda p, score: p * score.norm(dim=-1)),
            "You weigh by |s|. The variance is quadratic in the score: weigh by |s|².",
        ),
        Misconception(
            "adds the scores before squaring",
            _weighed_by(lambda p, score: p * score.sum(-1) ** 2),
            "You add the parameters' scores up and square the sum. |s|² is the sum of their squares.",
        ),
        Misconception(
            "absolute scores",
            _weighed_by(lambda p, score: p * score.abs().sum(-1)),
            "You weigh by the sum of absolute scores. The variance is quadratic in the score: weigh by the sum of squares.",
        ),
        Misconception(
            "the probability squared",
            _weighed_by(lambda p, score: p**2 * (score**2).sum(-1)),
            "The probability stands in your weights twice. It belongs there once, for the expectation under q.",
        ),
        Misconception(
            "not divided by the weights",
            _baseline_with(lambda p, f, score: (p * (score**2).sum(-1) * f).sum()),
            "Your b is E[f |s|²]. Divide by E[|s|²], so that b is a mean of f.",
        ),
        Misconception(
            "wrong sign",
            _baseline_with(lambda p, f, score: -optimal_baseline(p, f, score)[0]),
            "Your b has the wrong sign: here it is subtracted, f − b.",
        ),
        Misconception(
            "a baseline for each parameter",
            _one_each,
            "You give each parameter a baseline of its own. That is unbiased, and less noisy still; but the exercise asks for "
            "one b for all of them: "
            "sum |s|² over the parameters first.",
        ),
        Misconception(
            "second moment",
            _variance_with(lambda p, f, score, b: (p * (f - b) ** 2 * (score**2).sum(-1)).sum()),
            "Your b is right. Your variance is E|g|²: subtract |E g|².",
        ),
        Misconception(
            "the plain variance",
            _variance_with(lambda p, f, score, b: _variance(p, f, score, 0.0)),
            "Your b is right. Your variance is that without a baseline: put f − b in place of f in E|g|².",
        ),
        Misconception(
            "standard deviation",
            _variance_with(lambda p, f, score, b: optimal_baseline(p, f, score)[1].clamp(min=0).sqrt()),
            "Your b is right. You took the root of the variance; return the variance itself.",
        ),
        Misconception(
            "variances not summed",
            _variance_with(_each_variance),
            "Your b is right. You keep one variance for each parameter; return their sum.",
        ),
        Misconception(
            "variances averaged",
            _variance_with(lambda p, f, score, b: _each_variance(p, f, score, b).mean()),
            "Your b is right. You average the variance over the parameters; return their sum.",
        ),
        Misconception(
            "variance of the reward",
            _variance_with(lambda p, f, score, b: p @ f**2 - (p @ f) ** 2),
            "Your b is right. Your variance is that of the reward f; return that of the gradient, (f − b) s.",
        ),
        *SLIPS,
    ),
)

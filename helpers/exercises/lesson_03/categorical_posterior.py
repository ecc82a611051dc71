"""Exercise 03.1: a posterior by counting."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from helpers.exercises.engine.inputs import normal, normal_leaf
from helpers.exercises.exercise import Exercise, Misconception
from helpers.exercises.lesson_03.categorical_posterior_slips import SLIPS


def categorical_posterior(log_prior, log_likelihood):
    """log p(z | x) and log p(x) in nats, by summing over all categories z.

    log_prior: log p(z), [categories]. log_likelihood: log p(x | z), [batch, categories]
    → log p(z | x) [batch, categories], log p(x) [batch].
    """
    log_joint = log_prior + log_likelihood  # [batch, categories]
    log_marginal = log_joint.logsumexp(-1)  # [batch]
    return log_joint - log_marginal.unsqueeze(-1), log_marginal


def _categories(
    generator: Generator, batch: int, categories: int, loc: float = -3.0, scale: float = 2.0
) -> dict[str, Tensor]:
    """The prior without gradients, so that an answer may normalise it once more."""
    return {
        "log_prior": normal(generator, categories, scale=1.5).log_softmax(-1),
        "log_likelihood": normal_leaf(generator, batch, categories, loc=loc, scale=scale),
    }


def _unlike_data(generator: Generator) -> dict[str, Tensor]:
    """One datum near 0, one near −20,000 and one with densities above one; a prior that all but excludes some categories."""
    level = torch.tensor([-2.0, -20_000.0, 900.0, -100.0], dtype=torch.float64).unsqueeze(-1)
    spread = torch.tensor([1.0, 900.0, 4.0, 15.0], dtype=torch.float64).unsqueeze(-1)
    return {
        "log_prior": normal(generator, 6, scale=20.0).log_softmax(-1),
        "log_likelihood": (level + spread * normal(generator, 4, 6)).requires_grad_(),
    }


def _by_probabilities(log_prior, log_likelihood):
    joint = (log_prior + log_likelihood).exp()
    evidence = joint.sum(-1)
    return (joint / evidence.unsqueeze(-1)).log(), evidence.log()


def _evidence_with(evidence):
    """A wrong answer with this log p(x) [batch], a function of log prior and log likelihood, and the posterior that it makes."""

    def answer(log_prior, log_likelihood):
        log_marginal = evidence(log_prior, log_likelihood)
        return log_prior + log_likelihood - log_marginal.unsqueeze(-1), log_marginal

    return answer


def _posterior_with(posterior):
    """A wrong answer with the right log p(x) and this posterior [batch, categories], a function of log prior and log likelihood."""

    def answer(log_prior, log_likelihood):
        return posterior(log_prior, log_likelihood), (log_prior + log_likelihood).logsumexp(-1)

    return answer


CATEGORICAL_POSTERIOR = Exercise(
    id="03.1",
    title="A posterior by counting",
    minutes=5,
    difficulty=1,
    statement=r"A code $z$ is one of $K$ categories, so Bayes' rule is a finite sum. From $\log p(z)$ and $\log p(x \mid z)$ of every "
    r"category, write $\log p(z \mid x)$ and $\log p(x)$, in nats. It must stay exact where $\log p(x \mid z)$ is −1000: an image has "
    r"hundreds of pixels.",
    solution=categorical_posterior,
    why="The joint adds in logarithms, `logsumexp` sums it over the categories without leaving them, and dividing by p(x) is a "
    "subtraction.",
    cases={
        "four data, three categories": lambda g: _categories(g, 4, 3),
        "images, whose log-likelihoods are near −1000": lambda g: _categories(g, 2, 5, loc=-1000.0, scale=15.0),
        "one datum, seven categories": lambda g: _categories(g, 1, 7, scale=5.0),
        "digits under ten templates, −400 ± 150": lambda g: _categories(g, 6, 10, loc=-400.0, scale=150.0),
        "data that differ by thousands of nats": _unlike_data,
        "as many data as categories": lambda g: _categories(g, 4, 4),
        "one category": lambda g: _categories(g, 3, 1),
    },
    dimensions={
        "log_prior": ("categories",),
        "log_likelihood": ("batch", "categories"),
        "return": (("batch", "categories"), ("batch",)),
    },  # fmt: skip
    returns=("log p(z | x)", "log p(x)"),
    hints=(
        "Write the joint first. Then p(x) is its sum over z, and the posterior is the joint divided by that sum: what is each in "
        "logarithms?",
        "log p(x) = log Σ_z exp[log p(z) + log p(x | z)], by `logsumexp`;   log p(z | x) = log p(z) + log p(x | z) − log p(x).",
        "log_joint = log_prior + log_likelihood  # [batch, categories]",
    ),
    misconceptions=(
        Misconception(
            "leaves logarithms",
            _by_probabilities,
            "Right for small data, and −∞ or NaN for images: exp(−1000) rounds to 0, and its logarithm is gone. Sum inside the "
            "logarithm "
            "with `logsumexp`.",
        ),
        Misconception(
            "leaves the prior out",
            lambda log_prior, log_likelihood: (log_likelihood.log_softmax(-1), log_likelihood.logsumexp(-1)),
            "You sum the likelihoods alone, as if every category were as probable before x was seen. Add log p(z) first.",
        ),
        Misconception(
            "a uniform prior",
            lambda log_prior, log_likelihood: (
                log_likelihood.log_softmax(-1),
                log_likelihood.logsumexp(-1) - log_likelihood.new_tensor(log_prior.numel()).log(),
            ),
            "You give every category the prior 1/K. `log_prior` says how probable each is before x is seen: add it.",
        ),
        Misconception(
            "sums logarithms",
            _evidence_with(lambda log_prior, log_likelihood: (log_prior + log_likelihood).sum(-1)),
            "Your log p(x) is a sum of logarithms, which is the logarithm of a product. Probabilities of different z add: log of "
            "the sum "
            "of exponentials.",
        ),
        Misconception(
            "average of the joint",
            _evidence_with(lambda log_prior, log_likelihood: (log_prior + log_likelihood).exp().mean(-1).log()),
            "You average the joint over the categories, and in probabilities, which round to 0 for images. p(x) is its sum: the "
            "prior has "
            "weighed the categories already. Use `logsumexp`.",
        ),
        Misconception(
            "average of the joint, in logarithms",
            _evidence_with(
                lambda log_prior, log_likelihood: (
                    (log_prior + log_likelihood).logsumexp(-1) - log_likelihood.new_tensor(log_prior.numel()).log()
                )
            ),
            "You average the joint over the categories. p(x) is its sum: the prior has weighed the categories already.",
        ),
        Misconception(
            "the best category for all",
            _evidence_with(lambda log_prior, log_likelihood: (log_prior + log_likelihood).amax(-1)),
            "You take the most probable category for all of them. That is a lower bound of log p(x): the others add to it.",
        ),
        Misconception(
            "the logarithm inside the expectation",
            _evidence_with(lambda log_prior, log_likelihood: (log_prior.exp() * log_likelihood).sum(-1)),
            "That is E_p(z)[log p(x | z)]: the logarithm has slipped inside the expectation. It makes the naive bound, which lies "
            "below log "
            "p(x).",
        ),
        Misconception(
            "posterior not normalised",
            _posterior_with(lambda log_prior, log_likelihood: log_prior + log_likelihood),
            "Your log p(x) is right. Your posterior is the joint still: divide by p(x), so that its exponentials sum to 1.",
        ),
        Misconception(
            "posterior as probabilities",
            _posterior_with(lambda log_prior, log_likelihood: (log_prior + log_likelihood).softmax(-1)),
            "Your log p(x) is right, and your posterior is p(z | x) itself. Return its logarithm.",
        ),
        Misconception(
            "likelihood divided by the evidence",
            _posterior_with(
                lambda log_prior, log_likelihood: (
                    log_likelihood - (log_prior + log_likelihood).logsumexp(-1, keepdim=True)
                )
            ),
            "Your log p(x) is right. Your posterior is p(x | z) / p(x): the prior is missing in its numerator.",
        ),
        Misconception(
            "normalised likelihood",
            _posterior_with(lambda log_prior, log_likelihood: log_likelihood.log_softmax(-1)),
            "Your log p(x) is right. Your posterior is the likelihood normalised, as if the prior were uniform: normalise the "
            "joint.",
        ),
        Misconception(
            "sums over the data",
            lambda log_prior, log_likelihood: (
                (log_prior + log_likelihood).log_softmax(0),
                (log_prior + log_likelihood).logsumexp(0),
            ),
            "You sum over the data. Each datum has a p(x) of its own: sum over the categories, the last dimension.",
        ),
        Misconception(
            "minus log p(x)",
            lambda log_prior, log_likelihood: (
                (log_prior + log_likelihood).log_softmax(-1),
                -(log_prior + log_likelihood).logsumexp(-1),
            ),
            "Your posterior is right. Your second result is −log p(x), a loss; return log p(x) itself.",
        ),
        *SLIPS,
    ),
)

"""Further wrong answers to exercise 03.1: results that round to 0, other normalisations, other evidences."""

from __future__ import annotations

import math

from helpers.exercises.exercise import Misconception


def _right(log_prior, log_likelihood):
    log_joint = log_prior + log_likelihood
    return log_joint.log_softmax(-1), log_joint.logsumexp(-1)


def _one_maximum(log_prior, log_likelihood):
    log_joint = log_prior + log_likelihood
    largest = log_joint.max()
    log_marginal = largest + (log_joint - largest).exp().sum(-1).log()
    return log_joint - log_marginal.unsqueeze(-1), log_marginal


def _posterior_with(posterior):
    """A wrong answer with the right log p(x) and this posterior [batch, categories], a function of log prior and log likelihood."""
    return lambda log_prior, log_likelihood: (
        posterior(log_prior, log_likelihood),
        _right(log_prior, log_likelihood)[1],
    )


def _right_posterior_and(evidence):
    """A wrong answer with the right posterior and this log p(x) [batch], a function of log prior and log likelihood."""
    return lambda log_prior, log_likelihood: (
        _right(log_prior, log_likelihood)[0],
        evidence(log_prior, log_likelihood),
    )


SLIPS = (
    Misconception(
        "softmax, then its logarithm",
        _posterior_with(lambda log_prior, log_likelihood: (log_prior + log_likelihood).softmax(-1).log()),
        "Your log p(x) is right. Your posterior is −∞ for categories that fit much worse than the best: their probability "
        "rounds to 0 before you take the logarithm. `log_softmax` takes both steps at once.",
    ),
    Misconception(
        "one maximum for the whole batch",
        _one_maximum,
        "You subtract one maximum from the whole batch. A datum far below the best one then rounds to 0, and its logarithm "
        "is −∞. Take the maximum of each row, or use `logsumexp`.",
    ),
    Misconception(
        "normalised over the data",
        _posterior_with(lambda log_prior, log_likelihood: (log_prior + log_likelihood).log_softmax(0)),
        "Your log p(x) is right. Your posterior is normalised over the data, dimension 0. Normalise over the categories, the "
        "last one.",
    ),
    Misconception(
        "average of the likelihoods",
        _right_posterior_and(
            lambda log_prior, log_likelihood: log_likelihood.logsumexp(-1) - math.log(log_prior.numel())
        ),
        "Your posterior is right. Your log p(x) is the log of the likelihoods' plain mean, as if the prior were uniform: "
        "weigh each by p(z).",
    ),
    Misconception(
        "average of the likelihoods, in probabilities",
        _right_posterior_and(lambda log_prior, log_likelihood: log_likelihood.exp().mean(-1).log()),
        "Your posterior is right. Your log p(x) is the log of the likelihoods' plain mean: the prior is missing, and for "
        "images exp rounds to 0. `logsumexp` of log p(z) + log p(x | z) has both.",
    ),
    Misconception(
        "sum of the likelihoods",
        _right_posterior_and(lambda log_prior, log_likelihood: log_likelihood.logsumexp(-1)),
        "Your posterior is right. Your log p(x) sums the likelihoods without the prior: sum the joint.",
    ),
    Misconception(
        "p(x) itself",
        _right_posterior_and(lambda log_prior, log_likelihood: (log_prior + log_likelihood).logsumexp(-1).exp()),
        "Your posterior is right. Your second result is p(x), which rounds to 0 for images. Return its logarithm.",
    ),
    Misconception(
        "expected log-likelihood",
        _right_posterior_and(
            lambda log_prior, log_likelihood: ((log_prior + log_likelihood).softmax(-1) * log_likelihood).sum(-1)
        ),
        "Your posterior is right. Your second result is the expected log-likelihood under it, larger than log p(x) by "
        "KL(posterior || prior).",
    ),
    Misconception(
        "the prior as a probability",
        lambda log_prior, log_likelihood: _right(log_prior.exp(), log_likelihood),
        "You add p(z) to log p(x | z). Add its logarithm, which log_prior is already.",
    ),
    Misconception(
        "the prior subtracted",
        lambda log_prior, log_likelihood: _right(-log_prior, log_likelihood),
        "You subtract log p(z). The joint multiplies prior and likelihood, so their logarithms add.",
    ),
    Misconception(
        "evidence added",
        _posterior_with(
            lambda log_prior, log_likelihood: (
                log_prior + log_likelihood + (log_prior + log_likelihood).logsumexp(-1, keepdim=True)
            )
        ),
        "Your log p(x) is right. You add it to the joint; the posterior is the joint divided by p(x), so subtract it.",
    ),
    Misconception(
        "best category subtracted",
        _posterior_with(
            lambda log_prior, log_likelihood: (
                log_prior + log_likelihood - (log_prior + log_likelihood).amax(-1, keepdim=True)
            )
        ),
        "Your log p(x) is right. From the joint you subtract its maximum, so your posterior does not sum to 1. Subtract log "
        "p(x).",
    ),
)

"""Gradients by the score function with control variates on a small network: their exact moments, and clouds of draws.

Every code of the network is listed, so mean and covariance are sums. Running statistics and learned baselines have converged.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from helpers.estimators import CentredReward, LearnedBaseline, ScaledReward, ScoreFunction, SelfCritic
from helpers.experiments.small_network import SmallNetwork

CHAIN = "chain of three"
ESTIMATORS = (
    ScoreFunction.label,
    *(each.label for each in (CentredReward, ScaledReward, SelfCritic, LearnedBaseline)),
    CHAIN,
)
BIASED = (ScaledReward.label, CHAIN)


@dataclass(frozen=True)
class Cloud:
    """Gradient of the bound, summed over the data, with respect to the logits' offset, and exact moments of an estimate of it.

    Attributes:
        exact: The gradient, [bits].
        mean: Mean of the estimate, [bits].
        covariance: Covariance of the estimate, [bits, bits].
    """

    exact: Tensor
    mean: Tensor
    covariance: Tensor

    @property
    def total_variance(self) -> float:
        """E|g - E[g]|², summed over all bits."""
        return self.covariance.trace().item()

    @property
    def noise(self) -> float:
        """Standard deviation over the length of the estimate's own mean, which a factor on the gradient does not change."""
        return self.total_variance**0.5 / self.mean.norm().item()


def exact_cloud(network: SmallNetwork, estimator: str, evaluations: int) -> Cloud:
    """Exact moments by summing over all codes of each datum; samples and data are independent, so covariances add.

    Args:
        network: Network with an enumerable code.
        estimator: One of `ESTIMATORS`.
        evaluations: Evaluations of f per datum; the self-critic uses one of them for its critic.

    Returns:
        The gradient and the moments of its estimate.
    """
    q = network.log_q.exp().unsqueeze(-1)  # [outcomes, data, 1]
    f = network.log_joint - network.log_q
    exact = (q * f.unsqueeze(-1) * network.score).sum((0, 1))
    g = one_sample(network, estimator)
    mean = (q * g).sum(0)  # [data, bits]
    centred = (q.sqrt() * (g - mean)).flatten(0, 1)
    return Cloud(exact, mean.sum(0), centred.T @ centred / samples_of(estimator, evaluations))


def codes_of(network: SmallNetwork, noise: Tensor) -> Tensor:
    """Codes drawn from q with given noise, as indices of outcomes.

    Args:
        network: Network with q(z | x).
        noise: Uniform noise, [repeats, samples, data, bits or more].

    Returns:
        Indices, int64 [repeats, samples, data].
    """
    bits = len(network.offset)
    z = noise[..., :bits] < network.logits.sigmoid()
    return (z * 2 ** torch.arange(bits - 1, -1, -1)).sum(-1)


def sampled_cloud(network: SmallNetwork, estimator: str, evaluations: int, codes: Tensor) -> Tensor:
    """Gradient estimates from given codes.

    Args:
        network: Network with q(z | x).
        estimator: One of `ESTIMATORS`.
        evaluations: Evaluations of f per datum.
        codes: Indices of outcomes, [repeats, samples, data].

    Returns:
        Estimates, [repeats, bits].
    """
    drawn = codes[:, : samples_of(estimator, evaluations)]  # [repeats, samples, data]
    return one_sample(network, estimator)[drawn, torch.arange(len(network.x))].mean(1).sum(1)


def one_sample(network: SmallNetwork, estimator: str) -> Tensor:
    """Gradient estimate from each code of each datum, as a single sample: (reward - 1) * score.

    The -1 comes from f = log p(x, z) - log q(z | x), which depends on q itself: grad f = -score.

    Args:
        network: Network with q(z | x).
        estimator: One of `ESTIMATORS`.

    Returns:
        Estimates, [outcomes, data, bits].
    """
    return (rewards(network, estimator) - 1).unsqueeze(-1) * network.score


def rewards(network: SmallNetwork, estimator: str) -> Tensor:
    """The factor on the score, once learned and running quantities have converged.

    Running mean and variance are those of f over data and codes; the learned baseline is E_q[f | x].

    Args:
        network: Network with q(z | x).
        estimator: One of `ESTIMATORS`.

    Returns:
        Rewards in nats (or without a unit, if scaled), [outcomes, data].

    Raises:
        ValueError: If the estimator is unknown.
    """
    q = network.log_q.exp()
    f = network.log_joint - network.log_q
    best = (q * f).sum(0)  # [data]
    if estimator == ScoreFunction.label:
        return f
    if estimator == CentredReward.label:
        return f - best.mean()
    if estimator == ScaledReward.label:
        return f / _spread(q, f - best.mean())
    if estimator == LearnedBaseline.label:
        return f - best
    if estimator == CHAIN:  # after the learned baseline the mean is zero, so centring adds nothing
        return (f - best) / _spread(q, f - best)
    if estimator == SelfCritic.label:
        likeliest = network.log_q.argmax(0, keepdim=True)  # [1, data]
        return f - f.gather(0, likeliest)
    raise ValueError(f"Got estimator={estimator!r}; expected one of {', '.join(ESTIMATORS)}.")


def samples_of(estimator: str, evaluations: int) -> int:
    """Number of samples that an estimator draws.

    Args:
        estimator: One of `ESTIMATORS`.
        evaluations: Evaluations of f per datum.

    Returns:
        Samples per datum.
    """
    return evaluations - 1 if estimator == SelfCritic.label else evaluations


def _spread(q: Tensor, centred: Tensor) -> Tensor:
    """The divisor of `ScaledReward`: the standard deviation over data and codes, at least 1."""
    return (q * centred**2).sum(0).mean().sqrt().clamp_min(1)

"""How good a model is over a whole data set: ELBO, distortion, rate, importance-weighted log-likelihood."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from helpers.data.checks import check_integer
from helpers.evaluation.doors import check_guide, check_module, check_tensor, explained
from helpers.evaluation.measured import Measured
from helpers.evaluation.module_mode import evaluation_mode
from helpers.matmul import fast_matmul
from helpers.models import LatentVariableModel


@dataclass(frozen=True)
class BoundEvaluation:
    """What `evaluate_bound` returns, in nats per image; elbo = -(distortion + rate).

    Args:
        elbo: E_q[log p(x, z) - log q(z | x)], a lower bound of log p(x).
        distortion: E_q[-log p(x | z)].
        rate: E_q[log q(z | x) - log p(z)].
        log_marginal_is: log 1/S sum_s p(x, z_s) / q(z_s | x), in expectation a tighter lower bound, exact as S grows.
        num_samples: S, draws of z per image.
        num_images: Images in the set.
    """

    elbo: Measured
    distortion: Measured
    rate: Measured
    log_marginal_is: Measured
    num_samples: int
    num_images: int


@torch.no_grad()
@fast_matmul()
def evaluate_bound(
    model: LatentVariableModel,
    guide: nn.Module,
    images: Tensor,
    num_samples: int,
    max_evaluations: int = 10_000,
) -> BoundEvaluation:
    """Evaluate ELBO, distortion, rate and importance-weighted log p(x) on a whole set, without gradients and in evaluation mode.

    The standard errors are over images; the noise of the draws is part of them.

    Args:
        model: p(x, z).
        guide: x [*batch, *outcome] → q(z | x).
        images: The whole set [images, *outcome].
        num_samples: S, draws of z per image.
        max_evaluations: (image, draw) pairs at a time: memory grows with neither images nor draws.

    Returns:
        The four means with their standard errors, in nats per image.

    Raises:
        ValueError: If model, guide or images are something else, if a count is no integer of 1 or more, or if the images do not fit the
            likelihood, the guide or the dtype of their parameters.
    """
    check_module(model, LatentVariableModel, "model", "LatentVariableModel(prior, likelihood)")
    check_guide(guide)
    check_tensor(images, "images", "[images, *outcome]")
    num_samples = check_integer(num_samples, "num_samples", "the draws of z per image")
    max_evaluations = check_integer(max_evaluations, "max_evaluations", "the (image, draw) pairs at a time")
    model.likelihood.check_outcome(images)
    with evaluation_mode(model, guide), explained(guide, images):
        piece = max(1, max_evaluations // num_samples)
        # Written into one tensor made beforehand: small results kept between large temporaries fragment the heap.
        results = torch.empty(3, len(images), dtype=images.dtype, device=images.device)
        for x, columns in zip(images.split(piece), results.split(piece, dim=1), strict=True):
            columns.copy_(_evaluate(model, guide, x, num_samples, max_evaluations))
    distortion, rate, log_marginal_is = results
    return BoundEvaluation(
        Measured.over(-(distortion + rate)),
        Measured.over(distortion),
        Measured.over(rate),
        Measured.over(log_marginal_is),
        num_samples,
        images.shape[0],
    )


def _evaluate(
    model: LatentVariableModel, guide: nn.Module, x: Tensor, num_samples: int, max_evaluations: int
) -> Tensor:
    """Distortion, rate and importance-weighted log p(x) of each of a few images: [3, images]."""
    q = guide(x)
    prior = model.prior(q.batch_shape)
    distortion = rate = torch.zeros((), dtype=x.dtype, device=x.device)
    log_total = torch.full((), -torch.inf, dtype=x.dtype, device=x.device)
    remaining = num_samples
    while remaining > 0:
        draws = min(remaining, max(1, max_evaluations // x.shape[0]))
        remaining -= draws
        z = q.sample((draws,))  # [draws, images, *latent]
        log_likelihood = model.likelihood(z).log_prob(x)
        log_ratio = q.log_prob(z) - prior.log_prob(z)
        distortion = distortion - log_likelihood.sum(0) / num_samples
        rate = rate + log_ratio.sum(0) / num_samples
        log_total = torch.logaddexp(log_total, (log_likelihood - log_ratio).logsumexp(0))
    return torch.stack([distortion, rate, log_total - math.log(num_samples)])

"""How good a model is over a whole data set: bound, distortion, rate, importance-weighted log-likelihood; and which units it uses."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from helpers.estimators import draw
from helpers.models import LatentVariableModel
from helpers.models.mode import evaluation_mode
from helpers.products import fast_products


@dataclass(frozen=True)
class Measured:
    """A mean over images and its standard error, in nats per image."""

    mean: float
    standard_error: float

    @classmethod
    def over(cls, values: Tensor) -> Measured:
        """values: [images]."""
        spread = values.double().std(unbiased=True).item() if values.numel() > 1 else math.nan
        return cls(values.double().mean().item(), spread / math.sqrt(values.numel()))

    def __str__(self) -> str:
        return f"{self.mean:.2f} ± {self.standard_error:.2f}"


@dataclass(frozen=True)
class BoundEvaluation:
    """What `evaluate_bound` returns; elbo = -(distortion + rate).

    elbo: E_q[log p(x, z) - log q(z | x)], a lower bound of log p(x).
    distortion: E_q[-log p(x | z)].
    rate: E_q[log q(z | x) - log p(z)].
    log_likelihood: log 1/S sum_s p(x, z_s) / q(z_s | x), in expectation a tighter lower bound, exact as S grows.
    """

    elbo: Measured
    distortion: Measured
    rate: Measured
    log_likelihood: Measured
    num_samples: int
    num_images: int


@torch.no_grad()
@fast_products()
def evaluate_bound(
    model: LatentVariableModel,
    posterior: nn.Module,
    images: Tensor,
    num_samples: int,
    max_evaluations: int = 10_000,
) -> BoundEvaluation:
    """Evaluate on all of `images` [images, *outcome], with `num_samples` draws of z per image, without gradients.

    Works through the images and draws in pieces of at most `max_evaluations` (image, draw) pairs, so memory does not grow with
    either. Model and posterior are in evaluation mode meanwhile. Nats per image, each with its standard error over images; the
    noise of the draws is part of it.
    """
    if num_samples < 1:
        raise ValueError(f"num_samples must be 1 or more; {num_samples} was given.")
    model.likelihood.check_outcome(images)
    with evaluation_mode(model, posterior):
        piece = max(1, max_evaluations // num_samples)
        # Written into one tensor made beforehand: small results kept between large temporaries would tear the heap to pieces.
        results = torch.empty(3, len(images), dtype=images.dtype, device=images.device)
        for x, columns in zip(images.split(piece), results.split(piece, dim=1), strict=True):
            columns.copy_(_evaluate(model, posterior, x, num_samples, max_evaluations))
    distortion, rate, log_likelihood = results
    return BoundEvaluation(
        Measured.over(-(distortion + rate)),
        Measured.over(distortion),
        Measured.over(rate),
        Measured.over(log_likelihood),
        num_samples,
        images.shape[0],
    )


def _evaluate(
    model: LatentVariableModel, posterior: nn.Module, x: Tensor, num_samples: int, max_evaluations: int
) -> Tensor:
    """Distortion, rate and log-likelihood of each of a few images: [3, images]."""
    q = posterior(x)
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


@torch.no_grad()
def accuracy(classifier: nn.Module, images: Tensor, labels: Tensor, batch_size: int = 1000) -> Measured:
    """Share of images whose most probable class is their label, with its standard error (a share, not nats).

    classifier: x → q(y | x), one-hot, such as the `classifier` of a `SemiSupervisedGuide`; run in evaluation mode.
    images: [N, *image].  labels: int64 [N].
    """
    if labels.shape != images.shape[:1] or labels.is_floating_point():
        raise ValueError(
            f"The images have the shape {tuple(images.shape)} and the labels {tuple(labels.shape)}, {labels.dtype}: one class number, "
            "int64, an image was expected."
        )
    with evaluation_mode(classifier):
        right = [
            classifier(x).mean.argmax(-1) == y
            for x, y in zip(images.split(batch_size), labels.split(batch_size), strict=True)
        ]
    return Measured.over(torch.cat(right).double())


@dataclass(frozen=True)
class ActiveUnits:
    """What `active_units` returns.

    variance: [*latent], over images, of the posterior mean of each unit.
    threshold: a unit is active where its variance is above this.
    """

    variance: Tensor
    threshold: float

    @property
    def active(self) -> Tensor:
        """[*latent], boolean."""
        return self.variance > self.threshold

    @property
    def count(self) -> int:
        return int(self.active.sum())


@torch.no_grad()
def active_units(
    posterior: nn.Module, images: Tensor, threshold: float = 0.01, num_samples: int = 100, max_evaluations: int = 10_000
) -> ActiveUnits:
    """Which units of z carry anything about x: those for which Var_x( E_q(z | x)[z] ) > threshold.

    A unit whose posterior is the prior, whatever x is, has variance 0: it has collapsed. The scale of z is set by the prior, and the
    threshold belongs to one of unit variance. A unit of a flow or a mixture may carry something in its shape and nothing in its mean.

    images: [images, *outcome], two or more.
    num_samples: draws of z per image where q has no mean in closed form, as a flow; two or more. Their noise, s² / num_samples, is
        subtracted, so that the variance is unbiased and may come out just below 0.
    max_evaluations: (image, draw) pairs at a time.

    Burda, Grosse, Salakhutdinov 2016, "Importance Weighted Autoencoders", section 5.2.
    """
    if len(images) < 2 or num_samples < 2:
        raise ValueError(
            f"A variance over images needs 2 images or more, and means from draws 2 draws or more; {len(images)} and {num_samples} were "
            "given."
        )
    with evaluation_mode(posterior):
        pieces = images.split(max(1, max_evaluations // num_samples))
        means, noises = zip(*(_mean_and_noise(posterior(x), num_samples) for x in pieces), strict=True)
    variance = torch.cat(means).double().var(0, unbiased=True) - torch.cat(noises).double().mean(0)
    return ActiveUnits(variance, threshold)


def _mean_and_noise(q: Distribution, num_samples: int) -> tuple[Tensor, Tensor]:
    """E[z] and the variance with which it is known, both [images, *latent]."""
    try:
        return q.mean, torch.zeros_like(q.mean)
    except NotImplementedError:
        z = draw(q, num_samples)  # [draws, images, *latent]
        return z.mean(0), z.var(0, unbiased=True) / num_samples

"""The evidence lower bound as an objective: a module that maps a batch to an `Estimate`."""

from __future__ import annotations

from torch import Tensor, nn
from torch.distributions import kl_divergence

from helpers.estimators import Estimate, GradientEstimator, Pathwise
from helpers.estimators.base import Target
from helpers.models.latent_variable import LatentVariableModel


class _Bound(nn.Module):
    """The parts that both bounds hold, and their checks."""

    accepted_targets: tuple[Target, ...] = ("expectation", "log_mean_exp")  # of the estimators that give a bound

    def __init__(
        self,
        model: LatentVariableModel,
        guide: nn.Module,
        estimator: GradientEstimator | None = None,
        num_samples: int | None = None,
        rate_weight: float = 1.0,
    ) -> None:
        super().__init__()
        latent = getattr(guide, "event_shape", model.prior.event_shape)
        if tuple(latent) != tuple(model.prior.event_shape):
            raise ValueError(
                f"q(z | x) makes z of shape {tuple(latent)}, and p(z) of shape {tuple(model.prior.event_shape)}: "
                "they must be the same."
            )
        self.model = model
        self.guide = guide
        self.estimator = Pathwise() if estimator is None else estimator
        if self.estimator.target not in self.accepted_targets:
            raise ValueError(
                f"{type(self).__name__} needs an estimator of an expectation, and {type(self.estimator).__name__} has the target "
                f"{self.estimator.target!r}: mean-exp of a log-likelihood, minus a KL, is no bound. Use `Elbo`."
            )
        self.num_samples = num_samples
        self.rate_weight = rate_weight

    def _check_batch(self, x: Tensor) -> None:
        check_images_alone(x, type(self).__name__)
        self.model.likelihood.check_outcome(x)


class Elbo(_Bound):
    """E_q[log p(x | z) - w R(z)], R(z) = log q(z | x) - log p(z): the whole log weight is the estimator's f.

    With `rate_weight` w = 1 and an estimator whose target is an expectation this is the ELBO; with `ImportanceWeighted` it is the
    importance-weighted bound. With w other than 1 it is the objective of a beta-VAE; the expectation is a lower bound of log p(x) if
    w >= 1.

    `value` and `surrogate` both hold the weight: unless w = 1, `value` is not the ELBO, which is -(distortion + rate). The loss of
    trainable baselines is not part of either; it is the estimate's `auxiliary_loss`.

    Called with x [*batch, *outcome], returns an `Estimate` [*batch] in nats, with terms `distortion`, -log p(x | z), and
    `rate`, R(z), both averaged over samples and both without the weight.

    Args:
        model: p(x, z).
        guide: x [*batch, *outcome] → q(z | x), a distribution with batch_shape [*batch].
        estimator: Gradient estimator; None: `Pathwise()`. A mixture guide needs `ComponentThenPoint()`.
        num_samples: Evaluations of the log weight per image; None: the estimator's minimum.
        rate_weight: w.

    Raises:
        ValueError: If guide and prior disagree on the shape of z.
    """

    def forward(self, x: Tensor) -> Estimate:
        self._check_batch(x)
        q = self.guide(x)

        def log_weight(z: Tensor) -> Estimate:  # [samples, *batch, *latent] → [samples, *batch]
            log_likelihood = self.model.likelihood(z).log_prob(x)
            rate = q.log_prob(z) - self.model.prior(log_likelihood.shape).log_prob(z)
            return Estimate.of(log_likelihood - self.rate_weight * rate, distortion=-log_likelihood, rate=rate)

        return self.estimator(log_weight, q, self.num_samples, context=x)


class AnalyticKlElbo(_Bound):
    """E_q[log p(x | z)] - w KL(q(z | x) || p(z)), with the KL in closed form.

    The target is that of `Elbo`; the gradient is less noisy in general. Needs a KL in closed form between q and p(z), and an
    estimator whose target is an expectation: the mean-exp of a log-likelihood, minus a KL, is no bound.

    `value` and `surrogate` both hold the weight: unless w = 1, `value` is not the ELBO, which is -(distortion + rate). The loss of
    trainable baselines is not part of either; it is the estimate's `auxiliary_loss`.

    Called with x [*batch, *outcome], returns an `Estimate` [*batch] in nats, with terms `distortion`, -log p(x | z) averaged over
    samples, and `rate`, the KL, both without the weight.

    Args:
        model: p(x, z).
        guide: x [*batch, *outcome] → q(z | x), a distribution with batch_shape [*batch].
        estimator: Gradient estimator of an expectation; None: `Pathwise()`.
        num_samples: Evaluations of the log-likelihood per image; None: the estimator's minimum.
        rate_weight: w.

    Raises:
        ValueError: If guide and prior disagree on the shape of z, if the estimator's target is not an expectation, or, when called,
            if the KL has no closed form.
    """

    accepted_targets = ("expectation",)

    def forward(self, x: Tensor) -> Estimate:
        self._check_batch(x)
        q = self.guide(x)
        try:
            rate = kl_divergence(q, self.model.prior(q.batch_shape))  # [*batch]
        except NotImplementedError as error:
            raise ValueError(
                f"There is no closed form for KL(q || p) between {type(q).__name__} and "
                f"{type(self.model.prior).__name__}. Use `Elbo`, which estimates it."
            ) from error

        def log_likelihood(z: Tensor) -> Estimate:
            log_p = self.model.likelihood(z).log_prob(x)  # [samples, *batch]
            return Estimate.of(log_p, distortion=-log_p)

        return self.estimator(log_likelihood, q, self.num_samples, context=x) + Estimate(
            -self.rate_weight * rate.detach(), -self.rate_weight * rate, {"rate": rate.detach()}
        )


def check_images_alone(x: Tensor, caller: str) -> None:
    """Check that a batch is one tensor of images, not a tuple such as (images, labels).

    Args:
        x: The batch that `caller` was given.
        caller: Name of the objective, for the message.

    Raises:
        ValueError: If x is a tuple or a list.
    """
    if isinstance(x, tuple | list):
        raise ValueError(
            f"{caller} takes a batch of images alone, and a {type(x).__name__} of {len(x)} was given. "
            "Usual cause: batches of (images, labels); build `Batches` from the images only."
        )

"""The evidence lower bound as an objective: a module that maps a batch to an `Estimate`."""

from __future__ import annotations

from torch import Tensor, nn
from torch.distributions import Distribution

from helpers.distributions import closed_form_kl
from helpers.estimators import Estimate, GradientEstimator, Pathwise
from helpers.estimators.base import Target
from helpers.models.checks import (
    check_estimator,
    check_guide,
    check_guide_result,
    check_images_alone,
    check_num_samples,
    check_part,
    check_slope,
    check_support,
)
from helpers.models.latent_variable import AmortizedGuide, LatentVariableModel
from helpers.networks.sizes import as_weight

REWARDS_RATE = "rewards a guide that is far from the prior"


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
        name = type(self).__name__
        check_part(model, LatentVariableModel, AmortizedGuide, name, "model")
        check_guide(guide, name)
        if isinstance(guide, LatentVariableModel):
            check_part(guide, AmortizedGuide, LatentVariableModel, name, "guide")
        latent = getattr(guide, "event_shape", model.prior.event_shape)
        if tuple(latent) != tuple(model.prior.event_shape):
            raise ValueError(
                f"q(z | x) makes z of shape {tuple(latent)}, and p(z) of shape {tuple(model.prior.event_shape)}: "
                "they must be the same."
            )
        self.model = model
        self.guide = guide
        self.estimator = Pathwise() if estimator is None else estimator
        check_estimator(self.estimator, name)
        if self.estimator.target not in self.accepted_targets:
            raise ValueError(
                f"{type(self).__name__} needs an estimator of an expectation, and {type(self.estimator).__name__} has the target "
                f"{self.estimator.target!r}: mean-exp of a log-likelihood, minus a KL, is no bound. Use `Elbo`."
            )
        self.num_samples = check_num_samples(num_samples)
        self.rate_weight = rate_weight

    @property
    def rate_weight(self) -> float:
        """w; it may be set during training."""
        return self._rate_weight

    @rate_weight.setter
    def rate_weight(self, rate_weight: float) -> None:
        self._rate_weight = as_weight(rate_weight, "rate_weight", REWARDS_RATE)

    def _guide(self, x: Tensor) -> Distribution:
        """q(z | x) of a batch, both checked."""
        check_images_alone(x, type(self).__name__)
        self.model.likelihood.check_outcome(x)
        q = self.guide(x)
        check_guide_result(q, self.guide)
        return q


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
        ValueError: If an argument is of the wrong kind, if guide and prior disagree on the shape of z, or, when called, on its outcomes
            (bits under a Gaussian prior), or if the estimator would lose the rate's gradient (straight-through and Gumbel-softmax with
            categories, see `AnalyticKlElbo`).
    """

    def forward(self, x: Tensor) -> Estimate:
        q = self._guide(x)
        check_slope(self.estimator, q)

        def log_weight(z: Tensor) -> Estimate:  # [samples, *batch, *latent] → [samples, *batch]
            log_likelihood = self.model.likelihood(z).log_prob(x)
            prior = self.model.prior(log_likelihood.shape)
            check_support(q, prior)
            rate = q.log_prob(z) - prior.log_prob(z)
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
        ValueError: If an argument is of the wrong kind, if guide and prior disagree on z, if the estimator's target is not an
            expectation, or, when called, if the KL has no closed form.
    """

    accepted_targets = ("expectation",)

    def forward(self, x: Tensor) -> Estimate:
        q = self._guide(x)
        prior = self.model.prior(q.batch_shape)
        check_support(q, prior)
        try:
            rate = closed_form_kl(q, prior)  # [*batch]
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

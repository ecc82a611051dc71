"""Sticking the landing: the path derivative through the sample, without the score of q."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor
from torch.distributions import Distribution

from helpers.estimators.base import GradientEstimator, Integrand, NeedOfF, NeedOfQ, evaluate
from helpers.estimators.estimate import Estimate
from helpers.estimators.parts.doors import check_instance
from helpers.estimators.pathwise import Pathwise


class StickingTheLanding(GradientEstimator):
    """Add the score of q, whose mean is 0, so that it cancels the one inside f = log p(x, z) - log q(z | x).

    grad E_q[f] ~ [estimate of `within`] + mean_s grad log q(z_s), z_s detached.  Unbiased for any f for which `within` is.

    q's parameters enter f twice: through z, and through log q(z | x) at a fixed z. The gradient by the second route is minus the score:
    its mean is 0, but its noise remains when q is the exact posterior. Without it the gradient is then 0 at every sample, so that
    training stays at this optimum. Away from it the score may raise or lower the variance.

    With `Elbo` keep `rate_weight` at 1: otherwise the score cancels only in part (the mean is still right).

    Needs what `within` needs, and log q at a detached z, which a flow without an inverse does not have.
    Roeder, Wu, Duvenaud 2017, "Sticking the Landing: Simple, Lower-Variance Gradient Estimators for Variational Inference".

    Args:
        within: An unbiased estimator of expectations. Default: `Pathwise()`. `ComponentThenPoint()` for a mixture, whose whole score is
            then added.

    Raises:
        ValueError: If `within` is not an estimator, or its target is not "expectation".
    """

    label = "sticking the landing"
    q_needs: NeedOfQ = "rsample"
    f_needs: NeedOfF = "derivative"

    def __init__(self, within: GradientEstimator | None = None) -> None:
        super().__init__()
        self.within = Pathwise() if within is None else within
        check_instance(self.within, GradientEstimator, type(self).__name__, "an estimator such as Pathwise()")
        self.unbiased, self.q_needs, self.f_needs = self.within.unbiased, self.within.q_needs, self.within.f_needs
        if self.within.target != "expectation":
            raise ValueError(
                f"StickingTheLanding needs an estimator of an expectation, and {type(self.within).__name__} has the target "
                f"{self.within.target!r}: there each score has a weight that depends on the sample, so its mean is not 0, and dropping it "
                "is biased. DoublyReparameterised replaces it without bias."
            )

    def resolve_num_samples(self, q: Distribution, num_samples: int | None) -> int:
        return self.within.resolve_num_samples(q, num_samples)

    def estimate(self, f: Integrand, q: Distribution, num_samples: int, context: Tensor | None) -> Estimate:
        def with_score(z: Tensor) -> Estimate:  # [samples, *batch, *event] → [samples, *batch]
            each = evaluate(f, z, q)
            return replace(each, surrogate=each.surrogate + log_prob_held_still(q, z, type(self).__name__))

        return self.within(with_score, q, num_samples, context)


def log_prob_held_still(q: Distribution, z: Tensor, caller: str) -> Tensor:
    """log q(z) at a detached z: its gradient reaches q's parameters directly, not through z.

    Args:
        q: Distribution with batch_shape [*batch].
        z: Samples of q, [samples, *batch, *event].
        caller: Name of the estimator, for the message.

    Returns:
        log q(z), [samples, *batch].

    Raises:
        ValueError: If q can score only the samples it has just made, as a flow without an inverse.
    """
    try:
        return q.log_prob(z.detach())
    except (NotImplementedError, KeyError) as error:
        raise ValueError(
            f"{caller} needs log q(z) at a z held still, and this {type(q).__name__} can score only the samples it has just made: one of "
            "its transforms has no inverse. Pathwise and ImportanceWeighted do not need it; a flow with an inverse has it."
        ) from error

"""Sticking the landing: the path through the sample alone, without the score of q."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor
from torch.distributions import Distribution

from helpers.estimators.base import Estimate, GradientEstimator, Integrand, evaluate
from helpers.estimators.pathwise import Pathwise


class StickingTheLanding(GradientEstimator):
    """Add the score of q, whose mean is 0, so that it cancels the one inside f = log p(x, z) - log q(z | x).

    grad E_q[f] ~ [estimate of `within`] + mean_s grad log q(z_s), z_s held still.  Unbiased for any f for which `within` is.

    q's parameters enter f twice: through z, and through log q(z | x) with z held still. The second route is minus the score: mean 0,
    but noise that stays when q is exact. Without it the gradient of an exact q is 0 at every sample, so that training, once it has
    arrived, stays. Elsewhere the score may help or hurt: neither variance is always the smaller.

    within: an unbiased estimator of expectations; `Pathwise()` by default, `ComponentThenPoint()` for a mixture, whose whole score it
        then adds. With `Elbo` keep `rate_weight` at 1: else the score cancels in part only (and the mean is still right).

    Needs what `within` needs, and log q at a z held still, which a flow without an inverse cannot give.
    Roeder, Wu, Duvenaud 2017, "Sticking the Landing: Simple, Lower-Variance Gradient Estimators for Variational Inference".
    """

    def __init__(self, within: GradientEstimator | None = None) -> None:
        super().__init__()
        self.within = Pathwise() if within is None else within
        if self.within.target != "expectation":
            raise ValueError(
                f"StickingTheLanding needs an estimator of an expectation, and {type(self.within).__name__} has the target "
                f"{self.within.target!r}: there each score has a weight that depends on the sample, so its mean is not 0, and dropping it "
                "is biased. DoublyReparameterised puts the right thing in its place."
            )

    def resolve_num_samples(self, q: Distribution, num_samples: int | None) -> int:
        return self.within.resolve_num_samples(q, num_samples)

    def estimate(self, f: Integrand, q: Distribution, num_samples: int, context: Tensor | None) -> Estimate:
        def with_score(z: Tensor) -> Estimate:  # [samples, *batch, *event] → [samples, *batch]
            each = evaluate(f, z, q)
            return replace(each, surrogate=each.surrogate + log_prob_held_still(q, z, type(self).__name__))

        return self.within(with_score, q, num_samples, context)


def log_prob_held_still(q: Distribution, z: Tensor, caller: str) -> Tensor:
    """log q(z), whose gradient reaches q's parameters directly and not through z: [samples, *batch].

    Raises ValueError where q cannot score a z that it did not just make, as a flow without an inverse.
    """
    try:
        return q.log_prob(z.detach())
    except (NotImplementedError, KeyError) as error:
        raise ValueError(
            f"{caller} needs log q(z) at a z held still, and this {type(q).__name__} can score only the samples it has just made: one of "
            "its transforms has no inverse. Pathwise and ImportanceWeighted do without, and so does a flow with an inverse."
        ) from error

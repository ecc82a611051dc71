"""The exact expectation and gradient, by summing over every outcome."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor
from torch.distributions import Distribution

from helpers.distributions import support
from helpers.estimators.base import GradientEstimator, Integrand, NeedOfQ, evaluate
from helpers.estimators.estimate import Estimate
from helpers.estimators.parts.possible import possible_outcomes


class Enumeration(GradientEstimator):
    """Sum over the support: no sampling, no variance.

    E_q[f] = sum_k q(z_k) f(z_k);  grad E_q[f] = sum_k f(z_k) grad q(z_k) + q(z_k) grad f(z_k).

    Unbiased if a nested f is: the outer sum adds no error to the inner estimate. Outcomes of probability 0 do not count: f is not
    evaluated there, so it may be infinite, and its gradient too.

    Needs a finite support. Costs one evaluation of f per outcome, so `num_samples` is the size of the support or None.
    """

    label = "enumeration"
    q_needs: NeedOfQ = "finite support"
    scored = False

    def resolve_num_samples(self, q: Distribution, num_samples: int | None) -> int:
        size = support(q).shape[0]
        if num_samples not in (None, size):
            raise ValueError(
                f"Enumeration evaluates f once per outcome, here {size} times, and num_samples={num_samples} was given. "
                "Leave num_samples out, or use an estimator that samples."
            )
        return size

    def estimate(self, f: Integrand, q: Distribution, num_samples: int, context: Tensor | None) -> Estimate:
        z = support(q)  # [support, *batch, *event]
        probability = q.log_prob(z).exp()  # [support, *batch]
        weight = probability.detach()
        inner = evaluate(f, possible_outcomes(z, weight, q), q)
        averaged = inner.reduce(lambda over_outcomes: (weight * over_outcomes).sum(0))
        return replace(averaged, surrogate=averaged.surrogate + (probability * inner.value).sum(0))

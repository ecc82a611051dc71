"""ReinMax: straight-through with a second-order rule. Biased, and exact if f is quadratic."""

from __future__ import annotations

from torch import Tensor
from torch.distributions import Distribution

from helpers.estimators.base import Estimate, GradientEstimator, Integrand, NeedOfF, NeedOfQ, evaluate
from helpers.estimators.draws import draw
from helpers.estimators.parts.discrete import discrete_variables


class ReinMax(GradientEstimator):
    """Differentiate f at the sample, with the average of two slopes in place of one.

    grad E_q[f] ~ mean_s [grad f(z_s) + f'(z_s)·(2 J((m + z_s) / 2) - J(m) / 2)],  m = E_q[z].
    J(p) is the derivative of the mean in the logits at the mean p: p (1 - p) for a bit, diag(p) - p pᵀ for categories.

    The gradient needs differences f(b) - f(a) between outcomes. Straight-through takes f'(a)·(b - a) for them, Euler's rule; averaged over
    z, this estimator takes (f'(a) + f'(b))·(b - a) / 2, the trapezoidal rule (Heun's). For one site (a bit, or one categorical
    variable) it is unbiased if f is quadratic. Otherwise, and if f couples several sites in another way, biased: one bit with probability
    p and f(b) = b³ has bias p (1 - p) / 2 on the logit. The value is unbiased, and so is the gradient of parameters that only f has.

    Needs bits or one-hot categories, and an f that is differentiable at them. torch's `OneHotCategorical.log_prob` has no gradient in
    z, so for categories keep log q - log p out of f: `AnalyticKlElbo`.
    Liu, Dong, Liu, Yu, Gao 2023, "Bridging Discrete and Backpropagation: Straight-Through and Beyond".
    """

    label = "ReinMax"
    unbiased = False
    q_needs: NeedOfQ = "bits or categories"
    f_needs: NeedOfF = "derivative"

    def estimate(self, f: Integrand, q: Distribution, num_samples: int, context: Tensor | None) -> Estimate:
        sites = discrete_variables(q, type(self).__name__)
        outcomes, mean = draw(q, num_samples), sites.probs.detach()  # [samples, *batch, *event], [*batch, *event]

        def route(p: Tensor) -> Tensor:
            """Linear in the logits, with the derivative J(p)."""
            if sites.binary:
                return p * (1 - p) * sites.logits
            return p * (sites.logits - (p * sites.logits).sum(-1, keepdim=True))

        slope = 2 * route((mean + outcomes) / 2) - route(mean) / 2
        return evaluate(f, outcomes + (slope - slope.detach()), q).mean(dim=0)  # the bracket is exactly zero

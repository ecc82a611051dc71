"""Straight-through: outcomes in the forward pass, probabilities in the backward pass. Biased."""

from __future__ import annotations

from torch import Tensor
from torch.distributions import Distribution

from helpers.estimators.base import GradientEstimator, Integrand, NeedOfF, NeedOfQ
from helpers.estimators.draws import draw
from helpers.estimators.estimate import Estimate
from helpers.estimators.parts.discrete import discrete_variables
from helpers.estimators.parts.off_support import evaluate_with_slope


class StraightThrough(GradientEstimator):
    """Differentiate f at the sample, as if the sample's derivative in the logits were the mean's.

    grad E_q[f] ~ mean_s [grad f(z_s) + f'(z_s)·grad m],  m = E_q[z].
    Biased: right in q's parameters if f is linear, and rarely otherwise, since it uses the slope of f in place of the difference of f
    between outcomes. One bit with probability p and f(b) = (b - t)²: the bias on the logit is (2p - 1) p (1 - p) for any t. The value is
    unbiased, and so is the gradient of parameters that only f has.

    Needs bits or one-hot categories, and an f that is differentiable at them. torch's `OneHotCategorical.log_prob` has no gradient in
    z, so for categories keep log q - log p out of f: `AnalyticKlElbo`.
    Bengio, Léonard, Courville 2013, "Estimating or Propagating Gradients Through Stochastic Neurons ...".
    """

    label = "straight-through"
    unbiased = False
    q_needs: NeedOfQ = "bits or categories"
    f_needs: NeedOfF = "derivative"
    scored = False

    def estimate(self, f: Integrand, q: Distribution, num_samples: int, context: Tensor | None) -> Estimate:
        mean = discrete_variables(q, type(self).__name__).probs  # [*batch, *event]
        z = draw(q, num_samples) + (mean - mean.detach())  # the bracket is exactly zero: f sees outcomes
        return evaluate_with_slope(f, z, q, type(self).__name__).mean(dim=0)

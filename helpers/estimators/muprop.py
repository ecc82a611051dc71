"""MuProp: a first-order Taylor expansion of f around the mean as control variate."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Distribution

from helpers.estimators.base import GradientEstimator, Integrand, NeedOfF, NeedOfQ, evaluate
from helpers.estimators.draws import draw
from helpers.estimators.estimate import Estimate
from helpers.estimators.parts.discrete import discrete_variables, sum_over_event
from helpers.estimators.parts.doors import gradients_wanted
from helpers.estimators.parts.off_support import evaluate_off_support


class MuProp(GradientEstimator):
    """Score function on f minus its linear part, plus the linear part's exact gradient.

    grad E_q[f] ~ mean_s (f(z_s) - f(m) - f'(m)·(z_s - m)) grad log q(z_s) + f'(m)·grad m,  m = E_q[z].  Unbiased.

    If f is linear, the gradient on q's parameters has no noise. f's own parameters get mean_s grad f(z_s).

    Needs bits or one-hot categories, and an f that is defined and differentiable between them. One evaluation of f is at the mean,
    so `num_samples` = S means S - 1 samples, S >= 2. Under `no_grad` or `inference_mode` it returns the value alone.
    Gu, Levine, Sutskever, Mnih 2016, "MuProp: Unbiased Backpropagation for Stochastic Neural Networks".
    """

    label = "MuProp"
    q_needs: NeedOfQ = "bits or categories"
    f_needs: NeedOfF = "relaxation"

    def resolve_num_samples(self, q: Distribution, num_samples: int | None) -> int:
        if num_samples is None:
            return 2
        if num_samples < 2:
            raise ValueError(
                f"MuProp evaluates f at the mean and at one sample or more, so num_samples must be 2 or more; {num_samples} was given. "
                "ScoreFunction takes 1."
            )
        return num_samples

    def estimate(self, f: Integrand, q: Distribution, num_samples: int, context: Tensor | None) -> Estimate:
        mean = discrete_variables(q, type(self).__name__).probs  # [*batch, *event]
        if not gradients_wanted():  # the value alone, for which there is no slope to take
            return evaluate(f, draw(q, num_samples - 1), q).mean(dim=0)
        with torch.enable_grad():
            point = (
                mean.detach()[None].clone().requires_grad_()
            )  # [1, *batch, *event]; a clone, if q was made in inference mode
            at_mean = evaluate_off_support(f, point, q, type(self).__name__)
            (slope,) = torch.autograd.grad(at_mean.surrogate.sum(), point)
        z = draw(q, num_samples - 1)  # [samples, *batch, *event]
        each = evaluate(f, z, q)
        reward = each.value - at_mean.value - sum_over_event(slope * (z - point.detach()), q)  # [samples, *batch]
        averaged = each.mean(dim=0)
        return Estimate(
            averaged.value,
            averaged.surrogate + (reward * q.log_prob(z)).mean(0) + sum_over_event(slope[0] * mean, q),
            averaged.terms,
            averaged.auxiliary_loss,
        )

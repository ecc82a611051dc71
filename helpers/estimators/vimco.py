"""The importance-weighted bound for latents that cannot be reparameterised."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.distributions import Distribution

from helpers.estimators.base import GradientEstimator, Integrand, Target, evaluate
from helpers.estimators.draws import draw
from helpers.estimators.estimate import Estimate
from helpers.estimators.leave_one_out import at_least_two
from helpers.estimators.parts.doors import refuse_scored


class Vimco(GradientEstimator):
    """Score function of the importance-weighted bound; a sample's reward is the bound minus a bound without that sample.

    target = E[L],  L = log 1/S sum_s exp f(z_s),  with f(z) = log p(x, z) - log q(z | x),  S >= 2.
    grad ~ sum_s w_s grad f(z_s) + (L - L_s) grad log q(z_s),  w_s = exp f(z_s) / sum_s' exp f(z_s').  Unbiased for its own target.
    L_s is L with f(z_s) replaced by the mean of the other samples' f (the geometric mean of their weights).

    Terms are plain averages over samples, those of the one-sample bound, so the value exceeds minus their sum. A nested f enters through
    its value, so the target is then that of the noisy log weight, which is lower. A call raises ValueError if a score function is nested
    in f: its reward would have to be this bound, not its own value, so its gradient is biased.

    Needs S >= 2; z may be of any kind that q can sample and score.
    Mnih, Rezende 2016, "Variational inference for Monte Carlo objectives".
    """

    label = "VIMCO"
    target: Target = "log_mean_exp"

    def resolve_num_samples(self, q: Distribution, num_samples: int | None) -> int:
        return at_least_two(self, super().resolve_num_samples(q, 2 if num_samples is None else num_samples))

    def estimate(self, f: Integrand, q: Distribution, num_samples: int, context: Tensor | None) -> Estimate:
        z = draw(q, num_samples)  # [samples, *batch, *event]
        each = evaluate(f, z, q)
        refuse_scored(each, type(self).__name__)
        log_weight = each.value  # [samples, *batch]
        bound = log_weight.logsumexp(0) - math.log(num_samples)  # [*batch]

        diagonal = torch.eye(num_samples, dtype=torch.bool, device=log_weight.device)
        diagonal = diagonal.reshape(num_samples, num_samples, *[1] * bound.dim())  # [left out, samples, 1...]
        others = torch.where(diagonal, 0.0, log_weight).sum(1, keepdim=True) / (
            num_samples - 1
        )  # [left out, 1, *batch]
        without = torch.where(diagonal, others, log_weight).logsumexp(1) - math.log(num_samples)  # [left out, *batch]

        score = ((bound - without) * q.log_prob(z)).sum(0)
        return Estimate(
            value=bound,
            surrogate=(log_weight.softmax(0) * each.surrogate).sum(0) + score,
            terms={name: term.mean(0) for name, term in each.terms.items()},
            auxiliary_loss=each.auxiliary_loss,
        )

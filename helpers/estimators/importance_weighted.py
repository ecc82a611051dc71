"""The importance-weighted bound, with several samples inside the logarithm."""

from __future__ import annotations

import math

from torch import Tensor
from torch.distributions import Distribution

from helpers.estimators.base import GradientEstimator, Integrand, NeedOfF, NeedOfQ, Target, evaluate
from helpers.estimators.draws import draw_reparameterised
from helpers.estimators.estimate import Estimate
from helpers.estimators.parts.doors import refuse_scored
from helpers.estimators.pathwise import require_rsample


class ImportanceWeighted(GradientEstimator):
    """The importance-weighted bound (IWAE), differentiated through its samples.

    target = E[log 1/S sum_s exp f(z_s)], with f(z) = log p(x, z) - log q(z | x): a lower bound of log p(x) that tightens with S.
    grad ~ sum_s w_s grad f(z_s),  w_s = exp f(z_s) / sum_s' exp f(z_s').  Unbiased for its own target.

    With S = 1 it is `Pathwise`. Terms are plain averages over samples, those of the one-sample bound, so the value exceeds
    minus their sum. A nested f enters through its value, so the target is then that of the noisy log weight, which is lower. A call
    raises ValueError if a score function is nested in f: weighted by w_s, its gradient is biased.

    Needs `q.has_rsample`, and an f that is differentiable in z.
    Burda, Grosse, Salakhutdinov 2016, "Importance Weighted Autoencoders".
    """

    label = "importance-weighted"
    q_needs: NeedOfQ = "rsample"
    f_needs: NeedOfF = "derivative"
    target: Target = "log_mean_exp"
    scored = False

    def estimate(self, f: Integrand, q: Distribution, num_samples: int, context: Tensor | None) -> Estimate:
        require_rsample(q, type(self).__name__)
        z = draw_reparameterised(q, num_samples)  # [samples, *batch, *event]
        each = evaluate(f, z, q)
        refuse_scored(each, type(self).__name__)
        weights = each.value.softmax(0)  # [samples, *batch]
        return Estimate(
            value=each.value.logsumexp(0) - math.log(num_samples),
            surrogate=(weights * each.surrogate).sum(0),
            terms={name: term.mean(0) for name, term in each.terms.items()},
            auxiliary_loss=each.auxiliary_loss,
        )

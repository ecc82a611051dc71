"""The importance-weighted bound with the score of q replaced by a path derivative."""

from __future__ import annotations

import math

from torch import Tensor
from torch.distributions import Distribution

from helpers.estimators.base import GradientEstimator, Integrand, NeedOfF, NeedOfQ, Target, evaluate
from helpers.estimators.draws import draw_reparameterised
from helpers.estimators.estimate import Estimate
from helpers.estimators.parts.discrete import over_event
from helpers.estimators.parts.doors import refuse_scored
from helpers.estimators.pathwise import require_rsample
from helpers.estimators.sticking_the_landing import log_prob_held_still


class DoublyReparameterised(GradientEstimator):
    """The importance-weighted bound with squared weights on the path to q's parameters, and without the score of q (DReG).

    target = E[log 1/S sum_s exp f(z_s)], with f(z) = log p(x, z) - log q(z | x): that of `ImportanceWeighted`.
    theta:  grad ~ sum_s w_s  grad f(z_s)              w_s = exp f(z_s) / sum_s' exp f(z_s'), as in `ImportanceWeighted`
    phi:    grad ~ sum_s w_s² f'(z_s) · grad z_s(phi)
    Unbiased for its own target, for any differentiable f.

    The score's mean, E[w_s grad log q(z_s)] = E[(w_s - w_s²) f'(z_s) · grad z_s], is itself a path derivative (the second
    reparameterisation). So w_s log q(z_s), with z_s detached, is added, which cancels the score in f; and the path is weighted by w_s²
    instead of w_s. The gradient of phi shrinks as S grows and the bound tightens: with `ImportanceWeighted` faster than its noise, here
    more slowly than its noise.

    With S = 1 it is `StickingTheLanding`. Terms are plain averages over samples. A nested f needs a surrogate whose gradient is that
    of its value, as with `Enumeration` and `Pathwise`: a call raises ValueError if a score function is nested in f, since it makes a bias.

    Needs `q.has_rsample`, a differentiable f, and log q at a detached z, which a flow without an inverse does not have.
    Tucker, Lawson, Gu, Maddison 2019, "Doubly Reparameterized Gradient Estimators for Monte Carlo Objectives".
    """

    label = "doubly reparameterised"
    q_needs: NeedOfQ = "rsample"
    f_needs: NeedOfF = "derivative"
    target: Target = "log_mean_exp"

    def estimate(self, f: Integrand, q: Distribution, num_samples: int, context: Tensor | None) -> Estimate:
        require_rsample(q, type(self).__name__)
        z = draw_reparameterised(q, num_samples)  # [samples, *batch, *event]
        score = log_prob_held_still(q, z, type(self).__name__)  # [samples, *batch]
        # A new tensor object: a flow then scores it by its inverse, so that gradients go through z, not by the noise it remembers.
        point = z.view_as(z)
        each = evaluate(f, point, q)
        refuse_scored(each, type(self).__name__)
        weights = each.value.softmax(0)  # [samples, *batch]
        if point.requires_grad:  # the second factor w_s of the path; the sum below has the first
            # under autocast the weights may be of another dtype than the point, and a hook keeps the gradient's
            point.register_hook(lambda gradient: gradient * over_event(weights, q).to(gradient.dtype))
        return Estimate(
            value=each.value.logsumexp(0) - math.log(num_samples),
            surrogate=(weights * (each.surrogate + score)).sum(0),
            terms={name: term.mean(0) for name, term in each.terms.items()},
            auxiliary_loss=each.auxiliary_loss,
        )

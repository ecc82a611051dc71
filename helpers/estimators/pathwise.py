"""The pathwise gradient estimator, also known as the reparameterisation trick."""

from __future__ import annotations

from torch import Tensor
from torch.distributions import Distribution

from helpers.estimators.base import GradientEstimator, Integrand, NeedOfF, NeedOfQ, evaluate
from helpers.estimators.draws import draw_reparameterised
from helpers.estimators.estimate import Estimate


class Pathwise(GradientEstimator):
    """Differentiate through the sample: z = g(eps; phi), with noise eps whose distribution does not depend on phi.

    grad E_q[f] ~ 1/S sum_s grad f(g(eps_s; phi)).  Unbiased for differentiable f.

    Needs `q.has_rsample`, and an f that is differentiable in z.
    Kingma, Welling 2014, "Auto-Encoding Variational Bayes"; Rezende, Mohamed, Wierstra 2014, "Stochastic Backpropagation ...".
    """

    label = "pathwise"
    q_needs: NeedOfQ = "rsample"
    f_needs: NeedOfF = "derivative"
    scored = False

    def estimate(self, f: Integrand, q: Distribution, num_samples: int, context: Tensor | None) -> Estimate:
        require_rsample(q, type(self).__name__)
        z = draw_reparameterised(q, num_samples)  # [samples, *batch, *event]
        return evaluate(f, z, q).mean(dim=0)


def require_rsample(q: Distribution, caller: str) -> None:
    """Check that q's samples are differentiable in its parameters.

    Args:
        q: Distribution of an estimator's call.
        caller: Name of the estimator, for the message.

    Raises:
        ValueError: If q.has_rsample is False. The message names an estimator that accepts q.
    """
    if not q.has_rsample:
        base = q
        while hasattr(base, "base_dist"):
            base = base.base_dist
        instead = (
            "Enumeration sums over its outcomes if they are few."
            if base.has_enumerate_support
            else "If it is a mixture, use ComponentThenPoint: score or enumerate the component, reparameterise the point, by nesting."
        )
        raise ValueError(
            f"{caller} needs a distribution with differentiable samples (has_rsample), and {type(base).__name__} has none. {instead}"
        )

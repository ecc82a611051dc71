"""The score function with the other samples as baseline."""

from __future__ import annotations

from torch import Tensor
from torch.distributions import Distribution

from helpers.estimators.base import GradientEstimator, Integrand, evaluate
from helpers.estimators.draws import draw
from helpers.estimators.estimate import Estimate


class LeaveOneOut(GradientEstimator):
    """Score function with the mean of the other samples' rewards as baseline (RLOO).

    grad E_q[f] ~ 1/S sum_s grad f(z_s) + 1/(S-1) sum_s (f(z_s) - mean_s' f(z_s')) grad log q(z_s),  S >= 2.  Unbiased.

    It has no parameters and no state. Adding a constant to f does not change the gradient on q's parameters.

    Needs S >= 2; z may be of any kind that q can sample and score.
    Kool, van Hoof, Welling 2019, "Buy 4 REINFORCE samples, get a baseline for free!"; Salimans, Knowles 2014.
    """

    label = "leave-one-out"

    def resolve_num_samples(self, q: Distribution, num_samples: int | None) -> int:
        return at_least_two(self, super().resolve_num_samples(q, 2 if num_samples is None else num_samples))

    def estimate(self, f: Integrand, q: Distribution, num_samples: int, context: Tensor | None) -> Estimate:
        z = draw(q, num_samples)  # [samples, *batch, *event]
        inner = evaluate(f, z, q)
        averaged = inner.mean(dim=0)
        centred = inner.value - averaged.value  # [samples, *batch]
        score = (centred * q.log_prob(z)).sum(0) / (num_samples - 1)
        return Estimate(averaged.value, averaged.surrogate + score, averaged.terms, averaged.auxiliary_loss)


def at_least_two(estimator: GradientEstimator, num_samples: int) -> int:
    """Check that every sample has others to be compared with.

    Args:
        estimator: The estimator that is called; named in the message.
        num_samples: Evaluations of f per datum.

    Returns:
        `num_samples`.

    Raises:
        ValueError: If num_samples is below 2. The message names an estimator that accepts it.
    """
    if num_samples < 2:
        raise ValueError(
            f"{type(estimator).__name__} compares each sample with the others and needs num_samples of 2 or more; {num_samples} was given. "
            "With one sample use `ScoreFunction`, with `LearnedBaseline` or `CentredReward` as its control variate."
        )
    return num_samples

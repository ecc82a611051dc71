"""The score-function gradient estimator, also known as REINFORCE, with or without control variates."""

from __future__ import annotations

from contextlib import nullcontext

from torch import Tensor
from torch.distributions import Distribution

from helpers.estimators.base import GradientEstimator, Integrand, evaluate
from helpers.estimators.control_variates import ControlVariate, RewardContext
from helpers.estimators.draws import draw
from helpers.estimators.estimate import Estimate
from helpers.estimators.parts.doors import check_instance
from helpers.estimators.parts.running import held


class ScoreFunction(GradientEstimator):
    """Multiply each sample's score by its reward: f needs no derivative in z, and z may be of any kind that q can sample and score.

    grad E_q[f] ~ 1/S sum_s grad f(z_s) + r(z_s) grad log q(z_s),  r = f, or f transformed by the control variate.  Unbiased with
    every control variate but `ScaledReward`, which rescales the second term.

    The evaluations of f that a control variate makes itself (`SelfCritic`, `SampledCritic`) count in `num_samples`. With a nested f
    the reward is the inner value: the costs at this level and below. Costs above it are no part of the reward: this is how nesting
    gives signal locality.
    Williams 1992, "Simple statistical gradient-following algorithms ..."; Paisley, Blei, Jordan 2012, "Variational Bayesian
    inference with stochastic search"; Mnih, Gregor 2014, "Neural variational inference and learning in belief networks" (NVIL).

    Args:
        control_variate: `CentredReward`, `ScaledReward`, `SelfCritic`, `SampledCritic`, `LearnedBaseline`, or a `ControlVariateChain`
            of them. None: the reward is f. `label` and `unbiased` of the estimator are those of its control variate. Nested levels may
            share one instance.

    Raises:
        ValueError: If `control_variate` is not a control variate.
    """

    label = "score function"

    def __init__(self, control_variate: ControlVariate | None = None) -> None:
        super().__init__()
        if control_variate is not None:
            check_instance(
                control_variate, ControlVariate, type(self).__name__, "a control variate such as CentredReward()"
            )
        self.control_variate = control_variate
        if control_variate is not None:
            self.label, self.unbiased = control_variate.label, control_variate.unbiased

    @property
    def _extra(self) -> int:
        return 0 if self.control_variate is None else self.control_variate.extra_evaluations

    def resolve_num_samples(self, q: Distribution, num_samples: int | None) -> int:
        if num_samples is None:
            return 1 + self._extra
        if 1 <= num_samples <= self._extra:
            raise ValueError(
                f"{type(self.control_variate).__name__} evaluates f {self._extra} time(s) itself, so num_samples must be "
                f"{1 + self._extra} or more, and {num_samples} was given. `LearnedBaseline` and `CentredReward` need 1."
            )
        return super().resolve_num_samples(q, num_samples)

    def estimate(self, f: Integrand, q: Distribution, num_samples: int, context: Tensor | None) -> Estimate:
        z = draw(q, num_samples - self._extra)  # [samples, *batch, *event]
        # If f shares the control variate, its running statistics stay as they were before z was drawn.
        with nullcontext() if self.control_variate is None else held(self.control_variate):
            inner = evaluate(f, z, q)
        reward, auxiliary_loss = inner.value, 0.0  # [samples, *batch]
        if self.control_variate is not None:
            reward, auxiliary_loss = self.control_variate(reward, RewardContext(f, q, z, context))
        averaged = inner.mean(dim=0)
        return Estimate(
            averaged.value,
            averaged.surrogate + (reward.detach() * q.log_prob(z)).mean(0),
            averaged.terms,
            averaged.auxiliary_loss + auxiliary_loss,
        )

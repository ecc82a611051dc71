"""Antithetic pairs of bits: ARM, and DisARM, which averages ARM's noise away."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Distribution

from helpers.estimators.base import GradientEstimator, Integrand, NeedOfQ, evaluate
from helpers.estimators.draws import draw_uniform
from helpers.estimators.estimate import Estimate
from helpers.estimators.parts.discrete import bernoulli_logits, over_event, sum_over_event


class Arm(GradientEstimator):
    """Augment, reinforce, merge: two evaluations of f at antithetic bits, weighted by the uniform noise that made them.

    grad_phi E_q[f] ~ (f(b) - f(b')) (u - 1/2),  b = 1[u > sigmoid(-phi)],  b' = 1[u < sigmoid(phi)],  u ~ Uniform(0, 1).  Unbiased.

    phi: q's logits. Each coordinate has its own u. Both b and b' have the distribution q, so f's own parameters get the mean
    of grad f over both.

    Needs independent bits. `num_samples` is even, two a pair, and 2 or more. `DisArm` is never noisier.
    Yin, Zhou 2019, "ARM: Augment-REINFORCE-Merge Gradient for Stochastic Binary Networks".
    """

    label = "ARM"
    q_needs: NeedOfQ = "bits"

    def resolve_num_samples(self, q: Distribution, num_samples: int | None) -> int:
        if num_samples is None:
            return 2
        if num_samples < 2 or num_samples % 2:
            raise ValueError(
                f"{type(self).__name__} evaluates f at pairs, so num_samples must be even and 2 or more; {num_samples} was given. "
                "LeaveOneOut takes any number of 2 or more, ScoreFunction any number."
            )
        return num_samples

    def estimate(self, f: Integrand, q: Distribution, num_samples: int, context: Tensor | None) -> Estimate:
        logits = bernoulli_logits(q, type(self).__name__)
        u = draw_uniform(torch.Size((num_samples // 2, *logits.shape)), logits.detach())  # [pairs, *batch, *event]
        with torch.no_grad():
            pair = torch.stack([u > (-logits).sigmoid(), u < logits.sigmoid()]).to(logits)  # [2, pairs, *batch, *event]
        each = evaluate(f, pair.flatten(0, 1), q)  # [2 pairs, *batch]
        first, second = each.value.chunk(2)
        with torch.no_grad():
            gradient = over_event(first - second, q) * self.weight(pair[0], pair[1], u, logits)
        averaged = each.mean(dim=0)
        return Estimate(
            averaged.value,
            averaged.surrogate + sum_over_event(gradient.mean(0) * logits, q),
            averaged.terms,
            averaged.auxiliary_loss,
        )

    def weight(self, b: Tensor, other: Tensor, u: Tensor, logits: Tensor) -> Tensor:
        """Factor of f(b) - f(b') in the gradient on the logits, coordinate by coordinate.

        Args:
            b: First bits of each pair, [pairs, *batch, *event].
            other: Their antithetic partners b', same shape.
            u: Uniform noise that made both, same shape.
            logits: q's logits phi, [*batch, *event].

        Returns:
            The factor, [pairs, *batch, *event].
        """
        return u - 0.5


class DisArm(Arm):
    """ARM with the uniform noise integrated out given the bits (Rao-Blackwell), so no coordinate is noisier than with `Arm`.

    grad_phi E_q[f] ~ 1/2 (f(b) - f(b')) (b - b') sigmoid(|phi|),  b and b' an antithetic pair as in `Arm`.  Unbiased.

    The gradient is 0 in coordinates in which the pair agrees. Also known as U2G (Yin, Ho, Yan, Qian, Zhou 2020).

    Needs independent bits. `num_samples` is even, two a pair, and 2 or more.
    Dong, Mnih, Tucker 2020, "DisARM: An Antithetic Gradient Estimator for Binary Latent Variables".
    """

    label = "DisARM"

    def weight(self, b: Tensor, other: Tensor, u: Tensor, logits: Tensor) -> Tensor:
        return 0.5 * (b - other) * logits.abs().sigmoid()

"""What REBAR and RELAX share: a control variate that is scored given the bits, and differentiated through relaxed bits."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution

from helpers.estimators.base import Estimate, GradientEstimator, Integrand, evaluate, multiple_of_cost
from helpers.estimators.draws import draw, draw_uniform
from helpers.estimators.parts.discrete import bernoulli_logits, over_event, sum_over_event
from helpers.estimators.parts.logistic import logistic_given_bit


class ConditionalReparameterisation(GradientEstimator):
    """Score function with a control variate c of the logistic noise behind the bits.

    grad_phi E_q[f] ~ mean_s (f(b) - c(z')) grad log q(b) + grad_phi c(z) - grad_phi c(z').  Unbiased for any differentiable c.

    b ~ q; z and z' independent given b, each the logistic variable whose sign is b:  z = phi + logit(u), z' = z'(phi, b, v).
    f's own parameters get mean_s grad f(b): the relaxed points would only add noise.

    `auxiliary_loss` is mean |gradient estimate|² per datum, over the logits: its gradient is that of the variance's trace, because
    the mean does not depend on c. It reaches the control variate's own parameters only, and is made in training mode while any of
    those requires a gradient (`requires_grad_(False)` freezes them, and saves a second backward pass through c).

    Subclasses say what c is, and how many evaluations of f a sample costs.
    """

    evaluations_per_sample: ClassVar[int]

    def control_variate(self, f: Integrand, z: Tensor, q: Distribution) -> Tensor:
        """c(z): z [S, *batch, *event], unbounded → [S, *batch], differentiable in z and in the estimator's parameters."""
        raise NotImplementedError

    def resolve_num_samples(self, q: Distribution, num_samples: int | None) -> int:
        return multiple_of_cost(self, num_samples, self.evaluations_per_sample)

    def estimate(self, f: Integrand, q: Distribution, num_samples: int, context: Tensor | None) -> Estimate:
        logits = bernoulli_logits(q, type(self).__name__)
        b = draw(q, num_samples // self.evaluations_per_sample)  # [samples, *batch, *event]
        u, v = (draw_uniform(b.shape, logits.detach()) for _ in range(2))
        each = evaluate(f, b, q)
        own = [p for p in self.parameters() if p.requires_grad] if self.training and torch.is_grad_enabled() else []
        with torch.enable_grad():
            # Logits of their own, one set a sample: gradients reach them through z alone, not through f's use of q.
            phi = logits.detach().expand(b.shape).clone().requires_grad_()
            z, given_b = self.relaxed_pair(phi, b, u, v)
            c, c_given_b = self.control_variate(f, torch.cat([z, given_b]), q).chunk(2)  # each [samples, *batch]
            (path,) = torch.autograd.grad((c - c_given_b).sum(), phi, create_graph=bool(own))
            gradient = (
                over_event(each.value - c_given_b, q) * (b - phi.detach().sigmoid()) + path
            )  # [samples, *batch, *event]
            loss = _reaching_only(own, sum_over_event(gradient**2, q).mean()) if own else 0.0
        averaged = each.mean(dim=0)
        return Estimate(
            averaged.value,
            averaged.surrogate + sum_over_event(gradient.detach().mean(0) * logits, q),
            averaged.terms,
            averaged.auxiliary_loss + loss,
        )

    def relaxed_pair(self, phi: Tensor, b: Tensor, u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """z and z', which share the sign b and differ in noise and in how they move with phi."""
        with torch.no_grad():
            noise = logistic_given_bit(phi, b, u) - phi  # logit(u) for a u that makes b: a standard logistic over all b
        return phi + noise, logistic_given_bit(phi, b, v)


def _reaching_only(own: list[Tensor], loss: Tensor) -> Tensor:
    """The loss, with its gradient for `own` and none for anything else, such as f's parameters."""
    gradients = torch.autograd.grad(loss, own, allow_unused=True)
    linear = sum((p * g.detach()).sum() for p, g in zip(own, gradients, strict=True) if g is not None)
    return loss.detach() + (linear - linear.detach() if isinstance(linear, Tensor) else 0.0)

"""The base of REBAR and RELAX: a control variate, scored given the bits and differentiated through relaxed bits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution

from helpers.estimators.base import GradientEstimator, Integrand, NeedOfQ, evaluate, multiple_of_cost
from helpers.estimators.draws import draw, draw_uniform
from helpers.estimators.estimate import Estimate
from helpers.estimators.parts.discrete import bernoulli_logits, over_event, sum_over_event
from helpers.estimators.parts.doors import gradients_wanted
from helpers.estimators.parts.logistic import logistic_given_bit


class ConditionalReparameterisation(GradientEstimator):
    """Score function with a control variate c of the logistic noise behind the bits.

    grad_phi E_q[f] ~ mean_s (f(b) - c(z')) grad log q(b) + grad_phi c(z) - grad_phi c(z').  Unbiased for any differentiable c.

    b ~ q; z and z' independent given b, each the logistic variable whose sign is b:  z = phi + logit(u), z' = z'(phi, b, v).
    f's own parameters get mean_s grad f(b): the relaxed points only add noise.

    `auxiliary_loss` is mean |gradient estimate|² per datum, over the logits: its gradient is that of the variance's trace, because
    the mean does not depend on c. The estimate is the whole one, with f's own gradient on the logits if f depends on them, as the log q
    in `Elbo` does: without it the loss has its minimum elsewhere. The loss reaches the control variate's own parameters only. It is
    computed in training mode if any of these requires a gradient (`requires_grad_(False)` freezes them, and saves a second backward
    pass through c).

    Under `no_grad` or `inference_mode` a call returns the value alone.
    Subclasses define c (`control_variate`) and the cost of a sample.

    Attributes:
        evaluations_per_sample: Evaluations of f that a sample costs; `num_samples` is a multiple of it.
    """

    q_needs: NeedOfQ = "bits"
    evaluations_per_sample: ClassVar[int]

    def control_variate(self, f: Integrand, z: Tensor, q: Distribution) -> Tensor:
        """The control variate c(z); subclasses define this.

        Args:
            f: The estimator's integrand.
            z: Unbounded reals whose signs are the bits, [S, *batch, *event].
            q: Distribution with batch_shape [*batch].

        Returns:
            c(z), [S, *batch], differentiable in z and in the estimator's parameters.

        Raises:
            NotImplementedError: In the base class.
        """
        raise NotImplementedError

    def resolve_num_samples(self, q: Distribution, num_samples: int | None) -> int:
        return multiple_of_cost(self, num_samples, self.evaluations_per_sample)

    def estimate(self, f: Integrand, q: Distribution, num_samples: int, context: Tensor | None) -> Estimate:
        logits = bernoulli_logits(q, type(self).__name__)
        b = draw(q, num_samples // self.evaluations_per_sample)  # [samples, *batch, *event]
        if not gradients_wanted():  # the value alone, which is that of f at the bits
            return evaluate(f, b, q).mean(dim=0)
        u, v = (draw_uniform(b.shape, logits.detach()) for _ in range(2))
        each = evaluate(f, b, q)
        trainable = [p for p in self.parameters() if p.requires_grad] if self.training else []
        with torch.enable_grad():
            # A copy of the logits per sample, so that gradients reach it through z alone, not through f's use of q.
            phi = logits.detach().expand(b.shape).clone().requires_grad_()
            z, given_b = self.relaxed_pair(phi, b, u, v)
            c, c_given_b = self.control_variate(f, torch.cat([z, given_b]), q).chunk(2)  # each [samples, *batch]
            (path,) = torch.autograd.grad((c - c_given_b).sum(), phi, create_graph=bool(trainable))
            score = b - phi.detach().sigmoid()  # of each bit, on its logit
            gradient = over_event(each.value - c_given_b, q) * score + path  # [samples, *batch, *event]
            loss: Tensor | float = 0.0
            if trainable:
                own = _own_gradient(each.surrogate, logits)  # by f's use of q, which is part of the whole estimate
                complete = gradient + own
                loss = _with_gradient_for(trainable, sum_over_event(complete**2, q).mean())
        averaged = each.mean(dim=0)
        return Estimate(
            averaged.value,
            averaged.surrogate + sum_over_event(gradient.detach().mean(0) * logits, q),
            averaged.terms,
            averaged.auxiliary_loss + loss,
        )

    def relaxed_pair(self, phi: Tensor, b: Tensor, u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """z and z', which have the same sign b, different noise, and different derivatives in phi.

        Args:
            phi: Logits, [samples, *batch, *event].
            b: Bits, same shape.
            u: Uniform noise of z, same shape.
            v: Uniform noise of z', same shape.

        Returns:
            z and z', each [samples, *batch, *event].
        """
        with torch.no_grad():
            noise = logistic_given_bit(phi, b, u) - phi  # logit(u) for a u that makes b: a standard logistic over all b
        return phi + noise, logistic_given_bit(phi, b, v)


def _own_gradient(surrogate: Tensor, logits: Tensor) -> Tensor:
    """grad_phi f(b_s) of each sample at fixed b_s: surrogate [samples, *batch], logits [*batch, *event] → [samples, *batch, *event].

    One backward pass a sample, from f to the logits only: through log q, not through the networks of f.
    """
    if not (surrogate.requires_grad and logits.requires_grad):
        return torch.zeros_like(logits)
    each = [
        torch.autograd.grad(sample.sum(), logits, retain_graph=True, allow_unused=True, materialize_grads=True)[0]
        for sample in surrogate
    ]
    return torch.stack(each)


def _with_gradient_for(parameters: Sequence[Tensor], loss: Tensor) -> Tensor:
    """The loss, with its gradient for `parameters` and without gradient for anything else, such as f's parameters."""
    gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
    linear = sum((p * g.detach()).sum() for p, g in zip(parameters, gradients, strict=True) if g is not None)
    return loss.detach() + (linear - linear.detach() if isinstance(linear, Tensor) else 0.0)

"""A normalising flow as a distribution, and the three kinds of layer that the conditionals of `flow_conditionals.py` are made of.

A layer is an invertible map of vectors, given by the parameters that it was made with; both ways return the log-determinant too:

    layer.forward(x [..., size]) -> y [..., size], log |det dy/dx| [...]
    layer.inverse(y [..., size]) -> x [..., size], log |det dy/dx| [...]

Pyro has these three as well, and the tests compare with it. They are here because a draw without gradient must be scored through the
inverse, not through what a cache remembers of it, because Pyro's planar layer scores nothing but its own last draw, and because
importing Pyro takes seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints


class FlowLayer(Protocol):
    """An invertible map of vectors."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]: ...

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]: ...


class Flow(Distribution):
    """z = T_L(... T_1(x)), x ~ base: log q(z) = log base(x) - sum_l log |det dT_l|.

    base: batch_shape [*batch], event_shape (size,), with differentiable samples.
    layers: in the order of drawing; their parameters broadcast to [..., *batch, size].
    event_shape: shape of one z, of `size` numbers; (size,) by default.

    Scoring a z inverts the layers, last to first. The one exception: the very tensor that was last drawn is scored with the x it was
    made of, wherever that has the right gradient, which is when z carries its own path or when nothing is differentiated. That costs
    nothing, and its gradient is the total one, through noise that is held still. Whoever wants the gradient in z alone, or in the
    parameters at a z held still, passes another tensor, `z.detach()` or `z.view_as(z)`, and the inverse is run.

    There is no `mean` in closed form, and no KL: use `Elbo`, not `AnalyticKlElbo`.
    Rezende, Mohamed 2015, "Variational Inference with Normalizing Flows".
    """

    arg_constraints: dict[str, constraints.Constraint] = {}
    has_rsample = True

    def __init__(
        self, base: Distribution, layers: Sequence[FlowLayer], event_shape: Sequence[int] | None = None
    ) -> None:
        self.base = base
        self.layers = tuple(layers)
        shape = torch.Size(base.event_shape if event_shape is None else event_shape)
        if len(base.event_shape) != 1 or shape.numel() != base.event_shape[0]:
            raise ValueError(
                f"A flow to outcomes of shape {tuple(shape)} needs a base of vectors of as many numbers, and the base has the event shape "
                f"{tuple(base.event_shape)}."
            )
        self._last: tuple[Tensor, int, Tensor, Tensor, bool] | None = None
        super().__init__(base.batch_shape, shape, validate_args=False)

    @property
    def support(self) -> constraints.Constraint:
        return constraints.independent(constraints.real, len(self.event_shape))

    def expand(self, batch_shape: torch.Size, _instance: Distribution | None = None) -> Flow:
        return Flow(self.base.expand(torch.Size(batch_shape)), self.layers, self.event_shape)

    def rsample(self, sample_shape: torch.Size = torch.Size()) -> Tensor:
        """[*sample, *batch, *event]."""
        x = y = self.base.rsample(torch.Size(sample_shape))  # [*sample, *batch, size]
        log_det = x.new_zeros(x.shape[:-1])
        for layer in self.layers:
            y, step = layer.forward(y)
            log_det = log_det + step
        z = y.reshape(*y.shape[:-1], *self.event_shape)
        # The version counts what is done to z in place: a z written into is another z. Inference tensors do not count.
        self._last = None if z.is_inference() else (z, z._version, x, log_det, torch.is_grad_enabled())
        return z

    def log_prob(self, value: Tensor) -> Tensor:
        """value: [..., *batch, *event] → [..., *batch], nats."""
        x, log_det = self._origin(value)
        return self.base.log_prob(x) - log_det

    def _origin(self, value: Tensor) -> tuple[Tensor, Tensor]:
        if self._last is not None and value is self._last[0] and value._version == self._last[1]:
            _, _, x, log_det, with_path = self._last
            if with_path or not torch.is_grad_enabled():
                return x, log_det
        y = value.reshape(*value.shape[: value.dim() - len(self.event_shape)], self.event_shape.numel())
        log_det = y.new_zeros(())
        for layer in reversed(self.layers):
            y, step = layer.inverse(y)
            log_det = log_det + step
        return y, log_det

"""A normalising flow as a distribution, and what its layers must provide.

Pyro has flows too, and the tests compare with it. This package has its own for three reasons: a draw without gradient must be scored
through the inverse, not from a cache; Pyro's planar layer scores its own last draw only; and importing Pyro takes seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints


class FlowLayer(Protocol):
    """An invertible map of vectors, y = T(x). Both directions return the log-determinant of the forward map."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map x to y.

        Args:
            x: [..., size].

        Returns:
            y [..., size], and log |det dy/dx| [...].
        """
        ...

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Map y to x.

        Args:
            y: [..., size].

        Returns:
            x [..., size], and log |det dy/dx| [...].
        """
        ...


class Flow(Distribution):
    """z = T_L(... T_1(x)), x ~ base: log q(z) = log base(x) - sum_l log |det dT_l|.

    `log_prob` inverts the layers, last to first, with one exception. The tensor that was last drawn is scored from the x it was computed
    from, if z was drawn with gradients enabled or gradients are disabled now: then the result has the right gradient, at no cost. That
    gradient is the total one, at fixed noise. For the gradient in z alone, or in the parameters at a fixed z, pass another tensor,
    `z.view_as(z)` or `z.detach()`: then the inverse is computed.

    There is no `mean` in closed form, and no KL: use `Elbo`, not `AnalyticKlElbo`.

    Rezende, Mohamed 2015, "Variational Inference with Normalizing Flows".

    Args:
        base: Distribution with batch_shape [*batch], event_shape (size,) and differentiable samples.
        layers: T_1, ..., T_L; their parameters broadcast to [..., *batch, size].
        event_shape: Shape of one z, with `size` elements; None: (size,).

    Raises:
        ValueError: If the base is not over vectors, or `event_shape` has another number of elements.
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
                f"A flow to outcomes of shape {tuple(shape)} needs a base of vectors of size {shape.numel()}, and the base has the event "
                f"shape {tuple(base.event_shape)}."
            )
        # of the last draw: z, its version, x, log |det dz/dx|, whether gradients were enabled
        self._last: tuple[Tensor, int, Tensor, Tensor, bool] | None = None
        super().__init__(base.batch_shape, shape, validate_args=False)

    @property
    def support(self) -> constraints.Constraint:
        return constraints.independent(constraints.real, len(self.event_shape))

    def expand(self, batch_shape: Sequence[int], _instance: Distribution | None = None) -> Flow:
        return Flow(self.base.expand(torch.Size(batch_shape)), self.layers, self.event_shape)

    def rsample(self, sample_shape: Sequence[int] = torch.Size()) -> Tensor:
        """Differentiable samples: base samples mapped by all layers.

        Args:
            sample_shape: Shape [*sample] of the samples per batch element.

        Returns:
            z, [*sample, *batch, *event].
        """
        x = y = self.base.rsample(torch.Size(sample_shape))  # [*sample, *batch, size]
        log_det = x.new_zeros(x.shape[:-1])
        for layer in self.layers:
            y, step = layer.forward(y)
            log_det = log_det + step
        z = y.reshape(*y.shape[:-1], *self.event_shape)
        # The version changes if z is modified in place. Inference tensors have no version.
        self._last = None if z.is_inference() else (z, z._version, x, log_det, torch.is_grad_enabled())
        return z

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-density, through the inverse or from the last draw (see the class).

        Args:
            value: z, [..., *batch, *event].

        Returns:
            log q(z), [..., *batch], nats.
        """
        x, log_det = self._preimage(value)
        return self.base.log_prob(x) - log_det

    def _preimage(self, value: Tensor) -> tuple[Tensor, Tensor]:
        """x with T_L(... T_1(x)) = value, and log |det dz/dx|."""
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

"""Planar, affine coupling and inverse autoregressive layers of a `Flow`."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import softplus

from helpers.distributions.conditionals import MIN_SCALE
from helpers.distributions.flow import FlowLayer

Affine = Callable[[Tensor], Tensor]  # x [..., read] → shift and raw scale [..., 2, written]

_AT_ZERO = math.log(math.e - 1)  # its softplus is 1: with raw parameters of 0 a layer is the identity


def scale_of(raw: Tensor) -> Tensor:
    """softplus(raw + log(e - 1)) + 1e-5: a positive scale, 1 at raw = 0, that grows at most linearly.

    Args:
        raw: Any shape.

    Returns:
        The scale, of the same shape.
    """
    return softplus(raw + _AT_ZERO) + MIN_SCALE


class Planar(FlowLayer):
    """y = x + v tanh(w·x + b): stretches space across one plane. log |det| = log(1 + (w·v) sech²(w·x + b)).

    v = u + (m(w·u) - w·u) w / |w|², so that w·v = m(w·u) = softplus(w·u + log(e - 1)) - 1 > -1 and the map is invertible. (The paper's
    m is shifted by log(e - 1), which makes m(0) = 0 and keeps v bounded as w goes to 0.)

    The inverse has no closed form. It needs the scalar r = w·x + b, the root of r + (w·v) tanh r = w·y + b, which bisection finds,
    whatever the size of x. A Newton step then refines it and gives its gradient (first derivatives only).

    Rezende, Mohamed 2015, "Variational Inference with Normalizing Flows", section 4.1 and appendix A.

    Args:
        u: [*batch, size].
        w: [*batch, size].
        b: [*batch].
    """

    BISECTIONS = 64

    def __init__(self, u: Tensor, w: Tensor, b: Tensor) -> None:
        self.w, self.b = w, b
        dot = (w * u).sum(-1)
        norm = w.square().sum(-1).clamp_min(torch.finfo(w.dtype).tiny)
        # m(a) - a = log(1 + (e^-a - 1) / e): accurate near 0, where softplus(a) - 1 - a cancels; softplus for large -a.
        near = torch.log1p(torch.expm1(-dot.clamp_min(-10)) / math.e)
        self.correction = torch.where(dot > -10, near, softplus(dot + _AT_ZERO) - 1 - dot)
        self.v = u + (self.correction / norm)[..., None] * w
        self.stretch = softplus(dot + _AT_ZERO)  # 1 + w·v > 0

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        r = (self.w * x).sum(-1) + self.b
        return x + self.v * torch.tanh(r)[..., None], self._log_det(r)

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        r = self._root((self.w * y).sum(-1) + self.b)
        return y - self.v * torch.tanh(r)[..., None], self._log_det(r)

    def _log_det(self, r: Tensor) -> Tensor:
        square = torch.tanh(r).square()
        return torch.log(square + self.stretch * (1 - square))  # a sum of positive terms, without cancellation

    def _root(self, target: Tensor) -> Tensor:
        """r with r + m tanh r = target, m = stretch - 1."""
        m, c = torch.broadcast_tensors(self.stretch - 1, target)
        with torch.no_grad():
            low, high = c - m.abs(), c + m.abs()
            for _ in range(self.BISECTIONS):
                middle = (low + high) / 2
                above = middle + m * torch.tanh(middle) > c
                low, high = torch.where(above, low, middle), torch.where(above, middle, high)
            r = (low + high) / 2
            square = torch.tanh(r).square()
            slope = square + self.stretch * (1 - square)
        return r - (r + m * torch.tanh(r) - c) / slope


class AffineCoupling(FlowLayer):
    """y_kept = x_kept, y_moved = s(x_kept) x_moved + t(x_kept). log |det| = sum log s. One network pass in either direction.

    Dinh, Sohl-Dickstein, Bengio 2017, "Density estimation using Real NVP".

    Args:
        affine: x_kept [..., kept] → t and raw s [..., 2, moved]; s = `scale_of`(raw s).
        kept: Slice of the coordinates that the layer leaves as they are.
        moved: Slice of the other coordinates. The two slices cover x once.
    """

    def __init__(self, affine: Affine, kept: slice, moved: slice) -> None:
        self.affine, self.kept, self.moved = affine, kept, moved

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        shift, scale = self._shift_and_scale(x)
        return self._with_moved(x, scale * x[..., self.moved] + shift), scale.log().sum(-1)

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        shift, scale = self._shift_and_scale(y)
        return self._with_moved(y, (y[..., self.moved] - shift) / scale), scale.log().sum(-1)

    def _shift_and_scale(self, x: Tensor) -> tuple[Tensor, Tensor]:
        shift, raw = self.affine(x[..., self.kept]).unbind(-2)
        return shift, scale_of(raw)

    def _with_moved(self, x: Tensor, moved: Tensor) -> Tensor:
        parts = [x[..., self.kept].expand(*moved.shape[:-1], -1), moved]
        return torch.cat(parts if self.kept.start == 0 else parts[::-1], dim=-1)


class InverseAutoregressive(FlowLayer):
    """y_i = s_i x_i + t_i; s_i and t_i depend on the coordinates of x before i. log |det| = sum log s.

    The forward map takes one network pass. The inverse computes one coordinate after another, in `size` network passes.

    Kingma, Salimans, Jozefowicz, Chen, Sutskever, Welling 2016, "Improved Variational Inference with Inverse Autoregressive Flow".

    Args:
        affine: x [..., size] → t and raw s [..., 2, size], autoregressive in `order`; s = `scale_of`(raw s).
        order: int64 [size], the coordinate that comes first, second, and so on.
    """

    def __init__(self, affine: Affine, order: Tensor) -> None:
        self.affine, self.order = affine, order

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y, scale = self.with_slopes(x)
        return y, scale.log().sum(-1)

    def with_slopes(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The forward map with its scales.

        Args:
            x: [..., size].

        Returns:
            y, and s, the diagonal of dy/dx; both [..., size].
        """
        shift, raw = self.affine(x).unbind(-2)
        scale = scale_of(raw)
        return scale * x + shift, scale

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        x = torch.zeros_like(y)
        for coordinate in self.order:
            shift, raw = self.affine(x).unbind(-2)
            scale = scale_of(raw)
            here = torch.arange(y.shape[-1], device=y.device) == coordinate
            x = torch.where(here, (y - shift) / scale, x)
        # s_i depends on earlier coordinates only, which were all known at the last pass
        return x, scale.log().sum(-1)

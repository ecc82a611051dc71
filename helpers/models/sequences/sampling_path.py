"""Ancestral sampling of z_1, ..., z_T from a Gaussian guide: the part of a deep Markov model that must run step by step."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import softplus

from helpers.distributions.conditionals import MIN_SCALE
from helpers.networks import PackedSteps


class SamplingPath(torch.autograd.Function):
    """z_t = m_t + s_t eps_t, where [m_t, raw_t] = c_t + C tanh(A z_{t-1} + a), s_t = softplus(raw_t) + 1e-5.

    All that does not depend on z_{t-1} is in c, computed for all steps at once. As in `Recurrence`, the weights get their gradient in one
    product over all steps. The noise gets no gradient.

    `apply` takes, in this order, and returns z, m and s, each [rows * samples, latent]:
        context: c [rows * samples, 2 latent], the part of each step's parameters that depends on x.
        noise: eps [rows * samples, latent].
        weight: A [hidden, latent].
        bias: a [hidden].
        output_weight: C [2 latent, hidden].
        initial: z_0 [latent].
        steps: Index maps between padded and packed.
    """

    @staticmethod
    def forward(
        ctx: Any,
        context: Tensor,
        noise: Tensor,
        weight: Tensor,
        bias: Tensor,
        output_weight: Tensor,
        initial: Tensor,
        steps: PackedSteps,
    ) -> tuple[Tensor, Tensor, Tensor]:
        latent = noise.shape[-1]
        samples = len(noise) // steps.rows
        sizes = [size * samples for size in steps.sizes]
        # Contiguous once, not again in the product of each step.
        weight_transposed, output_weight_transposed = weight.t().contiguous(), output_weight.t().contiguous()
        hidden = context.new_empty(len(noise), len(weight))
        parameters = torch.empty_like(context)
        z, scale = torch.empty_like(noise), torch.empty_like(noise)
        z_previous = initial.expand(sizes[0], -1)
        blocks = (tensor.split(sizes) for tensor in (context, noise, hidden, parameters, scale, z))
        for c, eps, h, p, s, z_t in zip(*blocks, strict=True):
            torch.addmm(bias, z_previous[: len(z_t)], weight_transposed, out=h).tanh_()
            torch.addmm(c, h, output_weight_transposed, out=p)
            torch.add(softplus(p[:, latent:]), MIN_SCALE, out=s)
            z_previous = torch.addcmul(p[:, :latent], s, eps, out=z_t)
        ctx.save_for_backward(noise, hidden, parameters, z, weight, output_weight, initial)
        ctx.steps, ctx.sizes = steps, sizes
        return z, parameters[:, :latent].clone(), scale

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_z: Tensor, grad_loc: Tensor, grad_scale: Tensor) -> tuple[Tensor | None, ...]:
        noise, hidden, parameters, z, weight, output_weight, initial = ctx.saved_tensors
        steps: PackedSteps = ctx.steps
        latent = noise.shape[-1]
        slope = parameters[:, latent:].sigmoid()  # of the softplus
        grad_path = grad_z.clone()  # dL / dz_t of the output; the part through z_{t+1} is added below
        grad_parameters = torch.cat([grad_loc, grad_scale * slope], -1)
        raw_slope = noise * slope  # dz_t / draw_t
        tanh_slope = hidden.square().neg_().add_(1)
        grad_hidden = torch.empty_like(hidden)
        blocks = [
            tensor.split(ctx.sizes) for tensor in (grad_path, grad_parameters, raw_slope, tanh_slope, grad_hidden)
        ]
        for t in range(len(ctx.sizes) - 1, -1, -1):
            dz, dp, slope_of_raw, slope_of_tanh, dh = (block[t] for block in blocks)
            dp[:, :latent].add_(dz)
            dp[:, latent:].addcmul_(dz, slope_of_raw)
            torch.mm(dp, output_weight, out=dh).mul_(slope_of_tanh)
            if t > 0:
                blocks[0][t - 1][: len(dz)].addmm_(dh, weight)
        z_previous = steps.previous(z.unflatten(0, (steps.rows, -1)), initial).flatten(0, 1)
        return (
            grad_parameters,
            None,
            grad_hidden.t() @ z_previous,
            grad_hidden.sum(0),
            grad_parameters.t() @ hidden,
            blocks[4][0].sum(0) @ weight,
            None,
        )

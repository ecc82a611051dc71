"""Ancestral sampling of z_1, ..., z_T from a Gaussian guide: the one part of a deep Markov model that runs step by step."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import softplus

from helpers.distributions.conditionals import MIN_SCALE
from helpers.networks.packed_steps import PackedSteps


class SamplingPath(torch.autograd.Function):
    """z_t = m_t + s_t eps_t, where [m_t, raw_t] = c_t + C tanh(A z_{t-1} + a), s_t = softplus(raw_t) + 1e-5.

    context c: [rows * samples, 2 latent], what a step knows of x.  noise eps: [rows * samples, latent].
    weight A: [hidden, latent], bias a: [hidden], outwards C: [2 latent, hidden], initial z_0: [latent].
    Returns z, m and s, each [rows * samples, latent].

    Everything that does not hang on z_{t-1} is in c, computed for all steps at once, and as in `recurrence.py` the weights get their
    gradient in one product over all steps. No gradient to the noise.
    """

    @staticmethod
    def forward(
        ctx: Any,
        context: Tensor,
        noise: Tensor,
        weight: Tensor,
        bias: Tensor,
        outwards: Tensor,
        initial: Tensor,
        steps: PackedSteps,
    ) -> tuple[Tensor, Tensor, Tensor]:
        latent = noise.shape[-1]
        samples = len(noise) // steps.rows
        sizes = [size * samples for size in steps.sizes]
        inwards_t, outwards_t = (
            weight.t().contiguous(),
            outwards.t().contiguous(),
        )  # once; at each step a product would do it again
        hidden = context.new_empty(len(noise), len(weight))
        parameters = torch.empty_like(context)
        z, scale = torch.empty_like(noise), torch.empty_like(noise)
        before = initial.expand(sizes[0], -1)
        blocks = (tensor.split(sizes) for tensor in (context, noise, hidden, parameters, scale, z))
        for c, eps, h, p, s, now in zip(*blocks, strict=True):
            torch.addmm(bias, before[: len(now)], inwards_t, out=h).tanh_()
            torch.addmm(c, h, outwards_t, out=p)
            torch.add(softplus(p[:, latent:]), MIN_SCALE, out=s)
            before = torch.addcmul(p[:, :latent], s, eps, out=now)
        ctx.save_for_backward(noise, hidden, parameters, z, weight, outwards, initial)
        ctx.steps, ctx.sizes = steps, sizes
        return z, parameters[:, :latent].clone(), scale

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_z: Tensor, of_loc: Tensor, of_scale: Tensor) -> tuple[Tensor | None, ...]:
        noise, hidden, parameters, z, weight, outwards, initial = ctx.saved_tensors
        steps: PackedSteps = ctx.steps
        latent = noise.shape[-1]
        slope = parameters[:, latent:].sigmoid()  # of the softplus
        total = of_z.clone()  # dL / dz: from what reads z; what comes by way of z_{t+1} is added below
        of_parameters = torch.cat([of_loc, of_scale * slope], -1)
        of_raw_per_z = noise * slope
        tanh_slope = hidden.square().neg_().add_(1)
        of_hidden = torch.empty_like(hidden)
        blocks = [tensor.split(ctx.sizes) for tensor in (total, of_parameters, of_raw_per_z, tanh_slope, of_hidden)]
        for t in range(len(ctx.sizes) - 1, -1, -1):
            dz, dp, per_z, slope_of_tanh, dh = (block[t] for block in blocks)
            dp[:, :latent].add_(dz)
            dp[:, latent:].addcmul_(dz, per_z)
            torch.mm(dp, outwards, out=dh).mul_(slope_of_tanh)
            if t > 0:
                blocks[0][t - 1][: len(dz)].addmm_(dh, weight)
        before = steps.previous(z.unflatten(0, (steps.rows, -1)), initial).flatten(0, 1)
        return (
            of_parameters,
            None,
            of_hidden.t() @ before,
            of_hidden.sum(0),
            of_parameters.t() @ hidden,
            blocks[4][0].sum(0) @ weight,
            None,
        )

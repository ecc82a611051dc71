"""Recurrent networks over packed time steps, with backpropagation through time written out.

Autograd would add each time step's share to the gradient of the weights, a matrix product and a pass over the weights at each step.
Here a step of the backward pass carries the gradient to the step before and nothing else; the weights get theirs in one product over
all steps at the end. The same is true of the gates' derivatives: all of them at once, before the way back begins.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear

from helpers.networks.packed_steps import PackedSteps

CELLS = ("gru", "relu", "tanh")


class Recurrence(nn.Module):
    """One layer of a recurrent network: packed inputs [rows, inputs] → packed states [rows, hidden].

    cell: "gru", or "relu" or "tanh" for a plain recurrent network, h_t = f(A x_t + B h_{t-1} + b). Parameters and formulas are those of
        `torch.nn.GRUCell` and `torch.nn.RNNCell`.
    reverse: run from each sequence's own end to its start, so that a state knows its own step and all that follow.

    The state that a sequence starts with is learned.
    """

    def __init__(self, inputs: int, hidden: int, cell: str = "gru", reverse: bool = False) -> None:
        super().__init__()
        if cell not in CELLS:
            raise ValueError(f"Got cell={cell!r}; expected one of {', '.join(map(repr, CELLS))}.")
        self.kind = cell
        self.cell = nn.GRUCell(inputs, hidden) if cell == "gru" else nn.RNNCell(inputs, hidden, nonlinearity=cell)
        self.initial = nn.Parameter(torch.zeros(hidden))
        self.reverse = reverse

    def forward(self, x: Tensor, steps: PackedSteps) -> Tensor:
        cell = self.cell
        # A reversed sequence is packed as the sequence itself is: mirror, run, mirror back.
        x = x.index_select(0, steps.mirrored) if self.reverse else x
        if self.kind == "gru":
            states = _GruFunction.apply(
                linear(x, cell.weight_ih, cell.bias_ih), cell.weight_hh, cell.bias_hh, self.initial, steps
            )
        else:
            inputs = linear(x, cell.weight_ih, cell.bias_ih + cell.bias_hh)
            states = _RnnFunction.apply(inputs, cell.weight_hh, self.initial, steps, self.kind)
        return states.index_select(0, steps.mirrored) if self.reverse else states


class _RnnFunction(torch.autograd.Function):
    """h_t = f(a_t + B h_{t-1}). inputs a: [rows, hidden], weight B: [hidden, hidden], initial h_0: [hidden]."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, initial: Tensor, steps: PackedSteps, kind: str) -> Tensor:
        states = torch.empty_like(inputs)
        transposed = weight.t().contiguous()  # once; at each step a product would do it again
        before = initial.expand(steps.num_sequences, -1)
        for a, h in zip(inputs.split(steps.sizes), states.split(steps.sizes), strict=True):
            torch.addmm(a, before[: len(h)], transposed, out=h)
            before = h.relu_() if kind == "relu" else h.tanh_()
        ctx.save_for_backward(states, weight, initial)
        ctx.steps, ctx.kind = steps, kind
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        states, weight, initial = ctx.saved_tensors
        steps: PackedSteps = ctx.steps
        slope = (states > 0).to(states.dtype) if ctx.kind == "relu" else states.square().neg_().add_(1)
        inner = gradient * slope  # the share that comes from above; what comes from the right is added below
        rows, slopes = inner.split(steps.sizes), slope.split(steps.sizes)
        for t in range(len(rows) - 1, 0, -1):
            size = steps.sizes[t]
            rows[t - 1][:size].addcmul_(rows[t] @ weight, slopes[t - 1][:size])
        return (
            inner,
            steps.product_with_previous(inner, states, initial),
            rows[0].sum(0) @ weight,
            None,
            None,
        )


class _GruFunction(torch.autograd.Function):
    """r = s(a_r + g_r), u = s(a_u + g_u), n = tanh(a_n + r g_n), h_t = (1 - u) n + u h_{t-1}, where g = B h_{t-1} + b.

    inputs a: [rows, 3 hidden], weight B: [3 hidden, hidden], bias b: [3 hidden], initial h_0: [hidden]. Order of the gates: r, u, n.
    """

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor, initial: Tensor, steps: PackedSteps) -> Tensor:
        hidden = initial.shape[0]
        transposed = weight.t().contiguous()
        gates = inputs.new_empty(len(inputs), 2 * hidden)  # r and u
        g_new, new, states = inputs.new_empty(3, len(inputs), hidden)
        every_g = inputs.new_empty(steps.num_sequences, 3 * hidden)  # of one step: stays in the cache
        before = initial.expand(steps.num_sequences, -1)
        blocks = (tensor.split(steps.sizes) for tensor in (inputs, gates, g_new, new, states))
        for a, gate, g_n, n, h in zip(*blocks, strict=True):
            g, before = every_g[: len(h)], before[: len(h)]
            torch.addmm(bias, before, transposed, out=g)
            torch.add(a[:, : 2 * hidden], g[:, : 2 * hidden], out=gate).sigmoid_()
            g_n.copy_(g[:, 2 * hidden :])
            torch.addcmul(a[:, 2 * hidden :], gate[:, :hidden], g_n, out=n).tanh_()
            before = torch.lerp(n, before, gate[:, hidden:], out=h)
        ctx.save_for_backward(g_new, gates, new, states, weight, initial)
        ctx.steps = steps
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        g_new, gates, new, states, weight, initial = ctx.saved_tensors
        steps: PackedSteps = ctx.steps
        before = steps.previous(states, initial)
        r, u = gates.chunk(2, -1)
        shut = 1 - u
        of_gates = gates.new_empty(steps.rows, 3, len(initial))  # first dh / dg, then in its place dL / dg
        torch.sub(before, new, out=of_gates[:, 1]).mul_(u).mul_(shut)
        of_new = new.square().neg_().add_(1).mul_(shut)  # dh / d(a_n)
        torch.mul(of_new, r, out=of_gates[:, 2])
        torch.mul(of_gates[:, 2], g_new, out=of_gates[:, 0]).mul_(torch.sub(1, r, out=shut))
        total = gradient.clone()  # dL / dh: from above; what comes from the right is added below
        flat = of_gates.flatten(1)
        blocks = [tensor.split(steps.sizes) for tensor in (total, of_gates, flat, u)]
        first = None
        for t in range(len(steps.sizes) - 1, -1, -1):
            dh, dg, dg_flat, kept = (block[t] for block in blocks)
            dg.mul_(dh[:, None])
            if t == 0:
                first = torch.addmm(dh * kept, dg_flat, weight)
            else:
                blocks[0][t - 1][: len(dh)].addcmul_(dh, kept).addmm_(dg_flat, weight)
        of_weight, of_bias = flat.t() @ before, flat.sum(0)
        torch.mul(total, of_new, out=of_gates[:, 2])  # and now dL / da, which differs there alone
        return flat, of_weight, of_bias, first.sum(0), None

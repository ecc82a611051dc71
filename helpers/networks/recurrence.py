"""Recurrent networks over packed time steps, with backpropagation through time written out.

Autograd adds each time step's contribution to the gradient of the weights: a matrix product and a pass over the weights at each step.
Here a step of the backward pass only carries the gradient to the previous step. The gradient of the weights is one product over all
steps at the end, and the derivatives of the gates are computed for all steps at once, before the backward pass starts.
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

    The initial state is learned; it starts at 0. Parameters and formulas are those of `torch.nn.GRUCell` and `torch.nn.RNNCell`.

    Args:
        inputs: Size of the input of one time step.
        hidden: Size of the state.
        cell: "gru", or "relu" or "tanh" for a plain recurrent network, h_t = f(A x_t + B h_{t-1} + b).
        reverse: Run from each sequence's own end to its start, so that a state depends on its own step and all later ones.

    Raises:
        ValueError: If `cell` is none of the three.
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
        """The states of all time steps.

        Args:
            x: Packed inputs, [rows, inputs].
            steps: Lengths of the sequences, and their places in the packed rows.

        Returns:
            Packed states, [rows, hidden].
        """
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
        transposed = weight.t().contiguous()  # copied once, not by the product at each step
        previous = initial.expand(steps.num_sequences, -1)
        for a, h in zip(inputs.split(steps.sizes), states.split(steps.sizes), strict=True):
            torch.addmm(a, previous[: len(h)], transposed, out=h)
            previous = h.relu_() if kind == "relu" else h.tanh_()
        ctx.save_for_backward(states, weight, initial)
        ctx.steps, ctx.kind = steps, kind
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        states, weight, initial = ctx.saved_tensors
        steps: PackedSteps = ctx.steps
        slope = (states > 0).to(states.dtype) if ctx.kind == "relu" else states.square().neg_().add_(1)
        inner = gradient * slope  # from the outputs; the gradient from the next time step is added below
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
        g_buffer = inputs.new_empty(
            steps.num_sequences, 3 * hidden
        )  # reused at each step, so that it stays in the cache
        previous = initial.expand(steps.num_sequences, -1)
        blocks = (tensor.split(steps.sizes) for tensor in (inputs, gates, g_new, new, states))
        for a, gate, g_n, n, h in zip(*blocks, strict=True):
            g, previous = g_buffer[: len(h)], previous[: len(h)]
            torch.addmm(bias, previous, transposed, out=g)
            torch.add(a[:, : 2 * hidden], g[:, : 2 * hidden], out=gate).sigmoid_()
            g_n.copy_(g[:, 2 * hidden :])
            torch.addcmul(a[:, 2 * hidden :], gate[:, :hidden], g_n, out=n).tanh_()
            previous = torch.lerp(n, previous, gate[:, hidden:], out=h)
        ctx.save_for_backward(g_new, gates, new, states, weight, initial)
        ctx.steps = steps
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        g_new, gates, new, states, weight, initial = ctx.saved_tensors
        steps: PackedSteps = ctx.steps
        previous = steps.previous(states, initial)
        r, u = gates.chunk(2, -1)
        complement = 1 - u
        d_gates = gates.new_empty(steps.rows, 3, len(initial))  # first dh / dg, then dL / dg in its place
        torch.sub(previous, new, out=d_gates[:, 1]).mul_(u).mul_(complement)
        d_new = new.square().neg_().add_(1).mul_(complement)  # dh / d(a_n)
        torch.mul(d_new, r, out=d_gates[:, 2])
        torch.mul(d_gates[:, 2], g_new, out=d_gates[:, 0]).mul_(torch.sub(1, r, out=complement))
        d_states = gradient.clone()  # dL / dh, from the outputs; the gradient from the next time step is added below
        d_flat = d_gates.flatten(1)
        blocks = [tensor.split(steps.sizes) for tensor in (d_states, d_gates, d_flat, u)]
        for t in range(len(steps.sizes) - 1, -1, -1):
            dh, dg, dg_flat, kept = (block[t] for block in blocks)
            dg.mul_(dh[:, None])
            if t > 0:
                blocks[0][t - 1][: len(dh)].addcmul_(dh, kept).addmm_(dg_flat, weight)
        d_initial = torch.addmm(dh * kept, dg_flat, weight).sum(0)  # of the first time step, the last in the loop
        d_weight, d_bias = d_flat.t() @ previous, d_flat.sum(0)
        torch.mul(d_states, d_new, out=d_gates[:, 2])  # now d_flat is dL / da, which differs from dL / dg in n only
        return d_flat, d_weight, d_bias, d_initial, None

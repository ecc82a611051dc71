"""Recurrent networks over packed time steps against those of PyTorch, and the packing itself."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence

from helpers.networks import PackedSteps
from helpers.networks.recurrence import Recurrence

KEYS = 6
LENGTHS = torch.tensor([3, 7, 1, 7, 4])


@pytest.mark.parametrize("cell", ["gru", "relu", "tanh"])
@pytest.mark.parametrize("reverse", [False, True])
def test_recurrence_equals_torchs_own(cell, reverse):
    torch.manual_seed(0)
    ours = Recurrence(KEYS, 5, cell, reverse).double()
    nn.init.normal_(ours.initial)
    theirs = (nn.GRU(KEYS, 5) if cell == "gru" else nn.RNN(KEYS, 5, nonlinearity=cell)).double()
    theirs.load_state_dict({f"{name}_l0": value for name, value in ours.cell.state_dict().items()})
    steps = PackedSteps(LENGTHS, 7)
    x = torch.randn(steps.rows, KEYS, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(steps.rows, 5, dtype=torch.float64)
    states = ours(x, steps)
    if reverse:  # sequence by sequence: flip, run, flip
        expected = torch.zeros_like(states)
        for b in range(len(LENGTHS)):
            own = (steps.sequence == b).nonzero().squeeze(1)
            expected = expected.index_copy(
                0, own, theirs(x[own].flip(0)[:, None], ours.initial[None, None])[0].squeeze(1).flip(0)
            )
    else:
        start = ours.initial.expand(1, len(LENGTHS), -1).contiguous()
        expected = theirs(PackedSequence(x, torch.tensor(steps.sizes)), start)[0].data
    torch.testing.assert_close(states, expected, rtol=1e-12, atol=1e-12)
    mine = torch.autograd.grad((states * weight).sum(), [x, ours.initial, *ours.cell.parameters()])
    other = torch.autograd.grad((expected * weight).sum(), [x, ours.initial, *theirs.parameters()])
    for a, b in zip(mine, other, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


def test_packed_steps_know_their_places():
    steps = PackedSteps(LENGTHS, 9)
    b, t = torch.meshgrid(torch.arange(5), torch.arange(9), indexing="ij")
    label = 100 * b + t
    packed = steps.pack(label)
    assert packed[: steps.sizes[0]].sort().values.tolist() == [0, 100, 200, 300, 400]
    assert torch.equal(steps.pad(packed + 1), torch.where(t < LENGTHS[:, None], label + 1, 0))
    assert steps.previous(packed, torch.tensor(-1)).tolist() == [
        -1 if value % 100 == 0 else value - 1 for value in packed.tolist()
    ]
    mirrored = packed[steps.mirrored]
    assert torch.equal(mirrored // 100, packed // 100)
    assert torch.equal(mirrored % 100, LENGTHS[packed // 100] - 1 - packed % 100)
    assert steps.sum_over_time(torch.ones(steps.rows)).tolist() == LENGTHS.tolist()

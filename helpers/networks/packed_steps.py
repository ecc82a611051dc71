"""The time steps of sequences of different lengths, side by side and without padding."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from helpers.data.checks import describe


class PackedSteps:
    """Where each time step of a batch stands once the padding is left out: all first steps, then all second steps, ...

    Sequences stand in the order of decreasing length, so that those which reach step t are the first `sizes[t]` of the batch, and the
    step before any row stands in the same place of the block before. What lies beyond a sequence's end is never read: it cannot leak.

    lengths: int64 [sequences], time steps of each, 1 or more.
    num_steps: time steps that the padded tensors have, the longest length or more.

    `padded` below is [sequences, num_steps, ...], `packed` is [rows, ...], rows = sum of lengths.
    """

    def __init__(self, lengths: Tensor, num_steps: int) -> None:
        _check_lengths(lengths, num_steps)
        on_host = lengths.cpu()
        ordered, order = on_host.sort(descending=True, stable=True)
        reaches = torch.arange(int(ordered[0]))[:, None] < ordered  # [steps, sequences], in the order of length
        time, place = reaches.nonzero(as_tuple=True)  # row by row
        self.sizes: list[int] = reaches.sum(1).tolist()
        self.num_sequences, self.num_steps, self.rows = len(lengths), num_steps, len(time)
        device = lengths.device
        self.sequence = order[place].to(device)  # [rows] which sequence a row belongs to
        self.time = time.to(device)  # [rows] which time step, from 0
        self.lengths = lengths
        self._host = time, place, ordered

    @cached_property
    def before(self) -> Tensor:
        """[rows - sequences] For each row from the second time step on, the row of the step before."""
        block = torch.tensor(self.sizes[:-1], dtype=torch.long).repeat_interleave(
            torch.tensor(self.sizes[1:], dtype=torch.long)
        )
        return (torch.arange(self.num_sequences, self.rows) - block).to(self.time.device)

    @cached_property
    def mirrored(self) -> Tensor:
        """[rows] For each row the row of the step as far from its sequence's end as this one is from the start. Its own inverse."""
        time, place, ordered = self._host
        starts = torch.tensor([0, *self.sizes]).cumsum(0)
        return (starts[ordered[place] - 1 - time] + place).to(self.time.device)

    def pack(self, padded: Tensor) -> Tensor:
        """[sequences, num_steps, ...] → [rows, ...]."""
        return padded.flatten(0, 1).index_select(0, self.sequence * self.num_steps + self.time)

    def pad(self, packed: Tensor) -> Tensor:
        """[rows, ...] → [sequences, num_steps, ...], zero beyond the ends."""
        padded = packed.new_zeros(self.num_sequences * self.num_steps, *packed.shape[1:])
        padded = padded.index_copy(0, self.sequence * self.num_steps + self.time, packed)
        return padded.unflatten(0, (self.num_sequences, self.num_steps))

    def previous(self, packed: Tensor, initial: Tensor) -> Tensor:
        """The values of the step before: `initial` [...] at the first step of each sequence. [rows, ...] → [rows, ...]."""
        first = initial.expand(self.num_sequences, *packed.shape[1:])
        return torch.cat([first, packed.index_select(0, self.before)])

    def product_with_previous(self, gradient: Tensor, packed: Tensor, initial: Tensor) -> Tensor:
        """gradient' @ previous(packed, initial), without laying the previous values side by side: [rows, a] and [rows, b] → [a, b]."""
        first, rest = gradient.tensor_split((self.num_sequences,))
        return (rest.t() @ packed.index_select(0, self.before)).addr_(first.sum(0), initial)

    def sum_over_time(self, packed: Tensor) -> Tensor:
        """[rows, ...] → [sequences, ...]."""
        return packed.new_zeros(self.num_sequences, *packed.shape[1:]).index_add(0, self.sequence, packed)


def _check_lengths(lengths: Tensor, num_steps: int) -> None:
    if not isinstance(lengths, Tensor) or lengths.dim() != 1 or lengths.dtype != torch.int64 or len(lengths) == 0:
        given = (
            describe(lengths, "lengths") if isinstance(lengths, Tensor) else f"lengths of type {type(lengths).__name__}"
        )
        raise ValueError(f"Got {given}; expected int64 [sequences], the time steps of each sequence.")
    low, high = (int(value) for value in lengths.aminmax())
    if low < 1 or high > num_steps:
        raise ValueError(
            f"Got lengths from {low} to {high} for sequences padded to {num_steps} steps; expected 1 to {num_steps}. Usual causes: an "
            "empty sequence in the data, or lengths of another set."
        )

"""The time steps of sequences of different lengths, side by side and without padding."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from helpers.data.checks import describe


class PackedSteps:
    """Index maps between padded tensors [sequences, num_steps, ...] and packed ones [rows, ...], rows = sum of lengths.

    Packed rows are all first steps, then all second steps, and so on. Within a time step the sequences are in order of decreasing
    length: those that reach step t are the first `sizes[t]` sequences, and the previous step of a row has the same place in the previous
    block. Padding beyond a sequence's end is never read.

    Args:
        lengths: int64 [sequences], time steps of each sequence, 1 or more.
        num_steps: Time steps of the padded tensors, the longest length or more.

    Attributes:
        sizes: Number of rows of each time step.
        num_sequences: Number of sequences.
        rows: Number of packed rows, the sum of the lengths.
        sequence: int64 [rows], the sequence of each row.
        time: int64 [rows], the time step of each row, from 0.

    Raises:
        ValueError: If `lengths` is not a non-empty int64 vector of lengths from 1 to `num_steps`.
    """

    def __init__(self, lengths: Tensor, num_steps: int) -> None:
        _check_lengths(lengths, num_steps)
        on_host = lengths.cpu()
        ordered, order = on_host.sort(descending=True, stable=True)
        reaches = torch.arange(int(ordered[0]))[:, None] < ordered  # [steps, sequences], in order of decreasing length
        time, place = reaches.nonzero(as_tuple=True)  # row by row
        self.sizes: list[int] = reaches.sum(1).tolist()
        self.num_sequences, self.num_steps, self.rows = len(lengths), num_steps, len(time)
        device = lengths.device
        self.sequence = order[place].to(device)
        self.time = time.to(device)
        self.lengths = lengths
        self._host = time, place, ordered

    @cached_property
    def before(self) -> Tensor:
        """int64 [rows - sequences]: for each row from the second time step on, the row of the previous step."""
        block = torch.tensor(self.sizes[:-1], dtype=torch.long).repeat_interleave(
            torch.tensor(self.sizes[1:], dtype=torch.long)
        )
        return (torch.arange(self.num_sequences, self.rows) - block).to(self.time.device)

    @cached_property
    def mirrored(self) -> Tensor:
        """int64 [rows]: for each row at step t of its sequence, the row at step length - 1 - t. Its own inverse."""
        time, place, ordered = self._host
        starts = torch.tensor([0, *self.sizes]).cumsum(0)
        return (starts[ordered[place] - 1 - time] + place).to(self.time.device)

    def pack(self, padded: Tensor) -> Tensor:
        """Drop the padding.

        Args:
            padded: [sequences, num_steps, ...].

        Returns:
            Packed values, [rows, ...].
        """
        return padded.flatten(0, 1).index_select(0, self.sequence * self.num_steps + self.time)

    def pad(self, packed: Tensor) -> Tensor:
        """Undo `pack`.

        Args:
            packed: [rows, ...].

        Returns:
            Padded values, [sequences, num_steps, ...], 0 beyond the ends of the sequences.
        """
        padded = packed.new_zeros(self.num_sequences * self.num_steps, *packed.shape[1:])
        padded = padded.index_copy(0, self.sequence * self.num_steps + self.time, packed)
        return padded.unflatten(0, (self.num_sequences, self.num_steps))

    def previous(self, packed: Tensor, initial: Tensor) -> Tensor:
        """The values of the previous time step.

        Args:
            packed: [rows, ...].
            initial: [...], the value before the first step of every sequence.

        Returns:
            [rows, ...]: for each row the value of the previous step of its sequence, or `initial` at the first step.
        """
        first = initial.expand(self.num_sequences, *packed.shape[1:])
        return torch.cat([first, packed.index_select(0, self.before)])

    def product_with_previous(self, gradient: Tensor, packed: Tensor, initial: Tensor) -> Tensor:
        """gradient' @ previous(packed, initial), without building the tensor of previous values.

        Args:
            gradient: [rows, a].
            packed: [rows, b].
            initial: [b], the value before the first step of every sequence.

        Returns:
            The product, [a, b].
        """
        first, rest = gradient.tensor_split((self.num_sequences,))
        return (rest.t() @ packed.index_select(0, self.before)).addr_(first.sum(0), initial)

    def sum_over_time(self, packed: Tensor) -> Tensor:
        """Sum the rows of each sequence.

        Args:
            packed: [rows, ...].

        Returns:
            [sequences, ...].
        """
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
            "empty sequence in the data, or lengths of another data set."
        )

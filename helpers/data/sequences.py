"""Batches of sequences of different lengths, and the check at the door of everything that takes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from helpers.data.checks import describe


class SequenceBatch(NamedTuple):
    """rolls [B, T, D], zero beyond each sequence's end, and lengths int64 [B], from 1 to T."""

    rolls: Tensor
    lengths: Tensor


class SequenceBatches:
    """One epoch of `SequenceBatch` at each iteration: `for rolls, lengths in SequenceBatches(rolls, lengths, batch_size=20)`.

    rolls:      [N, T, D], floats of 0 and 1 (any finite values with `binary=False`), zero beyond each sequence's end.
    lengths:    int64 [N], steps of each sequence, 1 to T, in any order.
    batch_size: B, in sequences. The last batch is smaller where B does not divide N.
    shuffle:    a fresh permutation each epoch, from torch's global generator on the CPU. Batches are not sorted by length,
                neither inside nor among each other: each is a fair draw of sequences. Without it, they come in order.
    binary:     whether values other than 0 and 1 are refused.

    A batch is cut to its own longest sequence, so that nobody computes on what is padding to all. All checks happen here, once, so
    that training does not stop half-way. `len()` is the number of batches, `num_items` is N, `num_steps` the sum of the lengths: what
    sums over sequences are divided by to give nats per step.

    Raises ValueError as `check_sequences` does, and for a batch size below 1.
    """

    def __init__(
        self, rolls: Tensor, lengths: Tensor, batch_size: int = 20, shuffle: bool = True, *, binary: bool = True
    ) -> None:
        check_sequences(rolls, lengths, binary=binary)
        if type(batch_size) is not int or batch_size < 1:
            raise ValueError(
                f"Got batch_size={batch_size!r}; expected the sequences of a batch, an integer of 1 or more."
            )
        self.rolls, self.lengths = rolls, lengths
        self.batch_size, self.shuffle = batch_size, shuffle
        self.num_items = len(rolls)
        self.num_steps = int(lengths.sum())

    def __len__(self) -> int:
        return -(-self.num_items // self.batch_size)

    def __iter__(self) -> Iterator[SequenceBatch]:
        order = torch.randperm(self.num_items) if self.shuffle else torch.arange(self.num_items)
        for chosen in order.to(self.rolls.device).split(self.batch_size):
            lengths = self.lengths.index_select(0, chosen)
            yield SequenceBatch(self.rolls[:, : int(lengths.max())].index_select(0, chosen), lengths)


def check_sequences(rolls: Tensor, lengths: Tensor, *, binary: bool = True) -> None:
    """Raise ValueError unless `rolls` [N, T, D] and `lengths` [N] are sequences as `SequenceBatches` describes them."""
    for given, name in ((rolls, "rolls"), (lengths, "lengths")):
        if not isinstance(given, Tensor):
            raise ValueError(
                f"Got {name} as {type(given).__name__}; expected a tensor. Give those inside, such as data.train.{name}."
            )
    _check_shapes(rolls, lengths)
    shortest, longest = int(lengths.min()), int(lengths.max())
    if shortest < 1:
        raise ValueError(
            f"Sequence {int(lengths.argmin())} has length {shortest}; expected 1 step or more. An empty sequence has nothing to explain "
            "and no per-step figure: leave it out."
        )
    if longest > rolls.shape[1]:
        raise ValueError(
            f"Sequence {int(lengths.argmax())} has length {longest}, but the rolls have only {rolls.shape[1]} steps. Usually the lengths "
            "belong to another split, or the rolls were cut and the lengths were not."
        )
    _check_values(rolls, binary)
    beyond = torch.arange(rolls.shape[1], device=rolls.device) >= lengths.unsqueeze(1)  # [N, T]
    wrong = ((rolls != 0).any(-1) & beyond).nonzero()
    if len(wrong):
        item, step = wrong[0].tolist()
        raise ValueError(
            f"Sequence {item} ends after {int(lengths[item])} steps, but its roll is not zero at step {step} (counted from 0); expected "
            "zeros beyond the end. Usually the lengths belong to another split, or were shuffled without the rolls."
        )


def _check_shapes(rolls: Tensor, lengths: Tensor) -> None:
    if rolls.dim() != 3 or not rolls.is_floating_point() or rolls.numel() == 0:
        hint = "rolls.unsqueeze(0) makes a batch of one." if rolls.dim() == 2 else "rolls.float() converts."
        if rolls.numel() == 0:
            hint = "Usually a selection that matched nothing."
        raise ValueError(
            f"Got {describe(rolls, 'rolls')}; expected floats [N, T, D], sequences by steps by keys. {hint}"
        )
    if lengths.dtype != torch.int64 or lengths.shape != rolls.shape[:1] or lengths.device != rolls.device:
        raise ValueError(
            f"Got {describe(lengths, 'lengths')} on {lengths.device} for {describe(rolls, 'rolls')} on {rolls.device}; expected int64 "
            f"[{len(rolls)}] on the same device, the steps of each sequence. Usually they belong to another split."
        )


def _check_values(rolls: Tensor, binary: bool) -> None:
    low, high = (value.item() for value in rolls.aminmax())  # both NaN where any value is
    if not abs(low) + abs(high) < float("inf"):
        cause = "Usually a division by zero in the preprocessing, or missing values."
        raise ValueError(f"The rolls hold values from {low:g} to {high:g}; expected finite ones. {cause}")
    if binary and bool(((rolls != 0) & (rolls != 1)).any()):
        hint = (
            "MIDI velocities: use (rolls > 0).float()"
            if high > 1
            else "probabilities: torch.bernoulli(rolls) draws from them"
        )
        given = f"The rolls hold values from {low:g} to {high:g}, not only 0 and 1"
        raise ValueError(f"{given}; expected 1 where a key sounds, else 0. Usually {hint}.")

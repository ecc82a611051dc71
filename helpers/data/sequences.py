"""Batches of sequences of different lengths, and the check of everything that takes sequences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from helpers.data.checks import NOTHING_MATCHED, between, binary_cause, check_finite, check_integer, describe, is_binary


class SequenceBatch(NamedTuple):
    """A batch of sequences, padded to the longest.

    Attributes:
        rolls: Sequences [B, T, D], zero beyond each one's end.
        lengths: Steps of each, int64 [B], from 1 to T.
    """

    rolls: Tensor
    lengths: Tensor


class SequenceBatches:
    """One epoch of `SequenceBatch` at each iteration: `for rolls, lengths in SequenceBatches(rolls, lengths, batch_size=20)`.

    A batch is cut to its own longest sequence, so that no step is padding in all of its sequences. Everything is checked here, once, so
    that training does not stop half-way. `len()` is the number of batches, `num_items` is N, `num_steps` the sum of the lengths, by which
    sums over sequences are divided to give nats per step.

    Args:
        rolls: Sequences [N, T, D], floats of 0 and 1, zero beyond each sequence's end.
        lengths: Steps of each sequence, int64 [N], 1 to T, in any order.
        batch_size: Sequences of a batch, B. The last batch is smaller if B does not divide N.
        shuffle: Whether each epoch has a new permutation, from torch's global generator on the CPU. Sequences are not sorted by length,
            neither within batches nor among them: each batch is a fair draw. Otherwise they come in order.
        binary: Whether values other than 0 and 1 are refused. False: any finite values.

    Raises:
        ValueError: If `check_sequences` refuses the sequences, or if the batch size is below 1.
    """

    def __init__(
        self, rolls: Tensor, lengths: Tensor, batch_size: int = 20, shuffle: bool = True, *, binary: bool = True
    ) -> None:
        check_sequences(rolls, lengths, binary=binary)
        batch_size = check_integer(batch_size, "batch_size", "the sequences of a batch")
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
    """Check sequences and their lengths, as `SequenceBatches` describes them.

    Args:
        rolls: Sequences [N, T, D], finite floats, zero beyond each sequence's end.
        lengths: Steps of each sequence, int64 [N], 1 to T, on the device of the rolls.
        binary: Whether values other than 0 and 1 are refused.

    Raises:
        ValueError: If they are anything else. The message names the first sequence that is wrong.
    """
    for given, name in ((rolls, "rolls"), (lengths, "lengths")):
        if not isinstance(given, Tensor):
            raise ValueError(
                f"Got {name} as {type(given).__name__}; expected a tensor. Usually a data set: give the tensor inside, such as "
                f"data.train.{name}."
            )
    _check_shapes(rolls, lengths)
    shortest, longest = int(lengths.min()), int(lengths.max())
    if shortest < 1:
        raise ValueError(
            f"Got length {shortest} for sequence {int(lengths.argmin())}; expected 1 step or more. Usually an empty sequence, which has no "
            "figure per step: leave it out."
        )
    if longest > rolls.shape[1]:
        raise ValueError(
            f"Got length {longest} for sequence {int(lengths.argmax())}; expected at most {rolls.shape[1]}, the steps of the rolls. "
            "Usually the lengths belong to another split, or the rolls were cut and the lengths were not."
        )
    _check_values(rolls, binary)
    beyond = torch.arange(rolls.shape[1], device=rolls.device) >= lengths.unsqueeze(1)  # [N, T]
    wrong = ((rolls != 0).any(-1) & beyond).nonzero()
    if len(wrong):
        item, step = wrong[0].tolist()
        raise ValueError(
            f"Got values other than zero at step {step} (counted from 0) of sequence {item}, which ends after {int(lengths[item])} steps; "
            "expected zeros beyond the end. Usually the lengths belong to another split, or were shuffled without the rolls."
        )


def _check_shapes(rolls: Tensor, lengths: Tensor) -> None:
    if rolls.dim() != 3 or not rolls.is_floating_point() or rolls.numel() == 0:
        cause = "Usually integers or booleans: rolls.float() converts."
        if rolls.dim() == 2:
            cause = "Usually one sequence without its batch: rolls.unsqueeze(0) makes a batch of one."
        if rolls.numel() == 0:
            cause = NOTHING_MATCHED
        raise ValueError(
            f"Got {describe(rolls, 'rolls')}; expected floats [N, T, D], sequences by steps by keys. {cause}"
        )
    if lengths.dtype != torch.int64 or lengths.shape != rolls.shape[:1] or lengths.device != rolls.device:
        raise ValueError(
            f"Got {describe(lengths, 'lengths')} on {lengths.device} for {describe(rolls, 'rolls')} on {rolls.device}; expected int64 "
            f"[{len(rolls)}] on the same device, the steps of each sequence. Usually they belong to another split."
        )


def _check_values(rolls: Tensor, binary: bool) -> None:
    low, high = check_finite(rolls, "rolls")
    if binary and not is_binary(rolls):
        raise ValueError(
            f"Got rolls with {between(low, high)}, not only 0 and 1; expected 1 if a key sounds, else 0. {binary_cause(rolls, 'rolls')}"
        )

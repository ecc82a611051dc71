"""Four-part chorales as piano rolls: Bach's, or as many as one likes from a model of harmony that knows its own likelihood."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from helpers import settings
from helpers.data.checks import describe
from helpers.data.download import store
from helpers.data.download.manifest import MANIFEST
from helpers.data.music.harmony import HarmonyModel
from helpers.data.music.midi import LOWEST_KEY, NUM_KEYS
from helpers.data.sequences import check_sequences

JSB_SIZE = (229, 76, 77)  # sequences in train, valid and test
NAMES = ("jsb", "synthetic")


@dataclass(frozen=True)
class Chorales:
    """One part of a data set: `rolls` float32 [N, T, 88], 1 where a key sounds, zero beyond the end; `lengths` int64 [N], in steps.

    Key 0 is MIDI 21, the piano's lowest A. Raises ValueError as `check_sequences` does, and for another number of keys.
    """

    rolls: Tensor
    lengths: Tensor

    def __post_init__(self) -> None:
        check_sequences(self.rolls, self.lengths)
        if self.rolls.dtype != torch.float32 or self.rolls.shape[2] != NUM_KEYS:
            raise ValueError(
                f"Got {describe(self.rolls, 'rolls')}; expected float32 [N, T, {NUM_KEYS}], the keys of a piano."
            )

    def __len__(self) -> int:
        return len(self.rolls)

    def __repr__(self) -> str:
        shortest, longest = (int(value) for value in self.lengths.aminmax())
        return f"Chorales({len(self):,} of {shortest} to {longest} steps, {int(self.lengths.sum()):,} in all)"


@dataclass(frozen=True)
class ChoraleData:
    """A data set in three parts. `name` is what was really loaded; `generator` the model that drew it, or None for Bach."""

    name: str
    train: Chorales
    valid: Chorales
    test: Chorales
    generator: HarmonyModel | None = None

    def exact_log_marginal(self, rolls: Tensor, lengths: Tensor) -> Tensor:
        """log p(x | its length), float64 [N], in nats a sequence, under the model that drew the data: `HarmonyModel.log_marginal`.

        Raises ValueError for "jsb": nobody knows the distribution that Bach drew from.
        """
        return self._known_generator().log_marginal(rolls, lengths)

    def entropy_floor(self, rolls: Tensor, lengths: Tensor) -> tuple[float, float]:
        """Nats a step that no model's expected negative log-likelihood can pass, and its standard error: `HarmonyModel.entropy_floor`."""
        return self._known_generator().entropy_floor(rolls, lengths)

    def _known_generator(self) -> HarmonyModel:
        if self.generator is None:
            raise ValueError(
                f"The exact likelihood of {self.name!r} is unknown: its distribution is only known from samples. "
                'Expected data from load_chorales("synthetic"), whose generator is known.'
            )
        return self.generator


def load_chorales(
    name: str, size: Sequence[int] | None = None, seed: int = 0, fallback: str | None = None
) -> ChoraleData:
    """Load chorales: Bach's from the data folder, else downloaded and verified, else `fallback`; or synthetic ones, from no file at all.

    name:     "jsb": Bach's chorales, one step a quarter note, split as by Boulanger-Lewandowski et al. 2012: 229 / 76 / 77 sequences of
              25 to 160 steps, 13,807 / 4,602 / 4,725 steps in all. A few steps are silent.
              "synthetic": drawn from `HarmonyModel()`, a hidden Markov model of four-part harmony whose likelihood is exact.
    size:     sequences in train, valid and test, each 1 or more; for "synthetic" only. (229, 76, 77) unless given, as Bach's.
    seed:     of the synthetic ones. Each part is drawn by itself: a larger test part leaves the training part as it was.
    fallback: "synthetic" is then used, with a notice in one line, where Bach's file cannot be had; in smoke mode at once, for smoke mode
              never uses the network.

    Returns tensors on the CPU.
    Raises ValueError for a wrong argument, store.DataUnavailable where there is neither file, network nor fallback.
    """
    _check_request(name, size, seed, fallback)
    if name == "synthetic":
        return _synthetic(size or JSB_SIZE, seed)
    if fallback != "synthetic":
        return _load_jsb()
    if settings.budget(full=True, smoke=False):
        try:
            return _load_jsb()
        except store.DataUnavailable as problem:
            reason, remedy = problem.reason, problem.remedy
    else:
        reason, remedy = "Smoke mode does without jsb.", ""
    print(f"{reason} Using synthetic chorales instead of jsb. {remedy}".strip(), flush=True)
    return _synthetic(size or JSB_SIZE, seed)


def rolls_from_pitches(sequences: Sequence[Sequence[Sequence[int]]]) -> Chorales:
    """Piano rolls from sequences of steps of MIDI numbers, 21 to 108: `[[[60, 64, 67, 72], [], ...], ...]`; an empty step is silent.

    Raises ValueError for no sequence, an empty one, and pitches that are off the keyboard or no integers.
    """
    if not sequences or not all(len(sequence) for sequence in sequences):
        raise ValueError("Got no sequence, or one without steps; expected one or more sequences of one step or more.")
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    rolls = torch.zeros(len(sequences), int(lengths.max()), NUM_KEYS)
    places = [
        (n, t, pitch) for n, sequence in enumerate(sequences) for t, step in enumerate(sequence) for pitch in step
    ]
    for n, t, pitch in places:
        if type(pitch) is not int or not LOWEST_KEY <= pitch < LOWEST_KEY + NUM_KEYS:
            raise ValueError(
                f"Sequence {n} has pitch {pitch!r} at step {t}; expected MIDI numbers from 21 to 108, the keys of a piano. "
                "Usually keys counted from 0 (add 21), or frequencies."
            )
    if places:
        n, t, pitch = torch.tensor(places).T
        rolls[n, t, pitch - LOWEST_KEY] = 1.0
    return Chorales(rolls, lengths)


def _check_request(name: str, size: Sequence[int] | None, seed: int, fallback: str | None) -> None:
    if name not in NAMES:
        near = difflib.get_close_matches(str(name).lower(), NAMES, n=1, cutoff=0.4)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"There are no chorales {name!r}; expected 'jsb' or 'synthetic'.{hint}")
    if fallback not in (None, "synthetic"):
        raise ValueError(f"Got fallback={fallback!r}; expected 'synthetic', which needs no file, or None.")
    if size is not None and name == "jsb" and fallback is None:
        raise ValueError(
            f"Got size={size!r} for jsb; its parts have {JSB_SIZE} sequences. Expected None: take fewer with .rolls[:n]."
        )
    if size is not None and (
        not isinstance(size, (tuple, list)) or len(size) != 3 or any(type(n) is not int or n < 1 for n in size)
    ):
        raise ValueError(
            f"Got size={size!r}; expected the numbers of sequences in train, valid and test, three integers of 1 or more."
        )
    if type(seed) is not int or seed < 0:
        raise ValueError(f"Got seed={seed!r}; expected an integer of 0 or more.")


def _load_jsb() -> ChoraleData:
    contents = json.loads(store.read(MANIFEST["jsb"]["quarter"], network=settings.budget(full=True, smoke=False)))
    return ChoraleData("jsb", **{part: rolls_from_pitches(contents[part]) for part in ("train", "valid", "test")})


def _synthetic(size: Sequence[int], seed: int) -> ChoraleData:
    generator = HarmonyModel()
    samples = [generator.sample(num, seed=len(size) * seed + part) for part, num in enumerate(size)]
    return ChoraleData("synthetic", *(Chorales(sample.rolls, sample.lengths) for sample in samples), generator)

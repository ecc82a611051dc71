"""Four-part chorales as piano rolls: Bach's, or synthetic ones from a model of harmony whose likelihood is exact."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral

import torch
from torch import Tensor

from helpers import settings
from helpers.data.checks import check_integer, check_name, describe
from helpers.data.download import store
from helpers.data.download.manifest import MANIFEST
from helpers.data.music.harmony import HarmonyModel
from helpers.data.music.midi import LOWEST_KEY, NUM_KEYS
from helpers.data.music.pitches import check_pitches
from helpers.data.sequences import check_sequences

JSB_SIZE = (229, 76, 77)  # sequences in train, valid and test
NAMES = ("jsb", "synthetic")


@dataclass(frozen=True)
class Chorales:
    """One part of a data set of chorales. `len()` is N.

    Args:
        rolls: Piano rolls float32 [N, T, 88]: 1 if a key sounds, else 0; zero beyond the end. Key 0 is MIDI 21, the piano's lowest A.
        lengths: Steps of each chorale, int64 [N], 1 to T.

    Raises:
        ValueError: If `check_sequences` refuses them, or if the rolls are not float32 with 88 keys.
    """

    rolls: Tensor
    lengths: Tensor

    def __post_init__(self) -> None:
        check_sequences(self.rolls, self.lengths)
        if self.rolls.dtype != torch.float32 or self.rolls.shape[2] != NUM_KEYS:
            raise ValueError(
                f"Got {describe(self.rolls, 'rolls')}; expected float32 [N, T, {NUM_KEYS}], the keys of a piano. Usually "
                "all 128 MIDI numbers: rolls[..., 21:109] takes those of the piano."
            )

    def __len__(self) -> int:
        return len(self.rolls)

    def __repr__(self) -> str:
        shortest, longest = (int(value) for value in self.lengths.aminmax())
        return f"Chorales({len(self):,} of {shortest} to {longest} steps, {int(self.lengths.sum()):,} in all)"


@dataclass(frozen=True)
class ChoraleData:
    """A data set of chorales in three parts.

    Args:
        name: Name of the data set that was loaded: "synthetic" if that was the fallback.
        train: Training part.
        valid: Validation part.
        test: Test part.
        generator: Model that drew the data, or None for Bach's.
    """

    name: str
    train: Chorales
    valid: Chorales
    test: Chorales
    generator: HarmonyModel | None = None

    def exact_log_marginal(self, rolls: Tensor, lengths: Tensor) -> Tensor:
        """Exact log p(x_{1:T} | T) under the model that drew the data: `HarmonyModel.log_marginal`.

        Args:
            rolls: Piano rolls [N, T, 88] of 0 and 1.
            lengths: Steps of each, int64 [N].

        Returns:
            Log-probabilities float64 [N], in nats per sequence.

        Raises:
            ValueError: If the data is "jsb", whose distribution is unknown, or if rolls or lengths do not fit.
        """
        return self._known_generator().log_marginal(rolls, lengths)

    def entropy_floor(self, rolls: Tensor, lengths: Tensor) -> tuple[float, float]:
        """Lower bound of any model's expected negative log-likelihood per step: `HarmonyModel.entropy_floor`.

        Args:
            rolls: Piano rolls [N, T, 88] of 0 and 1.
            lengths: Steps of each, int64 [N].

        Returns:
            Estimate of the bound and its standard error, in nats per step.

        Raises:
            ValueError: If the data is "jsb", whose distribution is unknown, or if rolls or lengths do not fit.
        """
        return self._known_generator().entropy_floor(rolls, lengths)

    def _known_generator(self) -> HarmonyModel:
        if self.generator is None:
            raise ValueError(
                f"Got chorales {self.name!r}, whose exact likelihood is unknown; expected data with a generator, as from "
                'load_chorales("synthetic"). Usually the fallback was not used: Bach\'s distribution is known from samples only.'
            )
        return self.generator


def load_chorales(
    name: str, size: Sequence[int] | None = None, seed: int = 0, fallback: str | None = None
) -> ChoraleData:
    """Load chorales: Bach's, from the data folder or downloaded and verified, or synthetic ones, which need no file.

    "jsb": Bach's chorales, one step per quarter note, split as by Boulanger-Lewandowski et al. 2012: 229 / 76 / 77 sequences of 25 to 160
    steps, 13,807 / 4,602 / 4,725 steps in total. A few steps are silent.
    "synthetic": samples of `HarmonyModel()`, a hidden Markov model of four-part harmony whose likelihood is exact.

    Smoke mode never uses the network.

    Args:
        name: "jsb" or "synthetic".
        size: Numbers of sequences in train, valid and test, each 1 or more; for "synthetic" only. None: Bach's, (229, 76, 77).
        seed: Seed of the synthetic ones. The parts are drawn independently: a larger test part does not change the training part.
        fallback: "synthetic": use these if Bach's file is unavailable, with a one-line notice; in smoke mode at once. None: no fallback.

    Returns:
        The data set, on the CPU.

    Raises:
        ValueError: If an argument is wrong.
        store.DataUnavailable: If there is neither a file, nor network, nor a fallback.
    """
    _check_request(name, size, seed, fallback)
    seed = int(seed)
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
    """Make piano rolls from lists of pitches: `[[[60, 64, 67, 72], [], ...], ...]`.

    Args:
        sequences: Sequences of steps, each a sequence of MIDI numbers, 21 to 108, Python's or NumPy's. An empty step is silent.

    Returns:
        The rolls, padded to the longest, and their lengths.

    Raises:
        ValueError: If there is no sequence, if one is empty, or if a pitch is off the keyboard or no integer. The message names the first
            place, and the usual cause: a mark for a rest, keys counted from 0, frequencies.
    """
    check_pitches(sequences)
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    rolls = torch.zeros(len(sequences), int(lengths.max()), NUM_KEYS, dtype=torch.float32)
    notes = [
        (n, t, int(pitch)) for n, sequence in enumerate(sequences) for t, step in enumerate(sequence) for pitch in step
    ]
    if notes:
        sequence, step, number = torch.tensor(notes).T
        rolls[sequence, step, number - LOWEST_KEY] = 1.0
    return Chorales(rolls, lengths)


def _check_request(name: str, size: Sequence[int] | None, seed: int, fallback: str | None) -> None:
    check_name(name, NAMES, "chorales")
    if fallback not in (None, "synthetic"):
        raise ValueError(
            f"Got fallback={fallback!r}; expected 'synthetic' or None. Usually the fallback of an image data set."
        )
    if size is not None and name == "jsb" and fallback is None:
        raise ValueError(
            f"Got size={size!r} for jsb; expected None, because its parts have {JSB_SIZE} sequences. Take fewer with .rolls[:n]."
        )
    if size is not None and (
        not isinstance(size, (tuple, list))
        or len(size) != 3
        or any(isinstance(n, bool) or not isinstance(n, Integral) or n < 1 for n in size)
    ):
        raise ValueError(
            f"Got size={size!r}; expected the numbers of sequences in train, valid and test, three integers of 1 or more. "
            "Usually one number for all three parts."
        )
    check_integer(seed, "seed", "a seed", minimum=0)


def _load_jsb() -> ChoraleData:
    contents = json.loads(store.read(MANIFEST["jsb"]["quarter"], network=settings.budget(full=True, smoke=False)))
    train, valid, test = (rolls_from_pitches(contents[part]) for part in ("train", "valid", "test"))
    return ChoraleData("jsb", train, valid, test)


def _synthetic(size: Sequence[int], seed: int) -> ChoraleData:
    generator = HarmonyModel()
    samples = [generator.sample(num, seed=len(size) * seed + part) for part, num in enumerate(size)]
    train, valid, test = (Chorales(sample.rolls, sample.lengths) for sample in samples)
    return ChoraleData("synthetic", train, valid, test, generator)

"""A training step of the deep Markov model: ours and Pyro's; and what it costs as sequences and batches grow."""

from __future__ import annotations

import pyro
import torch
from torch import Tensor
from torch.distributions import Distribution

from helpers.models import AnalyticKlSequenceElbo, SampledKlSequenceElbo, SequenceElbo, deep_markov_model
from helpers.training import fit
from tests.benchmarks.interleaved import interleaved
from tests.benchmarks.pyro_deep_markov import PyroDeepMarkov, inputs
from tests.benchmarks.report import Row, Side, ratios

KEYS, LATENT, HIDDEN, SEQUENCES, LONGEST, SHORTEST, STEPS = 88, 100, 600, 20, 129, 29, 2
EACH_LENGTH, EACH_BATCH = (32, 64, 128, 256, 512), (5, 10, 20, 40, 80)


def rows(rounds: int) -> list[Row]:
    torch.manual_seed(0)
    # As among the chorales, where the longest of a batch is about twice as long as most.
    uneven = [_batch(SEQUENCES, LONGEST, SHORTEST) for _ in range(STEPS)]
    even = [_batch(SEQUENCES, LONGEST, LONGEST) for _ in range(STEPS)]
    print(
        f"Deep Markov model, z {LATENT}, recurrent network {HIDDEN}, batch {SEQUENCES}, float32, {torch.get_num_threads()} threads; "
        f"{rounds} rounds of {STEPS} steps, interleaved; median (lowest to highest)\n",
        flush=True,
    )
    return [
        _row(
            f"11. Step of the deep Markov model, sequences of {SHORTEST} to {LONGEST} steps, as chorales have",
            uneven,
            rounds,
            3.5,
        ),
        _row(f"12. The same, all sequences of {LONGEST} steps", even, rounds, None),
        _growth(
            "13. Milliseconds a step against the number of time steps",
            [(SEQUENCES, steps) for steps in EACH_LENGTH],
            rounds,
        ),
        _growth(
            "14. Milliseconds a step against the number of sequences", [(batch, 128) for batch in EACH_BATCH], rounds
        ),
    ]


def _row(title: str, batches: list[tuple[Tensor, Tensor]], rounds: int, least: float | None) -> Row:
    pyro.enable_validation(False)  # all checks off, which makes Pyro faster than it comes
    Distribution.set_default_validate_args(False)
    theirs = PyroDeepMarkov(*_parts(cell="relu"))
    svi, prepared = theirs.svi(), [inputs(*batch) for batch in batches]

    def ours(**options: object) -> object:
        bound = options.pop("bound", SampledKlSequenceElbo)
        objective = bound(*_parts(**options))
        # The example's learning rate and clipping: a plain recurrent network explodes at three times as much.
        adam = torch.optim.Adam(objective.parameters(), lr=3e-4, betas=(0.96, 0.999), fused=True)
        return lambda: fit(objective, batches, epochs=1, optimizers=adam, clip_norm=10.0, progress=False)

    tasks = {
        "Pyro: Trace_ELBO, as its example": lambda: [svi.step(*batch) for batch in prepared],
        "ours: fit, SequenceElbo, KL by Monte Carlo": ours(cell="relu"),
        "for information: ours, KL in closed form": ours(cell="relu", bound=AnalyticKlSequenceElbo),
        "for information: ours, KL in closed form, GRU": ours(cell="gru", bound=AnalyticKlSequenceElbo),
        "for information: ours, one inverse autoregressive layer": ours(cell="relu", flows=1),
    }
    for task in tasks.values():  # the first call is slow
        task()
    seconds = interleaved(tasks, rounds)
    sides = [
        Side(name, [1000 * value / len(batches) for value in values], "ms a step") for name, values in seconds.items()
    ]
    return Row(title, sides, ratios(sides[0].values, sides[1].values), least=least)


def _growth(title: str, sizes: list[tuple[int, int]], rounds: int) -> Row:
    objective = SequenceElbo(*_parts(cell="gru"))

    def task(batch: tuple[Tensor, Tensor]) -> object:
        return lambda: fit(objective, [batch], epochs=1, progress=False)

    tasks = {
        f"{sequences} sequences of {steps} time steps": task(_batch(sequences, steps, steps))
        for sequences, steps in sizes
    }
    for each in tasks.values():
        each()
    seconds = interleaved(tasks, rounds)
    return Row(
        title, [Side(name, [1000 * value for value in values], "ms a step") for name, values in seconds.items()], []
    )


def _parts(**options: object) -> tuple:
    return deep_markov_model(KEYS, latent=LATENT, rnn=HIDDEN, **options)


def _batch(sequences: int, longest: int, shortest: int) -> tuple[Tensor, Tensor]:
    lengths = (
        torch.linspace(shortest, longest, sequences).long() if shortest < longest else torch.full((sequences,), longest)
    )
    return (torch.rand(sequences, longest, KEYS) < 4 / KEYS).float(), lengths

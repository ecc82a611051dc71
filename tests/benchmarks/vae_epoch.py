"""A training epoch of the VAE, ours and Pyro's, and a bare pass over the data."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from helpers.data import Batches
from helpers.models import AnalyticKlElbo, Elbo
from helpers.reproduce.vae import BATCH, HIDDEN, LATENT, build
from helpers.training import fit
from tests.benchmarks.interleaved import interleaved
from tests.benchmarks.matmul import Peak, training_multiply_adds
from tests.benchmarks.mnist import resident_images, torchvision_mnist
from tests.benchmarks.pyro_vae import PyroVAE, PyroVAEOnLogits
from tests.benchmarks.report import Row, Side, ratios
from tests.benchmarks.where_time_goes import where_time_goes


def rows(rounds: int) -> list[Row]:
    torch.manual_seed(0)
    images, name = resident_images()
    resident = Batches(images, batch_size=BATCH)
    ours, analytic = Elbo(*build()), AnalyticKlElbo(*build())
    theirs, on_logits = PyroVAE(LATENT, HIDDEN), PyroVAEOnLogits(LATENT, HIDDEN)
    peak, peaks = Peak(), []
    print(
        f"VAE 784-400-50, batch {BATCH}, {len(images):,} images of {name}, float32, {torch.get_num_threads()} threads; "
        f"{rounds} rounds, interleaved; median (lowest to highest)\n",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as folder:
        items = torchvision_mnist(Path(folder))
        tasks = {
            "peak": lambda: peaks.append(peak.measure()),
            "ours": lambda: fit(ours, resident, epochs=1, progress=False),
            "pyro resident": lambda: theirs.train_epoch(resident),
            "pyro on logits": lambda: on_logits.train_epoch(resident),
            "ours, analytic KL": lambda: fit(analytic, resident, epochs=1, progress=False),
            "pyro loader 1": lambda: theirs.train_epoch(_without_labels(_loader(items, num_workers=1))),
            "pyro loader 0": lambda: theirs.train_epoch(_without_labels(_loader(items, num_workers=0))),
            "pass": lambda: _exhaust(resident),
        }
        for name in ("ours", "ours, analytic KL", "pyro resident", "pyro on logits", "peak"):  # the first call is slow
            tasks[name]()
        peaks.clear()
        seconds = interleaved(tasks, rounds)
    workers = min((0, 1), key=lambda n: statistics.median(seconds[f"pyro loader {n}"]))  # the better for Pyro
    loader, epoch = seconds[f"pyro loader {workers}"], seconds["ours"]
    ours_side = Side("ours: fit, Elbo, Batches of resident tensors, check of every batch, NaN guard", epoch)
    multiply_adds = training_multiply_adds(ours.model, ours.guide) * len(images)

    def share(times: list[float]) -> list[float]:
        return [100 * multiply_adds / (rate * time) for rate, time in zip(peaks, times, strict=True)]

    first = Row(
        "1. Training epoch, data included",
        [
            *(
                Side(f"Pyro: Trace_ELBO, DataLoader(MNIST, ToTensor), num_workers={n}", seconds[f"pyro loader {n}"])
                for n in (1, 0)
            ),
            ours_side,
        ],
        ratios(loader, epoch),
        least=4,
        notes=[f"the ratio is to Pyro's better, num_workers={workers}"],
    )
    second = Row(
        "2. Training epoch, the same resident tensors and batches for both",
        [
            Side("Pyro: Trace_ELBO", seconds["pyro resident"]),
            Side(
                "for information: Pyro without the tutorial's detour from logits to probabilities",
                seconds["pyro on logits"],
            ),
            ours_side,
        ],
        ratios(seconds["pyro resident"], epoch),
        least=1.5,
    )
    third = Row(
        "3. Training epoch, against the matrix-multiply peak",
        [
            Side("peak: the best of torch.mm in this round", [rate / 1e9 for rate in peaks], "G mult-adds/s"),
            Side(
                f"an epoch's {multiply_adds / 1e9:.1f} G multiply-adds at that peak",
                [multiply_adds / rate for rate in peaks],
            ),
            ours_side,
            Side("for information: AnalyticKlElbo, share of the peak", share(seconds["ours, analytic KL"]), "%"),
        ],
        share(epoch),
        "%",
        least=75,
        notes=[
            "where a step's time goes:",
            *where_time_goes(
                tasks["ours"],
                steps=len(resident),
                step_seconds=statistics.median(epoch) / len(resident),
                peak_seconds=multiply_adds / statistics.median(peaks) / len(resident),
            ),
        ],
    )
    fourth = Row(
        f"4. One pass over {len(images):,} resident images in shuffled batches of {BATCH}",
        [Side("for batch in Batches(...)", seconds["pass"])],
        seconds["pass"],
        "s",
        most=0.05,
    )
    return [first, second, third, fourth]


def _loader(items, num_workers: int) -> DataLoader:
    return DataLoader(items, batch_size=BATCH, shuffle=True, num_workers=num_workers)


def _without_labels(batches: Iterable[tuple[Tensor, Tensor]]) -> Iterator[Tensor]:
    return (x for x, _ in batches)


def _exhaust(batches: Iterable[Tensor]) -> None:
    for _ in batches:
        pass

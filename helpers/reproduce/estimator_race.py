"""Every estimator on one sigmoid belief network, 200 bits, linear, under one budget: six evaluations of f per image and step.

Data, initialisation, optimiser, schedule and seed are the same for all; only the estimator differs. What is reported is the same for all
too: the one-sample ELBO over bits on the validation part, whatever a racer's own target is.

`LocalEnumeration` needs 201 evaluations for one pivot, so the same budget gives it 6/201 of the steps. `Enumeration` would need 2^200.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from helpers import settings
from helpers.data import Batches
from helpers.estimators import Estimate, ScoreFunction
from helpers.evaluation import evaluate_bound
from helpers.experiments.gradient_noise import gradient_noise, seconds_per_step
from helpers.matmul import fast_matmul
from helpers.models import AmortizedGuide, Elbo, LatentVariableModel, sigmoid_belief_network
from helpers.reproduce.options import Options, command
from helpers.reproduce.racers import BITS, COMMON, EVALUATIONS, IMAGE, RACERS, Racer
from helpers.reproduce.rows import Row, Run, with_earlier_runs, write_row
from helpers.training import History, average_terms, fit, load_weights, save_weights
from helpers.training.initialisation import initialise
from helpers.training.schedule import up_then_down

BATCH, EPOCHS, LEARNING_RATE = 100, 20, 3e-3
WAYPOINTS = (1, 5, 20)  # epochs of the leave-one-out run at whose parameters all gradients are compared


class RacedElbo(nn.Module):
    """The racer's objective in training mode; in evaluation mode the one-sample ELBO over bits, the same quantity for all."""

    def __init__(self, model: LatentVariableModel, guide: AmortizedGuide, racer: Racer) -> None:
        super().__init__()
        self.own = Elbo(model, guide, racer.build(), racer.evaluations)
        self.common = Elbo(model, guide, ScoreFunction(), 1)

    def forward(self, x: Tensor) -> Estimate:
        return (self.own if self.training else self.common)(x)


@dataclass(frozen=True)
class PartialEpoch:
    """The first `steps` of a fresh pass over `batches`: an epoch, or the part of it that a budget allows."""

    batches: Batches
    steps: int

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[Tensor]:
        return (x for x, _ in zip(self.batches, range(self.steps), strict=False))


def run_race(train_images: Tensor, valid_images: Tensor, options: Options) -> list[Row]:
    """Race all that `options` asks for; each row is written when its racer is in, and again when all have been timed."""
    wanted = [racer for racer in RACERS if options.wants(racer.name) or "race" in options.only]
    wanted.sort(key=lambda racer: racer.name != COMMON)  # stable: the others keep their order
    if not wanted:
        return []
    epochs = 1 if options.smoke else EPOCHS
    rows = {}
    for racer in wanted:
        row = _row(racer, epochs)
        if options.resume:
            with_earlier_runs(row, options.results)
        for seed in options.seeds:
            if seed not in [run.seed for run in row.runs]:
                row.with_run(_run_one(racer, seed, epochs, train_images, valid_images, options))
            write_row(row, options.results)
        rows[racer.name] = row
    _time(wanted, rows, train_images, options)
    return [rows[racer.name] for racer in RACERS if racer.name in rows]


def _row(racer: Racer, epochs: int) -> Row:
    share = (
        "" if racer.evaluations == EVALUATIONS else f", which leaves it {EVALUATIONS}/{racer.evaluations} of the steps"
    )
    return Row(
        name=racer.name,
        system=f"race: {racer.title}, SBN 200 bits, linear, static binarised MNIST",
        metric="validation bound, nats",
        published=None,
        reach=None,
        higher_is_better=True,
        source="this workbook's own comparison",
        protocol=(
            f"{racer.evaluations} evaluations of f per image and step{share}; 50,000 training images, batch {BATCH}, budget of {epochs} "
            f"epochs at {EVALUATIONS} evaluations; Adam {LEARNING_RATE:g}, warm-up and linear decay, the same for all racers; "
            "one-sample ELBO over bits on the 10,000 validation images, 10 draws an image; seconds per step: median over interleaved "
            "rounds, one thread"
        ),
        command=command(),
    )


def _start(seed: int, racer: Racer, train_images: Tensor) -> RacedElbo:
    """The same weights for every racer."""
    settings.seed_everything(seed)
    model, guide = sigmoid_belief_network((BITS,), IMAGE)
    initialise(model, guide, train_images.cpu())
    objective = RacedElbo(model, guide, racer).to(train_images.device)
    settings.seed_everything(seed)  # whatever the estimator's own parameters took
    return objective


def _common_weights(seed: int, epoch: int, options: Options) -> Path:
    return options.checkpoints / f"{COMMON}-{seed}-epoch-{epoch}.safetensors"


def _run_one(racer: Racer, seed: int, epochs: int, train_images: Tensor, valid_images: Tensor, options: Options) -> Run:
    objective = _start(seed, racer, train_images)
    model, guide = objective.own.model, objective.own.guide
    batches = Batches(train_images, batch_size=BATCH)
    leg = PartialEpoch(batches, max(1, round(len(batches) * EVALUATIONS / racer.evaluations)))
    waypoints = [epoch for epoch in WAYPOINTS if epoch <= epochs]
    optimizer = torch.optim.Adam(objective.parameters(), lr=LEARNING_RATE, fused=True)

    def after_epoch(epoch: int, history: History) -> None:
        if racer.name == COMMON and epoch in waypoints:
            both = nn.ModuleDict({"model": model, "guide": guide})
            save_weights(both, _common_weights(seed, epoch, options))
        print(
            f"{racer.name} seed {seed}   leg {epoch:3}   {history.seconds[-1]:6.0f} s   valid {history.valid['bound'][-1]:8.2f}",
            flush=True,
        )

    history = fit(
        objective,
        leg,
        epochs=epochs,
        valid=Batches(valid_images, batch_size=500, shuffle=False),
        optimizers=optimizer,
        schedulers=[up_then_down(optimizer, epochs * len(leg))],
        checkpoint=options.checkpoints / f"{racer.name}-{seed}.pt",
        resume=options.resume,
        after_epoch=after_epoch,
        progress=False,
    )
    if history.stopped:
        raise SystemExit("Stopped before the end: no row was written. Add --resume to go on.")
    result = evaluate_bound(model, guide, valid_images, num_samples=10)
    own = average_terms(objective.own, Batches(valid_images, batch_size=50, shuffle=False))["bound"]
    noise = []
    for epoch in waypoints:
        weights = _common_weights(seed, epoch, options)
        if not weights.exists():
            raise SystemExit(
                f"Gradients are compared at parameters of {COMMON}, and {weights} is missing: make that row first."
            )
        there = _start(seed, racer, train_images)
        load_weights(nn.ModuleDict({"model": there.own.model, "guide": there.own.guide}), weights)
        small = {"settle": 2, "groups": 2, "repeats": 2} if options.smoke else {}
        noise.append({"epoch": epoch} | gradient_noise(there.own, batches, train_images[:BATCH], **small))
        print(f"{racer.name} seed {seed}   {noise[-1]}", flush=True)
    x = [(i + 1) * len(leg) / len(batches) for i in range(epochs)]  # in epochs, whatever part of one a leg is
    return Run(
        seed=seed,
        value=result.elbo.mean,
        standard_error=result.elbo.standard_error,
        epochs=epochs,
        steps=history.steps,
        seconds=history.seconds[-1],
        curve={
            "train": [list(point) for point in zip(x, history.train["bound"], strict=True)],
            "valid": [list(point) for point in zip(x, history.valid["bound"], strict=True)],
        },
        details={
            "estimator": racer.title,
            "label": racer.label,
            "evaluations": racer.evaluations,
            "steps_per_epoch": len(leg),
            "unbiased": racer.unbiased,
            "target": racer.target,
            "own_target": own,
            "log_marginal_is": result.log_marginal_is.mean,
            "distortion": result.distortion.mean,
            "rate": result.rate.mean,
            "gradient_noise": noise,
        },
    )


def _time(wanted: list[Racer], rows: dict[str, Row], train_images: Tensor, options: Options) -> None:
    """Time a step of each racer, all in turns, and say in its row how long its curve took at that speed."""
    objectives = {racer.name: _start(0, racer, train_images) for racer in wanted}
    small = {"rounds": 2, "steps": 1} if options.smoke else {}
    with fast_matmul():
        seconds = seconds_per_step(objectives, Batches(train_images, batch_size=BATCH), **small)
    for racer in wanted:
        for run in rows[racer.name].runs:
            run.details["seconds_per_step"] = seconds[racer.name]
            leg_seconds = run.details["steps_per_epoch"] * seconds[racer.name]
            run.curve["valid_by_seconds"] = [
                [leg_seconds * (i + 1), bound] for i, (_, bound) in enumerate(run.curve["valid"])
            ]
        write_row(rows[racer.name], options.results)
        print(f"{racer.name}   {1000 * seconds[racer.name]:.2f} ms a step", flush=True)

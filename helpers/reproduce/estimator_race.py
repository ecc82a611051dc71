"""Every estimator on one sigmoid belief network, 200 bits, linear, under one budget: six evaluations of f per image and step.

Data, initialisation, optimiser, schedule and seed are the same for all; only the estimator differs. What is reported is the same for all
too: the one-sample ELBO over bits on the validation part, whatever a racer's own target is.

`LocalEnumeration` needs 201 evaluations for one pivot, so the same budget gives it 6/201 of the steps. `Enumeration` would need 2^200.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
from helpers.reproduce.cell import Cell, Measurement, Prepared, Sitting
from helpers.reproduce.racers import BITS, COMMON, EVALUATIONS, IMAGE, Racer
from helpers.reproduce.rows import Row, Run, update_runs
from helpers.training import History, average_terms, initialise, load_weights, save_weights, up_then_down

BATCH, EPOCHS, LEARNING_RATE = 100, 20, 3e-3
WAYPOINTS = (1, 5, 20)  # epochs of the leave-one-out run at whose parameters all gradients are compared


class RacedElbo(nn.Module):
    """The racer's objective in training mode; in evaluation mode the one-sample ELBO over bits, the same quantity for all.

    Args:
        model: p(x, z) with bits z.
        guide: q(z | x).
        racer: Whose estimator trains it.
    """

    def __init__(self, model: LatentVariableModel, guide: AmortizedGuide, racer: Racer) -> None:
        super().__init__()
        self.own = Elbo(model, guide, racer.build(), racer.evaluations)
        self.common = Elbo(model, guide, ScoreFunction(), 1)

    def forward(self, x: Tensor) -> Estimate:
        return (self.own if self.training else self.common)(x)


@dataclass(frozen=True)
class PartialEpoch:
    """The first batches of a fresh pass: an epoch, or the part of it that a budget allows.

    Attributes:
        batches: Iterated anew at each pass.
        steps: How many of them a pass has.
    """

    batches: Batches
    steps: int

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[Tensor]:
        return (x for x, _ in zip(self.batches, range(self.steps), strict=False))


class RaceCell(Cell):
    """One racer. All gradients are compared at the parameters of `COMMON`, which therefore runs first.

    Args:
        sitting: The call of `run` that it belongs to.
        racer: The estimator and its name.
        images: Loads the training and the validation images, binarised.
    """

    groups = ("race",)

    def __init__(self, sitting: Sitting, racer: Racer, images: Callable[[], tuple[Tensor, Tensor]]) -> None:
        super().__init__(sitting, racer.name, sitting.budget(full=EPOCHS, smoke=1))
        self.racer = racer
        self.images = images
        self.needs = COMMON if racer.name != COMMON else None

    def rows(self) -> list[Row]:
        evaluations = self.racer.evaluations
        share = f", which leaves it {EVALUATIONS}/{evaluations} of the steps" if evaluations != EVALUATIONS else ""
        return [
            Row.of_our_own(
                name=self.name,
                system=f"race: {self.racer.title}, SBN 200 bits, linear, static binarised MNIST",
                metric="validation bound, nats",
                protocol=(
                    f"{evaluations} evaluations of f per image and step{share}; 50,000 training images, batch {BATCH}, budget of "
                    f"{self.epochs} epochs at {EVALUATIONS} evaluations; Adam {LEARNING_RATE:g}, warm-up and linear decay, the same for "
                    "all racers; one-sample ELBO over bits on the 10,000 validation images, 10 draws an image; seconds per step: "
                    "median over interleaved rounds, one thread"
                ),
            )
        ]

    def start(self, seed: int) -> RacedElbo:
        """The untrained objective: the same weights for every racer.

        Args:
            seed: Of this run.

        Returns:
            The objective, on the sitting's device.
        """
        train_images, _ = self.images()
        settings.seed_everything(seed)
        model, guide = sigmoid_belief_network((BITS,), IMAGE)
        initialise(model, guide, train_images.cpu())
        objective = RacedElbo(model, guide, self.racer).to(train_images.device)
        settings.seed_everything(seed)  # whatever the estimator's own parameters drew
        return objective

    def partial_epoch(self) -> PartialEpoch:
        """The batches between two waypoints: the part of an epoch that the budget allows."""
        batches = Batches(self.images()[0], batch_size=BATCH)
        return PartialEpoch(batches, max(1, round(len(batches) * EVALUATIONS / self.racer.evaluations)))

    def prepare(self, seed: int) -> Prepared:
        objective, batches = self.start(seed), self.partial_epoch()
        optimizer = torch.optim.Adam(objective.parameters(), lr=LEARNING_RATE, fused=True)
        schedule = up_then_down(optimizer, self.epochs * len(batches))
        valid = Batches(self.images()[1], batch_size=500, shuffle=False)
        return Prepared(objective, batches, optimizer, [schedule], valid=valid)

    def compared_at(self) -> list[int]:
        """Epochs of `COMMON` at whose parameters the gradients are compared."""
        return [epoch for epoch in WAYPOINTS if epoch <= self.epochs]

    def after_epoch(self, epoch: int, prepared: Prepared, seed: int) -> None:
        if self.name == COMMON and epoch in self.compared_at():
            save_weights(_both(prepared.objective), self._common_weights(seed, epoch))

    def curve(self, history: History) -> dict[str, list[list[float]]]:
        batches = self.partial_epoch()
        share = len(batches) / len(
            batches.batches
        )  # so that the curve is over epochs, whatever part of one a racer may use
        return {
            name: [[(i + 1) * share, bound] for i, bound in enumerate(record["bound"])]
            for name, record in (("train", history.train), ("valid", history.valid))
        }

    def measure(self, prepared: Prepared, history: History, seed: int) -> dict[str, Measurement]:
        objective, (train_images, valid_images) = prepared.objective, self.images()
        result = evaluate_bound(objective.own.model, objective.own.guide, valid_images, num_samples=10)
        own = average_terms(objective.own, Batches(valid_images, batch_size=50, shuffle=False))["bound"]
        batches, noise = self.partial_epoch(), []
        few = self.sitting.budget(full={}, smoke={"settle": 2, "groups": 2, "repeats": 2})
        for epoch in self.compared_at():
            weights = self._common_weights(seed, epoch)
            if not weights.exists():
                raise SystemExit(
                    f"Gradients are compared at parameters of {COMMON}, and {weights} is missing: make that row first."
                )
            there = self.start(seed)
            load_weights(_both(there), weights)
            noise.append({"epoch": epoch} | gradient_noise(there.own, batches.batches, train_images[:BATCH], **few))
        details = {
            "estimator": self.racer.title,
            "label": self.racer.label,
            "evaluations": self.racer.evaluations,
            "steps_per_epoch": len(batches),
            "unbiased": self.racer.unbiased,
            "target": self.racer.target,
            "own_target": own,
            "log_marginal_is": result.log_marginal_is.mean,
            "distortion": result.distortion.mean,
            "rate": result.rate.mean,
            "gradient_noise": noise,
        }
        return {self.name: Measurement(result.elbo.mean, result.elbo.standard_error, details)}

    def _common_weights(self, seed: int, epoch: int) -> Path:
        return self.sitting.checkpoint(f"{COMMON}-{seed}-epoch-{epoch}.safetensors")


def _both(objective: RacedElbo) -> nn.ModuleDict:
    return nn.ModuleDict({"model": objective.own.model, "guide": objective.own.guide})


def time_racers(cells: list[RaceCell], sitting: Sitting) -> None:
    """Time a step of each racer, all in turns, and say in the runs of their rows how long their curves took at that speed.

    Args:
        cells: The racers of this sitting; nothing happens without any.
        sitting: This call of `run`.
    """
    if not cells:
        return
    objectives = {cell.name: cell.start(0) for cell in cells}
    few = sitting.budget(full={}, smoke={"rounds": 2, "steps": 1})
    with fast_matmul():
        seconds = seconds_per_step(objectives, Batches(cells[0].images()[0], batch_size=BATCH), **few)
    for cell in cells:

        def say(run: Run, price: float = seconds[cell.name]) -> None:
            run.details["seconds_per_step"] = price
            of_epoch = run.details["steps_per_epoch"] * price
            run.curve["valid_by_seconds"] = [
                [of_epoch * (i + 1), bound] for i, (_, bound) in enumerate(run.curve["valid"])
            ]

        update_runs(cell.name, sitting.options.results, say)
        print(f"{cell.name}   {1000 * seconds[cell.name]:.2f} ms a step", flush=True)

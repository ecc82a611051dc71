"""One cell of a table: a bound trained on dynamically binarised FashionMNIST, and all that is measured of it at the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from helpers import settings
from helpers.data import Batches, binarise_dynamically, load_images
from helpers.evaluation import BoundEvaluation, active_units, component_use, evaluate_bound
from helpers.experiments.gradient_noise import seconds_per_step
from helpers.matmul import fast_matmul
from helpers.models import Elbo
from helpers.networks import FeedForward, count_parameters
from helpers.reproduce.cell import Cell, Measurement, Prepared, Sitting
from helpers.reproduce.rows import Row, Run, update_runs
from helpers.training import History, LinearWeight, initialise, up_then_down

IMAGE, LATENT, EVALUATIONS = (1, 28, 28), 40, 4
NETWORK = FeedForward((200, 200), torch.nn.ReLU)
BATCH, LEARNING_RATE, DRAWS = 100, 4e-3, 200
ARCHITECTURE = f"{LATENT} latents, 200-200 ReLU, dynamically binarised FashionMNIST"


@dataclass(frozen=True)
class Fashion:
    """The images of all cells.

    Attributes:
        train: Grey, [images, 1, 28, 28] in [0, 1], to be binarised in each batch.
        valid: Binarised once.
        test: Binarised once.
    """

    train: Tensor
    valid: Tensor
    test: Tensor

    @classmethod
    def load(cls, smoke: bool) -> Fashion:
        """Load the images; the binarisation is the same at every call.

        Args:
            smoke: Load 300 packaged digits of each split in place of FashionMNIST's 50,000, 10,000 and 10,000 images.

        Returns:
            Images on the device of the settings.
        """
        data = load_images("digits", size=IMAGE[-1]) if smoke else load_images("fashion_mnist")
        settings.seed_everything(0)
        last = 300 if smoke else None
        train, valid, test = (
            split.images[:last].to(settings.device()) for split in (data.train, data.valid, data.test)
        )
        return cls(train, binarise_dynamically(valid), binarise_dynamically(test))

    def batches(self) -> Batches:
        """Training batches, binarised in each batch."""
        return Batches(self.train, batch_size=BATCH, transform=binarise_dynamically)


class FashionCell(Cell):
    """A bound with its prior, guide and gradient estimator.

    Args:
        sitting: The call of `run` that it belongs to.
        name: Of the cell and of its row.
        build: Grey training images → the bound to train, untrained; the same for the same random state.
        epochs: Passes over the training images.
        system: What is trained, in words.
        schedules: How learning rate and rate weight change, and how both were chosen, in words.
        details: What its runs say of it besides what is measured.
        warm_up: Share of the steps in which the rate's weight rises from 0 to 1, or 0.
    """

    def __init__(
        self,
        sitting: Sitting,
        name: str,
        build: Callable[[Tensor], Elbo],
        epochs: int,
        system: str,
        schedules: str,
        details: dict[str, Any],
        warm_up: float = 0.0,
    ) -> None:
        super().__init__(sitting, name, epochs)
        self.build = build
        self.system = system
        self.schedules = schedules
        self.details = details
        self.warm_up = warm_up

    @property
    def data(self) -> Fashion:
        """The images, loaded once for all cells."""
        return self.sitting.once("fashion", lambda: Fashion.load(self.sitting.options.smoke))

    def rows(self) -> list[Row]:
        return [
            Row.of_our_own(
                name=self.name,
                system=f"{self.system}, {ARCHITECTURE}",
                metric="test bound, nats",
                protocol=(
                    f"50,000 training images, binarised afresh in each batch of {BATCH}, {self.epochs} epochs, {EVALUATIONS} evaluations "
                    f"of f per image and step; Adam {LEARNING_RATE:g}, warm-up and linear decay, {self.schedules}; final parameters; "
                    f"{DRAWS} draws an image, 10,000 test images binarised once, the first 2,000 of them for units and components; "
                    "seconds per step: median over interleaved rounds"
                ),
            )
        ]

    def waypoints(self) -> set[int]:
        return set(range(1, self.epochs + 1))

    def start(self, seed: int) -> Elbo:
        """The bound before its first step.

        Args:
            seed: Of this run.

        Returns:
            The bound, on the device of the images.
        """
        train = self.data.train
        settings.seed_everything(seed)
        objective = self.build(train.cpu())
        initialise(objective.model, objective.guide, train.cpu())
        for network in getattr(
            objective.guide.conditional, "layer_networks", ()
        ):  # a flow starts as the Gaussian below it
            nn.init.zeros_([layer for layer in network.modules() if isinstance(layer, nn.Linear)][-1].weight)
        return objective.to(train.device)

    def prepare(self, seed: int) -> Prepared:
        objective, batches = self.start(seed), self.data.batches()
        num_steps = self.epochs * len(batches)
        optimizer = torch.optim.Adam(objective.parameters(), lr=LEARNING_RATE, fused=True)
        schedulers: list[Any] = [up_then_down(optimizer, num_steps)]
        if self.warm_up:
            # A unit of z that carries no information yet costs rate and reduces no distortion: early in training the bound switches
            # units off, and most never come back. A rate that counts little at first gives them time (Bowman et al. 2016).
            schedulers.append(LinearWeight(objective, "rate_weight", 0.0, 1.0, max(1, round(self.warm_up * num_steps))))
        valid = Batches(self.data.valid[:2000], batch_size=500, shuffle=False)  # enough for a curve
        return Prepared(objective, batches, optimizer, schedulers, valid=valid)

    def at_waypoint(self, epoch: int, prepared: Prepared, history: History) -> dict[str, float]:
        return {
            name: _whole_bounds(record)[-1] for name, record in (("train", history.train), ("valid", history.valid))
        }

    def curve(self, history: History) -> dict[str, list[list[float]]]:
        return {
            name: [[epoch + 1, value] for epoch, value in enumerate(_whole_bounds(record))]
            for name, record in (("train", history.train), ("valid", history.valid))
        }

    def measure(self, prepared: Prepared, history: History, seed: int) -> dict[str, Measurement]:
        objective, data = prepared.objective, self.data
        draws = self.sitting.budget(full=DRAWS, smoke=10)

        def bound(images: Tensor, num_samples: int) -> BoundEvaluation:
            return evaluate_bound(objective.model, objective.guide, images, num_samples, max_evaluations=2000)

        result = bound(data.test, draws)
        units = active_units(objective.guide, data.test[:2000], max_evaluations=2000)
        details = {
            **self.details,
            "estimator": type(objective.estimator).__name__,
            "evaluations": EVALUATIONS,
            "samples": draws,
            "bound": result.elbo.mean,
            "log_marginal_is": result.log_marginal_is.mean,
            "log_marginal_is_standard_error": result.log_marginal_is.standard_error,
            "rate": result.rate.mean,
            "distortion": result.distortion.mean,
            "active_units": units.count,
            "latent": LATENT,
            **component_use(objective.guide, data.test[:2000]),
            "parameters": count_parameters(objective),
            "train_bound": bound(binarise_dynamically(data.train[:10_000]), 10).elbo.mean,
            "valid_bound": bound(data.valid, 10).elbo.mean,
        }
        return {self.name: Measurement(result.elbo.mean, result.elbo.standard_error, details)}


def _whole_bounds(record: dict[str, list[float]]) -> list[float]:
    """The bound after each epoch, with the whole rate, whatever its weight was."""
    return [-distortion - rate for distortion, rate in zip(record["distortion"], record["rate"], strict=True)]


def time_steps(cells: Sequence[FashionCell], sitting: Sitting) -> None:
    """Time a training step of each cell, all in turns, and write it into every run of its row: details["seconds_per_step"].

    Args:
        cells: Cells of this sitting; nothing happens without any.
        sitting: This call of `run`.
    """
    if not cells:
        return
    objectives = {cell.name: cell.start(0) for cell in cells}
    few = sitting.budget(full={}, smoke={"rounds": 2, "steps": 1})
    with fast_matmul():
        seconds = seconds_per_step(objectives, cells[0].data.batches(), **few)
    for cell in cells:

        def say(run: Run, price: float = seconds[cell.name]) -> None:
            run.details["seconds_per_step"] = price

        update_runs(cell.name, sitting.options.results, say)
        print(f"{cell.name}   {1000 * seconds[cell.name]:.2f} ms a step", flush=True)

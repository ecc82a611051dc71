"""Sigmoid belief networks, linear, 200 bits a layer, on static binarised MNIST; and every estimator raced on the one with one layer.

Published: test NLL bounds 113.1 (one layer), 99.8 (two) and 96.7 (three), by NVIL (Mnih, Gregor 2014); best bounds on the training part
-112.5, -111.6, -111.2 (one layer: NVIL, REBAR, RELAX) and -99.6, -98.2, -98.0 (two), by Grathwohl et al. 2018.
Ours differs in what those protocols leave free: estimator, initialisation, AdamW with weight decay on the weight matrices, and a learning
rate that rises over the first twentieth of the steps, then falls to zero linearly. Weight decay and schedule were chosen by
the bound on the last 5,000 training images, after training on the other 45,000. With one layer the peak was 1e-2 from the start: a
first trial had also had 3e-3, whose train and validation bounds were both worse. With two it is 2e-2, of 5e-3, 1e-2, 2e-2 and 4e-2 the
best after 20 epochs on the images set aside.

A training gives two rows, NAME (held-out bound) and NAME-train, where both were published; `--only race` makes the rows of the race.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from helpers import settings
from helpers.data import Batches, binarise_by_threshold, load_images
from helpers.estimators import DisArm, GradientEstimator, LeaveOneOut
from helpers.evaluation import evaluate_bound
from helpers.models import AmortizedGuide, LatentVariableModel, LayeredElbo, sigmoid_belief_network
from helpers.reproduce.cell import Cell, Experiment, Measurement, Prepared, Sitting
from helpers.reproduce.estimator_race import RaceCell, time_racers
from helpers.reproduce.racers import RACERS
from helpers.reproduce.rows import Row
from helpers.training import History, initialise, up_then_down

IMAGE, BATCH = (1, 28, 28), 100


@dataclass(frozen=True)
class System:
    """The settings of one training, which gives two rows.

    Attributes:
        name: Of the cell, and of the row with the held-out bound.
        sizes: Bits of each layer, from the data upwards.
        estimator: Makes the estimator of a layer.
        num_samples: Evaluations of each layer's costs, per sample of the layer below.
        epochs: Passes over the training images.
        learning_rate: Peak of AdamW's.
        weight_decay: On weight matrices.
        published: Held-out NLL bound, and train bound or None if none was published; nats.
        reach: To reach for in the train bound, or None.
        others: Train bounds published beside it, in words.
        chosen: How the settings were chosen, in words.
    """

    name: str
    sizes: tuple[int, ...]
    estimator: Callable[[], GradientEstimator]
    num_samples: tuple[int, ...]
    epochs: int
    learning_rate: float
    weight_decay: float
    published: tuple[float, float | None]
    reach: float | None
    others: str
    chosen: str

    @property
    def estimator_name(self) -> str:
        """The estimator's class, as code."""
        return self.estimator.__name__


SET_ASIDE = "5,000 training images set aside"
ONE = {
    "published": (113.1, -111.2),
    "reach": -111.0,
    "others": "NVIL -112.5, REBAR -111.6, RELAX -111.2",
    "chosen": f"the latter two chosen on {SET_ASIDE}, the peak in a trial that showed the validation part too",
}
TWO = {
    "published": (99.8, -98.0),
    "reach": -97.8,
    "others": "NVIL -99.6, REBAR -98.2, RELAX -98.0",
    "chosen": f"all chosen on {SET_ASIDE}",
}
THREE = {
    "published": (96.7, None),
    "reach": None,
    "others": "none",
    "chosen": f"as for two layers, chosen there on {SET_ASIDE}",
}
SYSTEMS = (
    System("sbn-200-disarm", (200,), DisArm, (4,), 300, 1e-2, 0.03, **ONE),
    System("sbn-200-leave-one-out", (200,), LeaveOneOut, (4,), 300, 1e-2, 0.03, **ONE),
    System("sbn-200-200", (200, 200), DisArm, (2, 2), 400, 2e-2, 0.03, **TWO),
    System("sbn-200-200-200", (200, 200, 200), DisArm, (2, 2, 2), 300, 2e-2, 0.03, **THREE),
)


@dataclass(frozen=True)
class BinaryImages:
    """Statically binarised images on the device.

    Attributes:
        train: [images, 1, 28, 28], pixels 0 or 1.
        valid: The validation part.
        held_out: The test part if it is at hand, else the validation part.
        part: Which of the two `held_out` is: "test" or "validation".
    """

    train: Tensor
    valid: Tensor
    held_out: Tensor
    part: str


class SbnCell(Cell):
    """One of `SYSTEMS`: the rows NAME (held-out bound) and NAME-train, if a train bound was published.

    Args:
        sitting: The call of `run` that it belongs to.
        system: Its settings.
    """

    def __init__(self, sitting: Sitting, system: System) -> None:
        super().__init__(sitting, system.name, sitting.budget(full=system.epochs, smoke=1))
        self.system = system

    def rows(self) -> list[Row]:
        system, part = self.system, binary_images(self.sitting).part
        about = f"SBN {'-'.join(map(str, system.sizes))} bits, linear, {system.estimator_name}, static binarised MNIST"
        protocol = (
            f"50,000 training images, batch {BATCH}, {self.epochs} epochs, evaluations of f per image and step {system.num_samples}; "
            f"AdamW {system.learning_rate:g}, warm-up and linear decay, weight decay {system.weight_decay:g}, {system.chosen}; final "
            "parameters"
        )
        held_out = Row(
            name=system.name,
            system=about,
            metric=f"{part} NLL bound, nats",
            published=system.published[0],
            reach=system.published[0],
            higher_is_better=False,
            source="Mnih, Gregor 2014, NVIL, test NLL bound",
            protocol=f"{protocol}; 50 draws an image, 10,000 {part} images",
        )
        train = Row(
            name=f"{system.name}-train",
            system=about,
            metric="train bound, nats",
            published=system.published[1],
            reach=system.reach,
            higher_is_better=True,
            source=f"Grathwohl et al. 2018, best train bound: {system.others}",
            protocol=f"{protocol}, where the source reports the best of its training; 10 draws an image, all training images",
        )
        return [row for row in (held_out, train) if row.published is not None]

    def prepare(self, seed: int) -> Prepared:
        images, system = binary_images(self.sitting), self.system
        settings.seed_everything(seed)
        model, guide = sigmoid_belief_network(system.sizes, IMAGE)
        initialise(model, guide, images.train.cpu())
        estimators = [system.estimator() for _ in system.sizes]
        objective = LayeredElbo(model, guide, estimators, system.num_samples).to(self.sitting.device)
        batches = Batches(images.train, batch_size=BATCH)
        optimizer = adamw(objective, system.learning_rate, system.weight_decay)
        schedule = up_then_down(optimizer, self.epochs * len(batches))
        held_out = Batches(images.held_out, batch_size=1000, shuffle=False)  # for the curve alone
        return Prepared(objective, batches, optimizer, [schedule], valid=held_out)

    def measure(self, prepared: Prepared, history: History, seed: int) -> dict[str, Measurement]:
        model, guide, images = prepared.objective.model, prepared.objective.guide, binary_images(self.sitting)
        on_train = evaluate_bound(model, guide, images.train, num_samples=10)
        on_held_out = evaluate_bound(model, guide, images.held_out, num_samples=50)
        measured = {}
        for name, sign, result, evaluated in (
            (self.name, -1, on_held_out, images.held_out),
            (f"{self.name}-train", 1, on_train, images.train),
        ):
            details = {
                "estimator": self.system.estimator_name,
                "evaluations": list(self.system.num_samples),
                "train_bound": on_train.elbo.mean,
                "valid_bound": on_held_out.elbo.mean,
                "log_marginal_is": result.log_marginal_is.mean,
                "distortion": result.distortion.mean,
                "rate": result.rate.mean,
                "standard_error_of_draws": _error_of_draws(model, guide, evaluated, result.num_samples),
            }
            measured[name] = Measurement(sign * result.elbo.mean, result.elbo.standard_error, details)
        return measured


def binary_images(sitting: Sitting) -> BinaryImages:
    """The images of all cells: static binarised MNIST, or 300 digits and 300 more with `--smoke`.

    Args:
        sitting: The call of `run` for which they are loaded once.

    Returns:
        Images on the sitting's device.
    """

    def load() -> BinaryImages:
        if sitting.options.smoke:
            data = load_images("digits", size=IMAGE[-1])
            parts = (binarise_by_threshold(split.images[:300]) for split in (data.train, data.valid))
            train, valid = (images.to(sitting.device) for images in parts)
            return BinaryImages(train, valid, valid, "validation")
        data = load_images("binarized_mnist")
        train, valid = (split.images.to(sitting.device) for split in (data.train, data.valid))
        if data.test is None:
            return BinaryImages(train, valid, valid, "validation")
        return BinaryImages(train, valid, data.test.images.to(sitting.device), "test")

    return sitting.once("binary images", load)


def adamw(objective: nn.Module, learning_rate: float, weight_decay: float) -> torch.optim.AdamW:
    """AdamW with weight decay on weight matrices, and none on biases and on the prior's logits.

    Args:
        objective: Whose parameters are trained.
        learning_rate: At first.
        weight_decay: On matrices.

    Returns:
        The optimiser.
    """
    matrices = [parameter for parameter in objective.parameters() if parameter.ndim == 2]
    others = [parameter for parameter in objective.parameters() if parameter.ndim != 2]
    groups = [{"params": matrices, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=learning_rate, fused=True)


@torch.no_grad()
def _error_of_draws(model: LatentVariableModel, guide: AmortizedGuide, images: Tensor, num_samples: int) -> float:
    """The part of the bound's standard error that comes of drawing z, in nats: from the spread over 20 draws, for 500 images."""
    some = images[:500]
    q = guide(some)
    z = q.sample((20,))  # [draws, images, bits]
    log_weight = model.log_joint(some, z) - q.log_prob(z)
    return (log_weight.var(0).mean() / (num_samples * len(images))).sqrt().item()


class Nvil(Experiment):
    """The sigmoid belief networks, then the race of the estimators."""

    name = "nvil"

    def cells(self, sitting: Sitting) -> list[Cell]:
        def images() -> tuple[Tensor, Tensor]:
            found = binary_images(sitting)
            return found.train, found.valid

        return [
            *(SbnCell(sitting, system) for system in SYSTEMS),
            *(RaceCell(sitting, racer, images) for racer in RACERS),
        ]

    def after_all(self, cells: list[Cell], sitting: Sitting) -> None:
        time_racers([cell for cell in cells if isinstance(cell, RaceCell)], sitting)


EXPERIMENT = Nvil()

"""The cells of `reproduce ssvae` that are trained as we do: how a variant with a number of labels is built, trained and measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from helpers import settings
from helpers.data import Batches, SemiSupervisedBatches, load_images, split_labelled
from helpers.distributions import BernoulliConditional, GaussianConditional
from helpers.estimators import Enumeration, ScoreFunction
from helpers.evaluation import accuracy
from helpers.models import (
    AnalyticKlSemiSupervisedElbo,
    LogLikelihood,
    SemiSupervisedGuide,
    SemiSupervisedVAE,
    semi_supervised_vae,
)
from helpers.networks import FeedForward, NetworkRecipe, NoisyInput, WarpedInput
from helpers.reproduce.cell import Cell, Measurement, Prepared, Sitting, every
from helpers.reproduce.features import EPOCHS as M1_EPOCHS
from helpers.reproduce.features import WarpedFeatures, mean_features, train_features
from helpers.reproduce.rows import Row
from helpers.reproduce.ssvae_settings import (
    BASELINE_STEPS,
    BATCH,
    CLASSES,
    FEATURES,
    HIDDEN,
    IMAGE,
    LABELLED_BATCH,
    LATENT,
    LEARNING_RATE,
    PIXELS,
    PUBLISHED,
    PYRO,
    PYRO_VARIANTS,
    REACH,
    SHIPPED_CELL,
    WARP,
    WEIGHTS_FILE,
    Recipe,
    protocol,
    row_name,
    words_of,
)
from helpers.training import (
    History,
    LinearWeight,
    initialise_layers,
    save_half_precision,
    up_then_down,
)


@dataclass(frozen=True)
class TrainingData:
    """What a cell trains on.

    Attributes:
        train: Images.
        train_labels: int64 [images].
        test: Images, or features of images.
        test_labels: int64 [test].
        draw: Makes a batch of features of a batch of images, or None if the images themselves are modelled.
        outcome_shape: Of what the semi-supervised VAE models.
        likelihood: Of what it models.
        recipe: How it is trained.
    """

    train: Tensor
    train_labels: Tensor
    test: Tensor
    test_labels: Tensor
    draw: Callable[[Tensor], Tensor] | None
    outcome_shape: tuple[int, ...]
    likelihood: type[BernoulliConditional | GaussianConditional]
    recipe: Recipe


def build(
    outcome_shape: tuple[int, ...] = IMAGE,
    likelihood: type[BernoulliConditional | GaussianConditional] = BernoulliConditional,
    recipe: Recipe = PIXELS,
) -> tuple[SemiSupervisedVAE, SemiSupervisedGuide]:
    """Untrained model and guide, in the sizes of the rows. The classifier warps what it reads if that is an image.

    Args:
        outcome_shape: Of what is modelled: an image, or a vector of features.
        likelihood: Class of p(x | y, z).
        recipe: Says how much noise the classifier's input gets.

    Returns:
        Model and guide.
    """
    classifier: NetworkRecipe = NoisyInput(_layers((HIDDEN,)), recipe.noise)
    if len(outcome_shape) == len(IMAGE):
        classifier = WarpedInput(classifier, WARP.max_rotation, WARP.max_scaling, WARP.max_shear, WARP.max_translation)
    return semi_supervised_vae(outcome_shape, CLASSES, likelihood, LATENT, (HIDDEN,), _layers, classifier)


class SemiSupervisedCell(Cell):
    """A variant with a number of labels. A seed is a split: which images have labels.

    Args:
        sitting: The call of `run` that it belongs to.
        variant: One of `VARIANTS`.
        labels: Labels in all, equally many of each class.
    """

    def __init__(self, sitting: Sitting, variant: str, labels: int) -> None:
        self.variant, self.labels = variant, labels
        self.recipe = FEATURES if variant == "m1m2" else PIXELS
        super().__init__(sitting, row_name(variant, labels), sitting.budget(full=self._full_epochs(), smoke=1))
        self.ships = WEIGHTS_FILE if self.name == SHIPPED_CELL else None

    @property
    def arguments(self) -> str:
        return f"--variants {self.variant} --labels {self.labels}"

    def rows(self) -> list[Row]:
        return [
            Row(
                name=self.name,
                system=f"SS-VAE, {self.labels:,} labels, {words_of(self.variant)}",
                metric="test accuracy",
                published=PUBLISHED[self.variant.removeprefix(PYRO)].get(self.labels),
                reach=REACH.get(self.labels) if self.variant == "classifier-loss" else None,
                higher_is_better=True,
                source="Kingma et al. 2014, table 1"
                if self.variant == "m1m2"
                else "Pyro talk and tutorial, five splits",
                protocol=protocol(self.variant),
            )
        ]

    def waypoints(self) -> set[int]:
        return every(self.epochs, 15)

    def prepare(self, seed: int) -> Prepared:
        data, recipe = self._data(), self.recipe
        settings.seed_everything(seed)
        labelled, unlabelled = split_labelled(data.train_labels, self.labels, seed=seed, num_classes=CLASSES)
        images, labels = data.train[labelled], data.train_labels[labelled]
        model, guide = build(data.outcome_shape, data.likelihood, recipe)
        if self.variant != "m1m2":
            style = guide.style
            others = (style.label_half, style.above)
            initialise_layers(model.likelihood, (guide.classifier, style.image_half), data.train.cpu(), others)
        if self.variant == "baseline":
            objective: nn.Module = LogLikelihood(guide.classifier)
            batches: Any = Batches(images, labels, batch_size=min(LABELLED_BATCH, self.labels))
        else:
            batches = SemiSupervisedBatches(
                images,
                labels,
                data.train[unlabelled],
                num_classes=CLASSES,
                batch_size=BATCH,
                labelled_batch_size=LABELLED_BATCH,
                transform=data.draw,
            )
            objective = AnalyticKlSemiSupervisedElbo(
                model,
                guide,
                ScoreFunction() if self.variant == "sampled" else Enumeration(),
                labelled_share=batches.labelled_share,
                classifier_weight=recipe.classifier_weight if self.variant not in ("sampled", "enumerated") else 0.0,
            )
        objective.to(self.sitting.device)
        steps = self.epochs * len(batches)
        optimizer = torch.optim.Adam(objective.parameters(), lr=LEARNING_RATE, fused=True)
        schedulers: list[Any] = [up_then_down(optimizer, steps)]
        if self.variant != "baseline":
            schedulers.append(LinearWeight(objective, "style_rate_weight", recipe.rate_weight, 1.0, max(1, steps // 2)))
        return Prepared(objective, batches, optimizer, schedulers)

    def at_waypoint(self, epoch: int, prepared: Prepared, history: History) -> dict[str, float]:
        data = self._data()
        return {"test": accuracy(classifier_of(prepared.objective), data.test, data.test_labels).mean}

    def measure(self, prepared: Prepared, history: History, seed: int) -> dict[str, Measurement]:
        data = self._data()
        measured = accuracy(classifier_of(prepared.objective), data.test, data.test_labels)
        last = {name: values[-1] for name, values in history.train.items()}
        details = {"variant": self.variant, "labels": self.labels, "error": 1 - measured.mean, "train": last}
        return {self.name: Measurement(measured.mean, measured.standard_error, details)}

    def ship(self, prepared: Prepared, path: Path) -> None:
        save_half_precision(path, model=prepared.objective.model, guide=prepared.objective.guide)

    def _full_epochs(self) -> int:
        if not self.variant.endswith("baseline"):
            return self.recipe.epochs
        batch = min(BATCH if self.variant in PYRO_VARIANTS else LABELLED_BATCH, self.labels)
        return BASELINE_STEPS // -(-self.labels // batch)  # steps over batches an epoch

    def _data(self) -> TrainingData:
        images = self.sitting.once("images", self._load)
        return self.sitting.once("features", lambda: self._features(images)) if self.variant == "m1m2" else images

    def _load(self) -> TrainingData:
        smoke, device = self.sitting.options.smoke, self.sitting.device
        data = load_images("digits", size=IMAGE[-1]) if smoke else load_images("mnist")
        last = 300 if smoke else None
        train, test = (
            (part.images[:last].to(device), part.labels[:last].to(device)) for part in (data.train, data.test)
        )
        return TrainingData(*train, *test, None, IMAGE, BernoulliConditional, PIXELS)

    def _features(self, images: TrainingData) -> TrainingData:
        epochs = self.sitting.budget(full=M1_EPOCHS, smoke=1)
        # Not only the cell's checkpoint: a smoke run must not leave its M1 to a real one.
        checkpoint = self.sitting.checkpoint(f"ssvae-features-{len(images.train)}-images-{epochs}-epochs.pt")
        guide = train_features(images.train, epochs, checkpoint, WARP, self.sitting.options.resume)
        test, draw = mean_features(guide, images.test), WarpedFeatures(guide, WARP)
        labels = images.train_labels
        return TrainingData(
            images.train, labels, test, images.test_labels, draw, test.shape[1:], GaussianConditional, FEATURES
        )


def classifier_of(objective: nn.Module) -> nn.Module:
    """q(y | x) of what is trained.

    Args:
        objective: Of a cell.

    Returns:
        The classifier, alone or in a guide.
    """
    return objective.classifier if isinstance(objective, LogLikelihood) else objective.guide.classifier


def _layers(hidden: tuple[int, ...]) -> FeedForward:
    return FeedForward(hidden, nn.ReLU)

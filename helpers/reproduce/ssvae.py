"""The semi-supervised VAE on MNIST: accuracy at 100, 600, 1,000 and 3,000 labels, in the three attempts of Pyro's talk, and stacked.

    python -m helpers.reproduce ssvae --labels 100,600,1000,3000 --variants sampled,enumerated,classifier-loss,baseline,m1m2 --splits 5

Published: Pyro's talk and tutorial (five splits), and Kingma et al. 2014 for M1+M2. Each cell, a variant with a number of labels and a
split, is one run in the row `ssvae-VARIANT-LABELS`, written as soon as it is there; a cell that is there is not trained again with
`--resume`.

Of 50,000 training images some have labels, equally many of each class; all others are the unlabelled ones. One set of hyperparameters for
all numbers of labels. They were chosen with a hundred labels to train on and a hundred others, of images set aside, to choose by, and
nothing on the test part. One look was wider: the warp was first tried against a thousand set-aside labels, as were less noise, a style of
weight 1 and deeper classifiers, which were not taken up; the warp was then chosen anew by a hundred.

While it trains, every classifier, alone or in a guide, reads images that are warped a little at random, with noise, or, in M1+M2, features
of such images. The published ones read them as they are. M1 is trained on warped images, too, which takes no label to judge: the
distortion of warped images set aside is 87 nats then, and 111 where it was not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from helpers import settings
from helpers.data import Batches, SemiSupervisedBatches, load_images, split_labelled
from helpers.distributions import BernoulliConditional, GaussianConditional
from helpers.estimators import Enumeration, GradientEstimator, ScoreFunction
from helpers.evaluation import accuracy
from helpers.models import (
    LogLikelihood,
    SemiSupervisedElbo,
    SemiSupervisedGuide,
    SemiSupervisedVAE,
    semi_supervised_vae,
)
from helpers.networks import FeedForward, NetworkRecipe, NoisyInput, RandomAffine, WarpedInput
from helpers.reproduce.features import EPOCHS as M1_EPOCHS
from helpers.reproduce.features import RATE_WEIGHT as M1_RATE_WEIGHT
from helpers.reproduce.features import WarpedFeatures, mean_features, train_features
from helpers.reproduce.options import Options, command
from helpers.reproduce.rows import WEIGHTS, Row, Run, with_earlier_runs, write_row
from helpers.training import History, fit, load_half_precision, save_half_precision
from helpers.training.initialisation import initialise_layers
from helpers.training.schedule import LinearWeight, up_then_down

CLASSES, IMAGE, LATENT, HIDDEN = 10, (1, 28, 28), 50, 500
BATCH, LABELLED_BATCH, LEARNING_RATE, BASELINE_STEPS = 200, 100, 3e-3, 2000


@dataclass(frozen=True)
class Recipe:
    """classifier_weight: where there is a classifier loss. rate_weight: of the style at first; 1 from half-way on.
    noise: standard deviation of what is added to the classifier's input in training."""

    epochs: int
    classifier_weight: float
    rate_weight: float
    noise: float


# On features, a style that is dear at first did harm.
PIXELS, FEATURES = Recipe(20, 3.0, 4.0, 0.4), Recipe(30, 1.0, 1.0, 0.5)
WARP = RandomAffine()  # of what a classifier reads on pixels, and of what M1 reads for M2
PUBLISHED = {
    "sampled": {100: 0.201, 600: 0.179, 1000: 0.201, 3000: 0.198},
    "enumerated": {100: 0.225, 600: 0.694, 1000: 0.756, 3000: 0.893},
    "classifier-loss": {100: 0.932, 600: 0.944, 1000: 0.949, 3000: 0.958},
    "baseline": {100: 0.771, 600: 0.872, 1000: 0.886, 3000: 0.911},
    "m1m2": {100: 0.9667, 600: 0.9741, 1000: 0.9760, 3000: 0.9782},
}
REACH = {100: 0.955, 600: 0.965, 1000: 0.970, 3000: 0.978}  # of the third attempt
WORDS = {
    "sampled": "label drawn, score function",
    "enumerated": "label summed",
    "classifier-loss": "label summed, with classifier loss",
    "baseline": "classifier alone",
    "m1m2": "M1+M2, label summed, with classifier loss",
}
LABELS, VARIANTS, PREFIX = tuple(REACH), tuple(PUBLISHED), "ssvae-"
SHIPPED, SHIPPED_CELL = WEIGHTS / "ssvae.safetensors", "ssvae-classifier-loss-600"


def accuracy_table(rows: Sequence[Row]) -> str:
    """Markdown: a line published and a line ours for each variant, a column for each number of labels; in percent.

    Ours: mean over splits ± its standard error (number of splits); a dash where there is no run.
    """
    by_name = {row.name: row for row in rows}

    def ours(cell: Cell) -> str:
        row = by_name.get(cell.name)
        if row is None or not row.runs:
            return "–"
        spread = "" if row.standard_error is None else f" ± {100 * row.standard_error:.2f}"
        return f"{100 * row.mean:.2f}{spread} ({len(row.runs)})"

    lines = [
        "| | | " + " | ".join(f"{labels:,} labels" for labels in LABELS) + " |",
        "|---|---|" + "---|" * len(LABELS),
    ]
    for variant, words in WORDS.items():
        published = " | ".join(f"{100 * PUBLISHED[variant][labels]:.4g}" for labels in LABELS)
        lines.append(f"| {words} | published | {published} |")
        lines.append("| | ours | " + " | ".join(ours(Cell(variant, labels)) for labels in LABELS) + " |")
    return "\n".join(lines)


@dataclass(frozen=True)
class Data:
    """What a cell trains on: images, and `draw`, which makes a batch of features of them where it is given.

    test: images, or features.  outcome_shape, likelihood: of what the semi-supervised VAE models.
    recipe: how it is trained.
    """

    train: Tensor
    train_labels: Tensor
    test: Tensor
    test_labels: Tensor
    draw: Callable[[Tensor], Tensor] | None
    outcome_shape: tuple[int, ...]
    likelihood: type[BernoulliConditional | GaussianConditional]
    recipe: Recipe


@dataclass(frozen=True)
class Cell:
    """A variant with a number of labels: one row, with a run for each split."""

    variant: str
    labels: int

    @property
    def name(self) -> str:
        return f"{PREFIX}{self.variant}-{self.labels}"

    @property
    def estimator(self) -> GradientEstimator:
        return ScoreFunction() if self.variant == "sampled" else Enumeration()

    @property
    def has_classifier_loss(self) -> bool:
        return self.variant not in ("sampled", "enumerated")


def build(
    outcome_shape: tuple[int, ...] = IMAGE,
    likelihood: type[BernoulliConditional | GaussianConditional] = BernoulliConditional,
    recipe: Recipe = PIXELS,
) -> tuple[SemiSupervisedVAE, SemiSupervisedGuide]:
    """Untrained model and guide, in the sizes of the rows. The classifier warps what it reads if that is an image."""
    classifier: NetworkRecipe = NoisyInput(_layers((HIDDEN,)), recipe.noise)
    if len(outcome_shape) == len(IMAGE):
        classifier = WarpedInput(classifier, WARP.max_rotation, WARP.max_scaling, WARP.max_shear, WARP.max_translation)
    return semi_supervised_vae(outcome_shape, CLASSES, likelihood, LATENT, (HIDDEN,), _layers, classifier)


def load_trained() -> tuple[SemiSupervisedVAE, SemiSupervisedGuide]:
    """Model and guide of the row ssvae-classifier-loss-600, first split, trained on MNIST."""
    model, guide = build()
    load_half_precision(SHIPPED, model=model, guide=guide)
    return model, guide


def run(options: Options) -> list[Row]:
    """Split by split, and within a split variant by variant, so that a table with one run in each cell is there early."""
    labels = options.labels or ((20,) if options.smoke else LABELS)
    cells = [Cell(variant, number) for variant in options.variants or VARIANTS for number in labels]
    images = _load(options)
    data = {"images": images}
    rows = {cell: _row(cell, options) for cell in cells}
    if options.resume:
        for row in rows.values():
            with_earlier_runs(row, options.results)
    for split in options.seeds:
        for cell, row in rows.items():
            if not options.wants(cell.name) or split in [run.seed for run in row.runs]:
                continue
            if cell.variant == "m1m2" and "features" not in data:
                data["features"] = _features(images, options)
            row.with_run(_run_cell(cell, split, data["features" if cell.variant == "m1m2" else "images"], options))
            splits = " ".join(str(run.seed) for run in row.runs)  # those of earlier sittings, too
            row.command = (
                f"python -m helpers.reproduce ssvae --variants {cell.variant} --labels {cell.labels} --seeds {splits}"
            )
            write_row(row, options.results)
    return [row for row in rows.values() if row.runs]


def _row(cell: Cell, options: Options) -> Row:
    return Row(
        name=cell.name,
        system=f"SS-VAE, {cell.labels:,} labels, {WORDS[cell.variant]}",
        metric="test accuracy",
        published=PUBLISHED[cell.variant].get(cell.labels),
        reach=REACH.get(cell.labels) if cell.variant == "classifier-loss" else None,
        higher_is_better=True,
        source="Kingma et al. 2014, table 1" if cell.variant == "m1m2" else "Pyro talk and tutorial, five splits",
        protocol=protocol(cell.variant, options.smoke),
        command=command(),
    )


def protocol(variant: str, smoke: bool = False) -> str:
    recipe = FEATURES if variant == "m1m2" else PIXELS
    most = f"(up to {WARP.max_rotation:g}°, {WARP.max_scaling:.0%} of the size, "
    most += f"a shear of {WARP.max_shear:g}, {WARP.max_translation:.0%} of the side)"
    if variant == "m1m2":
        what = f"M1 784-600-600-50 with rate weight {M1_RATE_WEIGHT:g}, {M1_EPOCHS} epochs; M2 on draws of its features; both on images "
        what += f"warped at random {most}"
        warps = ""
    else:
        what, warps = "grey images, Bernoulli", f", and before it a random warp of each image {most}"
    rate = "" if recipe.rate_weight == 1 else (
        f"the weight of the style's rate falls from {recipe.rate_weight:g} to 1 over the first half of the steps; "
    )  # fmt: skip
    return (
        f"50,000 training images, the labelled ones among them, equally many of each class; {what}; latent {LATENT}, hidden {HIDDEN} ReLU, "
        f"batch {BATCH} unlabelled beside {LABELLED_BATCH} labelled, {1 if smoke else recipe.epochs} epochs; Adam {LEARNING_RATE:g}, "
        f"warm-up and linear decay; noise of {recipe.noise:g} on the classifier's input in training{warps}; "
        f"KL of the style in closed form; classifier weight {recipe.classifier_weight:g} where there is a classifier loss; {rate}"
        "the same for all numbers of labels; 10,000 test images, final parameters"
    )


def _load(options: Options) -> Data:
    data, device, last = (
        load_images("digits", size=IMAGE[-1]) if options.smoke else load_images("mnist"),
        settings.device(),
        None,
    )
    if options.smoke:
        last = 300
    train, test = (
        (split.images[:last].to(device), split.labels[:last].to(device)) for split in (data.train, data.test)
    )
    return Data(*train, *test, None, IMAGE, BernoulliConditional, PIXELS)


def _features(images: Data, options: Options) -> Data:
    guide = train_features(images.train, 1 if options.smoke else M1_EPOCHS, options, WARP)
    test, draw = mean_features(guide, images.test), WarpedFeatures(guide, WARP)
    return Data(
        images.train, images.train_labels, test, images.test_labels, draw, test.shape[1:], GaussianConditional, FEATURES
    )


def _layers(hidden: tuple[int, ...]) -> FeedForward:
    return FeedForward(hidden, nn.ReLU)


def _run_cell(cell: Cell, split: int, data: Data, options: Options) -> Run:
    settings.seed_everything(split)
    labelled, unlabelled = split_labelled(data.train_labels, cell.labels, seed=split, num_classes=CLASSES)
    images, labels = data.train[labelled], data.train_labels[labelled]
    recipe = data.recipe
    model, guide = build(data.outcome_shape, data.likelihood, recipe)
    if cell.variant != "m1m2":
        style = guide.style
        others = (style.label_half, style.above)
        initialise_layers(model.likelihood, (guide.classifier, style.image_half), data.train.cpu(), others)
    if cell.variant == "baseline":
        objective = LogLikelihood(guide.classifier)
        batches = Batches(images, labels, batch_size=min(LABELLED_BATCH, cell.labels))
        epochs = 1 if options.smoke else BASELINE_STEPS // len(batches)
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
        objective = SemiSupervisedElbo(
            model,
            guide,
            cell.estimator,
            labelled_share=batches.labelled_share,
            classifier_weight=recipe.classifier_weight if cell.has_classifier_loss else 0.0,
            closed_form=True,
        )
        epochs = 1 if options.smoke else recipe.epochs
    objective.to(data.train.device)
    steps = epochs * len(batches)
    optimizer = torch.optim.Adam(objective.parameters(), lr=LEARNING_RATE, fused=True)
    schedulers = [up_then_down(optimizer, steps)]
    if cell.variant != "baseline":
        schedulers.append(LinearWeight(objective, "style_rate_weight", recipe.rate_weight, 1.0, max(1, steps // 2)))
    waypoints = {epoch for epoch in range(1, epochs + 1) if epoch % max(1, epochs // 15) == 0} | {epochs}

    def waypoint(epoch: int, history: History) -> None:
        if epoch in waypoints:
            right = accuracy(guide.classifier, data.test, data.test_labels).mean
            history.note("test", right)
            print(
                f"{cell.name} split {split}   epoch {epoch:4}   {history.seconds[-1]:6.0f} s   test accuracy {right:.4f}",
                flush=True,
            )

    history = fit(
        objective,
        batches,
        epochs=epochs,
        optimizers=optimizer,
        schedulers=schedulers,
        checkpoint=options.checkpoints / f"{cell.name}-{split}.pt",
        resume=options.resume,
        after_epoch=waypoint,
        progress=False,
    )
    if history.stopped:
        raise SystemExit("Stopped before the end: no row was written. Add --resume to go on.")
    measured = accuracy(guide.classifier, data.test, data.test_labels)
    if cell.name == SHIPPED_CELL and split == 0:
        save_half_precision(options.weights / SHIPPED.name, model=model, guide=guide)
    last = {name: values[-1] for name, values in history.train.items()}
    return Run(
        seed=split,
        value=measured.mean,
        standard_error=measured.standard_error,
        epochs=epochs,
        steps=history.steps,
        seconds=history.seconds[-1],
        curve=history.waypoints,
        details={"variant": cell.variant, "labels": cell.labels, "error": 1 - measured.mean, "train": last},
    )

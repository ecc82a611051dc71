"""The settings and the published values of `reproduce ssvae`: variants, numbers of labels, recipes, and the protocol in words."""

from __future__ import annotations

from dataclasses import dataclass

from helpers.networks import RandomAffine
from helpers.reproduce.features import EPOCHS as M1_EPOCHS
from helpers.reproduce.features import RATE_WEIGHT as M1_RATE_WEIGHT

CLASSES, IMAGE, LATENT, HIDDEN = 10, (1, 28, 28), 50, 500
BATCH, LABELLED_BATCH, LEARNING_RATE, BASELINE_STEPS = 200, 100, 3e-3, 2000


@dataclass(frozen=True)
class Recipe:
    """How a cell is trained.

    Attributes:
        epochs: Passes over the unlabelled images.
        classifier_weight: Of the classifier loss, if there is one.
        rate_weight: Of the style's rate at first; it falls to 1 half-way.
        noise: Standard deviation of what is added to the classifier's input in training.
    """

    epochs: int
    classifier_weight: float
    rate_weight: float
    noise: float


# On features, a rate weight above 1 did harm.
PIXELS, FEATURES = Recipe(20, 3.0, 4.0, 0.4), Recipe(30, 1.0, 1.0, 0.5)
WARP = RandomAffine()  # of what a classifier reads on pixels, and of what M1 reads for M2
PYRO = "pyro-"  # prefix of the variants under the published protocol
PYRO_EPOCHS, PYRO_LEARNING_RATE, PYRO_CLASSIFIER_WEIGHT, PYRO_SCALE = 50, 4.2e-4, 46.0, 1e-3
INTERVALS = {  # half-widths of the 95 % intervals of the published values, over five splits
    "sampled": {100: 0.0353, 600: 0.0244, 1000: 0.0295, 3000: 0.0522},
    "enumerated": {100: 0.0346, 600: 0.0345, 1000: 0.0235, 3000: 0.0159},
    "classifier-loss": {100: 0.0060, 600: 0.0070, 1000: 0.0038, 3000: 0.0012},
    "baseline": {100: 0.0159, 600: 0.0064, 1000: 0.0025, 3000: 0.0015},
}
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
SHORT = {  # names for tables and pictures
    "sampled": "1: sampled",
    "enumerated": "2: enumerated",
    "classifier-loss": "3: with its loss",
    "baseline": "classifier alone",
    "m1m2": "M1 + M2",
}
PYRO_VARIANTS = tuple(PYRO + variant for variant in INTERVALS)
LABELS, VARIANTS, PREFIX = tuple(REACH), (*PUBLISHED, *PYRO_VARIANTS), "ssvae-"
WEIGHTS_FILE, SHIPPED_CELL = "ssvae.safetensors", "ssvae-classifier-loss-600"


def words_of(variant: str) -> str:
    """A variant in words.

    Args:
        variant: One of `VARIANTS`.

    Returns:
        As "label summed, published protocol".
    """
    return WORDS[variant.removeprefix(PYRO)] + (", published protocol" if variant in PYRO_VARIANTS else "")


def row_name(variant: str, labels: int) -> str:
    """The row of a variant with a number of labels, which is its cell's name too.

    Args:
        variant: One of `VARIANTS`.
        labels: Labels in all.

    Returns:
        The name.
    """
    return f"{PREFIX}{variant}-{labels}"


def protocol(variant: str) -> str:
    """How the cells of a variant are trained, in words; the same for all numbers of labels.

    Args:
        variant: One of `VARIANTS`.

    Returns:
        The protocol of its rows.
    """
    if variant in PYRO_VARIANTS:
        return _pyro_protocol(variant.removeprefix(PYRO))
    recipe = FEATURES if variant == "m1m2" else PIXELS
    most = (
        f"(up to {WARP.max_rotation:g}°, {WARP.max_scaling:.0%} of the size, a shear of {WARP.max_shear:g}, "
        f"{WARP.max_translation:.0%} of the side)"
    )
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
        f"batch {BATCH} unlabelled beside {LABELLED_BATCH} labelled, {recipe.epochs} epochs; Adam {LEARNING_RATE:g}, "
        f"warm-up and linear decay; noise of {recipe.noise:g} on the classifier's input in training{warps}; "
        f"KL of the style in closed form; classifier weight {recipe.classifier_weight:g} where there is a classifier loss; {rate}"
        "the same for all numbers of labels; 10,000 test images, final parameters"
    )


def _pyro_protocol(variant: str) -> str:
    weight = f"; classifier weight {PYRO_CLASSIFIER_WEIGHT:g}" if variant == "classifier-loss" else ""
    steps = (
        f"batches of {BATCH} labelled images, {BASELINE_STEPS:,} steps"
        if variant == "baseline"
        else f"{PYRO_EPOCHS} epochs of batches of {BATCH}, each of one kind, the labelled ones spread among the others"
    )
    return (
        f"as Pyro's example: 50,000 training images, the labelled ones among them, equally many of each class; grey images, Bernoulli; "
        f"latent {LATENT}, hidden {HIDDEN} softplus, initial weights and biases N(0, {PYRO_SCALE:g}²); {steps}; "
        f"Adam {PYRO_LEARNING_RATE:g}, constant; no warp, no noise, rate weight 1{weight}; 10,000 test images, final parameters"
    )

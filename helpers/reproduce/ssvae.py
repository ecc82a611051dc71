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

from argparse import ArgumentParser

from helpers.models import (
    SemiSupervisedGuide,
    SemiSupervisedVAE,
)
from helpers.reproduce.cell import Cell, Experiment, Sitting
from helpers.reproduce.options import names_list, numbers_list
from helpers.reproduce.rows import WEIGHTS
from helpers.reproduce.ssvae_cell import SemiSupervisedCell, build
from helpers.reproduce.ssvae_published import PublishedCell
from helpers.reproduce.ssvae_settings import (
    LABELS,
    PYRO_VARIANTS,
    VARIANTS,
    WEIGHTS_FILE,
)
from helpers.training import (
    load_half_precision,
)


def load_trained() -> tuple[SemiSupervisedVAE, SemiSupervisedGuide]:
    """Model and guide of the row ssvae-classifier-loss-600, first split, trained on MNIST."""
    model, guide = build()
    load_half_precision(WEIGHTS / WEIGHTS_FILE, model=model, guide=guide)
    return model, guide


class Ssvae(Experiment):
    """Variants by numbers of labels."""

    name = "ssvae"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--labels", type=numbers_list, default=(), metavar="N,N", help="numbers of labels: 100,600 (default: all)"
        )
        parser.add_argument(
            "--variants", type=names_list, default=(), metavar="V,V", help=f"of {', '.join(VARIANTS)} (default: all)"
        )
        parser.add_argument("--splits", type=int, metavar="N", help="N splits: the seeds 0 to N - 1")

    def cells(self, sitting: Sitting) -> list[Cell]:
        own = sitting.options.own
        numbers = own.labels or sitting.budget(full=LABELS, smoke=(20,))
        return [
            (PublishedCell if variant in PYRO_VARIANTS else SemiSupervisedCell)(sitting, variant, labels)
            for variant in own.variants or VARIANTS
            for labels in numbers
        ]


EXPERIMENT = Ssvae()

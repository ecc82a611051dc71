"""The cells of `reproduce ssvae` under the published protocol, as Pyro's example has it: `--variants pyro-sampled,pyro-enumerated,...`.

Batches of one kind, labelled ones spread among the others; weights and biases drawn from N(0, 0.001²); softplus; Adam at a constant
rate; no warp, no noise, rate weight 1. What differs from the example: the scale of q(z | x, y) is a softplus, there an exponential; and
labelled images with a classifier loss take one step, there two.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from helpers import settings
from helpers.data import Batches, OneKindBatches, split_labelled
from helpers.distributions import BernoulliConditional
from helpers.estimators import Enumeration, ScoreFunction
from helpers.evaluation import accuracy
from helpers.models import LogLikelihood, OneKindSemiSupervisedElbo, semi_supervised_vae
from helpers.networks import FeedForward
from helpers.reproduce.cell import Prepared
from helpers.reproduce.ssvae_cell import SemiSupervisedCell, classifier_of
from helpers.reproduce.ssvae_settings import (
    BATCH,
    CLASSES,
    HIDDEN,
    IMAGE,
    LATENT,
    PYRO,
    PYRO_CLASSIFIER_WEIGHT,
    PYRO_EPOCHS,
    PYRO_LEARNING_RATE,
    PYRO_SCALE,
)
from helpers.training import History


class PublishedCell(SemiSupervisedCell):
    """A variant with a number of labels under the published protocol. A seed is a split: which images have labels.

    Args:
        sitting: The call of `run` that it belongs to.
        variant: One of `PYRO_VARIANTS`.
        labels: Labels in all, equally many of each class.
    """

    def prepare(self, seed: int) -> Prepared:
        data, attempt = self._data(), self.variant.removeprefix(PYRO)
        settings.seed_everything(seed)
        labelled, unlabelled = split_labelled(data.train_labels, self.labels, seed=seed, num_classes=CLASSES)
        images, labels = data.train[labelled], data.train_labels[labelled]
        model, guide = semi_supervised_vae(IMAGE, CLASSES, BernoulliConditional, LATENT, (HIDDEN,), FeedForward)
        for parameter in (*model.parameters(), *guide.parameters()):
            nn.init.normal_(parameter, std=PYRO_SCALE)
        if attempt == "baseline":
            objective: nn.Module = LogLikelihood(guide.classifier)
            batches: Any = Batches(images, labels, batch_size=min(BATCH, self.labels))
        else:
            objective = OneKindSemiSupervisedElbo(
                model,
                guide,
                ScoreFunction() if attempt == "sampled" else Enumeration(),
                classifier_weight=PYRO_CLASSIFIER_WEIGHT if attempt == "classifier-loss" else 0.0,
            )
            unlabelled_images = data.train[unlabelled]
            batches = OneKindBatches(images, labels, unlabelled_images, num_classes=CLASSES, batch_size=BATCH)
        objective.to(self.sitting.device)
        return Prepared(objective, batches, torch.optim.Adam(objective.parameters(), lr=PYRO_LEARNING_RATE, fused=True))

    def at_waypoint(self, epoch: int, prepared: Prepared, history: History) -> dict[str, float]:
        # Entropy of q(y | x) in nats: log 10 = 2.30 if the classifier is undecided.
        data, classifier = self._data(), classifier_of(prepared.objective)
        with torch.no_grad():
            entropy = classifier(data.test).entropy().mean().item()
        return {"test": accuracy(classifier, data.test, data.test_labels).mean, "entropy": entropy}

    def _full_epochs(self) -> int:
        return super()._full_epochs() if self.variant == PYRO + "baseline" else PYRO_EPOCHS

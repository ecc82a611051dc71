"""M1 of the stacked semi-supervised VAE: a VAE on all images, and the features that it gives them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from helpers import settings
from helpers.data import Batches
from helpers.distributions import BernoulliConditional, GaussianConditional, StandardNormalPrior
from helpers.models import AmortizedGuide, AnalyticKlElbo, LatentVariableModel
from helpers.networks import FeedForward, RandomAffine
from helpers.training import fit, initialise, up_then_down

LATENT, HIDDEN, BATCH, LEARNING_RATE, EPOCHS = 50, (600, 600), 200, 2e-3, 15
RATE_WEIGHT = 0.1  # a rate that counts little keeps all units in use: M2 finds more in the features


def train_features(
    images: Tensor, epochs: int, checkpoint: Path, warp: RandomAffine, resume: bool = True
) -> AmortizedGuide:
    """q(z | x) of a VAE trained without labels: the same for all cells, so it is trained once and kept.

    Args:
        images: [N, *image] in [0, 1].
        epochs: Passes over the images.
        checkpoint: File written after every epoch.
        warp: Applied to every image at every visit, since `WarpedFeatures` shows M1 warped images.
        resume: Go on from the checkpoint, or read a finished training from it.

    Returns:
        The trained guide.

    Raises:
        SystemExit: If the training was stopped before its end.
    """
    settings.seed_everything(0)
    image = tuple(images.shape[1:])
    model = LatentVariableModel(
        StandardNormalPrior(LATENT), BernoulliConditional((LATENT,), image, FeedForward(HIDDEN))
    )
    guide = AmortizedGuide(GaussianConditional(image, (LATENT,), FeedForward(HIDDEN)))
    initialise(model, guide, images.cpu())
    objective = AnalyticKlElbo(model, guide, rate_weight=RATE_WEIGHT).to(images.device)
    batches = Batches(images, batch_size=BATCH, transform=warp)
    optimizer = torch.optim.Adam(objective.parameters(), lr=LEARNING_RATE, fused=True)
    steps = epochs * len(batches)
    history = fit(
        objective,
        batches,
        epochs=epochs,
        optimizers=optimizer,
        schedulers=[up_then_down(optimizer, steps)],
        checkpoint=checkpoint,
        resume=resume,
    )
    if history.stopped:
        raise SystemExit("Stopped before the end: no row was written. Add --resume to go on.")
    return guide


@torch.no_grad()
def mean_features(guide: AmortizedGuide, images: Tensor) -> Tensor:
    """The mean of q(z | x).

    Args:
        guide: M1's.
        images: [N, *image].

    Returns:
        [N, latent].
    """
    return torch.cat([guide(x).mean for x in images.split(1000)])


@dataclass(frozen=True)
class WarpedFeatures:
    """Features drawn anew for every batch: each image is warped at random, then z ~ q(z | warped image).

    Attributes:
        guide: M1's.
        warp: Random warp of an image.
    """

    guide: AmortizedGuide
    warp: RandomAffine

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """[N, *image] → [N, latent]."""
        return self.guide(self.warp(images)).sample()

"""A training run with everything in it that must survive a kill. A script, so that a test can start it and kill it.

    python tests/training/long_run.py CHECKPOINT EPOCHS

prints a line after each epoch, and at the end the history as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict

import torch

from helpers.data import Batches, binarise_dynamically
from helpers.distributions import BernoulliConditional, GaussianConditional, StandardNormalPrior
from helpers.models import AmortizedGuide, Elbo, LatentVariableModel
from helpers.networks import FeedForward
from helpers.training import fit


def run(checkpoint, epochs, resume=False, announce=False):
    """Noise, dropout, shuffling, binarisation, two optimisers with state, a scheduler, the best parameters kept, and `after_epoch` with
    random numbers of its own.

    announce: print a line after each epoch.
    """

    def after_epoch(epoch, history):
        history.note("luck", torch.rand(()).item())
        if announce:
            print(f"epoch {epoch}", flush=True)
            time.sleep(0.02)  # room for a signal

    torch.manual_seed(11)
    image, network = (1, 4, 4), FeedForward((8,), dropout=0.2)
    model = LatentVariableModel(StandardNormalPrior(3), BernoulliConditional(3, image, network))
    objective = Elbo(model, AmortizedGuide(GaussianConditional(image, 3, network)), num_samples=2)
    images = torch.rand(50, *image)
    optimizers = [
        torch.optim.Adam(objective.model.parameters(), lr=1e-2),
        torch.optim.SGD(objective.guide.parameters(), lr=1e-2, momentum=0.9),
    ]
    schedulers = [torch.optim.lr_scheduler.OneCycleLR(optimizers[0], max_lr=1e-2, total_steps=400)]
    history = fit(
        objective,
        Batches(images[:40], batch_size=16, transform=binarise_dynamically),
        epochs=epochs,
        valid=Batches(images[40:], batch_size=4),
        optimizers=optimizers,
        schedulers=schedulers,
        clip_norm=5.0,
        patience=1000,
        checkpoint=checkpoint,
        resume=resume,
        after_epoch=after_epoch,
        progress=False,
    )
    return objective, optimizers, schedulers, history


if __name__ == "__main__":
    torch.set_num_threads(1)  # as in the test that compares
    *_, history = run(sys.argv[1], int(sys.argv[2]), announce=True)
    print(json.dumps(asdict(history)))

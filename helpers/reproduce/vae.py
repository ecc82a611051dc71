"""The Pyro tutorial's VAE: 784-400-50, softplus, grey MNIST under a Bernoulli likelihood, batch 256, 100 epochs.

Published: test ELBO about -101.2 nats after 95 epochs (-107.8 after 10, -104.6 after 20), read off the tutorial's plot.
Ours differs in what the protocol leaves free: the KL in closed form, where training starts (`initialise`), and the optimiser: Muon
for weight matrices, Adam for biases, each with a learning rate that rises and then falls to zero. The tutorial has Adam at 1e-3.
"""

from __future__ import annotations

from pathlib import Path

from torch import nn

from helpers.data import Batches, load_images
from helpers.distributions import BernoulliConditional, GaussianConditional, StandardNormalPrior
from helpers.evaluation import evaluate_bound
from helpers.models import AmortizedGuide, AnalyticKlElbo, LatentVariableModel
from helpers.networks import FeedForward
from helpers.reproduce.cell import Cell, Experiment, Measurement, Prepared, Sitting
from helpers.reproduce.muon import muon_and_adam
from helpers.reproduce.rows import WEIGHTS, Row
from helpers.training import History, initialise, load_weights, save_weights

LATENT, HIDDEN, BATCH, EPOCHS, PEAK = 50, 400, 256, 100, 1e-2
WAYPOINTS = (1, 2, 5, 10, 15, 20, 30, 40, 50, 60, 70, 80, 90, 95, 100)
SAMPLES = 10  # draws of z an image, at the end


def build(latent: int = LATENT, hidden: int = HIDDEN) -> tuple[LatentVariableModel, AmortizedGuide]:
    """The model p(x, z) and the guide q(z | x) of the tutorial, untrained.

    Args:
        latent: Dimensions of z.
        hidden: Units of the hidden layer in encoder and decoder.

    Returns:
        Model and guide.
    """
    image = (1, 28, 28)
    model = LatentVariableModel(
        StandardNormalPrior(latent), BernoulliConditional((latent,), image, FeedForward((hidden,)))
    )
    return model, AmortizedGuide(GaussianConditional(image, (latent,), FeedForward((hidden,))))


def load_trained() -> tuple[LatentVariableModel, AmortizedGuide]:
    """Model and guide with the weights of seed 0 after 100 epochs, made by `python -m helpers.reproduce vae`."""
    model, guide = build()
    load_weights(nn.ModuleDict({"model": model, "guide": guide}), WEIGHTS / "vae.safetensors")
    return model, guide


class VaeCell(Cell):
    """The tutorial's VAE."""

    ships = "vae.safetensors"

    def rows(self) -> list[Row]:
        return [
            Row(
                name="vae",
                system="VAE 784-400-50, grey MNIST",
                metric="test ELBO, nats",
                published=-101.2,
                reach=-99.0,
                higher_is_better=True,
                source="Pyro VAE tutorial, plot, after 95 epochs",
                protocol=(
                    f"60,000 training images, batch {BATCH}, {self.epochs} epochs, Muon {PEAK:g} and Adam for "
                    f"biases, warm-up and linear decay; test ELBO with {SAMPLES} samples an image"
                ),
            )
        ]

    def waypoints(self) -> set[int]:
        return {epoch for epoch in WAYPOINTS if epoch <= self.epochs} | {self.epochs}

    def prepare(self, seed: int) -> Prepared:
        data = self.sitting.once("images", self._load)
        model, guide = build()
        initialise(model, guide, data.train.images)
        objective = AnalyticKlElbo(model, guide).to(self.sitting.device)
        train = Batches(data.train.images.to(self.sitting.device), batch_size=BATCH)
        test = Batches(data.test.images.to(self.sitting.device), batch_size=1000, shuffle=False)
        optimizers, schedules = muon_and_adam(objective, PEAK, self.epochs * len(train))
        return Prepared(objective, train, optimizers, schedules, valid=test)  # the test part is for the curve alone

    def at_waypoint(self, epoch: int, prepared: Prepared, history: History) -> dict[str, float]:
        return {"train": history.train["bound"][-1], "test": history.valid["bound"][-1]}

    def measure(self, prepared: Prepared, history: History, seed: int) -> dict[str, Measurement]:
        objective = prepared.objective
        (images,) = prepared.valid.tensors
        result = evaluate_bound(objective.model, objective.guide, images, num_samples=SAMPLES)
        details = {"distortion": result.distortion.mean, "rate": result.rate.mean}
        return {"vae": Measurement(result.elbo.mean, result.elbo.standard_error, details)}

    def ship(self, prepared: Prepared, path: Path) -> None:
        objective = prepared.objective
        save_weights(nn.ModuleDict({"model": objective.model, "guide": objective.guide}).cpu(), path)

    def _load(self):
        return load_images("digits", size=28) if self.sitting.options.smoke else load_images("mnist", valid=0)


class Vae(Experiment):
    """One cell: the tutorial's VAE."""

    name = "vae"

    def cells(self, sitting: Sitting) -> list[Cell]:
        return [VaeCell(sitting, "vae", sitting.budget(full=EPOCHS, smoke=2))]


EXPERIMENT = Vae()

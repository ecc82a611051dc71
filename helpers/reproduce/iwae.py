"""Burda et al. 2016, one stochastic layer: 50 latents, two tanh layers of 200, dynamically binarised MNIST.

Published negative log-likelihoods, with 5000 importance samples: VAE 86.76, IWAE-5 85.54, IWAE-50 84.78, after 3280 epochs in
batches of 20. Ours differs in what the protocol leaves free: where training starts (`initialise`; IWAE-50 from our IWAE-5), far fewer
epochs, larger batches, and the optimiser: Muon for weight matrices, Adam for biases, each with a learning rate that rises over the first
twentieth of the steps and then falls to zero linearly.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from helpers import settings
from helpers.data import Batches, binarise_dynamically, load_images
from helpers.distributions import BernoulliConditional, GaussianConditional, StandardNormalPrior
from helpers.estimators import ImportanceWeighted
from helpers.evaluation import evaluate_bound
from helpers.models import AmortizedGuide, Elbo, LatentVariableModel
from helpers.networks import FeedForward
from helpers.reproduce.cell import Cell, Experiment, Measurement, Prepared, Sitting
from helpers.reproduce.muon import muon_and_adam
from helpers.reproduce.rows import Row
from helpers.training import History, initialise, load_checkpoint

LATENT, SAMPLES = 50, 5000


@dataclass(frozen=True)
class System:
    """The settings of one row.

    Attributes:
        name: Of the row.
        title: In words.
        num_samples: Samples inside the logarithm.
        batch_size: Images.
        epochs: Passes over the training images.
        learning_rate: Peak of Muon's.
        start: Name of the system whose trained weights it starts from, or None.
        published: Negative log-likelihood, nats.
    """

    name: str
    title: str
    num_samples: int
    batch_size: int
    epochs: int
    learning_rate: float
    start: str | None
    published: float


SYSTEMS = (
    # A step of Muon costs as much as four passes over a batch of 100. Bound of 100 samples on validation images, after 30 epochs on the
    # other 50,000: -91.29 with batches of 100 at 5e-3, 265 s; with batches of 400 -92.33 at 5e-3, -91.67 at 1e-2, -94.79 at 2e-2, 70 s.
    System("iwae-1", "VAE (IWAE-1)", 1, 400, 1500, 1e-2, None, 86.76),
    System("iwae-5", "IWAE-5", 5, 100, 200, 5e-3, None, 85.54),
    System("iwae-50", "IWAE-50", 50, 50, 7, 1e-3, "iwae-5", 84.78),
)


@dataclass(frozen=True)
class Images:
    """The images of all cells, on the device.

    Attributes:
        train: Grey, binarised in each batch.
        test: Binarised once, the same for every row and seed.
    """

    train: Tensor
    test: Tensor


def build() -> tuple[LatentVariableModel, AmortizedGuide]:
    """p(x, z) and q(z | x) of Burda et al., one stochastic layer, untrained."""
    image, network = (1, 28, 28), FeedForward((200, 200), nn.Tanh)
    model = LatentVariableModel(StandardNormalPrior(LATENT), BernoulliConditional((LATENT,), image, network))
    return model, AmortizedGuide(GaussianConditional(image, (LATENT,), network))


class IwaeCell(Cell):
    """One of `SYSTEMS`.

    Args:
        sitting: The call of `run` that it belongs to.
        system: Its settings.
    """

    def __init__(self, sitting: Sitting, system: System) -> None:
        super().__init__(sitting, system.name, sitting.budget(full=system.epochs, smoke=1))
        self.system = system
        self.needs = system.start
        self.samples = sitting.budget(full=SAMPLES, smoke=10)

    def rows(self) -> list[Row]:
        system = self.system
        start = f", starts from {system.start}" if system.start else ""
        return [
            Row(
                name=system.name,
                system=f"{system.title}, 50 latents, 200-200 tanh, dynamically binarised MNIST",
                metric=f"test NLL, nats, {self.samples} importance samples",
                published=system.published,
                reach=system.published,
                higher_is_better=False,
                source="Burda, Grosse, Salakhutdinov 2016, table 1",
                protocol=(
                    f"60,000 training images, batch {system.batch_size}, {self.epochs} epochs, Muon {system.learning_rate:g} "
                    f"and Adam for biases, warm-up and linear decay{start}"
                ),
            )
        ]

    def prepare(self, seed: int) -> Prepared:
        images = self.sitting.once("images", self._load)
        settings.seed_everything(seed)  # loading drew random numbers
        model, guide = build()
        initialise(model, guide, images.train.cpu())
        objective = Elbo(model, guide, ImportanceWeighted(), self.system.num_samples).to(self.sitting.device)
        if self.system.start is not None:
            earlier = self.sitting.checkpoint(f"{self.system.start}-{seed}.pt")
            if not earlier.exists():
                raise SystemExit(
                    f"{self.name} starts from {self.system.start}, and {earlier} is missing: make that row first."
                )
            content = load_checkpoint(earlier)
            epochs = self.sitting.budget(
                full=next(each.epochs for each in SYSTEMS if each.name == self.system.start), smoke=1
            )
            if len(content["history"]["seconds"]) != epochs:
                raise SystemExit(
                    f"{self.name} starts from {self.system.start}, and {earlier} is not trained to its end: add --resume."
                )
            objective.load_state_dict(content["objective"])
        train = Batches(images.train, batch_size=self.system.batch_size, transform=binarise_dynamically)
        test = Batches(images.test[:2000], batch_size=200, shuffle=False)  # for the curve alone
        return Prepared(
            objective, train, *muon_and_adam(objective, self.system.learning_rate, self.epochs * len(train)), valid=test
        )

    def at_waypoint(self, epoch: int, prepared: Prepared, history: History) -> dict[str, float]:
        return {"train": history.train["bound"][-1], "test": history.valid["bound"][-1]}

    def measure(self, prepared: Prepared, history: History, seed: int) -> dict[str, Measurement]:
        objective, images = prepared.objective, self.sitting.once("images", self._load)
        result = evaluate_bound(objective.model, objective.guide, images.test, self.samples, max_evaluations=2000)
        details = {"elbo": result.elbo.mean, "distortion": result.distortion.mean, "rate": result.rate.mean}
        return {self.name: Measurement(-result.log_marginal_is.mean, result.log_marginal_is.standard_error, details)}

    def _load(self) -> Images:
        data = load_images("digits", size=28) if self.sitting.options.smoke else load_images("mnist", valid=0)
        settings.seed_everything(0)
        test = binarise_dynamically(data.test.images)
        return Images(data.train.images.to(self.sitting.device), test.to(self.sitting.device))


class Iwae(Experiment):
    """The three rows of Burda et al."""

    name = "iwae"

    def cells(self, sitting: Sitting) -> list[Cell]:
        return [IwaeCell(sitting, system) for system in SYSTEMS]


EXPERIMENT = Iwae()

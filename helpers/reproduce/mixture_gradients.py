"""A mixture guide trained by each of the gradients that it can have, four evaluations of f per image and step, standard normal prior.

Data, start, optimiser and schedule are the same for all. The weight of the rate is 1 throughout: if it rises from 0, nothing rewards a
spread-out q(z | x) at first, one component takes nearly all the weight, and the gradients of a near-Gaussian guide would be compared.
The noise of each gradient is measured at common weights: those of the run that enumerates the component, after its first epoch and after
its last.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from helpers.data import binarise_dynamically
from helpers.distributions import BernoulliConditional, MixtureOfGaussiansConditional, StandardNormalPrior
from helpers.estimators import ComponentThenPoint, GradientEstimator, LeaveOneOut, ScoreFunction, StickingTheLanding
from helpers.experiments.gradient_noise import gradient_noise
from helpers.models import AmortizedGuide, Elbo, LatentVariableModel
from helpers.reproduce.cell import Measurement, Prepared, Sitting
from helpers.reproduce.fashion_cell import BATCH, EVALUATIONS, IMAGE, LATENT, NETWORK, FashionCell
from helpers.training import History, load_weights, save_weights

EPOCHS = 5


@dataclass(frozen=True)
class Gradient:
    """A row: the mixture guide with one of its gradients.

    Attributes:
        name: Of the row.
        label: For a legend.
        title: As code.
        build: Makes the estimator.
    """

    name: str
    label: str
    title: str
    build: Callable[[], GradientEstimator]

    def objective(self, train: Tensor | None = None) -> Elbo:
        """The bound, untrained.

        Args:
            train: Ignored: nothing in it depends on the images.

        Returns:
            The bound with a mixture guide.
        """
        guide = AmortizedGuide(MixtureOfGaussiansConditional(IMAGE, (LATENT,), NETWORK, EVALUATIONS))
        model = LatentVariableModel(StandardNormalPrior(LATENT), BernoulliConditional((LATENT,), IMAGE, NETWORK))
        return Elbo(model, guide, self.build(), EVALUATIONS)


GRADIENTS = (
    Gradient("priors-gradient-score-function", "all scored", "ScoreFunction()", ScoreFunction),
    Gradient("priors-gradient-leave-one-out", "all scored, leave-one-out", "LeaveOneOut()", LeaveOneOut),
    Gradient(
        "priors-gradient-component-scored",
        "component scored, point reparameterised",
        "ComponentThenPoint(ScoreFunction())",
        lambda: ComponentThenPoint(ScoreFunction()),
    ),
    Gradient(
        "priors-gradient-component-leave-one-out",
        "component scored by leave-one-out, point reparameterised",
        "ComponentThenPoint(LeaveOneOut())",
        lambda: ComponentThenPoint(LeaveOneOut()),
    ),
    Gradient(
        "priors-gradient-enumerated",
        "component enumerated, point reparameterised",
        "ComponentThenPoint()",
        ComponentThenPoint,
    ),
    Gradient(
        "priors-gradient-sticking-the-landing",
        "component enumerated, point reparameterised, landing stuck",
        "StickingTheLanding(ComponentThenPoint())",
        lambda: StickingTheLanding(ComponentThenPoint()),
    ),
)
COMMON = "priors-gradient-enumerated"  # its weights are those at which all gradients are compared, so it runs first

CHOSEN = (
    "the rate's weight 1 throughout, the same for all; of 1e-3, 2e-3, 4e-3, 8e-3 chosen after 5 epochs with a mean-field guide, by the "
    f"bound on 10,000 validation images; {EVALUATIONS} components; noise of the gradient: at weights of {COMMON}, {BATCH} training images"
)


class GradientCell(FashionCell):
    """A gradient of the mixture guide. All are compared at the weights of `COMMON`, which therefore runs first.

    Args:
        sitting: The call of `run` that it belongs to.
        gradient: The estimator and its name.
    """

    groups = ("gradients",)

    def __init__(self, sitting: Sitting, gradient: Gradient) -> None:
        system = f"{gradient.label}: mixture guide, standard normal prior"
        details = {"label": gradient.label, "gradient": gradient.title}
        epochs = sitting.budget(full=EPOCHS, smoke=1)
        super().__init__(sitting, gradient.name, gradient.objective, epochs, system, CHOSEN, details)
        self.needs = COMMON if gradient.name != COMMON else None

    def after_epoch(self, epoch: int, prepared: Prepared, seed: int) -> None:
        if self.name == COMMON and epoch in self._compared_at():
            save_weights(_both(prepared.objective), self._common_weights(seed, epoch))

    def measure(self, prepared: Prepared, history: History, seed: int) -> dict[str, Measurement]:
        measured = super().measure(prepared, history, seed)
        few = self.sitting.budget(full={}, smoke={"groups": 2, "repeats": 2})
        noises = measured[self.name].details["gradient_noise"] = []
        for epoch in self._compared_at():
            weights = self._common_weights(seed, epoch)
            if not weights.exists():
                raise SystemExit(
                    f"Gradients are compared at weights of {COMMON}, and {weights} is missing: make that row first."
                )
            there = self.start(seed)  # the seed again: the same images and noise for all
            load_weights(_both(there), weights)
            noise = gradient_noise(there, self.data.batches(), binarise_dynamically(self.data.train[:BATCH]), **few)
            noises.append({"epoch": epoch} | noise)
        return measured

    def _compared_at(self) -> list[int]:
        return sorted({1, self.epochs})

    def _common_weights(self, seed: int, epoch: int) -> Path:
        return self.sitting.checkpoint(f"{COMMON}-{seed}-epoch-{epoch}.safetensors")


def _both(objective: Elbo) -> nn.ModuleDict:
    return nn.ModuleDict({"model": objective.model, "guide": objective.guide})

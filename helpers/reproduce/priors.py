"""Priors {standard, mixture of Gaussians, VampPrior} by guides {mean field, mixture, flow} on dynamically binarised FashionMNIST.

Nothing was published that could stand beside these numbers; they are a comparison of our own, under one budget: the same networks,
epochs, batches, optimiser and evaluations of f. The mixture guide enumerates its four components, the others take four samples. The
flow is made of coupling layers, because a VampPrior scores every z under q(z | u_k): with an inverse autoregressive flow that takes 40
passes of each layer.

`--only systems` makes these rows; `--only gradients` makes the others: the mixture guide trained by each gradient that it can have
(`mixture_gradients`).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from helpers.distributions import (
    AffineCouplingConditional,
    BernoulliConditional,
    Conditional,
    GaussianConditional,
    MixtureOfGaussiansConditional,
    MixtureOfGaussiansPrior,
    Prior,
    StandardNormalPrior,
    VampPrior,
)
from helpers.estimators import ComponentThenPoint, GradientEstimator, Pathwise
from helpers.models import AmortizedGuide, Elbo, LatentVariableModel
from helpers.reproduce.cell import Cell, Experiment, Sitting
from helpers.reproduce.fashion_cell import EVALUATIONS, IMAGE, LATENT, NETWORK, FashionCell, time_steps
from helpers.reproduce.mixture_gradients import GRADIENTS, GradientCell

PRIORS = {"standard": "standard normal", "mixture": "mixture of Gaussians", "vamp": "Vamp"}
GUIDES = {"mean-field": "mean field", "mixture": "mixture of Gaussians", "flow": "affine coupling flow"}
COMPONENTS = 10  # of the mixture prior and of the VampPrior
EPOCHS, WARM_UP = 15, 0.4
CHOSEN = (
    f"the rate's weight rising from 0 to 1 over the first {WARM_UP:.0%} of the steps, the same for all; both chosen after 5 epochs with a "
    "standard normal prior and a mean-field guide, by the bound on 10,000 validation images: of 1e-3, 2e-3, 4e-3, 8e-3, then of 0, "
    f"20%, 40%, 60%; {COMPONENTS} components in a mixture or VampPrior, {EVALUATIONS} in a mixture guide, 4 coupling layers"
)


@dataclass(frozen=True)
class System:
    """A row: a prior with a guide.

    Attributes:
        prior: A key of PRIORS.
        guide: A key of GUIDES.
    """

    prior: str
    guide: str

    @property
    def name(self) -> str:
        """Of its row."""
        return f"priors-{self.prior}-{self.guide}"

    @property
    def label(self) -> str:
        """In words, for a legend."""
        return f"{PRIORS[self.prior]} prior, {GUIDES[self.guide]} guide"

    @property
    def estimator(self) -> type[GradientEstimator]:
        """The class of the gradient estimator."""
        return ComponentThenPoint if self.guide == "mixture" else Pathwise

    def build(self, train: Tensor) -> Elbo:
        """The bound, untrained.

        Args:
            train: Grey images, from which the pseudo-inputs of a VampPrior start.

        Returns:
            The bound with prior, likelihood and guide.
        """
        conditional = build_guide(self.guide)
        likelihood = BernoulliConditional((LATENT,), IMAGE, NETWORK)
        model = LatentVariableModel(build_prior(self.prior, conditional, train), likelihood)
        return Elbo(model, AmortizedGuide(conditional), self.estimator(), EVALUATIONS)


def build_guide(name: str) -> Conditional:
    """A guide's conditional q(z | x), untrained.

    Args:
        name: A key of GUIDES.

    Returns:
        The conditional.

    Raises:
        ValueError: If there is no such guide.
    """
    match name:
        case "mean-field":
            return GaussianConditional(IMAGE, (LATENT,), NETWORK)
        case "mixture":
            return MixtureOfGaussiansConditional(IMAGE, (LATENT,), NETWORK, EVALUATIONS)
        case "flow":
            return AffineCouplingConditional(IMAGE, (LATENT,), NETWORK, num_layers=4, context_size=32, hidden=(64,))
    raise ValueError(f"There is no guide {name!r} here; expected one of {', '.join(GUIDES)}.")


def build_prior(name: str, guide: Conditional, train: Tensor) -> Prior:
    """A prior p(z), untrained.

    Args:
        name: A key of PRIORS.
        guide: The conditional that a VampPrior is made of.
        train: Grey images, from which the pseudo-inputs of a VampPrior start.

    Returns:
        The prior.

    Raises:
        ValueError: If there is no such prior.
    """
    match name:
        case "standard":
            return StandardNormalPrior(LATENT)
        case "mixture":
            return MixtureOfGaussiansPrior(LATENT, COMPONENTS)
        case "vamp":
            return VampPrior(guide, train[torch.randperm(len(train))[:COMPONENTS]])
    raise ValueError(f"There is no prior {name!r} here; expected one of {', '.join(PRIORS)}.")


SYSTEMS = tuple(System(prior, guide) for prior in PRIORS for guide in GUIDES)


class PriorsCell(FashionCell):
    """A prior with a guide.

    Args:
        sitting: The call of `run` that it belongs to.
        system: The prior and the guide.
    """

    groups = ("systems",)

    def __init__(self, sitting: Sitting, system: System) -> None:
        details = {"prior": PRIORS[system.prior], "guide": GUIDES[system.guide], "label": system.label}
        epochs = sitting.budget(full=EPOCHS, smoke=1)
        super().__init__(sitting, system.name, system.build, epochs, system.label, CHOSEN, details, WARM_UP)


class Priors(Experiment):
    """Three priors by three guides, then the mixture guide by each of its gradients."""

    name = "priors"

    def cells(self, sitting: Sitting) -> list[Cell]:
        return [
            *(PriorsCell(sitting, system) for system in SYSTEMS),
            *(GradientCell(sitting, gradient) for gradient in GRADIENTS),
        ]

    def after_all(self, cells: list[Cell], sitting: Sitting) -> None:
        for kind in (PriorsCell, GradientCell):
            time_steps([cell for cell in cells if isinstance(cell, kind)], sitting)


EXPERIMENT = Priors()

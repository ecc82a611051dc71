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
from helpers.reproduce.fashion_cell import (
    ARCHITECTURE,
    EVALUATIONS,
    IMAGE,
    LATENT,
    NETWORK,
    Cell,
    Fashion,
    protocol,
    row_of,
    run_cell,
    time_steps,
)
from helpers.reproduce.mixture_gradients import run_gradients
from helpers.reproduce.options import Options, command
from helpers.reproduce.rows import Row, write_row

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
    """prior: a key of PRIORS. guide: a key of GUIDES."""

    prior: str
    guide: str

    @property
    def name(self) -> str:
        """Of its row."""
        return f"priors-{self.prior}-{self.guide}"

    @property
    def label(self) -> str:
        return f"{PRIORS[self.prior]} prior, {GUIDES[self.guide]} guide"

    @property
    def estimator(self) -> type[GradientEstimator]:
        return ComponentThenPoint if self.guide == "mixture" else Pathwise

    def build(self, train: Tensor) -> Elbo:
        """train: grey images, from which the pseudo-inputs of a VampPrior start."""
        conditional = build_guide(self.guide)
        likelihood = BernoulliConditional((LATENT,), IMAGE, NETWORK)
        model = LatentVariableModel(build_prior(self.prior, conditional, train), likelihood)
        return Elbo(model, AmortizedGuide(conditional), self.estimator(), EVALUATIONS)

    def cell(self, epochs: int) -> Cell:
        details = {"prior": PRIORS[self.prior], "guide": GUIDES[self.guide], "label": self.label}
        return Cell(self.name, self.build, epochs, WARM_UP, details)


def build_guide(name: str) -> Conditional:
    match name:
        case "mean-field":
            return GaussianConditional(IMAGE, (LATENT,), NETWORK)
        case "mixture":
            return MixtureOfGaussiansConditional(IMAGE, (LATENT,), NETWORK, EVALUATIONS)
        case "flow":
            return AffineCouplingConditional(IMAGE, (LATENT,), NETWORK, num_layers=4, context_size=32, hidden=(64,))
    raise ValueError(f"There is no guide {name!r} here; expected one of {', '.join(GUIDES)}.")


def build_prior(name: str, guide: Conditional, train: Tensor) -> Prior:
    match name:
        case "standard":
            return StandardNormalPrior(LATENT)
        case "mixture":
            return MixtureOfGaussiansPrior(LATENT, COMPONENTS)
        case "vamp":
            return VampPrior(guide, train[torch.randperm(len(train))[:COMPONENTS]])
    raise ValueError(f"There is no prior {name!r} here; expected one of {', '.join(PRIORS)}.")


SYSTEMS = tuple(System(prior, guide) for prior in PRIORS for guide in GUIDES)


def run(options: Options) -> list[Row]:
    data = Fashion.load(options.smoke)
    return _run_systems(data, options) + run_gradients(data, options)


def _run_systems(data: Fashion, options: Options) -> list[Row]:
    """Seed by seed, so that a table with one run in each of its cells is there early; a row is written whenever a run is in."""
    epochs = 1 if options.smoke else EPOCHS
    said = protocol(epochs, CHOSEN)
    wanted = [system for system in SYSTEMS if options.wants(system.name) or "systems" in options.only]
    cells = [system.cell(epochs) for system in wanted]
    rows = [row_of(cell, f"{cell.details['label']}, {ARCHITECTURE}", said, command(), options) for cell in cells]
    for seed in options.seeds:
        for cell, row in zip(cells, rows, strict=True):
            if seed not in [run.seed for run in row.runs]:
                row.with_run(run_cell(cell, seed, data, options))
                write_row(row, options.results)
    if cells:
        time_steps(cells, rows, data, options)
    return rows

"""A mixture guide trained by each of the gradients that it can have, four evaluations of f per image and step, standard normal prior.

Data, start, optimiser and schedule are the same for all. The weight of the rate is 1 throughout: where it rises from 0, nothing rewards a
spread-out q(z | x) at first, one component takes all the weight, and there is no mixture left whose gradients could be compared. The
noise of each gradient is measured at common weights: those of the run that enumerates the component, after its first epoch and after its
last.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from helpers.data import binarise_dynamically
from helpers.distributions import BernoulliConditional, MixtureOfGaussiansConditional, StandardNormalPrior
from helpers.estimators import ComponentThenPoint, GradientEstimator, LeaveOneOut, ScoreFunction, StickingTheLanding
from helpers.experiments.gradient_noise import gradient_noise
from helpers.models import AmortizedGuide, Elbo, LatentVariableModel
from helpers.reproduce.fashion_cell import (
    ARCHITECTURE,
    BATCH,
    EVALUATIONS,
    IMAGE,
    LATENT,
    NETWORK,
    Cell,
    Fashion,
    protocol,
    row_of,
    run_cell,
    start,
    time_steps,
)
from helpers.reproduce.options import Options, command
from helpers.reproduce.rows import Row, Run, write_row
from helpers.training import load_weights, save_weights

EPOCHS = 5


@dataclass(frozen=True)
class Gradient:
    """name: of the row. label: for a legend. build: makes the estimator."""

    name: str
    label: str
    title: str
    build: Callable[[], GradientEstimator]

    def objective(self, train: Tensor | None = None) -> Elbo:
        guide = AmortizedGuide(MixtureOfGaussiansConditional(IMAGE, (LATENT,), NETWORK, EVALUATIONS))
        model = LatentVariableModel(StandardNormalPrior(LATENT), BernoulliConditional((LATENT,), IMAGE, NETWORK))
        return Elbo(model, guide, self.build(), EVALUATIONS)

    def cell(self, epochs: int) -> Cell:
        return Cell(self.name, self.objective, epochs, details={"label": self.label, "gradient": self.title})


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


def run_gradients(data: Fashion, options: Options) -> list[Row]:
    """A row for each gradient that `options` asks for; `--only gradients` asks for all."""
    epochs = 1 if options.smoke else EPOCHS
    wanted = [gradient for gradient in GRADIENTS if options.wants(gradient.name) or "gradients" in options.only]
    wanted.sort(key=lambda gradient: gradient.name != COMMON)  # stable: the others keep their order
    said = protocol(epochs, CHOSEN)
    cells = [gradient.cell(epochs) for gradient in wanted]
    rows = [
        row_of(
            cell,
            f"{gradient.label}: mixture guide, standard normal prior, {ARCHITECTURE}",
            said,
            command(),
            options,
        )
        for gradient, cell in zip(wanted, cells, strict=True)
    ]
    for seed in options.seeds:
        for gradient, cell, row in zip(wanted, cells, rows, strict=True):
            if seed not in [run.seed for run in row.runs]:
                row.with_run(_run_one(gradient, cell, seed, data, options))
                write_row(row, options.results)
    if cells:
        time_steps(cells, rows, data, options)
    return sorted(rows, key=lambda row: [gradient.name for gradient in GRADIENTS].index(row.name))


def _weights_of(objective: Elbo) -> nn.Module:
    return nn.ModuleDict({"model": objective.model, "guide": objective.guide})


def _run_one(gradient: Gradient, cell: Cell, seed: int, data: Fashion, options: Options) -> Run:
    files = {epoch: options.checkpoints / f"{COMMON}-{seed}-epoch-{epoch}.safetensors" for epoch in (1, cell.epochs)}

    def keep(epoch: int, objective: Elbo) -> None:
        if gradient.name == COMMON and epoch in files:
            save_weights(_weights_of(objective), files[epoch])

    run = run_cell(cell, seed, data, options, after_epoch=keep)
    run.details["gradient_noise"] = []
    small = {"groups": 2, "repeats": 2} if options.smoke else {}
    for epoch, file in files.items():
        if not file.exists():
            raise SystemExit(
                f"Gradients are compared at weights of {COMMON}, and {file} is missing: make that row first."
            )
        there = start(cell, seed, data.train)  # the seed again: the same images and noise for all
        load_weights(_weights_of(there), file)
        noise = gradient_noise(there, data.batches(), binarise_dynamically(data.train[:BATCH]), **small)
        run.details["gradient_noise"].append({"epoch": epoch} | noise)
        print(f"{gradient.name} seed {seed}   {run.details['gradient_noise'][-1]}", flush=True)
    return run

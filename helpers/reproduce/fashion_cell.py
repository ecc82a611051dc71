"""One cell of a table: a bound trained on dynamically binarised FashionMNIST, and all that is measured of it at the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import MixtureSameFamily

from helpers import settings
from helpers.data import Batches, binarise_dynamically, load_images
from helpers.evaluation import active_units, evaluate_bound
from helpers.experiments.gradient_noise import seconds_per_step
from helpers.matmul import fast_matmul
from helpers.models import Elbo
from helpers.networks import FeedForward, count_parameters
from helpers.reproduce.options import Options
from helpers.reproduce.rows import Row, Run, with_earlier_runs, write_row
from helpers.training import History, fit
from helpers.training.initialisation import initialise
from helpers.training.schedule import LinearWeight, up_then_down

IMAGE, LATENT, EVALUATIONS = (1, 28, 28), 40, 4
NETWORK = FeedForward((200, 200), torch.nn.ReLU)
BATCH, LEARNING_RATE, DRAWS = 100, 4e-3, 200
ARCHITECTURE = f"{LATENT} latents, 200-200 ReLU, dynamically binarised FashionMNIST"


@dataclass(frozen=True)
class Fashion:
    """train: grey, [images, 1, 28, 28] in [0, 1], to be binarised afresh in each batch. valid, test: binarised once."""

    train: Tensor
    valid: Tensor
    test: Tensor

    @classmethod
    def load(cls, smoke: bool) -> Fashion:
        """50,000, 10,000 and 10,000 images; in smoke mode 300 packaged digits each. The draw is the same at every call."""
        data = load_images("digits", size=IMAGE[-1]) if smoke else load_images("fashion_mnist")
        settings.seed_everything(0)
        last = 300 if smoke else None
        train, valid, test = (
            split.images[:last].to(settings.device()) for split in (data.train, data.valid, data.test)
        )
        return cls(train, binarise_dynamically(valid), binarise_dynamically(test))

    def batches(self) -> Batches:
        return Batches(self.train, batch_size=BATCH, transform=binarise_dynamically)


@dataclass(frozen=True)
class Cell:
    """name: of its row. build: images to train on → the bound to train, untrained; the same for the same random state.
    epochs: passes over the training images. warm_up: share of the steps in which the rate's weight rises from 0 to 1, or 0.
    details: what its runs say of it besides what is measured."""

    name: str
    build: Callable[[Tensor], Elbo]
    epochs: int
    warm_up: float = 0.0
    details: dict[str, Any] = field(default_factory=dict)


def protocol(epochs: int, schedules: str) -> str:
    """What all cells have in common, in words. schedules: what is said of the learning rate and of the rate's weight."""
    return (
        f"50,000 training images, binarised afresh in each batch of {BATCH}, {epochs} epochs, {EVALUATIONS} evaluations of f per image "
        f"and step; Adam {LEARNING_RATE:g}, warm-up and linear decay, {schedules}; final parameters; {DRAWS} draws an image, 10,000 test "
        "images binarised once, the first 2,000 of them for units and components; seconds per step: median over interleaved rounds"
    )


def start(cell: Cell, seed: int, train: Tensor) -> Elbo:
    """The bound before its first step."""
    settings.seed_everything(seed)
    objective = cell.build(train.cpu())
    initialise(objective.model, objective.guide, train.cpu())
    for network in getattr(
        objective.guide.conditional, "layer_networks", ()
    ):  # a flow starts as the Gaussian it is made of
        nn.init.zeros_([layer for layer in network.modules() if isinstance(layer, nn.Linear)][-1].weight)
    return objective.to(train.device)


def run_cell(
    cell: Cell, seed: int, data: Fashion, options: Options, after_epoch: Callable[[int, Elbo], None] | None = None
) -> Run:
    """Train, or go on from the checkpoint with `options.resume`, and measure.

    after_epoch: called with the number of epochs done and the bound as it then is.
    """
    objective = start(cell, seed, data.train)
    batches = data.batches()
    num_steps = cell.epochs * len(batches)
    optimizer = torch.optim.Adam(objective.parameters(), lr=LEARNING_RATE, fused=True)

    def waypoint(epoch: int, history: History) -> None:
        if after_epoch is not None:
            after_epoch(epoch, objective)
        print(
            f"{cell.name} seed {seed}   epoch {epoch:3}   {history.seconds[-1]:6.0f} s   train {_bounds(history.train)[-1]:8.2f}"
            f"   valid {_bounds(history.valid)[-1]:8.2f}   rate's weight {objective.rate_weight:.2f}",
            flush=True,
        )

    schedulers: list[Any] = [up_then_down(optimizer, num_steps)]
    if cell.warm_up:
        # A unit of z that carries nothing yet costs rate and buys no distortion: early in training the bound switches units off, and
        # most never come back. A rate that counts little at first leaves them the time to become useful (Bowman et al. 2016).
        schedulers.append(LinearWeight(objective, "rate_weight", 0.0, 1.0, max(1, round(cell.warm_up * num_steps))))
    history = fit(
        objective,
        batches,
        epochs=cell.epochs,
        valid=Batches(data.valid[:2000], batch_size=500, shuffle=False),  # enough for a curve
        optimizers=optimizer,
        schedulers=schedulers,
        checkpoint=options.checkpoints / f"{cell.name}-{seed}.pt",
        resume=options.resume,
        after_epoch=waypoint,
        progress=False,
    )
    if history.stopped:
        raise SystemExit("Stopped before the end: no row was written. Add --resume to go on.")
    settings.seed_everything(seed)  # whatever was drawn before: measuring again gives the same numbers
    return _measured(cell, seed, objective, history, data, draws=10 if options.smoke else DRAWS)


def _bounds(record: dict[str, list[float]]) -> list[float]:
    """The bound after each epoch, with the whole rate, whatever its weight was."""
    return [-distortion - rate for distortion, rate in zip(record["distortion"], record["rate"], strict=True)]


def _measured(cell: Cell, seed: int, objective: Elbo, history: History, data: Fashion, draws: int) -> Run:
    model, guide = objective.model, objective.guide

    def bound(images: Tensor, num_samples: int):
        return evaluate_bound(model, guide, images, num_samples, max_evaluations=2000)

    result = bound(data.test, draws)
    units = active_units(guide, data.test[:2000], max_evaluations=2000)
    print(
        f"{cell.name} seed {seed}: test bound {result.elbo}, log-likelihood {result.log_marginal_is}, rate {result.rate}, "
        f"{units.count} active units",
        flush=True,
    )
    return Run(
        seed=seed,
        value=result.elbo.mean,
        standard_error=result.elbo.standard_error,
        epochs=cell.epochs,
        steps=history.steps,
        seconds=history.seconds[-1],
        curve={
            name: [[epoch + 1, value] for epoch, value in enumerate(_bounds(record))]
            for name, record in (("train", history.train), ("valid", history.valid))
        },
        details={
            **cell.details,
            "estimator": type(objective.estimator).__name__,
            "evaluations": EVALUATIONS,
            "samples": draws,
            "bound": result.elbo.mean,
            "log_marginal_is": result.log_marginal_is.mean,
            "log_marginal_is_standard_error": result.log_marginal_is.standard_error,
            "rate": result.rate.mean,
            "distortion": result.distortion.mean,
            "active_units": units.count,
            "latent": LATENT,
            **component_use(guide, data.test[:2000]),
            "parameters": count_parameters(objective),
            "train_bound": bound(binarise_dynamically(data.train[:10_000]), 10).elbo.mean,
            "valid_bound": bound(data.valid, 10).elbo.mean,
        },
    )


@torch.no_grad()
def component_use(guide: nn.Module, images: Tensor, num_samples: int = 20) -> dict[str, float | list[float]]:
    """What a mixture guide makes of its components, averaged over images; nothing where q(z | x) is no mixture.

    component_shares: E_x[w_k(x)], one for each component.
    component_entropy: E_x[H(w(x))], nats: 0 where each image has one component of its own.
    component_information: E_x[I(k; z | x)], nats, from `num_samples` draws of z: 0 where q(z | x) is a Gaussian in effect, because one
        component has all the weight or because they coincide; at most the entropy, where they lie apart.
    """
    shares, entropies, information = [], [], []
    for x in images.split(500):
        q = guide(x)
        if not isinstance(q, MixtureSameFamily):
            return {}
        log_weights = q.mixture_distribution.logits.log_softmax(-1)  # [images, components]
        z = q.sample((num_samples,))  # [draws, images, *latent]
        inside = q.component_distribution.log_prob(z.unsqueeze(2))  # [draws, images, components]
        entropies.append(_entropy(log_weights))
        information.append(entropies[-1] - _entropy((log_weights + inside).log_softmax(-1)).mean(0))
        shares.append(log_weights.exp())
    return {
        "component_shares": torch.cat(shares).mean(0).tolist(),
        "component_entropy": torch.cat(entropies).mean().item(),
        "component_information": torch.cat(information).mean().item(),
    }


def _entropy(log_probabilities: Tensor) -> Tensor:
    """[..., K] → [...], nats."""
    return torch.special.entr(log_probabilities.exp()).sum(-1)


def row_of(cell: Cell, system: str, protocol: str, command: str, options: Options) -> Row:
    """The row of a cell, with the runs of earlier sittings under the same protocol if `options.resume`."""
    row = Row(
        name=cell.name,
        system=system,
        metric="test bound, nats",
        published=None,
        reach=None,
        higher_is_better=True,
        source="this workbook's own comparison",
        protocol=protocol,
        command=command,
    )
    return with_earlier_runs(row, options.results) if options.resume else row


def time_steps(cells: Sequence[Cell], rows: Sequence[Row], data: Fashion, options: Options) -> None:
    """Time a training step of each cell, all in turns, and write it into every run of its row: details["seconds_per_step"]."""
    objectives = {cell.name: start(cell, 0, data.train) for cell in cells}
    small = {"rounds": 2, "steps": 1} if options.smoke else {}
    with fast_matmul():
        seconds = seconds_per_step(objectives, data.batches(), **small)
    for row in rows:
        for run in row.runs:
            run.details["seconds_per_step"] = seconds[row.name]
        write_row(row, options.results)
        print(f"{row.name}   {1000 * seconds[row.name]:.2f} ms a step", flush=True)

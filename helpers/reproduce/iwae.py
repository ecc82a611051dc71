"""Burda et al. 2016, one stochastic layer: 50 latents, two tanh layers of 200, dynamically binarised MNIST.

Published negative log-likelihoods, with 5000 importance samples: VAE 86.76, IWAE-5 85.54, IWAE-50 84.78, after 3280 epochs in
batches of 20. Ours differs in what the protocol leaves free: where training starts (`initialise`; IWAE-50 from our IWAE-5), far fewer
epochs, larger batches, and the optimiser: Muon for weight matrices, Adam for biases, each with a learning rate that rises over the first
twentieth of the steps and then falls to nothing in a straight line.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from tqdm.auto import tqdm

from helpers import settings
from helpers.data import Batches, binarise_dynamically, load_images
from helpers.distributions import BernoulliConditional, GaussianConditional, StandardNormalPrior
from helpers.estimators import ImportanceWeighted
from helpers.evaluation import evaluate_bound
from helpers.models import AmortizedGuide, Elbo, LatentVariableModel
from helpers.networks import FeedForward
from helpers.reproduce.options import Options, command
from helpers.reproduce.rows import Row, Run, write_row
from helpers.training import History, fit, load_checkpoint
from helpers.training.initialisation import initialise
from helpers.training.schedule import up_then_down

LATENT = 50


@dataclass(frozen=True)
class System:
    """One row: its name, samples inside the logarithm, batch size, epochs, peak learning rate of Muon, where it starts, and what was
    published."""

    name: str
    title: str
    num_samples: int
    batch_size: int
    epochs: int
    learning_rate: float
    start: str | None
    published: float


SYSTEMS = (
    System("iwae-1", "VAE (IWAE-1)", 1, 100, 100, 5e-3, None, 86.76),
    System("iwae-5", "IWAE-5", 5, 100, 200, 5e-3, None, 85.54),
    System("iwae-50", "IWAE-50", 50, 50, 7, 1e-3, "iwae-5", 84.78),
)


def build() -> tuple[LatentVariableModel, AmortizedGuide]:
    """p(x, z) and q(z | x) of Burda et al., one stochastic layer, untrained."""
    image, network = (1, 28, 28), FeedForward((200, 200), nn.Tanh)
    model = LatentVariableModel(StandardNormalPrior(LATENT), BernoulliConditional((LATENT,), image, network))
    return model, AmortizedGuide(GaussianConditional(image, (LATENT,), network))


def run(options: Options) -> list[Row]:
    data = load_images("digits", size=28) if options.smoke else load_images("mnist", valid=0)
    device = settings.device()
    settings.seed_everything(0)
    train_images = data.train.images.to(device)
    test_images = binarise_dynamically(data.test.images).to(device)  # one draw, the same for every row and seed
    test = Batches(test_images[:2000], batch_size=200, shuffle=False)  # enough for a curve
    rows = []
    for system in SYSTEMS:
        if not options.wants(system.name):
            continue
        epochs = 1 if options.smoke else system.epochs
        train = Batches(train_images, batch_size=system.batch_size, transform=binarise_dynamically)
        start = f", starts from {system.start}" if system.start else ""
        row = Row(
            name=system.name,
            system=f"{system.title}, 50 latents, 200-200 tanh, dynamically binarised MNIST",
            metric="test NLL, nats, 5000 importance samples",
            published=system.published,
            reach=system.published,
            higher_is_better=False,
            source="Burda, Grosse, Salakhutdinov 2016, table 1",
            protocol=(
                f"60,000 training images, batch {system.batch_size}, {epochs} epochs, Muon {system.learning_rate:g} "
                f"and Adam for biases, warm-up and linear decay{start}"
            ),
            command=command(),
        )
        for seed in options.seeds:
            row.with_run(_run_one(system, seed, epochs, train, test, test_images, options))
        write_row(row, options.results)
        rows.append(row)
    return rows


def _optimizers(objective: nn.Module, learning_rate: float, num_steps: int) -> tuple[list[Optimizer], list[LambdaLR]]:
    """Muon for weight matrices, Adam for biases; both warm up over a twentieth of `num_steps`, then decay linearly to nothing."""
    matrices = [parameter for parameter in objective.parameters() if parameter.ndim == 2]
    biases = [parameter for parameter in objective.parameters() if parameter.ndim != 2]
    optimizers = [
        torch.optim.Muon(matrices, lr=learning_rate, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"),
        torch.optim.Adam(biases, lr=2e-3),
    ]
    return optimizers, [up_then_down(optimizer, num_steps) for optimizer in optimizers]


def _run_one(
    system: System, seed: int, epochs: int, train: Batches, test: Batches, test_images: torch.Tensor, options: Options
) -> Run:
    settings.seed_everything(seed)
    model, guide = build()
    initialise(model, guide, train.tensors[0].cpu())
    objective = Elbo(model, guide, ImportanceWeighted(), system.num_samples).to(test_images.device)
    if system.start is not None:
        earlier = options.checkpoints / f"{system.start}-{seed}.pt"
        if not earlier.exists():
            raise SystemExit(
                f"{system.name} starts from {system.start}, and {earlier} is missing: make that row first."
            )
        objective.load_state_dict(load_checkpoint(earlier)["objective"])
    optimizers, schedules = _optimizers(objective, system.learning_rate, epochs * len(train))
    waypoints = [epoch for epoch in range(1, epochs + 1) if epoch % max(1, epochs // 20) == 0]

    def waypoint(epoch: int, history: History) -> None:
        if epoch in waypoints:
            tqdm.write(
                f"{system.name} seed {seed}   epoch {epoch:4}   {history.seconds[-1]:7.0f} s   train {history.train['bound'][-1]:8.2f}"
                f"   test {history.valid['bound'][-1]:8.2f}   ({system.num_samples}-sample bounds)"
            )

    history = fit(
        objective,
        train,
        epochs=epochs,
        valid=test,  # for the curve alone: nothing is chosen by it
        optimizers=optimizers,
        schedulers=schedules,
        checkpoint=options.checkpoints / f"{system.name}-{seed}.pt",
        resume=options.resume,
        after_epoch=waypoint,
    )
    if history.stopped:
        raise SystemExit("Stopped before the end: no row was written. Add --resume to go on.")
    result = evaluate_bound(model, guide, test_images, num_samples=10 if options.smoke else 5000, max_evaluations=2000)
    print(
        f"{system.name} seed {seed}: test NLL {-result.log_marginal_is.mean:.2f} ± {result.log_marginal_is.standard_error:.2f}"
    )
    return Run(
        seed=seed,
        value=-result.log_marginal_is.mean,
        standard_error=result.log_marginal_is.standard_error,
        epochs=epochs,
        steps=history.steps,
        seconds=history.seconds[-1],
        curve={
            name: [[epoch, record["bound"][epoch - 1]] for epoch in waypoints]
            for name, record in (("train", history.train), ("test", history.valid))
        },
        details={"elbo": result.elbo.mean, "distortion": result.distortion.mean, "rate": result.rate.mean},
    )

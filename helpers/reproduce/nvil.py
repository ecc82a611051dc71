"""Sigmoid belief networks, linear, 200 bits a layer, on static binarised MNIST; and every estimator raced on the one with one layer.

Published: test NLL bounds 113.1 (one layer), 99.8 (two) and 96.7 (three), by NVIL (Mnih, Gregor 2014); best bounds on the training part
-112.5, -111.6, -111.2 (one layer: NVIL, REBAR, RELAX) and -99.6, -98.2, -98.0 (two), by Grathwohl et al. 2018.
Ours differs in what those protocols leave free: estimator, initialisation, AdamW with weight decay on the weight matrices, and a learning
rate that rises over the first twentieth of the steps, then falls to nothing in a straight line. Weight decay and schedule were chosen by
the bound on the last 5,000 training images, after training on the other 45,000. With one layer the peak was 1e-2 from the start: a
first trial had also had 3e-3, whose train and validation bounds were both worse. With two it is 2e-2, of 5e-3, 1e-2, 2e-2 and 4e-2 the
best after 20 epochs on the images set aside.

A training gives two rows, NAME (held-out bound) and NAME-train, where both were published; `--only race` makes the rows of the race.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from helpers import settings
from helpers.data import Batches, binarise_by_threshold, load_images
from helpers.estimators import DisArm, GradientEstimator, LeaveOneOut
from helpers.evaluation import evaluate_bound
from helpers.models import AmortizedGuide, LatentVariableModel, LayeredElbo, sigmoid_belief_network
from helpers.reproduce.estimator_race import run_race
from helpers.reproduce.options import Options, command
from helpers.reproduce.rows import Row, Run, write_row
from helpers.training import History, fit
from helpers.training.initialisation import initialise
from helpers.training.schedule import up_then_down

IMAGE, BATCH = (1, 28, 28), 100


@dataclass(frozen=True)
class System:
    """One training, two rows. estimator: of each layer. num_samples: evaluations of each layer's costs, per sample of the layer below.
    published: held-out NLL bound, train bound; None where nothing was. reach: of the train bound.
    others: train bounds published beside it. chosen: how the settings were, in words."""

    name: str
    sizes: tuple[int, ...]
    estimator: Callable[[], GradientEstimator]
    num_samples: tuple[int, ...]
    epochs: int
    learning_rate: float
    weight_decay: float
    published: tuple[float, float | None]
    reach: float | None
    others: str
    chosen: str

    @property
    def estimator_name(self) -> str:
        return self.estimator.__name__


SET_ASIDE = "5,000 training images set aside"
ONE = {
    "published": (113.1, -111.2),
    "reach": -111.0,
    "others": "NVIL -112.5, REBAR -111.6, RELAX -111.2",
    "chosen": f"the latter two chosen on {SET_ASIDE}, the peak in a trial that showed the validation part too",
}
TWO = {
    "published": (99.8, -98.0),
    "reach": -97.8,
    "others": "NVIL -99.6, REBAR -98.2, RELAX -98.0",
    "chosen": f"all chosen on {SET_ASIDE}",
}
THREE = {
    "published": (96.7, None),
    "reach": None,
    "others": "none",
    "chosen": f"as for two layers, chosen there on {SET_ASIDE}",
}
SYSTEMS = (
    System("sbn-200-disarm", (200,), DisArm, (4,), 300, 1e-2, 0.03, **ONE),
    System("sbn-200-leave-one-out", (200,), LeaveOneOut, (4,), 300, 1e-2, 0.03, **ONE),
    System("sbn-200-200", (200, 200), DisArm, (2, 2), 400, 2e-2, 0.03, **TWO),
    System("sbn-200-200-200", (200, 200, 200), DisArm, (2, 2, 2), 300, 2e-2, 0.03, **THREE),
)


def run(options: Options) -> list[Row]:
    train, valid, test = _packaged() if options.smoke else _binarised_mnist()
    part, held_out = ("validation", valid) if test is None else ("test", test)
    rows = []
    for system in SYSTEMS:
        if options.wants(system.name) or options.wants(f"{system.name}-train"):
            rows += _train(system, train, part, held_out, options)
    return rows + run_race(train, valid, options)


def _binarised_mnist() -> tuple[Tensor, Tensor, Tensor | None]:
    """Training, validation and, where it is at hand, test part."""
    data, device = load_images("binarized_mnist"), settings.device()
    return (
        data.train.images.to(device),
        data.valid.images.to(device),
        None if data.test is None else data.test.images.to(device),
    )


def _packaged() -> tuple[Tensor, Tensor, None]:
    """300 binarised digits to train on, and 300 more, for `--smoke`."""
    data, device = load_images("digits", size=IMAGE[-1]), settings.device()
    train, valid = (binarise_by_threshold(split.images[:300]).to(device) for split in (data.train, data.valid))
    return train, valid, None


def _train(system: System, train: Tensor, part: str, held_out: Tensor, options: Options) -> list[Row]:
    epochs = 1 if options.smoke else system.epochs
    layers = "-".join(map(str, system.sizes))
    about = f"SBN {layers} bits, linear, {system.estimator_name}, static binarised MNIST"
    protocol = (
        f"50,000 training images, batch {BATCH}, {epochs} epochs, evaluations of f per image and step {system.num_samples}; AdamW "
        f"{system.learning_rate:g}, warm-up and linear decay, weight decay {system.weight_decay:g}, {system.chosen}; final parameters"
    )
    held_out_row = Row(
        name=system.name,
        system=about,
        metric=f"{part} NLL bound, nats",
        published=system.published[0],
        reach=system.published[0],
        higher_is_better=False,
        source="Mnih, Gregor 2014, NVIL, test NLL bound",
        protocol=f"{protocol}; 50 draws an image, 10,000 {part} images",
        command=command(),
    )
    train_row = Row(
        name=f"{system.name}-train",
        system=about,
        metric="train bound, nats",
        published=system.published[1],
        reach=system.reach,
        higher_is_better=True,
        source=f"Grathwohl et al. 2018, best train bound: {system.others}",
        protocol=f"{protocol}, where the source reports the best of its training; 10 draws an image, all training images",
        command=command(),
    )
    rows = [row for row in (held_out_row, train_row) if row.published is not None and options.wants(row.name)]
    for seed in options.seeds:
        run_of = _run_one(system, seed, epochs, train, held_out, options)
        for row in rows:
            row.with_run(run_of["held out" if row is held_out_row else "train"])
            write_row(row, options.results)
    return rows


def _run_one(
    system: System, seed: int, epochs: int, train: Tensor, held_out: Tensor, options: Options
) -> dict[str, Run]:
    settings.seed_everything(seed)
    model, guide = sigmoid_belief_network(system.sizes, IMAGE)
    initialise(model, guide, train.cpu())
    objective = LayeredElbo(model, guide, [system.estimator() for _ in system.sizes], system.num_samples).to(
        train.device
    )
    batches = Batches(train, batch_size=BATCH)
    optimizer = _adamw(objective, system)
    waypoints = [epoch for epoch in range(1, epochs + 1) if epoch % max(1, epochs // 20) == 0]

    def waypoint(epoch: int, history: History) -> None:
        if epoch in waypoints:
            print(
                f"{system.name} seed {seed}   epoch {epoch:4}   {history.seconds[-1]:7.0f} s   train {history.train['bound'][-1]:8.2f}"
                f"   held out {history.valid['bound'][-1]:8.2f}",
                flush=True,
            )

    history = fit(
        objective,
        batches,
        epochs=epochs,
        valid=Batches(held_out, batch_size=1000, shuffle=False),  # for the curve alone: nothing is chosen by it
        optimizers=optimizer,
        schedulers=[up_then_down(optimizer, epochs * len(batches))],
        checkpoint=options.checkpoints / f"{system.name}-{seed}.pt",
        resume=options.resume,
        after_epoch=waypoint,
    )
    if history.stopped:
        raise SystemExit("Stopped before the end: no row was written. Add --resume to go on.")
    on_train = evaluate_bound(model, guide, train, num_samples=10)
    on_held_out = evaluate_bound(model, guide, held_out, num_samples=50)
    common = {
        "seed": seed,
        "epochs": epochs,
        "steps": history.steps,
        "seconds": history.seconds[-1],
        "curve": {
            name: [[epoch, record["bound"][epoch - 1]] for epoch in waypoints]
            for name, record in (("train", history.train), ("valid", history.valid))
        },
    }
    runs = {}
    for name, sign, result, images in (("held out", -1, on_held_out, held_out), ("train", 1, on_train, train)):
        print(
            f"{system.name} seed {seed}: {name} bound {result.elbo}, log-likelihood {result.log_marginal_is}",
            flush=True,
        )
        details = {
            "estimator": system.estimator_name,
            "evaluations": list(system.num_samples),
            "train_bound": on_train.elbo.mean,
            "valid_bound": on_held_out.elbo.mean,
            "log_marginal_is": result.log_marginal_is.mean,
            "distortion": result.distortion.mean,
            "rate": result.rate.mean,
            "standard_error_of_draws": _error_of_draws(model, guide, images, result.num_samples),
        }
        runs[name] = Run(
            value=sign * result.elbo.mean, standard_error=result.elbo.standard_error, details=details, **common
        )
    return runs


def _adamw(objective: nn.Module, system: System) -> torch.optim.AdamW:
    """Weight decay on weight matrices; none on biases and on the prior's logits."""
    matrices = [parameter for parameter in objective.parameters() if parameter.ndim == 2]
    others = [parameter for parameter in objective.parameters() if parameter.ndim != 2]
    groups = [{"params": matrices, "weight_decay": system.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=system.learning_rate, fused=True)


@torch.no_grad()
def _error_of_draws(model: LatentVariableModel, guide: AmortizedGuide, images: Tensor, num_samples: int) -> float:
    """The part of the bound's standard error that comes of drawing z, in nats: from the spread over 20 draws, for 500 images."""
    some = images[:500]
    q = guide(some)
    z = q.sample((20,))  # [draws, images, bits]
    log_weight = model.log_joint(some, z) - q.log_prob(z)
    return (log_weight.var(0).mean() / (num_samples * len(images))).sqrt().item()

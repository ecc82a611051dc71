"""An unsupervised step of the semi-supervised VAE, its label summed over ten classes: ours and Pyro's."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from helpers.data import Batches
from helpers.distributions import BernoulliConditional
from helpers.estimators import Estimate, LeaveOneOut
from helpers.models import AnalyticKlSemiSupervisedElbo, SemiSupervisedElbo, semi_supervised_vae
from helpers.training import fit
from tests.benchmarks.interleaved import interleaved
from tests.benchmarks.pyro_semi_supervised import PyroSemiSupervised, PyroSemiSupervisedOnLogits
from tests.benchmarks.report import Row, Side, ratios

CLASSES, LATENT, HIDDEN, IMAGE, BATCH, STEPS = 10, 50, 500, (1, 28, 28), 200, 15


class Unlabelled(nn.Module):
    """The part of the objective that sees no label, as an objective of its own."""

    def __init__(self, objective: SemiSupervisedElbo) -> None:
        super().__init__()
        self.objective = objective

    def forward(self, x: Tensor) -> Estimate:
        return self.objective.unlabelled(x)


def rows(rounds: int) -> list[Row]:
    torch.manual_seed(0)
    images = torch.rand(STEPS * BATCH, *IMAGE)  # what the pixels are makes no difference to the time
    batches = Batches(images, batch_size=BATCH)
    theirs, on_logits = (build(CLASSES, LATENT, HIDDEN) for build in (PyroSemiSupervised, PyroSemiSupervisedOnLogits))
    ours, closed_form = _ours(), _ours(AnalyticKlSemiSupervisedElbo)
    scored = _ours(label_estimator=LeaveOneOut(), label_samples=2)
    print(
        f"Semi-supervised VAE, {CLASSES} classes, latent {LATENT}, hidden {HIDDEN}, batch {BATCH}, float32, {torch.get_num_threads()} "
        f"threads; {rounds} rounds of {STEPS} unsupervised steps, interleaved; median (lowest to highest)\n",
        flush=True,
    )
    tasks = {
        "Pyro: TraceEnum_ELBO, parallel enumeration": lambda: theirs.train_epoch(batches),
        "for information: Pyro on logits": lambda: on_logits.train_epoch(batches),
        "ours: fit, SemiSupervisedElbo, Enumeration": lambda: fit(ours, batches, epochs=1, progress=False),
        "for information: ours, KL of the style in closed form": lambda: fit(
            closed_form, batches, epochs=1, progress=False
        ),
        "for information: ours, leave-one-out, 2 labels drawn": lambda: fit(scored, batches, epochs=1, progress=False),
    }
    for task in tasks.values():  # the first call is slow
        task()
    seconds = interleaved(tasks, rounds)
    sides = [Side(name, [1000 * value / STEPS for value in values], "ms a step") for name, values in seconds.items()]
    return [
        Row(
            "10. Unsupervised step of the semi-supervised VAE, label enumerated",
            sides,
            ratios(sides[0].values, sides[2].values),
            least=2.5,
        )
    ]


def _ours(bound: type[SemiSupervisedElbo] = SemiSupervisedElbo, **options: object) -> Unlabelled:
    model, guide = semi_supervised_vae(IMAGE, CLASSES, BernoulliConditional, latent=LATENT, hidden=(HIDDEN,))
    return Unlabelled(bound(model, guide, labelled_share=0.5, **options))

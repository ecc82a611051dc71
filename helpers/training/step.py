"""One optimiser step from one batch or several: gradient, guard against NaN, clipping, schedulers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from helpers.estimators import Estimate
from helpers.evaluation.doors import called
from helpers.training.averages import TermTotals
from helpers.training.history import History, NonFiniteError
from helpers.training.schedule import Scheduler


@dataclass(frozen=True)
class Step:
    """What `fit(after_step=...)` passes on after each optimiser step.

    Attributes:
        number: Optimiser steps taken so far, in all epochs, this one included.
        epoch: Epoch that the step belongs to, counted from 1.
        estimate: What the objective returned for the batch, or for the last batch if gradients are accumulated. Its surrogate has no graph
            any more.
        gradient_norm: Norm of the whole gradient before clipping.
        learning_rates: Learning rates that the step used, one for each parameter group of each optimiser.
    """

    number: int
    epoch: int
    estimate: Estimate
    gradient_norm: float
    learning_rates: tuple[float, ...]


class Stepper:
    """Turns batches into optimiser steps: `add` each batch, then `step` once `is_due`.

    Gradients of a step's batches are averaged over items, not over batches, so that they are those of one large batch.

    Args:
        objective: Module that maps a batch to an `Estimate`.
        optimizers: Optimisers of its parameters.
        schedulers: Schedulers, stepped after every optimiser step.
        clip_norm: Largest norm of the gradient; None: no clipping.
        accumulate: Batches of a step.
        history: Record whose `steps` is counted up.
    """

    def __init__(
        self,
        objective: nn.Module,
        optimizers: Sequence[Optimizer],
        schedulers: Sequence[Scheduler],
        clip_norm: float | None,
        accumulate: int,
        history: History,
    ) -> None:
        self.objective, self.optimizers, self.schedulers = objective, optimizers, schedulers
        self.clip_norm, self.accumulate, self.history = clip_norm, accumulate, history
        self.parameters = [p for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]]
        self.pending = self.items = 0  # batches and items since the last step

    @property
    def is_due(self) -> bool:
        """Whether the batches of a step are complete."""
        return self.pending == self.accumulate

    def add(self, batch: Any, totals: TermTotals) -> Estimate:
        """Add the gradient of a batch.

        Args:
            batch: Batch, as the objective takes it.
            totals: Sums of the epoch, to which value and terms are added.

        Returns:
            What the objective returned.

        Raises:
            NonFiniteError: If the loss or a term is NaN or infinite.
            ValueError: If the objective returns no `Estimate`, or one without a gradient.
        """
        if self.pending == 0:
            for optimizer in self.optimizers:
                optimizer.zero_grad(set_to_none=True)
        estimate = called(self.objective, batch)
        loss = estimate.auxiliary_loss - estimate.surrogate.mean()
        # Checked before the step, so that the parameters stay finite.
        # NaN and infinity survive a sum, so one check of the sum replaces a check of each tensor.
        if not math.isfinite(loss.detach() + totals.add(estimate)):
            raise NonFiniteError(_blame(self.history.steps + 1, estimate, loss), self.history)
        if not loss.requires_grad:
            raise ValueError(
                f"Got an Estimate from {type(self.objective).__name__} whose surrogate has no gradient; expected one that depends on "
                "parameters. Usually it was computed under torch.no_grad(), from detached tensors, or every parameter it uses is frozen."
            )
        if self.accumulate > 1:  # undone by `step`, which divides by the items of all its batches
            loss = loss * estimate.value.numel()
        loss.backward()
        self.pending += 1
        self.items += estimate.value.numel()
        return estimate

    def step(self) -> tuple[float, tuple[float, ...]]:
        """Take the optimiser step, then step the schedulers.

        Returns:
            Norm of the gradient before clipping, and the learning rates that were used, one a parameter group.

        Raises:
            NonFiniteError: If the gradient is NaN or infinite.
        """
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        if self.accumulate > 1 and gradients:
            torch._foreach_div_(gradients, self.items)
        total_norm = torch.nn.utils.get_total_norm(gradients)
        norm = float(total_norm)
        if not math.isfinite(norm):
            raise NonFiniteError(_blame_gradient(self.history.steps + 1, self.objective), self.history)
        if self.clip_norm is not None:
            torch.nn.utils.clip_grads_with_norm_(self.parameters, self.clip_norm, total_norm)
        rates = tuple(float(group["lr"]) for optimizer in self.optimizers for group in optimizer.param_groups)
        for optimizer in self.optimizers:
            optimizer.step()
        for scheduler in self.schedulers:
            scheduler.step()
        self.history.steps += 1
        self.pending = self.items = 0
        return norm, rates


@torch.no_grad()
def zero_subnormals(optimizers: Sequence[Optimizer]) -> None:
    """Set parameters and moments below the smallest normal number, 1e-38 in float32, to zero, on a CPU.

    Weight decay leaves such values in weights without a gradient: a key that no chorale plays, a masked connection. A processor is many
    times slower on them. torch.set_flush_denormal affects the calling thread only.

    Args:
        optimizers: Optimisers whose parameters and state are changed in place.
    """
    for optimizer in optimizers:
        for parameter in (parameter for group in optimizer.param_groups for parameter in group["params"]):
            for tensor in (parameter, *optimizer.state.get(parameter, {}).values()):
                if torch.is_tensor(tensor) and tensor.is_floating_point() and tensor.device.type == "cpu":
                    tensor.masked_fill_(tensor.abs() < torch.finfo(tensor.dtype).tiny, 0)


def _blame(step: int, estimate: Estimate, loss: Tensor) -> str:
    named = {**estimate.terms, "bound": estimate.value, "surrogate": estimate.surrogate.detach(), "loss": loss.detach()}
    bad = [name for name, values in named.items() if not bool(torch.isfinite(values).all())]
    return (
        f"Training stopped at step {step}: {' and '.join(bad)} became NaN or infinite. The parameters are those from before this step. "
        "Usual causes: a learning rate too high (try a tenth, or clip_norm=...), NaN in the data, a scale that vanished."
    )


def _blame_gradient(step: int, objective: nn.Module) -> str:
    bad = [n for n, p in objective.named_parameters() if p.grad is not None and not bool(torch.isfinite(p.grad).all())]
    return (
        f"Training stopped at step {step}: the gradient of {bad[0] if bad else 'the parameters'} became NaN or infinite. The "
        "parameters are those from before this step. Usual causes: a learning rate too high, a scale that vanished, 0 times infinity."
    )

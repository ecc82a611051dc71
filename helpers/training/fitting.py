"""`fit`: train any objective, with a progress bar, a history, checkpoints that survive a kill, and a guard against NaN."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Sequence, Sized
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from tqdm.auto import tqdm

from helpers import settings
from helpers.estimators import Estimate
from helpers.files import keeps_nothing
from helpers.matmul import fast_matmul
from helpers.training.averages import TermTotals, average_terms
from helpers.training.checkpoint import TrainingState
from helpers.training.history import History, NonFiniteError, Record
from helpers.training.schedule import Scheduler


def fit(
    objective: nn.Module,
    train: Iterable[Any],
    *,
    epochs: int,
    valid: Iterable[Any] | None = None,
    optimizers: Optimizer | Sequence[Optimizer] | None = None,
    schedulers: Sequence[Scheduler] = (),
    clip_norm: float | None = None,
    patience: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    resume: bool = False,
    after_epoch: Callable[[int, History], None] | None = None,
    progress: bool | None = None,
) -> History:
    """Maximise an objective over batches by stochastic gradient ascent.

    Loss of a batch: auxiliary_loss - mean of surrogate.

    Args:
        objective: Module that maps a batch to an `Estimate` [*batch].
        train: Training batches, iterated anew each epoch.
        epochs: Passes over `train` in total, including those before a resume.
        valid: Validation batches, averaged after each epoch without gradients, in evaluation mode, with the same noise every epoch.
            The random state of training is not disturbed. None: no validation.
        optimizers: One optimiser, or several (parameter groups with optimisers of their own). None: fused Adam, learning rate 1e-3.
        schedulers: Schedulers, stepped after every optimiser step.
        clip_norm: Largest norm of the gradient; longer gradients are scaled down to it. None: no clipping.
        patience: Epochs without a better validation bound after which training stops. The best parameters are restored at the end.
            None: all epochs, last parameters.
        checkpoint: File written after every epoch, atomically: parameters, optimisers, schedulers, random state, history. None: no file.
        resume: Continue from `checkpoint` if that file exists. On a CPU the result is bit-identical to an unbroken run.
        after_epoch: Called with the number of epochs done and the history, before the checkpoint is written. `History.note` records
            figures.
        progress: Whether to show the bar. None: yes, except in smoke mode.

    Returns:
        The history. Ctrl-C ends training early and returns the history so far.

    Raises:
        NonFiniteError: If a loss, term or gradient is NaN or infinite. The message names step and term; the parameters are those
            from before that step.
        ValueError: If `resume` comes without `checkpoint` or `patience` without `valid`, if `train` or `valid` has no batch, or if the
            checkpoint does not fit.
    """
    optimizers = _as_optimizers(optimizers, objective)
    file = None if checkpoint is None else Path(checkpoint)
    if resume and file is None:
        raise ValueError("Got resume=True without checkpoint; expected checkpoint=FILE, the file to continue from.")
    if patience is not None and valid is None:
        raise ValueError(
            f"Got patience={patience} without valid; expected validation batches, whose bound decides when to stop: valid=..."
        )
    state = TrainingState(objective, optimizers, schedulers, History(), best=None)
    if resume and file is not None and file.exists() and not keeps_nothing(file):
        state.load(file)
    history = state.history
    if history.stopped == "early":
        state.restore_best()
        return history
    history.stopped = ""

    started = time.perf_counter() - (history.seconds[-1] if history.seconds else 0.0)
    num_steps = len(train) if isinstance(train, Sized) else None
    show = not settings.SMOKE if progress is None else progress
    bar = tqdm(
        total=None if num_steps is None else epochs * num_steps,
        initial=history.steps,
        unit="step",
        disable=not show,
        dynamic_ncols=True,
        mininterval=0.5,
    )
    try:
        for epoch in range(history.epochs, epochs):
            bar.set_description(f"epoch {epoch + 1}/{epochs}")
            with fast_matmul():
                averages = _train_epoch(objective, train, optimizers, schedulers, clip_norm, history, bar)
                validated = {} if valid is None else average_terms(objective, valid)
            _append(history.train, averages)  # all at once, so that Ctrl-C leaves no list longer than another
            _append(history.valid, validated)
            history.seconds.append(time.perf_counter() - started)
            bar.set_postfix_str(_summary(history))
            stop = patience is not None and state.remember_best(patience)
            if stop:
                history.stopped = "early"
            if after_epoch is not None:
                after_epoch(epoch + 1, history)
            if file is not None:  # after `after_epoch`, so that what it noted and drew at random is saved too
                state.save(file)
            if stop:
                break
    except KeyboardInterrupt:
        history.stopped = "interrupted"
        again = "Call fit again with resume=True to go on." if file is not None else "No checkpoint was asked for."
        tqdm.write(f"Interrupted after {history.epochs} whole epoch(s), {history.steps} steps. {again}")
    finally:
        bar.close()
    if patience is not None and history.stopped != "interrupted":
        state.restore_best()
    return history


def _train_epoch(
    objective: nn.Module,
    batches: Iterable[Any],
    optimizers: list[Optimizer],
    schedulers: Sequence[Scheduler],
    clip_norm: float | None,
    history: History,
    bar: tqdm,
) -> dict[str, float]:
    objective.train()
    parameters = [p for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]]
    totals = TermTotals()
    for batch in batches:
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        estimate = objective(batch)
        loss = estimate.auxiliary_loss - estimate.surrogate.mean()
        # Checked before the step, so that the parameters stay finite.
        # NaN and infinity survive a sum, so one check of the sum replaces a check of each tensor.
        if not math.isfinite(loss.detach() + totals.add(estimate)):
            raise NonFiniteError(_blame(history.steps + 1, estimate, loss), history)
        loss.backward()
        gradients = [p.grad for p in parameters if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        if not math.isfinite(norm):
            raise NonFiniteError(_blame_gradient(history.steps + 1, objective), history)
        if clip_norm is not None:
            torch.nn.utils.clip_grads_with_norm_(parameters, clip_norm, norm)
        for optimizer in optimizers:
            optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
        history.steps += 1
        bar.update()
    _zero_subnormals(optimizers)
    return totals.averages()


@torch.no_grad()
def _zero_subnormals(optimizers: list[Optimizer]) -> None:
    """Set parameters and moments below the smallest normal number, 1e-38 in float32, to zero, on a CPU.

    Weight decay leaves such values in weights without a gradient: a key that no chorale plays, a masked connection. A processor is many
    times slower on them. torch.set_flush_denormal affects the calling thread only.
    """
    for optimizer in optimizers:
        for parameter in (parameter for group in optimizer.param_groups for parameter in group["params"]):
            for tensor in (parameter, *optimizer.state.get(parameter, {}).values()):
                if torch.is_tensor(tensor) and tensor.is_floating_point() and tensor.device.type == "cpu":
                    tensor.masked_fill_(tensor.abs() < torch.finfo(tensor.dtype).tiny, 0)


def _as_optimizers(optimizers: Optimizer | Sequence[Optimizer] | None, objective: nn.Module) -> list[Optimizer]:
    if optimizers is None:
        # Fused: one kernel over all parameters. The default runs several small operations per parameter, at many times the cost.
        return [torch.optim.Adam(objective.parameters(), lr=1e-3, fused=True)]
    return [optimizers] if isinstance(optimizers, Optimizer) else list(optimizers)


def _append(record: Record, averages: dict[str, float]) -> None:
    for name, value in averages.items():
        record.setdefault(name, []).append(value)


def _summary(history: History) -> str:
    parts = [f"{name} {record['bound'][-1]:.2f}" for name, record in vars(history).items() if _has_bound(record)]
    return ", ".join(parts)


def _has_bound(record: Any) -> bool:
    return isinstance(record, dict) and bool(record.get("bound"))


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

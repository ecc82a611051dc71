"""`fit`: train any objective, with a progress bar, a history, checkpoints that survive a kill, and a guard against NaN."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence, Sized
from typing import Any

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from tqdm.auto import tqdm

from helpers import settings
from helpers.data.checks import check_integer
from helpers.evaluation.doors import check_batches, check_objective
from helpers.matmul import fast_matmul
from helpers.training.averages import TermTotals, average_terms
from helpers.training.checkpoint import TrainingState
from helpers.training.doors import as_checkpoint, as_optimizers, as_schedulers, check_callback, check_clip_norm
from helpers.training.history import History, Record
from helpers.training.resuming import Source, as_given, check_source, lengths_differ
from helpers.training.schedule import Scheduler
from helpers.training.step import Step, Stepper, zero_subnormals


def fit(
    objective: nn.Module,
    train: Iterable[Any],
    *,
    epochs: int,
    valid: Iterable[Any] | None = None,
    optimizers: Optimizer | Sequence[Optimizer] | None = None,
    schedulers: Scheduler | Sequence[Scheduler] = (),
    epoch_schedulers: LRScheduler | Sequence[LRScheduler] = (),
    accumulate: int = 1,
    clip_norm: float | None = None,
    patience: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    resume: bool = False,
    hyperparameters: Source = "checkpoint",
    after_step: Callable[[Step], object] | None = None,
    after_epoch: Callable[[int, History], object] | None = None,
    progress: bool | None = None,
) -> History:
    """Maximise an objective over batches by stochastic gradient ascent.

    Loss of a batch: auxiliary_loss - mean of surrogate.

    A resumed training continues with the checkpoint's parameters, optimisers, schedulers, random state and history. `epochs`, the data,
    `accumulate`, `clip_norm`, `patience` and the functions are the call's. A line is printed for settings of the call that are not used.

    Args:
        objective: Module that maps a batch to an `Estimate` [*batch].
        train: Training batches, iterated anew each epoch.
        epochs: Passes over `train` in total, 1 or more, including those before a resume.
        valid: Validation batches, averaged after each epoch without gradients, in evaluation mode, with the same noise every epoch.
            The random state of training is not disturbed. None: no validation.
        optimizers: One optimiser, or several (parameter groups with optimisers of their own). Parameters that none holds stay as they
            are. None: fused Adam, learning rate 1e-3.
        schedulers: Schedulers, stepped after every optimiser step. One alone need not be in a list.
        epoch_schedulers: Schedulers, stepped after every epoch. `ReduceLROnPlateau` reads the validation bound, or the training bound
            without `valid`: as it is in mode "max", its negative, a loss, in mode "min".
        accumulate: Batches of one optimiser step. Their gradients are averaged over items, so that k batches give the step of one batch k
            times as large. The last step of an epoch may have fewer batches.
        clip_norm: Largest norm of the gradient, above 0; longer gradients are scaled down to it. None: no clipping.
        patience: Epochs without a better validation bound after which training stops. The best parameters are restored at the end.
            None: all epochs, last parameters.
        checkpoint: File written after every epoch, atomically: parameters, optimisers, schedulers, random state, history. None, or
            `os.devnull`: no file.
        resume: Continue from `checkpoint` if that file exists. On a CPU the result is bit-identical to an unbroken run.
        hyperparameters: Whose learning rates and schedulers a resumed training uses. "checkpoint": those of the file go on. "call": those
            of the optimisers and schedulers given, which start from their beginning; the optimisers' moments are the file's.
        after_step: Called with a `Step` after every optimiser step. What it returns is ignored. What it raises ends training; the
            checkpoint is then that of the last whole epoch.
        after_epoch: Called with the number of epochs done and the history, before the checkpoint is written. `History.note` records
            figures.
        progress: Whether to show the bar. None: yes, except in smoke mode.

    Returns:
        The history. Ctrl-C ends training early and returns the history so far.

    Raises:
        NonFiniteError: If a loss, term or gradient is NaN or infinite. The message names step and term; the parameters are those
            from before that step.
        ValueError: If an argument is of another kind, if `resume` comes without `checkpoint` or `patience` without `valid`, if `train` or
            `valid` has no batch, or if the checkpoint does not fit.
    """
    check_objective(objective)
    epochs = check_integer(epochs, "epochs", "the passes over the training batches")
    accumulate = check_integer(accumulate, "accumulate", "the batches of an optimiser step")
    check_batches(train, "train", epochs)
    if valid is not None:
        check_batches(valid, "valid", epochs)
    optimizers = as_optimizers(optimizers, objective)
    schedulers = as_schedulers(schedulers, "schedulers", optimizers, objective)
    epoch_schedulers = as_schedulers(epoch_schedulers, "epoch_schedulers", optimizers, objective)
    check_clip_norm(clip_norm)
    check_source(hyperparameters)
    check_callback(after_step, "after_step", "a Step")
    check_callback(after_epoch, "after_epoch", "the number of epochs and the history")
    file = as_checkpoint(checkpoint)
    if resume and checkpoint is None:
        raise ValueError("Got resume=True without checkpoint; expected checkpoint=FILE, the file to continue from.")
    if patience is not None:
        patience = check_integer(patience, "patience", "None, or the epochs without a better bound")
        if valid is None:
            raise ValueError(
                f"Got patience={patience} without valid; expected validation batches, whose bound decides when to stop: valid=..."
            )
    num_steps = -(-len(train) // accumulate) if isinstance(train, Sized) else None
    given = as_given(optimizers, [*schedulers, *epoch_schedulers], objective)
    state = TrainingState(objective, optimizers, schedulers, epoch_schedulers, History(), best=None, given=given)
    if resume and file is not None and file.exists():
        replaced = state.load(file, hyperparameters)
        _say_what_differs(replaced, lengths_differ(state.history, epochs, num_steps))
    history = state.history
    if history.stopped == "early" and patience is not None and state.has_waited(patience):
        state.restore_best()
        return history
    history.stopped = ""

    started = time.perf_counter() - (history.seconds[-1] if history.seconds else 0.0)
    show = not settings.SMOKE if progress is None else progress
    bar = tqdm(
        total=None if num_steps is None else epochs * num_steps,
        initial=history.steps,
        unit="step",
        disable=not show,
        dynamic_ncols=True,
        mininterval=0.5,
    )
    stepper = Stepper(objective, optimizers, schedulers, clip_norm, accumulate, history)
    try:
        for epoch in range(history.epochs, epochs):
            bar.set_description(f"epoch {epoch + 1}/{epochs}")
            with fast_matmul():
                averages, norm, rates = _train_epoch(stepper, train, epoch + 1, after_step, bar)
                validated = {} if valid is None else average_terms(objective, valid)
            _append(history.train, averages)  # all at once, so that Ctrl-C leaves no list longer than another
            _append(history.valid, validated)
            history.gradient_norm.append(norm)
            history.learning_rate.append(rates)
            history.seconds.append(time.perf_counter() - started)
            _step_epoch_schedulers(epoch_schedulers, (validated or averages)["bound"])
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
    stepper: Stepper, batches: Iterable[Any], epoch: int, after_step: Callable[[Step], object] | None, bar: tqdm
) -> tuple[dict[str, float], float, list[float]]:
    """Averages of the terms, mean norm of the gradient, and the learning rates of the last step."""
    stepper.objective.train()
    stepper.pending = stepper.items = 0  # after an interruption the gradients of half a step are left
    totals = TermTotals()
    norms: list[float] = []
    rates: tuple[float, ...] = ()

    def step() -> None:
        nonlocal rates
        norm, rates = stepper.step()
        norms.append(norm)
        bar.update()
        if after_step is not None:
            after_step(Step(stepper.history.steps, epoch, estimate, norm, rates))

    for batch in batches:
        estimate = stepper.add(batch, totals)
        if stepper.is_due:
            step()
    if stepper.pending:
        step()
    zero_subnormals(stepper.optimizers)
    averages = totals.averages()
    return averages, sum(norms) / len(norms), list(rates)


def _step_epoch_schedulers(schedulers: Sequence[Any], bound: float) -> None:
    for scheduler in schedulers:
        if isinstance(scheduler, ReduceLROnPlateau):
            scheduler.step(bound if scheduler.mode == "max" else -bound)
        else:
            scheduler.step()


def _say_what_differs(replaced: list[str], lengths: list[str]) -> None:
    if replaced:
        tqdm.write(
            f"The checkpoint's settings are used, not the call's: {'; '.join(replaced)}. To change them, pass hyperparameters=\"call\"."
        )
    for sentence in lengths:
        tqdm.write(sentence)


def _append(record: Record, averages: dict[str, float]) -> None:
    for name, value in averages.items():
        record.setdefault(name, []).append(value)


def _summary(history: History) -> str:
    parts = [f"{name} {record['bound'][-1]:.2f}" for name, record in vars(history).items() if _has_bound(record)]
    return ", ".join(parts)


def _has_bound(record: Any) -> bool:
    return isinstance(record, dict) and bool(record.get("bound"))

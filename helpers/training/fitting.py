"""`fit`: train any objective, with one bar, a history, checkpoints that survive a kill, and a guard against NaN."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from tqdm.auto import tqdm

from helpers import settings
from helpers.estimators import Estimate
from helpers.matmul import fast_matmul
from helpers.training.averages import TermTotals, average_terms
from helpers.training.checkpoint import TrainingState
from helpers.training.history import History, NonFiniteError, Record


def fit(
    objective: nn.Module,
    train: Iterable[Any],
    *,
    epochs: int,
    valid: Iterable[Any] | None = None,
    optimizers: Optimizer | Sequence[Optimizer] | None = None,
    schedulers: Sequence[LRScheduler] = (),
    clip_norm: float | None = None,
    patience: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    resume: bool = False,
    after_epoch: Callable[[int, History], None] | None = None,
    progress: bool | None = None,
) -> History:
    """Maximise `objective` over the batches of `train`, `epochs` times over.

    objective: module that maps a batch to an `Estimate` [*batch]; the loss is its auxiliary loss minus its mean surrogate.
    train, valid: batches, iterated anew each epoch. `valid` is scored without gradients, in evaluation mode, with the same noise
        every epoch, and without disturbing the random state of training.
    epochs: passes over `train` in all, those before a resume included.
    optimizers: one, or several (parameter groups with optimisers of their own); fused Adam with learning rate 1e-3 by default.
    schedulers: stepped after every optimiser step.
    clip_norm: if given, gradients are scaled down to this norm at most.
    patience: if given, stop when `valid`'s bound has not improved for so many epochs, and go back to the best parameters.
    checkpoint: file written after every epoch, atomically: parameters, optimisers, schedulers, random state, history.
    resume: continue from `checkpoint` if that file is there. On a CPU the result is bit-identical to an unbroken run.
    after_epoch: called with the number of epochs done and the history, before the checkpoint is written. `history.note` keeps numbers.
    progress: show the bar; by default, except in smoke mode.

    Returns the `History`. Ctrl-C ends training early and returns the history so far. A NaN or infinite loss, term or gradient
    raises `NonFiniteError`, naming step and term, with the parameters as they were before that step.
    """
    optimizers = _as_optimizers(optimizers, objective)
    if resume and checkpoint is None:
        raise ValueError("resume=True needs checkpoint=FILE, the file to continue from.")
    if patience is not None and valid is None:
        raise ValueError("patience=... stops on validation data: pass valid=... as well.")
    state = TrainingState(objective, optimizers, schedulers, History(), best=None)
    if resume and Path(checkpoint).exists():
        state.load(Path(checkpoint))
    history = state.history
    if history.stopped == "early":
        state.restore_best()
        return history
    history.stopped = ""

    started = time.perf_counter() - (history.seconds[-1] if history.seconds else 0.0)
    num_steps = len(train) if hasattr(train, "__len__") else None
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
            if (
                checkpoint is not None
            ):  # after what it noted, and the random numbers it drew: a resumed run goes on just so
                state.save(Path(checkpoint))
            if stop:
                break
    except KeyboardInterrupt:
        history.stopped = "interrupted"
        again = (
            "Call fit again with resume=True to go on." if checkpoint is not None else "No checkpoint was asked for."
        )
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
    schedulers: Sequence[LRScheduler],
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
        # Checked before the step, so that the parameters stay as they were when all was well.
        # NaN and infinity survive a sum, so one number tells; it costs far less than asking each tensor.
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
    """Parameters and moments below the smallest normal number, 1e-38 in float32, become 0, on a CPU.

    Weight decay leaves such numbers where a weight has no gradient of its own: a key that no chorale plays, a masked connection. A
    processor takes many times as long over them. torch.set_flush_denormal would reach the calling thread alone.
    """
    for optimizer in optimizers:
        for parameter in (parameter for group in optimizer.param_groups for parameter in group["params"]):
            for tensor in (parameter, *optimizer.state.get(parameter, {}).values()):
                if torch.is_tensor(tensor) and tensor.is_floating_point() and tensor.device.type == "cpu":
                    tensor.masked_fill_(tensor.abs() < torch.finfo(tensor.dtype).tiny, 0)


def _as_optimizers(optimizers: Optimizer | Sequence[Optimizer] | None, objective: nn.Module) -> list[Optimizer]:
    if optimizers is None:
        # Fused: one kernel over all parameters. The default makes several small operations of each, at many times the cost.
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

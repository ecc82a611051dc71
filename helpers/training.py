"""`fit`: train any objective, with one bar, a history, checkpoints that survive a kill, and a guard against NaN."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from tqdm.auto import tqdm

from helpers import settings
from helpers.estimators import Estimate
from helpers.files import replacing
from helpers.products import fast_products

Record = dict[str, list[float]]


@dataclass
class History:
    """What happened, one entry an epoch.

    train, valid: by name of term, the average over the epoch's items; `bound` is the objective's value, in nats per item.
    waypoints: by name, the [epoch, value] pairs that `note` was given.
    seconds: wall-clock seconds since training began, over all sittings.
    steps: optimiser steps taken so far.
    stopped: why training ended: "" (all epochs done), "interrupted" or "early".
    """

    train: Record = field(default_factory=dict)
    valid: Record = field(default_factory=dict)
    waypoints: dict[str, list[list[float]]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    steps: int = 0
    stopped: str = ""

    @property
    def epochs(self) -> int:
        """Number of whole epochs recorded."""
        return len(self.seconds)

    def note(self, name: str, value: float) -> None:
        """For `after_epoch`, which may measure what `fit` does not: kept with this epoch, and in the checkpoint."""
        self.waypoints.setdefault(name, []).append([self.epochs, value])


class NonFiniteError(RuntimeError):
    """Raised by `fit` when a loss or gradient is NaN or infinite. `history` holds what was recorded until then."""

    def __init__(self, message: str, history: History) -> None:
        super().__init__(message)
        self.history = history


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
    state = _State(objective, optimizers, schedulers, History(), best=None)
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
            with fast_products():
                averages = _train_epoch(objective, train, optimizers, schedulers, clip_norm, history, bar)
                validated = {} if valid is None else score(objective, valid)
            _append(history.train, averages)  # all at once, so that Ctrl-C leaves no list longer than another
            _append(history.valid, validated)
            history.seconds.append(time.perf_counter() - started)
            bar.set_postfix_str(_summary(history))
            stop = patience is not None and state.remember_best(patience)
            if stop:
                history.stopped = "early"
            if after_epoch is not None:
                after_epoch(epoch + 1, history)
            if checkpoint is not None:  # after what it noted, and the random numbers it drew: a resumed run goes on just so
                state.save(Path(checkpoint))
            if stop:
                break
    except KeyboardInterrupt:
        history.stopped = "interrupted"
        again = "Call fit again with resume=True to go on." if checkpoint is not None else "No checkpoint was asked for."
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
    totals = _Totals()
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


@torch.no_grad()
def score(objective: nn.Module, batches: Iterable[Any], seed: int = 0) -> dict[str, float]:
    """Average value (`bound`) and terms of `objective` over `batches`, in evaluation mode, per item.

    The noise is seeded, so that two calls compare; the global random state is as before afterwards.
    """
    was_training = objective.training
    objective.eval()
    totals = _Totals()
    try:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            for batch in batches:
                totals.add(objective(batch))
    finally:
        objective.train(was_training)
    return totals.averages()


class _Totals:
    """Sums of value and terms over items, kept on the device until asked for."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.items = 0

    def add(self, estimate: Estimate) -> Tensor:
        """Add what `estimate` holds. Returns the sum of all that was added, a scalar: it is finite only if every item is."""
        everything = 0.0
        for name, values in {"bound": estimate.value, **estimate.terms}.items():
            total = values.detach().sum(dtype=torch.float64 if values.device.type != "mps" else None)
            self.sums[name] = self.sums[name] + total if name in self.sums else total
            everything = everything + total
        self.items += estimate.value.numel()
        return everything

    def averages(self) -> dict[str, float]:
        if self.items == 0:
            raise ValueError("There was no batch: the data set is empty, or its iterator can be used only once.")
        return {name: total.item() / self.items for name, total in self.sums.items()}


@dataclass
class _State:
    """All that must survive a kill."""

    objective: nn.Module
    optimizers: list[Optimizer]
    schedulers: Sequence[LRScheduler]
    history: History
    best: dict[str, Any] | None

    def save(self, path: Path) -> None:
        content = {
            "objective": self.objective.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "schedulers": [scheduler.state_dict() for scheduler in self.schedulers],
            "history": asdict(self.history),
            "best": self.best,
            "random": torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        }
        with replacing(path) as partial, open(partial, "wb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())

    def load(self, path: Path) -> None:
        content = load_checkpoint(path)
        try:
            check_fit(self.objective, content["objective"])
            for kept, given in (("optimizers", self.optimizers), ("schedulers", self.schedulers)):
                if len(content[kept]) != len(given):
                    raise ValueError(f"it holds {len(content[kept])} {kept}, and {len(given)} were given")
                for item, state in zip(given, content[kept], strict=True):
                    item.load_state_dict(state)
            self.objective.load_state_dict(content["objective"])
            vars(self.history).update(content["history"])
            self.best = content["best"]
            torch.set_rng_state(content["random"])
        except (RuntimeError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise ValueError(
                f"The checkpoint {path} does not fit what is being trained: {error}. Usual cause: it was made with another model, "
                "or other optimisers; delete it to start anew."
            ) from error
        if content["random_cuda"] and torch.cuda.is_available():
            torch.cuda.set_rng_state_all(content["random_cuda"])

    def remember_best(self, patience: int) -> bool:
        """Keep the parameters if this epoch is the best so far; say whether `patience` has run out."""
        bound = self.history.valid["bound"][-1]
        if self.best is None or bound > self.best["bound"] or math.isnan(self.best["bound"]):
            parameters = {name: value.detach().clone() for name, value in self.objective.state_dict().items()}
            self.best = {"bound": bound, "epoch": self.history.epochs, "parameters": parameters}
        return self.history.epochs - self.best["epoch"] >= patience

    def restore_best(self) -> None:
        if self.best is not None:
            self.objective.load_state_dict(self.best["parameters"])


def load_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """A checkpoint as `fit` wrote it: tensors and plain containers only. Anything else is refused, never unpickled."""
    try:
        content = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:
        raise ValueError(
            f"{path} is no checkpoint of tensors and plain values, or it is damaged, and was not loaded ({type(error).__name__}). "
            "Files that would run code are refused; delete it to start anew."
        ) from error
    if not isinstance(content, dict) or "objective" not in content:
        raise ValueError(f"{path} holds tensors or plain values, but is no checkpoint that `fit` wrote; delete it to start anew.")
    return content


def save_weights(module: nn.Module, path: str | os.PathLike[str]) -> None:
    """Write the parameters and buffers of `module` as safetensors, atomically."""
    with replacing(Path(path)) as partial:
        save_file({name: value.contiguous() for name, value in module.state_dict().items()}, partial)


def load_weights(module: nn.Module, path: str | os.PathLike[str]) -> None:
    """Load safetensors into `module`. ValueError where the file is something else (a pickle, say) or does not fit."""
    try:
        weights = load_file(path)
    except FileNotFoundError:
        raise
    except Exception as error:
        raise ValueError(
            f"{path} is no safetensors file and was not loaded ({error}). Weights are read from safetensors only, because a pickle "
            "could run any code; convert it where it came from, with safetensors.torch.save_file."
        ) from error
    try:
        check_fit(module, weights)
    except ValueError as error:
        raise ValueError(f"The weights in {path} do not fit this model: {error}.") from error
    module.load_state_dict(weights)


def check_fit(module: nn.Module, weights: dict[str, Tensor]) -> None:
    """ValueError unless `weights` has the names and shapes of `module`. `load_state_dict` says so too, but overwrites what fits first."""
    expected = module.state_dict()
    for name, value in expected.items():
        if name not in weights:
            raise ValueError(f"{name} is missing from it")
        if weights[name].shape != value.shape:
            raise ValueError(f"{name} has shape {tuple(weights[name].shape)} in it, and {tuple(value.shape)} was expected")
    for name in weights:
        if name not in expected:
            raise ValueError(f"it holds {name}, which is unknown here")


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

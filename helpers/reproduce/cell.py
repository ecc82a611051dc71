"""What an experiment declares.

An experiment lists its cells. A cell is one configuration that is trained with several seeds: it says which rows its runs belong to,
builds what is trained, and measures it at the end. Everything else is the runner's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn
from torch.optim import Optimizer

from helpers import settings
from helpers.reproduce.options import Options
from helpers.reproduce.rows import Row
from helpers.training import History

Value = TypeVar("Value")


@dataclass
class Sitting:
    """One call of `run`: its options, the device, and what its cells load once and share.

    Args:
        options: What the command line said.
        device: Where training happens.
    """

    options: Options
    device: torch.device = field(default_factory=settings.device)
    _loaded: dict[str, Any] = field(default_factory=dict, repr=False)

    def budget(self, *, full: Value, smoke: Value) -> Value:
        """`smoke` with `--smoke`, else `full`.

        Args:
            full: Value for a real result.
            smoke: Value for a trial of seconds.

        Returns:
            One of the two.
        """
        return smoke if self.options.smoke else full

    def once(self, name: str, load: Callable[[], Value]) -> Value:
        """What `load` returns, loaded at the first call and kept for the others.

        Args:
            name: Key under which the value is kept.
            load: Called without arguments at the first call.

        Returns:
            The value, the same object for every cell.
        """
        if name not in self._loaded:
            self._loaded[name] = load()
        return self._loaded[name]

    def checkpoint(self, name: str) -> Path:
        """A file in the folder of checkpoints.

        Args:
            name: File name.

        Returns:
            Its path.
        """
        return self.options.checkpoints / name


@dataclass
class Prepared:
    """What `fit` is given for one seed.

    Args:
        objective: Module that maps a batch to an `Estimate`.
        batches: Training batches, iterated anew each epoch.
        optimizers: One optimiser or several.
        schedulers: Stepped after every optimiser step.
        valid: Batches scored after each epoch, for the curve alone, or None.
        clip_norm: Largest norm of a gradient, or None.
    """

    objective: nn.Module
    batches: Iterable[Any]
    optimizers: Optimizer | Sequence[Optimizer]
    schedulers: Sequence[Any] = ()
    valid: Iterable[Any] | None = None
    clip_norm: float | None = None


@dataclass(frozen=True)
class Measurement:
    """The value of one row for one seed.

    Args:
        value: In the row's metric.
        standard_error: Over test data, or None if it is not known.
        details: What else a reader of the row may ask for.
    """

    value: float
    standard_error: float | None
    details: dict[str, Any] = field(default_factory=dict)


class Cell(ABC):
    """One configuration, trained once for each seed.

    Args:
        sitting: The call of `run` that it belongs to.
        name: Unique in its experiment; its checkpoints are NAME-SEED.pt.
        epochs: Passes over the training batches.
    """

    groups: tuple[str, ...] = ()  # names by which `--only` may ask for several cells at once
    needs: str | None = None  # name of a cell that is trained before this one, with the same seed
    ships: str | None = None  # file of trained weights that seed 0 writes

    def __init__(self, sitting: Sitting, name: str, epochs: int) -> None:
        self.sitting = sitting
        self.name = name
        self.epochs = epochs

    @abstractmethod
    def rows(self) -> list[Row]:
        """The rows that its runs belong to, without runs. Their protocol says what is run, in words made from the values used."""

    @abstractmethod
    def prepare(self, seed: int) -> Prepared:
        """Build what is trained, right after the generators were seeded.

        Args:
            seed: Of this run.

        Returns:
            What `fit` is given.
        """

    @abstractmethod
    def measure(self, prepared: Prepared, history: History, seed: int) -> Mapping[str, Measurement]:
        """Measure what was trained, right after the generators were seeded anew.

        Args:
            prepared: What `prepare` returned, trained.
            history: Of the training.
            seed: Of this run.

        Returns:
            A measurement for each row, by the row's name.
        """

    @property
    def arguments(self) -> str:
        """What the command line needs, beside seeds, to make this cell alone."""
        return f"--only {self.name}"

    def waypoints(self) -> set[int]:
        """Epochs after which `at_waypoint` is called: twenty at most, and the last."""
        return every(self.epochs, 20)

    def at_waypoint(self, epoch: int, prepared: Prepared, history: History) -> dict[str, float]:
        """What is printed and becomes the row's curve: by default the bounds that `fit` recorded.

        Args:
            epoch: Epochs done.
            prepared: What is being trained.
            history: So far.

        Returns:
            Values by the name of their curve.
        """
        return {
            name: record["bound"][-1] for name, record in (("train", history.train), ("valid", history.valid)) if record
        }

    def after_epoch(self, epoch: int, prepared: Prepared, seed: int) -> None:  # noqa: B027 (a hook)
        """Called after every epoch: for cells that others continue from or are compared at.

        Args:
            epoch: Epochs done.
            prepared: What is being trained.
            seed: Of this run.
        """

    def curve(self, history: History) -> dict[str, list[list[float]]]:
        """The points that the row keeps.

        Args:
            history: Of the training.

        Returns:
            (epoch, value) pairs by the name of their curve.
        """
        return history.waypoints

    def ship(self, prepared: Prepared, path: Path) -> None:  # noqa: B027 (a hook)
        """Write the trained weights to `path`; only called if `ships` names a file.

        Args:
            prepared: What was trained.
            path: File to write.
        """


class Experiment(ABC):
    """What `python -m helpers.reproduce NAME` runs."""

    name: str

    def add_arguments(self, parser: ArgumentParser) -> None:  # noqa: B027 (a hook)
        """Add this experiment's own arguments; they arrive in `Options.own`.

        Args:
            parser: The parser of the command line.
        """

    @abstractmethod
    def cells(self, sitting: Sitting) -> list[Cell]:
        """All cells that the experiment's own arguments ask for, in the order of their rows.

        Args:
            sitting: This call of `run`.

        Returns:
            Cells; loading data is left to their methods.
        """

    def after_all(self, cells: list[Cell], sitting: Sitting) -> None:  # noqa: B027 (a hook)
        """Called when every run is in: for what is measured on all cells together, such as seconds per step in turns.

        Args:
            cells: The cells of this sitting.
            sitting: This call of `run`.
        """


def every(epochs: int, points: int) -> set[int]:
    """Epochs, evenly spaced, about `points` of them, the last among them.

    Args:
        epochs: Epochs in all.
        points: About how many to choose.

    Returns:
        Numbers of epochs from 1 on.
    """
    return {epoch for epoch in range(1, epochs + 1) if epoch % max(1, epochs // points) == 0} | {epochs}

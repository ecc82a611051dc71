"""What `fit` records: averages by epoch, waypoints, seconds, steps."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

Record = dict[str, list[float]]


@dataclass
class History:
    """Record of a training, one entry per epoch.

    Attributes:
        train: Averages over the training items by name of term: one float per epoch. "bound" is the objective's value, in nats per item.
        valid: The same over the validation items, empty without validation data.
        waypoints: [epoch, value] pairs by name, as given to `note`.
        gradient_norm: Norm of the whole gradient before clipping, averaged over the steps of each epoch: one float per epoch.
        learning_rate: Learning rates of each epoch's last step: [epochs][parameter groups of all optimisers].
        seconds: Wall-clock seconds since training began, at the end of each epoch, summed over all sittings.
        steps: Optimiser steps taken so far.
        stopped: Why training ended: "" (all epochs done), "interrupted" or "early".
    """

    train: Record = field(default_factory=dict)
    valid: Record = field(default_factory=dict)
    waypoints: dict[str, list[list[float]]] = field(default_factory=dict)
    gradient_norm: list[float] = field(default_factory=list)
    learning_rate: list[list[float]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    steps: int = 0
    stopped: str = ""

    @property
    def epochs(self) -> int:
        """Number of whole epochs recorded."""
        return len(self.seconds)

    def restore(self, content: dict[str, Any]) -> None:
        """Set every attribute, as when a checkpoint is read.

        Args:
            content: Values by name of attribute, as `dataclasses.asdict` gives them.

        Raises:
            ValueError: If a name is missing or unknown.
        """
        names = {each.name for each in fields(self)}
        if set(content) != names:
            raise ValueError(
                f"Got a history of {', '.join(sorted(content))}; expected {', '.join(sorted(names))}. Usually another version of `fit` "
                "wrote the file."
            )
        vars(self).update(content)

    def note(self, name: str, value: float) -> None:
        """Record a figure that `fit` does not measure, with the current epoch; for use in `after_epoch`.

        It is saved in the checkpoint.

        Args:
            name: Key in `waypoints`.
            value: Figure to record.
        """
        self.waypoints.setdefault(name, []).append([self.epochs, value])


class NonFiniteError(RuntimeError):
    """Raised by `fit` if a loss, term or gradient is NaN or infinite.

    Args:
        message: Step, name of the term or parameter, and usual causes.
        history: Record of the training up to that step.
    """

    def __init__(self, message: str, history: History) -> None:
        super().__init__(message)
        self.history = history

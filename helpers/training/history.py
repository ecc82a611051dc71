"""What `fit` records: averages by epoch, waypoints, seconds, steps."""

from __future__ import annotations

from dataclasses import dataclass, field

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

"""How a row of the benchmark prints."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Side:
    """One side of a comparison. values: one a round, in `unit`."""

    name: str
    values: list[float]
    unit: str = "s"

    def __str__(self) -> str:
        middle, low, high = map(_short, (statistics.median(self.values), min(self.values), max(self.values)))
        return f"   {self.name:78} {middle:>7} {self.unit:12} ({low} to {high})"


@dataclass(frozen=True)
class Row:
    """What is compared, the two sides (or the only one), what comes of it, and the target.

    result: values, one a round, of which the median counts: the ratio of the sides, or the only side's. Empty where the sides say it all.
    least, most: the target; both None for a row that only informs.
    """

    title: str
    sides: list[Side]
    result: list[float]
    unit: str = "x"
    least: float | None = None
    most: float | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def met(self) -> bool | None:
        """Whether the median reaches the target; None without one."""
        if not self.result:
            return None
        value = statistics.median(self.result)
        if self.least is not None:
            return value >= self.least
        return value <= self.most if self.most is not None else None

    def __str__(self) -> str:
        lines = [self.title, *map(str, self.sides), *(f"   {note}" for note in self.notes)]
        return "\n".join([*lines, f"   {self._verdict()}", ""] if self.result else [*lines, ""])

    def _verdict(self) -> str:
        value, low, high = map(_short, (statistics.median(self.result), min(self.result), max(self.result)))
        verdict = f"-> {value} {self.unit} ({low} to {high})"
        if self.met is not None:
            limit = f"{_short(self.least)} or more" if self.least is not None else f"{_short(self.most)} or less"
            verdict += f"; target {limit}: {'met' if self.met else 'NOT MET'}"
        return verdict


def ratios(numerator: list[float], denominator: list[float]) -> list[float]:
    """Round by round, so that a slow moment of the machine, which slows both sides, cancels."""
    return [a / b for a, b in zip(numerator, denominator, strict=True)]


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"

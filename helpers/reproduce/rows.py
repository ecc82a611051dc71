"""A result is a row of a JSON file: what was published, what we got, and all it takes to get it again."""

from __future__ import annotations

import json
import math
import platform
import statistics
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from helpers.files import atomic_write

RESULTS = Path(__file__).parent / "results"
WEIGHTS = Path(__file__).parent / "weights"


@dataclass
class Run:
    """One seed. value: the row's metric. standard_error: over test images, where known. curve: by name, (epoch, value) pairs."""

    seed: int
    value: float
    standard_error: float | None
    epochs: int
    steps: int
    seconds: float
    curve: dict[str, list[list[float]]] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)


@dataclass
class Row:
    """One published number and ours; or ours alone, measured for a comparison among our own.

    published: None where nobody published one.
    higher_is_better: whether the metric is a bound to raise or an error to lower.
    reach: the stretch, if any.
    mean, standard_error: over runs (seeds); the standard error is None with a single run.
    """

    name: str
    system: str
    metric: str
    published: float | None
    reach: float | None
    higher_is_better: bool
    source: str
    protocol: str
    command: str
    mean: float = math.nan
    standard_error: float | None = None
    runs: list[Run] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)

    def with_run(self, run: Run) -> Row:
        """Add `run`, in place of an earlier one with its seed, and recompute mean and standard error."""
        self.runs = sorted([old for old in self.runs if old.seed != run.seed] + [run], key=lambda r: r.seed)
        values = [r.value for r in self.runs]
        self.mean = statistics.fmean(values)
        self.standard_error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None
        self.versions = {name: version(name) for name in ("torch", "numpy")} | {"python": platform.python_version()}
        return self

    def reached(self) -> bool | None:
        """Whether ours is as good as the published value, within two standard errors (over seeds, else over test images).

        None where nothing was published.
        """
        if self.published is None:
            return None
        errors = [self.standard_error, *(run.standard_error for run in self.runs)]
        slack = 2 * next((error for error in errors if error is not None), 0.0)
        gap = self.mean - self.published if self.higher_is_better else self.published - self.mean
        return gap >= -slack


def write_row(row: Row, folder: Path = RESULTS) -> Path:
    """Write `row` to FOLDER/NAME.json, atomically."""
    path = folder / f"{row.name}.json"
    with atomic_write(path) as partial:
        partial.write_text(json.dumps(asdict(row), indent=1) + "\n")
    return path


def read_row(name: str, folder: Path = RESULTS) -> Row:
    """The row called `name`. FileNotFoundError, with the command that makes it, where there is none."""
    path = folder / f"{name}.json"
    if not path.exists():
        raise FileNotFoundError(f"There is no result row {name!r} yet. `python -m helpers.reproduce` makes the rows.")
    content = json.loads(path.read_text())
    content["runs"] = [Run(**run) for run in content["runs"]]
    return Row(**content)


def with_earlier_runs(row: Row, folder: Path = RESULTS) -> Row:
    """`row` with the runs that FOLDER holds of it, if they were made under the same protocol."""
    try:
        earlier = read_row(row.name, folder)
    except FileNotFoundError:
        return row
    if earlier.protocol == row.protocol:
        for run in earlier.runs:
            row.with_run(run)
    return row


def read_rows(folder: Path = RESULTS) -> list[Row]:
    """All rows, by name."""
    return [read_row(path.stem, folder) for path in sorted(folder.glob("*.json"))]


def table(rows: list[Row]) -> str:
    """Markdown: system, metric, published (a dash where nothing was), ours with standard error over seeds, runs."""
    lines = ["| system | metric | published | ours | seeds |", "|---|---|---|---|---|"]
    for row in rows:
        digits = 3 if "per step" in row.metric else 2
        spread = "" if row.standard_error is None else f" ± {row.standard_error:.{digits}f}"
        published = "–" if row.published is None else row.published
        lines.append(f"| {row.system} | {row.metric} | {published} | {row.mean:.{digits}f}{spread} | {len(row.runs)} |")
    return "\n".join(lines)

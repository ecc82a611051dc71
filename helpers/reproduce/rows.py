"""A result is a row of a JSON file: what was published, what we got, and all it takes to get it again."""

from __future__ import annotations

import json
import math
import platform
import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from filelock import FileLock

from helpers.files import atomic_write

RESULTS = Path(__file__).parent / "results"
WEIGHTS = Path(__file__).parent / "weights"


@dataclass
class Run:
    """One training with one seed.

    Attributes:
        seed: Of all generators; for a split of labels, its number.
        value: In the row's metric.
        standard_error: Over test data, or None if it is not known.
        epochs: Passes over the training data.
        steps: Optimiser steps.
        seconds: Wall-clock seconds of training.
        curve: (epoch, value) pairs by the name of their curve.
        details: What else a reader may ask for.
    """

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

    Attributes:
        name: Of the row and its file.
        system: What was trained, in words.
        metric: What the value is, with its unit.
        published: The published value, or None if nothing was published.
        reach: A value to reach for beyond the published one, or None.
        higher_is_better: True for a bound to raise, False for an error to lower.
        source: Where the published value is from.
        protocol: How ours was made. Runs of different protocols never share a row.
        command: What makes the runs again.
        mean: Over runs.
        standard_error: Over runs, or None with fewer than two.
        runs: One for each seed.
        versions: Of Python, torch and NumPy at the last change.
    """

    name: str
    system: str
    metric: str
    published: float | None
    reach: float | None
    higher_is_better: bool
    source: str
    protocol: str
    command: str = ""
    mean: float = math.nan
    standard_error: float | None = None
    runs: list[Run] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of_our_own(cls, name: str, system: str, metric: str, protocol: str) -> Row:
        """A row of a comparison among our own, beside which nothing was published; the metric is a bound.

        Args:
            name: Of the row and its file.
            system: What was trained, in words.
            metric: What the value is, with its unit.
            protocol: How it was made.

        Returns:
            The row, without runs.
        """
        return cls(name, system, metric, None, None, True, "this workbook's own comparison", protocol)

    def with_run(self, run: Run) -> Row:
        """Add a run, in place of an earlier one with its seed, and recompute mean and standard error.

        Args:
            run: To add.

        Returns:
            The row itself.
        """
        self.runs = sorted([old for old in self.runs if old.seed != run.seed] + [run], key=lambda r: r.seed)
        values = [r.value for r in self.runs]
        self.mean = statistics.fmean(values)
        self.standard_error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None
        self.versions = {name: version(name) for name in ("torch", "numpy")} | {"python": platform.python_version()}
        return self

    def reached(self) -> bool | None:
        """Whether ours is as good as the published value, within two standard errors (over seeds, else over test images).

        Returns:
            None if nothing was published.
        """
        if self.published is None:
            return None
        errors = [self.standard_error, *(run.standard_error for run in self.runs)]
        slack = 2 * next((error for error in errors if error is not None), 0.0)
        gap = self.mean - self.published if self.higher_is_better else self.published - self.mean
        return gap >= -slack


def write_row(row: Row, folder: Path = RESULTS) -> Path:
    """Write a row to FOLDER/NAME.json, atomically.

    Args:
        row: To write. Whatever the file held is replaced: `add_run` merges.
        folder: Folder of result rows.

    Returns:
        The file.
    """
    path = folder / f"{row.name}.json"
    with atomic_write(path) as partial:
        partial.write_text(json.dumps(asdict(row), indent=1) + "\n")
    return path


def read_row(name: str, folder: Path = RESULTS) -> Row:
    """Read one row.

    Args:
        name: Of the row.
        folder: Folder of result rows.

    Returns:
        The row with all its runs.

    Raises:
        FileNotFoundError: If there is no such row.
    """
    path = folder / f"{name}.json"
    if not path.exists():
        raise FileNotFoundError(f"There is no result row {name!r} yet. `python -m helpers.reproduce` makes the rows.")
    content = json.loads(path.read_text())
    content["runs"] = [Run(**run) for run in content["runs"]]
    return Row(**content)


def add_run(row: Row, run: Run, folder: Path, command: str) -> Row:
    """Merge one run into the row that FOLDER holds, and write it. Earlier runs with other seeds stay.

    A row of this name made under another protocol is kept in FOLDER/superseded, and a sentence says so. Several processes may add
    runs to one row at the same time: each waits for the others.

    Args:
        row: The row as its cell declares it; its own runs are ignored.
        run: Takes the place of an earlier run with its seed.
        folder: Folder of result rows.
        command: What makes the runs again; the seeds of all runs are appended.

    Returns:
        The row as written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f".{row.name}.lock"):
        merged = replace(row, runs=[])
        path = folder / f"{row.name}.json"
        if path.exists():
            earlier = read_row(row.name, folder)
            if earlier.protocol == row.protocol:
                merged.runs = earlier.runs
            else:
                kept = _keep_superseded(path)
                print(f"{path} was made under another protocol; it is kept as {kept}.", flush=True)
        merged.with_run(run)
        merged.command = f"{command} --seeds {' '.join(str(each.seed) for each in merged.runs)}"
        write_row(merged, folder)
    return merged


def update_runs(name: str, folder: Path, change: Callable[[Run], None]) -> None:
    """Change every run of a row in place: for what is measured on several rows together.

    Args:
        name: Of the row.
        folder: Folder of result rows.
        change: Called with each run, which it modifies.
    """
    with FileLock(folder / f".{name}.lock"):
        row = read_row(name, folder)
        for run in row.runs:
            change(run)
        write_row(row, folder)


def _keep_superseded(path: Path) -> Path:
    folder = path.parent / "superseded"
    folder.mkdir(exist_ok=True)
    number = 1
    while (kept := folder / f"{path.stem}-{number}.json").exists():
        number += 1
    path.rename(kept)
    return kept


def read_rows(folder: Path = RESULTS) -> list[Row]:
    """Read all rows of a folder.

    Args:
        folder: Folder of result rows.

    Returns:
        The rows, sorted by name.
    """
    return [read_row(path.stem, folder) for path in sorted(folder.glob("*.json"))]


def table(rows: list[Row]) -> str:
    """A table of rows: system, metric, published (a dash if nothing was), ours with standard error over seeds, number of seeds.

    Args:
        rows: To show, in their order.

    Returns:
        Markdown.
    """
    lines = ["| system | metric | published | ours | seeds |", "|---|---|---|---|---|"]
    for row in rows:
        digits = 3 if "per step" in row.metric else 2
        spread = "" if row.standard_error is None else f" ± {row.standard_error:.{digits}f}"
        published = "–" if row.published is None else row.published
        lines.append(f"| {row.system} | {row.metric} | {published} | {row.mean:.{digits}f}{spread} | {len(row.runs)} |")
    return "\n".join(lines)

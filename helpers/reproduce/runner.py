"""One frame for every experiment: seeds, resume, waypoints, runs merged into rows, weights shipped, smoke mode, shards."""

from __future__ import annotations

import sys
from pathlib import Path

from tqdm.auto import tqdm

from helpers import settings
from helpers.files import atomic_write
from helpers.reproduce.cell import Cell, Experiment, Sitting
from helpers.reproduce.options import Options
from helpers.reproduce.rows import Row, Run, add_run, read_row
from helpers.training import History, fit


def run(experiment: Experiment, options: Options) -> list[Row]:
    """Train what the options ask for, seed by seed, and merge each run into its rows as soon as it is in.

    With `options.resume`, a run that its row already holds under the same protocol is not made again, and a run that was stopped goes on
    from its checkpoint.

    Args:
        experiment: What to run.
        options: What the command line said.

    Returns:
        The rows of all cells asked for, as they now stand in `options.results`, in the experiment's order; rows without any run are
        left out.

    Raises:
        SystemExit: If a training was stopped before its end, or a cell needs another one that was not trained.
    """
    sitting = Sitting(options)
    cells = [cell for cell in experiment.cells(sitting) if asked_for(cell, options)]
    runs = shard([(seed, cell) for seed in options.seeds for cell in needed_first(cells)], options)
    missing = [(seed, cell) for seed, cell in runs if not (options.resume and is_made(cell, seed, options.results))]
    for seed, cell in missing:
        _run_one(experiment, cell, seed, sitting)
    if missing:
        experiment.after_all([cell for cell in cells if any(cell is other for _, other in runs)], sitting)
    rows = [row for cell in cells for row in rows_of(cell)]
    return [read_row(row.name, options.results) for row in rows if seeds_of(row, options.results)]


def asked_for(cell: Cell, options: Options) -> bool:
    """Whether `--only` names the cell, one of its groups or one of its rows, or is not given.

    Args:
        cell: A cell of the experiment.
        options: What the command line said.

    Returns:
        True if the cell is to be run.
    """
    return not options.only or bool({cell.name, *cell.groups, *(row.name for row in rows_of(cell))} & set(options.only))


def needed_first(cells: list[Cell]) -> list[Cell]:
    """The cells in an order in which each comes after the one it needs; otherwise as they are.

    Args:
        cells: In the order of their rows.

    Returns:
        The same cells.

    Raises:
        ValueError: If cells need one another in a circle.
    """
    waiting, ordered = list(cells), []
    while waiting:
        names = {cell.name for cell in waiting}
        ready = [cell for cell in waiting if cell.needs not in names]
        if not ready:
            raise ValueError(f"These cells need one another, so none can be first: {', '.join(sorted(names))}.")
        ordered.append(ready[0])
        waiting.remove(ready[0])
    return ordered


def shard(runs: list[tuple[int, Cell]], options: Options) -> list[tuple[int, Cell]]:
    """The part of the runs that `--shard I/N` asks for: every N-th chain. A cell and the cell it needs stay in one part.

    Args:
        runs: (seed, cell) pairs in the order in which they are made.
        options: `options.shard` is (I, N), from 1 on.

    Returns:
        The pairs of this shard, in the same order. The N shards together hold each pair once.
    """
    index, count = options.shard
    needs = {cell.name: cell.needs for _, cell in runs}

    def first_of_chain(name: str) -> str:
        while (before := needs.get(name)) in needs:
            name = before
        return name

    chains = list(dict.fromkeys((seed, first_of_chain(cell.name)) for seed, cell in runs))
    mine = set(chains[index - 1 :: count])
    return [(seed, cell) for seed, cell in runs if (seed, first_of_chain(cell.name)) in mine]


def rows_of(cell: Cell) -> list[Row]:
    """The rows that a cell declares. A smoke run's protocol says that it is one, so it never shares a row with a real run.

    Args:
        cell: Of the experiment.

    Returns:
        Rows without runs.
    """
    rows = cell.rows()
    if cell.sitting.options.smoke:
        for row in rows:
            row.protocol = f"a smoke run, a few steps on packaged data, in place of: {row.protocol}"
    return rows


def is_made(cell: Cell, seed: int, folder: Path) -> bool:
    """Whether every row of the cell holds a run with this seed, made under the same protocol.

    Args:
        cell: Of the experiment.
        seed: Of the run.
        folder: Folder of result rows.

    Returns:
        True if there is nothing to train.
    """
    return all(seed in seeds_of(row, folder) for row in rows_of(cell))


def seeds_of(row: Row, folder: Path) -> set[int]:
    """The seeds that the row holds in `folder` under the same protocol.

    Args:
        row: The row as its cell declares it.
        folder: Folder of result rows.

    Returns:
        Seeds; empty if there is no such row, or it was made under another protocol.
    """
    try:
        earlier = read_row(row.name, folder)
    except FileNotFoundError:
        return set()
    return {run.seed for run in earlier.runs} if earlier.protocol == row.protocol else set()


def _run_one(experiment: Experiment, cell: Cell, seed: int, sitting: Sitting) -> None:
    options = sitting.options
    checkpoint = sitting.checkpoint(f"{cell.name}-{seed}.pt")
    _claim(checkpoint, cell, options)
    settings.seed_everything(seed)
    prepared = cell.prepare(seed)
    waypoints = cell.waypoints()

    def after_epoch(epoch: int, history: History) -> None:
        cell.after_epoch(epoch, prepared, seed)
        if epoch in waypoints:
            values = cell.at_waypoint(epoch, prepared, history)
            for name, value in values.items():
                history.note(name, value)
            figures = "   ".join(f"{name} {value:.3f}" for name, value in values.items())
            tqdm.write(f"{cell.name} seed {seed}   epoch {epoch:4}   {history.seconds[-1]:7.0f} s   {figures}")
            sys.stdout.flush()

    history = fit(
        prepared.objective,
        prepared.batches,
        epochs=cell.epochs,
        valid=prepared.valid,
        optimizers=prepared.optimizers,
        schedulers=prepared.schedulers,
        clip_norm=prepared.clip_norm,
        checkpoint=checkpoint,
        resume=options.resume,
        after_epoch=after_epoch,
        progress=sys.stderr.isatty() and not options.smoke,
    )
    if history.stopped:
        raise SystemExit("Stopped before the end: no row was written. Add --resume to go on.")
    settings.seed_everything(seed)  # whatever was drawn before, measuring again gives the same numbers
    measured = cell.measure(prepared, history, seed)
    for row in rows_of(cell):
        found = measured[row.name]
        run_of_seed = Run(
            seed=seed,
            value=found.value,
            standard_error=found.standard_error,
            epochs=cell.epochs,
            steps=history.steps,
            seconds=history.seconds[-1],
            curve=cell.curve(history),
            details=found.details,
        )
        written = add_run(
            row, run_of_seed, options.results, f"python -m helpers.reproduce {experiment.name} {cell.arguments}"
        )
        tqdm.write(f"{row.name} seed {seed}: {row.metric} {found.value:.3f}; {len(written.runs)} run(s) in its row")
    if cell.ships is not None and seed == 0:
        cell.ship(prepared, options.weights / cell.ships)


def _claim(checkpoint: Path, cell: Cell, options: Options) -> None:
    """Note beside a checkpoint under which protocol it is made; refuse to go on from one of another protocol."""
    note = checkpoint.with_suffix(".protocol.txt")
    protocol = "\n".join(row.protocol for row in rows_of(cell)) + "\n"
    if options.resume and checkpoint.exists() and (not note.exists() or note.read_text() != protocol):
        raise SystemExit(
            f"{checkpoint} was made under another protocol than {cell.name} now has, so going on from it would give a row of neither. "
            f"Delete it, name another folder with --checkpoints, or leave out --resume to start anew."
        )
    with atomic_write(note) as partial:
        partial.write_text(protocol)

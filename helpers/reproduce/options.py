"""What every experiment is told on the command line, and where its files lie."""

from __future__ import annotations

import argparse
import atexit
import shutil
import tempfile
from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from helpers.reproduce.rows import RESULTS, WEIGHTS


@dataclass(frozen=True)
class Options:
    """What the command line said.

    Attributes:
        seeds: One run for each.
        resume: Keep runs that are in their rows, and continue from checkpoints.
        smoke: A few steps on packaged data.
        only: Names of cells, groups or rows to make; empty for all.
        checkpoints: Folder of checkpoints.
        results: Folder of result rows.
        weights: Folder of trained weights.
        shard: (I, N): make the I-th of N parts, from 1 on.
        own: The experiment's own arguments.
    """

    seeds: tuple[int, ...]
    resume: bool
    smoke: bool
    only: tuple[str, ...]
    checkpoints: Path
    results: Path
    weights: Path
    shard: tuple[int, int] = (1, 1)
    own: Namespace = field(default_factory=Namespace)


def parse(
    arguments: list[str],
    names: Mapping[str, str],
    add_arguments: Callable[[str, argparse.ArgumentParser], None] = lambda name, parser: None,
) -> tuple[str, Options]:
    """Read a command line.

    Args:
        arguments: As typed, without the program's name.
        names: What each experiment reproduces, by its name.
        add_arguments: Called with the experiment's name and the parser; adds the experiment's own arguments.

    Returns:
        The experiment's name, and the options.

    Raises:
        SystemExit: If an argument is wrong, or after `--help`.
    """
    lines = "\n".join(f"  {name:8} {what}" for name, what in names.items())
    parser = argparse.ArgumentParser(
        prog="python -m helpers.reproduce",
        description="Train a published system again and put its number beside ours. NAME --help lists the arguments of one experiment.",
        epilog=f"experiments:\n{lines}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", choices=list(names), metavar="NAME", help="which experiment")
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[0], metavar="SEED", help="one run for each (default: 0)"
    )
    parser.add_argument(
        "--resume", action="store_true", help="keep runs that are there, continue those that were stopped"
    )
    parser.add_argument(
        "--smoke", action="store_true", help="a few steps on packaged data; kept only in the folder of --results"
    )
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="ROW", help="only these rows, cells or groups of the experiment"
    )
    parser.add_argument(
        "--shard", type=_shard, default=(1, 1), metavar="I/N", help="only the I-th of N parts: for arrays of jobs"
    )
    parser.add_argument(
        "--checkpoints", type=Path, metavar="FOLDER", help="folder for checkpoints (default: checkpoints)"
    )
    parser.add_argument(
        "--results", type=Path, metavar="FOLDER", help="folder for rows, and for weights in FOLDER/weights"
    )
    common = {action.dest for action in parser._actions}
    if arguments and arguments[0] in names:
        add_arguments(arguments[0], parser)
    given = parser.parse_args(arguments)
    scratch = _scratch_folder() if given.smoke else None
    results, weights = (RESULTS, WEIGHTS) if scratch is None else (scratch / "results", scratch / "weights")
    if given.smoke and given.results is not None and given.results.resolve() == RESULTS.resolve():
        parser.error("--smoke keeps nothing beside real rows: name another folder with --results, or leave it out")
    if given.results is not None:
        results, weights = given.results, given.results / "weights"
    checkpoints = given.checkpoints or (Path("checkpoints") if scratch is None else scratch / "checkpoints")
    own = Namespace(**{name: value for name, value in vars(given).items() if name not in common})
    return given.name, Options(
        seeds=tuple(range(own.splits) if getattr(own, "splits", None) is not None else given.seeds),
        resume=given.resume,
        smoke=given.smoke,
        only=tuple(given.only),
        checkpoints=checkpoints,
        results=results,
        weights=weights,
        shard=given.shard,
        own=own,
    )


def names_list(text: str) -> tuple[str, ...]:
    """An argument's type: names with commas between them.

    Args:
        text: As typed: "future,past".

    Returns:
        The names.
    """
    return tuple(part for part in text.split(",") if part)


def numbers_list(text: str) -> tuple[int, ...]:
    """An argument's type: integers with commas between them.

    Args:
        text: As typed: "100,600".

    Returns:
        The integers.
    """
    return tuple(int(part) for part in names_list(text))


def positive(text: str) -> int:
    """An argument's type: an integer of 1 or more.

    Args:
        text: As typed.

    Returns:
        The integer.

    Raises:
        argparse.ArgumentTypeError: If it is below 1.
    """
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not 1 or more")
    return number


def _shard(text: str) -> tuple[int, int]:
    index, _, count = text.partition("/")
    if not (index.isdigit() and count.isdigit() and 1 <= int(index) <= int(count)):
        raise argparse.ArgumentTypeError(f"{text!r} is not I/N with I from 1 to N, such as 2/5")
    return int(index), int(count)


def _scratch_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="reproduce-smoke-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder

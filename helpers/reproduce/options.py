"""What every reproduction is told on the command line, and where its checkpoints lie."""

from __future__ import annotations

import argparse
import atexit
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from helpers.reproduce.rows import RESULTS, WEIGHTS


@dataclass(frozen=True)
class Options:
    """seeds: one run each. resume: continue from checkpoints. smoke: a few steps on packaged data, results thrown away.
    only: names of rows to make, empty for all. checkpoints: folder of the checkpoints.
    labels, variants: of the semi-supervised VAE, empty for all. guides, flows: of the deep Markov model, empty for "future" and 0.
    epochs: of the deep Markov model, where its rows' own number is not meant."""

    seeds: tuple[int, ...]
    resume: bool
    smoke: bool
    only: tuple[str, ...]
    checkpoints: Path
    results: Path
    weights: Path
    labels: tuple[int, ...] = ()
    variants: tuple[str, ...] = ()
    guides: tuple[str, ...] = ()
    flows: tuple[int, ...] = ()
    epochs: int | None = None

    def wants(self, row: str) -> bool:
        return not self.only or row in self.only


def parse(arguments: list[str], names: dict[str, str]) -> tuple[str, Options]:
    """arguments as typed → name of the experiment, options. names: experiment → what it reproduces."""
    lines = "\n".join(f"  {name:8} {what}" for name, what in names.items())
    parser = argparse.ArgumentParser(
        prog="python -m helpers.reproduce",
        description="Train a published system again and put its number beside ours.",
        epilog=f"experiments:\n{lines}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", choices=list(names), metavar="NAME", help="which experiment")
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[0], metavar="SEED", help="one run for each (default: 0)"
    )
    parser.add_argument("--resume", action="store_true", help="continue from the checkpoints of an earlier sitting")
    parser.add_argument("--smoke", action="store_true", help="a few steps on packaged data; nothing is kept")
    parser.add_argument("--only", nargs="+", default=[], metavar="ROW", help="only these rows of the experiment")
    parser.add_argument("--checkpoints", type=Path, default=Path("checkpoints"), help="folder for checkpoints")
    ssvae = parser.add_argument_group("ssvae only")
    ssvae.add_argument(
        "--labels", type=_numbers, default=(), metavar="N,N", help="numbers of labels: 100,600 (default: all)"
    )
    ssvae.add_argument(
        "--variants", type=_names, default=(), metavar="V,V", help="variants: sampled,enumerated (default: all)"
    )
    ssvae.add_argument("--splits", type=int, metavar="N", help="N splits: the seeds 0 to N - 1")
    dmm = parser.add_argument_group("dmm only")
    dmm.add_argument(
        "--guide",
        dest="guides",
        type=_names,
        default=(),
        metavar="G,G",
        help="future (default), past, both, mean-field",
    )
    dmm.add_argument(
        "--flows", type=_numbers, default=(), metavar="N,N", help="numbers of flows on the guide: 0,1,2 (default: 0)"
    )
    dmm.add_argument("--epochs", type=_positive, metavar="N", help="train so long, in rows of their own")
    given = parser.parse_args(arguments)
    if given.splits is not None:
        given.seeds = range(given.splits)
    scratch = None
    if given.smoke:
        scratch = Path(tempfile.mkdtemp(prefix="reproduce-smoke-"))
        atexit.register(shutil.rmtree, scratch, ignore_errors=True)
    return given.name, Options(
        seeds=tuple(given.seeds),
        resume=given.resume,
        smoke=given.smoke,
        only=tuple(given.only),
        checkpoints=scratch / "checkpoints" if scratch else given.checkpoints,
        results=scratch / "results" if scratch else RESULTS,
        weights=scratch / "weights" if scratch else WEIGHTS,
        labels=given.labels,
        variants=given.variants,
        guides=given.guides,
        flows=given.flows,
        epochs=given.epochs,
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(part for part in text.split(",") if part)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in _names(text))


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not 1 or more")
    return number


def command() -> str:
    """The command line, as a reader would type it."""
    return " ".join(["python -m helpers.reproduce", *sys.argv[1:]])

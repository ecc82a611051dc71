"""`python -m tests.benchmarks [--rounds N] [--only GROUP ...]`: every row of the table, each with both sides, the ratio and the target."""

from __future__ import annotations

import argparse
import os
import sys
import time

from tests.benchmarks import fresh_process

GROUPS = ("process", "vae", "estimators", "ssvae", "dmm", "programs")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks", description=sys.modules["tests.benchmarks"].__doc__
    )
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds of the training epochs (default: 5)")
    parser.add_argument("--only", nargs="+", choices=GROUPS, default=GROUPS, help="only these rows (default: all)")
    given = parser.parse_args()
    started = time.perf_counter()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if load > 0.5:
        print(f"Other programs are at work (load {load:.1f}): close them, or the times below say little.\n", flush=True)

    # First, while this process is small: a child's peak memory counts that of the parent which started it.
    last = [fresh_process.import_time(), fresh_process.peak_memory()] if "process" in given.only else []

    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # or torch's profiler writes lines of its own
    from tests.benchmarks import (  # now torch and Pyro may come
        deep_markov,
        programs,
        score_function,
        semi_supervised,
        vae_epoch,
    )

    rows = [
        *(vae_epoch.rows(given.rounds) if "vae" in given.only else []),
        *last,
        *(score_function.rows(given.rounds) if "estimators" in given.only else []),
        *(semi_supervised.rows(given.rounds) if "ssvae" in given.only else []),
        *(deep_markov.rows(given.rounds) if "dmm" in given.only else []),
        *(programs.rows(given.rounds) if "programs" in given.only else []),
    ]
    for row in rows:
        print(row, flush=True)
    missed = [row.title for row in rows if row.met is False]
    print(
        f"{time.perf_counter() - started:.0f} s in all. "
        + (f"Not met: {'; '.join(missed)}." if missed else "All targets met.")
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

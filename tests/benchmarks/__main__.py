"""`python -m tests.benchmarks [--rounds N]`: every row of the table, each with both sides, the ratio and the target."""

from __future__ import annotations

import argparse
import os
import sys
import time

from tests.benchmarks import fresh_process


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks", description=sys.modules["tests.benchmarks"].__doc__
    )
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds of the training epochs (default: 5)")
    rounds = parser.parse_args().rounds
    started = time.perf_counter()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if load > 0.5:
        print(f"Other programs are at work (load {load:.1f}): close them, or the times below say little.\n", flush=True)

    # First, while this process is small: a child's peak memory counts that of the parent which started it.
    rows = [fresh_process.import_time(), fresh_process.peak_memory()]

    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # or torch's profiler writes lines of its own
    from tests.benchmarks import vae_epoch  # now torch and Pyro may come

    rows = [*vae_epoch.rows(rounds), *rows]
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

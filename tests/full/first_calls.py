"""200 right answers, each in a fresh process, beside four busy ones: none may be refused, and torch must be whole after each.

`python tests/full/first_calls.py` takes some minutes on two cores, and ends with 1 if one of them was refused.
"""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.exercises.fresh_process import names, try_all

COUNT = 200


def main() -> None:
    began = time.monotonic()
    chosen = random.Random(0).sample(names(), COUNT)
    results = try_all(chosen)
    bad = [(name, said) for name, _, said in results if said != "whole"]
    for name, said in bad:
        print(f"{name}: {said}")
    slowest = max(seconds for _, seconds, _ in results)
    print(
        f"{len(results)} processes in {time.monotonic() - began:.0f} s, the slowest in {slowest:.0f} s; "
        f"{len(bad)} refused or left torch in pieces"
    )
    raise SystemExit(bool(bad))


if __name__ == "__main__":
    main()

"""Timing several things fairly on a machine that is not quite quiet: in turns, round after round."""

from __future__ import annotations

import time
from collections.abc import Callable

from tqdm import tqdm


def interleaved(tasks: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each task, one number a round. Every other round goes backwards, so that no task always follows the same one."""
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for turn in tqdm(range(rounds), desc="rounds", leave=False):
        for name in list(tasks)[:: -1 if turn % 2 else 1]:
            start = time.perf_counter()
            tasks[name]()
            seconds[name].append(time.perf_counter() - start)
    return seconds

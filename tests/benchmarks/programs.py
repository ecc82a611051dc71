"""What a site of a program costs: traced by us, traced by Pyro, and the bare draw of torch."""

from __future__ import annotations

from collections.abc import Callable

import pyro
import pyro.distributions
import torch
import torch.distributions
from pyro import poutine

from helpers import programs
from tests.benchmarks.interleaved import interleaved
from tests.benchmarks.report import Row, Side, ratios

SITES = 300


def rows(rounds: int) -> list[Row]:
    start = torch.zeros(())

    def chain(sample: Callable[..., torch.Tensor], normal: Callable[..., torch.distributions.Normal]) -> None:
        z = start
        for step in range(SITES):
            z = sample(f"z{step}", normal(z, 1.0))

    def ours() -> None:
        programs.trace(chain).get_trace(programs.sample, torch.distributions.Normal).log_joint()

    def theirs() -> None:
        poutine.trace(chain).get_trace(pyro.sample, pyro.distributions.Normal).log_prob_sum()

    def bare() -> None:
        z = start
        for _ in range(SITES):
            z = torch.distributions.Normal(z, 1.0).rsample()

    tasks = {"ours": ours, "Pyro": theirs, "torch, the draw alone": bare}
    for task in tasks.values():
        task()
    microseconds = {
        name: [1e6 * seconds / SITES for seconds in values] for name, values in interleaved(tasks, 3 * rounds).items()
    }
    return [
        Row(
            f"10. A site of a program, traced and scored, in a chain of {SITES}, against Pyro's",
            [Side(name, microseconds[name], "us a site") for name in tasks],
            ratios(microseconds["ours"], microseconds["Pyro"]),
            most=1.0,
        )
    ]

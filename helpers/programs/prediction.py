"""Prediction and reconstruction: run a program again with values from a posterior."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from helpers.programs.handlers import replay, trace, uncondition
from helpers.programs.traces import Trace

Program = Callable[..., Any]


def predict(program: Program, posterior: Iterable[Trace | Mapping[str, Tensor]]) -> Callable[..., list[Trace]]:
    """Executions that take latent values from a posterior and draw the rest, observations too.

    Sites that an execution of the posterior does not have are drawn from the program: a prediction may go on where the data ended.

    Args:
        program: The program: the one that was conditioned, or another with the same names.
        posterior: Executions, of a guide or from an engine, or values by name.

    Returns:
        A function of the program's arguments that returns one execution for each of the posterior's. Values of sites that all of them
        have are stacked by `stacked`.
    """
    values = list(posterior)

    @torch.no_grad()
    def run(*arguments: Any) -> list[Trace]:
        return [trace(uncondition(replay(program, each))).get_trace(*arguments) for each in values]

    return run


def stacked(traces: Iterable[Trace], name: str) -> Tensor:
    """Values of a site over executions that have it.

    Args:
        traces: Executions.
        name: Name of the site.

    Returns:
        [executions that have it, *batch, *event].

    Raises:
        ValueError: If none has it, or their shapes differ.
    """
    found = [execution[name].value for execution in traces if name in execution]
    if not found or any(value.shape != found[0].shape for value in found):
        raise ValueError(
            f"Site {name!r} is in {len(found)} of these executions, with shapes {sorted({tuple(value.shape) for value in found})}; one or "
            "more of one shape were expected."
        )
    return torch.stack(found)

"""Exact inference in programs with discrete choices: every execution, the most probable first."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from helpers.distributions import support
from helpers.programs.handlers import replay, trace
from helpers.programs.importance import WeightedTraces
from helpers.programs.site import Site
from helpers.programs.stop import StopAt, Stopped
from helpers.programs.traces import Trace

Program = Callable[..., Any]


@dataclass(frozen=True)
class Executions(WeightedTraces):
    """Executions of a program with discrete choices, in order of falling weight of their prefixes.

    `log_marginal` is log of the sum of their weights p(x, z): a lower bound of log p(x), exact if nothing is left out.

    Args:
        traces: As in `WeightedTraces`.
        log_weights: As in `WeightedTraces`.
        log_marginal: As in `WeightedTraces`.
        mass_left_out: Prior probability of the executions that are not listed: 0 if all are.
        weight_left_out: The same, times the likelihood of the observations that were reached before enumeration stopped. If no later
            observation has a density above 1, p(x) is at most exp(log_marginal) + weight_left_out.
    """

    mass_left_out: float
    weight_left_out: float

    def log_marginal_at_most(self, largest_likelihood: float = 1.0) -> float:
        """Upper bound of log p(x).

        Args:
            largest_likelihood: Largest density of the observations that an execution which is left out may still reach; 1 if the
                observations are discrete.

        Returns:
            log(sum of weights + weight_left_out * largest_likelihood), nats.
        """
        return math.log(self.log_marginal.exp().item() + self.weight_left_out * largest_likelihood)


def enumerate_executions(program: Program, max_executions: int = 1_000, mass: float = 0.0) -> Callable[..., Executions]:
    """List the executions of a program whose choices are discrete, by replaying prefixes.

    A prefix is a list of choices. The one of largest weight is replayed; where it ends, at a site without a value, each outcome makes a
    longer prefix. A program of random length has infinitely many executions: those that are left out are bounded.

    Args:
        program: The program. Every latent site has a finite support.
        max_executions: Largest number of executions that are listed.
        mass: Stop once the prior probability of what is left out is at most this.

    Returns:
        A function of the program's arguments that returns `Executions`. It raises ValueError if a latent site has no finite support.

    Raises:
        ValueError: If a limit is impossible.
    """
    if max_executions < 1 or not 0 <= mass < 1:
        raise ValueError(
            f"enumerate_executions was given max_executions={max_executions} and mass={mass}; 1 or more, and 0 <= mass < 1, were expected."
        )

    @torch.no_grad()
    def run(*arguments: Any) -> Executions:
        tie = itertools.count()  # so that the heap never compares prefixes
        # (-weight, tie, prior probability, choices)
        frontier: list[tuple[float, int, float, dict[str, Tensor]]] = [(-1.0, next(tie), 1.0, {})]
        traces: list[Trace] = []
        log_weights: list[Tensor] = []
        while frontier and len(traces) < max_executions and math.fsum(prior for _, _, prior, _ in frontier) > mass:
            _, _, prior, choices = heapq.heappop(frontier)
            recorder = trace()
            try:
                with (
                    recorder,
                    replay(trace=choices),
                    StopAt(partial(_is_new, choices)),
                ):
                    recorder.trace.returned = program(*arguments)
            except Stopped as choice:
                likelihood = recorder.trace.log_likelihood().exp().item()
                for value, probability in _outcomes(choice.site):
                    if probability > 0:
                        longer = {**choices, choice.site.name: value}
                        entry = (-prior * probability * likelihood, next(tie), prior * probability, longer)
                        heapq.heappush(frontier, entry)
                continue
            traces.append(recorder.trace)
            log_weights.append(recorder.trace.log_joint())
        if not traces:
            raise ValueError("No execution ended before the limit: raise max_executions, or lower mass.")
        stacked = torch.stack(log_weights)
        left_out = math.fsum(prior for _, _, prior, _ in frontier)
        return Executions(traces, stacked, stacked.logsumexp(0), left_out, -math.fsum(entry[0] for entry in frontier))

    return run


def _outcomes(site: Site) -> list[tuple[Tensor, float]]:
    """Joint outcomes of a site, batch included, with their probabilities."""
    distribution = site.distribution
    assert distribution is not None
    batch = len(distribution.batch_shape)
    try:
        joint = torch.distributions.Independent(distribution, batch) if batch else distribution
        values = support(joint)
    except ValueError as error:
        raise ValueError(f"Site {site.name!r} ({site.where}) cannot be enumerated. {error}") from error
    probabilities = joint.log_prob(values).exp().tolist()
    return list(zip(values, probabilities, strict=True))


def _is_new(choices: dict[str, Tensor], site: Site) -> bool:
    return site.latent and site.name not in choices

"""A particle filter of an unchanged program: executions that stop at each observation."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor
from torch.distributions import Categorical

from helpers.estimators.draws import draw, draw_uniform
from helpers.networks.sizes import as_size
from helpers.programs.handlers import replay, trace
from helpers.programs.importance import WeightedTraces
from helpers.programs.site import Site
from helpers.programs.stop import StopAt, Stopped
from helpers.programs.traces import Trace

Program = Callable[..., Any]
Resampling = Literal["systematic", "multinomial"]


def particle_filtering(
    program: Program, num_particles: int = 100, resampling: Resampling = "systematic"
) -> Callable[..., WeightedTraces]:
    """Run many executions side by side, from observation to observation; after each, the probable ones are copied.

    A particle is an execution so far. It draws from the program itself and stops at the next observation, whose likelihood is its weight.
    Particles are then drawn anew from among themselves by weight, and each is run again from the start with its values replayed, past the
    observation and on to the next. T observations cost of the order of T² sites. An execution that has ended keeps its place, with
    likelihood 1 from then on. The product of the mean weights is an unbiased estimate of p(x), and `log_marginal` its logarithm.

    Gordon, Salmond, Smith 1993 (the bootstrap filter); Wood, van de Meent, Mansinghka 2014 (of programs).

    Args:
        program: The program, observations included.
        num_particles: Number of executions.
        resampling: "systematic": one uniform number for all particles; "multinomial": independent draws.

    Returns:
        A function of the program's arguments that returns `WeightedTraces`: full executions, of equal weight.

    Raises:
        ValueError: If `resampling` is another word, or the number is not positive.
    """
    num_particles = as_size(num_particles, "num_particles")
    if resampling not in ("systematic", "multinomial"):
        raise ValueError(f"Got resampling={resampling!r}; expected 'systematic' or 'multinomial'.")

    @torch.no_grad()
    def run(*arguments: Any) -> WeightedTraces:
        particles = [_to_observation(program, arguments, {}, 0) for _ in range(num_particles)]
        log_marginal, passed = torch.zeros(()), 0
        while not all(particle.ended for particle in particles):
            log_weights = torch.stack([particle.log_likelihood for particle in particles])
            log_marginal = log_marginal + log_weights.logsumexp(0) - math.log(num_particles)
            passed += 1
            survivors = [particles[parent] for parent in _resampled(log_weights, resampling)]
            particles = [
                replace(one, log_likelihood=_ONE)
                if one.ended
                else _to_observation(program, arguments, one.trace.latent, passed)
                for one in survivors
            ]
        traces = [particle.trace for particle in particles]
        return WeightedTraces(traces, torch.zeros(num_particles), log_marginal)

    return run


_ONE = torch.zeros(())  # log 1


@dataclass(frozen=True)
class _Particle:
    """An execution up to an observation, or to its end.

    log_likelihood: of that observation; 0 of an execution that has ended.
    """

    trace: Trace
    ended: bool
    log_likelihood: Tensor = _ONE


def _to_observation(program: Program, arguments: Any, values: dict[str, Tensor], passed: int) -> _Particle:
    """Run a program with values of earlier sites, past so many observations and on to the next."""
    recorder, seen = trace(), itertools.count()

    def next_observation(site: Site) -> bool:
        return site.kind == "sample" and site.observed and next(seen) == passed

    try:
        with recorder, replay(trace=values), StopAt(next_observation):
            recorder.trace.returned = program(*arguments)
    except Stopped as observation:
        return _Particle(recorder.trace, False, observation.site.log_prob.sum())
    return _Particle(recorder.trace, True)


def _resampled(log_weights: Tensor, resampling: Resampling) -> list[int]:
    """Indices of the particles that go on, as many as there are."""
    count = len(log_weights)
    if bool((log_weights == -math.inf).all()):
        raise ValueError(
            "Every particle has likelihood 0 at one observation: use more particles, or a model that allows what was seen."
        )
    if resampling == "multinomial":
        indices: list[int] = draw(Categorical(logits=log_weights), count).tolist()
        return indices
    # One uniform number places a comb of equal steps on the cumulative weights.
    comb = (torch.arange(count) + draw_uniform(torch.Size([1]), log_weights)) / count
    cumulative = log_weights.softmax(0).cumsum(0)
    return torch.searchsorted(cumulative, comb.to(cumulative), right=True).clamp_max(count - 1).tolist()

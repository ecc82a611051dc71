"""One program under several engines: how their errors fall with the number of executions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Normal

from helpers.programs import (
    SingleSiteMetropolis,
    enumerate_executions,
    importance_sampling,
    particle_filtering,
    sample,
    seed,
)
from helpers.programs.traces import Trace

NOISE = 0.35  # of the chain's observations
SIZES = (1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True)
class Problem:
    """A program, its exact answers, and what is asked.

    Args:
        program: The program, observations included.
        asked: A number of an execution whose posterior mean is asked.
        words: What that is, in words.
        observations: Number of observed sites.
        log_marginal: log p(x), exact.
        mean: The posterior mean, exact.
        largest_likelihood: Largest density of what an execution that enumeration leaves out may still observe.
    """

    program: Callable[[], object]
    asked: Callable[[Trace], float]
    words: str
    observations: int
    log_marginal: float
    mean: float
    largest_likelihood: float


@dataclass(frozen=True)
class Errors:
    """Results of an engine at one size.

    Args:
        log_marginal: Estimates of log p(x) in nats, [repeats]; of enumeration its lower and its upper bound; empty: none.
        mean: Estimates of the posterior mean, [repeats].
    """

    log_marginal: tuple[float, ...]
    mean: tuple[float, ...]


def chain_problem(steps: int = 8) -> Problem:
    """A hidden chain of bits, each seen through noise: how probable is a one at the end?

    Args:
        steps: Length of the chain.

    Returns:
        The problem, its answers summed over all 2^steps executions.
    """
    seen = [1.3, 0.8, -0.4, 0.2, 1.1, 0.9, -0.2, 0.4][:steps]

    def program() -> None:
        z = sample("z0", Bernoulli(torch.tensor(0.5)))
        for step in range(steps):
            if step:
                z = sample(f"z{step}", Bernoulli(0.15 + 0.7 * z))
            sample(f"x{step}", Normal(z, NOISE), obs=torch.tensor(seen[step]))

    most = max(1.0, (1 / (NOISE * math.sqrt(2 * math.pi))) ** steps)
    return _solved(program, lambda one: one[f"z{steps - 1}"].value.item(), "P(last bit = 1 | x)", steps, most)


def geometric_problem() -> Problem:
    """Trials until the first success, whose number is seen with noise: any number of choices.

    Returns:
        The problem, its answers summed over the first 60 executions.
    """

    def program() -> None:
        n = 0
        while not sample(f"stop {n}", Bernoulli(torch.tensor(0.5))).item():
            n += 1
        sample("x", Normal(torch.tensor(float(n)), 1.0), obs=torch.tensor(4.2))

    density = 1 / math.sqrt(2 * math.pi)
    return _solved(program, lambda one: float(len(one.latent) - 1), "E[number of failures | x]", 1, density)


PROBLEMS: Mapping[str, Callable[[], Problem]] = {
    "hidden chain of eight bits": chain_problem,
    "trials until a success": geometric_problem,
}


def engine_errors(problem: Problem, repeats: int) -> dict[str, dict[int, Errors]]:
    """Run every engine at each size: a number of executions, of the particle filter one of particles.

    A particle is run again for each observation, so it costs observations + 1 runs of the program, most of them partial.

    Args:
        problem: The problem.
        repeats: Repetitions of the engines that draw.

    Returns:
        Engine → size → results.
    """
    found: dict[str, dict[int, Errors]] = {name: {} for name in ENGINES}
    most = max(SIZES)
    samples = [seed(importance_sampling(problem.program, num_samples=most), one)() for one in range(repeats)]
    chains = []
    for one in range(repeats):
        with seed(seed=1_000 + one):
            chain = SingleSiteMetropolis(problem.program).chain(steps=most)
            chains.append(torch.tensor([problem.asked(execution) for execution in chain]))
    for size in SIZES:
        found["enumeration"][size] = _enumerated(problem, size)
        found["importance sampling"][size] = Errors(
            tuple((each.log_weights[:size].logsumexp(0) - math.log(size)).item() for each in samples),
            tuple(_weighted(problem, each.traces[:size], each.log_weights[:size]) for each in samples),
        )
        filtered = [seed(particle_filtering(problem.program, size), one)() for one in range(repeats)]
        found["particle filter"][size] = Errors(
            tuple(each.log_marginal.item() for each in filtered),
            tuple(_weighted(problem, each.traces, each.log_weights) for each in filtered),
        )
        found["Metropolis-Hastings"][size] = Errors((), tuple(chain[:size].mean().item() for chain in chains))
    return found


ENGINES = ("enumeration", "importance sampling", "particle filter", "Metropolis-Hastings")


def _enumerated(problem: Problem, executions: int) -> Errors:
    found = enumerate_executions(problem.program, max_executions=executions, mass=1e-12)()
    bounds = found.log_marginal.item(), found.log_marginal_at_most(problem.largest_likelihood)
    return Errors(bounds, (_weighted(problem, found.traces, found.log_weights),))


def _weighted(problem: Problem, traces: Sequence[Trace], log_weights: Tensor) -> float:
    probabilities = log_weights.double().softmax(0)
    return sum(p * problem.asked(one) for p, one in zip(probabilities.tolist(), traces, strict=True))


def _solved(
    program: Callable[[], object],
    asked: Callable[[Trace], float],
    words: str,
    observations: int,
    largest_likelihood: float,
) -> Problem:
    every = enumerate_executions(program, max_executions=60 if observations == 1 else 2**observations)()
    unsolved = Problem(program, asked, words, observations, every.log_marginal.item(), math.nan, largest_likelihood)
    mean = _weighted(unsolved, every.traces, every.log_weights)
    return Problem(program, asked, words, observations, every.log_marginal.item(), mean, largest_likelihood)

"""Metropolis-Hastings on the executions of a program: one site at a time, the number of sites may change."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Categorical, Distribution

from helpers.estimators.draws import draw
from helpers.programs.handlers import replay, trace
from helpers.programs.site import Site
from helpers.programs.traces import Trace

Program = Callable[..., Any]
Proposal = Callable[[Site], Distribution]


class SingleSiteMetropolis:
    """A Markov chain on the executions of a program, whose stationary distribution is the posterior.

    A step chooses one of the n latent sites, all alike, and a new value for it; the program runs again with the other values replayed.
    Sites that this execution newly reaches are drawn from the program; those it no longer reaches are forgotten. It is accepted with

        min(1, p(new) / p(old) * n / n' * q(old value) prod p(forgotten) / (q(new value) prod p(fresh))),

    with p the joint probability of all sites. n / n' is the ratio of the numbers of latent sites: a step back chooses among n'.

    Wingate, Stuhlmüller, Goodman 2011, "Lightweight implementations of probabilistic programming languages via transformational
    compilation".

    Args:
        program: The program, observations included.
        proposals: By name: a function from a site to the distribution of its new value. Other sites are proposed from the program.

    Attributes:
        accepted: Number of steps that were accepted.
        steps: Number of steps.

    Raises:
        ValueError: If a proposal is no function; when a step is made, if the program has no latent site.
    """

    def __init__(self, program: Program, proposals: Mapping[str, Proposal] | None = None) -> None:
        self.program = program
        self.proposals = dict(proposals or {})
        for name, proposal in self.proposals.items():
            if not callable(proposal):
                raise ValueError(
                    f"The proposal of {name!r} is a {type(proposal).__name__}; a function from a site to a distribution was expected, "
                    "such as lambda site: Normal(site.value, 0.5)."
                )
        self.accepted = self.steps = 0

    @torch.no_grad()
    def chain(self, *arguments: Any, steps: int, start: Trace | None = None) -> Iterator[Trace]:
        """Run the chain.

        Args:
            arguments: Of the program.
            steps: Number of steps.
            start: First execution. None: drawn from the program until its likelihood is not 0, at most 1,000 times.

        Yields:
            The execution after each step.

        Raises:
            ValueError: If no execution with a likelihood above 0 was found.
        """
        current = self._start(arguments) if start is None else start
        for _ in range(steps):
            current = self.step(current, *arguments)
            yield current

    @torch.no_grad()
    def step(self, current: Trace, *arguments: Any) -> Trace:
        """One step.

        Args:
            current: The present execution.
            arguments: Of the program.

        Returns:
            The next execution: the proposed one, or `current`.

        Raises:
            ValueError: If the program has no latent site.
        """
        sites = [site for site in current.random if site.latent]
        if not sites:
            raise ValueError("This execution has no latent site to change: everything in it is observed.")
        chosen = sites[int(draw(Categorical(logits=torch.zeros(len(sites), dtype=torch.float64)), 1))]
        forward = self._proposal(chosen)
        value = draw(forward, 1)[0]
        kept = {name: old for name, old in current.latent.items() if name != chosen.name}
        proposed = trace(replay(self.program, {**kept, chosen.name: value})).get_trace(*arguments)
        log_ratio = self._log_ratio(current, proposed, chosen.name, forward.log_prob(value).sum())
        self.steps += 1
        probability = math.exp(min(0.0, log_ratio))
        # No draw at 0 or 1: torch's Bernoulli takes a little off the one and adds it to the other.
        if probability < 1 and not (
            probability > 0 and bool(draw(Bernoulli(torch.tensor(probability, dtype=torch.float64)), 1))
        ):
            return current
        self.accepted += 1
        return proposed

    def log_acceptance_ratio(self, current: Trace, proposed: Trace, name: str) -> float:
        """Log of the acceptance ratio (before the minimum with 1) of a step that changed one site.

        Args:
            current: The execution before the step.
            proposed: The execution that it proposes.
            name: Name of the site that was changed.

        Returns:
            The log ratio, nats; minus infinity if the proposed execution is impossible.
        """
        forward = self._proposal(current[name])
        return self._log_ratio(current, proposed, name, forward.log_prob(proposed[name].value).sum())

    def _log_ratio(self, current: Trace, proposed: Trace, name: str, log_forward: Tensor) -> float:
        try:
            log_joint = proposed.log_joint().item()
        except ValueError:  # a value that was kept, outside of its new support
            return -math.inf
        if not math.isfinite(log_joint):
            return -math.inf
        log_backward = self._proposal(proposed[name]).log_prob(current[name].value).sum()
        before, after = current.latent, proposed.latent
        fresh = sum(proposed[site].unscaled_log_prob.sum().item() for site in after if site not in before)
        forgotten = sum(current[site].unscaled_log_prob.sum().item() for site in before if site not in after)
        return (
            log_joint
            - current.log_joint().item()
            + math.log(len(before) / len(after))
            + log_backward.item()
            - log_forward.item()
            + forgotten
            - fresh
        )

    def _proposal(self, site: Site) -> Distribution:
        if site.name in self.proposals:
            return self.proposals[site.name](site)
        assert site.distribution is not None
        return site.distribution

    def _start(self, arguments: tuple[Any, ...]) -> Trace:
        for _ in range(1_000):
            execution = trace(self.program).get_trace(*arguments)
            if math.isfinite(execution.log_joint().item()):
                return execution
        raise ValueError(
            "1,000 executions of the program had likelihood 0: condition on what is possible, or give start=..."
        )

"""Importance sampling: executions of a proposal, weighted by the model."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from helpers.networks.sizes import as_size
from helpers.programs.handlers import replay, trace
from helpers.programs.matching import check_match
from helpers.programs.traces import Trace

Program = Callable[..., Any]


@dataclass(frozen=True)
class WeightedTraces:
    """Executions with log weights: an approximation of the posterior by points.

    Args:
        traces: Executions of the model, [n].
        log_weights: log p(x, z) - log q(z) of each, nats, [n].
        log_marginal: Estimate of log p(x), a scalar: the log of an unbiased estimate of p(x), unless the engine says otherwise.
    """

    traces: Sequence[Trace]
    log_weights: Tensor
    log_marginal: Tensor

    @property
    def probabilities(self) -> Tensor:
        """Normalised weights, [n]."""
        return self.log_weights.softmax(0)

    @property
    def effective_sample_size(self) -> float:
        """(sum w)² / sum w²: the number of equally weighted executions that would be as good."""
        return (2 * self.log_weights.logsumexp(0) - (2 * self.log_weights).logsumexp(0)).exp().item()

    def expectation(self, of: str | Callable[[Trace], Tensor]) -> Tensor:
        """Posterior expectation.

        Args:
            of: Name of a site that every execution has, or a function of an execution, such as lambda t: t.returned.

        Returns:
            The weighted average.

        Raises:
            ValueError: If an execution has no such site.
        """
        total: Tensor | float = 0.0
        for execution, probability in zip(self.traces, self.probabilities, strict=True):
            total = total + probability * torch.as_tensor(_value(execution, of))
        return torch.as_tensor(total)

    def probability_of(self, event: Callable[[Trace], bool]) -> Tensor:
        """Posterior probability that something holds. Sites that exist in some executions only may be asked for by `name in trace`.

        Args:
            event: Function of an execution: whether it holds.

        Returns:
            A scalar in [0, 1].
        """
        holds = torch.tensor([bool(event(execution)) for execution in self.traces])
        return (self.probabilities * holds).sum()


def importance_sampling(
    model: Program, guide: Program | None = None, num_samples: int = 100
) -> Callable[..., WeightedTraces]:
    """Draw executions from a proposal and weigh them: w = p(x, z) / q(z).

    The mean weight is an unbiased estimate of p(x). Weights vary the more, the less the proposal resembles the posterior.

    Args:
        model: Program of p(x, z), observations included.
        guide: Program of q(z), the proposal. None: the model's own prior, so that w is the likelihood.
        num_samples: Number of executions.

    Returns:
        A function of the programs' arguments that returns `WeightedTraces`. It raises ValueError if guide and model do not fit.
    """
    num_samples = as_size(num_samples, "num_samples")

    @torch.no_grad()
    def run(*arguments: Any) -> WeightedTraces:
        traces, log_weights = [], []
        for _ in range(num_samples):
            if guide is None:
                execution = trace(model).get_trace(*arguments)
                log_weight = execution.log_likelihood()
            else:
                proposal = trace(guide).get_trace(*arguments)
                execution = trace(replay(model, proposal)).get_trace(*arguments)
                check_match(execution, proposal)
                log_weight = execution.log_joint() - proposal.log_joint()
            traces.append(execution)
            log_weights.append(log_weight)
        stacked = torch.stack(log_weights)
        return WeightedTraces(traces, stacked, stacked.logsumexp(0) - math.log(num_samples))

    return run


def _value(execution: Trace, of: str | Callable[[Trace], Tensor]) -> Tensor:
    if callable(of):
        return of(execution)
    if of not in execution:
        raise ValueError(
            f"Not every execution has a site {of!r}: one has {', '.join(map(repr, execution)) or 'none'}. Ask for a function of the "
            "execution, or for probability_of(lambda t: ... in t)."
        )
    value: Tensor = execution[of].value
    return value

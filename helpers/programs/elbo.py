"""The evidence lower bound of two programs, as an objective for `fit`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from helpers.estimators import Estimate
from helpers.networks.sizes import as_size
from helpers.programs.bound import Execution
from helpers.programs.costs import total
from helpers.programs.handlers import replay, trace
from helpers.programs.parameters import Parameters
from helpers.programs.rewards import Reward, downstream_cost

Program = Callable[..., Any]


class ProgramElbo(nn.Module):
    """E_guide[log p(x, z) - log q(z)], with p and q two programs that name the same latent sites.

    Each latent site of the guide has a gradient estimator: the one that `sample(..., estimator=...)` names; else pathwise if its
    distribution has differentiable samples, else the score function. The reward of a scored site is its downstream cost: the terms of
    the bound that its value can change, known from the order of execution. These are the guide's terms from the site on, and the
    model's from the first latent value on that was drawn there or later. No statement can depend on one that is executed after it, so
    this is exact for programs that branch on values, that loop and that recurse. Costs of other members of a plate do not count.

    Estimators that evaluate the integrand themselves (`Enumeration`, `LeaveOneOut`, ...) run the rest of guide and model once for each
    evaluation, with the earlier values replayed: T nested sites of two outcomes make 2^T runs.

    Called with the programs' arguments (one tuple or list is unpacked), returns an `Estimate`, a scalar in nats for all data (plates
    count N/B times), with terms `distortion`, minus the log-probability of what is observed, and `rate`, log q - log p of what is latent.

    Args:
        model: Program of p(x, z); observations by `obs=` or by `condition`.
        guide: Program of q(z).
        num_particles: Executions of the guide that are averaged.
        reward: Which terms are a scored site's reward: `downstream_cost`, or `every_cost`, as in Pyro's Trace_ELBO.

    Raises:
        ValueError: If an argument is of the wrong kind, or, when called, if model and guide do not fit each other, a site has a batch
            dimension that no plate declares, a parameter is new, or an estimator cannot be used at its site.

    Attributes:
        parameters_of_programs: What `param` and `module` name; `initialise` makes them.
        estimators: The estimators that sites name, by site, so that baselines are trained and saved.
    """

    def __init__(
        self, model: Program, guide: Program, num_particles: int = 1, *, reward: Reward = downstream_cost
    ) -> None:
        super().__init__()
        for name, program in (("model", model), ("guide", guide)):
            if not callable(program) or isinstance(program, type):
                raise ValueError(
                    f"ProgramElbo was given {program!r} as its {name}; a program was expected, a function that calls sample."
                )
        self.model, self.guide, self.reward = model, guide, reward
        self.num_particles = as_size(num_particles, "num_particles")
        self.parameters_of_programs = Parameters()
        self.estimators = nn.ModuleDict()

    def initialise(self, *arguments: Any, executions: int = 1) -> ProgramElbo:
        """Run guide and model, to make the parameters that they name. An optimiser is made afterwards.

        Args:
            arguments: Of the programs, such as one batch.
            executions: How often: a site that exists in some executions only may need several.

        Returns:
            This objective.

        Raises:
            ValueError: If a statement of the programs is wrong.
        """
        arguments = _unpacked(arguments)
        with torch.no_grad(), self.parameters_of_programs.new():
            for _ in range(executions):
                with trace() as guide:
                    self.guide(*arguments)
                for site in guide.trace.random:
                    if site.estimator is not None and any(True for _ in site.estimator.state_dict()):
                        self.estimators[site.name.replace(".", "\N{MIDDLE DOT}")] = site.estimator
                with replay(trace=guide.trace):
                    self.model(*arguments)
        return self

    def forward(self, *arguments: Any) -> Estimate:
        arguments = _unpacked(arguments)
        particles = []
        with self.parameters_of_programs.used():
            execution = Execution(self.model, self.guide, arguments, self.reward, set(self.estimators.values()))
            for _ in range(self.num_particles):
                rest = execution.rest({})
                costs = [*rest.guide, *rest.model]
                value = torch.as_tensor(total(cost.value for cost in costs))
                distortion = torch.as_tensor(total(cost.distortion for cost in costs if cost.distortion is not None))
                surrogate = torch.as_tensor(total(cost.surrogate for cost in costs))
                terms = {"distortion": distortion, "rate": -value - distortion}
                particles.append(Estimate(value, surrogate, terms, rest.auxiliary_loss, scored=True))
        if len(particles) == 1:
            return particles[0]
        terms = {name: torch.stack([each.terms[name] for each in particles]).mean() for name in ("distortion", "rate")}
        return Estimate(
            torch.stack([each.value for each in particles]).mean(),
            torch.stack([each.surrogate for each in particles]).mean(),
            terms,
            sum((each.auxiliary_loss for each in particles), 0.0) / len(particles),
            scored=True,
        )


def _unpacked(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    only = arguments[0] if len(arguments) == 1 else None
    return tuple(only) if isinstance(only, tuple | list) else arguments

"""What a program says: `sample`, `factor`, `param`, `module`. (`plate` has a file of its own.)

A program is a Python function that draws: it may loop, branch on what it drew, and call itself. Without a handler around it, it does
just that. With handlers around it, the same function is a joint distribution.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, constraints, transform_to
from torch.distributions.constraints import Constraint

from helpers.estimators import GradientEstimator
from helpers.programs.site import Site, described, drawn, place_of_caller
from helpers.programs.stack import handlers, send

Module = TypeVar("Module", bound=nn.Module)


def sample(
    name: str,
    distribution: Distribution,
    obs: Tensor | None = None,
    *,
    estimator: GradientEstimator | None = None,
    num_samples: int | None = None,
    context: Tensor | None = None,
    auxiliary: bool = False,
) -> Tensor:
    """Draw a value, or observe one: value ~ distribution.

    Args:
        name: Name of the site, once in an execution.
        distribution: A `torch.distributions.Distribution` with batch_shape [*batch] and event_shape [*event].
        obs: Datum, [*batch, *event]: the site is observed. None: it is latent.
        estimator: Gradient estimator of this choice, in a guide. None: pathwise if the distribution has differentiable samples, else the
            score function.
        num_samples: Evaluations of the rest of the program that the estimator makes. None: its minimum.
        context: What the estimator's baselines may depend on, [*batch, ...].
        auxiliary: In a guide: the model has no such site, which is no mistake.

    Returns:
        `obs` if that is given, the value that a handler sets, or a draw: [*batch, *event].

    Raises:
        ValueError: If the name is no string, the distribution is none, or the datum is no tensor.
    """
    if (
        type(name) is not str
        or not isinstance(distribution, Distribution)
        or not (obs is None or isinstance(obs, Tensor))
    ):
        _refuse(name, distribution, obs)
    if not handlers():
        return obs if obs is not None else drawn(Site("sample", name, distribution, estimator=estimator))
    place = place_of_caller(1)
    if estimator is not None and not isinstance(estimator, GradientEstimator):
        raise ValueError(
            f"Site {name!r} ({described(place)}) names a {type(estimator).__name__} as its estimator; a GradientEstimator was expected, "
            "such as LeaveOneOut()."
        )
    site = Site("sample", name, distribution, obs, obs is not None, place=place, draws=drawn)
    if estimator is not None or auxiliary or context is not None:
        site.estimator, site.num_samples, site.context, site.auxiliary = estimator, num_samples, context, auxiliary
    return send(site).value


def factor(name: str, log_factor: Tensor) -> Tensor:
    """Add a term to the log joint: log p(everything) + log_factor.

    Args:
        name: Name of the site, once in an execution.
        log_factor: The term, [*batch], nats. It may depend on latent values and parameters.

    Returns:
        `log_factor`.

    Raises:
        ValueError: If the term is no tensor.
    """
    if not isinstance(log_factor, Tensor):
        raise ValueError(
            f"Factor {name!r} ({described(place_of_caller(1))}) got a {type(log_factor).__name__}; a tensor of nats was expected: "
            "torch.tensor(...)."
        )
    unit = Unit(log_factor)
    if handlers():
        send(Site("sample", name, unit, unit.value, observed=True, place=place_of_caller(1), draws=drawn))
    return log_factor


class Unit(Distribution):
    """The distribution behind `factor`: its only value is empty, with log-probability `log_factor` (not normalised).

    Args:
        log_factor: [*batch], nats.
    """

    arg_constraints = {"log_factor": constraints.real}
    support = constraints.real

    def __init__(self, log_factor: Tensor) -> None:
        self.log_factor = log_factor
        super().__init__(log_factor.shape, torch.Size([0]), validate_args=False)

    @property
    def value(self) -> Tensor:
        """The only value, [*batch, 0]."""
        return self.log_factor.new_empty((*self.batch_shape, 0))

    def expand(self, batch_shape: Sequence[int], _instance: Distribution | None = None) -> Unit:
        return Unit(self.log_factor.expand(torch.Size(batch_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        return self.log_factor


def param(
    name: str, init: Tensor | Callable[[], Tensor] | None = None, constraint: Constraint = constraints.real
) -> Tensor:
    """A parameter, kept by the `Parameters` around the program under its name.

    It is stored without constraint, as u, and used as transform_to(constraint)(u): a positive one is exp(u).

    Args:
        name: Name of the parameter. The same name is the same parameter, in model and guide too.
        init: Its first value, which satisfies the constraint, or a function that makes it. None: it must be there already.
        constraint: Where its values lie: a constraint of `torch.distributions.constraints`.

    Returns:
        The value. Without `Parameters` around the program: `init`.

    Raises:
        ValueError: If there is neither a stored value nor `init`, or if `init` is no tensor or does not satisfy the constraint.
    """
    place = place_of_caller(1)

    def first(_: Site) -> Tensor:
        value = init() if callable(init) else init
        if not isinstance(value, Tensor):
            raise ValueError(
                f"Parameter {name!r} ({described(place)}) has no value yet and init={value!r}; a tensor was expected, "
                "or a function that makes one."
            )
        if not bool(constraint.check(value).all()):
            raise ValueError(
                f"Parameter {name!r} ({described(place)}) starts at {value.flatten()[:3].tolist()}, outside of {constraint}."
            )
        return value

    site = Site("param", name, place=place, draws=first)
    if not handlers():
        return first(site)
    site.transform = transform_to(constraint)
    return send(site).value


def module(name: str, network: Module) -> Module:
    """Hand a network's parameters to the `Parameters` around the program, so that they are trained and saved.

    Args:
        name: Name under which it is kept.
        network: The network: made once, outside of the program.

    Returns:
        `network`.

    Raises:
        ValueError: If it is no module, or, under `Parameters`, another one than before.
    """
    if not isinstance(network, nn.Module):
        raise ValueError(f"module {name!r} was given a {type(network).__name__}; an nn.Module was expected.")
    if handlers():
        send(Site("module", name, value=network, place=place_of_caller(1)))
    return network


def _refuse(name: object, distribution: object, obs: object) -> None:
    where = described(place_of_caller(2))
    if type(name) is not str:
        raise ValueError(
            f"sample ({where}) was given the name {name!r}; a string was expected: sample(name, distribution)."
        )
    if not isinstance(distribution, Distribution):
        instead = (
            "Usually a draw: leave out .sample()."
            if isinstance(distribution, Tensor)
            else "It comes second, after the name."
        )
        raise ValueError(
            f"Site {name!r} ({where}) was given a {type(distribution).__name__} to draw from; a torch.distributions.Distribution was "
            f"expected. {instead}"
        )
    raise ValueError(
        f"Site {name!r} ({where}) was given obs of type {type(obs).__name__}; a tensor was expected: torch.as_tensor(...)."
    )

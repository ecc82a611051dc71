"""Eight programs that are written once and run in two languages: ours, and Pyro."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyro
import pyro.distributions
import torch
from pyro import poutine
from torch import Tensor
from torch.distributions import constraints

from helpers import programs

positive, unit, simplex = constraints.positive, constraints.unit_interval, constraints.simplex


@dataclass(frozen=True)
class Language:
    """The words of a language, and its distributions.

    Args:
        sample: name, distribution, obs, auxiliary → value.
        param: name, first value, constraint → value.
        plate: name, size, ... → what `with` enters.
        mask: where → what `with` enters.
        of: Module of distributions.
    """

    sample: Callable[..., Tensor]
    param: Callable[..., Tensor]
    plate: Callable[..., Any]
    mask: Callable[..., Any]
    of: Any


def _pyro_sample(name: str, distribution: Any, obs: Tensor | None = None, auxiliary: bool = False) -> Tensor:
    return pyro.sample(name, distribution, obs=obs, infer={"is_auxiliary": True} if auxiliary else {})


OURS = Language(
    programs.sample, programs.param, programs.plate, lambda where: programs.mask(where=where), torch.distributions
)
PYRO = Language(_pyro_sample, pyro.param, pyro.plate, lambda where: poutine.mask(mask=where), pyro.distributions)

Pair = tuple[Callable[..., Any], Callable[..., Any]]


def t(*values: float) -> Tensor:
    """Constants in float64.

    Args:
        values: Numbers.

    Returns:
        A scalar of one number, otherwise a vector.
    """
    return torch.tensor(values if len(values) != 1 else values[0], dtype=torch.float64)


X = torch.linspace(-2, 3, 6, dtype=torch.float64)
TABLE = torch.linspace(-2, 3, 12, dtype=torch.float64).reshape(3, 4).sin()


def globals_with_plate(L: Language) -> Pair:
    """Two global latents, one of them positive, and a plate of data.

    Args:
        L: The language.

    Returns:
        Model and guide.
    """

    def model() -> None:
        mu = L.sample("mu", L.of.Normal(t(0), t(1)))
        tau = L.sample("tau", L.of.Gamma(t(2), t(3)))
        with L.plate("data", 6):
            L.sample("x", L.of.Normal(mu, tau), obs=X)

    def guide() -> None:
        L.sample("mu", L.of.Normal(L.param("loc", t(0.3)), L.param("scale", t(0.6), constraint=positive)))
        L.sample("tau", L.of.LogNormal(L.param("log", t(0.1)), t(0.4)))

    return model, guide


def subsample(L: Language) -> Pair:
    """A plate of which two members in six are at hand, each with a latent of its own.

    Args:
        L: The language.

    Returns:
        Model and guide.
    """
    chosen = torch.tensor([4, 1])

    def model() -> None:
        w = L.sample("w", L.of.Normal(t(0), t(1)))
        with L.plate("data", 6, subsample=chosen) as index:
            z = L.sample("z", L.of.Normal(w, t(1)))
            L.sample("x", L.of.Normal(z, t(0.5)), obs=X[index])

    def guide() -> None:
        L.sample("w", L.of.Normal(L.param("loc", t(0.3)), t(0.6)))
        locs = L.param("locs", X / 3)
        with L.plate("data", 6, subsample=chosen) as index:
            L.sample("z", L.of.Normal(locs[index], L.param("scale", t(0.7), constraint=positive)))

    return model, guide


def nested_plates(L: Language) -> Pair:
    """Columns and cells of a table, both discrete, below a continuous mean.

    Args:
        L: The language.

    Returns:
        Model and guide.
    """

    def model() -> None:
        mu = L.sample("mu", L.of.Normal(t(0), t(1)))
        with L.plate("columns", 4, dim=-1):
            column = L.sample("column", L.of.Bernoulli(t(0.4)))
            with L.plate("rows", 3, dim=-2):
                cell = L.sample("cell", L.of.Bernoulli(0.2 + 0.5 * column))
                L.sample("x", L.of.Normal(mu + cell - column, t(0.8)), obs=TABLE)

    def guide() -> None:
        L.sample("mu", L.of.Normal(L.param("loc", t(0.3)), t(0.6)))
        with L.plate("columns", 4, dim=-1):
            column = L.sample("column", L.of.Bernoulli(logits=L.param("of columns", TABLE[0] - 0.1)))
            with L.plate("rows", 3, dim=-2):
                L.sample("cell", L.of.Bernoulli(logits=L.param("of cells", TABLE.clone()) + column))

    return model, guide


def masked(L: Language) -> Pair:
    """Data of which some are missing.

    Args:
        L: The language.

    Returns:
        Model and guide.
    """
    there = X > -1.5

    def model() -> None:
        mu = L.sample("mu", L.of.Normal(t(0), t(1)))
        with L.plate("data", 6), L.mask(there):
            z = L.sample("z", L.of.Normal(mu, t(1)))
            L.sample("x", L.of.Normal(z, t(0.5)), obs=X)

    def guide() -> None:
        L.sample("mu", L.of.Normal(L.param("loc", t(0.3)), t(0.6)))
        with L.plate("data", 6), L.mask(there):
            L.sample("z", L.of.Normal(L.param("locs", X / 3), t(0.5)))

    return model, guide


def discrete(L: Language) -> Pair:
    """A category, and two bits for each datum.

    Args:
        L: The language.

    Returns:
        Model and guide.
    """

    def model() -> None:
        k = L.sample("k", L.of.Categorical(t(0.2, 0.3, 0.5)))
        with L.plate("data", 6):
            bits = L.sample("bits", L.of.Independent(L.of.Bernoulli(t(0.3, 0.6)), 1))
            L.sample("x", L.of.Normal(k + bits.sum(-1), t(1)), obs=X)

    def guide() -> None:
        k = L.sample("k", L.of.Categorical(logits=L.param("logits", t(0.1, 0.4, -0.2))))
        with L.plate("data", 6):
            logits = L.param("logits of bits", TABLE.reshape(6, 2).clone()) + 0.1 * k
            L.sample("bits", L.of.Independent(L.of.Bernoulli(logits=logits), 1))

    return model, guide


def random_length(L: Language) -> Pair:
    """A loop that ends at random: names are made at run time.

    Args:
        L: The language.

    Returns:
        Model and guide.
    """

    def model() -> None:
        trials = 0
        while not L.sample(f"stop {trials}", L.of.Bernoulli(t(0.5))).item():
            trials += 1
        L.sample("x", L.of.Normal(t(trials), t(1)), obs=t(2.3))

    def guide() -> None:
        trials, slope = 0, L.param("slope", t(0.2))
        while not L.sample(f"stop {trials}", L.of.Bernoulli(logits=slope * trials + L.param("logit", t(-0.4)))).item():
            trials += 1

    return model, guide


def auxiliary(L: Language) -> Pair:
    """A guide with a variable that the model does not have.

    Args:
        L: The language.

    Returns:
        Model and guide.
    """

    def model() -> None:
        z = L.sample("z", L.of.Normal(t(0), t(1)))
        L.sample("x", L.of.Normal(z, t(0.5)), obs=t(0.7))

    def guide() -> None:
        a = L.sample("a", L.of.Normal(L.param("loc", t(0.3)), t(0.6)), auxiliary=True)
        L.sample("z", L.of.Normal(L.param("slope", t(0.4)) * a, t(0.3)))

    return model, guide


def constrained(L: Language) -> Pair:
    """Parameters that are positive, in the unit interval, and on the simplex.

    Args:
        L: The language.

    Returns:
        Model and guide.
    """

    def model() -> None:
        p = L.sample("p", L.of.Beta(t(2), t(2)))
        w = L.sample("w", L.of.Dirichlet(t(1, 1, 2)))
        rate = L.param("rate", t(1.7), constraint=positive)
        L.sample("x", L.of.Bernoulli(p), obs=t(1))
        L.sample("k", L.of.Categorical(w), obs=torch.tensor(1))
        L.sample("wait", L.of.Exponential(rate * p), obs=t(0.4))

    def guide() -> None:
        L.sample("p", L.of.Beta(*L.param("ab", t(1.5, 3), constraint=positive)))
        mean = L.param("mean", t(0.2, 0.3, 0.5), constraint=simplex)
        size = L.param("size", t(0.6), constraint=unit)
        L.sample("w", L.of.Dirichlet(mean * (2 + 5 * size)))

    return model, guide


PROGRAMS: tuple[Callable[[Language], Pair], ...] = (
    globals_with_plate,
    subsample,
    nested_plates,
    masked,
    discrete,
    random_length,
    auxiliary,
    constrained,
)

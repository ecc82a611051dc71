"""Every outcome of every draw, each with its probability: the source of draws behind the exact harness."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor
from torch.distributions import Distribution, Normal

from helpers.distributions import innermost, support
from helpers.estimators.draws import DrawSource, drawing_from
from helpers.estimators.harness.quadrature import UniformRule, gauss_hermite

Result = TypeVar("Result")

MAX_OUTCOMES = 2**16


@dataclass
class _Draw:
    """One draw of several independent variables, and the joint outcome of them that the current path takes.

    table: [outcomes, variables, *event], the outcomes of each variable; log_weight: [outcomes, variables].
    """

    table: Tensor
    log_weight: Tensor
    choice: int = -1

    def __post_init__(self) -> None:
        outcomes, variables = self.log_weight.shape
        self.size = outcomes**variables
        self._columns = torch.arange(variables)
        self._powers = torch.tensor([outcomes**n if self.size < 2**62 else 0 for n in range(variables)])

    def advance(self) -> bool:
        """Take the next joint outcome of positive probability; False if none is left."""
        self.choice += 1
        while self.choice < self.size:
            self.digits = self.choice // self._powers % len(self.table)  # [variables]
            self.probability = math.exp(self.log_weight[self.digits, self._columns].sum().item())
            if self.probability > 0:
                return True
            self.choice += 1
        return False

    def value(self) -> Tensor:
        return self.table[self.digits, self._columns]  # [variables, *event]


class EveryOutcome(DrawSource):
    """Replays a computation once per joint outcome of all its draws.

        for probability, result in EveryOutcome().outcomes(run): ...

    A draw's outcomes may depend on earlier ones, as in nested estimators: draws form a tree, traversed depth first. Joint
    outcomes are counted over samples and over the batch: K outcomes, S samples and B data make K^(S B).

    Args:
        max_outcomes: Largest number of joint outcomes; more raise a ValueError that says how many there are.
        uniform: Quadrature for uniform noise (see `gauss_legendre`). None: a uniform draw raises ValueError.
        gaussian_nodes: Gauss-Hermite nodes for each coordinate of a Gaussian draw. None: a Gaussian draw raises ValueError.
    """

    def __init__(
        self, max_outcomes: int = MAX_OUTCOMES, uniform: UniformRule | None = None, gaussian_nodes: int | None = None
    ) -> None:
        self.max_outcomes = max_outcomes
        self.uniform_rule = uniform
        self.gaussian_nodes = gaussian_nodes
        self._path: list[_Draw] = []
        self._depth = 0

    def outcomes(self, run: Callable[[], Result]) -> Iterator[tuple[float, Result]]:
        """Run a computation once for every joint outcome of its draws.

        Args:
            run: The computation. Given the same outcomes it must make the same draws.

        Yields:
            (probability, run()) for each joint outcome. Probabilities sum to 1.

        Raises:
            ValueError: If there are more than `max_outcomes`, if `run` cannot be replayed, or if probabilities do not sum to 1.
        """
        self._path = []
        total = 0.0
        while True:
            self._depth = 0
            with drawing_from(self):
                result = run()
            if self._depth != len(self._path):
                raise ValueError(
                    "Given the same outcomes, the computation made fewer draws than before, so it cannot be replayed."
                )
            probability = math.prod(draw.probability for draw in self._path)
            total += probability
            yield probability, result
            while self._path and not self._path[-1].advance():
                self._path.pop()
            if not self._path:
                break
        if abs(total - 1) > 1e-6:
            raise ValueError(
                f"The probabilities of all outcomes sum to {total:.6g}, not to 1: a distribution's log_prob does not fit its support, "
                "or a quadrature rule's weights do not sum to 1."
            )

    def sample(self, q: Distribution, num_samples: int) -> Tensor:
        if _normal_inside(q) is not None:
            return self.rsample(q, num_samples).detach()
        shape = (num_samples, *q.batch_shape)
        return self._next(lambda: self._outcomes(q, num_samples)).reshape(*shape, *q.event_shape)

    def rsample(self, q: Distribution, num_samples: int) -> Tensor:
        normal, nodes = _normal_inside(q), self.gaussian_nodes
        if normal is None or not nodes:
            raise ValueError(
                f"A draw of {type(q if normal is None else normal).__name__} has no outcomes to list. For a Gaussian pass gaussian_nodes, "
                "the number of quadrature nodes; otherwise `sampled_moments` estimates the moments, with standard errors."
            )
        shape = (num_samples, *normal.batch_shape)
        noise = self._next(lambda: _gaussian_table(nodes, shape)).reshape(shape)
        return normal.loc + normal.scale * noise.to(normal.loc)

    def uniform(self, shape: torch.Size, like: Tensor) -> Tensor:
        rule = self.uniform_rule
        if rule is None:
            raise ValueError(
                "The estimator draws uniform noise, which has no outcomes to list. Pass a quadrature rule as `uniform`, such as "
                "gauss_legendre(2, breakpoints), or use `sampled_moments`."
            )

        def table() -> tuple[Tensor, Tensor]:
            nodes, weights = rule(torch.Size(shape))
            return nodes.flatten(1), weights.log().flatten(1)

        return self._next(table).reshape(shape).to(like)

    def _outcomes(self, q: Distribution, num_samples: int) -> tuple[Tensor, Tensor]:
        try:
            values = support(q)  # [support, *batch, *event]
        except ValueError as error:
            raise ValueError(
                f"Exact moments need draws whose outcomes can be listed. {error} `sampled_moments` needs no list, and has standard errors."
            ) from error
        with torch.no_grad():
            log_prob = q.log_prob(values).double().reshape(len(values), 1, -1).expand(-1, num_samples, -1)
        first_event_dim = values.dim() - len(q.event_shape)
        values = values.reshape(len(values), 1, q.batch_shape.numel(), *values.shape[first_event_dim:])
        values = values.expand(-1, num_samples, -1, *q.event_shape)
        return values.flatten(1, 2), log_prob.flatten(1, 2)

    def _next(self, table: Callable[[], tuple[Tensor, Tensor]]) -> Tensor:
        """The next draw's value on the current path; a draw that is new to the path takes its first outcome."""
        if self._depth == len(self._path):
            draw = _Draw(*table())
            size = draw.size * math.prod(earlier.size for earlier in self._path)
            if size > self.max_outcomes:
                outcomes, variables = draw.log_weight.shape
                count = f"{size:,}" if size < 10**9 else f"about 10^{math.log10(size):.0f}"
                self._refuse(f"{count} or more, this draw alone {outcomes}^{variables}")
            draw.advance()
            self._path.append(draw)
        self._depth += 1
        return self._path[self._depth - 1].value()

    def _refuse(self, count: str) -> None:
        raise ValueError(
            f"The joint outcomes of all draws are too many to enumerate: {count}, and max_outcomes is {self.max_outcomes:,}. "
            "Use fewer bits, samples or data, or `sampled_moments`, which estimates the moments with standard errors."
        )


def _gaussian_table(num_nodes: int, shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Nodes of standard normals of that shape, flat, and their log weights: both [nodes, variables]."""
    nodes, weights = gauss_hermite(num_nodes)
    variables = torch.Size(shape).numel()
    return nodes[:, None].expand(-1, variables), weights.log()[:, None].expand(-1, variables)


def _normal_inside(q: Distribution) -> Normal | None:
    base = innermost(q)
    return base if isinstance(base, Normal) else None

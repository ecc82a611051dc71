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
    """One draw of some numbers that are independent of each other, and which of its joint outcomes the present path takes.

    table: [outcomes, numbers, *event] what each number can be; log_weight: [outcomes, numbers].
    """

    table: Tensor
    log_weight: Tensor
    choice: int = -1

    def __post_init__(self) -> None:
        outcomes, numbers = self.log_weight.shape
        self.size = outcomes**numbers
        self._places = torch.arange(numbers)
        self._powers = torch.tensor([outcomes**n if self.size < 2**62 else 0 for n in range(numbers)])

    def advance(self) -> bool:
        """Take the next joint outcome that is possible; False where there is none left."""
        self.choice += 1
        while self.choice < self.size:
            self.digits = self.choice // self._powers % len(self.table)  # [numbers]
            self.probability = math.exp(self.log_weight[self.digits, self._places].sum().item())
            if self.probability > 0:
                return True
            self.choice += 1
        return False

    def value(self) -> Tensor:
        return self.table[self.digits, self._places]  # [numbers, *event]


class EveryOutcome(DrawSource):
    """Replays a computation once per joint outcome of all its draws.

        for probability, result in EveryOutcome().replay(run): ...

    A draw's outcomes may depend on earlier ones, as they do in nested estimators: draws form a tree, walked depth first. Joint
    outcomes are counted over samples and over the batch: K outcomes, S samples, B data make K^(S B).

    max_outcomes: more than that raises a ValueError that says how many there are.
    uniform: quadrature for uniform noise (see `gauss_legendre`); without it a uniform draw is an error.
    gaussian_nodes: Gauss-Hermite nodes for each number of a Gaussian draw; without it a Gaussian draw is an error.
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
        """Yield (probability, run()) for every joint outcome of the draws that `run` makes. Probabilities sum to 1."""
        self._path = []
        total = 0.0
        while True:
            self._depth = 0
            with drawing_from(self):
                result = run()
            if self._depth != len(self._path):
                raise ValueError(
                    "Given the same outcomes, the computation made fewer draws than before: it cannot be replayed."
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
        normal = _normal_inside(q)
        if normal is None or not self.gaussian_nodes:
            raise ValueError(
                f"A draw of {type(q if normal is None else normal).__name__} has no outcomes to list. For a Gaussian pass gaussian_nodes, "
                "the number of quadrature nodes; otherwise `sampled_moments` estimates the moments, with standard errors."
            )
        shape = (num_samples, *normal.batch_shape)
        noise = self._next(lambda: self._rule(shape)).reshape(shape)
        return normal.loc + normal.scale * noise.to(normal.loc)

    def uniform(self, shape: torch.Size, like: Tensor) -> Tensor:
        if self.uniform_rule is None:
            raise ValueError(
                "The estimator draws uniform noise, which has no outcomes to list. Pass a quadrature rule as `uniform`, such as "
                "gauss_legendre(2, breakpoints), or use `sampled_moments`."
            )

        def table() -> tuple[Tensor, Tensor]:
            nodes, weights = self.uniform_rule(torch.Size(shape))
            return nodes.flatten(1), weights.log().flatten(1)

        return self._next(table).reshape(shape).to(like)

    def _outcomes(self, q: Distribution, num_samples: int) -> tuple[Tensor, Tensor]:
        try:
            values = support(q)  # [support, *batch, *event]
        except ValueError as error:
            raise ValueError(
                f"Exact moments need draws whose outcomes can be listed. {error} `sampled_moments` does without, with standard errors."
            ) from error
        with torch.no_grad():
            log_prob = q.log_prob(values).double().reshape(len(values), 1, -1).expand(-1, num_samples, -1)
        places = values.dim() - len(q.event_shape)
        values = values.reshape(len(values), 1, q.batch_shape.numel(), *values.shape[places:])
        values = values.expand(-1, num_samples, -1, *q.event_shape)
        return values.flatten(1, 2), log_prob.flatten(1, 2)

    def _rule(self, shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        nodes, weights = gauss_hermite(self.gaussian_nodes)
        numbers = torch.Size(shape).numel()
        return nodes[:, None].expand(-1, numbers), weights.log()[:, None].expand(-1, numbers)

    def _next(self, table: Callable[[], tuple[Tensor, Tensor]]) -> Tensor:
        """The value that the present path takes at the draw that is due; a draw met for the first time takes its first outcome."""
        if self._depth == len(self._path):
            draw = _Draw(*table())
            size = draw.size * math.prod(earlier.size for earlier in self._path)
            if size > self.max_outcomes:
                outcomes, numbers = draw.log_weight.shape
                count = f"{size:,}" if size < 10**9 else f"about 10^{math.log10(size):.0f}"
                self._refuse(f"{count} or more, this draw alone {outcomes}^{numbers}")
            draw.advance()
            self._path.append(draw)
        self._depth += 1
        return self._path[self._depth - 1].value()

    def _refuse(self, count: str) -> None:
        raise ValueError(
            f"The joint outcomes of all draws are too many to enumerate: {count}, and max_outcomes is {self.max_outcomes:,}. "
            "Use fewer bits, samples or data, or `sampled_moments`, which estimates the same with standard errors."
        )


def _normal_inside(q: Distribution) -> Normal | None:
    base = innermost(q)
    return base if isinstance(base, Normal) else None

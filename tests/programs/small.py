"""Small programs whose posterior is known."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Normal

from helpers.experiments.two_languages import t
from helpers.programs import sample

EMISSION, MOVE, START = t(0.2, 0.7), t(0.3, 0.6), t(0.4)
BITS = (1.0, 0.0, 1.0)
Y = t(2.6)


def hidden_chain(steps: int = 3):
    """Two hidden states, one observed bit a step."""

    def program() -> Tensor:
        z = sample("z0", Bernoulli(START))
        for step in range(steps):
            if step:
                z = sample(f"z{step}", Bernoulli(MOVE[z.long()]))
            sample(f"x{step}", Bernoulli(EMISSION[z.long()]), obs=t(BITS[step]))
        return z

    return program


def forward_algorithm(steps: int = 3) -> Tensor:
    """p(x) of the chain, by the forward algorithm."""

    def likelihood(step: int) -> Tensor:
        return torch.where(t(BITS[step]).bool(), EMISSION, 1 - EMISSION)

    alpha = torch.stack([1 - START, START]) * likelihood(0)
    move = torch.stack([1 - MOVE, MOVE], -1)
    for step in range(1, steps):
        alpha = (alpha @ move) * likelihood(step)
    return alpha.sum()


def geometric() -> Tensor:
    """The number of failures before the first success; it may be any number."""
    n = 0
    while not sample(f"stop {n}", Bernoulli(t(0.5))).item():
        n += 1
    sample("y", Normal(t(n), t(1)), obs=Y)
    return t(n)


def geometric_log_marginal() -> Tensor:
    """log sum_n 2^-(n+1) N(y; n, 1)."""
    n = torch.arange(200.0, dtype=torch.float64)
    return ((n + 1) * t(0.5).log() + Normal(n, t(1)).log_prob(Y)).logsumexp(0)

"""Hidden Markov models for the cases of exercise 07.6."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from helpers.exercises.engine.inputs import normal, normal_leaf


def chain_inputs(
    generator: Generator, batch: int, steps: int, states: int, loc: float = -2.0, spread: float = 1.5
) -> dict[str, Tensor]:
    return {
        "log_initial": normal(generator, states, scale=spread).log_softmax(-1).requires_grad_(),
        "log_transition": normal(generator, states, states, scale=spread).log_softmax(-1).requires_grad_(),
        "log_emission": normal_leaf(generator, batch, steps, states, loc=loc, scale=1.3),
    }


def forbidden(generator: Generator) -> dict[str, Tensor]:
    """Half of the transitions have probability 0, and so have the states beyond the first at the start."""
    given = {name: value.detach() for name, value in chain_inputs(generator, 3, 5, 4).items()}
    log_transition = given["log_transition"].tril(1).masked_fill(torch.ones(4, 4).triu(2).bool(), -math.inf)
    log_initial = torch.tensor([0.0, *3 * [-math.inf]], dtype=torch.float64)
    return {**given, "log_initial": log_initial, "log_transition": log_transition.log_softmax(-1)}


def far_apart(generator: Generator) -> dict[str, Tensor]:
    """Sequences that lie thousands of nats apart, and steps that decide between the states by hundreds."""
    loc = torch.tensor([-400.0, -2.0, 90.0, -900.0], dtype=torch.float64)[:, None, None]
    scale = torch.tensor([150.0, 1.0, 5.0, 15.0], dtype=torch.float64)[:, None, None]
    emission = (loc + scale * normal(generator, 4, 6, 5)).requires_grad_()
    return {**chain_inputs(generator, 4, 6, 5), "log_emission": emission}


def against_the_past(generator: Generator) -> dict[str, Tensor]:
    """The states do not mix, and the last step speaks for the one that was far behind."""
    stay = torch.zeros(3, 3, dtype=torch.float64).fill_diagonal_(1.0).log()
    behind = torch.tensor([[0.0, -800.0, -20.0], [0.0, 0.0, 0.0], [-2000.0, 0.0, -1700.0]], dtype=torch.float64)
    return {
        "log_initial": normal(generator, 3).log_softmax(-1),
        "log_transition": stay,
        "log_emission": normal(generator, 2, 3, 3) + behind,
    }

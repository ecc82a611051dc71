"""Inputs of lesson 03's exercises that `check` does not use: they judge whether a mutant of a solution is another function."""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.distributions import Bernoulli, Independent, OneHotCategorical

from helpers.distributions import support
from helpers.exercises.exercise import Inputs


def normal(generator: Generator, *size: int, scale: float = 1.0, loc: float = 0.0) -> Tensor:
    return (loc + scale * torch.randn(size, generator=generator, dtype=torch.float64)).requires_grad_()


def numbers(generator: Generator, *size: int, scale: float = 1.0, loc: float = 0.0) -> Tensor:
    return normal(generator, *size, scale=scale, loc=loc).detach()


def constant(value: float, *size: int) -> Tensor:
    return torch.full(size, value, dtype=torch.float64, requires_grad=True)


def bits(generator: Generator, share: float, *size: int) -> Tensor:
    return (torch.rand(size, generator=generator, dtype=torch.float64) < share).double()


def categories(log_prior: Tensor, log_likelihood: Tensor) -> dict[str, Tensor]:
    return {"log_prior": log_prior.detach().log_softmax(-1), "log_likelihood": log_likelihood}


CATEGORICAL_POSTERIOR: dict[str, Inputs] = {
    "ten categories of MNIST's images": lambda g: categories(normal(g, 10), normal(g, 6, 10, loc=-180.0, scale=30.0)),
    "all sizes one": lambda g: categories(normal(g, 1), normal(g, 1, 1)),
    "square": lambda g: categories(normal(g, 4), normal(g, 4, 4)),
    "a uniform prior": lambda g: categories(constant(0.0, 5), normal(g, 3, 5, loc=-2.0)),
    "x says nothing": lambda g: categories(normal(g, 5), constant(-7.0, 3, 5)),
    "a prior that is nearly sure": lambda g: categories(normal(g, 6, scale=30.0), normal(g, 2, 6, loc=-5.0)),
    "one category that fits, among hopeless ones": lambda g: categories(
        normal(g, 4), normal(g, 3, 4, loc=-5000.0, scale=900.0)
    ),
    "densities above one": lambda g: categories(normal(g, 3), normal(g, 5, 3, loc=800.0, scale=4.0)),
}


def scored(f: Tensor, logits: Tensor, z: Tensor) -> dict[str, Tensor]:
    return {"f": f, "logits": logits, "z": z}


SURROGATE: dict[str, Inputs] = {
    "two hundred bits": lambda g: scored(
        normal(g, 2, 3, loc=-130.0, scale=20.0), normal(g, 3, 200), bits(g, 0.5, 2, 3, 200)
    ),
    "all sizes one": lambda g: scored(normal(g, 1, 1), normal(g, 1, 1), bits(g, 0.5, 1, 1, 1)),
    "square in every way": lambda g: scored(normal(g, 3, 3), normal(g, 3, 3), bits(g, 0.5, 3, 3, 3)),
    "all zeros": lambda g: scored(normal(g, 4, 2), normal(g, 2, 5), torch.zeros(4, 2, 5, dtype=torch.float64)),
    "all ones": lambda g: scored(normal(g, 4, 2), normal(g, 2, 5), torch.ones(4, 2, 5, dtype=torch.float64)),
    "undecided": lambda g: scored(normal(g, 4, 2), constant(0.0, 2, 3), bits(g, 0.5, 4, 2, 3)),
    "confident": lambda g: scored(normal(g, 4, 2), normal(g, 2, 3, scale=8.0), bits(g, 0.5, 4, 2, 3)),
    "no reward": lambda g: scored(constant(0.0, 3, 2), normal(g, 2, 4), bits(g, 0.5, 3, 2, 4)),
}


def of_bits(f: Tensor, logits: Tensor) -> dict[str, Tensor]:
    """Every outcome of bits with these logits, and the score by automatic differentiation."""
    logits = logits.detach().requires_grad_()
    q = Independent(Bernoulli(logits=logits), 1)
    return outcomes(f, q.log_prob(support(q)), logits)


def of_categories(f: Tensor, logits: Tensor) -> dict[str, Tensor]:
    logits = logits.detach().requires_grad_()
    q = OneHotCategorical(logits=logits)
    return outcomes(f, q.log_prob(support(q)), logits)


def outcomes(f: Tensor, log_q: Tensor, logits: Tensor) -> dict[str, Tensor]:
    score = torch.stack([torch.autograd.grad(one, logits, retain_graph=True)[0] for one in log_q])
    return {"probability": log_q.detach().exp(), "f": f.detach(), "score": score}


OPTIMAL_BASELINE: dict[str, Inputs] = {
    "five bits": lambda g: of_bits(normal(g, 32, scale=3.0), normal(g, 5)),
    "a category of six": lambda g: of_categories(normal(g, 6, loc=4.0), normal(g, 6)),
    "a category of two": lambda g: of_categories(normal(g, 2), normal(g, 2)),
    "f is constant": lambda g: of_bits(constant(2.5, 4), normal(g, 2)),
    "fair bits": lambda g: of_bits(normal(g, 8, loc=1.0), constant(0.0, 3)),
    "far from fair": lambda g: of_bits(normal(g, 8, scale=2.0), normal(g, 3, scale=4.0)),
    "far from zero": lambda g: of_bits(normal(g, 8, loc=-200.0, scale=10.0), normal(g, 3)),
    "f is one bit": lambda g: of_bits(torch.tensor([0.0, 0.0, 1.0, 1.0], dtype=torch.float64), normal(g, 2)),
}


def run(rewards: Tensor, mean: float) -> dict[str, Tensor]:
    return {"rewards": rewards.detach(), "mean": torch.tensor(mean, dtype=torch.float64)}


CENTRE: dict[str, Inputs] = {
    "a hundred steps": lambda g: run(normal(g, 100, 8, loc=-90.0, scale=10.0), -150.0),
    "all sizes one": lambda g: run(normal(g, 1, 1), 0.3),
    "square": lambda g: run(normal(g, 4, 4), -1.0),
    "one datum a step": lambda g: run(normal(g, 6, 1, loc=3.0), 2.0),
    "the mean is right from the start": lambda g: run(constant(5.0, 4, 3), 5.0),
    "from zero": lambda g: run(normal(g, 5, 2, loc=7.0), 0.0),
}


def taught(f: Tensor, log_q: Tensor, baseline: Tensor) -> dict[str, Tensor]:
    return {"f": f, "log_q": log_q, "baseline": baseline}


LEARNED_BASELINE: dict[str, Inputs] = {
    "a minibatch": lambda g: taught(
        normal(g, 4, 64, loc=-120.0, scale=9.0), normal(g, 4, 64, loc=-90.0), normal(g, 64, loc=-110.0)
    ),
    "all sizes one": lambda g: taught(normal(g, 1, 1), normal(g, 1, 1), normal(g, 1)),
    "square": lambda g: taught(normal(g, 3, 3), normal(g, 3, 3), normal(g, 3)),
    "a baseline of zero": lambda g: taught(normal(g, 2, 5), normal(g, 2, 5), constant(0.0, 5)),
    "no reward": lambda g: taught(constant(0.0, 2, 3), normal(g, 2, 3), normal(g, 3)),
    "a perfect baseline": lambda g: (lambda f: taught(f, normal(g, 1, 4), f.detach()[0].clone().requires_grad_()))(
        normal(g, 1, 4)
    ),
    "q is sure": lambda g: taught(normal(g, 3, 2), constant(0.0, 3, 2), normal(g, 2)),
}


def layered(log_prior: Tensor, log_p: Tensor, log_q: Tensor) -> dict[str, Tensor]:
    return {"log_prior": log_prior, "log_p": log_p, "log_q": log_q}


DOWNSTREAM: dict[str, Inputs] = {
    "six layers": lambda g: layered(
        normal(g, 2, 3, loc=-9.0), normal(g, 6, 2, 3, loc=-40.0), normal(g, 6, 2, 3, loc=-8.0)
    ),
    "all sizes one": lambda g: layered(normal(g, 1, 1), normal(g, 1, 1, 1), normal(g, 1, 1, 1)),
    "square in every way": lambda g: layered(normal(g, 3, 3), normal(g, 3, 3, 3), normal(g, 3, 3, 3)),
    "q is the prior": lambda g: (lambda p: layered(normal(g, 4, 2), p, p.detach().clone().requires_grad_()))(
        normal(g, 2, 4, 2)
    ),
    "all but the prior zero": lambda g: layered(normal(g, 4, 2), constant(0.0, 3, 4, 2), constant(0.0, 3, 4, 2)),
    "no prior": lambda g: layered(constant(0.0, 2, 3), normal(g, 2, 2, 3), normal(g, 2, 2, 3)),
}

PROBES: dict[str, dict[str, Inputs]] = {
    "03.1": CATEGORICAL_POSTERIOR,
    "03.2": SURROGATE,
    "03.3": OPTIMAL_BASELINE,
    "03.4": CENTRE,
    "03.5": LEARNED_BASELINE,
    "03.6": DOWNSTREAM,
}

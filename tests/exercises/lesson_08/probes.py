"""Inputs of lesson 08's exercises that `check` does not use: they judge whether a mutant of a solution is another function."""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.distributions import Bernoulli, Categorical, Independent, Laplace, Normal

from helpers.exercises.exercise import Inputs


def normal(generator: Generator, *size: int, scale: float = 1.0, loc: float = 0.0) -> Tensor:
    return loc + scale * torch.randn(size, generator=generator, dtype=torch.float64)


def leaf(generator: Generator, *size: int, scale: float = 1.0) -> Tensor:
    return normal(generator, *size, scale=scale).requires_grad_()


def fixed(*values: float) -> Tensor:
    return torch.tensor(values if len(values) != 1 else values[0], dtype=torch.float64)


def ladder(sample, x):
    total = x.new_tensor(0.0)
    for rung in range(4):
        total = total + sample(f"rung {rung}", Laplace(total, 1.0 + 0.2 * rung))
        sample(f"seen {rung}", Normal(total, 0.6), obs=x[rung])
    return total


def sizes(sample, x):
    rows = sample("rows", Normal(x.new_zeros(2, 3), 1.4))
    one = sample("one", Independent(Normal(rows, 0.5), 2))
    seen = sample("x", Normal(one.sum(), 2.2), obs=x)
    return rows.sum() * one + seen.mean()


def classes(sample, x):
    k = sample("k", Categorical(logits=x.new_tensor([0.1, 0.7, -0.4])))
    if k.item() == 2:
        x = x + sample("shift", Normal(x.new_tensor(1.0), 0.2))
    sample("x", Bernoulli(logits=x), obs=(x > 0).to(x.dtype))
    return k + x.sum()


PROGRAMS: dict[str, Inputs] = {
    "ladder": lambda g: {
        "program": ladder,
        "x": leaf(g, 4),
        "values": {f"rung {rung}": leaf(g) for rung in range(4)},
    },
    "sizes": lambda g: {"program": sizes, "x": leaf(g, 6), "values": {"rows": leaf(g, 2, 3), "one": leaf(g, 2, 3)}},
    "classes": lambda g: {"program": classes, "x": normal(g, 3), "values": {"k": torch.tensor(2), "shift": leaf(g)}},
    "a class without a shift": lambda g: {"program": classes, "x": normal(g, 1), "values": {"k": torch.tensor(0)}},
}

REPLAYS: dict[str, Inputs] = {
    "half of a ladder": lambda g: {
        "program": ladder,
        "x": leaf(g, 4),
        "earlier": {f"rung {rung}": leaf(g) for rung in (0, 3)},
        "fresh": {f"rung {rung}": leaf(g) for rung in range(4)},
    },
    "sizes": lambda g: {
        "program": sizes,
        "x": leaf(g, 6),
        "earlier": {"rows": leaf(g, 2, 3), "x": normal(g, 6)},
        "fresh": {"one": leaf(g, 2, 3)},
    },
    "rows drawn": lambda g: {
        "program": sizes,
        "x": leaf(g, 6),
        "earlier": {"one": leaf(g, 2, 3)},
        "fresh": {"rows": leaf(g, 2, 3), "one": normal(g, 2, 3)},
    },
    "a class": lambda g: {
        "program": classes,
        "x": normal(g, 3),
        "earlier": {"k": torch.tensor(2)},
        "fresh": {"k": torch.tensor(1), "shift": leaf(g)},
    },
}


def traces(log_p: Tensor, log_q: Tensor, *scored: bool) -> dict[str, Tensor]:
    return {
        "log_p": log_p.requires_grad_(),
        "log_q": log_q.requires_grad_(),
        "is_scored": torch.tensor(scored),
    }


SURROGATES: dict[str, Inputs] = {
    "five sites": lambda g: traces(normal(g, 7, loc=-20.0), normal(g, 5, 7), True, False, True, True, False),
    "square": lambda g: traces(normal(g, 2), normal(g, 2, 2), False, True),
    "one pathwise site": lambda g: traces(normal(g, 3), normal(g, 1, 3), False),
    "positive densities": lambda g: traces(normal(g, 4, loc=30.0), normal(g, 3, 4, loc=5.0), True, True, False),
}


def plates(generator: Generator, shapes, around, size) -> dict:
    return {
        "log_probs": {name: leaf(generator, *shape) for name, shape in shapes.items()},
        "masks": {name: normal(generator, *shape) > -0.5 for name, shape in shapes.items()},
        "plates": around,
        "sizes": size,
    }


PLATES: dict[str, Inputs] = {
    "a plate of one plate": lambda g: plates(
        g, {"a": (3,), "b": (5, 3), "c": ()}, {"a": ("p",), "b": ("q", "p"), "c": ()}, {"p": (9, 3), "q": (11, 5)}
    ),
    "same sizes": lambda g: plates(g, {"a": (2, 2)}, {"a": ("p", "q")}, {"p": (3, 2), "q": (7, 2)}),
    "nothing": lambda g: plates(g, {"a": ()}, {"a": ()}, {}),
}


def guide_of_rungs(sample, x):
    total = x.mean()
    for rung in (1, 3):
        total = total + sample(f"rung {rung}", Normal(total, 0.5 + rung))


def guide_of_all(sample, x):
    rows = sample("rows", Normal(x.reshape(2, 3), 0.3))
    sample("one", Normal(rows.sum(), 2.0))


WEIGHTS: dict[str, Inputs] = {
    "half of a ladder": lambda g: {
        "model": ladder,
        "guide": guide_of_rungs,
        "x": leaf(g, 4),
        "values": {f"rung {rung}": leaf(g) for rung in range(4)},
    },
    "sizes": lambda g: {
        "model": sizes,
        "guide": guide_of_all,
        "x": leaf(g, 6),
        "values": {"rows": leaf(g, 2, 3), "one": leaf(g, 2, 3)},
    },
}


def logs(generator: Generator, names: str) -> dict[str, Tensor]:
    return {name: normal(generator, loc=-1.5) for name in names.split()}


def step(generator: Generator, before: str, after: str, name: str, change: float) -> dict:
    likelihoods = fixed(-9.0, -9.0 + change)
    return {
        "current": logs(generator, before),
        "proposed": logs(generator, after),
        "name": name,
        "log_likelihoods": likelihoods,
    }


STEPS: dict[str, Inputs] = {
    "five to two": lambda g: step(g, "a b c d e", "a c", "a", -1.0),
    "two to five": lambda g: step(g, "a c", "a b c d e", "c", -0.3),
    "all others replaced": lambda g: step(g, "a b c", "a d e", "a", -2.0),
    "the same": lambda g: step(g, "a b c d", "a b c d", "d", -4.0),
    "accepted": lambda g: step(g, "a b", "a b", "b", 40.0),
}

PROBES: dict[str, dict[str, Inputs]] = {
    "08.1": PROGRAMS,
    "08.2": REPLAYS,
    "08.3": SURROGATES,
    "08.4": PLATES,
    "08.5": WEIGHTS,
    "08.6": STEPS,
}

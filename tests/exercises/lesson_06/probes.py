"""Inputs of lesson 06's exercises that `check` does not use: they judge whether a mutant of a solution is another function."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from helpers.exercises.exercise import Inputs


def normal(generator: Generator, *size: int, scale: float = 1.0, loc: float = 0.0) -> Tensor:
    return loc + scale * torch.randn(size, generator=generator, dtype=torch.float64)


def leaf(value: Tensor) -> Tensor:
    return value.detach().clone().requires_grad_()


def guess(logits: Tensor, bound: Tensor) -> dict[str, Tensor]:
    return {"logits": leaf(logits), "bound": leaf(bound)}


UNLABELLED: dict[str, Inputs] = {
    "many": lambda g: guess(normal(g, 20, 10), normal(g, 20, 10, loc=-90.0, scale=9.0)),
    "square": lambda g: guess(normal(g, 3, 3), normal(g, 3, 3)),
    "all classes alike": lambda g: guess(torch.full((2, 4), 1.3, dtype=torch.float64), normal(g, 2, 4)),
    "decided": lambda g: guess(normal(g, 3, 5, scale=3000.0), normal(g, 3, 5)),
    "large logits, small differences": lambda g: guess(normal(g, 3, 5, loc=1e4), normal(g, 3, 5, loc=40.0)),
    "one image, two classes": lambda g: guess(normal(g, 1, 2), normal(g, 1, 2)),
    "a guide that is right": lambda g: (lambda bound: guess(bound - 7.0, bound))(normal(g, 4, 3)),
}


def draws(logits: Tensor, bound: Tensor, baseline: Tensor) -> dict[str, Tensor]:
    return {"logits": logits, "bound": bound, "baseline": baseline}


NOISE: dict[str, Inputs] = {
    "many": lambda g: draws(normal(g, 20, 10), normal(g, 20, 10, loc=-90.0, scale=9.0), normal(g, 20, loc=-85.0)),
    "square": lambda g: draws(normal(g, 3, 3), normal(g, 3, 3), normal(g, 3)),
    "all classes alike": lambda g: draws(torch.full((2, 4), 1.3, dtype=torch.float64), normal(g, 2, 4), normal(g, 2)),
    "decided": lambda g: draws(normal(g, 3, 5, scale=60.0), normal(g, 3, 5), normal(g, 3)),
    "a large baseline": lambda g: draws(normal(g, 3, 4), normal(g, 3, 4), normal(g, 3, loc=200.0)),
    "one image, two classes": lambda g: draws(normal(g, 1, 2), normal(g, 1, 2), normal(g, 1)),
    "nothing to tell: the guess is the posterior": lambda g: (lambda bound: draws(bound, bound, normal(g, 4)))(
        normal(g, 4, 3)
    ),
}


def layer(
    generator: Generator, batch: int, pixels: int, classes: int, hidden: int, scale: float = 0.5
) -> dict[str, Tensor]:
    return {
        "x": leaf(normal(generator, batch, pixels)),
        "weight": leaf(normal(generator, hidden, pixels + classes, scale=scale)),
        "bias": leaf(normal(generator, hidden)),
    }


HIDDEN: dict[str, Inputs] = {
    "many": lambda g: layer(g, 20, 30, 10, 25, scale=0.2),
    "all dimensions alike": lambda g: layer(g, 3, 3, 3, 3),
    "as many classes as pixels": lambda g: layer(g, 2, 4, 4, 5),
    "as many images as classes": lambda g: layer(g, 4, 3, 4, 4),
    "all sizes one": lambda g: layer(g, 1, 1, 1, 1),
    "large numbers": lambda g: layer(g, 3, 4, 5, 2, scale=900.0),
    "no weights": lambda g: layer(g, 3, 4, 5, 2, scale=0.0),
}


def batch(
    generator: Generator, labelled: int, unlabelled: int, classes: int, counts: tuple[int, int], weight: float
) -> dict[str, Tensor | tuple[int, int] | float]:
    return {
        "bound_labelled": leaf(normal(generator, labelled, loc=-30.0, scale=9.0)),
        "bound_unlabelled": leaf(normal(generator, unlabelled, loc=-25.0, scale=9.0)),
        "log_q": leaf(normal(generator, labelled, classes, scale=2.0).log_softmax(-1)),
        "labels": torch.randint(classes, (labelled,), generator=generator),
        "counts": counts,
        "weight": weight,
    }


OBJECTIVE: dict[str, Inputs] = {
    "many": lambda g: batch(g, 30, 50, 10, (1000, 49_000), 5.0),
    "as many of both": lambda g: batch(g, 4, 4, 4, (25, 25), 1.0),
    "as many images as classes": lambda g: batch(g, 5, 3, 5, (60, 11), 0.1),
    "few of many": lambda g: batch(g, 1, 7, 3, (3, 60_000), 46.0),
    "nearly all have labels": lambda g: batch(g, 7, 1, 3, (59_999, 1), 0.5),
    "no classifier loss": lambda g: batch(g, 3, 5, 4, (8, 40), 0.0),
    "all of one class": lambda g: {**batch(g, 3, 6, 4, (8, 40), 2.0), "labels": torch.tensor([3, 3, 3])},
    "the class of number 0": lambda g: {**batch(g, 2, 3, 5, (8, 40), 2.0), "labels": torch.tensor([0, 0])},
}


def weights(log_weight: Tensor, logits: Tensor) -> dict[str, Tensor]:
    return {"log_weight": log_weight, "log_q": logits.log_softmax(-1)}


COST: dict[str, Inputs] = {
    "many": lambda g: weights(normal(g, 30, 20, 10, loc=-90.0, scale=5.0), normal(g, 20, 10, scale=2.0)),
    "all dimensions alike": lambda g: weights(normal(g, 3, 3, 3), normal(g, 3, 3)),
    "one draw": lambda g: weights(normal(g, 1, 4, 5), normal(g, 4, 5)),
    "one image, two classes": lambda g: weights(normal(g, 2, 1, 2), normal(g, 1, 2)),
    "too small for a float": lambda g: weights(normal(g, 3, 2, 4, loc=-5000.0, scale=9.0), normal(g, 2, 4)),
    "too large for a float": lambda g: weights(normal(g, 3, 2, 4, loc=5000.0, scale=9.0), normal(g, 2, 4)),
    "a sure classifier": lambda g: weights(normal(g, 3, 2, 4), normal(g, 2, 4, scale=200.0)),
    "the classifier is right": lambda g: (lambda w: weights(w, w.logsumexp(0)))(normal(g, 4, 3, 5)),
}


def answers(generator: Generator, splits: int, images: int, share: float, other: float) -> dict[str, Tensor]:
    draw = torch.rand(2, splits, images, generator=generator, dtype=torch.float64)
    return {"correct": (draw[0] < share).double(), "other": (draw[1] < other).double()}


SPLITS: dict[str, Inputs] = {
    "many": lambda g: answers(g, 20, 200, 0.9, 0.8),
    "square": lambda g: answers(g, 5, 5, 0.5, 0.4),
    "two splits": lambda g: answers(g, 2, 9, 0.7, 0.3),
    "hardly right": lambda g: answers(g, 5, 50, 0.05, 0.1),
    "other one never right": lambda g: answers(g, 3, 12, 0.5, 0.0),
    "all alike": lambda g: (lambda a: {"correct": a["correct"], "other": a["correct"].flip(0)})(
        answers(g, 4, 11, 0.5, 0.5)
    ),
}

PROBES: dict[str, dict[str, Inputs]] = {
    "06.1": UNLABELLED,
    "06.2": NOISE,
    "06.3": HIDDEN,
    "06.4": OBJECTIVE,
    "06.5": COST,
    "06.6": SPLITS,
}

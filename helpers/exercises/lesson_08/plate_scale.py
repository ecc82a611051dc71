"""Exercise 08.4: the log joint of sites in plates, from a subsample."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from helpers.exercises.engine.inputs import normal
from helpers.exercises.exercise import Exercise, Misconception


def log_joint_in_plates(log_probs, masks, plates, sizes):
    """An unbiased estimate of the log joint of all data, from the members at hand.

    log_probs: by site, log-probability of each member at hand, any shape; masks: by site, True where it
    counts, of the same shape; plates: by site, names of the plates around it; sizes: by plate, (N, B), of
    whose N members B are at hand.
    → scalar, in nats.
    """
    total = 0.0
    for name, log_prob in log_probs.items():
        scale = 1.0
        for plate in plates[name]:
            size, count = sizes[plate]
            scale = scale * size / count
        total = total + scale * torch.where(masks[name], log_prob, 0.0).sum()
    return total


def _some(generator: Generator, *size: int) -> Tensor:
    return torch.rand(size, generator=generator, dtype=torch.float64) < 0.7


def _site(generator: Generator, *size: int, loc: float = -1.0, scale: float = 1.0) -> Tensor:
    return normal(generator, *size, loc=loc, scale=scale).requires_grad_()


def _inputs(generator: Generator, shapes, plates, sizes, masked=True, **how) -> dict:
    log_probs = {name: _site(generator, *shape, **how) for name, shape in shapes.items()}
    masks = {
        name: _some(generator, *shape) if masked else torch.ones(shape, dtype=torch.bool)
        for name, shape in shapes.items()
    }
    return {"log_probs": log_probs, "masks": masks, "plates": plates, "sizes": sizes}


def _nested(generator: Generator, **how) -> dict:
    return _inputs(
        generator,
        {"mu": (), "user": (4,), "film": (3,), "rating": (4, 3)},
        {"mu": (), "user": ("users",), "film": ("films",), "rating": ("users", "films")},
        {"users": (100, 4), "films": (12, 3)},
        **how,
    )


def _with(scale, reduce=torch.sum, where=lambda mask, term: torch.where(mask, term, 0.0)):
    """A wrong answer: the factor of a site from the (N, B) of its plates, its reduction, or its mask."""

    def answer(log_probs, masks, plates, sizes):
        total = 0.0
        for name, log_prob in log_probs.items():
            total = total + scale([sizes[plate] for plate in plates[name]]) * reduce(where(masks[name], log_prob))
        return total

    return answer


def _product(factor):
    def scale(sizes):
        result = 1.0
        for size, count in sizes:
            result = result * factor(size, count)
        return result

    return scale


_RIGHT = _product(lambda size, count: size / count)


def _everything(log_probs, masks, plates, sizes):
    product = 1.0
    for size, count in sizes.values():
        product = product * size / count
    return product * sum(torch.where(masks[name], log_probs[name], 0.0).sum() for name in log_probs)


def _mask_counted(log_probs, masks, plates, sizes):
    total = 0.0
    for name, log_prob in log_probs.items():
        scale = _RIGHT([sizes[plate] for plate in plates[name]])
        kept = masks[name].to(log_prob.dtype)
        total = total + scale * (log_prob * kept).sum() * log_prob.numel() / kept.sum().clamp_min(1)
    return total


PLATE_SCALE = Exercise(
    id="08.4",
    title="What a plate counts for",
    minutes=6,
    difficulty=2,
    statement=r"Each site has log-probabilities of the members at hand, a mask, and the plates around it. A plate of $N$ members "
    r"of which $B$ are "
    r"at hand multiplies its sites by $N/B$; plates inside each other multiply. Return the log joint that this estimates.",
    solution=log_joint_in_plates,
    why="A site stands once in each combination of its plates' members, and B of N are seen in each plate. A site outside of all "
    "plates is seen "
    "whole, and counts once.",
    cases={
        "users and films": lambda g: _nested(g, masked=False),
        "users and films, masked": lambda g: _nested(g),
        "no plate at all": lambda g: _inputs(g, {"z": (), "w": (3,)}, {"z": (), "w": ()}, {"unused": (50, 5)}),
        "one plate, all members": lambda g: _inputs(
            g, {"z": (), "x": (6,)}, {"z": (), "x": ("data",)}, {"data": (6, 6)}
        ),
        "one member of a thousand": lambda g: _inputs(
            g, {"z": (), "x": (1,)}, {"z": (), "x": ("data",)}, {"data": (1000, 1)}, masked=False
        ),
        "three plates, positive log-densities": lambda g: _inputs(
            g,
            {"x": (2, 3, 2), "y": (2,)},
            {"x": ("a", "b", "c"), "y": ("c",)},
            {"a": (10, 2), "b": (4, 3), "c": (7, 2)},
            loc=2.0,
        ),
        "minus infinity where the mask is off": lambda g: _impossible(g),
    },
    dimensions={"return": ()},
    returns=("the log joint",),
    hints=(
        "Go through the sites one by one. What does one number of this site stand for?",
        "scale = product of N / B over the plates of the site;   the site adds scale * (sum of log_prob where the mask is True).",
        "for name, log_prob in log_probs.items(): ...   size, count = sizes[plate] for each plate in plates[name].",
    ),
    misconceptions=(
        Misconception(
            "no scale",
            _with(lambda sizes: 1.0),
            "Your members at hand count for themselves only. Each stands for N / B members of its plate.",
        ),
        Misconception(
            "B over N",
            _with(_product(lambda size, count: count / size)),
            "Your factor is the wrong way round: a subsample counts more, not less. N / B.",
        ),
        Misconception(
            "times N",
            _with(_product(lambda size, count: size)),
            "You multiply the sum over B members with N. Either the mean times N, or the sum times N / B.",
        ),
        Misconception(
            "the mean in place of the sum",
            _with(_RIGHT, torch.mean),
            "You take the mean over the members at hand and multiply it with N / B: B is divided out twice. Take their sum.",
        ),
        Misconception(
            "factors added",
            _with(lambda sizes: sum(size / count for size, count in sizes) if sizes else 1.0),
            "You add the factors of nested plates. They multiply: a rating is seen for 4 of 100 users and for 3 of 12 films.",
        ),
        Misconception(
            "the outermost plate only",
            _with(lambda sizes: sizes[0][0] / sizes[0][1] if sizes else 1.0),
            "You use a site's first plate only. Each plate around it multiplies.",
        ),
        Misconception(
            "the innermost plate only",
            _with(lambda sizes: sizes[-1][0] / sizes[-1][1] if sizes else 1.0),
            "You use a site's last plate only. Each plate around it multiplies.",
        ),
        Misconception(
            "every plate for every site",
            _everything,
            "You multiply every site with every plate's factor. Only the plates around a site count: `plates[name]`.",
        ),
        Misconception(
            "masks ignored",
            _with(_RIGHT, where=lambda mask, term: term),
            "Masked entries count in your sum. Where the mask is False, a log-probability adds nothing.",
        ),
        Misconception(
            "the mask upside down",
            _with(_RIGHT, where=lambda mask, term: torch.where(mask, 0.0, term)),
            "Your mask is upside down: True means that the entry counts.",
        ),
        Misconception(
            "mask by a product",
            _with(_RIGHT, where=lambda mask, term: mask * term),
            "You multiply with the mask: 0 times minus infinity is NaN. `torch.where(mask, log_prob, 0.0)` never looks at what is off.",
        ),
        Misconception(
            "members that are masked made up for",
            _mask_counted,
            "You scale up for masked entries too. A mask says that they are not there (a sequence has ended); nothing stands in "
            "for them.",
        ),
        Misconception(
            "whole numbers divided",
            _with(_product(lambda size, count: size // count)),
            "You divide whole numbers by //: 12 // 5 is 2. The factor is N / B, not rounded.",
        ),
        Misconception(
            "the square root of the factor",
            _with(lambda sizes: _RIGHT(sizes) ** 0.5),
            "Your factors are the square roots of N / B. A sum over members grows like their number.",
        ),
    ),
)


def _impossible(generator: Generator) -> dict:
    inputs = _nested(generator)
    log_probs = {
        name: torch.where(inputs["masks"][name], log_prob.detach(), -torch.inf).requires_grad_()
        for name, log_prob in inputs["log_probs"].items()
    }
    return {**inputs, "log_probs": log_probs}

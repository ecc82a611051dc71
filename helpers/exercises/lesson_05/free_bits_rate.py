"""Exercise 05.3: free bits."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from helpers.exercises.engine.inputs import normal, uniform
from helpers.exercises.exercise import Exercise, Misconception


def free_bits_rate(loc, scale, floor):
    """The rate with free bits in nats: a coordinate's mean KL to N(0, 1), or `floor` if less, summed.

    q(z | x) = N(loc, scale²), loc and scale: [batch, latent]; floor: nats per coordinate, a float.
    KL(N(m, s²) || N(0, 1)) = (m² + s² - 1) / 2 - log s; its mean is over the batch → [].
    """
    kl = (loc**2 + scale**2 - 1) / 2 - scale.log()  # [batch, latent]
    return kl.mean(0).clamp(min=floor).sum()


def _codes(generator: Generator, batch: int, latent: int, floor: float) -> dict[str, Tensor | float]:
    """Coordinates that are used, in turn, moderately, hardly at all, and much."""
    use = torch.tensor([0.5, 0.1, 1.5], dtype=torch.float64)[torch.arange(latent) % 3]
    loc = normal(generator, batch, latent) * use
    scale = (1 - 0.6 * use.clamp(max=1.0)) * (0.9 + 0.2 * uniform(generator, batch, latent))
    return {"loc": loc.requires_grad_(), "scale": scale.requires_grad_(), "floor": floor}


def _kl(loc, scale):
    return (loc**2 + scale**2 - 1) / 2 - scale.log()


def _floored(kl, floor):
    return kl.mean(0).clamp(min=floor).sum()


def _straight_floor(loc, scale, floor):
    kl = _kl(loc, scale).mean(0)
    return (kl + (kl.clamp(min=floor) - kl).detach()).sum()


FREE_BITS = Exercise(
    id="05.3",
    title="Free bits",
    minutes=4,
    difficulty=1,
    statement=r"Write the rate with free bits: the KL of each coordinate, $\mathrm{KL}(\mathcal N(\mu, \sigma^2) \,\|\, \mathcal N(0, 1)) "
    r"= (\mu^2 + \sigma^2 - 1)/2 - \log \sigma$, averaged over the batch, counted as `floor` nats where it is less, and summed over "
    r"coordinates. "
    r"A coordinate below the floor gets no gradient.",
    solution=free_bits_rate,
    why="Below the floor the objective pays the same for a coordinate however little it is used, so nothing pushes it to the prior. The "
    "mean comes first: the floor is for a coordinate, and one image may use it less than another.",
    cases={
        "some below, some above": lambda g: _codes(g, 4, 6, 0.3),
        "a floor of zero": lambda g: _codes(g, 5, 3, 0.0),
        "nearly all below": lambda g: _codes(g, 3, 4, 0.8),
        "one image": lambda g: _codes(g, 1, 5, 0.2),
        "two that are little used": lambda g: _codes(g, 6, 2, 0.25),
        "as many images as coordinates": lambda g: _codes(g, 4, 4, 0.2),
        "one coordinate, wider than the prior": lambda g: {
            "loc": normal(g, 7, 1).requires_grad_(),
            "scale": (1.5 + uniform(g, 7, 1)).requires_grad_(),
            "floor": 0.1,
        },
        "very narrow and very wide": lambda g: {
            "loc": (normal(g, 5, 6) * torch.tensor([0.0, 1e-3, 0.3, 1.0, 5.0, 30.0])).requires_grad_(),
            "scale": (
                torch.tensor([1.0, 1.02, 30.0, 1e-3, 1.6, 0.1]) * (0.9 + 0.2 * uniform(g, 5, 6))
            ).requires_grad_(),
            "floor": 0.5,
        },
    },
    dimensions={"loc": ("batch", "latent"), "scale": ("batch", "latent"), "return": ()},
    returns=("the rate",),
    hints=(
        "Three steps, and their order matters: one number for each coordinate of each image; one for each coordinate; one.",
        "Σ_d max(floor, mean_b KL[b, d]). `clamp(min=...)` has gradient 0 where it acts.",
        "kl = (loc**2 + scale**2 - 1) / 2 - scale.log()  # [batch, latent]",
    ),
    misconceptions=(
        Misconception(
            "a floor for every image",
            lambda loc, scale, floor: _kl(loc, scale).clamp(min=floor).mean(0).sum(),
            "You apply the floor to every image's KL, and average then. Average over the batch first: a coordinate may be little used for "
            "one image and much for another.",
        ),
        Misconception(
            "one floor for the sum",
            lambda loc, scale, floor: _kl(loc, scale).mean(0).sum().clamp(min=floor),
            "You apply one floor to the whole rate: a single busy coordinate satisfies it, and the others collapse as before. Each "
            "coordinate has a floor of its own.",
        ),
        Misconception(
            "a floor for every image's sum",
            lambda loc, scale, floor: _kl(loc, scale).sum(-1).clamp(min=floor).mean(),
            "You apply the floor to each image's whole rate. Each coordinate has a floor of its own, for its mean over the batch.",
        ),
        Misconception(
            "the gradient goes through",
            _straight_floor,
            "The value is right, and coordinates below the floor still get a gradient, which goes on pushing them to the prior: they must "
            "get none.",
        ),
        Misconception(
            "no floor",
            lambda loc, scale, floor: _kl(loc, scale).mean(0).sum(),
            "That is the plain rate. Where a coordinate's mean KL is less than `floor`, `floor` counts in its place.",
        ),
        Misconception(
            "only the excess",
            lambda loc, scale, floor: (_kl(loc, scale).mean(0) - floor).clamp(min=0).sum(),
            "The gradient is right; the value is too small by the floor of every coordinate. Free bits are charged in any case, so that "
            "using them costs nothing extra: max(floor, KL).",
        ),
        Misconception(
            "the floor added",
            lambda loc, scale, floor: (_kl(loc, scale).mean(0) + floor).sum(),
            "You add the floor to every coordinate. It takes the place of a KL that is smaller.",
        ),
        Misconception(
            "a ceiling",
            lambda loc, scale, floor: _kl(loc, scale).mean(0).clamp(max=floor).sum(),
            "That is a ceiling: it spares the coordinates that carry much, and pushes those that carry little. `clamp(min=floor)`.",
        ),
        Misconception(
            "zero below the floor",
            lambda loc, scale, floor: torch.where(_kl(loc, scale).mean(0) > floor, _kl(loc, scale).mean(0), 0.0).sum(),
            "Below the floor you count nothing. Count the floor: then the value has no step where a coordinate crosses it.",
        ),
        Misconception(
            "the mean over the coordinates",
            lambda loc, scale, floor: _kl(loc, scale).mean(0).clamp(min=floor).mean(),
            "You average over the coordinates. The rate is their sum.",
        ),
        Misconception(
            "one mean over images and coordinates",
            lambda loc, scale, floor: _kl(loc, scale).mean().clamp(min=floor),
            "You average over images and coordinates at once. Average over the batch, apply the floor to each coordinate, then sum over "
            "the coordinates.",
        ),
        Misconception(
            "all floors at once",
            lambda loc, scale, floor: _kl(loc, scale).mean(0).sum().clamp(min=floor * loc.shape[1]),
            "You compare the whole rate with the sum of the floors: a busy coordinate then pays for an unused one. Compare coordinate by "
            "coordinate.",
        ),
        Misconception(
            "the sum over the batch",
            lambda loc, scale, floor: _kl(loc, scale).sum(0).clamp(min=floor).sum(),
            "You sum over the batch before the floor. The floor is in nats per image: take the mean.",
        ),
        Misconception(
            "scale for variance",
            lambda loc, scale, floor: _floored((loc**2 + scale - 1) / 2 - scale.log(), floor),
            "In the KL it is the variance σ² that stands beside μ²; you have σ.",
        ),
        Misconception(
            "scale is the variance",
            lambda loc, scale, floor: _floored((loc**2 + scale - 1 - scale.log()) / 2, floor),
            "You take `scale` for the variance. It is the standard deviation σ: (μ² + σ² − 1)/2 − log σ.",
        ),
        Misconception(
            "log variance",
            lambda loc, scale, floor: _floored((loc**2 + scale**2 - 1) / 2 - (scale**2).log(), floor),
            "log σ² is twice log σ. In the KL it stands within the half, or log σ outside of it.",
        ),
        Misconception(
            "the half on the squares alone",
            lambda loc, scale, floor: _floored((loc**2 + scale**2 - 1 - scale.log()) / 2, floor),
            "The half belongs to μ² + σ² − 1; log σ is not halved.",
        ),
        Misconception(
            "a half forgotten",
            lambda loc, scale, floor: _floored(loc**2 + scale**2 - 1 - scale.log(), floor),
            "μ² + σ² − 1 is halved in the KL.",
        ),
        Misconception(
            "log scale added",
            lambda loc, scale, floor: _floored((loc**2 + scale**2 - 1) / 2 + scale.log(), floor),
            "You add log σ. In the KL it is subtracted: a narrow posterior says more than the prior, and costs.",
        ),
        Misconception(
            "the one forgotten",
            lambda loc, scale, floor: _floored((loc**2 + scale**2) / 2 - scale.log(), floor),
            "The − 1 in the bracket is missing: with μ = 0 and σ = 1 the KL is 0.",
        ),
        Misconception(
            "the size of log scale",
            lambda loc, scale, floor: _floored((loc**2 + scale**2 - 1) / 2 + scale.log().abs(), floor),
            "Right where σ is at most 1. Where σ is larger log σ is positive, and is subtracted all the same.",
        ),
        Misconception(
            "the rate of the mean code",
            lambda loc, scale, floor: _kl(loc.mean(0), scale.mean(0)).clamp(min=floor).sum(),
            "You average μ and σ over the batch and take one KL. Take the KL of each image, then average.",
        ),
    ),
)

"""Exercise 01.3: the posterior, exactly."""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator

from helpers.exercises.engine.inputs import normal_leaf, uniform_leaf
from helpers.exercises.exercise import Exercise, Misconception, Remark
from helpers.exercises.lesson_01.exact_posterior_slips import SLIPS


def exact_posterior(x, weight, bias, noise):
    """p(z | x) where z ~ N(0, I) and x | z ~ N(weight z + bias, noise² I).

    x: [batch, observed], weight: [observed, latent], bias: [observed], noise: []
    → its mean [batch, latent], its precision matrix [latent, latent].
    """
    identity = torch.eye(weight.shape[1]).to(weight)
    precision = identity + weight.T @ weight / noise**2
    pull = (x - bias) @ weight / noise**2  # [batch, latent]
    loc = torch.linalg.solve(precision, pull.T).T
    return loc, precision


def _linear_gaussian(
    generator: Generator,
    batch: int,
    observed: int,
    latent: int,
    noise: float = 0.4,
    x: float = 2.0,
    weight: float = 1.0,
) -> dict[str, Any]:
    """`noise`: its least value; `x`, `weight`: how far they spread."""
    return {
        "x": normal_leaf(generator, batch, observed, scale=x),
        "weight": normal_leaf(generator, observed, latent, scale=weight),
        "bias": normal_leaf(generator, observed),
        "noise": uniform_leaf(generator, noise, 2.2 * noise),
    }


def _with_covariance(x, weight, bias, noise):
    loc, precision = exact_posterior(x, weight, bias, noise)
    return loc, torch.linalg.inv(precision)


def _by_conditioning_the_joint(x, weight, bias, noise):
    """Right, and it solves with a matrix as large as x, and inverts the covariance that comes out."""
    latent, observed = weight.shape[1], weight.shape[0]
    joint = weight @ weight.T + noise**2 * torch.eye(observed).to(weight)  # covariance of x
    gain = torch.linalg.solve(joint, weight).T  # [latent, observed]
    covariance = torch.eye(latent).to(weight) - gain @ weight
    return (x - bias) @ gain.T, torch.linalg.inv(covariance)


def _without_prior(x, weight, bias, noise):
    precision = weight.T @ weight / noise**2
    # Singular if there are fewer observed than latent dimensions: the pseudo-inverse exists nevertheless.
    return (x - bias) @ weight / noise**2 @ torch.linalg.pinv(precision, hermitian=True), precision


EXACT_POSTERIOR = Exercise(
    id="01.3",
    title="The posterior, exactly",
    minutes=9,
    difficulty=2,
    statement=r"Let $z \sim \mathcal N(0, I)$ and $x \mid z \sim \mathcal N(Wz + b, \sigma^2 I)$, where $\sigma$ is "
    r"`noise`. "
    r"Return the mean of $p(z \mid x)$ for every row of `x`, and its precision matrix, the inverse of the covariance, "
    r"which all rows share.",
    solution=exact_posterior,
    why="Multiplying Gaussians adds their precisions, I from the prior and WᵀW/σ² from the likelihood, and averages "
    "their means in these proportions.",
    cases={
        "three observed, two latent": lambda g: _linear_gaussian(g, 4, 3, 2),
        "more latent than observed": lambda g: _linear_gaussian(g, 5, 2, 3),
        "one observation, one latent": lambda g: _linear_gaussian(g, 1, 2, 1),
        "one observed": lambda g: _linear_gaussian(g, 4, 1, 2),
        "as many observed as latent, far away": lambda g: _linear_gaussian(g, 3, 3, 3, x=100.0),
        "precise instruments": lambda g: _linear_gaussian(g, 2, 5, 3, noise=0.05),
        "more observed than latent by far": lambda g: _linear_gaussian(g, 3, 40, 2),
        "instruments that see little": lambda g: _linear_gaussian(g, 4, 3, 2, noise=20.0, x=30.0, weight=0.3),
    },
    dimensions={
        "x": ("batch", "observed"),
        "weight": ("observed", "latent"),
        "bias": ("observed",),
        "noise": (),
        "return": (("batch", "latent"), ("latent", "latent")),
    },  # fmt: skip
    returns=("the mean", "the precision"),
    hints=(
        "log p(z) + log p(x | z) is quadratic in z. Read the precision off the quadratic term, then set the gradient "
        "to zero.",
        "Λ = I + WᵀW / σ²,   Λ μ = Wᵀ(x − b) / σ². Solve for μ; `torch.linalg.solve` wants the right-hand sides as "
        "columns.",
        "precision = torch.eye(weight.shape[1]) + weight.T @ weight / noise**2",
    ),
    remarks=(
        Remark(
            "the covariance of x inverted",
            _by_conditioning_the_joint,
            "You solve with the covariance of x, a matrix as large as x. The precision of z needs one as large as z.",
        ),
    ),
    misconceptions=(
        Misconception(
            "covariance for precision",
            _with_covariance,
            "Your mean is right, and your matrix is the covariance. The precision is its inverse; return it as it is "
            "before you invert.",
        ),
        Misconception(
            "forgets the prior",
            _without_prior,
            "The prior is missing: it adds the identity to the precision. What you have is the least-squares fit, "
            "which trusts x alone.",
        ),
        Misconception(
            "does not centre by the bias",
            lambda x, weight, bias, noise: exact_posterior(x, weight, torch.zeros_like(bias), noise),
            "You use x where x − bias belongs: z explains only how x differs from the bias.",
        ),
        Misconception(
            "takes noise for the variance",
            lambda x, weight, bias, noise: exact_posterior(x, weight, bias, noise.sqrt()),
            "You divide by noise. It is a standard deviation, and the likelihood's precision is 1 / noise².",
        ),
        Misconception(
            "leaves the mean unsolved",
            lambda x, weight, bias, noise: (
                (x - bias) @ weight / noise**2,
                exact_posterior(x, weight, bias, noise)[1],
            ),
            "Your precision is right. Your mean is still precision @ mean, the right-hand side of the equation: solve "
            "it.",
        ),
        Misconception(
            "noise left out of the mean",
            lambda x, weight, bias, noise: (
                torch.linalg.solve(exact_posterior(x, weight, bias, noise)[1], ((x - bias) @ weight).T).T,
                exact_posterior(x, weight, bias, noise)[1],
            ),
            "Your precision is right. In the mean, Wᵀ(x − b) must be divided by noise² as well.",
        ),
        *SLIPS,
    ),
)

"""Random arguments for the cases of exercises: float64 tensors from a seeded generator.

`normal_leaf`, `uniform_leaf` and `log_uniform_leaf` are leaves whose gradients `check` compares; the others need no gradient.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

IMAGE_DIMENSIONS = ("channels", "height", "width")


def normal(generator: Generator, *size: int, scale: float = 1.0, loc: float = 0.0) -> Tensor:
    """Draws from N(loc, scale²).

    Args:
        generator: Source of the draws.
        size: Sizes of the dimensions; none for a scalar.
        scale: Standard deviation.
        loc: Mean.

    Returns:
        float64 [*size].
    """
    return loc + scale * torch.randn(size, generator=generator, dtype=torch.float64)


def normal_leaf(generator: Generator, *size: int, scale: float = 1.0, loc: float = 0.0) -> Tensor:
    """Draws from N(loc, scale²), as a leaf that requires grad.

    Args:
        generator: Source of the draws.
        size: Sizes of the dimensions; none for a scalar.
        scale: Standard deviation.
        loc: Mean.

    Returns:
        float64 [*size], requires grad.
    """
    return normal(generator, *size, scale=scale, loc=loc).requires_grad_()


def uniform(generator: Generator, *size: int) -> Tensor:
    """Draws from the uniform distribution on [0, 1).

    Args:
        generator: Source of the draws.
        size: Sizes of the dimensions; none for a scalar.

    Returns:
        float64 [*size].
    """
    return torch.rand(size, generator=generator, dtype=torch.float64)


def uniform_leaf(generator: Generator, low: float, high: float, *size: int) -> Tensor:
    """Draws from the uniform distribution on [low, high), as a leaf that requires grad.

    Args:
        generator: Source of the draws.
        low: Lower end.
        high: Upper end.
        size: Sizes of the dimensions; none for a scalar.

    Returns:
        float64 [*size], requires grad.
    """
    return (low + (high - low) * uniform(generator, *size)).requires_grad_()


def log_uniform_leaf(generator: Generator, low: float, high: float, *size: int) -> Tensor:
    """Draws whose logarithm is uniform on [log low, log high), as a leaf that requires grad: every order of magnitude alike.

    Args:
        generator: Source of the draws.
        low: Lower end, above 0.
        high: Upper end.
        size: Sizes of the dimensions; none for a scalar.

    Returns:
        float64 [*size], requires grad.
    """
    return (low * (high / low) ** uniform(generator, *size)).requires_grad_()


def random_bits(generator: Generator, *size: int) -> Tensor:
    """Independent bits: 1 with probability 0.4, else 0.

    Args:
        generator: Source of the draws.
        size: Sizes of the dimensions; none for a scalar.

    Returns:
        float64 [*size].
    """
    return (uniform(generator, *size) < 0.4).double()


def random_greys(generator: Generator, *size: int) -> Tensor:
    """Pixels distributed as in MNIST: about a third exactly 0, a third exactly 1, the others between.

    Args:
        generator: Source of the draws.
        size: Sizes of the dimensions; none for a scalar.

    Returns:
        float64 [*size], in [0, 1].
    """
    return (3 * uniform(generator, *size) - 1).clamp(0, 1)

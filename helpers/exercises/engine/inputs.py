"""Random arguments for the cases of exercises: float64 tensors from a seeded generator.

The first four need no gradient; `normal_leaf` and `uniform_leaf` are leaves whose gradients `check` compares.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

IMAGE_DIMENSIONS = ("channels", "height", "width")


def normal(generator: Generator, *size: int, scale: float = 1.0, loc: float = 0.0) -> Tensor:
    """N(loc, scale²)."""
    return loc + scale * torch.randn(size, generator=generator, dtype=torch.float64)


def normal_leaf(generator: Generator, *size: int, scale: float = 1.0, loc: float = 0.0) -> Tensor:
    """N(loc, scale²), requires grad."""
    return normal(generator, *size, scale=scale, loc=loc).requires_grad_()


def uniform(generator: Generator, *size: int) -> Tensor:
    """Uniform on [0, 1)."""
    return torch.rand(size, generator=generator, dtype=torch.float64)


def uniform_leaf(generator: Generator, low: float, high: float, *size: int) -> Tensor:
    """Uniform on [low, high), requires grad."""
    return (low + (high - low) * uniform(generator, *size)).requires_grad_()


def random_bits(generator: Generator, *size: int) -> Tensor:
    """1 with probability 0.4, else 0."""
    return (uniform(generator, *size) < 0.4).double()


def random_greys(generator: Generator, *size: int) -> Tensor:
    """Pixels as MNIST has them: about a third exactly 0, a third exactly 1, the others between."""
    return (3 * uniform(generator, *size) - 1).clamp(0, 1)

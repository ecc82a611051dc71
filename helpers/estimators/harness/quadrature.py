"""Quadrature for continuous noise, whose outcomes cannot be listed.

A rule is a set of nodes with weights that sum to 1, so that an integral over noise has the form of a sum over outcomes, and
`every_outcome.EveryOutcome` treats both alike.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy
import torch
from torch import Tensor

# shape of one uniform draw → nodes and weights, both [nodes, *shape]: every coordinate has a rule of its own.
UniformRule = Callable[[torch.Size], tuple[Tensor, Tensor]]


def gauss_legendre(num_nodes: int, breakpoints: Tensor | None = None) -> UniformRule:
    """A rule for uniform noise on [0, 1]: Gauss-Legendre with `num_nodes` nodes in each interval between breakpoints.

    Exact if the integrand is a polynomial of degree 2 num_nodes - 1 or less in each interval. Thresholded noise, b = 1[u < p]
    and its antithetic counterpart 1[1 - u < p], is constant between the breakpoints p and 1 - p, so two nodes give exact moments.

    Args:
        num_nodes: Nodes in each interval, 1 or more.
        breakpoints: [intervals - 1, *places] in [0, 1], in any order; `places` broadcasts to the shape of the draws, so that each bit
            may have its own. None: one interval, for a smooth integrand.

    Returns:
        The rule: shape of a draw → nodes and weights, both [nodes, *shape].
    """
    x, w = (torch.from_numpy(part) for part in numpy.polynomial.legendre.leggauss(num_nodes))  # on [-1, 1]

    def rule(shape: torch.Size) -> tuple[Tensor, Tensor]:
        inner = torch.zeros(0, *shape, dtype=torch.float64)
        if breakpoints is not None:
            given = breakpoints.detach().double()
            inner = given.reshape(len(given), *[1] * (len(shape) - given.dim() + 1), *given.shape[1:])
            inner = inner.expand(-1, *shape)
        ends = inner.new_zeros(1, *shape), inner.new_ones(1, *shape)
        edges = torch.cat([ends[0], inner.sort(0).values, ends[1]])  # [intervals + 1, *shape]
        low, width = edges[:-1], edges.diff(dim=0)
        column = (-1, *[1] * (1 + len(shape)))
        nodes = low + width * (1 + x.reshape(column)) / 2  # [num_nodes, intervals, *shape]
        weights = width * w.reshape(column) / 2
        return nodes.flatten(0, 1), weights.flatten(0, 1)

    return rule


def for_logistic_noise(num_nodes: int) -> UniformRule:
    """A rule for uniform noise on [0, 1] that becomes logistic or Gumbel noise, as in REBAR, RELAX and Gumbel-softmax.

    Functions of such noise behave like powers of u and 1 - u at the ends, where plain Gauss-Legendre converges slowly. Here its nodes t
    are moved to u = t³ (10 - 15 t + 6 t²), in which those powers are smooth: about 1e-6 at 16 nodes, at temperatures of 1/2 or more.

    Args:
        num_nodes: Nodes on [0, 1], 3 or more.

    Returns:
        The rule: shape of a draw → nodes and weights, both [nodes, *shape].

    Raises:
        ValueError: If num_nodes is below 3.
    """
    if num_nodes < 3:
        raise ValueError(
            f"Logistic noise needs 3 nodes or more, about 16 for six digits, and {num_nodes} were asked for."
        )
    x, w = (torch.from_numpy(part) for part in numpy.polynomial.legendre.leggauss(num_nodes))
    t = (1 + x) / 2
    nodes, weights = t**3 * (10 - 15 * t + 6 * t**2), w * 15 * t**2 * (1 - t) ** 2

    def rule(shape: torch.Size) -> tuple[Tensor, Tensor]:
        column = (-1, *[1] * len(shape))
        return nodes.reshape(column).expand(-1, *shape), weights.reshape(column).expand(-1, *shape)

    return rule


def gauss_hermite(num_nodes: int) -> tuple[Tensor, Tensor]:
    """Gauss-Hermite rule for a standard normal: exact for polynomials of degree 2 num_nodes - 1 or less.

    Args:
        num_nodes: Number of nodes, 1 or more.

    Returns:
        Nodes and weights, both [num_nodes], float64.
    """
    x, w = numpy.polynomial.hermite_e.hermegauss(num_nodes)
    return torch.from_numpy(x), torch.from_numpy(w / w.sum())

"""Terms of the bound of two programs, and their sums over plates."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from helpers.programs.site import Frame, Site

Dims = tuple[tuple[int, int], ...]  # (dim, count) of the plates that occupy a batch dimension, rightmost first


@dataclass(frozen=True)
class Cost:
    """A term of the bound: log p of a model's site, -log q of a guide's, or what an estimator made of several.

    Args:
        dims: Batch dimensions of plates that the term may have, with their sizes.
        value: The term, detached.
        surrogate: Its gradient estimates that of the term's expectation.
        guide_index: Position of the guide's site whose choice the term belongs to; -1: none.
        distortion: Minus the part of `value` that comes from observed sites, detached; None: there is none.
    """

    dims: Dims
    value: Tensor
    surrogate: Tensor
    guide_index: int = -1
    distortion: Tensor | None = None


def dims_of(plates: Iterable[Frame]) -> Dims:
    """Batch dimensions of plates.

    Args:
        plates: The plates around a site.

    Returns:
        (dim, count) of each that has a dimension, rightmost first. Turns of a loop have none.
    """
    return tuple(sorted(((plate.dim, plate.count) for plate in plates if plate.dim is not None), reverse=True))


def model_cost(site: Site, guide_index: int) -> Cost:
    """log p of a model's site.

    Args:
        site: The site.
        guide_index: Position of the guide's site of the same name; -1: none.

    Returns:
        The term.

    Raises:
        ValueError: If the site has a batch dimension that no plate declares.
    """
    log_p = _log_prob(site)
    value = log_p.detach()
    return Cost(dims_of(site.plates), value, log_p, guide_index, -value if site.observed else None)


def guide_cost(site: Site, guide_index: int, *, differentiate: bool) -> Cost:
    """-log q of a guide's site.

    Args:
        site: The site.
        guide_index: Its position in the guide.
        differentiate: Whether its gradient counts. Of a scored site it is noise of mean 0: E[grad log q] = 0.

    Returns:
        The term.

    Raises:
        ValueError: If the site has a batch dimension that no plate declares.
    """
    rate = -_log_prob(site)
    value = rate.detach()
    return Cost(dims_of(site.plates), value, rate if differentiate else value, guide_index)


def _log_prob(site: Site) -> Tensor:
    log_prob = site.log_prob
    declared = {plate.dim for plate in site.plates}
    for dim in range(-log_prob.dim(), 0):
        if log_prob.shape[dim] != 1 and dim not in declared:
            raise ValueError(
                f"Site {site.name!r} ({site.where}) has log-probabilities of shape {list(log_prob.shape)}, and no plate occupies dimension "
                f"{dim}. Parts of one outcome: Independent(distribution, 1). Independent members: plate."
            )
    return log_prob


def total(terms: Iterable[Tensor]) -> Tensor | float:
    """Sum of all entries of all terms.

    Args:
        terms: Tensors of any shapes.

    Returns:
        A scalar; 0.0 of none.
    """
    result: Tensor | float = 0.0
    for term in terms:
        result = result + (term.sum() if term.dim() else term)
    return result


def summed_to(dims: Dims, term: Tensor) -> Tensor:
    """Sum a term over plates that a site is not in.

    Args:
        dims: Plates of the site.
        term: A term.

    Returns:
        It, without dimensions other than those; it broadcasts to the site's batch shape.
    """
    own = [dim for dim, _ in dims]
    for dim in range(-term.dim(), 0):
        if dim not in own and term.shape[dim] != 1:
            term = term.sum(dim, keepdim=True)
    while term.dim() and -term.dim() not in own and term.shape[0] == 1:
        term = term.squeeze(0)
    return term


def cost_of_members(dims: Dims, costs: Iterable[Cost]) -> Tensor | float:
    """The cost of each member of a site's plates: a term that lacks a plate of the site belongs to each of its members.

    Args:
        dims: Plates of the site.
        costs: Terms.

    Returns:
        A tensor that broadcasts to the site's batch shape; 0.0 of no terms.
    """
    result: Tensor | float = 0.0
    for cost in costs:
        result = result + summed_to(dims, cost.value)
    return result


def shared_dims(dims: Dims, cost: Cost) -> Dims:
    """The plates that a site and a term have in common.

    Args:
        dims: Plates of the site.
        cost: The term.

    Returns:
        Those of `dims` that the term has too.
    """
    return tuple(each for each in dims if each in cost.dims)


def averaged_to(dims: Dims, term: Tensor) -> Tensor:
    """Average over every dimension but those of some plates.

    Args:
        dims: The plates.
        term: A tensor [*batch].

    Returns:
        The average, with those dimensions.
    """
    own = {dim for dim, _ in dims}
    others = [dim for dim in range(-term.dim(), 0) if dim not in own]
    averaged = term.mean(others, keepdim=True) if others else term
    return summed_to(dims, averaged)


def members(dims: Dims) -> int:
    """Number of members of the product of plates.

    Args:
        dims: The plates.

    Returns:
        Product of their counts.
    """
    return torch.Size([count for _, count in dims]).numel()

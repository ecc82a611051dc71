"""Looking inside `torch.distributions.Independent`."""

from __future__ import annotations

from torch.distributions import Distribution, Independent


def innermost(q: Distribution) -> Distribution:
    """The distribution inside all layers of `Independent`.

    Args:
        q: Any distribution.

    Returns:
        `q` itself unless it is an `Independent`.
    """
    while isinstance(q, Independent):
        q = q.base_dist
    return q

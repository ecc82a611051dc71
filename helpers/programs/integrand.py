"""Terms of several runs, as the integrand of a gradient estimator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from helpers.estimators import Estimate
from helpers.programs.costs import Cost, Dims, members, shared_dims, summed_to


def as_integrand(
    samples: list[list[Cost]],
    dims: Dims,
    batch_shape: torch.Size,
    auxiliary_loss: Tensor | float,
    groups: list[Dims],
) -> Estimate:
    """Terms of several runs as an `Estimate` [samples, *batch].

    Its value is the cost of each member. Its surrogate divides what members share between them, so that the sum over members counts it
    once; terms "value n", "distortion n" hold the sum over the n-th group, of terms that have the same plates in common with the site.

    Args:
        samples: Terms of each run.
        dims: Plates of the site.
        batch_shape: Of the site's distribution.
        auxiliary_loss: Average over the runs.
        groups: Groups that earlier calls have found; new ones are appended.

    Returns:
        An `Estimate` [samples, *batch], with "spread n" too: how far the n-th group's terms differ between runs.
    """
    keyed = [[(shared_dims(dims, cost), cost) for cost in costs] for costs in samples]
    for costs in keyed:
        for key, _ in costs:
            if key not in groups:
                groups.append(key)
    all_members = members(dims)
    value: Any = 0.0
    surrogate: Any = 0.0
    terms = {}
    for number, group in enumerate(groups):
        rows = [[cost for key, cost in costs if key == group] for costs in keyed]

        def stacked(of: Callable[[Cost], Tensor | None], rows: list[list[Cost]] = rows) -> Tensor:
            sums = [
                torch.as_tensor(
                    sum((summed_to(dims, term) for cost in row if (term := of(cost)) is not None), torch.zeros(()))
                )
                for row in rows
            ]
            return torch.stack([each.expand(batch_shape) for each in sums])

        in_group = stacked(lambda cost: cost.value)
        value = value + in_group
        surrogate = surrogate + stacked(lambda cost: cost.surrogate) * (members(group) / all_members)
        terms[f"value {number}"] = in_group
        terms[f"distortion {number}"] = stacked(lambda cost: cost.distortion)
        terms[f"spread {number}"] = (in_group - in_group[:1]).abs()
    return Estimate(value, surrogate, terms, auxiliary_loss)

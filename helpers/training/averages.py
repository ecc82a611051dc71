"""Averages of an objective over batches: the bound and its terms, per item."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from helpers.estimators import Estimate
from helpers.evaluation.doors import called, check_batches, check_objective
from helpers.evaluation.module_mode import evaluation_mode


@torch.no_grad()
def average_terms(objective: nn.Module, batches: Iterable[Any], seed: int = 0) -> dict[str, float]:
    """Average value and terms of `objective` over `batches`, in evaluation mode, per item.

    The noise is seeded, so that two calls compare. The global random state and the mode of each submodule are restored afterwards.

    Args:
        objective: Module that maps a batch to an `Estimate` [*batch].
        batches: Batches, as the objective takes them. Items are weighted alike, also if batches differ in size.
        seed: Seed of the noise.

    Returns:
        Averages by name: "bound", the objective's value in nats per item, and the estimate's terms.

    Raises:
        ValueError: If there is no batch, or if `objective` is no objective or `batches` no iterable of batches.
    """
    totals = TermTotals()
    check_objective(objective)
    check_batches(batches, "batches", passes=1)
    with evaluation_mode(objective), torch.random.fork_rng():
        torch.manual_seed(seed)
        for batch in batches:
            totals.add(called(objective, batch))
    return totals.averages()


class TermTotals:
    """Running sums of an objective's value and terms over items: the accumulator behind `average_terms` and `fit`.

    Sums are float64 (float32 on MPS, which has no float64) and stay on the device until `averages` is called, so that adding does not wait
    for the device.

    Attributes:
        sums: Sum over items by name, scalars: "bound" for the value, and the estimate's terms.
        items: Number of items added.
    """

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.items = 0

    def add(self, estimate: Estimate) -> Tensor:
        """Add the value and terms of one batch.

        Args:
            estimate: What the objective returned, of shape [*batch].

        Returns:
            Sum of this batch's value and terms, a scalar: NaN or infinite if any of its entries is.
        """
        totals = {
            name: values.detach().sum(dtype=torch.float64 if values.device.type != "mps" else None)
            for name, values in {"bound": estimate.value, **estimate.terms}.items()
        }
        for name, total in totals.items():
            self.sums[name] = self.sums[name] + total if name in self.sums else total
        self.items += estimate.value.numel()
        first, *others = totals.values()
        return sum(others, first)

    def averages(self) -> dict[str, float]:
        """Sums divided by the number of items.

        Returns:
            Average by name, as Python floats.

        Raises:
            ValueError: If nothing has been added.
        """
        if self.items == 0:
            raise ValueError(
                "Got no batch to average over; expected one or more. Usually the data set is empty, or its iterator can be used only once."
            )
        return {name: total.item() / self.items for name, total in self.sums.items()}

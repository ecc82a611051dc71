"""Averages of an objective over batches: the bound and its terms, per item."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from helpers.estimators import Estimate


@torch.no_grad()
def average_terms(objective: nn.Module, batches: Iterable[Any], seed: int = 0) -> dict[str, float]:
    """Average value (`bound`) and terms of `objective` over `batches`, in evaluation mode, per item.

    The noise is seeded, so that two calls compare; the global random state is as before afterwards.
    """
    was_training = objective.training
    objective.eval()
    totals = TermTotals()
    try:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            for batch in batches:
                totals.add(objective(batch))
    finally:
        objective.train(was_training)
    return totals.averages()


class TermTotals:
    """Sums of value and terms over items, kept on the device until asked for."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.items = 0

    def add(self, estimate: Estimate) -> Tensor:
        """Add what `estimate` holds. Returns the sum of all that was added, a scalar: it is finite only if every item is."""
        everything = 0.0
        for name, values in {"bound": estimate.value, **estimate.terms}.items():
            total = values.detach().sum(dtype=torch.float64 if values.device.type != "mps" else None)
            self.sums[name] = self.sums[name] + total if name in self.sums else total
            everything = everything + total
        self.items += estimate.value.numel()
        return everything

    def averages(self) -> dict[str, float]:
        if self.items == 0:
            raise ValueError("There was no batch: the data set is empty, or its iterator can be used only once.")
        return {name: total.item() / self.items for name, total in self.sums.items()}

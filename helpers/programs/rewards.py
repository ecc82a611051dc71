"""Which terms of the bound reward a choice of the guide."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from helpers.programs.costs import Cost


@dataclass
class Rest:
    """The terms of an execution that come after a prefix of the guide's sites.

    Args:
        guide: Terms of the guide's later sites, and what their estimators made of them and of the model's.
        model: Terms of the model in order of execution, but for those that an estimator has taken.
        auxiliary_loss: Of trainable baselines.
    """

    guide: list[Cost]
    model: list[Cost]
    auxiliary_loss: Tensor | float


Reward = Callable[[Rest, int], list[Cost]]


def downstream_cost(rest: Rest, guide_index: int) -> list[Cost]:
    """The terms that a choice of the guide can change.

    Args:
        rest: Terms of an execution.
        guide_index: Position of the choice in the guide.

    Returns:
        The guide's terms from there on, and the model's from its first latent value on that was drawn there or later.
    """
    start = first_changed(rest.model, guide_index)
    return [*(cost for cost in rest.guide if cost.guide_index >= guide_index), *rest.model[start:]]


def every_cost(rest: Rest, guide_index: int) -> list[Cost]:
    """All terms: the reward of Pyro's Trace_ELBO. The gradient has the same mean, and more noise.

    Args:
        rest: Terms of an execution.
        guide_index: Position of the choice in the guide.

    Returns:
        The terms.
    """
    return [*rest.guide, *rest.model]


def first_changed(model: list[Cost], guide_index: int) -> int:
    """Position of the first term of the model that a choice can change.

    Args:
        model: Terms of the model in order of execution.
        guide_index: Position of the choice in the guide.

    Returns:
        That of the first latent value that was drawn there or later; the number of terms if there is none.
    """
    return next((n for n, cost in enumerate(model) if cost.guide_index >= guide_index), len(model))

"""Evaluating f where it was not meant to be evaluated: between the outcomes of a discrete z."""

from __future__ import annotations

from torch import Tensor
from torch.distributions import Distribution

from helpers.estimators.base import Estimate, Integrand, evaluate


def evaluate_off_support(f: Integrand, z: Tensor, q: Distribution, caller: str) -> Estimate:
    """f at relaxed z [S, *batch, *event]; ValueError, naming estimators that would do, where f refuses or has no gradient in z.

    Two traps of torch: `Bernoulli.log_prob` refuses a relaxed z unless the distribution is made with `validate_args=False`, as this
    package's are; and `OneHotCategorical.log_prob` looks only at the largest entry, so that no gradient with respect to z comes of it.
    """
    try:
        estimate = evaluate(f, z, q)
    except ValueError as error:
        if "within the support" not in str(error):
            raise
        refusal, _, _ = str(error).partition(", but")  # what follows prints the whole of z
        raise ValueError(
            f"{caller} evaluates f between the outcomes, and f refused: {refusal}. Usual cause: Bernoulli.log_prob, which "
            "checks its argument; make that distribution with validate_args=False. LeaveOneOut and DisArm evaluate f at outcomes only."
        ) from error
    if z.requires_grad and not _depends_on(estimate.surrogate, z):
        raise ValueError(
            f"{caller} needs f differentiable in z, and f's result has no gradient with respect to z. Usual causes: f rounds z or takes "
            "its largest entry, as OneHotCategorical.log_prob does, or f detaches. LeaveOneOut and DisArm need no gradient of f."
        )
    return estimate


def differentiable(estimate: Estimate) -> Tensor:
    """[S, *batch]: the value of an estimate, with the gradient of its surrogate."""
    return estimate.value + (estimate.surrogate - estimate.surrogate.detach())


def _depends_on(y: Tensor, z: Tensor) -> bool:
    """Whether a gradient flows from y to z: a walk over the graph, which spends no backward pass."""
    seen, stack = set(), [y.grad_fn]
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        if node is z.grad_fn or getattr(node, "variable", None) is z:
            return True
        seen.add(node)
        stack += [parent for parent, _ in node.next_functions]
    return False

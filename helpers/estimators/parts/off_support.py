"""Evaluating f off the support of a discrete z: between its outcomes."""

from __future__ import annotations

from torch import Tensor
from torch.distributions import Distribution

from helpers.estimators.base import Integrand, evaluate
from helpers.estimators.estimate import Estimate


def evaluate_off_support(f: Integrand, z: Tensor, q: Distribution, caller: str) -> Estimate:
    """f at relaxed z, with an error that names the cause if f refuses z or has no gradient in it.

    Two pitfalls in torch: `Bernoulli.log_prob` refuses a relaxed z unless the distribution is made with `validate_args=False`, as this
    package's are; and `OneHotCategorical.log_prob` uses only the index of the largest entry, so it has no gradient in z.

    Args:
        f: Integrand: z [S, *batch, *event] → [S, *batch].
        z: Relaxed points, [S, *batch, *event].
        q: Distribution with batch_shape [*batch]; only its shape is used.
        caller: Name of the estimator, for the message.

    Returns:
        An `Estimate` of shape [S, *batch].

    Raises:
        ValueError: If f refuses z, returns another shape, or has no gradient in z although z requires one. The message names
            estimators that evaluate f at outcomes only.
    """
    try:
        return evaluate_with_slope(f, z, q, caller)
    except ValueError as error:
        if "within the support" not in str(error):
            raise
        refusal, _, _ = str(error).partition(", but")  # the rest of torch's message prints all of z
        raise ValueError(
            f"{caller} evaluates f between the outcomes, and f refused: {refusal}. Usual cause: Bernoulli.log_prob, which "
            "checks its argument; make that distribution with validate_args=False. LeaveOneOut and DisArm evaluate f at outcomes only."
        ) from error


def evaluate_with_slope(f: Integrand, z: Tensor, q: Distribution, caller: str) -> Estimate:
    """f at z, with an error that names the cause if it has no gradient in z.

    Args:
        f: Integrand: z [S, *batch, *event] → [S, *batch].
        z: Points, [S, *batch, *event].
        q: Distribution with batch_shape [*batch]; only its shape is used.
        caller: Name of the estimator, for the message.

    Returns:
        An `Estimate` of shape [S, *batch].

    Raises:
        ValueError: If f returns another shape, or has no gradient in z although z requires one.
    """
    estimate = evaluate(f, z, q)
    if z.requires_grad and not _depends_on(estimate.surrogate, z):
        raise ValueError(
            f"{caller} needs f differentiable in z, and f's result has no gradient with respect to z. Usual causes: f rounds z or takes "
            "its largest entry, as OneHotCategorical.log_prob does, or f detaches. LeaveOneOut and DisArm need no gradient of f."
        )
    return estimate


def differentiable(estimate: Estimate) -> Tensor:
    """The value of an estimate, with the gradient of its surrogate.

    Args:
        estimate: An `Estimate` of shape [S, *batch].

    Returns:
        [S, *batch].
    """
    return estimate.value + (estimate.surrogate - estimate.surrogate.detach())


def _depends_on(y: Tensor, z: Tensor) -> bool:
    """Whether y's gradient reaches z: a search of the autograd graph, without a backward pass."""
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

"""What a gradient estimator is, and what it returns.

    estimate = estimator(f, q, num_samples=S, context=x)

    f: z [S, *batch, *event] → a tensor [S, *batch], or an `Estimate` of that shape
    q: a distribution with batch_shape == batch, any number of leading dimensions

An estimator turns (f, q) into an `Estimate`: the value of its target, and a surrogate whose gradient estimates the gradient of
that target, through f's parameters and through q's. `f` may return an `Estimate` made by another estimator: this nesting composes
layers, mixtures and counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal, Self

from torch import Tensor, nn
from torch.distributions import Distribution

from helpers.estimators.estimate import Estimate
from helpers.estimators.parts.doors import check_call, check_result
from helpers.networks.sizes import as_size

Target = Literal["expectation", "log_mean_exp"]
NeedOfQ = Literal["anything", "bits", "bits or categories", "finite support", "rsample", "mixture"]
NeedOfF = Literal["value", "derivative", "relaxation"]


Integrand = Callable[[Tensor], Tensor | Estimate]


class GradientEstimator(nn.Module):
    """Base class: checks the call, then calls the subclass's `estimate`.

    It is a module so that control variates can keep running statistics as buffers and networks as parameters: saved, restored and
    moved with the model.

    Args:
        given: None: a subclass with settings has arguments of its own. Others raise ValueError, since f and q belong into the call.

    Attributes:
        label: Name in legends and tables, such as "leave-one-out"; every estimator has its own.
        target: "expectation", E_q[f], or "log_mean_exp", E[log mean_s exp f(z_s)] with f one sample's log weight.
        unbiased: Whether the mean gradient is the gradient of the target, if f meets `f_needs`.
        q_needs: Distributions that it accepts; "bits" and "bits or categories" are independent ones.
        f_needs: "value" of f at outcomes of q; its "derivative" in z there; or its "relaxation", value and derivative between the
            outcomes of a discrete q.
        scored: Whether the surrogate holds a score, reward times log q(z), see `Estimate`. Estimators whose surrogate has the gradient
            of the value at each sample set it to False; they pass on the flag of a nested f.
    """

    label: str = "gradient estimator"
    target: Target = "expectation"
    unbiased: bool = True
    q_needs: NeedOfQ = "anything"
    f_needs: NeedOfF = "value"
    scored: bool = True

    def __init__(self, *given: object) -> None:
        if given:  # `Pathwise(f, q)`, in place of `Pathwise()(f, q)`
            raise ValueError(
                f"{type(self).__name__} was made with arguments, {', '.join(type(each).__name__ for each in given)}; none was expected. "
                f"An estimator is made first and called afterwards: {type(self).__name__}()(f, q)."
            )
        super().__init__()

    @classmethod
    def with_defaults(cls, event_shape: tuple[int, ...] = ()) -> Self:
        """An estimator with default settings.

        Args:
            event_shape: Shape of an outcome z, for control variates that are networks of z; the others do not depend on it.

        Returns:
            The estimator.
        """
        return cls()

    def estimate(self, f: Integrand, q: Distribution, num_samples: int, context: Tensor | None) -> Estimate:
        """Estimate the target and its gradient; subclasses define this.

        Args:
            f: Integrand: z [S, *batch, *event] → [S, *batch], a tensor or an `Estimate`.
            q: Distribution with batch_shape [*batch].
            num_samples: Evaluations of f per datum, as returned by `resolve_num_samples`.
            context: What baselines may depend on, [*batch, ...], or None.

        Returns:
            An `Estimate` of shape [*batch].

        Raises:
            NotImplementedError: In the base class.
        """
        raise NotImplementedError

    def resolve_num_samples(self, q: Distribution, num_samples: int | None) -> int:
        """Number of evaluations of f per datum that a call makes.

        Args:
            q: Distribution with batch_shape [*batch].
            num_samples: The number given by the caller. None: the estimator's minimum.

        Returns:
            The number, which is `num_samples` unless that is None.

        Raises:
            ValueError: If the estimator cannot make exactly `num_samples` evaluations, or if q does not fit.
        """
        if num_samples is None:
            return 1
        if num_samples < 1:
            raise ValueError(
                f"num_samples counts evaluations of f per datum and must be 1 or more; {num_samples} was given."
            )
        return num_samples

    def forward(
        self, f: Integrand, q: Distribution, num_samples: int | None = None, context: Tensor | None = None
    ) -> Estimate:
        """Estimate the target and its gradient.

        Args:
            f: Integrand: z [S, *batch, *event] → [S, *batch], a tensor or an `Estimate`.
            q: Distribution with batch_shape [*batch].
            num_samples: Evaluations of f per datum, S. None: the estimator's minimum.
            context: What baselines may depend on, [*batch, ...]; None if the estimator has no such baseline.

        Returns:
            An `Estimate` of shape [*batch].

        Raises:
            ValueError: If an argument is of the wrong kind, or q, S or the shape of f's result does not fit.
        """
        check_call(f, q, context, type(self).__name__)
        if num_samples is not None and type(num_samples) is not int:
            num_samples = as_size(num_samples, "num_samples")
        estimate = self.estimate(f, q, self.resolve_num_samples(q, num_samples), context)
        return replace(estimate, scored=True) if self.scored and not estimate.scored else estimate


def multiple_of_cost(estimator: GradientEstimator, num_samples: int | None, cost: int, spent: str = "") -> int:
    """Check that num_samples is a whole number of samples of `cost` evaluations each.

    Args:
        estimator: The estimator that is called; named in the message.
        num_samples: Evaluations of f per datum. None: one sample, that is, `cost`.
        cost: Evaluations of f that one sample takes.
        spent: What these evaluations are for, in words, for the message; empty by default.

    Returns:
        Evaluations of f per datum, a multiple of `cost`.

    Raises:
        ValueError: If num_samples is not a positive multiple of `cost`. The message names an estimator that accepts it.
    """
    if num_samples is None:
        return cost
    if num_samples < 1 or num_samples % cost:
        raise ValueError(
            f"{type(estimator).__name__} evaluates f {cost} time{'' if cost == 1 else 's'} a sample{spent and f' ({spent})'}, so "
            f"num_samples must be a positive multiple of {cost}; {num_samples} was given. LeaveOneOut takes any number of 2 or more."
        )
    return num_samples


def evaluate(f: Integrand, z: Tensor, q: Distribution) -> Estimate:
    """f(z) as an `Estimate`, its shape checked.

    Args:
        f: Integrand: z [S, *batch, *event] → [S, *batch], a tensor or an `Estimate`.
        z: Points, [S, *batch, *event].
        q: Distribution with batch_shape [*batch]; only its shape is used.

    Returns:
        An `Estimate` of shape [S, *batch].

    Raises:
        ValueError: If f returns something else, or another shape.
    """
    estimate = check_result(f(z))
    expected = (z.shape[0], *q.batch_shape)
    for name, tensor in (("value", estimate.value), ("surrogate", estimate.surrogate), *estimate.terms.items()):
        if tensor.shape != expected:
            raise ValueError(
                f"f returned the shape {tuple(tensor.shape)} ({name}); [samples, *batch] = {expected} was expected. "
                "Usual causes: a log_prob not summed over its outcome's dimensions (wrap it in Independent), or a mean over the "
                "batch taken inside f."
            )
    return estimate

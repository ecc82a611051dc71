"""All estimators and control variates of the package by their labels, and which of them fit a distribution and a budget.

Labels, targets, bias and needs are class attributes; this file reads them from what `helpers.estimators` exports. A new estimator
is its file with these attributes, its export, and its test.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from torch.distributions import Bernoulli, Distribution, MixtureSameFamily, OneHotCategorical

from helpers import estimators
from helpers.distributions import innermost
from helpers.estimators.base import GradientEstimator
from helpers.estimators.control_variates import ControlVariate

_EXPORTED = [vars(estimators)[name] for name in estimators.__all__]
_CLASSES = [value for value in _EXPORTED if isinstance(value, type)]

# label → class, in the alphabetical order of the classes' names
ESTIMATORS: Mapping[str, type[GradientEstimator]] = MappingProxyType(
    {cls.label: cls for cls in _CLASSES if issubclass(cls, GradientEstimator) and cls is not GradientEstimator}
)
CONTROL_VARIATES: Mapping[str, type[ControlVariate]] = MappingProxyType(
    {cls.label: cls for cls in _CLASSES if issubclass(cls, ControlVariate) and cls is not ControlVariate}
)


def fits(estimator: GradientEstimator | type[GradientEstimator], q: Distribution) -> bool:
    """Whether an estimator accepts a distribution, by its `q_needs`.

    Args:
        estimator: An estimator, or its class, for default settings.
        q: Any distribution. The size of a finite support is not checked.

    Returns:
        True if q has what the estimator needs.
    """
    base = innermost(q)
    return {
        "anything": True,
        "bits": isinstance(base, Bernoulli),
        "bits or categories": isinstance(base, (Bernoulli, OneHotCategorical)),
        "finite support": base.has_enumerate_support,
        "rsample": q.has_rsample,
        "mixture": isinstance(q, MixtureSameFamily),
    }[estimator.q_needs]


def affordable_num_samples(estimator: GradientEstimator, q: Distribution, evaluations: int) -> int | None:
    """The largest `num_samples` within a budget of evaluations of f: a multiple of two for pairs, of three for REBAR.

    Args:
        estimator: The estimator.
        q: A distribution that it accepts.
        evaluations: Largest number of evaluations of f per datum.

    Returns:
        `num_samples`, or None if the estimator's minimum is above the budget.

    Raises:
        ValueError: If q does not fit.
    """
    for num_samples in range(evaluations, estimator.resolve_num_samples(q, None) - 1, -1):
        try:
            return estimator.resolve_num_samples(q, num_samples)
        except ValueError:  # not a whole number of pairs, triples, pivots, ...
            continue
    return None

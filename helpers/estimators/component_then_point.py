"""Nested estimators for a mixture: one for the component, one for the point given the component."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, MixtureSameFamily, OneHotCategorical

from helpers.distributions import innermost
from helpers.estimators.base import GradientEstimator, Integrand, NeedOfF, NeedOfQ, evaluate
from helpers.estimators.enumeration import Enumeration
from helpers.estimators.estimate import Estimate
from helpers.estimators.parts.doors import check_instance
from helpers.estimators.pathwise import Pathwise
from helpers.networks.sizes import as_size


class ComponentThenPoint(GradientEstimator):
    """q(z) = sum_k w_k q_k(z): enumerate or score the component, and reparameterise the point inside it.

    E_q[f] = E_{k ~ w} [ E_{z ~ q_k}[f(z)] ]: the outer expectation by `component`, the inner one by `point`. Unbiased if both are. f
    is unchanged: in `Elbo` its log q(z | x) is the whole mixture's, not that of the component that z was drawn from.

    For the mixture's whole score: `StickingTheLanding(ComponentThenPoint())`. Terms are averaged as f is.

    Needs q a `MixtureSameFamily` of distributions given by a location and a scale, such as Gaussians, scalar or `Independent`. A call
    raises ValueError if q is something else, or if `component` moves k between its outcomes.

    Args:
        component: Estimator for k, one-hot. Default: `Enumeration()`, which evaluates f in every component at every step.
            `ScoreFunction` and `LeaveOneOut` evaluate f in the components they draw. With `Vimco()` and one point, the target
            is the mixture's importance-weighted bound.
        point: Estimator for z given k. Default: `Pathwise()`.
        point_samples: Evaluations of f in each component that is enumerated or drawn. `num_samples` is `component`'s number times
            this: with `Enumeration`, components times points. If `num_samples` is None: `component`'s minimum, times points.

    Raises:
        ValueError: If an argument is not an estimator, if point_samples is below 1, or if the target of `component` is a log-mean-exp and
            `point` scores its samples, which is biased.
    """

    label = "component, then point"
    q_needs: NeedOfQ = "mixture"
    f_needs: NeedOfF = "derivative"

    def __init__(
        self,
        component: GradientEstimator | None = None,
        point: GradientEstimator | None = None,
        point_samples: int = 1,
    ) -> None:
        super().__init__()
        self.component = Enumeration() if component is None else component
        self.point = Pathwise() if point is None else point
        for estimator in (self.component, self.point):
            check_instance(estimator, GradientEstimator, type(self).__name__, "an estimator such as Enumeration()")
        if self.component.target == "log_mean_exp" and self.point.scored:
            raise ValueError(
                f"The component's estimator {type(self.component).__name__} has a log-mean-exp as its target, and the point's "
                f"{type(self.point).__name__} multiplies a score by its own reward: inside a log-mean-exp this is biased. Use Pathwise() "
                "for the point, or an estimator of an expectation for the component."
            )
        self.point_samples = as_size(point_samples, "point_samples")
        self.scored = self.component.scored or self.point.scored
        both_expectations = self.component.target == self.point.target == "expectation"
        self.target = "expectation" if both_expectations else "log_mean_exp"  # otherwise a bound on log E exp f
        self.unbiased = self.component.unbiased and self.point.unbiased
        self.f_needs = self.point.f_needs

    def resolve_num_samples(self, q: Distribution, num_samples: int | None) -> int:
        components = _component_indicator(_mixture(q))
        if num_samples is not None and (num_samples < 1 or num_samples % self.point_samples):
            raise ValueError(
                f"ComponentThenPoint evaluates f {self.point_samples} time(s) in each component, so num_samples must be a positive "
                f"multiple of {self.point_samples}; {num_samples} was given."
            )
        component_samples = None if num_samples is None else num_samples // self.point_samples
        return self.point_samples * self.component.resolve_num_samples(components, component_samples)

    def estimate(self, f: Integrand, q: Distribution, num_samples: int, context: Tensor | None) -> Estimate:
        mixture = _mixture(q)

        def given_component(one_hot: Tensor) -> Estimate:  # [picks, *batch, components] → [picks, *batch]
            inside = _inside(mixture, _index(one_hot, self.component))

            def at_points(z: Tensor) -> Estimate:  # [points, picks, *batch, *event] → [points, picks, *batch]
                each = evaluate(f, z.flatten(0, 1), q)
                return each.reduce(lambda over_both: over_both.unflatten(0, z.shape[:2]))

            return self.point(at_points, inside, self.point_samples, context)

        indicator = _component_indicator(mixture)
        return self.component(given_component, indicator, num_samples // self.point_samples, context)


def _mixture(q: Distribution) -> MixtureSameFamily:
    if not isinstance(q, MixtureSameFamily):
        raise ValueError(
            f"ComponentThenPoint needs a mixture (MixtureSameFamily), and {type(q).__name__} was given. "
            f"{'Pathwise differentiates through its samples.' if q.has_rsample else 'ScoreFunction and LeaveOneOut take any distribution.'}"
        )
    return q


def _component_indicator(q: MixtureSameFamily) -> OneHotCategorical:
    """k ~ w as a one-hot vector: [*batch, components]."""
    return OneHotCategorical(logits=q.mixture_distribution.logits, validate_args=False)


def _index(one_hot: Tensor, component: GradientEstimator) -> Tensor:
    """[picks, *batch, components] → [picks, *batch]; ValueError unless it is one-hot, or if it has a gradient, which an index loses."""
    if one_hot.requires_grad or not bool(((one_hot == 0) | (one_hot == 1)).all() and (one_hot.sum(-1) == 1).all()):
        raise ValueError(
            f"{type(component).__name__} moves the component between its outcomes, where a mixture has no density. Enumeration sums over "
            "the components; ScoreFunction and LeaveOneOut score them."
        )
    return one_hot.argmax(-1)


def _inside(q: MixtureSameFamily, index: Tensor) -> Distribution:
    """q_k for k = index [picks, *batch]: batch_shape [picks, *batch].

    Parameters are picked, not multiplied by zeros and ones, so that infinite parameters of one component do not make the others NaN.
    """
    family = q.component_distribution  # batch_shape [*batch, components]
    base: Any = innermost(family)  # of any class with loc and scale, which is checked next
    if set(base.arg_constraints) != {"loc", "scale"}:
        raise ValueError(
            f"ComponentThenPoint picks a component by its location and scale, and {type(base).__name__} has "
            f"{', '.join(base.arg_constraints) or 'neither'}. ScoreFunction and LeaveOneOut take any mixture."
        )
    event_dims = len(base.batch_shape) - len(family.batch_shape)  # dimensions that Independent declares
    position = index.reshape(*index.shape, 1, *[1] * event_dims)  # [picks, *batch, 1, 1...]

    def pick(parameter: Tensor) -> Tensor:  # [*batch, components, *event] → [picks, *batch, *event]
        return torch.take_along_dim(parameter[None], position, dim=index.dim()).squeeze(index.dim())

    point = type(base)(pick(base.loc), pick(base.scale), validate_args=False)
    return Independent(point, event_dims, validate_args=False) if event_dims else point

"""A mixture's component by one estimator, the point inside it by another: nested."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, MixtureSameFamily, OneHotCategorical

from helpers.distributions import innermost
from helpers.estimators.base import Estimate, GradientEstimator, Integrand, Target, evaluate
from helpers.estimators.enumeration import Enumeration
from helpers.estimators.pathwise import Pathwise


class ComponentThenPoint(GradientEstimator):
    """q(z) = sum_k w_k q_k(z): enumerate or score the component, and reparameterise the point inside it.

    E_q[f] = E_{k ~ w} [ E_{z ~ q_k}[f(z)] ]: the outer expectation by `component`, the inner one by `point`. Unbiased where both are. f
    stays what it is: in `Elbo` its log q(z | x) is the whole mixture's, not that of the component that z was drawn from.

    component: an estimator for k, one-hot; `Enumeration()` by default, which evaluates f in every component at every step.
        `ScoreFunction`, `LeaveOneOut` and their like evaluate f in the components they draw. With `Vimco()`, and one point, the target
        is the mixture's importance-weighted bound.
    point: an estimator for z given k; `Pathwise()` by default.
    point_samples: evaluations of f in each component that is looked at. In all, `num_samples` is `component`'s number times this:
        with `Enumeration`, components times points. None for `component`'s fewest, times points.

    For the mixture's whole score: `StickingTheLanding(ComponentThenPoint())`. Terms are averaged as f is.

    Needs q a `MixtureSameFamily` of distributions given by a location and a scale, such as Gaussians, independent or one number.
    Raises ValueError where q is something else, or where `component` moves k between its outcomes.
    """

    def __init__(
        self,
        component: GradientEstimator | None = None,
        point: GradientEstimator | None = None,
        point_samples: int = 1,
    ) -> None:
        super().__init__()
        self.component = Enumeration() if component is None else component
        self.point = Pathwise() if point is None else point
        if point_samples < 1:
            raise ValueError(
                f"point_samples counts evaluations of f in a component and must be 1 or more; {point_samples} was given."
            )
        self.point_samples = point_samples

    @property
    def target(self) -> Target:  # both expectations, or a bound on log E exp f
        return "expectation" if self.component.target == self.point.target == "expectation" else "log_mean_exp"

    def resolve_num_samples(self, q: Distribution, num_samples: int | None) -> int:
        components = _component_indicator(q)
        if num_samples is not None and (num_samples < 1 or num_samples % self.point_samples):
            raise ValueError(
                f"ComponentThenPoint evaluates f {self.point_samples} time(s) in each component, so num_samples must be a positive "
                f"multiple of {self.point_samples}; {num_samples} was given."
            )
        looked_at = None if num_samples is None else num_samples // self.point_samples
        return self.point_samples * self.component.resolve_num_samples(components, looked_at)

    def estimate(self, f: Integrand, q: Distribution, num_samples: int, context: Tensor | None) -> Estimate:
        components = _component_indicator(q)

        def given_component(one_hot: Tensor) -> Estimate:  # [looked at, *batch, components] → [looked at, *batch]
            inside = _inside(q, _index(one_hot, self.component))

            def at_points(z: Tensor) -> Estimate:  # [points, looked at, *batch, *event] → [points, looked at, *batch]
                each = evaluate(f, z.flatten(0, 1), q)
                return each.reduce(lambda over_both: over_both.unflatten(0, z.shape[:2]))

            return self.point(at_points, inside, self.point_samples, context)

        return self.component(given_component, components, num_samples // self.point_samples, context)


def _component_indicator(q: Distribution) -> OneHotCategorical:
    """k ~ w as a one-hot: [*batch, components]."""
    if not isinstance(q, MixtureSameFamily):
        raise ValueError(
            f"ComponentThenPoint needs a mixture (MixtureSameFamily), and {type(q).__name__} was given. "
            f"{'Pathwise differentiates through its samples.' if q.has_rsample else 'ScoreFunction and LeaveOneOut take any distribution.'}"
        )
    return OneHotCategorical(logits=q.mixture_distribution.logits, validate_args=False)


def _index(one_hot: Tensor, component: GradientEstimator) -> Tensor:
    """[looked at, *batch, components] → [looked at, *batch]; ValueError where it is no outcome, or has a gradient that would be lost."""
    if one_hot.requires_grad or not bool(((one_hot == 0) | (one_hot == 1)).all() and (one_hot.sum(-1) == 1).all()):
        raise ValueError(
            f"{type(component).__name__} moves the component between its outcomes, where a mixture has no density. Enumeration sums over "
            "the components; ScoreFunction and LeaveOneOut score them."
        )
    return one_hot.argmax(-1)


def _inside(q: MixtureSameFamily, index: Tensor) -> Distribution:
    """q_k for k = index [looked at, *batch]: batch_shape [looked at, *batch].

    Parameters are picked, not multiplied by zeros and ones: a component that has run off to infinity must not spoil the others.
    """
    family = q.component_distribution  # batch_shape [*batch, components]
    base = innermost(family)
    if set(base.arg_constraints) != {"loc", "scale"}:
        raise ValueError(
            f"ComponentThenPoint picks a component by its location and scale, and {type(base).__name__} has "
            f"{', '.join(base.arg_constraints) or 'neither'}. ScoreFunction and LeaveOneOut take any mixture."
        )
    event = len(base.batch_shape) - len(family.batch_shape)  # dimensions that Independent declares
    place = index.reshape(*index.shape, 1, *[1] * event)  # [looked at, *batch, 1, 1...]

    def pick(parameter: Tensor) -> Tensor:  # [*batch, components, *event] → [looked at, *batch, *event]
        return torch.take_along_dim(parameter[None], place, dim=index.dim()).squeeze(index.dim())

    point = type(base)(pick(base.loc), pick(base.scale), validate_args=False)
    return Independent(point, event, validate_args=False) if event else point

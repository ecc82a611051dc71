"""One execution of guide and model, and its terms: the recursion behind `ProgramElbo`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from helpers.estimators import Estimate, GradientEstimator, LeaveOneOut, Pathwise, ScoreFunction
from helpers.estimators.control_variates import ControlVariate, RewardContext
from helpers.estimators.parts.running import held
from helpers.programs.costs import Cost, Dims, averaged_to, cost_of_members, dims_of, guide_cost, model_cost
from helpers.programs.handlers import replay, trace
from helpers.programs.integrand import as_integrand
from helpers.programs.matching import check_match
from helpers.programs.rewards import Rest, Reward, first_changed
from helpers.programs.site import Site
from helpers.programs.stop import StopAt, Stopped
from helpers.programs.traces import Trace

Program = Callable[..., Any]


class Execution:
    """Runs guide and model on the same arguments.

    Args:
        model: Program of p(x, z).
        guide: Program of q(z).
        arguments: Of both.
        reward: Which terms are a scored site's reward.
        kept: Estimators with a state that may be used.
    """

    def __init__(
        self, model: Program, guide: Program, arguments: Sequence[Any], reward: Reward, kept: set[nn.Module]
    ) -> None:
        self.model, self.guide, self.arguments, self.reward, self.kept = model, guide, arguments, reward, kept

    def rest(self, prefix: dict[str, Tensor]) -> Rest:
        """Run the guide, with the values of a prefix, and then the model; estimators that evaluate the rest themselves do so.

        Args:
            prefix: Values of the guide's earlier sites and plates by name.

        Returns:
            The terms after the prefix.

        Raises:
            ValueError: If model and guide do not fit each other, or an estimator cannot be used at its site.
        """
        guide, cut = self._run_guide(prefix)
        own = [(index, site) for index, site in enumerate(guide.random) if site.name not in prefix]
        values = _values(guide)
        rest = self._model(guide, values) if cut is None else self._estimated(cut, len(guide.random), values)
        scored = [(index, site) for index, site in own if not _is_pathwise(site)]
        rest.guide += [guide_cost(site, index, differentiate=_is_pathwise(site)) for index, site in own]
        self._score(scored, rest)
        return rest

    def _run_guide(self, prefix: dict[str, Tensor]) -> tuple[Trace, Site | None]:
        """The guide's trace, up to the first site whose estimator evaluates the rest itself, and that site."""
        recorder = trace()
        try:
            with recorder, replay(trace=prefix), StopAt(lambda site: _is_cut(site, prefix)):
                self.guide(*self.arguments)
        except Stopped as stopped:
            return recorder.trace, stopped.site
        return recorder.trace, None

    def _model(self, guide: Trace, values: dict[str, Tensor]) -> Rest:
        with trace() as recorder, replay(trace=values):
            self.model(*self.arguments)
        model = recorder.trace
        check_match(model, guide)
        index = {site.name: position for position, site in enumerate(guide.random)}
        return Rest([], [model_cost(site, index.get(site.name, -1)) for site in model.random], 0.0)

    def _estimated(self, site: Site, index: int, values: dict[str, Tensor]) -> Rest:
        """The terms after a site, by its estimator, and the model's terms that its choice does not change."""
        estimator, q, dims = site.estimator, site.distribution, dims_of(site.plates)
        assert estimator is not None and q is not None
        self._check(site, estimator)
        upstream: list[Cost] = []

        def f(z: Tensor) -> Estimate:  # [samples, *batch, *event] → [samples, *batch]
            nonlocal upstream
            samples = []
            auxiliary_loss: Tensor | float = 0.0
            for value in z:
                rest = self.rest({**values, site.name: value})
                start = first_changed(rest.model, index)
                upstream = rest.model[:start]
                chosen = _at(site, value)
                own = guide_cost(chosen, index, differentiate=estimator.f_needs != "value")
                samples.append([own, *rest.guide, *rest.model[start:]])
                auxiliary_loss = auxiliary_loss + rest.auxiliary_loss
            return as_integrand(samples, dims, q.batch_shape, auxiliary_loss / len(samples), groups)

        groups: list[Dims] = []
        try:
            estimate = estimator(f, q, site.num_samples, context=site.context)
        except ValueError as error:
            if str(error).startswith(("Site", "The model", "The guide", "Two sites", "Parameter")):
                raise
            raise ValueError(f"Site {site.name!r} ({site.where}) names {type(estimator).__name__}. {error}") from error
        self._check_sharing(site, estimator, estimate, groups)
        nested = []
        for number, group in enumerate(groups):
            if f"value {number}" not in estimate.terms:  # of a run that only a control variate made
                continue
            value = averaged_to(group, estimate.terms[f"value {number}"])
            distortion = averaged_to(group, estimate.terms[f"distortion {number}"])
            nested.append(Cost(group, value, torch.zeros_like(value), index, distortion))
        nested.append(Cost(dims, torch.zeros_like(estimate.value), estimate.surrogate, index))
        return Rest(nested, upstream, estimate.auxiliary_loss)

    def _score(self, scored: list[tuple[int, Site]], rest: Rest) -> None:
        """Add reward times log q of the sites whose estimator needs one run only."""
        uses = Counter(id(_control_variate(site)) for _, site in scored)
        terms = []
        for index, site in scored:
            q, dims, variate = site.distribution, dims_of(site.plates), _control_variate(site)
            assert q is not None
            reward = torch.as_tensor(cost_of_members(dims, self.reward(rest, index)))
            log_q = site.unscaled_log_prob
            if variate is not None:
                self._check(site, site.estimator)
                uses[id(variate)] -= 1
                reward = reward.expand(q.batch_shape).unsqueeze(0)
                around = RewardContext(_not_callable, q, site.value.unsqueeze(0), site.context)
                if uses[id(variate)]:  # shared with a later site: its statistics move once all rewards are known
                    with held(variate):
                        reward, loss = variate(reward, around)
                else:
                    reward, loss = variate(reward, around)
                reward = reward.squeeze(0)
                rest.auxiliary_loss = rest.auxiliary_loss + loss
            score = reward.detach() * log_q
            terms.append(Cost(dims, torch.zeros_like(score.detach()), score, index))
        rest.guide += terms  # afterwards: a score is no part of a reward

    def _check(self, site: Site, estimator: GradientEstimator | None) -> None:
        assert estimator is not None
        if estimator.target != "expectation":
            raise ValueError(
                f"Site {site.name!r} ({site.where}) names {type(estimator).__name__}, whose target is {estimator.target!r}: it needs the "
                "whole log weight at once. At a site: LeaveOneOut(), Enumeration(), ScoreFunction(...)."
            )
        if estimator not in self.kept and any(True for _ in estimator.state_dict()):
            raise ValueError(
                f"Site {site.name!r} ({site.where}) names a {type(estimator).__name__} with a state that this objective does not hold. "
                "Make it once, outside of the guide, and initialise with arguments that reach the site."
            )

    @staticmethod
    def _check_sharing(site: Site, estimator: GradientEstimator, estimate: Estimate, groups: list[Dims]) -> None:
        """Refuse estimators that combine members of a plate whose cost is not theirs alone."""
        dims = dims_of(site.plates)
        if isinstance(estimator, ScoreFunction | LeaveOneOut):
            return
        for number, group in enumerate(groups):
            if group != dims and bool((estimate.terms.get(f"spread {number}", _NONE) != 0).any()):
                raise ValueError(
                    f"Site {site.name!r} ({site.where}) stands in a plate and names {type(estimator).__name__}, which takes the outcomes "
                    "of its members one by one; but a term outside of that plate depends on all of them. Use LeaveOneOut or "
                    "ScoreFunction."
                )


_NONE = torch.zeros(())


def _is_cut(site: Site, prefix: dict[str, Tensor]) -> bool:
    """Whether the site's estimator runs the rest itself."""
    return site.estimator is not None and site.latent and site.name not in prefix and not _needs_one_run(site)


def _needs_one_run(site: Site) -> bool:
    estimator = site.estimator
    if site.num_samples not in (None, 1):
        return False
    return type(estimator) is Pathwise or (
        type(estimator) is ScoreFunction
        and (estimator.control_variate is None or estimator.control_variate.extra_evaluations == 0)
    )


def _is_pathwise(site: Site) -> bool:
    assert site.distribution is not None
    if type(site.estimator) is Pathwise and not site.distribution.has_rsample:
        raise ValueError(
            f"Site {site.name!r} ({site.where}) names Pathwise, and {type(site.distribution).__name__} has no differentiable samples. Use "
            "ScoreFunction, LeaveOneOut, or Enumeration if its outcomes are few."
        )
    return site.distribution.has_rsample and (site.estimator is None or type(site.estimator) is Pathwise)


def _control_variate(site: Site) -> ControlVariate | None:
    return site.estimator.control_variate if isinstance(site.estimator, ScoreFunction) else None


def _values(guide: Trace) -> dict[str, Tensor]:
    return {name: site.value for name, site in guide.sites.items() if site.kind in ("sample", "subsample")}


def _at(site: Site, value: Tensor) -> Site:
    return Site(
        "sample",
        site.name,
        site.distribution,
        value,
        scale=site.scale,
        mask=site.mask,
        plates=site.plates,
        place=site.place,
    )


def _not_callable(z: Tensor) -> Tensor:
    raise AssertionError("a control variate without extra evaluations called f")

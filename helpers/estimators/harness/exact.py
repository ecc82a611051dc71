"""The exact harness: what a target's gradient is, and what an estimator's mean and variance are, by enumeration in float64."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from helpers.distributions import support
from helpers.estimators.base import Estimate, GradientEstimator, Integrand, Target, evaluate
from helpers.estimators.draws import DrawSource, drawing_from
from helpers.estimators.harness.every_outcome import MAX_OUTCOMES, EveryOutcome
from helpers.estimators.harness.moments import GradientMoments, Moments, gradient_of, same_state
from helpers.estimators.harness.quadrature import UniformRule


@dataclass(frozen=True)
class ExactGradient:
    """value: [*batch] of the target. gradient: of the value's sum over the batch, one tensor per parameter."""

    value: Tensor
    gradient: tuple[Tensor, ...]


def exact_gradient(
    f: Integrand,
    q: Distribution,
    target: Target = "expectation",
    num_samples: int = 1,
    *,
    parameters: Iterable[Tensor],
    max_outcomes: int = MAX_OUTCOMES,
) -> ExactGradient:
    """Value and gradient of a target, by summing over all outcomes and differentiating the sum.

    "expectation":   sum_z q(z) f(z), whatever num_samples is.
    "log_mean_exp":  sum over z_1 ... z_S of prod_s q(z_s) log 1/S sum_s exp f(z_s).

    f: without draws of its own; where it is nested, let `Enumeration` be inside.
    q: finite support, batch_shape [*batch].
    parameters: float64 tensors, f's and q's.

    Raises ValueError where there are more than `max_outcomes` terms, or where f draws.
    """
    parameters = _double(parameters)
    z = support(q)  # [support, *batch, *event]
    draws = num_samples if target == "log_mean_exp" else 1
    if len(z) ** draws > max_outcomes:
        raise ValueError(
            f"The target {target!r} with {draws} sample(s) is a sum over {len(z)}^{draws} outcomes, and max_outcomes is {max_outcomes:,}. "
            "Use fewer bits or samples, or an unbiased estimator with `sampled_moments`, which has standard errors."
        )
    with drawing_from(_NoDraws()):
        inner = evaluate(f, z, q)
    log_prob = q.log_prob(z)  # [support, *batch]
    reward = inner.value + (inner.surrogate - inner.surrogate.detach())  # the value of one, the gradient of the other
    reward = torch.where(
        log_prob > -torch.inf, reward, 0.0
    )  # what cannot happen does not count, even where f is infinite there
    tuples = torch.cartesian_prod(*[torch.arange(len(z), device=z.device)] * draws).reshape(-1, draws)
    log_mean_exp = reward[tuples].logsumexp(1) - math.log(draws)  # [tuples, *batch]; of one draw: itself
    value = (log_prob[tuples].sum(1).exp() * log_mean_exp).sum(0)
    return ExactGradient(value.detach(), gradient_of(Estimate(value, value), parameters))


def exact_moments(
    estimator: GradientEstimator,
    f: Integrand,
    q: Distribution,
    num_samples: int | None = None,
    *,
    parameters: Iterable[Tensor],
    context: Tensor | None = None,
    stateful: Sequence[nn.Module] = (),
    max_outcomes: int = MAX_OUTCOMES,
    uniform: UniformRule | None = None,
    gaussian_nodes: int | None = None,
) -> Moments:
    """Exact mean and exact variance, per coordinate, of an estimator's gradient: a sum over all outcomes of all its draws.

    Arguments as the estimator's, and:
    parameters: float64 tensors, f's and q's, whose gradients are looked at.
    stateful: modules with state besides the estimator, such as estimators nested in f.
    max_outcomes: of all draws together; more raise a ValueError that says how many.
    uniform, gaussian_nodes: quadrature for continuous noise; see `EveryOutcome`.

    The estimator runs in training mode, and each outcome starts from the same saved state, so that a statistic that lets the
    present draws into their own gradient shows as a bias. State and mode are put back at the end.
    """
    return exact_moments_of(
        lambda: estimator(f, q, num_samples, context=context),
        parameters=parameters,
        stateful=(estimator, *stateful),
        source=EveryOutcome(max_outcomes, uniform, gaussian_nodes),
    )


def exact_moments_of(
    run: Callable[[], Estimate],
    *,
    parameters: Iterable[Tensor],
    stateful: Sequence[nn.Module] = (),
    source: EveryOutcome | None = None,
) -> Moments:
    """`exact_moments` of anything that returns an `Estimate`, such as an objective: run = lambda: objective(x).

    stateful: modules to run in training mode, whose buffers are put back before each outcome.
    """
    parameters = _double(parameters)
    source = EveryOutcome() if source is None else source
    stream, count = GradientMoments(parameters), 0
    generator = torch.get_rng_state()
    with same_state(stateful) as restore:

        def one_outcome() -> Estimate:
            restore()
            return run()

        for probability, estimate in source.outcomes(one_outcome):
            stream.add(estimate, probability)
            count += 1
    if not torch.equal(generator, torch.get_rng_state()):
        raise ValueError(
            "Something drew from torch's generator behind the source of draws, so these moments would not be exact. Usual causes: an "
            "estimator that calls q.sample, or dropout."
        )
    return stream.moments(count)


class _NoDraws(DrawSource):
    def sample(self, q: Distribution, num_samples: int) -> Tensor:
        raise ValueError(
            "f draws, and an exact gradient wants an f of z alone. Let the estimator inside f be `Enumeration`."
        )

    def rsample(self, q: Distribution, num_samples: int) -> Tensor:
        return self.sample(q, num_samples)

    def uniform(self, shape: torch.Size, like: Tensor) -> Tensor:
        raise ValueError(
            "f draws, and an exact gradient wants an f of z alone. Let the estimator inside f be `Enumeration`."
        )


def _double(parameters: Iterable[Tensor]) -> tuple[Tensor, ...]:
    parameters = (parameters,) if isinstance(parameters, Tensor) else tuple(parameters)
    for parameter in parameters:
        if parameter.dtype != torch.float64:
            raise ValueError(
                f"Exact means float64, and a parameter of dtype {parameter.dtype} was given: use model.double()."
            )
    return parameters

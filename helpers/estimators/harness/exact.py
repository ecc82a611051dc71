"""The exact harness: a target's gradient, and an estimator's mean and variance, by enumeration in float64."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from helpers.distributions import support
from helpers.estimators.base import GradientEstimator, Integrand, Target, evaluate
from helpers.estimators.draws import DrawSource, drawing_from
from helpers.estimators.estimate import Estimate
from helpers.estimators.harness.every_outcome import MAX_OUTCOMES, EveryOutcome
from helpers.estimators.harness.moments import GradientMoments, Moments, gradient_of, same_state
from helpers.estimators.harness.quadrature import UniformRule
from helpers.estimators.parts.off_support import differentiable
from helpers.estimators.parts.possible import possible_outcomes


@dataclass(frozen=True)
class ExactGradient:
    """A target's value and gradient.

    Args:
        value: The target, [*batch].
        gradient: Gradient of the value's sum over the batch, one tensor per parameter.
    """

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

    "expectation":   sum_z q(z) f(z), for any num_samples.
    "log_mean_exp":  sum over z_1 ... z_S of prod_s q(z_s) log 1/S sum_s exp f(z_s).

    Args:
        f: Integrand: z [S, *batch, *event] → [S, *batch]. It must not draw; a nested f uses `Enumeration`.
        q: Distribution with a finite support and batch_shape [*batch].
        target: "expectation" or "log_mean_exp".
        num_samples: Samples inside the logarithm, S; not used by "expectation".
        parameters: float64 tensors of f and q whose gradients are returned.
        max_outcomes: Largest number of terms of the sum.

    Returns:
        The value [*batch], and one gradient tensor per parameter.

    Raises:
        ValueError: If there are more than `max_outcomes` terms, if f draws, or if a parameter is not float64.
    """
    parameters = _all_double(parameters)
    z = support(q)  # [support, *batch, *event]
    draws = num_samples if target == "log_mean_exp" else 1
    if len(z) ** draws > max_outcomes:
        raise ValueError(
            f"The target {target!r} with {draws} sample(s) is a sum over {len(z)}^{draws} outcomes, and max_outcomes is {max_outcomes:,}. "
            "Use fewer bits or samples, or an unbiased estimator with `sampled_moments`, which has standard errors."
        )
    log_prob = q.log_prob(z)  # [support, *batch]
    # Outcomes of probability 0 do not count, even if f is infinite there.
    with drawing_from(_NoDraws()):
        inner = evaluate(f, possible_outcomes(z, log_prob.detach().exp(), q), q)
    reward = differentiable(inner)
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

    The estimator runs in training mode, and each outcome starts from the same saved state, so that a running statistic that includes
    the current draws before it is used shows as a bias. State and mode are restored at the end.

    Args:
        estimator: The estimator.
        f: Integrand, as in the estimator's call.
        q: Distribution with batch_shape [*batch], as in the estimator's call.
        num_samples: Evaluations of f per datum. None: the estimator's minimum.
        parameters: float64 tensors of f and q whose gradients are examined.
        context: As in the estimator's call.
        stateful: Other modules with state, such as estimators nested in f.
        max_outcomes: Largest number of joint outcomes of all draws.
        uniform: Quadrature for uniform noise; see `EveryOutcome`.
        gaussian_nodes: Quadrature nodes for Gaussian noise; see `EveryOutcome`.

    Returns:
        Moments of the value and of the surrogate's gradient.

    Raises:
        ValueError: If there are more than `max_outcomes`, if a draw has no outcomes to list, if something draws from torch's generator
            directly, or if a parameter is not float64.
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
    """`exact_moments` of any computation that returns an `Estimate`, such as an objective: run = lambda: objective(x).

    Args:
        run: The computation.
        parameters: float64 tensors whose gradients are examined.
        stateful: Modules that run in training mode, and whose buffers are restored before each outcome.
        source: Where outcomes come from. None: `EveryOutcome()`, without quadrature.

    Returns:
        Moments of the value and of the surrogate's gradient.

    Raises:
        ValueError: As in `exact_moments`.
    """
    parameters = _all_double(parameters)
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
            "Something drew from torch's generator, behind the source of draws, so these moments are not exact. Usual causes: an "
            "estimator that calls q.sample, or dropout."
        )
    return stream.moments(count)


class _NoDraws(DrawSource):
    def sample(self, q: Distribution, num_samples: int) -> Tensor:
        raise ValueError("f draws, and an exact gradient needs an f of z alone. Use `Enumeration` inside f.")

    def rsample(self, q: Distribution, num_samples: int) -> Tensor:
        return self.sample(q, num_samples)

    def uniform(self, shape: torch.Size, like: Tensor) -> Tensor:
        raise ValueError("f draws, and an exact gradient needs an f of z alone. Use `Enumeration` inside f.")


def _all_double(parameters: Iterable[Tensor]) -> tuple[Tensor, ...]:
    parameters = (parameters,) if isinstance(parameters, Tensor) else tuple(parameters)
    for parameter in parameters:
        if parameter.dtype != torch.float64:
            raise ValueError(
                f"Exact means float64, and a parameter of dtype {parameter.dtype} was given: use model.double()."
            )
    return parameters

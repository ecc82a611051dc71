"""What an estimator is called with, checked before anything is drawn: each mistake is a sentence."""

from __future__ import annotations

from types import FunctionType
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from helpers.estimators.estimate import Estimate
from helpers.networks.sizes import is_number


def check_call(f: object, q: object, context: object, caller: str) -> None:
    """Check the arguments of an estimator's call.

    Args:
        f: Should be callable, and not a distribution.
        q: Should be a distribution.
        context: Should be a tensor or None.
        caller: Name of the estimator, for the message.

    Raises:
        ValueError: If an argument is of another kind. The message names the usual cause.
    """
    if isinstance(q, Distribution) and callable(f) and not isinstance(f, type):
        if context is None or isinstance(context, Tensor):
            return
        raise ValueError(
            f"{caller} was given a context of type {type(context).__name__}; expected a tensor [*batch, ...] or None."
        )
    if isinstance(f, Distribution) and callable(q):
        raise ValueError(
            f"{caller} was given a distribution as f and a {type(q).__name__} as q; expected estimator(f, q), f first. They are swapped."
        )
    if not isinstance(q, Distribution):
        cause = ""
        if isinstance(q, Tensor):
            cause = " Usual cause: samples or logits in place of the distribution, such as Bernoulli(logits=logits)."
        elif isinstance(q, type):
            cause = " A class was given: call it with its parameters."
        elif isinstance(q, nn.Module):
            cause = " Usual cause: a guide or a conditional that was not called: q = guide(x)."
        raise ValueError(f"{caller} was given q of type {_kind(q)}; expected a torch distribution q(z).{cause}")
    raise ValueError(
        f"{caller} was given f of type {_kind(f)}; expected a function z [samples, *batch, *event] → [samples, *batch]."
        f"{' Usual cause: f(z) in place of f.' if isinstance(f, Tensor | Estimate) else ''}"
    )


def check_result(result: object) -> Estimate:
    """f's result as an `Estimate`, its kind checked, not its shape.

    Args:
        result: What f returned.

    Returns:
        The result, or an `Estimate` of it.

    Raises:
        ValueError: If it is neither an `Estimate` nor a tensor of real floating point.
    """
    if isinstance(result, Estimate):
        return result
    if isinstance(result, Tensor):
        if result.is_floating_point():
            return Estimate.of(result)
        cause = "Usual cause: a comparison or a count; convert it with .float()."
        if result.is_complex():
            cause = "A reward is a real number: take .real or .abs()."
        raise ValueError(f"f returned a tensor of dtype {result.dtype}; expected real floating point. {cause}")
    cause = ""
    if result is None:
        cause = " Usual cause: f has no return statement."
    elif isinstance(result, tuple | list):
        cause = " Return one tensor; further quantities travel as terms: Estimate.of(value, rate=rate)."
    elif isinstance(result, Distribution):
        cause = " Usual cause: .log_prob(x) was forgotten."
    elif isinstance(result, float | int):
        cause = " Usual cause: .item() or a mean over everything inside f."
    raise ValueError(
        f"f returned a {type(result).__name__}; expected a tensor [samples, *batch] or an Estimate of that shape.{cause}"
    )


def check_instance(given: object, kind: type, caller: str, expected: str) -> None:
    """Check that an argument is an instance of a class.

    Args:
        given: The argument.
        kind: The class.
        caller: Name of the class or function that was given it, for the message.
        expected: What was expected, in words, such as "a control variate such as CentredReward()".

    Raises:
        ValueError: If it is not. The message names the usual cause.
    """
    if isinstance(given, kind):
        return
    cause = ""
    if isinstance(given, type):
        cause = f" Write {given.__name__}() with parentheses, and its arguments if it has any."
    elif isinstance(given, FunctionType):
        cause = " Usual cause: f and q belong into the call of an estimator, after it is made: Pathwise()(f, q)."
    raise ValueError(f"{caller} was given {_kind(given)}; expected {expected}.{cause}")


def check_temperature(temperature: float) -> None:
    """Check the temperature of a relaxation.

    Args:
        temperature: The argument.

    Raises:
        ValueError: If it is not a finite number above 0.
    """
    if not is_number(temperature) or not temperature > 0:
        raise ValueError(f"The temperature is above 0, and {temperature!r} was given; expected a finite number.")


def refuse_scored(each: Estimate, caller: str) -> None:
    """Check that the inner estimate of a log-mean-exp has a surrogate that follows its value.

    Args:
        each: What f returned.
        caller: Name of the outer estimator, for the message.

    Raises:
        ValueError: If the surrogate of `each` holds a score.
    """
    if each.scored:
        raise ValueError(
            f"{caller} has a log-mean-exp as its target, and f is an Estimate whose surrogate holds a score (ScoreFunction, LeaveOneOut, "
            "DisArm, ... inside). Its gradient is right on average and not sample by sample, so weighting it by the sample is biased. Nest "
            "Enumeration or Pathwise inside, or take all variables as one: a single Vimco over their joint distribution."
        )


def gradients_wanted() -> bool:
    """Whether a call can be differentiated: not under `no_grad`, and not under `inference_mode`.

    Returns:
        True if autograd records operations.
    """
    return torch.is_grad_enabled() and not torch.is_inference_mode_enabled()


def _kind(given: Any) -> str:
    return f"the class {given.__name__}" if isinstance(given, type) else type(given).__name__

"""Whether two results are the same: values and gradients, to the tolerance that `check` states."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from helpers.exercises.engine.run import Gradients, Run

RELATIVE, ABSOLUTE = 1e-6, 1e-8  # in float64; the second in units of the largest number expected, or of 1
TOLERANCE = "1e-6 of the value in float64"
LOOSE = 1e-2  # in float32, where only dtype, overflow and cancellation are judged
ROUNDING = 1e-5  # absolute, of a gradient in float32, in units of the largest number expected, or of 1
MORE_ROUNDING = 100  # an answer may lose so many times what the solution itself loses in float32


def close(got: Any, want: Any, relative: float = RELATIVE, absolute: float = ABSOLUTE) -> bool:
    """Whether two outputs are the same: type, shape, dtype, device, and values to tolerance.

    Integers and truth values must be equal. NaN equals NaN.

    Args:
        got: An output of the answer: a tensor of any shape, or any other object.
        want: The output of the solution.
        relative: Relative tolerance.
        absolute: Absolute tolerance, in units of the largest finite magnitude in `want`, but at least of 1.

    Returns:
        True if they are the same.
    """
    if not isinstance(want, Tensor) or not isinstance(got, Tensor):
        return _close_plain(got, want)
    if got.shape != want.shape or got.dtype != want.dtype or got.device != want.device or got.layout != want.layout:
        return False
    got, want = got.detach(), want.detach()
    if not (want.is_floating_point() or want.is_complex()):
        return torch.equal(got, want)
    finite = want[torch.isfinite(want)].abs()
    scale = max(1.0, finite.max().item()) if finite.numel() else 1.0
    return torch.allclose(got, want, rtol=relative, atol=absolute * scale, equal_nan=True)


def _close_plain(got: Any, want: Any) -> bool:
    if isinstance(got, Tensor) or isinstance(want, Tensor) or isinstance(got, bool) != isinstance(want, bool):
        return False
    if isinstance(got, (int, float)) and isinstance(want, (int, float)):
        return math.isclose(got, want, rel_tol=RELATIVE, abs_tol=ABSOLUTE) or (got != got and want != want)
    if isinstance(got, (list, tuple)) and isinstance(want, (list, tuple)):
        return len(got) == len(want) and all(close(*pair) for pair in zip(got, want, strict=True))
    try:
        return type(got) is type(want) and bool(got == want)
    except Exception:  # arrays and other objects without one truth value count as different
        return False


def close_gradients(got: Run, want: Run) -> bool:
    """Whether the gradients of all outputs agree. A missing gradient counts as zero.

    Args:
        got: A run of the answer.
        want: A run of the solution on equal arguments, with as many outputs.

    Returns:
        True if all gradients agree, or if both backward passes raise the same message.
    """
    if got.gradient_error or want.gradient_error:
        return str(got.gradient_error) == str(want.gradient_error)
    pairs = zip(got.gradients, want.gradients, strict=True)
    return all(not differing_gradients(given, wanted) for given, wanted in pairs)


def differing_gradients(got: Gradients, want: Gradients) -> list[str]:
    """The arguments with respect to which the gradients of one output differ.

    Args:
        got: Gradients of the answer's output, by argument.
        want: Gradients of the solution's output, by argument.

    Returns:
        Names of arguments, those of the solution first. Empty if all gradients agree.
    """
    return [name for name in {**want, **got} if not close(*_filled(got.get(name), want.get(name)))]


def close_float32_gradients(got: Run, want: Run, exact: Run) -> bool:
    """Whether gradients taken in float32 are about those in float64.

    Args:
        got: The answer's run in float32.
        want: The solution's run in float32, which says how much rounding the task itself brings.
        exact: The solution's run in float64.

    Returns:
        True unless a gradient is off by more than 1 % and more than rounding explains. A gradient for which the solution's own is
        not finite is not judged.
    """
    return not float32_gradients_off(got, want, exact)


def float32_gradients_off(got: Run, want: Run, exact: Run) -> list[tuple[int, str, Tensor, Tensor]]:
    """The gradients in float32 that are further off than rounding explains.

    Args:
        got: The answer's run in float32.
        want: The solution's run in float32.
        exact: The solution's run in float64.

    Returns:
        Index of the output, name of the argument, the given and the right gradient, for each of them.
    """
    if got.gradient_error or want.gradient_error or exact.gradient_error:
        return []  # float64 has judged the backward pass
    found = []
    for index, (given, ours, right) in enumerate(zip(got.gradients, want.gradients, exact.gradients, strict=True)):
        for name, wanted in right.items():
            rounded, here = ours.get(name), given.get(name)
            if rounded is None or not torch.isfinite(rounded).all():
                continue
            here = torch.zeros_like(wanted) if here is None else here.double()
            lost = (rounded.double() - wanted).abs().max().item() if wanted.numel() else 0.0
            scale = max(1.0, wanted.abs().max().item()) if wanted.numel() else 1.0
            slack = max(ROUNDING * scale, MORE_ROUNDING * lost)
            if not torch.allclose(here, wanted.double(), rtol=LOOSE, atol=slack):
                found.append((index, name, here, wanted))
    return found


def _filled(got: Tensor | None, want: Tensor | None) -> tuple[Tensor, Tensor]:
    some = got if got is not None else want
    assert some is not None
    return torch.zeros_like(some) if got is None else got, torch.zeros_like(some) if want is None else want

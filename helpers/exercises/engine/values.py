"""Comparing numbers, and naming how they differ: sign, factor, offset, a mean for a sum, gradients."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from helpers.exercises.engine.run import Gradients, Run

RELATIVE, ABSOLUTE = 1e-6, 1e-8  # in float64; the second in units of the largest number expected, or of 1
TOLERANCE = "1e-6 of the value in float64"
LOOSE = 1e-2  # in float32, where only dtype and overflow are judged

Pairs = Sequence[tuple[Tensor, Tensor]]  # (given, wanted), one a case, of equal shapes

FACTORS = {2.0: "2 times too large", 0.5: "half of what is asked", 4.0: "4 times too large", 0.25: "a quarter of what is asked",
           math.log(2): "ln 2 times the right one: are the units bits or nats?",
           1 / math.log(2): "1 / ln 2 times the right one: bits in place of nats?",
           math.sqrt(2): "√2 times too large", math.sqrt(0.5): "too small by the factor √2", math.pi: "π times too large",
           2 * math.pi: "2π times too large", math.sqrt(2 * math.pi): "√(2π) times too large"}  # fmt: skip
OFFSETS = {0.5 * math.log(2 * math.pi): "½ log 2π", math.log(2 * math.pi): "log 2π", 0.5 * math.log(math.pi): "½ log π",
           math.log(2): "log 2",
           0.5 * math.log(2): "½ log 2", 1.0: "1", 0.5: "½", 0.5 * (1 + math.log(2 * math.pi)): "½ (1 + log 2π)"}  # fmt: skip
FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "the exponential of the right one: a logarithm is missing": torch.exp,
    "the logarithm of the right one: an exponential is missing": torch.log,
    "the square of the right one: a square root is missing": torch.square,
    "the square root of the right one: a square is missing": torch.sqrt,
    "one over the right one": torch.reciprocal,
    "one minus the right one": lambda want: 1 - want,
}


def close(got: Any, want: Any, relative: float = RELATIVE, absolute: float = ABSOLUTE) -> bool:
    """Whether two outputs are the same: type, shape, dtype, and numbers to tolerance (equal where they are no floats; NaN equals NaN)."""
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
    except Exception:  # arrays, and whatever else has no one truth value: said to be no tensors, never equal
        return False


def close_gradients(got: Run, want: Run) -> bool:
    """Whether the gradients of all outputs agree; no gradient counts as zero."""
    if got.gradient_error or want.gradient_error:
        return str(got.gradient_error) == str(want.gradient_error)
    pairs = zip(got.gradients, want.gradients, strict=True)
    return all(not wrong_gradients(given, wanted) for given, wanted in pairs)


def wrong_gradients(got: Gradients, want: Gradients) -> list[str]:
    """With respect to which arguments the gradients of one output differ."""
    return [name for name in {**want, **got} if not close(*_filled(got.get(name), want.get(name)))]


def _filled(got: Tensor | None, want: Tensor | None) -> tuple[Tensor, Tensor]:
    some = got if got is not None else want
    assert some is not None
    return torch.zeros_like(some) if got is None else got, torch.zeros_like(some) if want is None else want


def how_they_differ(pairs: Pairs, sizes: Sequence[dict[str, int]]) -> str | None:
    """The one relation that holds between given and wanted on every case, as what comes after "your answer is"; else None.

    sizes: per case the sizes of the named dimensions.
    """
    pairs = [(got.detach().double(), want.detach().double()) for got, want in pairs]
    if holds(pairs, lambda want: -want):
        return "the right one with the wrong sign"
    factors = [_ratio(got, want) for got, want in pairs]
    if all(factor is not None for factor in factors):
        known = [factor for factor in factors if factor == factor]  # without the cases where all is zero
        by_size = _size_factor(factors, sizes)
        if by_size:
            return by_size
        if known and all(math.isclose(factor, known[0], rel_tol=1e-6) for factor in known):
            return _factor_words(known[0])
    offsets = [_offset(got, want) for got, want in pairs]
    if all(offset is not None for offset in offsets):
        return _offset_words(offsets, sizes)
    for words, function in FUNCTIONS.items():
        if holds(pairs, function):
            return words
    if all(want.ndim >= 2 for _, want in pairs) and holds(pairs, lambda want: want.transpose(-1, -2)):
        return "the right one, transposed"
    for dimension in range(-min(want.ndim for _, want in pairs), 0):
        if holds(pairs, lambda want, d=dimension: want.flip(d)):
            return f"the right one in reversed order along dimension {dimension}"
        if holds(pairs, lambda want, d=dimension: want.sum(d, keepdim=True).expand_as(want)):
            return f"the right one summed over dimension {dimension}, and repeated along it"
    return None


def holds(pairs: Pairs, function: Callable[[Tensor], Tensor]) -> bool:
    """Whether given == function(wanted) on all cases."""
    changed = [(got, function(want)) for got, want in pairs]
    return all(torch.isfinite(want).all() and close(got, want) for got, want in changed)


def _ratio(got: Tensor, want: Tensor) -> float | None:
    """The c of given == c * wanted; NaN where both are zero, None where there is none."""
    if not want.numel() or (not want.any() and not got.any()):
        return math.nan
    largest = want.abs().argmax()
    ratio = (got.flatten()[largest] / want.flatten()[largest]).item()
    return ratio if math.isfinite(ratio) and close(got, ratio * want) else None


def _offset(got: Tensor, want: Tensor) -> float | None:
    offset = (got - want).flatten()[0].item() if want.numel() else 0.0
    return offset if math.isfinite(offset) and close(got, want + offset) else None


def _size_factor(factors: Sequence[float], sizes: Sequence[dict[str, int]]) -> str | None:
    for name in sizes[0] if sizes else ():
        n = [size.get(name, 1) for size in sizes]
        if max(n) == 1:
            continue
        told = [(factor, size) for factor, size in zip(factors, n, strict=True) if factor == factor]
        if told and all(math.isclose(factor, size, rel_tol=1e-6) for factor, size in told):
            return f"too large by the size of `{name}`: a sum over `{name}` stands where a mean is asked"
        if told and all(math.isclose(factor, 1 / size, rel_tol=1e-6) for factor, size in told):
            return f"too small by the size of `{name}`: a mean over `{name}` stands where a sum is asked"
    return None


def _factor_words(factor: float) -> str:
    sign = " and has the wrong sign" if factor < 0 else ""
    if abs(factor) < 1e-12:
        return "zero everywhere"
    for known, words in FACTORS.items():
        for value, text in ((known, words), (1 / known, None)):
            if math.isclose(abs(factor), value, rel_tol=1e-6) and (text or value not in FACTORS):
                return (text or f"too small by the factor {known:.4g}") + sign
    return f"{factor:.4g} times the right one"


def _offset_words(offsets: Sequence[float], sizes: Sequence[dict[str, int]]) -> str | None:
    for per, counts in [
        ("", [1] * len(offsets)),
        *((name, [size.get(name, 1) for size in sizes]) for name in (sizes[0] if sizes else ())),
    ]:
        each = [offset / count for offset, count in zip(offsets, counts, strict=True)]
        if abs(each[0]) < 1e-9 or not all(math.isclose(offset, each[0], rel_tol=1e-6) for offset in each):
            continue
        amount = next(
            (words for known, words in OFFSETS.items() if math.isclose(abs(each[0]), known, rel_tol=1e-6)),
            f"{abs(each[0]):.4g}",
        )
        return (
            f"too {'large' if each[0] > 0 else 'small'} by {amount}"
            + (f" for each of `{per}`" if per else "")
            + ": is a constant missing or added?"
        )
    return None

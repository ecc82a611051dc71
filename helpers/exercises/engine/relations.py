"""Naming how wrong values differ from the right ones: sign, factor, offset, a mean for a sum, a transposition."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from helpers.exercises.engine.closeness import close

Pairs = Sequence[tuple[Tensor, Tensor]]  # (given, wanted), one a case, of equal shapes

FACTORS = {2.0: "2 times too large", 0.5: "half of the expected value", 4.0: "4 times too large", 0.25: "a quarter of the expected value",
           math.log(2): "ln 2 times the right one: are the units bits or nats?",
           1 / math.log(2): "1 / ln 2 times the right one: bits in place of nats?",
           math.sqrt(2): "√2 times too large", 1 / math.sqrt(2): "too small by the factor √2", math.pi: "π times too large",
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


def how_they_differ(pairs: Pairs, sizes: Sequence[dict[str, int]]) -> str | None:
    """The one relation between given and wanted values that holds on every case.

    Args:
        pairs: Given and wanted tensor of each case, of equal shapes.
        sizes: For each case, the sizes of the named dimensions.

    Returns:
        Words that follow "Your answer is", such as "2 times too large"; None if no known relation holds.
    """
    pairs = [(got.detach().double(), want.detach().double()) for got, want in pairs]
    if _holds(pairs, lambda want: -want):
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
    if all(offset is not None for offset in offsets) and (words := _offset_words(offsets, sizes)) is not None:
        return words
    for words, function in FUNCTIONS.items():
        if _holds(pairs, function):
            return words
    if all(want.ndim >= 2 for _, want in pairs) and _holds(pairs, lambda want: want.transpose(-1, -2)):
        return "the right one, transposed"
    for dimension in range(-min(want.ndim for _, want in pairs), 0):
        if _holds(pairs, lambda want, d=dimension: want.flip(d)):
            return f"the right one in reversed order along dimension {dimension}"
        if _holds(pairs, lambda want, d=dimension: want.sum(d, keepdim=True).expand_as(want)):
            return f"the right one summed over dimension {dimension}, and repeated along it"
    return None


def _holds(pairs: Pairs, function: Callable[[Tensor], Tensor]) -> bool:
    """Whether given == function(wanted) on every case."""
    changed = [(got, function(want)) for got, want in pairs]
    return all(torch.isfinite(want).all() and close(got, want) for got, want in changed)


def _ratio(got: Tensor, want: Tensor) -> float | None:
    """The c of given == c * wanted; NaN if both are zero, None if there is no such c."""
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
        counts = [size.get(name, 1) for size in sizes]
        if max(counts) == 1:
            continue
        comparable = [(factor, size) for factor, size in zip(factors, counts, strict=True) if factor == factor]
        if comparable and all(math.isclose(factor, size, rel_tol=1e-6) for factor, size in comparable):
            return f"too large by the size of `{name}`: a sum over `{name}` is used where a mean is needed"
        if comparable and all(math.isclose(factor, 1 / size, rel_tol=1e-6) for factor, size in comparable):
            return f"too small by the size of `{name}`: a mean over `{name}` is used where a sum is needed"
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

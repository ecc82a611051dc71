"""Naming how wrong values differ from the right ones: sign, factor, offset, a mean for a sum, a transposition."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

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


@dataclass(frozen=True)
class Relation:
    """How all wrong values follow from the right ones.

    Args:
        words: Words that follow "Your answer is", such as "2 times too large".
        id: What a table of many answers can count, as "negated"; "" for a factor or an offset without a name.
    """

    words: str
    id: str = ""


def how_they_differ(
    pairs: Pairs, sizes: Sequence[dict[str, int]], numbers: Sequence[dict[str, float]] = ()
) -> Relation | None:
    """The one relation between given and wanted values that holds on every case.

    Args:
        pairs: Given and wanted tensor of each case, of equal shapes.
        sizes: For each case, the sizes of the named dimensions.
        numbers: For each case, the arguments that are one number.

    Returns:
        The relation; None if no known relation holds.
    """
    pairs = [(got.detach().double(), want.detach().double()) for got, want in pairs]
    if _holds(pairs, lambda want: -want):
        return Relation("the right one with the wrong sign", "negated")
    measures = list(quantities(sizes, numbers))
    factors = [_ratio(got, want) for got, want in pairs]
    if all(factor is not None for factor in factors):
        known = [factor for factor in factors if factor == factor]  # without the cases where all is zero
        if by_size := _size_factor(factors, measures):
            return by_size
        if known and all(math.isclose(factor, known[0], rel_tol=1e-6) for factor in known):
            return _factor(known[0])
    offsets = [_offset(got, want) for got, want in pairs]
    if all(offset is not None for offset in offsets) and (found := _offset_words(offsets, sizes, measures)) is not None:
        return found
    for words, function in FUNCTIONS.items():
        if _holds(pairs, function):
            return Relation(words, words.split(":")[0].replace(" of the right one", "").replace(" ", "-"))
    if all(want.ndim >= 2 for _, want in pairs) and _holds(pairs, lambda want: want.transpose(-1, -2)):
        return Relation("the right one, transposed", "transposed")
    for dimension in range(-min(want.ndim for _, want in pairs), 0):
        for words, id, function in _along(dimension):
            if _holds(pairs, function):
                return Relation(words, id)
    return None


def _along(d: int) -> Sequence[tuple[str, str, Callable[[Tensor], Tensor]]]:
    return (
        (f"the right one in reversed order along dimension {d}", "reversed", lambda want: want.flip(d)),
        (f"the right one shifted by one along dimension {d}: an index is off by one", "shifted", lambda want: want.roll(1, d)),
        (f"the right one shifted back by one along dimension {d}: an index is off by one", "shifted-back",
         lambda want: want.roll(-1, d)),
        (f"the right one summed over dimension {d}, and repeated along it", "summed",
         lambda want: want.sum(d, keepdim=True).expand_as(want)),
        (f"the right one averaged over dimension {d}, and repeated along it", "averaged",
         lambda want: want.mean(d, keepdim=True).expand_as(want)),
        (f"the right one less its mean over dimension {d}", "centred", lambda want: want - want.mean(d, keepdim=True)),
        (f"the right one summed up along dimension {d}", "cumulated", lambda want: want.cumsum(d)),
        (f"the softmax of the right one over dimension {d}", "softmax", lambda want: want.softmax(d)),
        (f"the log-softmax of the right one over dimension {d}", "log-softmax", lambda want: want.log_softmax(d)),
    )  # fmt: skip


def quantities(
    sizes: Sequence[dict[str, int]], numbers: Sequence[dict[str, float]] = ()
) -> Iterator[tuple[str, str, list[float]]]:
    """Quantities by which a result can be off: sizes of dimensions, arguments that are numbers, their products and ratios.

    Args:
        sizes: For each case, the sizes of the named dimensions.
        numbers: For each case, the arguments that are one number.

    Yields:
        Words, id, and the value on each case; only quantities that differ between cases, since another proves nothing.
    """
    count = len(sizes)

    def differing(words: str, id: str, values: list[float]) -> Iterator[tuple[str, str, list[float]]]:
        if all(math.isfinite(value) and value > 0 for value in values) and len(set(values)) > 1:
            yield words, id, values

    dims = {name: [float(size.get(name, 1)) for size in sizes] for name in (sizes[0] if sizes else ())}
    plain = {
        name: [float(number[name]) for number in numbers]
        for name in (numbers[0] if len(numbers) == count and numbers else ())
        if all(name in number for number in numbers)
    }
    for name, values in dims.items():
        yield from differing(f"the size of `{name}`", name, values)
    for name, values in plain.items():
        yield from differing(f"`{name}`", name, values)
    for name, values in dims.items():
        yield from differing(f"the size of `{name}` less one", f"{name}-less-one", [value - 1 for value in values])
        yield from differing(f"the root of the size of `{name}`", f"root-{name}", [value**0.5 for value in values])
        ratio = [value / (value - 1) if value > 1 else math.nan for value in values]
        yield from differing(f"S / (S − 1), S the size of `{name}`,", f"{name}-over-less-one", ratio)
    both = {**{f"the size of `{name}`": (name, values) for name, values in dims.items()},
            **{f"`{name}`": (name, values) for name, values in plain.items()}}  # fmt: skip
    for (one, (a, left)), (other, (b, right)) in combinations(both.items(), 2):
        pairs = list(zip(left, right, strict=True))
        yield from differing(f"{one} times {other}", f"{a}-times-{b}", [x * y for x, y in pairs])
        yield from differing(f"{one} over {other}", f"{a}-over-{b}", [x / y if y else math.nan for x, y in pairs])


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


def _size_factor(factors: Sequence[float], measures: Sequence[tuple[str, str, list[float]]]) -> Relation | None:
    for words, id, values in measures:
        comparable = [(factor, value) for factor, value in zip(factors, values, strict=True) if factor == factor]
        if sum(value != 1 for _, value in comparable) < 2 or len({value for _, value in comparable}) < 2:
            continue  # where a quantity is 1, a factor of it proves nothing
        single = words.startswith("the size of `") and words.count("`") == 2 and words.endswith("`")
        if all(math.isclose(factor, value, rel_tol=1e-6) for factor, value in comparable):
            cause = f": is a sum over `{id}` used where a mean is needed?" if single else ""
            return Relation(f"too large by {words.rstrip(',')}{cause}", f"times:{id}")
        if all(math.isclose(factor, 1 / value, rel_tol=1e-6) for factor, value in comparable):
            cause = f": is a mean over `{id}` used where a sum is needed?" if single else ""
            return Relation(f"too small by {words.rstrip(',')}{cause}", f"divided:{id}")
    return None


def _factor(factor: float) -> Relation:
    sign = " and has the wrong sign" if factor < 0 else ""
    if abs(factor) < 1e-12:
        return Relation("zero everywhere", "zero")
    for known, words in FACTORS.items():
        for value, text in ((known, words), (1 / known, None)):
            if math.isclose(abs(factor), value, rel_tol=1e-6) and (text or value not in FACTORS):
                named = text or f"too small by the factor {known:.4g}"
                return Relation(named + sign, f"factor:{factor:.4g}")
    return Relation(f"{differing_digits(factor, 1.0, 4)[0]} times the right one")


def _offset_words(
    offsets: Sequence[float], sizes: Sequence[dict[str, int]], measures: Sequence[tuple[str, str, list[float]]]
) -> Relation | None:
    for words, id, values in measures:
        if " " in id or "-" in id:
            continue  # a coincidence is likelier than an offset by a product or ratio
        if sum(value != 1 for value in values) < 2:
            continue
        for sign, size in ((1, "large"), (-1, "small")):
            if all(
                math.isclose(sign * c, math.log(v), rel_tol=1e-6, abs_tol=1e-9)
                for c, v in zip(offsets, values, strict=True)
            ):
                what = words.removesuffix(",")
                cause = (
                    "a sum in place of a mean before the logarithm, or a factor of one over it that is missing?"
                    if sign > 0
                    else "a mean in place of a sum before the logarithm, or a factor of one over it that is there twice?"
                )
                return Relation(
                    f"too {size} by the logarithm of {what}: {cause}",
                    f"plus-log:{id}" if sign > 0 else f"minus-log:{id}",
                )
            if not words.startswith("the size") and all(
                math.isclose(sign * c, v, rel_tol=1e-6) for c, v in zip(offsets, values, strict=True)
            ):
                return Relation(f"too {size} by {words.removesuffix(',')}", f"plus:{id}" if sign > 0 else f"minus:{id}")
    for per, counts in [
        ("", [1] * len(offsets)),
        *((name, [size.get(name, 1) for size in sizes]) for name in (sizes[0] if sizes else ())),
    ]:
        each = [offset / count for offset, count in zip(offsets, counts, strict=True)]
        if abs(each[0]) < 1e-9 or not all(math.isclose(offset, each[0], rel_tol=1e-6) for offset in each):
            continue
        known = next(
            (words for known, words in OFFSETS.items() if math.isclose(abs(each[0]), known, rel_tol=1e-6)), None
        )
        words = (
            f"too {'large' if each[0] > 0 else 'small'} by {known or f'{abs(each[0]):.4g}'}"
            + (f" for each of `{per}`" if per else "")
            + ": is a constant missing or added?"
        )
        return Relation(words, f"offset:{each[0]:.4g}" + (f":{per}" if per else "") if known else "")
    return None


def differing_digits(one: float, other: float, digits: int = 6) -> tuple[str, str]:
    """Two numbers with as many digits as it takes to tell them apart.

    Args:
        one: A number.
        other: Another number.
        digits: Fewest significant digits.

    Returns:
        Both as text; alike only if the numbers are.
    """
    for count in range(digits, 18):
        texts = f"{one:.{count}g}", f"{other:.{count}g}"
        if texts[0] != texts[1]:
            return texts
    return f"{one:.{digits}g}", f"{other:.{digits}g}"

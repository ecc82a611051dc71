"""Two versions of a lesson, merged cell by cell against what both come from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import SequenceMatcher
from typing import Any

from helpers.exercises.exercise import STUB_LINE
from helpers.exercises.lessons.record import Print, print_of, prints

Cells = list[Any]
Settle = Callable[[Cells, Cells], Cells]


def merged(base: Sequence[Print] | None, one: Cells, other: Cells, settle: Settle) -> Cells:
    """Merge two versions: what only one of them changed is taken from it.

    Args:
        base: The prints of the version that both come from. None if it is not known: then every difference is settled, unless one
            side only adds cells, or has an answer where the other has the stub.
        one: Cells of the first version.
        other: Cells of the second.
        settle: Called with the cells that both changed differently, of `one` and of `other`. Returns the cells to take.

    Returns:
        The cells of the merged lesson. If both have a cell, its metadata are those of `other`.
    """
    of_one, of_other = [print_of(cell) for cell in one], [print_of(cell) for cell in other]
    known = base is not None
    start = list(base) if base is not None else of_one
    in_one, in_other = _matches(start, of_one), _matches(start, of_other)
    common = [k for k in range(len(start)) if k in in_one and k in in_other]
    result: Cells = []
    at, at_one, at_other = 0, 0, 0
    for k in [*common, len(start)]:
        end_one, end_other = in_one.get(k, len(one)), in_other.get(k, len(other))
        cells = one[at_one:end_one], other[at_other:end_other]
        result += _between(start[at:k] if known else None, *cells, settle)
        if k < len(start):
            result += _matched(start[k] if known else None, one[end_one], other[end_other], settle)
        at, at_one, at_other = k + 1, end_one + 1, end_other + 1
    return result


def _matches(base: Sequence[Print], version: Sequence[Print]) -> dict[int, int]:
    """For each cell of the base that a version still has, its place there."""
    blocks = SequenceMatcher(
        None, [p.key for p in base], [p.key for p in version], autojunk=False
    ).get_matching_blocks()
    return {block.a + k: block.b + k for block in blocks for k in range(block.size)}


def _matched(base: Print | None, one: Any, other: Any, settle: Settle) -> Cells:
    """One cell that both have: the same contents, or the same exercise."""
    first, second = print_of(one), print_of(other)
    if first in (second, base):
        return [other]
    if second == base or (base is None and STUB_LINE in other.source and STUB_LINE not in one.source):
        return [one]
    if base is None and STUB_LINE in one.source and STUB_LINE not in other.source:
        return [other]
    return settle([one], [other])


def _between(base: Sequence[Print] | None, one: Cells, other: Cells, settle: Settle) -> Cells:
    """Cells between two that both have."""
    first, second = [print_of(cell) for cell in one], [print_of(cell) for cell in other]
    if first == second:
        return other
    if base is None:
        return one + other if not one or not other else settle(one, other)
    if first == list(base):
        return other
    if second == list(base):
        return one
    return settle(one, other)


def differing(one: Any, other: Any) -> list[str]:
    """Which cells of a notebook another one does not hold, in words.

    Args:
        one: The notebook whose cells are named.
        other: The other.

    Returns:
        As ["7 (exercise 01.1)", "12"]; if `other` alone has cells, their places in it, as ["after 12"].
    """
    first, second = prints(one), prints(other)
    blocks = SequenceMatcher(None, [p.hash for p in first], [p.hash for p in second], autojunk=False).get_opcodes()
    named = []
    for tag, start, end, *_ in blocks:
        if tag == "insert":
            named.append(f"after {start}")
        elif tag != "equal":
            for k in range(start, end):
                named.append(f"{k + 1} (exercise {first[k].exercise})" if first[k].exercise else str(k + 1))
    return named

"""What a wrong shape shows: the dimension that was left unsummed, summed by mistake, or moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations, permutations
from typing import Any

from torch import Tensor

from helpers.exercises.engine.closeness import close

Names = tuple[str, ...]


def named_sizes(arguments: Mapping[str, Any], dimensions: Mapping[str, Any]) -> dict[str, int]:
    """The size of every named dimension.

    Args:
        arguments: Arguments of one case, by name.
        dimensions: Names of the dimensions of each argument, as `Exercise.dimensions`.

    Returns:
        Size by name of the dimension.
    """
    sizes: dict[str, int] = {}
    for argument, names in dimensions.items():
        value = arguments.get(argument)
        if isinstance(value, Tensor) and (aligned := align_names(names, value.ndim)):
            sizes |= {name: size for name, size in zip(aligned, value.shape, strict=True) if name}
    return sizes


def align_names(names: Any, ndim: int) -> Names | None:
    """One name for each of a tensor's dimensions.

    Args:
        names: Names of the dimensions. A first name such as "*batch" or "..." stands for any number of dimensions.
        ndim: Number of dimensions of the tensor.

    Returns:
        `ndim` names, "" for those that the first name stands for; None if the names do not fit.
    """
    if not isinstance(names, (tuple, list)) or not all(isinstance(name, str) for name in names):
        return None
    if names and names[0].startswith(("*", "...")):
        rest = tuple(names[1:])
        return ("",) * (ndim - len(rest)) + rest if ndim >= len(rest) else None
    return tuple(names) if len(names) == ndim else None


def describe_shape(shape: Sequence[int], names: Names | None, sizes: Mapping[str, int]) -> str:
    """A shape in words, as "[4, 3], that is [batch, latent]".

    Args:
        shape: The shape.
        names: Names of its dimensions. None: the dimensions of these sizes, if each size belongs to exactly one. A size of 1
            is then not named, since it may come from a sum with `keepdim=True`.
        sizes: Sizes of the named dimensions.

    Returns:
        The shape and, if they are known, the names of its dimensions.
    """
    plain = str(list(shape))
    if names is None:
        by_size = {size: [name for name in sizes if sizes[name] == size] if size != 1 else ["1"] for size in shape}
        if all(size == 1 for size in shape) or any(len(found) != 1 for found in by_size.values()):
            return plain
        names = tuple(by_size[size][0] for size in shape)
    return f"{plain}, that is [{', '.join(names)}]" if names and all(names) else plain


def explain_shape(got: Tensor, want: Tensor, names: Names | None, sizes: Mapping[str, int]) -> str:
    """What probably made the shape wrong.

    Args:
        got: Output of the answer.
        want: Output of the solution, of another shape.
        names: Names of the dimensions of `want`; None if unknown.
        sizes: Sizes of the named dimensions.

    Returns:
        One or two sentences; "" if the shapes do not tell.
    """
    given, wanted = tuple(got.shape), tuple(want.shape)

    def called(dimensions: Sequence[int], tensor: Tensor) -> str:
        words = []
        for dimension in dimensions:
            size = tensor.shape[dimension]
            known = names[dimension] if names is not None and tensor is want else None
            known = known or next((name for name in sizes if sizes[name] == size != 1), None)
            words.append(f"`{known}` (size {size})" if known else f"of size {size}")
        return " and ".join(words)

    if [n for n in given if n != 1] == [n for n in wanted if n != 1]:
        if len(given) > len(wanted):
            return "A dimension of size 1 is left over: is there a `keepdim=True` or an `unsqueeze` too many?"
        return "A dimension of size 1 is missing: is a `keepdim=True` or an `unsqueeze` needed?"
    if len(given) > 1 and sorted(given) == sorted(wanted):
        if _permuted(got, want):
            return "The values are right and the dimensions in another order: transpose or permute."
        return "The sizes are those asked for, in another order."
    if len(given) > len(wanted):
        for extra in _inserted(given, wanted):
            if not got.is_floating_point() or got.dtype != want.dtype:
                break
            if len(extra) == 1 and close(got, want.unsqueeze(extra[0]).expand_as(got)):
                return (
                    f"The values are right, and repeated along the dimension {called(extra, got)}: something that does not depend "
                    "on it was expanded. Leave that dimension out."
                )
            if close(got.sum(extra), want) or close(got.mean(extra), want):
                how = "unsummed" if close(got.sum(extra), want) else "unaveraged"
                return (
                    f"The dimension {called(extra, got)} was left {how}: "
                    f"{'sum' if how == 'unsummed' else 'average'} over it, `dim={extra[0] - len(given)}`."
                )
        if len(set(given)) < len(given) and len(set(wanted)) == len(wanted):
            twice = next(n for n in given if given.count(n) > 1)
            return (
                f"The size {twice} appears twice: has broadcasting made every pair? It does so where [{twice}, 1] meets [{twice}] and "
                f"gives [{twice}, {twice}]. Look for a `keepdim=True` or an `unsqueeze` that one side has and the other has not."
            )
        for extra in _inserted(given, wanted):
            return f"The dimension {called(extra, got)} is still there: was it left unsummed?"
    for gone in _inserted(wanted, given) if len(given) < len(wanted) else ():
        if want.is_floating_point() and got.dtype == want.dtype:
            for done, reduced in (("averaged", want.mean(gone)), ("summed", want.sum(gone))):
                if close(got, reduced):
                    return f"You {done} over {called(gone, want)} too; it should stay."
            for index, which in ((0, "first"), (-1, "last")):
                if len(gone) == 1 and close(got, want.select(gone[0], index)):
                    return f"That is the {which} along {called(gone, want)} alone; all of them should stay."
        if len(gone) > 1:
            return f"The dimensions {called(gone, want)} are gone; they should stay."
        return f"The dimension {called(gone, want)} is gone; it should stay."
    if len(given) == len(wanted):
        other = [d for d in range(len(given)) if given[d] != wanted[d]]
        if len(other) == 1 and (known := [name for name in sizes if sizes[name] == given[other[0]] != 1]):
            return f"`{known[0]}` is in the place of {called(other, want)}: was the wrong dimension reduced?"
    return ""


def _permuted(got: Tensor, want: Tensor) -> bool:
    """Whether some order of dimensions makes the values those asked for."""
    orders = permutations(range(got.ndim)) if got.ndim <= 5 else ()
    return got.dtype == want.dtype and any(
        close(got.permute(order), want) for order in orders if got.permute(order).shape == want.shape
    )


def _inserted(longer: Sequence[int], shorter: Sequence[int]) -> list[tuple[int, ...]]:
    """Which dimensions of `longer`, left out, give `shorter`; the last ones first."""
    count = len(longer) - len(shorter)
    found = [
        left_out
        for left_out in combinations(range(len(longer)), count)
        if [n for d, n in enumerate(longer) if d not in left_out] == list(shorter)
    ]
    return found[::-1]

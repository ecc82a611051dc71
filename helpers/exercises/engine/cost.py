"""What an answer costs: tensor operations and arithmetic, counted. A right answer that costs far more is remarked on."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from helpers.exercises.engine.run import run
from helpers.exercises.engine.time_limit import Stopped
from helpers.exercises.engine.trial import by_position, case_arguments, signature_of
from helpers.exercises.exercise import Exercise

TIMES, MORE = 10, 200  # so many times the solution's operations, and at least so many more, are roundabout
DEAR = 2.0  # a declared costly answer counts on the cases where it costs at least so many times what the solution costs

PRODUCTS = ("matmul", "__matmul__", "__rmatmul__", "mm", "bmm", "mv", "dot", "vdot", "inner", "linear")
PRODUCTS_AND_SUM = ("addmm", "addmv", "addbmm", "baddbmm")  # of their first argument and the product of the next two
VIEWS = ("expand", "expand_as", "view", "reshape", "unsqueeze", "squeeze", "transpose", "permute", "__getitem__", "detach",
         "chunk", "split",
         "unbind", "select", "narrow", "diagonal")  # fmt: skip


@dataclass(frozen=True)
class Cost:
    """The cost of one call.

    Args:
        operations: Calls of torch functions and of tensors' methods.
        arithmetic: Numbers that they computed; a product of matrices counts its inner size for each number.
    """

    operations: int
    arithmetic: int


class _Counter(TorchFunctionMode):
    """Counts calls of torch functions and of tensors' methods. Reading an attribute, such as a shape, is no operation.

    A dispatch mode would count more exactly, and its first use loads the compiler, which takes seconds.
    """

    def __init__(self) -> None:
        super().__init__()
        self.operations = 0
        self.arithmetic = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        if name == "__get__":
            return made
        self.operations += 1
        outputs = made if isinstance(made, (tuple, list)) else (made,)
        if name not in VIEWS:
            written = sum(out.numel() for out in outputs if isinstance(out, Tensor))
            self.arithmetic += _size_of_einsum(args) or _inner_size(name, args) * written
        return made


def _inner_size(name: str, args: Any) -> int:
    """How many products one number of the result adds up: 1 for what is no product of matrices."""
    place = 0 if name in PRODUCTS else 1 if name in PRODUCTS_AND_SUM else None
    if place is None or len(args) <= place or not isinstance(args[place], Tensor) or not args[place].ndim:
        return 1
    return args[place].shape[-1]


def _size_of_einsum(args: Any) -> int:
    """Product of the sizes of all the indices of einsum(equation, operands), 0 for anything else."""
    if len(args) < 2 or not isinstance(args[0], str):
        return 0
    operands = args[1] if isinstance(args[1], (tuple, list)) else args[1:]
    letters = args[0].replace(" ", "").partition("->")[0].split(",")
    if "." in args[0] or len(letters) != len(operands):
        return 0
    sizes = {
        letter: size
        for term, operand in zip(letters, operands, strict=True)
        for letter, size in zip(term, operand.shape, strict=True)
    }
    return math.prod(sizes.values())


def cost(exercise: Exercise, answer: Callable[..., Any], case: str, seconds: float) -> Cost | None:
    """Count what one call costs.

    Args:
        exercise: The exercise.
        answer: The function to call.
        case: Name of the case whose arguments it gets.
        seconds: Time limit.

    Returns:
        The cost; None if the call raised or took too long.
    """
    counter = _Counter()
    call = by_position(exercise, answer)

    def counted(*positional: Any, **named: Any) -> Any:
        with torch.no_grad(), counter:
            return call(*positional, **named)

    made = run(counted, case_arguments(exercise, case), signature_of(exercise), seconds)
    if made.error is not None or isinstance(made.gradient_error, Stopped):
        return None
    return Cost(counter.operations, counter.arithmetic)


def remarks(exercise: Exercise, answer: Callable[..., Any], seconds: float) -> tuple[str, ...]:
    """What could be cheaper about a right answer.

    Args:
        exercise: The exercise.
        answer: The answer, which is right.
        seconds: Time limit of each call.

    Returns:
        Sentences: that of each declared costly answer with about this cost, else one if it is roundabout; usually none.
    """
    ours = {case: cost(exercise, answer, case, seconds) for case in exercise.cases}
    least = {case: cost(exercise, exercise.solution, case, 60.0) for case in exercise.cases}
    pairs = {
        case: (spent, needed)
        for case, spent in ours.items()
        if spent is not None and (needed := least[case]) is not None
    }
    if len(pairs) < len(exercise.cases):
        return ()
    declared = tuple(remark.sentence for remark in exercise.remarks if _costs_like(exercise, remark.answer, pairs))
    if declared:
        return declared
    case, (spent, needed) = max(pairs.items(), key=lambda pair: pair[1][0].operations - pair[1][1].operations)
    if spent.operations > TIMES * needed.operations and spent.operations >= needed.operations + MORE:
        return (
            f"It is right, and roundabout: on the case “{case}” it makes {spent.operations:,} tensor operations where "
            f"{needed.operations:,} do. Usually a Python loop goes over what one operation on whole tensors can do.",
        )
    return ()


def _costs_like(exercise: Exercise, dear: Callable[..., Any], pairs: dict[str, tuple[Cost, Cost]]) -> bool:
    """Whether the answer costs as a declared costly one does: nearer to that than to the solution, where these two differ."""
    compared = 0
    for case, (spent, needed) in pairs.items():
        its = cost(exercise, dear, case, 60.0)
        if its is None:
            return False
        for name in ("operations", "arithmetic"):
            low, high, here = getattr(needed, name), getattr(its, name), getattr(spent, name)
            if high >= DEAR * max(low, 1):
                compared += 1
                if here * here < low * high:
                    return False
    return compared > 0

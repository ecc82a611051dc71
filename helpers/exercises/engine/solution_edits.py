"""The solution with one step changed: another dimension, a mean for a sum, a term, factor or function left out."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from helpers.exercises.engine.solution_source import compiled, parsed, shown, stored_names
from helpers.exercises.engine.transformations import Candidate
from helpers.exercises.exercise import Exercise

REDUCTIONS = ("sum", "mean", "logsumexp", "softmax", "log_softmax", "cumsum", "std", "var", "max", "min", "amax", "amin", "prod", "flip",
              "unsqueeze")  # fmt: skip
OTHERS = {
    "sum": ("mean",), "mean": ("sum",), "logsumexp": ("amax", "mean", "sum"), "std": ("var",), "var": ("std",),
    "exp": ("log",), "log": ("exp",), "softplus": ("relu", "exp"), "sigmoid": ("tanh", "exp"), "log_softmax": ("softmax",),
    "softmax": ("log_softmax", "sigmoid"), "logsigmoid": ("sigmoid", "softplus"), "tanh": ("sigmoid",), "clamp": (),
}  # fmt: skip
DROPPED = ("sigmoid", "exp", "log", "sqrt", "softplus", "log_softmax", "softmax", "abs", "clamp", "tanh", "flip", "cumsum", "roll",
           "logsigmoid", "square", "lgamma", "log1p", "expm1", "diagonal", "relu")  # fmt: skip

RARE = 5  # edits of this priority and beyond are rarer
Edit = tuple[int, str, str, ast.AST]  # priority, id, words, what takes the node's place


@dataclass(frozen=True)
class Names:
    """The names of a solution.

    Args:
        arguments: Its arguments, in order.
        locals: What it assigns.
    """

    arguments: list[str]
    locals: set[str]


def solution_edits(exercise: Exercise) -> Iterator[Candidate]:
    """The solution with one step changed, the likeliest change first.

    Args:
        exercise: The exercise. Without the source of its solution there are no candidates.

    Yields:
        Candidates.
    """
    yield from _candidates(exercise, lambda *given: (edit for edit in _changes(*given) if edit[0] < RARE))


def rarer_edits(exercise: Exercise) -> Iterator[Candidate]:
    """The solution with one step changed in a rarer way: a constant, a name, a transposed factor.

    Args:
        exercise: The exercise. Without the source of its solution there are no candidates.

    Yields:
        Candidates.
    """
    yield from _candidates(exercise, lambda *given: (edit for edit in _changes(*given) if edit[0] >= RARE))


def detached_edits(exercise: Exercise) -> Iterator[Candidate]:
    """The solution with a `.detach()` added or left out, for answers with the right values and wrong gradients.

    Args:
        exercise: The exercise.

    Yields:
        Candidates.
    """
    yield from _candidates(exercise, _detachments)


def _candidates(exercise: Exercise, changes: Any) -> Iterator[Candidate]:
    tree = parsed(exercise)
    if tree is None:
        return
    function = tree.body[0]
    assert isinstance(function, ast.FunctionDef)
    arguments = [argument.arg for argument in (*function.args.args, *function.args.kwonlyargs)]
    names = Names(arguments, stored_names(function) - set(arguments))
    found: list[tuple[int, int, str, str, ast.AST]] = []
    for place, node in enumerate(ast.walk(function)):
        if isinstance(node, ast.expr):
            found += [(priority, place, id, words, new) for priority, id, words, new in changes(node, names)]
    seen = {ast.unparse(tree)}
    for _, place, id, words, new in sorted(found, key=lambda one: one[:2]):
        changed = copy.deepcopy(tree)
        _put(changed.body[0], place, new)
        source = ast.unparse(ast.fix_missing_locations(changed))
        if source in seen:
            continue
        seen.add(source)
        yield Candidate(id, words, compiled(exercise, changed))


def _put(function: ast.AST, place: int, new: ast.AST) -> None:
    """Put `new` where the node number `place` of `ast.walk` stands."""
    target = list(ast.walk(function))[place]
    for node in ast.walk(function):
        for name, value in ast.iter_fields(node):
            if value is target:
                setattr(node, name, new)
            elif isinstance(value, list) and any(item is target for item in value):
                setattr(node, name, [new if item is target else item for item in value])


def _changes(node: ast.expr, names: Names) -> Iterator[Edit]:
    if isinstance(node, ast.BinOp):
        yield from _of_terms(node)
    elif isinstance(node, ast.Call):
        yield from _of_calls(node)
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        yield from _of_names(node, names)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and not isinstance(node.operand, ast.Constant):
        yield 3, "sign", f"with the sign of {shown(node.operand)} turned.", node.operand
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
        for other in (node.value + 1, node.value - 1):
            yield (
                8,
                f"constant:{node.value}",
                f"with {other:g} in place of one of its constants, {node.value:g}.",
                ast.Constant(other),
            )
    elif isinstance(node, ast.Subscript) and isinstance(node.value, ast.Attribute) and node.value.attr == "shape":
        yield from _of_sizes(node)
    elif isinstance(node, ast.Attribute) and node.attr in ("T", "mT"):
        yield 3, "transposed", f"without the transpose of {shown(node.value)}: look at `.T`.", node.value


def _of_sizes(node: ast.Subscript) -> Iterator[Edit]:
    if isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, int):
        right = node.slice.value
        for other in {0, 1, 2} - {right}:
            new = ast.Subscript(node.value, ast.Constant(other), ast.Load())
            yield 4, f"size:{_id(node)}", f"with the size {shown(new)} in place of {shown(node)}.", new


def _of_terms(node: ast.BinOp) -> Iterator[Edit]:
    left, right = node.left, node.right
    if isinstance(node.op, (ast.Add, ast.Sub)):
        minus = isinstance(node.op, ast.Sub)
        yield 2, f"without:{_id(right)}", f"without the term {shown(right)}.", left
        alone = ast.UnaryOp(ast.USub(), right) if minus else right
        yield 2, f"without:{_id(left)}", f"without the term {shown(left)}.", alone
        turned = ast.BinOp(left, ast.Add() if minus else ast.Sub(), right)
        yield 3, f"sign:{_id(right)}", f"with the sign of the term {shown(right)} turned.", turned
        negative = ast.UnaryOp(ast.USub(), left)
        yield (
            3,
            f"sign:{_id(left)}",
            f"with the sign of the term {shown(left)} turned.",
            ast.BinOp(negative, node.op, right),
        )
    elif isinstance(node.op, ast.Mult):
        yield 2, f"without:{_id(right)}", f"without the factor {shown(right)}.", left
        yield 2, f"without:{_id(left)}", f"without the factor {shown(left)}.", right
        yield (
            4,
            f"divided:{_id(right)}",
            f"divided by {shown(right)} where it is a factor.",
            ast.BinOp(left, ast.Div(), right),
        )
    elif isinstance(node.op, ast.Div):
        yield 2, f"undivided:{_id(right)}", f"without the division by {shown(right)}.", left
        yield (
            4,
            f"multiplied:{_id(right)}",
            f"with {shown(right)} as a factor where it divides.",
            ast.BinOp(left, ast.Mult(), right),
        )
        yield 5, f"upside-down:{_id(right)}", f"with {shown(node)} upside down.", ast.BinOp(right, ast.Div(), left)
    elif isinstance(node.op, ast.Pow):
        yield 2, f"without-power:{_id(left)}", f"with {shown(left)} in place of {shown(node)}.", left
    elif isinstance(node.op, ast.MatMult):
        for side, other, first in ((left, right, True), (right, left, False)):
            transposed = ast.Attribute(side, "mT", ast.Load())
            new = ast.BinOp(transposed, node.op, other) if first else ast.BinOp(other, node.op, transposed)
            yield 5, f"transposed:{_id(side)}", f"with {shown(side)} transposed in a matrix product.", new


def _of_calls(node: ast.Call) -> Iterator[Edit]:
    function = node.func
    if not isinstance(function, ast.Attribute):
        return
    name = function.attr
    if name in REDUCTIONS and node.args:
        place = 1 if _is_module(function.value) and len(node.args) > 1 else 0
        given = _dimension(node.args[place])
        if given is not None:
            for other in (-1, 0, 1, -2, 2, (0, 1), None):
                if other == given or (
                    name in ("softmax", "log_softmax", "logsumexp", "cumsum", "flip", "unsqueeze") and other is None
                ):
                    continue
                new = copy.deepcopy(node)
                new.args[place] = ast.parse(repr(other), mode="eval").body
                what = "all dimensions" if other is None else f"dimension {other}"
                words = f"with `{name}` over {what} in place of dimension {given}, in {shown(node)}."
                yield 1, f"{name}-over:{other}", words, new
        if name in ("std", "var"):
            new = copy.deepcopy(node)
            new.keywords = [*node.keywords, ast.keyword("unbiased", ast.Constant(False))]
            yield 1, f"{name}-biased", f"with `{name}` divided by the number of values, not by one less.", new
    for other in OTHERS.get(name, ()):
        new = copy.deepcopy(node)
        new.func = ast.Attribute(function.value, other, ast.Load())
        yield 1, f"{other}-for-{name}", f"with `{other}` in place of `{name}`, in {shown(node)}.", new
    if name in DROPPED:
        inner = node.args[0] if _is_module(function.value) and node.args else function.value
        yield 2, f"without:{name}", f"without `{name}`: with {shown(inner)} in place of {shown(node)}.", inner


def _of_names(node: ast.Name, names: Names) -> Iterator[Edit]:
    for other in names.arguments:
        if node.id in names.locals:
            for id, source, words in (
                ("previous", f"{other}.roll(1, 0)", f"the previous `{other}`"),
                ("next", f"{other}.roll(-1, 0)", f"the next `{other}`"),
                ("mean", f"{other}.mean(0)", f"the mean of `{other}` over its first dimension"),
            ):
                new = ast.parse(source, mode="eval").body
                yield 7, f"{id}:{other}:{node.id}", f"with {words} in place of the `{node.id}` that is asked for.", new
        elif other != node.id and node.id in names.arguments:
            yield 6, f"{other}-for-{node.id}", f"with `{other}` where `{node.id}` belongs.", ast.Name(other, ast.Load())
    if node.id not in names.arguments:
        return
    changed = (
        ("mean", f"{node.id}.mean(0)", f"with the mean of `{node.id}` over its first dimension in one place."),
        ("previous", f"{node.id}.roll(1, 0)", f"with the `{node.id}` before in one place."),
        ("next", f"{node.id}.roll(-1, 0)", f"with the next `{node.id}` in one place."),
        ("squared", f"{node.id} ** 2", f"with the square of `{node.id}` in one place."),
        ("root", f"{node.id} ** 0.5", f"with the square root of `{node.id}` in one place."),
        ("exp", f"{node.id}.exp()", f"with exp({node.id}) in one place."),
        ("log", f"{node.id}.log()", f"with log {node.id} in one place."),
    )
    for id, source, words in changed:
        yield 7, f"{id}:{node.id}", words, ast.parse(source, mode="eval").body


def _detachments(node: ast.expr, names: Names) -> Iterator[Edit]:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "detach":
        inner = node.func.value
        yield (
            0,
            f"attached:{_id(inner)}",
            f"without a `.detach()`: {shown(inner)} should carry no gradient there.",
            inner,
        )
        return
    named = isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in names.arguments
    if named or isinstance(node, (ast.BinOp, ast.Call, ast.Subscript)):
        call = ast.Call(ast.Attribute(node, "detach", ast.Load()), [], [])
        words = f"with {shown(node)} detached in one place: a gradient should flow through it."
        yield (1 if named else 2), f"detached:{_id(node)}", words, call


def _dimension(node: ast.expr) -> Any:
    """The dimension, or dimensions, that an argument of a call names; None if it is something else."""
    try:
        value = ast.literal_eval(node)
    except ValueError:
        return None
    whole = value if isinstance(value, tuple) else (value,)
    return value if all(type(item) is int for item in whole) else None


def _is_module(node: ast.expr) -> bool:
    return ast.unparse(node) in ("torch", "nn.functional", "torch.nn.functional", "F", "torch.special", "torch.linalg")


def _id(node: ast.AST) -> str:
    return "-".join("".join(c if c.isalnum() or c == "_" else " " for c in ast.unparse(node)[:40]).split()) or "term"

"""Mechanical mutants of a solution: one operator, sign, axis, constant, term, call, argument or detach changed at a time."""

from __future__ import annotations

import ast
import copy
import inspect
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

OPERATORS = {
    ast.Add: [ast.Sub], ast.Sub: [ast.Add], ast.Mult: [ast.Div], ast.Div: [ast.Mult], ast.Pow: [ast.Mult], ast.MatMult: [ast.Mult],
    ast.FloorDiv: [ast.Div], ast.Mod: [ast.FloorDiv], ast.Lt: [ast.LtE, ast.Gt], ast.Gt: [ast.GtE, ast.Lt], ast.LtE: [ast.Lt],
    ast.GtE: [ast.Gt], ast.Eq: [ast.NotEq], ast.NotEq: [ast.Eq], ast.And: [ast.Or], ast.Or: [ast.And],
}  # fmt: skip
NAMES = {
    "sum": ["mean"], "mean": ["sum"], "max": ["min"], "min": ["max"], "amax": ["amin"], "amin": ["amax"],
    "exp": ["log"], "log": ["exp", "sqrt"],
    "sqrt": ["square"], "square": ["sqrt"], "logsumexp": ["sum", "mean"], "sigmoid": ["tanh"], "logsigmoid": ["sigmoid", "softplus"],
    "softplus": ["relu"], "maximum": ["minimum"], "minimum": ["maximum"], "cumsum": ["cumprod"], "std": ["var"], "var": ["std"],
    "log_softmax": ["softmax"], "softmax": ["log_softmax"], "zeros_like": ["ones_like"], "ones_like": ["zeros_like"],
}  # fmt: skip


def mutants(solution: Callable[..., Any]) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Every mutant, as (what was changed, function). None has the source of another or of the solution."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(solution)))
    (function,) = tree.body
    assert isinstance(function, ast.FunctionDef)
    first = 1 if ast.get_docstring(function) else 0
    assigned = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    local = [argument.arg for argument in (*function.args.args, *function.args.kwonlyargs)]
    seen = {ast.unparse(tree)}
    for number, statement in enumerate(function.body[first:], first):
        for position, node in enumerate(ast.walk(statement)):
            for what, replacement in _changes(node, local, assigned):
                changed = copy.deepcopy(tree)
                _replace(changed.body[0], number, position, replacement)
                source = ast.unparse(ast.fix_missing_locations(changed))
                if source in seen:
                    continue
                seen.add(source)
                scope = dict(inspect.unwrap(solution).__globals__)
                exec(compile(source, "<mutant>", "exec"), scope)
                yield f"{_line(node, statement)}: {what}", scope[function.name]


def _line(node: ast.AST, statement: ast.stmt) -> str:
    whole = ast.unparse(statement)
    part = ast.unparse(node)
    return f"`{part[:60]}`" if part == whole else f"`{part[:60]}` in `{whole[:60]}`"


def _replace(function: Any, number: int, position: int, replacement: ast.AST) -> None:
    """Put `replacement` in place of the statement's node number `position`."""
    statement = function.body[number]
    target = list(ast.walk(statement))[position]
    if target is statement:
        function.body[number] = replacement
        return
    for node in ast.walk(statement):
        for name, value in ast.iter_fields(node):
            if value is target:
                setattr(node, name, replacement)
            elif isinstance(value, list) and any(item is target for item in value):
                setattr(node, name, [replacement if item is target else item for item in value])


def _changes(node: ast.AST, local: list[str], assigned: set[str]) -> Iterator[tuple[str, ast.AST]]:
    def new(what: str, **fields: Any) -> tuple[str, ast.AST]:
        other = copy.deepcopy(node)
        for name, value in fields.items():
            setattr(other, name, value)
        return what, other

    if isinstance(node, ast.BinOp):
        for operator in OPERATORS.get(type(node.op), []):
            yield new(f"{operator.__name__}", op=operator())
        yield "only the left side", node.left
        yield "only the right side", node.right
        if isinstance(node.op, (ast.Sub, ast.Div, ast.Pow, ast.MatMult)):
            yield new("sides swapped", left=node.right, right=node.left)
        yield "negated", ast.UnaryOp(ast.USub(), copy.deepcopy(node))
    elif isinstance(node, ast.UnaryOp):
        if (
            isinstance(node.op, ast.USub)
            and isinstance(node.operand, ast.Constant)
            and isinstance(node.operand.value, int)
        ):
            for value in (0, -node.operand.value - 1, 1):  # an axis, most often
                yield f"{value}", ast.parse(str(value), mode="eval").body
        else:
            yield "sign or not dropped", node.operand
    elif isinstance(node, ast.Compare) and len(node.ops) == 1:
        for operator in OPERATORS.get(type(node.ops[0]), []):
            yield new(f"{operator.__name__}", ops=[operator()])
    elif isinstance(node, ast.BoolOp):
        yield new("and for or", op=OPERATORS[type(node.op)][0]())
    elif isinstance(node, ast.IfExp):
        yield new("branches swapped", body=node.orelse, orelse=node.body)
    elif isinstance(node, ast.Constant):
        yield from _constants(node)
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in {*local, *assigned}:
        yield "detached", ast.Call(ast.Attribute(copy.deepcopy(node), "detach", ast.Load()), [], [])
        for other in local:
            if other != node.id and node.id in local:
                yield f"{other} for {node.id}", ast.Name(other, ast.Load())
    elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
        for name in NAMES.get(node.attr, []):
            yield new(f"{name} for {node.attr}", attr=name)
        if node.attr in ("T", "mT"):
            yield "transpose dropped", node.value
    elif isinstance(node, ast.Call):
        yield from _calls(node, new)
    elif (
        isinstance(node, (ast.Tuple, ast.List))
        and len(node.elts) > 1
        and isinstance(getattr(node, "ctx", None), ast.Load)
    ):
        yield new("items swapped", elts=[node.elts[1], node.elts[0], *node.elts[2:]])
    elif isinstance(node, ast.AugAssign):
        for operator in OPERATORS.get(type(node.op), []):
            yield new(f"{operator.__name__}", op=operator())
        yield "statement dropped", ast.Pass()
    elif isinstance(node, ast.Subscript):
        yield "index dropped", node.value
    elif isinstance(node, ast.Return) and node.value is not None and not isinstance(node.value, ast.Tuple):
        detached = ast.Call(ast.Attribute(copy.deepcopy(node.value), "detach", ast.Load()), [], [])
        yield new("result detached", value=detached)
        yield new("result negated", value=ast.UnaryOp(ast.USub(), copy.deepcopy(node.value)))


def _constants(node: ast.Constant) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(node.value, bool):
        yield f"{not node.value}", ast.Constant(not node.value)
    elif isinstance(node.value, int):
        yield f"{node.value + 1}", ast.Constant(node.value + 1)
        yield f"{-node.value or -1}", ast.parse(str(-node.value or -1), mode="eval").body
    elif isinstance(node.value, float):
        yield f"{2 * node.value + (node.value == 0)}", ast.Constant(2 * node.value + (node.value == 0))
        yield f"{node.value + 0.25}", ast.Constant(node.value + 0.25)


def _calls(node: ast.Call, new: Callable[..., tuple[str, ast.AST]]) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(node.func, ast.Attribute) and not (
        isinstance(node.func.value, ast.Name) and node.func.value.id in ("torch", "math", "nn", "F")
    ):
        yield f".{node.func.attr}(...) dropped", node.func.value
        if node.func.attr == "detach":
            return
    if node.args:
        yield "call dropped", node.args[0]
        yield new("last argument dropped", args=node.args[:-1])
    if len(node.args) > 1:
        yield new("arguments swapped", args=[node.args[1], node.args[0], *node.args[2:]])
    for number in range(len(node.keywords)):
        yield new("keyword dropped", keywords=node.keywords[:number] + node.keywords[number + 1 :])
    detached = ast.Call(ast.Attribute(copy.deepcopy(node), "detach", ast.Load()), [], [])
    yield "detached", detached

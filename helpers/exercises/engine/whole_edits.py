"""The solution with one step changed everywhere, with terms alone, or with something it computes on the way for a result."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from itertools import combinations

from helpers.exercises.engine.solution_source import compiled, parsed, shown, stored_names
from helpers.exercises.engine.transformations import Candidate
from helpers.exercises.exercise import Exercise

ON_THE_WAY = ("{}", "{}.exp()", "{}.log()", "-{}")
OVER_A_DIMENSION = (
    "{}.log_softmax({})",
    "{}.softmax({})",
    "{}.sum({})",
    "{}.mean({})",
    "{}.logsumexp({})",
    "{}.amax({})",
)
SMALL = tuple(f"1e-{digits}" for digits in range(3, 13))


def whole_edits(exercise: Exercise) -> Iterator[Candidate]:
    """The solution with several terms left out, and with a small number added inside logarithms or to divisors.

    Args:
        exercise: The exercise. Without the source of its solution there are no candidates.

    Yields:
        Candidates.
    """
    tree = parsed(exercise)
    if tree is not None:
        yield from _terms_alone(exercise, tree)
        yield from _small_numbers(exercise, tree)


def on_the_way(exercise: Exercise) -> Iterator[Candidate]:
    """The solution with something that it computes on the way, or a simple function of that, in the place of a result.

    Args:
        exercise: The exercise. Without the source of its solution there are no candidates.

    Yields:
        Candidates.
    """
    tree = parsed(exercise)
    if tree is not None:
        yield from _on_the_way(exercise, tree)


def _terms_alone(exercise: Exercise, tree: ast.Module) -> Iterator[Candidate]:
    """Of a sum of three or four terms, two or more left out."""
    inner = {
        id(child) for node in ast.walk(tree) if _is_sum(node) for child in (node.left, node.right) if _is_sum(child)
    }
    places = [place for place, node in enumerate(ast.walk(tree)) if _is_sum(node) and id(node) not in inner]
    for place in places:
        terms = _terms(list(ast.walk(tree))[place])
        if not 3 <= len(terms) <= 5:
            continue
        for kept in range(1, len(terms) - 1):
            for chosen in combinations(range(len(terms)), kept):
                changed = copy.deepcopy(tree)
                node = list(ast.walk(changed))[place]
                ours = _terms(node)
                new = _summed([ours[index] for index in chosen])
                node.left, node.op, node.right = new, ast.Add(), ast.Constant(0.0)
                missing = [shown(terms[index][1]) for index in range(len(terms)) if index not in chosen]
                words = f"without the terms {' and '.join(missing)}."
                yield Candidate(f"only:{'+'.join(map(str, chosen))}", words, compiled(exercise, changed))


def _is_sum(node: ast.AST) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub))


def _terms(node: ast.AST, sign: int = 1) -> list[tuple[int, ast.expr]]:
    if _is_sum(node):
        second = sign if isinstance(node.op, ast.Add) else -sign
        return [*_terms(node.left, sign), *_terms(node.right, second)]
    return [(sign, node)]


def _summed(terms: list[tuple[int, ast.expr]]) -> ast.expr:
    signed = [term if sign > 0 else ast.UnaryOp(ast.USub(), term) for sign, term in terms]
    total = signed[0]
    for term in signed[1:]:
        total = ast.BinOp(total, ast.Add(), term)
    return total


class _Add(ast.NodeTransformer):
    """Adds a small number inside every logarithm, or to every divisor."""

    def __init__(self, amount: str, where: str) -> None:
        self.amount = ast.Constant(float(amount))
        self.where = where
        self.count = 0

    def _more(self, node: ast.expr) -> ast.expr:
        self.count += 1
        return ast.BinOp(node, ast.Add(), self.amount)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if self.where != "logarithm" or not isinstance(node.func, ast.Attribute):
            return node
        owner, name = node.func.value, node.func.attr
        if name == "log" and not node.args:
            node.func.value = self._more(owner)
        elif name == "logsigmoid" and node.args:
            inner = ast.Call(ast.Attribute(node.args[0], "sigmoid", ast.Load()), [], [])
            return ast.Call(ast.Attribute(self._more(inner), "log", ast.Load()), [], [])
        elif name == "log_softmax" and len(node.args) == 1:
            inner = ast.Call(ast.Attribute(owner, "softmax", ast.Load()), node.args, node.keywords)
            return ast.Call(ast.Attribute(self._more(inner), "log", ast.Load()), [], [])
        elif name == "logsumexp" and len(node.args) == 1:
            inner = ast.Call(ast.Attribute(owner, "exp", ast.Load()), [], [])
            total = ast.Call(ast.Attribute(inner, "sum", ast.Load()), node.args, node.keywords)
            return ast.Call(ast.Attribute(self._more(total), "log", ast.Load()), [], [])
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if self.where == "divisor" and isinstance(node.op, ast.Div) and not isinstance(node.right, ast.Constant):
            node.right = self._more(node.right)
        return node


def _small_numbers(exercise: Exercise, tree: ast.Module) -> Iterator[Candidate]:
    for where in ("logarithm", "divisor"):
        for amount in SMALL:
            adding = _Add(amount, where)
            changed = adding.visit(copy.deepcopy(tree))
            if not adding.count:
                break
            place = "inside the logarithm" if where == "logarithm" else "to what is divided by"
            words = f"with {amount} added {place}. It changes what it should only protect: compute in a stable way, without it."
            yield Candidate(f"added-{amount}:{where}", words, compiled(exercise, changed))


def _on_the_way(exercise: Exercise, tree: ast.Module) -> Iterator[Candidate]:
    """An argument or a variable of the solution, or a simple function of one, in the place of a result."""
    (function,) = tree.body
    assert isinstance(function, ast.FunctionDef)
    last = function.body[-1]
    if not isinstance(last, ast.Return) or last.value is None:
        return
    results = last.value.elts if isinstance(last.value, ast.Tuple) else [last.value]
    arguments = [argument.arg for argument in (*function.args.args, *function.args.kwonlyargs)]
    formulas = _formulas(function, arguments)
    for name in [*sorted(stored_names(function) - set(arguments)), *arguments]:
        sources = [form.format(name) for form in ON_THE_WAY]
        sources += [form.format(name, dim) for form in OVER_A_DIMENSION for dim in (-1, 0, 1)]
        for source in sources:
            for index in range(len(results)):
                changed = copy.deepcopy(tree)
                end = changed.body[0].body[-1]
                new = ast.parse(source, mode="eval").body
                if isinstance(end.value, ast.Tuple):
                    end.value.elts[index] = new
                else:
                    end.value = new
                id = f"on-the-way:{source}"
                # The answer has no such variable: its formula is said.
                said = source if name in arguments or name not in formulas else source.replace(name, formulas[name], 1)
                yield Candidate(id, f"if `{said}` is returned in its place.", compiled(exercise, changed))


def _formulas(function: ast.FunctionDef, arguments: list[str]) -> dict[str, str]:
    """Variables of the solution that are made of its arguments in one statement, as text; in brackets unless it is a name or a call."""
    found = {}
    for statement in function.body:
        if (
            isinstance(statement, ast.Assign)
            and len(statement.targets) == 1
            and isinstance(statement.targets[0], ast.Name)
        ):
            names = {node.id for node in ast.walk(statement.value) if isinstance(node, ast.Name)}
            text = ast.unparse(statement.value)
            if names <= {*arguments, "torch", "math"} and len(text) <= 60:
                found[statement.targets[0].id] = (
                    text if isinstance(statement.value, ast.Name | ast.Call) else f"({text})"
                )
    return found

"""The solution of an exercise as a tree: read, changed by others, and made a function again."""

from __future__ import annotations

import ast
import inspect
import textwrap
from typing import Any

from helpers.exercises.exercise import Exercise


def parsed(exercise: Exercise) -> ast.Module | None:
    """The solution as a tree.

    Args:
        exercise: The exercise.

    Returns:
        A module that holds one function; None if its source cannot be read.
    """
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(exercise.solution)))
    except (OSError, TypeError, SyntaxError):
        return None
    return tree if isinstance(tree.body[0], ast.FunctionDef) else None


def stored_names(function: ast.FunctionDef) -> set[str]:
    """The names that a function assigns.

    Args:
        function: The function.

    Returns:
        The names.
    """
    return {node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


def compiled(exercise: Exercise, tree: ast.Module) -> Any:
    """A changed solution as a function.

    Args:
        exercise: The exercise, whose solution's globals it sees.
        tree: A module that holds one function.

    Returns:
        The function.
    """
    scope = dict(exercise.solution.__globals__)
    exec(compile(ast.fix_missing_locations(tree), "<changed solution>", "exec"), scope)
    (function,) = tree.body
    assert isinstance(function, ast.FunctionDef)
    return scope[function.name]


def shown(node: ast.AST) -> str:
    """A piece of the solution as a sentence quotes it: short pieces only, so that the sentence does not give all away.

    Args:
        node: The piece.

    Returns:
        Its text between backticks, or words for a long piece.
    """
    text = ast.unparse(node)
    return f"`{text}`" if len(text) <= 30 else "one part of it"

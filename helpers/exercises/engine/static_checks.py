"""Checks of an answer before it is called: nothing written yet, not a function, wrong parameters."""

from __future__ import annotations

import ast
import dis
import functools
import inspect
import textwrap
from collections.abc import Callable
from typing import Any

import numpy
from torch import Tensor, nn

from helpers.exercises.exercise import Exercise


def is_stub(answer: Any) -> bool:
    """Whether nothing is written yet: the body is `...`, `pass` or a docstring, or raises NotImplementedError.

    An explicit `return None` is an answer, if the source can be read.

    Args:
        answer: The learner's answer; any object.

    Returns:
        True if it is a function without a body of its own.
    """
    function = function_behind(answer)
    if function is None:
        return False
    body = _body(function)
    if body is None:  # no source: judge by the bytecode
        return _returns_a_constant(function, (None, ...))
    return all(_is_empty(statement) for statement in body) and (
        _returns_a_constant(function, (None, ...)) or any(isinstance(statement, ast.Raise) for statement in body)
    )


def complaint(exercise: Exercise, answer: Any) -> str | None:
    """Why an answer cannot be called as the exercise asks.

    Args:
        exercise: The exercise.
        answer: The learner's answer; any object.

    Returns:
        A sentence; None if the answer can be called.
    """
    return _no_function(exercise, answer) or _other_parameters(exercise, answer)


def function_behind(answer: Any) -> Callable[..., Any] | None:
    """The Python function behind a function, method, partial, decorator or module.

    Args:
        answer: Any object.

    Returns:
        The function; None if there is none, as for a function written in C.
    """
    while isinstance(answer, functools.partial):
        answer = answer.func
    if isinstance(answer, nn.Module):
        answer = type(answer).forward
    answer = inspect.unwrap(getattr(answer, "__func__", answer)) if callable(answer) else None
    return answer if inspect.isfunction(answer) else None


def source_of(function: Callable[..., Any]) -> str:
    """The source of a function.

    Args:
        function: A Python function.

    Returns:
        Its source, dedented; "" if it cannot be read.
    """
    try:
        return textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError, SyntaxError, IndentationError):
        return ""


def _body(function: Callable[..., Any]) -> list[ast.stmt] | None:
    try:
        tree = ast.parse(source_of(function))
    except (SyntaxError, IndentationError):
        return None
    found = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == function.__name__]
    return found[0].body if found else None


def _is_empty(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Raise) and statement.exc is not None:
        return "NotImplementedError" in ast.unparse(statement.exc)
    constant = statement.value if isinstance(statement, (ast.Expr, ast.Return)) else None
    if isinstance(statement, ast.Return):
        return isinstance(constant, ast.Constant) and constant.value is ...
    return isinstance(statement, ast.Pass) or isinstance(constant, ast.Constant)


def _returns_a_constant(function: Callable[..., Any], constants: tuple[Any, ...]) -> bool:
    """Whether its bytecode only returns one of these constants."""
    steps = [step for step in dis.get_instructions(function) if step.opname not in ("RESUME", "NOP", "CACHE")]
    loads = [step for step in steps if step.opname.startswith(("LOAD_CONST", "RETURN_CONST", "LOAD_COMMON_CONSTANT"))]
    returns = [step for step in steps if step.opname == "RETURN_VALUE"]
    return len(loads) == 1 and len(steps) == len(loads) + len(returns) and any(loads[0].argval is c for c in constants)


def _no_function(exercise: Exercise, answer: Any) -> str | None:
    name = exercise.name
    remedy = f'`check("{exercise.id}", {name})`'
    if isinstance(answer, nn.Module) or (callable(answer) and not isinstance(answer, type)):
        return None
    if isinstance(answer, type) and issubclass(answer, nn.Module):
        return (
            f"You gave the class `{answer.__name__}`. Make a module of it first, `{answer.__name__}(...)`, "
            f"or write the function `{name}`."
        )
    if isinstance(answer, type):
        return (
            f"You gave a class, `{answer.__name__}`, but the exercise asks for a function. Write `def {name}(...):` "
            f"and give that: {remedy}."
        )
    if isinstance(answer, str):
        return f"You gave the text {answer!r}. Give the function itself, without quotes: {remedy}."
    if isinstance(answer, (Tensor, numpy.ndarray, numpy.generic, int, float, list, tuple, dict)) or answer is None:
        given = (
            "None"
            if answer is None
            else f"what your function returned ({_kind(answer)})"
            if not isinstance(answer, bool)
            else "a bool"
        )
        return f"You gave {given}, not the function. Leave out the parentheses, so that `check` can call it: {remedy}."
    return f"You gave {_kind(answer)}, which cannot be called. Give the function itself: {remedy}."


def _kind(value: Any) -> str:
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def _other_parameters(exercise: Exercise, answer: Any) -> str | None:
    try:
        asked = inspect.signature(exercise.solution)
        given = inspect.signature(answer.forward if isinstance(answer, nn.Module) else answer)
    except (TypeError, ValueError):  # written in C: only a call can tell
        return None
    parameters = given.parameters.values()
    plain = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    in_words = ", ".join(f"`{name}`" for name in asked.parameters)
    if plain[: len(asked.parameters)] != list(asked.parameters) and set(plain) == set(asked.parameters):
        theirs = ", ".join(f"`{name}`" for name in plain)
        return (
            f"Your function takes {theirs}; the exercise asks for {in_words}, in this order. A call "
            "by position mixes them up."
        )
    positional = [name for name, p in asked.parameters.items() if p.kind is not p.KEYWORD_ONLY]
    named = {name: None for name, p in asked.parameters.items() if p.kind is p.KEYWORD_ONLY}
    if not _binds(given, positional, named) and not takes_names_only(given, asked):
        count = len(asked.parameters)
        theirs = ", ".join(f"`{p}`" for p in parameters) or "none"
        return (
            f"The exercise asks for a function of {count} {'argument' if count == 1 else 'arguments'}, "
            f"{in_words}. Yours takes: {theirs}."
        )
    return None


def takes_names_only(given: inspect.Signature, asked: inspect.Signature) -> bool:
    """Whether a function can be called with the asked parameters by name only.

    Args:
        given: The answer's signature.
        asked: The solution's signature.

    Returns:
        True if a call by name works and a call by position does not.
    """
    named = dict.fromkeys(asked.parameters)
    positional = [name for name, p in asked.parameters.items() if p.kind is not p.KEYWORD_ONLY]
    rest = {name: None for name in named if name not in positional}
    return _binds(given, [], named) and not _binds(given, positional, rest)


def _binds(signature: inspect.Signature, positional: list[str], named: dict[str, None]) -> bool:
    try:
        signature.bind(*positional, **named)
    except TypeError:
        return False
    return True

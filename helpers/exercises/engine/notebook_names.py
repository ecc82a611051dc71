"""Names that an answer reads from the notebook, where an argument was probably meant."""

from __future__ import annotations

import builtins
import dis
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import CodeType, ModuleType
from typing import Any

import numpy
from torch import Tensor, nn
from torch.distributions import Distribution

from helpers.exercises.engine.static_checks import function_behind
from helpers.exercises.exercise import Exercise

_MISSING: Any = object()


@dataclass(frozen=True)
class NotebookName:
    """A variable of the notebook that an answer reads.

    Args:
        name: Its name.
        value: Its value.
        reader: The function of the notebook that reads it and that the answer calls; empty if the answer reads it itself.
    """

    name: str
    value: Any
    reader: str = ""

    @property
    def is_data(self) -> bool:
        """Whether it is a tensor, array, model or distribution: data that an answer should get as an argument."""
        return isinstance(self.value, (Tensor, numpy.ndarray, nn.Module, Distribution)) and not _is_scalar(self.value)

    @property
    def described(self) -> str:
        """What it is, as "a tensor of the shape [4, 3]" or "60000"."""
        if isinstance(self.value, (Tensor, numpy.ndarray)):
            kind = "tensor" if isinstance(self.value, Tensor) else "NumPy array"
            return f"a {kind} of the shape {list(self.value.shape)}"
        if isinstance(self.value, (int, float)):
            return f"{self.value!r}"[:40]
        return f"a {type(self.value).__name__}"


def names_read(function: Callable[..., Any] | None) -> set[str]:
    """Every global name that a function reads, also in functions inside it.

    Args:
        function: A Python function; None for none.

    Returns:
        Names, whether or not they have a value.
    """
    return set() if function is None else _read(function.__code__)


def _read(code: CodeType) -> set[str]:
    found = {str(step.argval) for step in dis.get_instructions(code) if step.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found |= _read(constant)
    return found


def notebook_names(answer: Any) -> list[NotebookName]:
    """The variables of the notebook that an answer reads, also by way of other functions of the notebook.

    Modules, functions, classes and builtins are no variables.

    Args:
        answer: The learner's answer.

    Returns:
        The variables: data first, then numbers.
    """
    found: dict[str, NotebookName] = {}
    seen: set[CodeType] = set()
    waiting = [function_behind(answer)]
    while waiting:
        function = waiting.pop()
        if function is None or function.__code__ in seen or len(seen) > 20:
            continue
        seen.add(function.__code__)
        scope: Mapping[str, Any] = function.__globals__
        for name in sorted(names_read(function)):
            value = scope.get(name, _MISSING)
            if value is _MISSING or hasattr(builtins, name):
                continue
            if inspect.isfunction(value) and value.__globals__ is scope:
                waiting.append(value)
            elif _is_variable(value):
                found[name] = NotebookName(name, value, "" if len(seen) == 1 else function.__name__)
    return sorted(found.values(), key=lambda one: (not one.is_data, one.name))


def _is_variable(value: Any) -> bool:
    if isinstance(value, (ModuleType, type)) or inspect.isroutine(value):
        return False
    if isinstance(value, (list, tuple)):
        return bool(value) and all(_is_variable(item) for item in value)
    return isinstance(value, (Tensor, numpy.ndarray, numpy.generic, nn.Module, Distribution, int, float))


def _is_scalar(value: Any) -> bool:
    return isinstance(value, (Tensor, numpy.ndarray)) and value.ndim == 0


def about_names(exercise: Exercise, answer: Any, names: list[NotebookName]) -> str:
    """What to say to a wrong answer that reads variables of the notebook.

    Args:
        exercise: The exercise.
        answer: The learner's answer.
        names: What it reads; at least one.

    Returns:
        Two sentences.
    """
    function = function_behind(answer)
    own = list(inspect.signature(function).parameters) if function else []
    asked = list(inspect.signature(exercise.solution).parameters)
    shown = " and ".join(f"`{one.name}`" for one in names[:3])
    if all(one.reader and one.name in own for one in names[:3]):
        return (
            f"`{names[0].reader}`, which you call, is a function of the notebook. It uses the notebook's {shown}, not your arguments of "
            "the same name: write what it computes with your arguments."
        )
    many = len(names[:3]) > 1
    what = "are no arguments; they are variables" if many else "is no argument; it is a variable"
    values = "" if many else f", {names[0].described}"
    renamed = [one.name for one in names if one.name in asked and one.name not in own]
    if renamed and own:
        place = asked.index(renamed[0])
        here = f": yours calls it `{own[place]}`" if place < len(own) else ""
        remedy = f" The exercise's `{renamed[0]}` reaches your function by position{here}."
    else:
        remedy = f" Its value stays the same whatever `check` gives your function. Use the arguments: {_listed(own or asked)}."
        remedy = remedy.replace("Its value stays", "Their values stay") if many else remedy
    return f"{shown} {what} of the notebook{values}.{remedy}"


def note_on_names(names: list[NotebookName]) -> str:
    """A note for a right answer that reads variables of the notebook.

    Args:
        names: What it reads; at least one.

    Returns:
        A sentence.
    """
    shown = ", ".join(f"`{one.name}` ({one.described})" for one in names[:3])
    return f"Your answer reads {shown} from the notebook. It works as long as no cell changes that."


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)

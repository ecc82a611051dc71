"""`compiled_complaint`: refuses compiled answers, before they are called.

`torch.compile` would compile anew for each input and dtype that `check` tries, for seconds each; TorchScript optimises from the second
call on, and a traced function has the sizes of one input built in.
"""

from __future__ import annotations

import contextlib
import dis
import functools
import types
from collections.abc import Iterator
from typing import Any

import torch

from helpers.exercises.engine.answer_frames import is_own_file

DEPTH = 4  # functions that call functions of the learner's
COMPILERS = {"compile": torch.compile, "jit": torch.jit}  # by the attribute of torch


def compiled_complaint(answer: Any) -> str | None:
    """Why a compiled answer is not judged.

    Args:
        answer: The learner's answer; any object.

    Returns:
        A sentence that names the remedy; None if nothing in it is compiled.
    """
    for name, value in _reached(answer, "", DEPTH, set()):
        how = _how_compiled(value)
        if how is None:
            continue
        if any(value is compiler for compiler in COMPILERS.values()):
            what = f"Your answer compiles something with `{how}`."
        else:
            what = (
                f"`{name}`, which your answer uses, is compiled with `{how}`."
                if name
                else f"Your answer is compiled with `{how}`."
            )
        return (
            f"{what} `check` calls an answer with many small inputs and dtypes, and a compiler would work for seconds on each. "
            f"Give {'the function' if name else 'it'} uncompiled: leave out the decorator or the call until it has passed."
        )
    return None


def _how_compiled(value: Any) -> str | None:
    if value is torch.jit or isinstance(value, (torch.jit.ScriptFunction, torch.jit.ScriptModule)):
        return "torch.jit"
    if value is torch.compile:
        return "torch.compile"
    if _attribute(value, "_torchdynamo_orig_callable") is not None and not _attribute(value, "_torchdynamo_disable"):
        return "torch.compile"
    if isinstance(value, torch.nn.Module) and (
        type(value).__name__ == "OptimizedModule" or _attribute(value, "_compiled_call_impl") is not None
    ):
        return "torch.compile"
    return None


def _attribute(value: Any, name: str) -> Any:
    """An attribute that was set on the object itself. `getattr` would run code of the learner's."""
    try:
        return object.__getattribute__(value, "__dict__").get(name)
    except AttributeError:
        return None


def _reached(value: Any, name: str, depth: int, seen: set[int]) -> Iterator[tuple[str, Any]]:
    """The answer, and what its code reaches by name: globals, closures, and what functions of the learner's reach in turn."""
    if id(value) in seen:
        return
    seen.add(id(value))
    yield name, value
    if isinstance(value, functools.partial):
        yield from _reached(value.func, name, depth, seen)
        return
    if isinstance(value, torch.nn.Module):
        for inner, module in value.named_children():
            yield from _reached(module, f"{name}.{inner}".lstrip("."), depth, seen)
        value = type(value).forward
    elif not isinstance(value, (type, types.FunctionType, types.MethodType, types.ModuleType)):
        value = vars(type(value)).get("__call__")  # of an object that can be called
    function = getattr(value, "__func__", value)
    if not isinstance(function, types.FunctionType):
        return
    if isinstance(getattr(function, "__wrapped__", None), types.FunctionType):
        yield from _reached(function.__wrapped__, name, depth, seen)
    if depth == 0 or not is_own_file(function.__code__.co_filename):
        return
    outer = {key: function.__globals__[key] for key in _names(function.__code__) if key in function.__globals__}
    for key, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with contextlib.suppress(ValueError):  # not assigned yet
            outer[key] = cell.cell_contents
    for key, reached in outer.items():
        if reached is torch:
            for attribute in _attributes_of(function.__code__, key) & COMPILERS.keys():
                yield f"torch.{attribute}", COMPILERS[attribute]
        else:
            yield from _reached(reached, key, depth - 1, seen)


def _names(code: types.CodeType) -> set[str]:
    return set(code.co_names).union(*(_names(inner) for inner in _inner(code)))


def _attributes_of(code: types.CodeType, name: str) -> set[str]:
    """Attributes that code reads of a name, as {"compile"} for `torch.compile`."""
    steps = list(dis.get_instructions(code))
    found = {
        after.argval
        for before, after in zip(steps, steps[1:], strict=False)
        if before.argval == name
        and before.opname.startswith("LOAD_")
        and after.opname.startswith(("LOAD_ATTR", "LOAD_METHOD"))
    }
    return found.union(*(_attributes_of(inner, name) for inner in _inner(code)))


def _inner(code: types.CodeType) -> list[types.CodeType]:
    return [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]

"""Every public name says what it is, and every parameter of it: in sections that a documentation tool reads."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import docstring_parser
import pytest

PACKAGE = Path(__file__).parents[1] / "helpers"
MODULES = sorted(
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    for path in PACKAGE.rglob("*.py")
    # An exercise's function is what the learner is asked to write: its docstring is the stub's, and has its form.
    if path.name not in ("__init__.py", "__main__.py") and "lesson_" not in str(path)
)


def public_names(module_name: str) -> Iterator[tuple[str, type | Callable]]:
    """Public classes, functions and methods that a module defines, with their dotted names."""
    module = importlib.import_module(module_name)
    for name, value in vars(module).items():
        if name.startswith("_") or getattr(value, "__module__", None) != module_name:
            continue
        if inspect.isclass(value):
            yield name, value
            for attribute, member in vars(value).items():
                method = getattr(member, "__func__", member)  # of a classmethod or staticmethod
                if (
                    not attribute.startswith("_")
                    and inspect.isfunction(method)
                    and not inherits_docstring(value, attribute)
                ):
                    yield f"{name}.{attribute}", method
        elif inspect.isfunction(inspect.unwrap(value)) if callable(value) else False:
            yield name, inspect.unwrap(value)


def inherits_docstring(owner: type, name: str) -> bool:
    """Whether a method without a docstring of its own overrides a documented one, of this package or of a library."""
    if vars(owner)[name].__doc__:
        return False
    return any(getattr(vars(base).get(name), "__doc__", None) for base in owner.__mro__[1:])


def parameters(value: type | Callable) -> set[str]:
    """What a caller may give: the parameters of a function, or of a class's constructor if the class has one of its own."""
    if inspect.isclass(value):
        if "__init__" not in vars(value):
            return set()
        if not dataclasses.is_dataclass(value) and not inspect.isfunction(vars(value)["__init__"]):
            return set()
        value = vars(value)["__init__"]
    return {
        name
        for name in inspect.signature(value).parameters
        if name not in ("self", "cls", "args", "kwargs") and name[0] != "_"
    }


def complaints(name: str, value: type | Callable) -> list[str]:
    if not value.__doc__:
        return [f"{name} has no docstring"]
    parsed = docstring_parser.parse(inspect.cleandoc(value.__doc__), style=docstring_parser.DocstringStyle.GOOGLE)
    documented = {part for p in parsed.params for part in p.arg_name.replace("*", "").replace(" ", "").split(",")}
    wanted = parameters(value)
    found = [f"{name}: {p} is not documented" for p in sorted(wanted - documented)]
    if inspect.isclass(value):
        fields = {p.arg_name for p in parsed.params if p.args[0] == "attribute"}
        return found + [f"{name}: {p} is no parameter" for p in sorted(documented - fields - wanted) if wanted]
    found += [f"{name}: {p} is no parameter" for p in sorted(documented - wanted)]
    tree = ast.parse(textwrap.dedent(inspect.getsource(value))).body[0]
    returns = getattr(tree, "returns", None)
    if wanted and returns is not None and ast.unparse(returns) != "None" and parsed.returns is None:
        found.append(f"{name}: what it returns is not said")
    if not parsed.raises and any(isinstance(node, ast.Raise) and node.exc is not None for node in own_nodes(tree)):
        found.append(f"{name}: what it raises is not said")
    return found


def own_nodes(function: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a function's body, without those of functions inside it."""
    for node in ast.iter_child_nodes(function):
        if not isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Lambda)):
            yield node
            yield from own_nodes(node)


@pytest.mark.parametrize("module_name", MODULES)
def test_every_public_name_documents_its_parameters(module_name):
    found = [complaint for name, value in public_names(module_name) for complaint in complaints(name, value)]
    assert not found, "\n".join(found)

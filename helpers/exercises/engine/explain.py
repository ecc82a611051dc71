"""What an exception in an answer means, in plain words, with its usual cause."""

from __future__ import annotations

import builtins
import difflib
import re
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

Words = Callable[[re.Match[str]], str]

IMPORTS = {
    "torch": "import torch", "math": "import math", "np": "import numpy as np", "nn": "from torch import nn",
    "F": "import torch.nn.functional as F", "Tensor": "from torch import Tensor",
    **{name: f"from torch.distributions import {name}" for name in torch.distributions.__all__},
}  # fmt: skip


def explain(error: BaseException, known: Iterable[str] = (), own: Iterable[str] = ()) -> str:
    """What an exception means and what usually causes it.

    Args:
        error: The exception that the answer raised.
        known: Names that the answer could have meant, for suggestions after a NameError.
        own: The answer's own arguments and variables, which are suggested first.

    Returns:
        One or two sentences; "" if the exception is not a known one.
    """
    message = " ".join(str(error).split())
    if isinstance(error, RecursionError):
        return "The function calls itself without end. The exercise needs no recursion: call the torch function that you meant."
    if isinstance(error, MemoryError) or "can't allocate memory" in message or "out of memory" in message:
        return "There is not enough memory for a tensor of that size. The inputs are small, so look for a shape that grew by mistake."
    if isinstance(error, UnboundLocalError):
        return "A variable is read before it is given a value: on this path through the function nothing was assigned to it."
    if isinstance(error, NameError):
        return _unknown_name(error, known, own)
    if isinstance(error, ModuleNotFoundError):
        return f"There is no module `{error.name}` here. The exercise needs nothing beside what the lesson imports."
    if isinstance(error, AttributeError):
        return _unknown_attribute(error)
    if isinstance(error, SystemExit):
        return "The answer tried to end Python. Leave `exit()` and `quit()` out of a function."
    for kinds, pattern, words in MEANINGS:
        if isinstance(error, kinds) and (found := re.search(pattern, message)):
            return words(found) if callable(words) else words
    return BY_TYPE.get(type(error), "")


SIZED = re.compile(r"(?:torch\.)?\b(?:eye|zeros|ones|full|empty|randn|arange)\(\s*[(\[]?\s*\d+[^()]*\)")


def fixed_size_remark(error: BaseException, source: str) -> str:
    """A remark on a size that the answer writes as a number, if shapes do not fit.

    Args:
        error: The exception that the answer raised.
        source: Source of the answer, "" if unknown.

    Returns:
        A sentence or two; "" if the exception is not about shapes, or if the source has no fixed size.
    """
    found = SIZED.search(source)
    if found is None or not re.search(r"size of tensor|shapes cannot be multiplied|size mismatch|inconsistent tensor size|Incompatible",
                                      str(error)):  # fmt: skip
        return ""
    return (
        f"`{found[0]}` has a fixed size. Take the size from the shape of an argument: it differs from input to input."
    )


def _unknown_name(error: NameError, known: Iterable[str], own: Iterable[str]) -> str:
    name = error.name or (re.findall(r"'(\w+)'", str(error)) or ["?"])[0]
    if name in IMPORTS:
        return f"`{name}` is not imported: run the lesson's first cells again, or put `{IMPORTS[name]}` above the function."
    near = difflib.get_close_matches(name, own, n=1)
    if not near and hasattr(torch, name):
        return f"Nothing is called `{name}` here. Did you mean `torch.{name}`?"
    near = near or difflib.get_close_matches(name, [*known, *IMPORTS, *dir(builtins)], n=1)
    if near:
        return f"Nothing is called `{name}` here. Did you mean `{near[0]}`?"
    return f"Nothing is called `{name}` here: it is not an argument, it was not assigned, and no cell that has run defines it."


def _unknown_attribute(error: AttributeError) -> str:
    owner, name = error.obj, error.name or ""
    if owner is None:
        return f"`.{name}` is used on None: often the result of a function without `return`."
    if isinstance(owner, (int, float)):
        return f"`.{name}` is used on a Python number. Only tensors have it; `math` has functions for numbers."
    names = dir(owner)
    near = difflib.get_close_matches(name, [n for n in names if not n.startswith("_")], n=1)
    kind = (
        "a tensor"
        if isinstance(owner, Tensor)
        else f"`{owner.__name__}`"
        if hasattr(owner, "__name__")
        else f"a {type(owner).__name__}"
    )
    return f"There is no `{name}` in {kind}." + (f" Did you mean `{near[0]}`?" if near else "")


def _mismatch(found: re.Match[str]) -> str:
    ours, theirs, dimension = found.groups()
    return (
        f"Two tensors are combined whose sizes do not fit: {ours} against {theirs} at dimension {dimension}. "
        "Broadcasting lines shapes up from "
        "the last dimension; often a `.unsqueeze(...)`, a `keepdim=True` or a sum over another dimension is missing, or is one too many."
    )


def _products(found: re.Match[str]) -> str:
    (rows, inner), (other, columns) = ([int(n) for n in found[i].split("x")] for i in (1, 2))
    words = (
        f"A matrix product of [{rows}, {inner}] with [{other}, {columns}]: the last size of the first must be the first size of the "
        "second."
    )
    fits = []
    if inner == columns:
        fits.append("if the second is transposed (`.T`)")
    if rows == other:
        fits.append("if the first is transposed (`.T`)")
    if columns == rows:
        fits.append("in the other order")
    return words + (
        f" The sizes would fit {' or '.join(fits)}."
        if fits
        else " No transpose makes them fit: look at where they come from."
    )


NO_GPU = (
    'There is no GPU here. Leave out `.cuda()` and `.to("cuda")`: the inputs say where to compute, and new tensors are made like them '
    "(`torch.zeros_like(x)`, `device=x.device`)."
)
MIXED_TYPES = (
    "Two tensors of different dtypes are combined. The inputs are float64 here: make new tensors like them (`torch.zeros_like(x)`, "
    "`torch.eye(n).to(x)`) rather than in the default float32, and leave out `.float()`."
)
PYTHON_NUMBER = (
    "A tensor is used where Python needs one number: `math.log` and similar functions take numbers, "
    "`torch.log` and `x.log()` take tensors."
)
MEANINGS: tuple[tuple[Any, str, str | Words], ...] = (
    (Exception, r"not compiled with CUDA|Found no NVIDIA driver|No CUDA GPUs|not linked with support for|CUDA driver", NO_GPU),
    (RuntimeError, r"raised KeyboardInterrupt itself", "The answer raises KeyboardInterrupt itself. "
     "That exception is reserved for the user's interrupt."),
    (RuntimeError, r"size of tensor a \((\d+)\) must match the size of tensor b \((\d+)\) at non-singleton dimension (\d+)", _mismatch),
    (RuntimeError, r"mat1 and mat2 shapes cannot be multiplied \((\S+) and (\S+)\)", _products),
    (RuntimeError, r"size mismatch, got input|inconsistent tensor size|Expected size for first two dimensions|vector \+ matrix",
     "A product of matrices or vectors whose inner sizes differ. Write the two shapes down: the inner sizes must agree."),
    (RuntimeError, r"einsum", "The letters of `einsum` do not fit the shapes: one letter per dimension, equal letters for equal sizes."),
    (RuntimeError, r"shape '(.*)' is invalid for input of size (\d+)",
     lambda m: f"A tensor of {m[2]} numbers cannot be given the shape {m[1]}: the product of the sizes differs."),
    (RuntimeError, r"Sizes of tensors must match|stack expects each tensor to be equal size|expand",
     "The shapes that are put together here do not fit."),
    (IndexError, r"Dimension out of range \(expected to be in range of \[(-?\d+), (-?\d+)\], but got (-?\d+)\)",
     lambda m: f"The tensor has no dimension {m[3]}, only {m[1]} to {m[2]}. Was it summed before, or does it "
     "have fewer dimensions than you think?"),
    (IndexError, r"out of bounds|out of range|too many indices", "An index points outside the tensor or list."),
    ((RuntimeError, TypeError), r"must have the same dtype|expected scalar type|expected m1 and m2|same dtype", MIXED_TYPES),
    (RuntimeError, r"Subtraction, the `-` operator, with .*bool",
     "Two comparisons are subtracted, but truth values have no `-`. Convert them to an input's dtype first: `(u > p).to(u)`."),
    (RuntimeError, r"result type \w+ can't be cast|could not infer output dtype|not implemented for '(Long|Int|Bool)'",
     "The operation needs floating-point numbers, but the tensor holds integers or truth values."),
    (RuntimeError, r"leaf Variable that requires grad is being used in an in-place|view of a leaf Variable",
     "The answer changes its argument in place, as `x += 1`, `x[i] = ...` or `x.log_()` do. Make a new tensor: `x = x + 1`."),
    (RuntimeError, r"modified by an inplace operation",
     "A tensor that the gradient needs was changed in place. Make a new tensor instead of changing one."),
    (RuntimeError, r"Can't call numpy\(\)", "NumPy arrays carry no gradients. Stay in torch, which has the same functions."),
    (RuntimeError, r"does not require grad and does not have a grad_fn|One of the differentiated Tensors",
     "A gradient is taken of something that no longer depends on a tensor with gradients: look for `.detach()`, `.item()`, `no_grad()`."),
    (RuntimeError, r"Boolean value of Tensor with more than one value",
     "A Python `if`, `and`, `or`, `max` or `min` needs one truth value and got a whole tensor. Use "
     "`torch.where`, `&`, `|`, `torch.maximum`."),
    (RuntimeError, r"Expected all tensors to be on the same device", "The tensors are on different devices. "
    "Make new ones like the inputs: `torch.zeros_like(x)`."),
    ((ValueError, TypeError, RuntimeError), r"only one element tensors can be converted|cannot be converted to Scalar", PYTHON_NUMBER),
    (ValueError, r"Expected parameter (\w+) .*of distribution (\w+)\(.*constraint (\w+)",
     lambda m: f"`{m[2]}` got a `{m[1]}` outside its range ({m[3]}). Is it a logarithm or a raw network output "
     "that must first be transformed?"),
    (ValueError, r"Expected value argument .*support", "`log_prob` got a value outside the distribution's support."),
    (ValueError, r"not enough values to unpack|too many values to unpack", "The number of names on the left "
    "differs from the number of values on the right."),
    (TypeError, r"(\w+)\(\): argument '(\w+)' .*must be Tensor, not (\w+)",
     lambda m: f"`torch.{m[1]}` takes a tensor and was given a Python {m[3]}: `math.{m[1]}` takes numbers, if there is one."),
    (TypeError, r"missing (\d+) required", "A function is called with too few arguments."),
    (TypeError, "takes .* positional arguments? but|unexpected keyword argument|received an invalid "
    "combination of arguments|got multiple values",
     "A function is called with arguments that it does not take."),
    (TypeError, r"unsupported operand type\(s\) for (.+): '(\w+)' and '(\w+)'",
     lambda m: f"`{m[1]}` does not work between {m[2]} and {m[3]}. Is one of them a function that was not called, or still None?"),
    (TypeError, r"'(\w+)' object is not callable",
     lambda m: f"Parentheses follow something that is not a function (a {m[1]}). Is a `*` missing, "
     "or does a variable hide a function's name?"),
    (TypeError, r"'(\w+)' object is not (subscriptable|iterable)", lambda m: f"A {m[1]} is used as if it were a list or a tensor."),
)  # fmt: skip
BY_TYPE = {
    NotImplementedError: "This path through the function is not written yet.",
    ZeroDivisionError: "Something is divided by zero.",
    AssertionError: "An `assert` in the answer does not hold for these inputs.",
    KeyError: "There is no such key in the dictionary.",
}

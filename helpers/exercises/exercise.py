"""What an exercise is: all that `check`, `hint`, `solution`, the lesson's stub and the tests need, in one place."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

Inputs = Callable[[torch.Generator], dict[str, Any]]
STUB_LINE = "...  # your code"


@dataclass(frozen=True)
class Misconception:
    """A wrong answer that real learners write.

    Args:
        name: What is wrong, in a few words, for the tests' table ("forgets the factor one half").
        answer: The wrong answer, a function with the solution's parameters.
        sentence: What `check` says to it, and to every answer with the same values and gradients.
    """

    name: str
    answer: Callable[..., Any]
    sentence: str

    @property
    def id(self) -> str:
        """The name in lower case with hyphens, as "forgets-the-factor-one-half". Tables that count answers rely on it."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")


@dataclass(frozen=True)
class Remark:
    """A right answer that costs more than it need, and what `check` adds when such an answer passes.

    Args:
        name: What is costly, in a few words ("the image once for each class").
        answer: The costly answer, a function with the solution's parameters. It must pass.
        sentence: What `check` adds to every answer that passes and costs about as much, in operations or in arithmetic.
    """

    name: str
    answer: Callable[..., Any]
    sentence: str


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    Args:
        id: "LL.N", lesson and number, as in `check("01.1", ...)`.
        title: A few words.
        minutes: Time that a learner needs, measured.
        difficulty: 1 (●○○), 2 (●●○) or 3 (●●●).
        statement: The task, in one to three sentences of Markdown; the lesson's "Your turn" cell holds the same words.
        solution: The reference answer, a deterministic function. Noise, if it needs any, is an argument. Its signature and
            docstring make the learner's stub, and `solution()` shows its source, so it must run beside the lesson's imports
            alone: no private helper, no closure, no global.
        why: The sentence shown under the solution.
        cases: The inputs that `check` tries, by name. Each is called with a seeded generator and returns new arguments as a
            dict, in float64. Gradients are compared for the tensors that require grad, also those in lists, tuples, dicts and
            modules. Sizes of different dimensions differ, so that sizes identify the dimensions of a wrong shape.
        dimensions: Names of the dimensions of each tensor argument and, under "return", of the answer (a tuple of names; for
            several tensors, a tuple of such tuples), as {"loc": ("batch", "latent"), "return": ("batch",)}.
        returns: Name of each returned tensor in sentences, as ("the KL",).
        hints: A nudge, the formula, the first line.
        misconceptions: Three or more.
        remarks: Right answers that are costly.
        may_share_memory: Whether the answer may be a view of its argument, as in an exercise on reshaping.
    """

    id: str
    title: str
    minutes: int
    difficulty: int
    statement: str
    solution: Callable[..., Any]
    why: str
    cases: Mapping[str, Inputs]
    dimensions: Mapping[str, Any]
    returns: tuple[str, ...]
    hints: tuple[str, str, str]
    misconceptions: tuple[Misconception, ...]
    remarks: tuple[Remark, ...] = ()
    may_share_memory: bool = False

    @property
    def lesson(self) -> str:
        """The lesson's number, as "01" for "01.1"."""
        return self.id.partition(".")[0]

    @property
    def name(self) -> str:
        """Name of the function that the learner writes."""
        return self.solution.__name__

    @property
    def dots(self) -> str:
        """The difficulty as the lesson shows it, as "●●○"."""
        return "●" * self.difficulty + "○" * (3 - self.difficulty)

    @property
    def heading(self) -> str:
        """Heading of the lesson's "Your turn" cell."""
        return f"Your turn · {self.id} · {self.dots} · {self.minutes} minutes"

    @cached_property
    def kept(self) -> dict[Any, Any]:
        """What judging has found once and finds again in each try: how solution and misconceptions fare on the cases."""
        return {}

    @cached_property
    def solution_source(self) -> str:
        """Source of the solution."""
        return textwrap.dedent(inspect.getsource(self.solution)).rstrip()

    @cached_property
    def stub(self) -> str:
        """Start of the lesson's cell: the solution's signature and docstring, and `...` in place of its body."""
        (function,) = ast.parse(self.solution_source).body
        assert isinstance(function, ast.FunctionDef) and ast.get_docstring(function), (
            f"{self.id}: the solution needs a docstring"
        )
        lines = self.solution_source.splitlines()[: function.body[0].end_lineno]
        return "\n".join([*lines, " " * 4 + STUB_LINE])

"""What an exercise is: everything that `check`, `hint`, `solution`, the lesson's stub and the tests need, in one place."""

from __future__ import annotations

import ast
import inspect
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

    name: what is wrong, in a few words, for the tests' table ("forgets the factor one half").
    answer: the wrong answer, a function with the solution's parameters.
    sentence: what `check` says to it, and to every answer whose values and gradients are the same.
    """

    name: str
    answer: Callable[..., Any]
    sentence: str


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    id: "LL.N", lesson and number, as in `check("01.1", ...)`.
    title: a few words.
    minutes: what a learner needs, measured.
    difficulty: 1 (●○○), 2 (●●○) or 3 (●●●).
    statement: what is asked, in one to three sentences of Markdown; the lesson's "Your turn" cell holds the same words.
    solution: the reference answer. A deterministic function: noise, where it needs any, is an argument. Its signature and
        docstring make the learner's stub, and its source is what `solution()` shows, so it must stand alone beside the lesson's
        imports: no private helper, no closure, no global.
    why: the sentence shown under the solution.
    cases: the inputs that `check` tries, by name. Each is called with a seeded generator and returns the arguments as a dict, in
        float64, afresh each time. Tensors in it (in lists, tuples and dicts too) that require grad are the ones whose gradients are
        compared. Sizes of different dimensions differ, so that a wrong shape can be told by its numbers.
    dimensions: the names of the dimensions of each tensor argument and, under "return", of the answer (a tuple of names; for an
        answer of several tensors a tuple of such tuples), as {"loc": ("batch", "latent"), "return": ("batch",)}.
    returns: what each returned tensor is called in a sentence, as ("the KL",).
    hints: a nudge, the formula, the first line.
    misconceptions: three or more.
    may_share_memory: whether the answer may be a view of its argument, as where reshaping is asked.
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
    may_share_memory: bool = False

    @property
    def lesson(self) -> str:
        """ "01" of "01.1"."""
        return self.id.partition(".")[0]

    @property
    def name(self) -> str:
        """The name of the function that the learner writes."""
        return self.solution.__name__

    @property
    def dots(self) -> str:
        """The difficulty as the lesson shows it: ●●○."""
        return "●" * self.difficulty + "○" * (3 - self.difficulty)

    @property
    def heading(self) -> str:
        """The heading of the lesson's "Your turn" cell."""
        return f"Your turn · {self.id} · {self.dots} · {self.minutes} minutes"

    @cached_property
    def solution_source(self) -> str:
        """The solution as text."""
        return textwrap.dedent(inspect.getsource(self.solution)).rstrip()

    @cached_property
    def stub(self) -> str:
        """What the lesson's cell gives the learner: the solution's signature and docstring, and `...` for the rest."""
        (function,) = ast.parse(self.solution_source).body
        assert isinstance(function, ast.FunctionDef) and ast.get_docstring(function), (
            f"{self.id}: the solution needs a docstring"
        )
        lines = self.solution_source.splitlines()[: function.body[0].end_lineno]
        return "\n".join([*lines, " " * 4 + STUB_LINE])

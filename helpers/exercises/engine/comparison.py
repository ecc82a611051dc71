"""`Comparison`: an answer beside the solution on every case; `Fault`: what is found wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from helpers.exercises.engine.explain import explain, fixed_size_remark
from helpers.exercises.engine.raising_line import raising_line
from helpers.exercises.engine.shapes import align_names
from helpers.exercises.engine.static_checks import function_behind, source_of
from helpers.exercises.engine.trial import Trial, case_arguments
from helpers.exercises.exercise import Exercise

ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")
Facts = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with an answer.

    Args:
        sentence: What is wrong, and usually what helps.
        facts: Evidence, as (label, text).
        code: Lines of the answer; "" for none.
        id: What a table of many answers can count, as "transformation:square:scale"; "" if the fault has no id.
        notes: What else is wrong, in short.
        vague: Whether the sentence names no cause.
    """

    sentence: str
    facts: Facts = ()
    code: str = ""
    id: str = ""
    notes: tuple[str, ...] = ()
    vague: bool = False


@dataclass
class Comparison:
    """An answer and the solution on every case of an exercise.

    Args:
        exercise: The exercise.
        answer: The answer, as the learner gave it.
        got: The answer's trial on each case.
        want: The solution's trial on each case.
        sizes: For each case, the sizes of the named dimensions.
    """

    exercise: Exercise
    answer: Any
    got: list[Trial]
    want: list[Trial]
    sizes: list[dict[str, int]]

    def cases(self) -> Iterator[tuple[Trial, Trial, dict[str, int]]]:
        """For each case, the answer's trial, the solution's trial, and the sizes of the named dimensions."""
        return zip(self.got, self.want, self.sizes, strict=True)

    def subject(self, index: int) -> str:
        """What an output is called at the start of a sentence.

        Args:
            index: Position of the output among those returned, from 0.

        Returns:
            "Your answer", or, if the exercise asks for several results, "Your second result, the cost,".
        """
        count = max(len(trial.graded.outputs) for trial in self.want)
        if count == 1:
            return "Your answer"
        names = self.exercise.returns
        return f"Your {ORDINALS[index]} result" + (f", {names[index]}," if index < len(names) else "")

    def ordinal(self, index: int) -> str:
        """The place of an output in words, as "first".

        Args:
            index: Position of the output among those returned, from 0.

        Returns:
            The word.
        """
        return ORDINALS[index]

    def arguments(self, case: str) -> dict[str, Any]:
        """The arguments of a case.

        Args:
            case: Name of the case.

        Returns:
            New arguments by name.
        """
        return case_arguments(self.exercise, case)

    def dimension_names(self, index: int, ndim: int) -> tuple[str, ...] | None:
        """The names of an output's dimensions.

        Args:
            index: Position of the output among those returned, from 0.
            ndim: Number of dimensions that the output should have.

        Returns:
            One name a dimension; None if the exercise does not name them.
        """
        names = self.exercise.dimensions.get("return")
        if names and not isinstance(names[0], str):
            names = names[index] if index < len(names) else None
        return align_names(names, ndim)

    def case_fact(self, case: str) -> tuple[str, str]:
        """The fact that names a case and the shapes of its arguments.

        Args:
            case: Name of the case.

        Returns:
            ("Case", text), as ("Case", "four: loc [4, 3], scale [4, 3]").
        """
        shapes = []
        for name, value in case_arguments(self.exercise, case).items():
            if isinstance(value, Tensor):
                shapes.append(f"{name} {list(value.shape) or 'a scalar'}")
            elif isinstance(value, (int, float, bool)):
                shapes.append(f"{name} = {value:g}")
        return "Case", case + (f": {', '.join(shapes)}" if shapes else "")


def exception_fault(comparison: Comparison, got: Trial, error: BaseException, when: str) -> Fault:
    """The fault of an answer that raises: the line that raised, and what the exception means.

    Args:
        comparison: The answer beside the solution.
        got: The answer's trial on the case that raised.
        error: The exception.
        when: Condition under which the answer raises, with a leading space, as " when its arguments are float32"; "" for none.

    Returns:
        The fault, with Python's own message among its facts.
    """
    function = function_behind(comparison.answer)
    line = raising_line(error, function.__code__ if function else None)
    own = function.__code__.co_varnames if function else comparison.exercise.solution.__code__.co_varnames
    known = [*(function.__globals__ if function else ())]
    message = " ".join(str(error).split())
    facts = (("Python says", f"{type(error).__name__}: {message[:300]}"), comparison.case_fact(got.case))
    means = fixed_size_remark(error, source_of(function) if function else "") or explain(error, known, own)
    where = f", in {line.partition(':')[0]}" if line else ""
    return Fault(
        f"Your answer raises {type(error).__name__}{when}{where}. {means}".rstrip(),
        facts,
        line.partition("\n\n")[2],
    )

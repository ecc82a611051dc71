"""What the search for a fault starts from, and what it ends with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from helpers.exercises.engine.explain import explain, raised_at, size_as_number
from helpers.exercises.engine.form import function_behind, source_of
from helpers.exercises.engine.shapes import align
from helpers.exercises.engine.trial import Trial, inputs
from helpers.exercises.exercise import Exercise

ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")
Facts = tuple[tuple[str, str], ...]


@dataclass
class Fault:
    """A sentence, what it rests on, and lines of the answer."""

    sentence: str
    facts: Facts = ()
    code: str = ""


@dataclass
class Setting:
    """An exercise, an answer, how it and the solution fared on every case, and the sizes of the named dimensions there."""

    exercise: Exercise
    answer: Any
    got: list[Trial]
    want: list[Trial]
    sizes: list[dict[str, int]]

    def cases(self) -> Iterator[tuple[Trial, Trial, dict[str, int]]]:
        return zip(self.got, self.want, self.sizes, strict=True)

    def subject(self, index: int) -> str:
        """What the output is called at the start of a sentence."""
        count = max(len(trial.graded.outputs) for trial in self.want)
        if count == 1:
            return "Your answer"
        names = self.exercise.returns
        return f"Your {ORDINALS[index]} result" + (f", {names[index]}," if index < len(names) else "")

    def names(self, index: int, ndim: int) -> tuple[str, ...] | None:
        """The names of the output's dimensions."""
        names = self.exercise.dimensions.get("return")
        if names and not isinstance(names[0], str):
            names = names[index] if index < len(names) else None
        return align(names, ndim)

    def where(self, case: str) -> tuple[str, str]:
        """A fact: the case and the shapes of its arguments."""
        shapes = []
        for name, value in inputs(self.exercise, case).items():
            if isinstance(value, Tensor):
                shapes.append(f"{name} {list(value.shape) or 'a scalar'}")
            elif isinstance(value, (int, float, bool)):
                shapes.append(f"{name} = {value:g}")
        return "Case", case + (f": {', '.join(shapes)}" if shapes else "")


def raised(setting: Setting, got: Trial, error: BaseException, when: str) -> Fault:
    """What to say of an exception: its line, and what it means."""
    function = function_behind(setting.answer)
    line = raised_at(error, function.__code__ if function else None)
    known = [*setting.exercise.solution.__code__.co_varnames, *(function.__globals__ if function else ())]
    message = " ".join(str(error).split())
    facts = (("Python says", f"{type(error).__name__}: {message[:300]}"), setting.where(got.case))
    means = size_as_number(error, source_of(function) if function else "") or explain(error, known)
    where = f", in {line.partition(':')[0]}" if line else ""
    return Fault(
        f"Your answer raises {type(error).__name__}{when}{where}. {means}".rstrip(),
        facts,
        line.partition("\n\n")[2],
    )

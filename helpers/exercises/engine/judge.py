"""`judge`: runs an answer beside the solution, and finds the one most useful sentence to say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from helpers.exercises.engine import static_checks
from helpers.exercises.engine.closeness import TOLERANCE
from helpers.exercises.engine.comparison import Comparison, Fault
from helpers.exercises.engine.compiled import compiled_complaint
from helpers.exercises.engine.cost import remarks
from helpers.exercises.engine.diagnosis import also_wrong, basic_fault, first_fault
from helpers.exercises.engine.global_state import preserved_global_state
from helpers.exercises.engine.notebook_names import about_names, note_on_names, notebook_names
from helpers.exercises.engine.shapes import named_sizes
from helpers.exercises.engine.stop_words import notes_on, why_unfinished
from helpers.exercises.engine.trial import (
    Trial,
    agrees,
    behaves_like,
    case_arguments,
    comparable_in_float32,
    same_values,
    try_answer,
)
from helpers.exercises.engine.verdict import Verdict
from helpers.exercises.exercise import Exercise, Misconception

SECONDS = 5.0  # of CPU time, without first imports; an answer needs milliseconds


def judge(exercise: Exercise, answer: Any, seconds: float = SECONDS) -> Verdict:
    """Judge an answer, whatever it is. Changes no random state, no default and no file.

    An answer is right if on every case its values and gradients in float64 are those of the solution, if it returns the same
    without gradients and in float32, if it does not change its arguments, and if it neither seeds nor uses the global random
    state. Otherwise the verdict says the first of these that applies: it cannot be called as asked (`static_checks`); it reads data
    of the notebook in place of its arguments; it behaves like a misconception of the exercise; it raises, returns another type,
    changes its arguments, draws, or returns its results in another order (`basic_fault`); it has the values of a misconception;
    or what else is wrong (`first_fault`). If it passes, a remark says if it is costly.

    Args:
        exercise: The exercise.
        answer: The learner's answer; usually a function.
        seconds: Limit on the CPU time of all calls together (`TimeLimit`).

    Returns:
        The verdict. Errors of the answer are part of it.

    Raises:
        KeyboardInterrupt: If the user interrupts. Nothing else is raised.
    """
    try:
        with preserved_global_state():
            return _judge(exercise, answer, seconds)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        words = (
            "Your answer could not be judged, because it does something that `check` did not expect "
            f"({type(error).__name__}: {str(error)[:200]})."
        )
        return Verdict(exercise.id, exercise.title, "not yet", words)


def _judge(exercise: Exercise, answer: Any, seconds: float) -> Verdict:
    compiled = compiled_complaint(answer)  # before all else: a compiled module looks like a stub
    if compiled is not None:
        return Verdict(exercise.id, exercise.title, "not yet", compiled)
    if static_checks.is_stub(answer):
        words = f'Write the body of `{exercise.name}` in place of `...`, then run the cell again. `hint("{exercise.id}")` gives a nudge.'
        return Verdict(exercise.id, exercise.title, "not attempted", words)
    complaint = static_checks.complaint(exercise, answer)
    if complaint is not None:
        return Verdict(exercise.id, exercise.title, "not yet", complaint)

    # The solution first: what torch loads at first use must not count as the learner's time.
    want = [_kept_trial(exercise, exercise.solution, case) for case in exercise.cases]
    got: list[Trial] = []
    left = seconds
    for case in exercise.cases:
        got.append(try_answer(exercise, answer, case, left))
        left = max(left - sum(one.seconds for one in got[-1].runs), 0.5)
        unfinished = why_unfinished(got[-1].runs)
        if unfinished is not None:
            facts = (("Case", got[-1].case),)
            return Verdict(exercise.id, exercise.title, "not yet", unfinished, facts, notes=_notes(got))
    notes = _notes(got)
    names = notebook_names(answer)
    if all(agrees(*pair, exercise.may_share_memory) for pair in zip(got, want, strict=True)):
        notes += (note_on_names(names),) if names else ()
        return Verdict(
            exercise.id,
            exercise.title,
            "passed",
            _tested(want),
            notes=notes,
            remarks=remarks(exercise, answer, max(left, 0.1)),
        )

    def not_yet(fault: Fault) -> Verdict:
        return Verdict(
            exercise.id,
            exercise.title,
            "not yet",
            fault.sentence,
            fault.facts,
            fault.code,
            notes + fault.notes,
            misconception_id=fault.id or None,
        )

    def known(misconception: Misconception, more: tuple[str, ...] = ()) -> Verdict:
        fault = Fault(misconception.sentence, id=misconception.id, notes=more)
        return replace(not_yet(fault), misconception=misconception.name)

    sizes = [named_sizes(case_arguments(exercise, case), exercise.dimensions) for case in exercise.cases]
    comparison = Comparison(exercise, answer, got, want, sizes)
    data = [one for one in names if one.is_data]
    if data:
        return not_yet(Fault(about_names(exercise, answer, data), id="notebook-name"))
    misconceptions = Misconceptions(exercise, got)
    if found := misconceptions.exactly():
        return known(found)
    values_right = all(same_values(a.graded, b.graded) for a, b in zip(got, want, strict=True))
    by_values = None if values_right else misconceptions.by_values()
    if fault := basic_fault(comparison):
        sizes_read = [one for one in names if isinstance(one.value, int)]
        if sizes_read and any(trial.graded.error is not None for trial in got):  # sizes that fit in the notebook only
            return not_yet(
                Fault(about_names(exercise, answer, sizes_read), fault.facts, fault.code, id="notebook-name")
            )
        more = (f"Besides: {by_values.sentence}",) if by_values else ()
        return not_yet(replace(fault, notes=more))
    if by_values:
        return known(by_values, also_wrong(comparison))
    fault = first_fault(comparison)
    if names and fault.vague:
        return not_yet(Fault(about_names(exercise, answer, names), fault.facts, id="notebook-name"))
    more = (note_on_names(names),) if names else ()
    return not_yet(replace(fault, notes=more if values_right else (*more, *also_wrong(comparison))))


class Misconceptions:
    """The misconceptions of an exercise, tried on its cases as far as needed.

    Args:
        exercise: The exercise.
        got: The answer's trials.
    """

    def __init__(self, exercise: Exercise, got: list[Trial]) -> None:
        self.exercise = exercise
        self.got = got

    def exactly(self) -> Misconception | None:
        """The first that behaves like the answer in everything, side effects included."""
        return self._first(behaves_like)

    def by_values(self) -> Misconception | None:
        """The first that returns the answer's values."""
        return self._first(lambda a, b: same_values(a.graded, b.graded))

    def _first(self, alike: Callable[[Trial, Trial], bool]) -> Misconception | None:
        for misconception in self.exercise.misconceptions:
            if all(alike(trial, self._trial(misconception, trial.case)) for trial in self.got):
                return misconception
        return None

    def _trial(self, misconception: Misconception, case: str) -> Trial:
        return _kept_trial(self.exercise, misconception.answer, case)


def _kept_trial(exercise: Exercise, answer: Callable[..., Any], case: str) -> Trial:
    """The trial of a solution or a misconception, which is the same at every try: made once."""
    key = answer, case
    if key not in exercise.kept:
        exercise.kept[key] = try_answer(exercise, answer, case, 60.0)
    return exercise.kept[key]


def _tested(want: list[Trial]) -> str:
    gradients = sorted({name for trial in want for one in trial.graded.gradients for name in one})
    what = "Values" + (
        f" and gradients with respect to {', '.join(f'`{name}`' for name in gradients)}" if gradients else ""
    )
    cases = "; ".join(trial.case for trial in want)
    single = "; in float32 it keeps the dtype" if all(map(comparable_in_float32, want)) else ""
    return f"{what} agree on {len(want)} inputs ({cases}), to {TOLERANCE}{single}."


def _notes(got: list[Trial]) -> tuple[str, ...]:
    return notes_on(one for trial in got for one in trial.runs)

"""Every exercise of every lesson, both ways: the solution passes, and nothing else does; each misconception hears its own sentence."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from helpers.exercises import Exercise, registry
from helpers.exercises.engine.judge import judge
from tests.exercises.independent import differs

ROOT = Path(__file__).parents[2]
EVERY = [exercise for lesson in registry.lessons() for exercise in registry.exercises_of(lesson)]
each = pytest.mark.parametrize("exercise", EVERY, ids=lambda exercise: exercise.id)


@each
def test_the_solution_passes(exercise: Exercise, tally):
    verdict = judge(exercise, exercise.solution)
    assert verdict.passed, verdict
    assert not verdict.notes
    tally[exercise.id]["solution"] = verdict.status


@each
def test_the_stub_is_not_attempted(exercise: Exercise, tally):
    scope: dict[str, Any] = {}
    exec(exercise.stub, scope)
    verdict = judge(exercise, scope[exercise.name])
    assert verdict.status == "not attempted", verdict
    tally[exercise.id]["stub"] = "○"


@each
def test_every_misconception_hears_its_own_sentence(exercise: Exercise, tally):
    wrong = []
    for misconception in exercise.misconceptions:
        verdict = judge(exercise, misconception.answer)
        if verdict.status != "not yet" or verdict.sentence != misconception.sentence:
            wrong.append((misconception.name, verdict))
    tally[exercise.id]["misconceptions"] = (
        f"{len(exercise.misconceptions) - len(wrong)} of {len(exercise.misconceptions)}"
    )
    assert not wrong
    assert len(exercise.misconceptions) >= 3
    assert len({misconception.sentence for misconception in exercise.misconceptions}) == len(exercise.misconceptions)
    assert len({misconception.name for misconception in exercise.misconceptions}) == len(exercise.misconceptions)


@each
def test_a_costly_answer_passes_with_its_remark_and_no_other_does(exercise: Exercise):
    assert judge(exercise, exercise.solution).remarks == ()
    for remark in exercise.remarks:
        verdict = judge(exercise, remark.answer)
        assert verdict.passed and verdict.remarks == (remark.sentence,), verdict


def randomly_wrong(solution: Callable[..., Any]) -> Iterator[tuple[str, Callable[..., Any]]]:
    """The solution with its results changed: sign, scale, shift, order, reduction, dtype, gradient."""
    torch.manual_seed(1)
    scale, shift = (0.5 + torch.rand(2)).tolist()
    changes: dict[str, Callable[[Tensor], Any]] = {
        "sign flipped": lambda t: -t,
        "scaled": lambda t: (1 + scale) * t,
        "scaled by a thousandth": lambda t: 1.001 * t,
        "shifted": lambda t: t + shift,
        "shifted a little": lambda t: t + 1e-4,
        "transposed": lambda t: t.movedim(0, -1),
        "permuted": lambda t: t.flip(0),
        "rolled": lambda t: t.roll(1, -1),
        "mean over the last": lambda t: t.mean(-1),
        "sum over the first": lambda t: t.sum(0),
        "sum of all": lambda t: t.sum(),
        "mean, repeated": lambda t: t.mean().expand_as(t),
        "one dimension more": lambda t: t.unsqueeze(-1),
        "squared": lambda t: t**2,
        "clamped": lambda t: t.clamp(max=t.detach().mean()),
        "detached": lambda t: t.detach(),
        "in float32": lambda t: t.float(),
        "zero": lambda t: 0 * t,
        "NaN": lambda t: t * torch.nan,
        "noisy": lambda t: t + 0.01 * torch.randn_like(t),
        "half the gradient": lambda t: 0.5 * t + 0.5 * t.detach(),
    }
    for name, change in changes.items():

        def changed(*args: Any, change: Any = change, **kwargs: Any) -> Any:
            value = solution(*args, **kwargs)
            if isinstance(value, tuple):
                return tuple(_changed(item, change) for item in value)
            return _changed(value, change)

        yield name, changed
    yield "the last result alone", lambda *a, **k: _changed_last(solution(*a, **k), lambda t: -t)


def _changed(item: Any, change: Callable[[Tensor], Any]) -> Any:
    if isinstance(item, Tensor):
        return change(item if item.is_floating_point() else item.double())
    return (
        not item
        if isinstance(item, bool)
        else item + 1
        if isinstance(item, int)
        else change(torch.tensor(item, dtype=torch.float64)).item()
    )


def _changed_last(value: Any, change: Callable[[Tensor], Any]) -> Any:
    return (*value[:-1], _changed(value[-1], change)) if isinstance(value, tuple) else _changed(value, change)


@pytest.mark.thorough
@each
def test_random_wrong_answers_never_pass(exercise: Exercise, tally):
    tried, passed = 0, []
    for name, answer in randomly_wrong(exercise.solution):
        if differs(exercise.solution, answer, dict(exercise.cases)):  # transposing a vector changes nothing
            tried += 1
            verdict = judge(exercise, answer)
            assert "could not be judged" not in verdict.sentence and "cannot say how" not in verdict.sentence, (
                f"{name}: {verdict}"
            )
            if verdict.status != "not yet":
                passed.append(name)
    tally[exercise.id]["random wrong"] = f"{tried - len(passed)} of {tried}"
    assert not passed
    assert tried >= 8


@each
def test_what_the_learner_reads_is_there(exercise: Exercise):
    assert re.fullmatch(r"\d\d\.\d{1,2}", exercise.id)
    assert exercise.title and exercise.why.endswith(".") and exercise.statement
    assert len(exercise.hints) == 3 and all(hint.strip() for hint in exercise.hints) and len(set(exercise.hints)) == 3
    assert 2 <= exercise.minutes <= 20 and exercise.difficulty in (1, 2, 3)
    for misconception in exercise.misconceptions:
        assert misconception.name and misconception.sentence.rstrip()[-1] in ".?!`)"
    assert len(exercise.cases) >= 3
    assert set(exercise.dimensions) - {"return"} <= set(exercise.solution.__code__.co_varnames)
    assert exercise.returns and all(exercise.returns)


@pytest.mark.repository
@each
def test_the_lesson_holds_the_exercise_word_for_word(exercise: Exercise):
    lessons = list((ROOT / "lessons_src").glob(f"{exercise.lesson}_*.py"))
    assert lessons, f"no lesson {exercise.lesson}"
    text = lessons[0].read_text(encoding="utf-8")
    prose = "\n".join(re.sub("^# ?", "", line) for line in text.splitlines() if line.startswith("#"))
    assert f"\n### {exercise.heading}\n" in prose
    assert _words(exercise.statement) in _words(prose)
    assert f'\n{exercise.stub}\n\n\ncheck("{exercise.id}", {exercise.name})\n' in text


def _words(text: str) -> str:
    return " ".join(text.split())


# What an id means, for ever: a learner's progress is kept by it. A new exercise gets the next free number of its lesson, wherever it
# stands there. A renamed one keeps its id; the id of one that is taken out stays here, and is never given to another.
MEANINGS = {
    "00.1": "log_prob_of_images",
    "01.1": "kl_to_standard_normal",
    "01.2": "whole_from_minibatch",
    "01.3": "exact_posterior",
    "01.4": "elbo_estimate",
    "01.5": "gaps",
    "02.1": "log_joint",
    "02.2": "sample_and_rate",
    "02.3": "rate",
    "02.4": "log_aggregate",
    "02.5": "floor_and_excess",
    "02.6": "gaussian_head",
    "02.7": "training_step",
    "03.1": "categorical_posterior",
    "03.2": "score_function_surrogate",
    "03.3": "optimal_baseline",
    "03.4": "centre_by_past",
    "03.5": "learned_baseline_losses",
    "03.6": "downstream_rewards",
    "04.1": "leave_one_out_surrogate",
    "04.2": "vimco_signals",
    "04.3": "disarm_gradient",
    "04.4": "local_gradient",
    "04.5": "straight_through_bias",
    "04.6": "gaussian_variances",
    "04.7": "relaxed_pair",
    "05.1": "log_normaliser",
    "05.2": "split_rate",
    "05.3": "free_bits_rate",
    "05.4": "vamp_log_prob",
    "05.5": "mixture_surrogate",
    "05.6": "affine_coupling",
    "06.1": "unlabelled_bound",
    "06.2": "noise_of_a_guess",
    "06.3": "hidden_of_every_class",
    "06.4": "semi_supervised_objective",
    "06.5": "what_the_guess_costs",
    "06.6": "compare_over_splits",
    "07.1": "gated_mean",
    "07.2": "bound_per_step",
    "07.3": "reverse_each",
    "07.4": "importance_sampled",
    "07.5": "particle_step",
    "07.6": "forward_log_marginal",
    "08.1": "log_prior_and_likelihood",
    "08.2": "replayed",
    "08.3": "surrogate_of_traces",
    "08.4": "log_joint_in_plates",
    "08.5": "log_importance_weight",
    "08.6": "acceptance_probability",
}


def test_an_id_never_changes_its_meaning():
    """If this fails for a new exercise: give it the next free number, and add it here. Never give a number again."""
    assert {exercise.id: exercise.name for exercise in EVERY}.items() <= MEANINGS.items()


def test_names_are_not_shared_and_numbers_leave_no_gap():
    for lesson in registry.lessons():
        known = sorted((id for id in MEANINGS if id.startswith(lesson)), key=lambda id: int(id.partition(".")[2]))
        assert known == [f"{lesson}.{number}" for number in range(1, len(known) + 1)]
    assert len(set(MEANINGS.values())) == len(MEANINGS)

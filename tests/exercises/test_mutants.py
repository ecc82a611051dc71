"""`check` passes no mutant of a solution that differs from it. Which ones differ, the probes say: inputs that `check` does not use."""

from __future__ import annotations

import importlib
import re
from dataclasses import replace

import pytest

from helpers.exercises import Exercise, registry
from helpers.exercises.engine import judge as judging
from helpers.exercises.engine.comparison import Fault
from tests.exercises.independent import differs
from tests.exercises.mutants import mutants

EVERY = [exercise for lesson in registry.lessons() for exercise in registry.exercises_of(lesson)]


def probes(exercise: Exercise) -> dict:
    return importlib.import_module(f"tests.exercises.lesson_{exercise.lesson}.probes").PROBES[exercise.id]


@pytest.mark.thorough
@pytest.mark.parametrize("exercise", EVERY, ids=lambda exercise: exercise.id)
def test_no_mutant_that_differs_passes(exercise: Exercise, tally, monkeypatch):
    bare = replace(
        exercise, misconceptions=()
    )  # which sentence is said does not matter here, and to search for it takes time
    monkeypatch.setattr(judging, "first_fault", lambda comparison: Fault("It differs."))
    monkeypatch.setattr(judging, "basic_fault", lambda comparison: None)
    made = list(mutants(exercise.solution))
    passed, weak, equivalent, different = [], [], [], 0
    for what, mutant in made:
        verdict = judging.judge(bare, mutant, seconds=2.0)
        assert "could not be judged" not in verdict.sentence, f"{what}: {verdict.sentence}"
        if differs(exercise.solution, mutant, probes(exercise)):
            different += 1
            if verdict.passed:
                passed.append(what)
        else:
            equivalent.append(what)
            if not verdict.passed and differs(exercise.solution, mutant, dict(exercise.cases)):
                weak.append(what)  # check knows better than the probes
    row = tally[exercise.id]
    row["mutants"], row["different"], row["rejected"] = str(len(made)), str(different), str(different - len(passed))
    row["equivalent"], row["equivalent ones"] = str(len(equivalent)), "\n".join(equivalent)
    assert not passed, "check passes these, and they differ on the probes: its cases are too tame"
    assert not weak, "check rejects these, and the probes call them equivalent: the probes are too tame"
    assert len(made) >= 20


def toy(loc, scale):
    """A toy."""
    total = (loc.detach() * scale) - 2.0
    return total.sum(-1)


def test_mutants_change_one_thing_each_of_every_kind():
    made = dict(mutants(toy))
    kinds = " ".join(made)
    for kind in (
        "Div",
        "only the left side",
        "detached",
        "sum(...) dropped",
        "detach(...) dropped",
        "mean for sum",
        ": 0",
        "4.0",
        "scale for loc",
    ):
        assert kind in kinds, kind
    assert all(re.match(r"`.+`: .+", what) for what in made)


def test_the_independent_comparison_sees_values_gradients_and_errors():
    import torch

    factories = {
        "a": lambda g: {
            name: torch.randn(3, 2, generator=g, dtype=torch.float64).requires_grad_() for name in ("loc", "scale")
        }
    }
    assert not differs(toy, lambda loc, scale: (scale * loc.detach()).sum(-1) - 4, factories)
    assert differs(toy, lambda loc, scale: (scale * loc.detach()).sum(-1) - 4.001, factories)
    assert differs(toy, lambda loc, scale: (scale * loc).sum(-1) - 4, factories)
    assert differs(toy, lambda loc, scale: 1 / 0, factories)

"""Faults of the gradients, where the values are right."""

from __future__ import annotations

import torch
from torch import Tensor

from helpers.exercises.engine.setting import Fault, Setting, raised
from helpers.exercises.engine.trial import Trial
from helpers.exercises.engine.values import how_they_differ, wrong_gradients
from helpers.exercises.engine.wrong_numbers import example


def gradients(setting: Setting) -> Fault | None:
    for got, _, _ in setting.cases():
        if got.graded.gradient_error is not None:
            fault = raised(setting, got, got.graded.gradient_error, " while its gradient is taken")
            fault.sentence = "Your values are right. " + fault.sentence
            return fault
    for index in range(max(len(trial.graded.outputs) for trial in setting.want)):
        for got, want, _ in setting.cases():
            given, wanted = got.graded.gradients[index], want.graded.gradients[index]
            wrong = wrong_gradients(given, wanted)
            if wrong:
                return _wrong_gradient(setting, index, wrong[0], got, wanted)
    return None


def _wrong_gradient(setting: Setting, index: int, name: str, got: Trial, wanted: dict[str, Tensor]) -> Fault:
    given = got.graded.gradients[index]
    subject, facts = setting.subject(index), (setting.where(got.case),)
    if not given:
        words = (
            f"{subject} has the right values, but no gradient flows through it: something cuts it off, such as "
            "`.detach()`, `.item()`, `.data`, "
            "`torch.tensor(...)`, NumPy or `no_grad`."
        )
        return Fault(words, facts)
    if name not in given or not given[name].any():
        return Fault(
            f"{subject} has the right values, but no gradient reaches `{name}`. Something is detached that should not be.",
            facts,
        )
    if name not in wanted or not wanted[name].any():
        return Fault(
            f"{subject} has the right values, but a gradient reaches `{name}` that should not: a `.detach()` is missing.",
            facts,
        )
    if not torch.isfinite(given[name]).all():
        words = (
            f"{subject} has the right values, but its gradient with respect to `{name}` is NaN or infinite: "
            "a root or logarithm at 0, perhaps in the branch of a `where` that is not taken."
        )
        return Fault(words, facts)
    relation = how_they_differ([(given[name], wanted[name])], [{}])
    how = f" It is {relation}." if relation else " Some path is detached, or counted twice."
    return Fault(
        f"{subject} has the right values, but its gradient with respect to `{name}` is wrong.{how}",
        (*facts, *example(given[name], wanted[name])),
    )

"""An answer that reads the notebook's variables in place of its arguments hears which."""

from __future__ import annotations

import math

import pytest
import torch

from helpers.exercises.engine.judge import judge
from helpers.exercises.engine.notebook_names import names_read, notebook_names
from tests.exercises.toys import ENERGY


def in_a_notebook(source: str, **variables):
    """The function that a notebook's cell defines, with these variables defined by earlier cells."""
    scope = {"torch": torch, "math": math, **variables}
    exec(source, scope)
    return scope["energy"]


TENSOR = torch.ones(4, 3, dtype=torch.float64)
BODY = "def energy(loc, scale):\n    return (loc**2 / (2 * scale) + scale).sum(-1)"


def test_data_of_the_notebook_comes_first():
    answer = in_a_notebook(
        "def energy(loc, scale):\n    return (mu**2 / (2 * scale) + scale).sum(-1)", mu=TENSOR[0, 0].expand(4, 3)
    )
    verdict = judge(ENERGY, answer)
    assert verdict.sentence.startswith(
        "`mu` is no argument; it is a variable of the notebook, a tensor of the shape [4, 3]."
    )
    assert verdict.misconception_id == "notebook-name" and "`loc`, `scale`" in verdict.sentence


def test_parameters_that_were_renamed_above_and_not_below():
    answer = in_a_notebook("def energy(m, s):\n    return (loc**2 / (2 * s) + s).sum(-1)", loc=TENSOR)
    assert "reaches your function by position: yours calls it `m`" in judge(ENERGY, answer).sentence


def test_it_is_found_in_functions_inside_and_beside():
    inside = "def energy(loc, scale):\n    def part():\n        return data.sum()\n    return part() + loc.sum(-1)"
    beside = "def helper(x):\n    return x + data.sum()\n\ndef energy(loc, scale):\n    return helper(loc.sum(-1))"
    for source in (inside, beside):
        assert "`data` is no argument" in judge(ENERGY, in_a_notebook(source, data=TENSOR)).sentence


def test_a_size_of_the_notebook_is_named_if_the_answer_raises():
    answer = in_a_notebook(
        "def energy(loc, scale):\n    return (loc**2 / (2 * scale) + scale).reshape(images, 3).sum(-1)", images=4
    )
    verdict = judge(ENERGY, answer)
    assert verdict.sentence.startswith("`images` is no argument") and verdict.misconception_id == "notebook-name"
    assert any(label == "Python says" for label, _ in verdict.facts)


@pytest.mark.parametrize(
    "value", [TENSOR, torch.nn.Linear(2, 2), torch.distributions.Normal(0.0, 1.0), [TENSOR, TENSOR], TENSOR.numpy(), 3]
)
def test_what_counts_as_a_variable(value):
    answer = in_a_notebook("def energy(loc, scale):\n    return thing", thing=value)
    assert [one.name for one in notebook_names(answer)] == ["thing"]


def test_modules_functions_classes_and_builtins_are_none():
    source = "def energy(loc, scale):\n    return torch.stack([helper(row) for row in loc]) + len(loc) * math.pi + Kind.value"
    answer = in_a_notebook(source, helper=torch.sum, Kind=type("Kind", (), {"value": 1}))
    assert not notebook_names(answer) and {"torch", "helper", "len", "math", "Kind"} <= names_read(answer)


def test_a_right_answer_with_a_constant_of_the_notebook_passes_with_a_note():
    answer = in_a_notebook(BODY.replace("(2 *", "(TWO *"), TWO=2)
    verdict = judge(ENERGY, answer)
    assert verdict.passed and any("`TWO` (2)" in note for note in verdict.notes)


def test_a_number_of_the_notebook_is_named_if_nothing_else_is():
    answer = in_a_notebook(BODY.replace("+ scale)", "+ scale + loc.sin() * eps)"), eps=0.1)
    assert "`eps` is no argument; it is a variable of the notebook, 0.1." in judge(ENERGY, answer).sentence
    off = in_a_notebook(BODY.replace(".sum(-1)", ".sum(-1) + ONE"), ONE=1)
    verdict = judge(ENERGY, off)
    assert "too large by 1" in verdict.sentence and any("`ONE` (1)" in note for note in verdict.notes)


def test_a_misspelt_argument_is_corrected_to_the_nearest_argument():
    for wrong, right in (("scal", "scale"), ("locs", "loc")):
        source = f"def energy(loc, scale):\n    return {wrong} + 1"
        assert f"Did you mean `{right}`?" in judge(ENERGY, in_a_notebook(source, scaled=print, locks=print)).sentence


def test_a_function_of_the_notebook_that_reads_the_notebooks_own_is_named():
    answer = in_a_notebook(
        "def spread(loc):\n    return loc**2 / (2 * scale)\n\n"
        "def energy(loc, scale):\n    return (spread(loc) + scale).sum(-1)",
        scale=TENSOR,
    )
    sentence = judge(ENERGY, answer).sentence
    assert sentence.startswith(
        "`spread`, which you call, is a function of the notebook. It uses the notebook's `scale`"
    )
    assert "no argument" not in sentence

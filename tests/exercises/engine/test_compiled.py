"""A compiled answer is refused in a sentence, before it is called."""

from __future__ import annotations

import re

import pytest
import torch
from torch import nn

from helpers.exercises.engine.compiled import compiled_complaint
from helpers.exercises.engine.judge import judge
from helpers.exercises.engine.torch_modes import TorchModes
from tests.exercises.toys import ENERGY, energy


def scripted(loc, scale):
    return (loc**2 / (2 * scale) + scale).sum(-1)


class Module(nn.Module):
    def forward(self, loc, scale):
        return energy(loc, scale)


class Holder:
    inner = staticmethod(torch.compile(energy))

    def __call__(self, loc, scale):
        return inner_compiled(loc, scale)


inner_compiled = torch.compile(energy)
compiled_module = Module()
compiled_module.compile()


def calls_a_compiled_one(loc, scale):
    return inner_compiled(loc, scale)


def calls_one_that_does(loc, scale):
    return calls_a_compiled_one(loc, scale)


def compiles_inside(loc, scale):
    return torch.compile(energy)(loc, scale)


def scripts_inside(loc, scale):
    return torch.jit.script(scripted)(loc, scale)


def closed_over():
    compiled = torch.compile(energy)
    return lambda loc, scale: compiled(loc, scale)


COMPILED = {
    "decorated": torch.compile(energy),
    "module": torch.compile(Module()),
    "module.compile()": compiled_module,
    "inner": calls_a_compiled_one,
    "two functions down": calls_one_that_does,
    "inside": compiles_inside,
    "closure": closed_over(),
    "method": Holder().__call__,
    "object": Holder(),
    "sequential": nn.Sequential(torch.compile(nn.Linear(2, 2))),
    "script": torch.jit.script(scripted),
    "script inside": scripts_inside,
    "trace": torch.jit.trace(scripted, (torch.ones(2, 2), torch.ones(2, 2))),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", COMPILED)
def test_a_compiled_answer_is_refused_in_a_sentence(name):
    before = vars(TorchModes())
    verdict = judge(ENERGY, COMPILED[name])
    assert (
        "torch.jit" in verdict.sentence if "script" in name or name == "trace" else "torch.compile" in verdict.sentence
    )
    assert "leave out the decorator or the call" in verdict.sentence
    assert vars(TorchModes()) == before and judge(ENERGY, energy).passed


PATTERN = "x"


def compiles_a_pattern(loc, scale):
    assert re.compile(PATTERN)
    return torch.as_tensor(energy(loc, scale))


@pytest.mark.parametrize(
    "answer",
    [energy, compiles_a_pattern, torch.compiler.disable(energy), Module(), torch.matmul, 3, None, "text", Module],
)
def test_nothing_else_is_taken_for_compiled(answer):
    assert compiled_complaint(answer) is None

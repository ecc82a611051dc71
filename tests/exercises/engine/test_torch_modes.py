"""What an answer opens in torch and does not close is closed after it, and said."""

from __future__ import annotations

import pytest
import torch
from torch._C import _functorch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from helpers.exercises.engine.judge import judge
from helpers.exercises.engine.torch_modes import TorchModes
from tests.exercises.toys import ENERGY, energy


class Doubling(TorchFunctionMode):
    def __torch_function__(self, function, types, args=(), kwargs=None):
        return function(*args, **(kwargs or {})) * 2


class Dispatching(TorchDispatchMode):
    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        raise RuntimeError("left open")


KEPT = []  # a context that nobody holds is left when its memory is


def entered(context):
    KEPT.append(context)
    context.__enter__()


OPENED = {
    "Doubling": lambda: Doubling().__enter__(),
    "Dispatching": lambda: Dispatching().__enter__(),
    "FakeTensorMode": lambda: FakeTensorMode().__enter__(),
    "a default device": lambda: torch.device("meta").__enter__(),
    "a default device, set": lambda: torch.set_default_device("meta"),
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16).__enter__(),
    "a transform of `torch.func`": lambda: _functorch._grad_increment_nesting(),
    "a `vmap`": lambda: torch._C._vmapmode_increment_nesting(),
    "a dual level": lambda: torch.autograd.forward_ad.enter_dual_level(),
    "hooks on saved tensors": lambda: torch.autograd.graph.saved_tensors_hooks(
        lambda x: x, lambda x: x * 2
    ).__enter__(),
    "disable_saved_tensors_hooks": lambda: entered(torch.autograd.graph.disable_saved_tensors_hooks("no")),
}


@pytest.mark.parametrize("name", OPENED)
def test_what_an_answer_leaves_open_is_closed(name):
    def answer(loc, scale):
        energies = energy(loc, scale)
        OPENED[name]()
        return energies

    before = vars(TorchModes())
    verdict = judge(ENERGY, answer)
    assert vars(TorchModes()) == before
    assert verdict.passed and name.partition(",")[0] in " ".join(verdict.notes)
    assert judge(ENERGY, energy).passed and not judge(ENERGY, energy).notes


def test_modes_of_the_learners_stay_open():
    with Doubling() as mode, torch.autocast("cpu"):
        judge(ENERGY, energy)
        assert TorchModes().function_modes == [mode] and torch.is_autocast_enabled("cpu")
    assert not TorchModes().function_modes
